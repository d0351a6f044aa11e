"""WAV headers: small files, large files, pipes; and what other programs' headers say."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from cfork_cli.media.samples import RAW, from_integers, packed, to_integers
from cfork_cli.media.wav import Format, channel_mask, is_endless, stored_seconds


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("bits", "kind"), [(16, "s16le"), (24, "s24le"), (32, "f32le")])
@pytest.mark.parametrize("riff_bytes", [10_000, 100])
def test_files_are_read_back(channels: int, bits: int, kind: str, riff_bytes: int) -> None:
    whole = np.random.default_rng(0).integers(-(2**15), 2**15, (channels, 101)).astype(np.float32) / 2**15
    form = Format(44_100, channels, bits)
    data = packed(whole, kind)
    file = form.header(101, riff_bytes=riff_bytes) + data + b"\0" * (len(data) % 2)
    assert file[:4] == (b"RIFF" if len(file) - 8 <= riff_bytes else b"RF64")
    found, rate = soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)
    assert rate == 44_100
    np.testing.assert_array_equal(found.T, whole)
    assert len(form.header(0)) == len(form.header(2**33)), "sizes are filled in at the end"
    assert stored_seconds(file) == pytest.approx(101 / 44_100)
    assert not is_endless(file)


def test_the_largest_plain_file() -> None:
    form = Format(48_000, 2, 32)
    room = len(form.header(0))
    most = (2**32 - 1 + 8 - room) // 8
    assert form.header(most)[:4] == b"RIFF"
    assert form.header(most + 1)[:4] == b"RF64"
    assert stored_seconds(form.header(most + 1)) == (most + 1) / 48_000


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFF000])
def test_what_programs_write_into_pipes(size: int) -> None:
    head = Format(48_000, 2, 16).header(None)
    assert head[-8:] == b"data\xff\xff\xff\xff"
    head = head[:-4] + struct.pack("<I", size)
    assert stored_seconds(head) is None
    assert is_endless(head)


def test_what_is_no_wav() -> None:
    assert stored_seconds(b"") is None
    assert not is_endless(b"fLaC" + bytes(100))
    assert not is_endless(Format(48_000, 2, 16).header(None)[:40]), "the end of the header is not there"


def test_speakers() -> None:
    assert [channel_mask(one) for one in ("mono", "stereo", "5.1", "5.1(side)")] == [0x4, 0x3, 0x3F, 0x60F]
    assert channel_mask("FL+FR+LFE") == 0xB
    # no mask can tell: unknown, speakers that WAV does not have, another order than WAV's
    assert [channel_mask(one) for one in (None, "nonsense", "22.2", "FR+FL")] == [0, 0, 0, 0]


@pytest.mark.parametrize("kind", [kind for kind in RAW if "in32" not in kind])
def test_raw_samples(kind: str) -> None:
    """Full scale, nothing, and the smallest steps, as numpy reads them."""
    block = np.float32([[1.0, -1.0, 0.0], [2.0, -0.5, 2.0**-15]])
    data = packed(block, kind)
    width = int(kind[1:3]) // 8
    assert len(data) == 6 * width
    if kind[0] == "f":
        np.testing.assert_array_equal(np.frombuffer(data, RAW[kind]).reshape(3, 2).T, block)
        return
    order = "big" if kind.endswith("be") else "little"
    found = [int.from_bytes(data[at : at + width], order, signed=True) for at in range(0, len(data), width)]
    full = 2 ** (8 * width - 1)
    assert found == [full - 1, full - 1, -full, -full // 2, 0, full // 2**15]


def test_integers_and_back() -> None:
    whole = np.array([-(2**23), -1, 0, 1, 2**23 - 1])
    np.testing.assert_array_equal(to_integers(from_integers(whole, 24), 24), whole)
    assert to_integers(np.array([np.nan, np.inf, -np.inf]), 16).tolist() == [0, 2**15 - 1, -(2**15)]
