"""Packets of sound put where their time stamps say: gaps filled, overlaps left out, and all of it counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

JUMP_SECONDS = 0.02
"""A time stamp that is off by more is taken at its word at once."""

STEP_SECONDS = 0.001
"""Time stamps that stay off by more, from one packet on, are taken at their word too: a frame of few milliseconds was
lost, or a resampler begun anew. Less is how containers round."""

_STEADY_SECONDS = 0.00025
_STEADY_PACKETS = 8
_PIECE_SECONDS = 1.0


@dataclass
class Tally:
    """What did not come as a film's time stamps promise, in samples.

    Attributes:
        filled: silence in place of gaps, without the time before the first sound.
        dropped: sound that lay over other sound.
        stray: packets whose time stamp lay beyond the film's end, or was followed by earlier ones.
    """

    filled: int = 0
    dropped: int = 0
    stray: int = 0


class Placer:
    """Puts blocks `[channels, samples]` with time stamps on one line that begins at `begin`.

    Args:
        begin: the first sample. end: the first that is not wanted; None: all is.
        last: the film's end as its header tells it, in samples; a gap that leads beyond is a damaged time stamp.
            None: nobody knows.
    """

    def __init__(
        self, sample_rate: int, channels: int, begin: int = 0, end: int | None = None, last: int | None = None
    ) -> None:
        self._rate, self._channels = sample_rate, channels
        self._begin, self._end, self._last = begin, end, last
        self._at = begin
        self._started = False
        self._lead_in: int | None = None  # where the block ended that came before the beginning, and was left out
        self._level: int | None = None  # by how much time stamps are usually off
        self._near, self._run = 0, 0  # candidate for another level, and how many packets agree with it
        self.tally = Tally()

    def place(self, packets: Iterable[tuple[int, np.ndarray]]) -> Iterator[np.ndarray]:
        """Yield blocks without gaps, of any length.

        Args:
            packets: time stamp in samples, and block. A stamp one sample after the one before is none: ffmpeg, which
                must write rising ones, made it of one that went back.
        """
        before: int | None = None
        held: tuple[int, np.ndarray] | None = None
        for stamp, block in packets:
            made_up = before is not None and stamp == before + 1
            before = stamp
            if held is not None:
                # a leap after which time goes back again was no leap
                yield from self._put(None if made_up else held[0], held[1], stray=made_up)
                held = None
            if made_up:
                yield from self._put(None, block)
            elif self._started and stamp - self._at > JUMP_SECONDS * self._rate:
                held = stamp, block
            else:
                yield from self._put(stamp, block)
        if held is not None:
            yield from self._put(held[0], held[1])

    def _put(self, stamp: int | None, block: np.ndarray, *, stray: bool = False) -> Iterator[np.ndarray]:
        self.tally.stray += stray
        if stamp is None and not self._started:
            stamp = self._lead_in
        off = 0 if stamp is None else stamp - self._at
        if not self._started:
            self._started = True
            lead = max(off, 0)
            if self._last is not None and self._at + lead > self._last + self._rate:
                self.tally.stray += 1
                lead = 0
            yield from self._silence(lead)
            self._lead_in = self._at + off + block.shape[1]
            block = block[:, max(-off, 0) :]
            self._started = block.shape[1] > 0
        elif stamp is not None:
            move = self._move(off)
            if move > 0 and self._last is not None and stamp > self._last + self._rate:
                self.tally.stray += 1
            elif move > 0:
                self.tally.filled += move
                yield from self._silence(move)
            elif move < 0:
                kept = block[:, -move:]
                self.tally.dropped += block.shape[1] - kept.shape[1]
                block = kept
        yield from self._out(block)

    def _move(self, off: int) -> int:
        """Return how many samples of silence are to come before a block; negative: how many of it are too many."""
        if abs(off) > JUMP_SECONDS * self._rate:
            self._run = 0
            return off
        if self._level is not None and abs(off - self._level) <= STEP_SECONDS * self._rate:
            self._run = 0
            return 0
        if self._run and abs(off - self._near) <= _STEADY_SECONDS * self._rate + 1:
            self._run += 1
        else:
            self._near, self._run = off, 1
        if self._run < _STEADY_PACKETS:
            return 0
        self._run = 0
        if self._level is None:
            self._level = off
            return 0
        return off - self._level

    def _silence(self, count: int) -> Iterator[np.ndarray]:
        piece = max(1, round(_PIECE_SECONDS * self._rate))
        for first in range(0, count, piece):
            if self._end is not None and self._at >= self._end:
                return
            yield from self._out(np.zeros((self._channels, min(piece, count - first)), np.float32))

    def _out(self, block: np.ndarray) -> Iterator[np.ndarray]:
        if self._end is not None:
            block = block[:, : max(0, self._end - self._at)]
        self._at += block.shape[1]
        if block.shape[1]:
            yield block
