"""The page with the real server: what is heard is what is written, and the server ends with the page."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from support import readings
from support.browser import Seen, chromium, missing
from support.films import ffmpeg
from support.numbered_film import numbered_film
from support.players import fake, player_of

pytestmark = [pytest.mark.browser, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

SECONDS = 12.0
BANDS = [
    {"kind": "highpass", "frequency": 90},
    {"kind": "lowshelf", "frequency": 120, "gain": -3},
    {"kind": "peaking", "frequency": 3000, "gain": 4},
    {"kind": "highshelf", "frequency": 8000, "gain": 2},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return numbered_film(tmp_path / "numbered.mkv", SECONDS)


def difference_db(heard: np.ndarray, written: np.ndarray) -> tuple[float, float]:
    """Level-matched signal-to-noise ratio of what was heard against the place of the film that it is; and its level."""
    match = sum(scipy.signal.correlate(written[side], heard[side], "valid", "fft") for side in (0, 1))
    total = np.cumsum(np.append(0.0, np.square(written).sum(axis=0)))
    power = total[heard.shape[1] :] - total[: -heard.shape[1]]
    at = int(np.argmax(match / np.sqrt(np.maximum(power, 1e-12))))
    there = written[:, at : at + heard.shape[1]]
    scale = float((heard * there).sum() / np.square(there).sum())
    error = np.square(heard - scale * there).sum() / np.square(heard).sum()
    return -10 * math.log10(max(error, 1e-12)), 20 * math.log10(abs(scale))


@pytest.mark.parametrize(
    "effects", [{}, {"dialogue": {"bands": BANDS, "reverb": "room:-9"}, "music": {"reverb": "hall:-12"}}]
)
def test_what_is_heard_is_what_is_written(browser: Any, film: Path, tmp_path: Path, effects: dict[str, Any]) -> None:
    # the same in windows of every length: what lies near the playhead comes in short ones, see test_work
    network = fake(lambda x: 0.3 * torch.tanh(3 * x))
    with player_of(film, tmp_path / "cache", network=network) as (_, server, _):
        context = browser.new_context(bypass_csp=True)
        seen = Seen(context.new_page(), server.url)
        seen.open()
        seen.until("test.mixer.rooms.hall")
        seen.page.evaluate("(effects) => test.settings.preset({ effects })", effects)
        for stem, gain in (("dialogue", 4), ("music", -8), ("effects", 2.5)):
            seen.slide(stem, gain)
        seen.until("feed.done.length === 1 && feed.done[0][1] === feed.film.fragments")
        seen.page.click("#export")
        seen.page.wait_for_function("() => document.getElementById('result').textContent.startsWith('Written: ')")
        written = Path(seen.page.text_content("#result").removeprefix("Written: "))
        assert written == film.with_name("numbered.cfork.mkv")
        sound = readings.samples(written).astype(np.float64)
        found = []
        for _ in range(5):  # where the browser had to wait for its turn, there is a gap: once more then
            seen.page.evaluate(
                "() => { film.currentTime = 4; film.paused && document.getElementById('play').click(); }"
            )
            seen.until("!film.seeking && !film.paused && film.currentTime > 6.3")
            found.append(difference_db(seen.sound(2.0).astype(np.float64), sound))
            if found[-1][0] > 40:
                break
        print("heard against written: dB of difference, dB of level:", found)
        assert found[-1][0] > 40
        assert abs(found[-1][1]) < 0.1
        assert not seen.complaints
        context.close()


def test_the_server_ends_when_its_page_is_closed(browser: Any, film: Path, tmp_path: Path) -> None:
    with player_of(film, tmp_path / "cache") as (_, server, _):
        context = browser.new_context(bypass_csp=True)
        seen = Seen(context.new_page(), server.url)
        seen.open()
        seen.page.reload()
        seen.ready()
        assert not server.life.over()
        seen.page.close(run_before_unload=True)
        limit = time.monotonic() + 60
        while not server.life.over() and time.monotonic() < limit:
            time.sleep(0.1)
        assert server.life.over()
        context.close()


def test_the_last_piece_of_sound_is_fetched_once_however_short_it_is(browser: Any, tmp_path: Path) -> None:
    path = numbered_film(tmp_path / "numbered.mkv", 2.3)  # 0.25 s of the last piece are film
    with player_of(path, tmp_path / "cache") as (_, server, _):
        context = browser.new_context(bypass_csp=True)
        seen = Seen(context.new_page(), server.url)
        asked: list[str] = []
        seen.page.on("request", lambda one: asked.append(one.url.partition("/a/")[2]))
        seen.open()
        seen.until("feed.done.length === 1 && feed.done[0][1] === feed.film.fragments")
        seen.until("feed.source.readyState === 'ended'")
        seen.play()
        seen.until("film.ended")
        assert 1 <= len([one for one in asked if one.startswith("2?")]) <= 6, "without, then with stems"
        context.close()


def test_another_sound_track(browser: Any, film: Path, tmp_path: Path) -> None:
    """The page throws away what it has of the old one, and the new one plays."""
    path = tmp_path / "two.mkv"
    ffmpeg(
        "-i", film, "-f", "lavfi", "-i", f"sine=frequency=2000:duration={SECONDS}:sample_rate=48000",
        "-map", "0:v", "-map", "0:a", "-map", "1:a", "-c:v", "copy", "-c:a", "flac", "-ac", "2", path,
    )  # fmt: skip
    with player_of(path, tmp_path / "cache") as (_, server, _):
        context = browser.new_context(bypass_csp=True)
        seen = Seen(context.new_page(), server.url)
        seen.open()
        seen.play()
        seen.page.select_option("#tracks", "1")
        seen.until("test.sound.length > 100 && feed.isWhole() && film.readyState >= 3 && !film.paused")
        for _ in range(20):
            spectrum = np.abs(np.fft.rfft(seen.sound(0.5)[0]))
            loudest = float(np.argmax(spectrum)) / len(spectrum) * 24_000
            if abs(loudest - 2000) < 20:
                break
        assert loudest == pytest.approx(2000, abs=20)
        context.close()
