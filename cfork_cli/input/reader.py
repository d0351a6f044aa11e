"""The sound of a track at any place, for players: one decoder that runs on from the last place asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from cfork_cli.errors import DamagedInputError
from cfork_cli.input.decode import Decoder, decode
from cfork_cli.media.timeline import Frames
from cfork_cli.media.types import Media, Stream

HISTORY_SECONDS = 30.0
"""Sound that is kept behind the last place: windows overlap, and the next is asked for from a little before."""

AHEAD_SECONDS = 20.0
"""A place no further ahead is read up to; for one that is, a new decoder begins there."""

LEAD_SECONDS = 1.0
"""A new decoder begins so much before the place: what is asked for next may begin a little before."""


class Reader:
    """Reads a track from anywhere. A context manager: its ffmpeg ends with it. Not for several threads at once.

    Whoever asks for one place after the other has one running decoder, and sound as of a single run: where decoders
    begin anew, some codecs are a fraction of a millisecond off, or fill in other noise.

    Attributes:
        notes: what the user should know about defects.
        starts: how many decoders were started.
    """

    def __init__(self, media: Media, track: Stream, *, frames: Frames | None = None) -> None:
        """Start nothing yet.

        Args:
            frames: see `decode`.
        """
        self.media, self.track = media, track
        self.sample_rate, self.channels = track.sample_rate or 0, track.channels or 0
        self.notes: tuple[str, ...] = ()
        self.starts = 0
        self._frames = frames
        self._decoder: Decoder | None = None
        self._blocks: Iterator[np.ndarray] = iter(())
        self._held: deque[np.ndarray] = deque()
        self._begin = self._end = 0
        self._ended = False

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoder, and forget the sound."""
        if self._decoder is not None:
            self._decoder.close()
        self._decoder, self._blocks = None, iter(())
        self._held.clear()
        self._begin = self._end = 0

    def read(self, begin: int, end: int) -> np.ndarray:
        """Return the samples of a stretch, float32 `[channels, samples]`; fewer where the sound ends.

        Args:
            begin, end: the first sample, and the first that is not wanted, on the time line of `timeline`.

        Raises:
            InputError, FfmpegError: see `decode`. What is damaged is left out, with a note.
        """
        ahead = begin - self._end
        if self._decoder is None or begin < self._begin or ahead > AHEAD_SECONDS * self.sample_rate:
            self._start(max(0, begin - round(LEAD_SECONDS * self.sample_rate)))
        while self._end < end and not self._ended:
            self._pull()
            self._forget(min(begin, self._end - round(HISTORY_SECONDS * self.sample_rate)))
        return self._copy(begin, min(end, self._end))

    def _start(self, begin: int) -> None:
        self.close()
        self._begin = self._end = begin
        self._ended = False
        self.starts += 1
        self._decoder = decode(self.media, self.track, begin=begin, accept_damaged=True, frames=self._frames)
        self._blocks = iter(self._decoder)

    def _pull(self) -> None:
        """Decode one block more."""
        try:
            block = next(self._blocks, None)
        except DamagedInputError as error:
            self.notes, block = (str(error),), None
        if block is None:
            self._ended = True
            return
        self._held.append(block)
        self._end += block.shape[1]

    def _forget(self, before: int) -> None:
        while self._held and self._begin + self._held[0].shape[1] <= before:
            self._begin += self._held.popleft().shape[1]

    def _copy(self, begin: int, end: int) -> np.ndarray:
        out = np.zeros((self.channels, max(0, end - begin)), np.float32)
        at = self._begin
        for block in self._held:
            first, last = max(begin, at), min(end, at + block.shape[1])
            if first < last:
                out[:, first - begin : last - begin] = block[:, first - at : last - at]
            at += block.shape[1]
        return out
