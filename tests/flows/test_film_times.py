"""No film moves, whether it begins at the clock's zero, just before that, or at any hour of a live stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Ran
from support.films import Sound, ffmpeg, make, noise
from support.readings import samples, times

Command = Callable[..., Ran]
WRAP_SECONDS = 2**33 / 90_000


@pytest.mark.parametrize(
    ("name", "codec", "offset"),
    [
        ("a.ts", "aac", 0.0),
        ("a.ts", "mp2", WRAP_SECONDS - 1),
        ("a.ts", "ac3", 30.0),
        ("a.mpg", "mp2", 30.0),
        ("a.mpg", "ac3", WRAP_SECONDS - 1),
    ],
)
def test_a_broadcast_stays_where_it_is(cfork: Command, place: Path, name: str, codec: str, offset: float) -> None:
    made = make(place / "made.mkv", Sound(codec, samples=noise(2, 96_000)), picture="mpeg2video")
    path = place / name
    options = ["-mpegts_copyts", "1"] if name == "a.ts" else ["-muxpreload", "0"]
    ffmpeg("-i", made, "-c", "copy", "-muxdelay", "0.2", *options, "-output_ts_offset", f"{offset:.6f}", path)
    assert cfork("remix", path, "-o", f"b{path.suffix}").code == 0
    assert times(place / f"b{path.suffix}", "v:0") == times(path, "v:0")
    assert times(place / f"b{path.suffix}", "a:0")[0] == pytest.approx(times(path, "a:0")[0], abs=0.03)


@pytest.mark.parametrize("name", ["b.mp4", "b.mov", "b.avi"])
def test_no_empty_hour_in_front(cfork: Command, place: Path, name: str) -> None:
    made = make(place / "made.mkv", Sound("aac", samples=noise(2, 96_000)), chapters=True)
    path = place / "a.mkv"
    ffmpeg("-itsoffset", "3600", "-i", made, "-map", "0", "-c", "copy", path)
    before = times(path, "v:0")
    assert before[0] >= 3600
    assert cfork("remix", path, "-o", name).code == 0
    new = place / name
    assert samples(new).shape[1] < 3 * 48_000
    if name != "b.avi":  # which numbers its pictures
        assert times(new, "v:0")[0] == pytest.approx(before[0] - 3600, abs=0.03)
        apart = times(new, "v:0")[-1] - times(new, "v:0")[0]
        assert apart == pytest.approx(before[-1] - before[0], abs=0.002)


def test_a_track_that_begins_late_and_ends_early_stays_late(cfork: Command, place: Path) -> None:
    """ffmpeg meets none of its packets in its first look, and fills in the film's start and length."""
    path = place / "a.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=24", "-f", "lavfi", "-itsoffset", "20",
        "-i", "anoisesrc=r=48000:d=2", "-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-c:a", "aac", path,
    )  # fmt: skip
    ran = cfork("remix", path, "-o", "b.mkv", "--json")
    assert ran.code == 0
    assert ran.result["notes"] == []
    # an encoder's delay lies before it, which ffmpeg's versions count or not
    assert times(place / "b.mkv", "a:0")[0] == pytest.approx(times(path, "a:0")[0], abs=0.03)
    assert times(path, "a:0")[0] == pytest.approx(20, abs=0.03)
    assert samples(place / "b.mkv", channels=1).shape[1] < 2.2 * 48_000
