"""Sound that waits comes out as it came in."""

from __future__ import annotations

import numpy as np
import pytest

from cfork_cli.mix.fifo import Fifo


def test_all_comes_out_in_order_whatever_is_taken() -> None:
    random = np.random.default_rng(1)
    sound = random.standard_normal((2, 3, 1000)).astype(np.float32)
    waiting, out, place = Fifo((2, 3)), [], 0
    while place < 1000 or len(waiting):
        length = int(random.integers(0, 90))
        waiting.push(sound[:, :, place : place + length])
        place += length
        out.append(waiting.take(int(random.integers(0, len(waiting) + 1))))
    assert np.array_equal(np.concatenate(out, axis=2), sound)
    assert waiting.take(0).shape == (2, 3, 0)


def test_what_is_taken_may_be_changed() -> None:
    sound = np.ones((1, 10), np.float32)
    waiting = Fifo((1,))
    waiting.push(sound)
    waiting.take(4)[:] = 0
    waiting.take(6)[:] = 0
    assert sound.all()


def test_more_than_there_is() -> None:
    with pytest.raises(ValueError, match="1 samples were asked"):
        Fifo((1,)).take(1)
