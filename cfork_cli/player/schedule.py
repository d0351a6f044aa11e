"""What to separate next: the nearest missing fragment, in a short window if it is wanted soon, in long ones ahead."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cfork_cli.player.take import FADE

AHEAD_SECONDS = 300.0
"""Separated ahead of the playhead; no further, so that a film that is paused lets the computer rest."""

LEAST_AHEAD_SECONDS = 3.0
"""However many pages there are, and however little is kept."""

FIRST_SECONDS, SHORT_SECONDS, LONGEST_SECONDS = 3.2, 5.0, 24.0
"""Free windows, without their context: what is wanted at once, the shortest after that, and the longest."""

LEAST_GAIN_SECONDS = 10.0
"""A window of the grid that brings less new sound than this is not worth it."""

SLACK_SECONDS, SHARE = 0.5, 0.6
"""What is wanted in t seconds must be there, by the speed so far, after SHARE * (t - SLACK)."""


@dataclass(frozen=True)
class Playhead:
    """Where a page is, in seconds; when it said so, and whether it plays."""

    seconds: float
    said: float
    playing: bool = True


@dataclass(frozen=True)
class Target:
    """A fragment that is missing, and in how many seconds it will be heard."""

    index: int
    soon: float


@dataclass(frozen=True)
class Step:
    """A stretch to separate: window `number` of the grid, or from `begin` to `end` in samples."""

    number: int | None = None
    begin: int = 0
    end: int = 0


def ahead_seconds(kept: float, heads: int) -> float:
    """Return how far ahead of each playhead to work, so that what is new does not chase away what was just made.

    Args:
        kept: seconds of sound that find room. heads: how many there are.

    >>> ahead_seconds(5000, 1), ahead_seconds(64, 1), ahead_seconds(64, 16)
    (300.0, 40.0, 3.0)
    """
    room = kept / max(1, heads) - LONGEST_SECONDS  # a long window brings more than the one fragment that was missing
    return min(AHEAD_SECONDS, max(LEAST_AHEAD_SECONDS, room))


def target(
    heads: Sequence[Playhead], has: Callable[[int], bool], count: int, fragment_seconds: float,
    ahead: float = AHEAD_SECONDS,
) -> Target | None:  # fmt: skip
    """Return the fragment to work for: the missing one that is wanted soonest; None if nothing is missing near by.

    Args:
        heads: of all pages, that which spoke last first: of two that want something at once, it is served.
        has: whether a fragment is there. count: of the film's fragments.
    """
    found: list[Target] = []
    for head in heads:
        first = min(max(0, int(head.seconds / fragment_seconds)), count - 1)
        last = min(count, first + 1 + int(ahead / fragment_seconds))
        missing = next((index for index in range(first, last) if not has(index)), None)
        if missing is not None:
            found.append(Target(missing, missing * fragment_seconds - head.seconds))
    return min(found, key=lambda one: one.soon, default=None)


@dataclass(frozen=True)
class Lattice:
    """The windows of the grid, as places of what they give, in samples of the output.

    Attributes:
        begins, ends: of the windows, in order, up to the film's end and one beyond.
        rate: samples a second.
    """

    begins: Sequence[int]
    ends: Sequence[int]
    rate: int

    def reaching(self, place: int) -> int:
        """Return the last window that begins at or before a place."""
        return max(0, bisect_right(self.begins, place) - 1)


def step(
    begin: int, soon: float, speed: float, lattice: Lattice, *, until: int | None = None, fresh: bool = True
) -> Step:  # fmt: skip
    """Return the stretch to separate for a fragment that is missing.

    Args:
        begin: the first sample that is missing; the stretch begins at least `FADE` before it.
        soon: in how many seconds it will be heard.
        speed: seconds of sound that are separated in a second, as far as is known.
        until: the first sample that is there again, if that is near.
        fresh: whether nothing of this place is there: what is wanted at once comes in the shortest window then.
    """
    rate = lattice.rate
    start = max(0, begin - FADE)
    allowed = FIRST_SECONDS if fresh and soon < 1.0 else max(SHORT_SECONDS, SHARE * (soon - SLACK_SECONDS) * speed)
    number = lattice.reaching(start)
    window = (lattice.ends[number] - lattice.begins[number]) / rate
    stop = lattice.ends[number] if until is None else min(until, lattice.ends[number])
    if window <= allowed and stop - begin >= LEAST_GAIN_SECONDS * rate:
        return Step(number)
    end = start + round(min(allowed, LONGEST_SECONDS) * rate)
    if number + 1 < len(lattice.begins):
        bridge = lattice.begins[number + 1] + 2 * FADE  # into the next window of the grid
        if window <= allowed or bridge - start >= SHORT_SECONDS / 2 * rate:
            end = min(end, bridge)
    if until is not None:
        end = min(end, until + FADE)
    return Step(begin=start, end=max(end, start + 3 * FADE))


def runs(indexes: Iterable[int]) -> list[tuple[int, int]]:
    """Return rising numbers as runs, each the first and the one after the last.

    >>> runs([1, 2, 3, 7])
    [(1, 4), (7, 8)]
    """
    found: list[tuple[int, int]] = []
    for index in indexes:
        if found and found[-1][1] == index:
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return found
