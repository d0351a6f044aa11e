"""Cover pictures in containers of all sorts, byte for byte."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest
from support.films import Sound, ffmpeg, make
from support.readings import packets
from support.rewritten import rewritten

from cfork_cli.media.types import Stream
from cfork_cli.remux.covers import picture_comment


@pytest.mark.parametrize(
    ("old", "codec", "new"),
    [
        ("a.flac", "flac", "b.flac"), ("a.mp3", "libmp3lame", "b.mp3"), ("a.m4a", "aac", "b.m4a"),
        ("a.flac", "flac", "b.ogg"), ("a.mp3", "libmp3lame", "b.opus"), ("a.m4a", "aac", "b.mka"),
        ("a.flac", "flac", "b.m4a"), ("a.m4a", "aac", "b.aiff"), ("a.mka", "flac", "b.mp3"),
    ],
)  # fmt: skip
def test_the_cover_comes_along(tmp_path: Path, old: str, codec: str, new: str) -> None:
    sound = Sound(codec, sample_rate=48_000)
    if old.endswith(".mka"):
        path = make(tmp_path / "a.mkv", sound, picture=None, cover=True, seconds=0.5).rename(tmp_path / old)
    else:
        path = make(tmp_path / old, sound, picture=None, cover=True, seconds=0.5)
    before, after, notes = rewritten(path, tmp_path / new)
    assert not any("cover" in note for note in notes)
    assert [stream.is_cover for stream in after.streams] == [False, True]
    assert packets(after.path, "v:0") == packets(before.path, "v:0")


@pytest.mark.parametrize("new", ["b.wav", "b.mov", "b.caf"])
def test_a_cover_that_cannot_come_along_is_told(tmp_path: Path, new: str) -> None:
    path = make(tmp_path / "a.flac", Sound("flac"), picture=None, cover=True, seconds=0.5)
    after, notes = rewritten(path, tmp_path / new)[1:]
    assert [stream.kind for stream in after.streams] == ["audio"]
    kind = Path(new).suffix[1:]
    assert f"the cover picture, stream 1, cannot come along: '{kind}' files do not take it" in notes


def test_a_large_cover_in_ogg(tmp_path: Path) -> None:
    """One that is longer than a word of a command line may be."""
    ffmpeg("-f", "lavfi", "-i", "nullsrc=s=512x512,geq=random(1)*255", "-frames:v", "1", tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 200_000
    sound = make(tmp_path / "s.flac", Sound("flac"), picture=None, seconds=0.3)
    ffmpeg("-i", sound, "-i", tmp_path / "c.png", "-map", "0", "-map", "1", "-c", "copy",
           "-disposition:v", "attached_pic", tmp_path / "a.flac")  # fmt: skip
    before, after, _ = rewritten(tmp_path / "a.flac", tmp_path / "b.ogg")
    assert after.streams[1].codec == "png"
    assert packets(after.path, "v:0") == packets(before.path, "v:0")


def test_a_picture_as_flac_codes_it() -> None:
    block = base64.b64decode(picture_comment(Stream(1, "video", 0, "png", title="Cover"), b"PNG!"))
    kind, length = struct.unpack(">II", block[:8])
    assert (kind, block[8 : 8 + length]) == (3, b"image/png")
    assert block.endswith(struct.pack(">I", 4) + b"PNG!")
    assert b"\0\0\0\x05Cover" in block
