"""`cfork info`: what is in a film, how loud it is, and what would be done with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.commands import Ran, echo_network, listing
from support.films import Sound, make

from cfork_cli.flows import network as networks

Command = Callable[..., Ran]


def tone(channels: int, seconds: float, level: float) -> np.ndarray:
    """997 Hz, as BS.1770 is calibrated with."""
    time = np.arange(round(seconds * 48_000)) / 48_000
    return np.tile(level * np.sin(2 * np.pi * 997 * time), (channels, 1)).astype(np.float32)


@pytest.fixture
def film(place: Path) -> Path:
    quiet = Sound("pcm_s16le", samples=np.zeros((2, 4 * 48_000), np.float32), language="deu", title="Nothing")
    loud = Sound("pcm_s24le", samples=tone(2, 4, 10 ** (-20 / 20)), language="eng", default=True)
    return make(place / "film.mkv", loud, quiet, seconds=4, subtitles="subrip", chapters=True, font=True, cover=True)


def test_tracks_loudness_and_plan_for_machines(cfork: Command, film: Path) -> None:
    before = listing(film.parent)
    ran = cfork("info", film, "--json")
    assert ran.code == 0
    told = ran.result
    assert (told["container"], told["chapters"], told["size_bytes"]) == ("matroska,webm", 2, film.stat().st_size)
    assert abs(told["duration_seconds"] - 4) < 0.1
    kinds = [stream["kind"] for stream in told["streams"]]
    assert kinds == ["video", "audio", "audio", "subtitle", "attachment", "video"]
    loud, silent = (stream for stream in told["streams"] if stream["kind"] == "audio")
    assert {key: loud[key] for key in ("codec", "language", "channels", "sample_rate", "bits", "flags")} == {
        "codec": "pcm_s24le", "language": "eng", "channels": 2, "sample_rate": 48_000, "bits": 24, "flags": ["default"],
    }  # fmt: skip
    # a stereo tone at -20 dBFS is -20 LUFS (BS.1770: -3.01 for one channel at full scale), and peaks at -20
    assert loud["loudness"]["integrated_lufs"] == pytest.approx(-20.0, abs=0.15)
    assert loud["loudness"]["true_peak_dbtp"] == pytest.approx(-20.0, abs=0.15)
    assert silent["loudness"] == {"integrated_lufs": None, "range_lu": 0.0, "true_peak_dbtp": None}
    assert told["remix"]["track"] == 1
    assert told["remix"]["codec"] == "pcm_s24le"
    assert told["remix"]["output"].endswith("film.cfork.mkv")
    assert listing(film.parent) == before


def test_the_table(cfork: Command, film: Path) -> None:
    (film.parent / "film.cfork.mkv").write_text("a film of before is no trouble")
    ran = cfork("info", film)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"{film}: matroska,webm, 0:04, ")
    assert any("sound 1" in line and "eng" in line and "-20.0" in line and "dBTP" in line for line in lines)
    assert any("sound 2" in line and "Nothing" in line and "silent" in line for line in lines)
    assert any("cover" in line for line in lines)
    assert lines[-1].startswith(f"cfork remix would write {film.parent}/film.cfork.mkv, with sound track 1 (pcm_s24le")
    quick = cfork("info", film, "--no-loudness")
    assert "LUFS" not in quick.out
    assert all("loudness" not in stream for stream in cfork("info", film, "--no-loudness", "--json").result["streams"])


def test_a_film_that_remix_refuses(cfork: Command, place: Path, films_here: Path) -> None:
    ran = cfork("info", films_here / "mute.mkv")
    assert ran.code == 0
    assert "cfork remix would refuse: " in ran.out
    assert "has no sound track" in cfork("info", films_here / "mute.mkv", "--json").result["remix"]["error"]
    cut = make(place / "cut.mkv", Sound("aac"), seconds=5)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    ran = cfork("info", cut, "--json")
    assert ran.code == 0
    assert "damaged or was cut off" in ran.result["streams"][1]["loudness"]["error"]
    assert cfork("info", "missing.mkv").code == 3


def test_brackets_and_colons_in_titles_are_letters(cfork: Command, place: Path) -> None:
    titles = ["Commentary [/old]", "Deutsch [forced]", "[bold]Main :star:"]
    film = make(place / "a.mkv", *(Sound("aac", title=title) for title in titles), seconds=0.5)
    ran = cfork("info", film, "--no-loudness")
    assert ran.code == 0
    assert all(title in ran.out for title in titles)


def test_silence_is_no_number_in_json(cfork: Command, film: Path) -> None:
    assert "Infinity" not in cfork("info", film, "--json").out
    assert math.isfinite(cfork("info", film, "--json").result["streams"][1]["loudness"]["range_lu"])


def test_the_stems_are_measured_if_asked(cfork: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that takes a half for dialogue and a quarter for music leaves a quarter, -12 dB, to nobody."""
    network = echo_network((0.25, 0.5, 0.0))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    sound = tone(2, 4, 10 ** (-20 / 20))
    make(place / "film.mkv", Sound("pcm_s24le", samples=sound), Sound("pcm_s16le", samples=sound / 100), seconds=4)
    ran = cfork("info", "film.mkv", "--separate", "--no-loudness", "--track", "1", "--json")
    assert ran.code == 0, ran.out
    told = ran.result["separated"]
    assert told["stems"]["dialogue"]["integrated_lufs"] == pytest.approx(-26.0, abs=0.1)
    assert told["stems"]["music"]["integrated_lufs"] == pytest.approx(-32.0, abs=0.1)
    assert told["stems"]["effects"]["integrated_lufs"] is None
    assert told["unassigned_db"] == pytest.approx(-12.04, abs=0.05)
    assert told["dialogue_over_rest_lu"]["median"] == pytest.approx(0.0, abs=0.1)  # a half against the other half
    assert told["speech_share"] == 1.0
    ran = cfork("info", "film.mkv", "--separate", "--no-loudness", "--track", "1", "--duration", "2")
    assert "speech: 100% of the time; in the median " in ran.out
    assert "in no stem: 6." in ran.out
    assert cfork("info", "film.mkv", "--track", "2").code == 2


def test_a_film_without_speech_has_no_clearness(cfork: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = echo_network((1.0, 0.001, 0.0))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    make(place / "film.mkv", Sound(samples=tone(2, 2, 0.1)), seconds=2)
    assert "speech: none was found" in cfork("info", "film.mkv", "--separate").out
