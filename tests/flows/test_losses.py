"""Sound that is lost, filled or made up is counted and told, and refused where it is much."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.commands import Ran
from support.films import Sound, ffmpeg, make, noise
from support.readings import samples

Command = Callable[..., Ran]
RATE = 44_100


def holed(path: Path, *holes: tuple[float, float]) -> Path:
    """A FLAC of three seconds in which some shares of the file, each from and to, cannot be read any more."""
    make(path, Sound("flac", sample_rate=RATE, samples=noise(2, 3 * RATE, bits=16)), picture=None)
    data = bytearray(path.read_bytes())
    for first, last in holes:
        a, b = round(first * len(data)), round(last * len(data))
        data[a:b] = bytes(b - a)
    path.write_bytes(data)
    return path


def test_what_cannot_be_decoded_is_refused_where_it_is_much_and_taken_where_that_is_asked(
    cfork: Command, place: Path
) -> None:
    path = holed(place / "a.flac", (0.3, 0.8))
    ran = cfork("remix", path, "-o", "b.flac", "--json")
    assert ran.code == 5
    assert "--accept-damaged" in ran.result["error"]
    assert not (place / "b.flac").exists()
    taken = cfork("remix", path, "-o", "b.flac", "--accept-damaged", "--json")
    assert taken.code == 0
    (lost,) = taken.result["losses"]
    assert lost["track"] == 1
    assert 1.2 < lost["filled_seconds"] < 1.8
    assert any("are silent now" in note for note in taken.result["notes"])
    assert samples(place / "b.flac").shape[1] == 3 * RATE


def test_a_little_is_told_and_no_more(cfork: Command, place: Path) -> None:
    ran = cfork("remix", holed(place / "a.flac", (0.5, 0.51)), "-o", "b.flac", "--json")
    assert ran.code == 0
    (lost,) = ran.result["losses"]
    assert 0.05 <= lost["filled_seconds"] < 0.5
    whole = cfork("remix", holed(place / "c.flac"), "-o", "d.flac", "--json")
    assert "losses" not in whole.result
    assert whole.result["notes"] == []


@pytest.mark.parametrize(("name", "codec"), [("a.wv", "wavpack"), ("a.tta", "tta"), ("a.wav", "pcm_s16le")])
def test_a_cut_file_that_tells_its_length(cfork: Command, place: Path, name: str, codec: str) -> None:
    path = make(place / name, Sound(codec, sample_rate=RATE, samples=noise(2, 3 * RATE, bits=16)), picture=None)
    if codec != "tta":  # whose frames last a second
        os.truncate(path, path.stat().st_size * 9 // 10)  # 0.3 s
        ran = cfork("remix", path, "-o", "b.flac", "--json")
        assert ran.code == 0
        assert 0.2 < ran.result["losses"][0]["missing_seconds"] < 0.55
    os.truncate(path, path.stat().st_size // 2)
    assert cfork("remix", path, "-o", "c.flac").code == 5
    taken = cfork("remix", path, "-o", "c.flac", "--accept-damaged", "--json")
    assert taken.code == 0
    assert 1.2 < taken.result["losses"][0]["missing_seconds"] <= 2.0


def test_a_cut_film_is_taken_with_its_picture(cfork: Command, place: Path) -> None:
    path = make(place / "a.mkv", Sound("flac", samples=noise(2, 4 * 48_000, bits=16)), seconds=4)
    os.truncate(path, path.stat().st_size // 2)
    assert cfork("remix", path, "-o", "b.mkv").code == 5
    taken = cfork("remix", path, "-o", "b.mkv", "--accept-damaged", "--json")
    assert taken.code == 0
    np.testing.assert_array_equal(samples(place / "b.mkv"), samples(path))


def test_one_damaged_time_stamp_makes_no_film_of_an_hour(cfork: Command, place: Path) -> None:
    whole = make(place / "a.mkv", Sound("aac", samples=noise(2, 3 * 48_000)), seconds=3)
    leaps = place / "b.mkv"
    ffmpeg("-copyts", "-i", whole, "-c", "copy", "-bsf:a", "setts=ts=TS+eq(N\\,70)*2800/TB", leaps)
    # what the header says is that of the film before
    data, told = bytearray(leaps.read_bytes()), whole.read_bytes()
    mark = b"\x44\x89\x88"  # Duration, eight bytes
    at, origin = data.index(mark) + 3, told.index(mark) + 3
    data[at : at + 8] = told[origin : origin + 8]
    leaps.write_bytes(data)
    ran = cfork("remix", leaps, "-o", "c.mkv", "--codec", "flac", "--json")
    assert ran.code == 0
    assert samples(place / "c.mkv").shape[1] < 3.2 * 48_000
    assert "damaged_stamps" in ran.result["losses"][0]


def test_a_header_of_hundreds_of_channels_is_refused(cfork: Command, place: Path) -> None:
    path = make(place / "a.wav", Sound(samples=noise(2, 4800)), picture=None)
    data = bytearray(path.read_bytes())
    at = data.index(b"fmt ") + 8
    data[at + 2 : at + 4] = (300).to_bytes(2, "little")
    data[at + 12 : at + 14] = (600).to_bytes(2, "little")
    path.write_bytes(data)
    ran = cfork("remix", path, "-o", "b.flac")
    assert ran.code == 3
    assert "no channels" in ran.err
