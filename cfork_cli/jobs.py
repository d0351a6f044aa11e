"""What was asked for, and what will be done: facts that every interface shares, in words and for machines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfork_cli import remux
from cfork_cli.console import clock
from cfork_cli.probe import Media, Stream

SPOKEN_ORDER = ("dialogue", "music", "effects")  # as people name them; STEMS is the network's order


@dataclass(frozen=True)
class RemixJob:
    """What the user asked `cfork remix` for. `gains_db` has an entry per stem; `track` counts from 1."""

    input: Path
    output: Path | None
    gains_db: dict[str, float]
    track: int | None = None
    codec: str | None = None
    model: str = "cfork"
    device: str = "auto"
    input_lufs: float | None = None
    force: bool = False


@dataclass(frozen=True)
class SeparateJob:
    """What the user asked `cfork separate` for. No stems means all; `track` counts from 1."""

    input: Path
    folder: Path
    stems: tuple[str, ...] = ()
    format: str = "wav"
    bits: int | None = None
    track: int | None = None
    model: str = "cfork"
    device: str = "auto"
    input_lufs: float | None = None
    force: bool = False


@dataclass(frozen=True)
class RemixPlan:
    """What will be done: the film and its track, the file to write, and which stems have to be computed for it."""

    job: RemixJob
    media: Media
    track: Stream
    output: Path
    film: remux.FilmPlan
    stems: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before."""
        codec = self.film.codec
        return (*([codec.note] if codec.note else []), *self.film.notes)

    def describe(self) -> list[str]:
        """A few lines for people."""
        return [
            f"input:  {self.media.path} ({_length(self.media)}, {len(self.media.streams)} streams)",
            f"track:  {self.track.number + 1} of {len(self.media.audio)} ({self.track})",
            f"levels: {levels(self.job.gains_db)}",
            f"output: {self.output} ({self.film.container}, new track in {self.film.codec.codec})",
        ]

    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "input": str(self.media.path),
            "output": str(self.output),
            "track": self.track.number + 1,
            "language": self.track.language,
            "gains_db": {stem: _json_gain(self.job.gains_db[stem]) for stem in SPOKEN_ORDER},
            "computed_stems": list(self.stems),
            "container": self.film.container,
            "codec": self.film.codec.codec,
            "duration_seconds": self.media.duration_seconds,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class SeparatePlan:
    """What will be done: the film and its track, and the file of each stem."""

    job: SeparateJob
    media: Media
    track: Stream
    files: dict[str, Path]

    def describe(self) -> list[str]:
        """A few lines for people."""
        return [
            f"input:  {self.media.path} ({_length(self.media)})",
            f"track:  {self.track.number + 1} of {len(self.media.audio)} ({self.track})",
            *(f"output: {path}" for path in self.files.values()),
        ]

    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "input": str(self.media.path),
            "track": self.track.number + 1,
            "files": {stem: str(path) for stem, path in self.files.items()},
            "sample_rate": self.track.sample_rate,
            "channels": self.track.channels,
            "duration_seconds": self.media.duration_seconds,
        }


def levels(gains_db: dict[str, float]) -> str:
    """The gains as people read them.

    >>> levels({"music": -10.0, "dialogue": 6.0, "effects": 0.0})
    'dialogue +6 dB, music -10 dB, effects unchanged'
    """
    if not any(gains_db.values()):
        return "all unchanged"
    words = {0.0: "unchanged", -math.inf: "muted"}
    return ", ".join(f"{stem} {words.get(gains_db[stem], f'{gains_db[stem]:+g} dB')}" for stem in SPOKEN_ORDER)


def _length(media: Media) -> str:
    return clock(media.duration_seconds) if media.duration_seconds is not None else "of unknown length"


def _json_gain(gain_db: float) -> float | str:
    return "-inf" if gain_db == -math.inf else gain_db
