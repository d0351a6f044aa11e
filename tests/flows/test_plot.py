"""`cfork plot`: what was heard is in the picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.commands import Ran, echo_network, listing
from support.films import Sound, make

from cfork_cli.flows import network as networks
from cfork_cli.mix.spectrum import Spectrogram

Command = Callable[..., Ran]
RATE = 44_100


@pytest.fixture
def film(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four seconds, of which the third sounds; a network that takes half of it for dialogue."""
    network = echo_network((0.5, 0.5, 0.0))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    sound = np.zeros((2, 4 * RATE), np.float32)
    sound[:, 2 * RATE : 3 * RATE] = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    return make(place / "movie.mkv", Sound("flac", sample_rate=RATE, samples=sound), seconds=4)


def test_pictures_of_every_kind_and_theme(cfork: Command, place: Path, film: Path) -> None:
    ran = cfork("plot", "movie.mkv", "--json")
    assert ran.code == 0, ran.out
    assert (place / "movie.sound.png").read_bytes().startswith(b"\x89PNG")
    assert ran.result["stems"]["dialogue"]["integrated_lufs"] == pytest.approx(-27.0, abs=0.6)
    assert ran.result["speech_share"] == pytest.approx(0.3, abs=0.08)
    ran = cfork("plot", "movie.mkv", "--dialog", "+6", "--theme", "dark", "--start", "1", "-o", "film.svg")
    assert ran.code == 0, ran.err
    text = (place / "film.svg").read_text()
    for words in ("remix: dialogue +6 dB", "movie.mkv, track 1: speech", "effects (silent)", "0:01"):
        assert words in text
    assert [name for name in listing(place) if name.startswith(".")] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [(["-o", "film.gif"], "give .png, .svg, .pdf"), (["--theme", "pink"], "choose light or dark"),
     (["-o", "-"], "a picture goes into a file")],
)  # fmt: skip
def test_what_is_no_picture_is_refused_before_the_work(
    cfork: Command, place: Path, film: Path, words: list[str], told: str
) -> None:
    ran = cfork("plot", "movie.mkv", *words)
    assert ran.code == 2
    assert told in ran.err
    assert list(listing(place)) == ["movie.mkv"]


def test_without_matplotlib_the_way_is_told(
    cfork: Command, place: Path, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = cfork("plot", "movie.mkv")
    assert (ran.code, "pip install 'cfork[plot]'" in ran.err) == (2, True)


def test_a_tone_is_where_it_belongs_whatever_the_blocks() -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000)[None].astype(np.float32)
    whole, parts = Spectrogram(48_000, 0.25), Spectrogram(48_000, 0.25)
    whole.push(wave)
    for start in range(0, 96_000, 7777):
        parts.push(wave[:, start : start + 7777])
    np.testing.assert_allclose(whole.decibels(), parts.decibels(), atol=1e-3)
    levels = whole.decibels()
    band = int(levels[:, 2].argmax())
    assert whole.edges_hz[band] * 0.94 <= 440 <= whole.edges_hz[band + 1] * 1.06
    assert levels[band, 2] == pytest.approx(0.0, abs=1.0)
    assert levels.shape[1] * whole.column_seconds == pytest.approx(2.0, abs=0.5)
