"""Sound in blocks of one length: the same samples, whatever pieces they came in, and nothing runs on afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.films import ffmpeg

from cfork_cli.input.blocks import Blocks, defects, equal_blocks
from cfork_cli.input.losses import Losses
from cfork_cli.input.nut import OFFSET_SECONDS
from cfork_cli.input.placing import Placer


@pytest.mark.parametrize("sizes", [[], [0], [3], [4], [5], [1, 1, 1, 1], [9, 0, 2], [3, 4, 17], [8, 8], [2, 11, 3]])
@pytest.mark.parametrize("length", [1, 4])
def test_blocks_have_one_length_and_all_samples(sizes: list[int], length: int) -> None:
    sound = np.arange(2 * sum(sizes), dtype=np.float64).reshape(2, -1)
    pieces = np.split(sound, np.cumsum(sizes)[:-1], axis=1) if sizes else []
    blocks = list(equal_blocks(pieces, length, np.dtype("f4")))
    whole, rest = divmod(sum(sizes), length)
    assert [block.shape[1] for block in blocks] == [length] * whole + [rest] * bool(rest)
    assert all(block.dtype == np.float32 and block.flags.c_contiguous for block in blocks)
    if blocks:
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), sound)


def test_a_block_is_given_as_soon_as_it_is_whole() -> None:
    """Live sound must not wait for a block more than it is."""
    taken = []

    def pieces() -> Iterator[np.ndarray]:
        for number in range(6):
            taken.append(number)
            yield np.zeros((1, 2))

    blocks = equal_blocks(pieces(), 4, np.dtype("f4"))
    next(blocks)
    assert taken == [0, 1]
    next(blocks)
    assert taken == [0, 1, 2, 3]


def test_new_blocks_have_lost_nothing_yet() -> None:
    blocks = Blocks(2, 48_000)
    assert (blocks.channels, blocks.sample_rate, blocks.samples, blocks.notes) == (2, 48_000, 0, ())
    assert blocks.losses == Losses()
    with pytest.raises(NotImplementedError):
        iter(blocks)


def test_the_decoder_ends_with_the_block() -> None:
    closed = []
    child: Any = SimpleNamespace(close=lambda: closed.append(True))
    with Blocks(1, 8000) as blocks:  # before ffmpeg runs there is nothing to end
        assert isinstance(blocks, Blocks)
    blocks = Blocks(1, 8000)
    blocks._child = child
    with pytest.raises(KeyError), blocks:
        raise KeyError
    assert closed == [True]


@pytest.mark.parametrize("bits", [32, 64])
def test_what_ffmpeg_writes_is_read_sample_by_sample(bits: int) -> None:
    rate, sound = 8000, np.random.default_rng(0).standard_normal((2, 5000)).astype(f"<f{bits // 8}")
    form = ["-f", f"f{bits}le", "-ar", str(rate), "-ac", "2"]
    out = ["-c:a", f"pcm_f{bits}le", "-f", "nut", "-output_ts_offset", str(OFFSET_SECONDS), "pipe:1"]
    data = ffmpeg(*form, "-i", "pipe:0", *out, stdin=sound.T.tobytes())
    child: Any = SimpleNamespace(stdout=io.BytesIO(data))
    found = list(Blocks(2, rate)._read(child, Placer(rate, 2), 0.1, bits))
    assert [block.shape[1] for block in found] == [800] * 6 + [200]
    np.testing.assert_array_equal(np.concatenate(found, axis=1), sound)
    child = SimpleNamespace(stdout=io.BytesIO(data))
    tiny = next(Blocks(2, rate)._read(child, Placer(rate, 2), 0.00001, bits))  # never less than a sample
    assert tiny.shape == (2, 1)


def test_the_first_complaint_is_told_with_the_file() -> None:
    assert defects("a.mkv", "") == ()
    (told,) = defects("a.mkv", "[aac @ 0x5] channel element 1.2 is not allocated\n[aac @ 0x5] more\n")
    assert told == "ffmpeg found defects in 'a.mkv' and skipped them (the first: channel element 1.2 is not allocated)"
