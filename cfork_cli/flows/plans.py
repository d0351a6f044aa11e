"""What was asked for, and what will be done: facts that every interface shares, in words and for machines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.gains import weight
from cfork_cli.remux.plan import FilmPlan
from cfork_cli.text import SPOKEN_ORDER, clock


@dataclass(frozen=True)
class RemixJob:
    """What the user asked `cfork remix` for.

    Attributes:
        output: None for the usual name beside the input.
        gains_db: one per stem.
        tracks: words that name sound tracks, see `tracks.select`; none for the one that a player would play.
        bit_rate: of the new tracks, bits a second.
        downmix: whether surround sound becomes stereo.
        keep_original: whether the new tracks come beside the old ones, not in their place.
        sidecar: whether the new tracks go into files of their own beside the film.
        title: of the new tracks; None keeps the old one, or tells the levels where both are there.
        default: whether the new track takes the default flag, where the old one stays.
        force_model: whether a model is taken whose stems do not have the film's level.
    """

    input: Path
    output: Path | None
    gains_db: dict[str, float]
    tracks: tuple[str, ...] = ()
    codec: str | None = None
    bit_rate: int | None = None
    downmix: bool = False
    keep_original: bool = False
    sidecar: bool = False
    title: str | None = None
    default: bool = True
    model: str = "cfork"
    device: str = "auto"
    precision: str = "auto"
    input_lufs: float | None = None
    force: bool = False
    force_model: bool = False


@dataclass(frozen=True)
class RemixPlan:
    """What will be done: the film, the files to write with their new tracks, and which stems have to be computed."""

    job: RemixJob
    media: Media
    outputs: tuple[tuple[Path, FilmPlan], ...]
    stems: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def weights(self) -> tuple[float, ...]:
        """How much of each computed stem is added to the film's sound."""
        return tuple(weight(self.job.gains_db[stem]) for stem in self.stems)

    @property
    def tracks(self) -> tuple[Stream, ...]:
        """The tracks that are remixed."""
        return tuple(new.source for _, film in self.outputs for new in film.new)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before."""
        return (*self.warnings, *dict.fromkeys(note for _, film in self.outputs for note in film.all_notes))

    @property
    def names(self) -> str:
        """The files, for people."""
        return ", ".join(str(path) for path, _ in self.outputs)

    def describe(self) -> list[str]:
        """A few lines for people."""
        count = len(self.media.audio)
        return [
            f"input:  {self.media.path} ({length(self.media)}, {len(self.media.streams)} streams)",
            *(f"track:  {track.number + 1} of {count} ({track})" for track in self.tracks),
            f"levels: {levels(self.job.gains_db)}",
            *(
                f"output: {path} ({film.container}, new track in {' and '.join(film.codec_names)})"
                for path, film in self.outputs
            ),
        ]

    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        path, film = self.outputs[0]
        return {
            "input": str(self.media.path),
            "output": str(path),
            "track": film.track.number + 1,
            "language": film.track.language,
            "gains_db": {stem: json_gain(self.job.gains_db[stem]) for stem in SPOKEN_ORDER},
            "computed_stems": list(self.stems),
            "container": film.container,
            "codec": film.codec.codec_name,
            "tracks": [
                {
                    "track": new.source.number + 1, "language": new.source.language, "output": str(path),
                    "codec": new.codec.codec_name, "bit_rate": new.codec.bit_rate, "channels": new.delivered.channels,
                    "layout": new.delivered.layout, "sample_rate": new.delivered.sample_rate, "beside": new.beside,
                }
                for path, film in self.outputs
                for new in film.new
            ],
            "duration_seconds": self.media.duration_seconds,
            "notes": list(self.notes),
        }  # fmt: skip


def levels(gains_db: dict[str, float], *, changed_only: bool = False) -> str:
    """The gains as people read them.

    >>> levels({"music": -10.0, "dialogue": 6.0, "effects": 0.0})
    'dialogue +6 dB, music -10 dB, effects unchanged'
    """
    if not any(gains_db.values()):
        return "all unchanged"
    words = {0.0: "unchanged", -math.inf: "muted"}
    named = [stem for stem in SPOKEN_ORDER if gains_db[stem] or not changed_only]
    return ", ".join(f"{stem} {words.get(gains_db[stem], f'{gains_db[stem]:+g} dB')}" for stem in named)


def length(media: Media) -> str:
    return clock(media.duration_seconds) if media.duration_seconds is not None else "of unknown length"


def json_gain(gain_db: float) -> float | str:
    """A gain as JSON can hold it."""
    return "-inf" if gain_db == -math.inf else gain_db
