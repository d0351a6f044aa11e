"""The page in a real browser: picture and sound by the numbers in them, sliders, seeks, keys, export, looks."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import ARGUMENTS, find_browser, missing
from support.numbered_film import LEVELS, RATE, TONES_HZ, numbered_film, stems
from support.stand_in import STATIC, StandIn, serving

pytestmark = [pytest.mark.browser, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

SECONDS = 40.0
PATIENCE = 60.0

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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), headless=True, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_film(tmp_path_factory.mktemp("film") / "numbered.mkv", SECONDS)


class Seen:
    """One page, what it complained about, and its server."""

    def __init__(self, page: Any, world: StandIn, url: str) -> None:
        self.page, self.world, self.url = page, world, url
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


@pytest.fixture
def opened(chromium: Any, film: Path) -> Iterator[Callable[..., Seen]]:
    """Open the page of a new server, with what a test wants of it."""
    import contextlib

    with contextlib.ExitStack() as stack:

        def open_page(*, path: Path | None = None, size: tuple[int, int] = (1280, 800), **facts: Any) -> Seen:
            world = StandIn(path or film, **facts)
            url = stack.enter_context(serving(world))
            context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, bypass_csp=True)
            stack.callback(context.close)
            page = context.new_page()
            seen = Seen(page, world, url)
            seen.open()
            return seen

        yield open_page


def tone(sound: np.ndarray, hz: float) -> float:
    """Amplitude of a tone in samples, by a window that lets neighbours through by -90 dB."""
    window = np.blackman(len(sound))
    wave = np.exp(-2j * np.pi * hz * np.arange(len(sound)) / 48_000)
    return float(2 * abs(np.sum(sound * window * wave)) / np.sum(window))


def levels(sound: np.ndarray) -> dict[str, float]:
    """dB of dialogue and music (the steady tones) over what is in the film."""
    return {
        stem: 20 * math.log10(max(tone(sound[0], TONES_HZ[stem][0]), 1e-9) / LEVELS[stem]) for stem in ("dialogue", "music")
    }


def beep_level(sound: np.ndarray) -> float:
    """dB of the beeps over what they are in the film: from the loudest 40 ms."""

    def loudest(one: np.ndarray) -> float:
        return max(tone(one[at : at + 1920], TONES_HZ["effects"][0]) for at in range(0, len(one) - 1920, 96))

    return 20 * math.log10(max(loudest(sound[0]), 1e-9) / loudest(stems(0, 4800)[2, 0]))


def slide(seen: Seen, stem: str, gain: float) -> None:
    seen.page.evaluate(
        "([stem, gain]) => { const one = document.querySelector(`#${stem} .gain`); one.value = gain;"
        " one.dispatchEvent(new Event('input', { bubbles: true })); }",
        [stem, gain],
    )


def test_the_film_plays_and_each_slider_moves_its_stem_alone(opened: Callable[..., Seen]) -> None:
    seen = opened()
    seen.play()
    seen.until("feed.isWhole()")
    assert levels(seen.sound()) == pytest.approx({"dialogue": 0, "music": 0}, abs=0.05)
    for dialogue, music in ((6, 0), (6, -12), (0, -40.5), (-6.5, 12)):
        slide(seen, "dialogue", dialogue)
        slide(seen, "music", music)
        time.sleep(0.25)
        got = levels(seen.sound())
        assert got["dialogue"] == pytest.approx(dialogue, abs=0.05)
        if music < -40:
            assert got["music"] < -80
        else:
            assert got["music"] == pytest.approx(music, abs=0.05)
    slide(seen, "effects", 9)
    slide(seen, "music", 0)
    time.sleep(0.25)
    sound = seen.sound(1.3)
    assert beep_level(sound) == pytest.approx(9, abs=0.3)
    assert levels(sound[:, -28_800:])["music"] == pytest.approx(0, abs=0.05)
    right = 20 * math.log10(tone(sound[1, -28_800:], TONES_HZ["music"][1]) / LEVELS["music"])
    assert right == pytest.approx(0, abs=0.05)
    assert not seen.complaints
