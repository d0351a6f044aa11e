"""The player's page in a Chromium: find one, open the page, ask it what is going on, record what it plays."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = ("--autoplay-policy=no-user-gesture-required", "--no-sandbox", "--disable-dev-shm-usage")


def find_browser() -> str | None:
    """Return the path of a Chromium: `CFORK_TEST_BROWSER`, or one on PATH; None if there is none."""
    named = os.environ.get("CFORK_TEST_BROWSER")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


def missing() -> str | None:
    """Return why the page cannot be tried in a browser; None if it can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install playwright"
    if find_browser() is None:
        return "no Chromium on PATH: install one (apt install chromium), or name it by CFORK_TEST_BROWSER"
    return None


PATIENCE = 60.0  # seconds

CAPTURE = """
registerProcessor("capture", class extends AudioWorkletProcessor {
  process([input]) {
    if (input.length) this.port.postMessage({ frame: currentFrame, sound: input.map((one) => one.slice()) });
    return true;
  }
});
"""

# Everything that tests ask of the page, by its own modules.
PROBE = """
async (capture) => {
  const { mixer } = await import("/assets/mixer.js");
  const { feed } = await import("/assets/feed.js");
  const { settings } = await import("/assets/settings.js");
  const film = document.getElementById("film");
  await mixer.context.audioWorklet.addModule(URL.createObjectURL(new Blob([capture], { type: "text/javascript" })));
  const node = new AudioWorkletNode(mixer.context, "capture", { numberOfOutputs: 0 });
  mixer.sum.connect(node);
  const test = { mixer, feed, settings, film, sound: [], shown: [], stalls: 0 };
  node.port.onmessage = ({ data }) => {
    test.sound.push({ frame: data.frame, left: data.sound[0], right: data.sound[1] ?? data.sound[0] });
    if (test.sound.length > 4000) test.sound.shift();
  };
  const canvas = new OffscreenCanvas(256, 144);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const seen = (now, facts) => {
    pen.drawImage(film, 0, 0, 256, 144);
    const pixels = pen.getImageData(0, 8, 256, 1).data;
    let number = 0;
    for (let bit = 0; bit < 16; bit += 1) number = 2 * number + (pixels[4 * (16 * bit + 8)] > 128 ? 1 : 0);
    const { contextTime, performanceTime } = mixer.context.getOutputTimestamp();
    const heard = contextTime + (facts.expectedDisplayTime - performanceTime) / 1000;
    test.shown.push({ number, at: facts.mediaTime, heard });
    film.requestVideoFrameCallback(seen);
  };
  film.requestVideoFrameCallback(seen);
  film.addEventListener("waiting", () => (test.stalls += 1));
  window.test = test;
}
"""


# The recorded sound as base64: 128 samples left, 128 right, and so on.
FETCH = """
() => {
  const all = new Float32Array(test.sound.length * 256);
  test.sound.forEach(({ left, right }, number) => {
    all.set(left, number * 256);
    all.set(right, number * 256 + 128);
  });
  let text = "";
  for (const byte of new Uint8Array(all.buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}
"""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Start it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), headless=True, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Seen:
    """One page, what it complained about, and its server."""

    def __init__(self, page: Any, url: str, world: Any = None) -> None:
        self.page, self.url, self.world = page, url, world
        self.complaints: list[str] = []
        page.on("console", lambda one: self.complaints.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda one: self.complaints.append(str(one)))
        page.set_default_timeout(1000 * PATIENCE)

    def open(self) -> None:
        self.page.goto(self.url)
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_selector("html[data-ready]", state="attached")
        self.page.evaluate(PROBE, CAPTURE)

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(f"() => {{ const {{ film, feed, mixer, settings }} = test; return {expression}; }}")

    def until(self, expression: str) -> None:
        self.page.wait_for_function(f"() => {{ const {{ film, feed }} = test; return {expression}; }}")

    def play(self) -> None:
        self.page.evaluate("() => document.getElementById('play').click()")
        self.until("!film.paused && film.readyState >= 3 && film.currentTime > 0.3")

    def sound(self, seconds: float = 0.6) -> np.ndarray:
        """Record `[2, samples]` from now on."""
        self.page.evaluate("() => { test.sound = []; }")
        self.until(f"test.sound.length * 128 >= {seconds} * 48000")
        text = self.page.evaluate(FETCH)
        return np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, 2, 128).transpose(1, 0, 2).reshape(2, -1)

    def slide(self, stem: str, gain: float) -> None:
        """Move a slider."""
        self.page.evaluate(
            "([stem, gain]) => { const one = document.querySelector(`#${stem} .gain`); one.value = gain;"
            " one.dispatchEvent(new Event('input', { bubbles: true })); }",
            [stem, gain],
        )
