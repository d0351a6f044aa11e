"""`cfork dub`: other voices where the dialogue was, at its loudness; everything else stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.commands import Ran, echo_network, listing
from support.films import Sound, make, noise
from support.readings import packets, samples

import cfork
from cfork_cli.flows import network as networks
from cfork_cli.input.loudness import lufs_of
from cfork_cli.media.probe import probe

Command = Callable[..., Ran]
RATE = 44_100  # the network's own


@pytest.fixture(autouse=True)
def echo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A network that hears half of the sound as dialogue."""
    network = echo_network((0.5, 0.5, 0.0))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    return network


@pytest.fixture
def film(place: Path) -> Path:
    sound = Sound("flac", sample_rate=RATE, samples=noise(2, 3 * RATE, level=0.05, bits=16), language="eng",
                  default=True)  # fmt: skip
    return make(place / "movie.mkv", sound, seconds=3, subtitles="srt")


def voice(path: Path, seconds: float, rate: int = 48_000, channels: int = 1, seed: int = 5) -> np.ndarray:
    """A voice in a file: its samples."""
    sound = noise(channels, round(seconds * rate), level=0.01, bits=16, seed=seed)
    make(path, Sound(sample_rate=rate, layout={1: "mono", 2: "stereo"}[channels], samples=sound), picture=None)
    return sound


def added(place: Path, film: Path, name: str = "movie.cfork.mkv") -> np.ndarray:
    """What is in the new track beside music and effects, which are half of the film."""
    return samples(place / name, 1) - samples(film) / 2


def test_a_voice_in_place_of_the_dialogue(cfork: Command, place: Path, film: Path) -> None:
    said = voice(place / "voice.wav", 1.0, RATE)
    ran = cfork("dub", "movie.mkv", "voice.wav", "--language", "Spanish", "--offset", "0.5", "--json")
    assert ran.code == 0, ran.out
    tracks = probe(place / "movie.cfork.mkv").audio
    assert [(one.language, one.title, "default" in one.disposition) for one in tracks] == [
        ("eng", None, True),
        ("spa", "Dub", False),
    ]
    for kept in ("v:0", "a:0", "s:0"):
        assert packets(place / "movie.cfork.mkv", kept) == packets(film, kept)
    found = added(place, film)
    first = round(0.5 * RATE)
    assert np.abs(found[:, :first]).max() < 2e-4
    assert np.abs(found[:, first + RATE :]).max() < 2e-4
    heard = found[:, first : first + RATE]
    gain = np.vdot(heard[0], said[0]) / np.vdot(said[0], said[0])
    np.testing.assert_allclose(heard, gain * np.tile(said, (2, 1)), atol=2e-4)  # both sides, sample by sample
    dialogue = lufs_of([samples(film) / 2], RATE, 2, "stereo")
    assert lufs_of([found], RATE, 2, "stereo") == pytest.approx(dialogue, abs=0.2)
    assert ran.result["dialogue_lufs"] == pytest.approx(dialogue, abs=0.1)
    assert [path for path in listing(place) if path.startswith(".")] == []


def test_several_voices_at_their_times_and_other_rates(cfork: Command, place: Path, film: Path) -> None:
    voice(place / "one.wav", 0.5)
    voice(place / "two.wav", 0.5, 22_050, channels=2)
    ran = cfork(
        "dub", "movie.mkv", "two.wav@2", "one.wav@0:00.25", "--language", "es", "--level", "-6", "-o", "new.mkv"
    )
    assert ran.code == 0, ran.err
    found = added(place, film, "new.mkv")
    energy = np.square(found).reshape(2, -1, RATE // 20).mean(axis=(0, 2)) > 1e-6
    assert [span / 20 for span in np.flatnonzero(np.diff(energy.astype(int))) + 1] == [0.25, 0.75, 2.0, 2.5]
    assert "at -" in ran.err
    longer = cfork("dub", "movie.mkv", "two.wav@2.8", "-o", "long.mkv")
    assert "'two.wav' goes on for 0:00 after the film's sound ends" in longer.err


def test_music_and_effects_alone(cfork: Command, place: Path, film: Path) -> None:
    assert cfork("dub", "movie.mkv", "--me").code == 0
    assert np.abs(added(place, film)).max() < 2e-4
    assert [one.title for one in probe(place / "movie.cfork.mkv").audio] == [None, "Music and effects"]
    assert cfork("dub", "movie.mkv", "--me", "-o", "me.mka").code == 0
    assert [len(probe(place / "me.mka").streams), *samples(place / "me.mka").shape] == [1, 2, 3 * RATE]


def test_from_python(place: Path, film: Path) -> None:
    voice(place / "voice.wav", 0.5)
    result = cfork.dub(film, [("voice.wav", 1.5)], language="Spanish", level=-3)
    found = np.abs(added(place, film)).max(axis=0) > 1e-3
    assert np.flatnonzero(found)[0] / RATE == pytest.approx(1.5, abs=0.01)
    assert (result.output.name, result.facts["new_language"]) == ("movie.cfork.mkv", "spa")
    assert cfork.dub(film, output="me.mka").output.name == "me.mka"


def test_surround_voices_come_from_the_center(cfork: Command, place: Path) -> None:
    silent = np.zeros((6, 2 * RATE), np.float32)
    make(place / "movie.mkv", Sound("flac", "5.1", RATE, samples=silent), seconds=2)
    voice(place / "voice.wav", 1.0)
    ran = cfork("dub", "movie.mkv", "voice.wav")
    assert ran.code == 0, ran.err
    assert "the voices keep their own level" in ran.err
    loud = np.square(samples(place / "movie.cfork.mkv", 1, 6)).mean(axis=1) > 1e-7
    assert loud.tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [(["movie.mkv"], 2, "a dub needs a voice"), (["movie.mkv", "gone.wav"], 3, "'gone.wav' does not exist"),
     (["movie.mkv", "voice.wav", "--me"], 2, "leave the voices away"),
     (["movie.mkv", "voice.wav@soon"], 2, "'soon' is not a time"),
     (["movie.mkv", "voice.wav", "--language", "x"], 2, "'x' is not a language"),
     (["movie.mkv", "voice.wav", "-o", "-"], 2, "a dub keeps the old track"),
     (["movie.mkv", "voice.wav", "--offset", "x"], 2, "'x' is not a time")],
)  # fmt: skip
def test_what_makes_no_dub(cfork: Command, place: Path, film: Path, words: list[str], code: int, told: str) -> None:
    voice(place / "voice.wav", 0.1)
    before = listing(place)
    ran = cfork("dub", *words)
    assert (ran.code, told in ran.err) == (code, True), ran.err
    assert listing(place) == before
