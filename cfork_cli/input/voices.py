"""Voices for a dub: sound files on a film's time line, as one stream of the film's rate and channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfork_cli.input.decode import decode
from cfork_cli.media.types import Media, Stream

Resample = Callable[[Iterable[np.ndarray], int, int, int], Iterator[np.ndarray]]
"""Changes the rate of blocks: blocks, from Hz, to Hz, channels."""


@dataclass(frozen=True)
class Voice:
    """A sound file with a voice.

    Attributes:
        begin: where it begins, in samples of the stream that is made; what lies before 0 is left out.
        matrix: `[channels of the stream, channels of the file]`, from `placed`.
    """

    media: Media
    track: Stream
    begin: int
    matrix: np.ndarray

    @property
    def path(self) -> Path:
        """The file."""
        return self.media.path


class VoiceTrack:
    """Several voices as one stream, which is silent between them; they add up where they meet."""

    def __init__(self, voices: Sequence[Voice], sample_rate: int, channels: int, resample: Resample) -> None:
        self._rate, self._channels, self._resample = sample_rate, channels, resample
        self._waiting = sorted(voices, key=lambda voice: voice.begin)
        self._running: list[_Running] = []
        self._at = 0

    def take(self, samples: int) -> np.ndarray:
        """Return the next samples, `[channels, samples]`, float32.

        Raises:
            DamagedInputError, InputError, FfmpegError: a file cannot be decoded.
        """
        block = np.zeros((self._channels, samples), np.float32)
        end = self._at + samples
        while self._waiting and self._waiting[0].begin < end:
            self._running.append(_Running(self._waiting.pop(0), self._rate, self._resample))
        for voice in self._running:
            voice.add(block, self._at)
        self._running = [voice for voice in self._running if not voice.ended]
        self._at = end
        return block

    @property
    def ended(self) -> bool:
        """True if nothing but silence follows."""
        return not self._waiting and not self._running


class _Running:
    """A voice that has begun."""

    def __init__(self, voice: Voice, rate: int, resample: Resample) -> None:
        self._voice = voice
        self._blocks = self._decoded(rate, resample)
        self._left = np.zeros((len(voice.matrix), 0), np.float32)
        self._at = voice.begin  # of the first sample that is left
        self.ended = False

    def add(self, block: np.ndarray, at: int) -> None:
        """Add what falls into a block that begins at this sample."""
        end = at + block.shape[1]
        while self._at + self._left.shape[1] < end:
            more = next(self._blocks, None)
            if more is None:
                self.ended = True
                break
            self._left = np.concatenate((self._left, more), axis=1)
            if self._at + self._left.shape[1] <= at:  # before the stream begins
                self._at += self._left.shape[1]
                self._left = self._left[:, :0]
        first, last = max(at, self._at), min(end, self._at + self._left.shape[1])
        if first < last:
            block[:, first - at : last - at] += self._left[:, first - self._at : last - self._at]
        gone = min(max(end - self._at, 0), self._left.shape[1])
        self._left, self._at = self._left[:, gone:], self._at + gone

    def _decoded(self, rate: int, resample: Resample) -> Iterator[np.ndarray]:
        voice = self._voice
        with decode(voice.media, voice.track) as blocks:
            placed = (voice.matrix @ block for block in blocks)
            yield from resample(placed, voice.track.sample_rate or rate, rate, len(voice.matrix))


def placed(track: Stream, speakers: Sequence[str] | None, channels: int, fold: np.ndarray | None) -> np.ndarray:
    """Return where the channels of a voice go in a film, `[channels, channels of the voice]`, float32.

    A mono voice comes from the center where there is one, else from all speakers that are there; a stereo voice from
    left and right.

    Args:
        track: of the voice.
        speakers: of the film's channels ("FL", ...); None where they are unknown.
        channels: of the film.
        fold: of a voice in surround sound, to stereo; from `mix.downmix.stereo_matrix`.

    >>> placed(Stream(0, "audio", 0, "flac", channels=1), ("FL", "FR", "FC"), 3, None).ravel().tolist()
    [0.0, 0.0, 1.0]
    """
    count = track.channels or 1
    names = list(speakers or ())
    matrix = np.zeros((channels, 2), np.float32)
    if channels == 1:
        matrix[0] = 0.5
    elif {"FL", "FR"} <= set(names):
        matrix[names.index("FL"), 0] = matrix[names.index("FR"), 1] = 1.0
    else:
        matrix[0, 0] = matrix[1, 1] = 1.0
    if count == 1:
        if "FC" in names and channels > 1:
            alone = np.zeros((channels, 1), np.float32)
            alone[names.index("FC")] = 1.0
            return alone
        together: np.ndarray = matrix.sum(axis=1, keepdims=True)
        return together
    if count == channels and fold is not None and channels > 2:
        return np.eye(channels, dtype=np.float32)
    folded: np.ndarray = matrix if fold is None else matrix @ fold
    return folded
