"""Encrypted films are called so; nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import mkv
from support.films import Sound, make

from cfork_cli.errors import InputError
from cfork_cli.media.encryption import encryption
from cfork_cli.media.probe import probe

CENC = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"]


def refused(path: Path, how: str) -> None:
    """Whatever ffmpeg makes of it."""
    assert how in (encryption(path) or "")
    with pytest.raises(InputError, match=f"is encrypted .{how}"):
        probe(path)


@pytest.mark.parametrize("flags", [[], ["-movflags", "frag_keyframe+empty_moov"]])
def test_mp4(tmp_path: Path, flags: list[str]) -> None:
    key = [*CENC, "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8", *flags]
    refused(make(tmp_path / "a.mp4", Sound("aac"), picture="libx264", seconds=0.5, options=key), "Common Encryption")


def test_fairplay(tmp_path: Path) -> None:
    path = make(tmp_path / "a.m4a", Sound("aac"), picture=None, seconds=0.5)
    data = path.read_bytes()
    assert data.count(b"mp4a\0\0") == 1
    path.write_bytes(data.replace(b"mp4a\0\0", b"drms\0\0"))
    refused(path, "FairPlay")


def test_matroska(tmp_path: Path) -> None:
    refused(mkv.special(tmp_path / "a.mkv", encrypted=True), "Matroska")


@pytest.mark.parametrize(("name", "length", "sync"), [("a.ts", 188, 0), ("a.m2ts", 192, 4)])
def test_broadcasts(tmp_path: Path, name: str, length: int, sync: int) -> None:
    data = bytearray(make(tmp_path / name, Sound("mp2"), picture="mpeg2video", seconds=0.5).read_bytes())
    for place in range(sync, len(data), length):
        if (data[place + 1] & 0x1F) << 8 | data[place + 2] in (0x100, 0x101, 0x1011, 0x1100):
            data[place + 3] |= 0x80
    path = tmp_path / f"scrambled{name}"
    path.write_bytes(data)
    refused(path, "a broadcaster")


def test_discs(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path / "a.vob", Sound("ac3"), picture="mpeg2video", seconds=0.5).read_bytes())
    for place in range(0, len(data) - 24, 2048):
        if data[place + 17] & 0xE0 in (0xC0, 0xE0):
            data[place + 20] |= 0x30
    path = tmp_path / "css.vob"
    path.write_bytes(data)
    refused(path, "CSS")
    unit = bytes([0xC0, 0, 0, 0, 0x47, 0x10, 0x11, 0x10]) + bytes(range(256)) * 24
    (tmp_path / "aacs.m2ts").write_bytes(unit[:6144] * 4)
    refused(tmp_path / "aacs.m2ts", "AACS")


def test_windows_media(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wma", Sound("wmav2"), picture=None, seconds=0.5)
    data = path.read_bytes()
    key = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + (40).to_bytes(8, "little") + bytes(16)
    size, count = int.from_bytes(data[16:24], "little") + len(key), int.from_bytes(data[24:28], "little") + 1
    head = data[:16] + size.to_bytes(8, "little") + count.to_bytes(4, "little") + data[28:30]
    path.write_bytes(head + key + data[30:])
    refused(path, "Windows Media DRM")


@pytest.mark.parametrize(
    ("name", "codec", "picture"),
    [
        ("a.mp4", "aac", "libx264"),
        ("a.mkv", "flac", "mpeg4"),
        ("a.ts", "mp2", "mpeg2video"),
        ("a.vob", "ac3", "mpeg2video"),
        ("a.m2ts", "ac3", "mpeg2video"),
        ("a.wma", "wmav2", None),
        ("a.mp3", "libmp3lame", None),
        ("a.wav", "pcm_s16le", None),
    ],
)
def test_free_films_are_free(tmp_path: Path, name: str, codec: str, picture: str | None) -> None:
    assert encryption(make(tmp_path / name, Sound(codec), picture=picture, seconds=0.5)) is None
    assert encryption(tmp_path / "missing") is None
