"""What goes through a pipe, in words and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfork_cli.codecs.pipe_format import PipeFormat
from cfork_cli.flows.separator import Asked
from cfork_cli.flows.source import Source
from cfork_cli.media.types import Media, Stream
from cfork_cli.remux.plan import FilmPlan


@dataclass(frozen=True)
class PipePlan:
    """What will be done.

    Attributes:
        computed: the stems that the network has to find.
        gains_db: of a remix, one per computed stem; None where the stem itself goes out.
        form: of the sound; None where the whole film goes out.
        film: the whole film, if so.
        facts: what the user asked for, for machines.
        words: the same for people.
        warnings: what the user should know about the model.
    """

    source: Source
    output: Path
    media: Media
    track: Stream
    computed: tuple[str, ...]
    gains_db: tuple[float, ...] | None
    form: PipeFormat | None
    film: FilmPlan | None
    job: Asked
    asked: dict[str, Any]
    words: str
    warnings: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before."""
        if self.film is not None:
            return (*self.warnings, *self.film.all_notes)
        note = self.form.codec.note if self.form is not None and self.form.codec is not None else None
        return (*self.warnings, *((note,) if note else ()))

    def describe(self) -> list[str]:
        """A few lines for people."""
        what = f"film, {self.film.container}" if self.film else self.form.name if self.form else ""
        return [
            f"input:  {self.media.path}",
            f"track:  {self.track.number + 1} of {len(self.media.audio)} ({self.track})",
            f"levels: {self.words}" if self.gains_db is not None else f"stem:   {self.words}",
            f"output: {self.output} ({what})",
        ]

    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "input": str(self.media.path),
            "output": str(self.output),
            "track": self.track.number + 1,
            "language": self.track.language,
            **self.asked,
            "computed_stems": list(self.computed),
            "container": self.film.container if self.film else self.form.name if self.form else None,
            "codec": self.film.codec.codec_name if self.film else self.form.codec_name if self.form else None,
            "sample_rate": self.track.sample_rate,
            "channels": self.track.channels,
            "duration_seconds": self.media.duration_seconds,
            "notes": list(self.notes),
        }
