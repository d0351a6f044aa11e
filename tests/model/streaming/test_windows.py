"""Laws of cutting and laying over one another again."""

import numpy as np
import pytest
from support.networks import NATIVE, noise, split

from model.streaming.windows import Grid, cut, fades, make_grid, overlap_add


@pytest.mark.parametrize("crossfade", [0, 1, 2, 3, 17, 256, 11_025, 100_000])
def test_fades_sum_to_exactly_one(crossfade):
    rise, fall = fades(crossfade)
    assert rise.shape == fall.shape == (crossfade,)
    assert (rise + fall == np.float32(1)).all()
    assert (np.diff(rise) >= 0).all()
    np.testing.assert_allclose(rise, fall[::-1], atol=1e-6)


def test_lost_windows_are_noticed():
    grid = Grid(window=100, context=10, crossfade=10)
    pieces = [(window, window.samples) for window in cut([noise(1, 400)], grid, 1)]
    with pytest.raises(AssertionError, match="follow one another"):
        list(overlap_add(pieces[:1] + pieces[2:], grid))


@pytest.mark.parametrize("hop", [256, 1024])
def test_windows_start_on_the_networks_frames(hop):
    grid = make_grid(12.0, 1.1, 0.3, sample_rate=NATIVE, hop=hop)
    starts = [window.start for window in cut([np.zeros((1, 2_000_000), np.float32)], grid, 1)]
    assert len(starts) > 3
    assert all(start % hop == 0 for start in starts)
    assert grid.context >= 1.1 * NATIVE - 1


@pytest.mark.parametrize("lengths", [(1.0, 0.5, 0.1), (1.0, 0.3, 0.3), (1.0, -0.1, 0.1), (0.0, 0.0, 0.0)])
def test_windows_without_a_middle_are_refused(lengths):
    with pytest.raises(ValueError, match="too short"):
        make_grid(*lengths, sample_rate=NATIVE, hop=1)


def random_grids(count):
    rng = np.random.default_rng(7)
    for _ in range(count):
        context, crossfade = (int(n) for n in rng.integers(0, 40, 2))
        stride = max(crossfade, 1) + int(rng.integers(0, 60))
        yield Grid(stride + 2 * context + crossfade, context, crossfade), rng


def test_cut_and_laid_over_it_is_the_same():
    for grid, rng in random_grids(60):
        x = noise(2, int(rng.integers(0, 6 * grid.window)), seed=grid.window)
        blocks = split(x, [int(n) for n in rng.integers(1, 90, 5)])
        parts = [part.copy() for part in overlap_add(((w, w.samples) for w in cut(blocks, grid, 2)), grid)]
        again = np.concatenate([np.zeros((2, 0), np.float32), *parts], axis=1)
        assert again.shape == x.shape
        np.testing.assert_allclose(again, x, atol=1e-6)


def test_windows_are_the_sound_at_their_place():
    for grid, rng in random_grids(40):
        x = noise(1, int(rng.integers(1, 6 * grid.window)), seed=grid.window)
        windows = list(cut(split(x, (int(rng.integers(1, 90)),)), grid, 1))
        for number, window in enumerate(windows):
            assert window.start == number * grid.stride
            np.testing.assert_array_equal(window.samples, x[:, window.start : window.start + grid.window])
        assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]
        assert len(windows) == 1 or windows[-1].samples.shape[1] > grid.overlap


def test_contexts_are_never_heard():
    grid = Grid(window=50, context=7, crossfade=5)
    x = noise(1, 400)
    pieces = []
    for window in cut([x], grid, 1):
        values = window.samples.copy()
        if window.start:
            values[:, : grid.context] = np.nan
        if not window.last:
            values[:, -grid.context :] = np.nan
        pieces.append((window, values))
    np.testing.assert_allclose(np.concatenate(list(overlap_add(pieces, grid)), axis=1), x, atol=1e-6)


def test_what_is_done_is_not_held_back():
    """Of a window everything comes out at once but its last cross-fade and context."""
    grid = Grid(window=50, context=7, crossfade=5)
    out = 0
    windows = list(cut([noise(1, 400)], grid, 1))
    parts = overlap_add(((w, w.samples) for w in windows), grid)
    for window in windows[:-1]:
        end = window.start + grid.window - grid.context - grid.crossfade
        while out < end:
            out += next(parts).shape[1]
        assert out == end


def test_windows_do_not_share_memory():
    windows = list(cut([noise(1, 400)], Grid(window=50, context=7, crossfade=5), 1))
    assert not any(np.shares_memory(a.samples, b.samples) for a in windows for b in windows if a is not b)
