"""Stretches joined and cut: nothing is lost, doubled or moved."""

from __future__ import annotations

import numpy as np
import pytest

from cfork_cli.player.take import FADE, Take

LENGTH = 4 * FADE
SOUND = np.random.default_rng(0).standard_normal((8, 20 * LENGTH)).astype(np.float32)


def played(steps: list[tuple[int, int, int | None]], first: int, last: bool = False) -> tuple[Take, np.ndarray]:
    """Return the take and what came out of it, of stretches of one sound."""
    take, out = Take(first, LENGTH), []
    for place, (begin, end, number) in enumerate(steps):
        overlap = steps[place - 1][1] - begin if number is not None and place else 2 * FADE
        ends = last and place == len(steps) - 1
        cuts = take.add(begin, SOUND[:, begin:end], number, last=ends, overlap=overlap)
        assert [cut.index for cut in cuts] == list(range(take.next - len(cuts), take.next))
        out += [cut.sound for cut in cuts]
    return take, np.concatenate(out, axis=1)


@pytest.mark.parametrize(
    "steps",
    [
        [(2 * LENGTH - FADE, 7 * LENGTH + 33, None), (7 * LENGTH + 33 - FADE, 11 * LENGTH + 5, None)],
        [(2 * LENGTH - 7, 7 * LENGTH, 4), (7 * LENGTH - 2 * FADE, 12 * LENGTH, 5)],
        [(2 * LENGTH - FADE, 6 * LENGTH, None), (4 * LENGTH + 9, 12 * LENGTH, 5),
         (12 * LENGTH - FADE, 16 * LENGTH, None)],
    ],
)  # fmt: skip
def test_pieces_of_one_sound_are_that_sound(steps: list[tuple[int, int, int | None]]) -> None:
    take, out = played(steps, first=2)
    assert out.shape[1] == (take.next - 2) * LENGTH
    assert take.end == steps[-1][1]
    assert take.end - take.next * LENGTH < LENGTH + 2 * FADE, "all that is sure was given"
    assert np.allclose(out, SOUND[:, 2 * LENGTH : take.next * LENGTH], atol=1e-6)


def test_the_last_fragment_is_filled_with_silence() -> None:
    take, out = played([(0, 3 * LENGTH + 50, None)], first=0, last=True)
    assert take.next == 4
    assert np.array_equal(out[:, : 3 * LENGTH + 50], SOUND[:, : 3 * LENGTH + 50])
    assert not out[:, 3 * LENGTH + 50 :].any()


def test_other_estimates_are_faded_in_20_ms_and_neighbors_of_the_grid_over_all_that_they_share() -> None:
    for number, length in ((None, FADE), (5, 2 * FADE)):
        take = Take(0, LENGTH)
        take.add(0, np.zeros((8, 3 * LENGTH), np.float32), None if number is None else 4, last=False, overlap=2 * FADE)
        begin = 3 * LENGTH - 2 * FADE
        cuts = take.add(begin, np.ones((8, 3 * LENGTH), np.float32), number, last=False, overlap=2 * FADE)
        sound = np.concatenate([cut.sound for cut in cuts], axis=1)[0]
        rising = np.flatnonzero((sound > 0) & (sound < 1))
        assert abs(len(rising) - length) < 40
        assert np.diff(sound[rising]).min() > 0


def test_the_neighbors_sound_is_kept_where_a_take_begins_and_ends() -> None:
    take = Take(2, LENGTH)
    cuts = take.add(2 * LENGTH - FADE, SOUND[:, 2 * LENGTH - FADE : 5 * LENGTH + 2 * FADE], None, last=False, overlap=0)
    assert [cut.before is not None for cut in cuts] == [True, False, False]
    assert [cut.after is not None for cut in cuts] == [False, False, True]
    assert np.array_equal(cuts[0].before, SOUND[:, 2 * LENGTH - FADE : 2 * LENGTH])
    assert np.array_equal(cuts[-1].after, SOUND[:, 5 * LENGTH : 5 * LENGTH + FADE])
    other = Take(5, LENGTH, cuts[-1].after)
    (cut, *_) = other.add(5 * LENGTH - FADE, 0 * SOUND[:, : 3 * LENGTH], None, last=False, overlap=0)
    assert np.allclose(cut.sound[:, :5], SOUND[:, 5 * LENGTH : 5 * LENGTH + 5], atol=0.01)
    assert not cut.sound[:, FADE:].any()
