"""What was asked of `cfork separate`, and what will be done, in words and for machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfork_cli.codecs.stem_format import StemFormat
from cfork_cli.flows.plans import length
from cfork_cli.media.layouts import low_frequency
from cfork_cli.media.types import Media, Stream
from cfork_cli.remux.plan import FilmPlan


@dataclass(frozen=True)
class SeparateJob:
    """What the user asked `cfork separate` for.

    Attributes:
        output: a folder; a file whose suffix says what it is (all stems as its tracks, or one stem); or "-".
        stems: none means all.
        format: kind of the files in a folder, or of the stream; None is WAV.
        bits: of a sample; None is the best.
        codec: instead of the one that we choose for the format.
        template: name of the files in a folder.
        mixture: whether the film's own sound is written too.
        residual: who gets what is missing from the stems; see `separate.residual_takers`.
        track: a word that names one sound track, see `tracks.one`; None for the one that a player would play.
    """

    input: Path
    output: Path
    stems: tuple[str, ...] = ()
    format: str | None = None
    bits: int | None = None
    codec: str | None = None
    template: str = "{stem}"
    mixture: bool = False
    residual: str = "none"
    track: str | None = None
    model: str = "cfork"
    device: str = "auto"
    precision: str = "auto"
    input_lufs: float | None = None
    force: bool = False


@dataclass(frozen=True)
class SeparatePlan:
    """What will be done.

    Attributes:
        computed: the stems that the network has to find.
        sounds: everything that is written, in order: mixture, stems, residual.
        takers: those of the stems, or the residual, that get what is missing.
        files: the file of each sound; one and the same for all where they become tracks.
        film: the one file of all tracks; None where every sound has a file of its own.
    """

    job: SeparateJob
    media: Media
    track: Stream
    computed: tuple[str, ...]
    sounds: tuple[str, ...]
    takers: tuple[str, ...]
    form: StemFormat
    files: dict[str, Path]
    film: FilmPlan | None = None

    @property
    def picture(self) -> bool:
        """Whether the film's picture comes along."""
        return self.film is not None and not self.film.alone

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know before."""
        notes = [*self.form.notes, *(self.film.notes if self.film is not None else ())]
        if not self.takers and low_frequency(self.track.layout):
            notes.append("the low-frequency channel is in no stem: --residual effects puts it into the effects")
        if self.takers and not self.form.is_lossless:
            notes.append(f"{self.form.suffix} files are lossy, so the stems add up to the film only nearly")
        return tuple(notes)

    def describe(self) -> list[str]:
        """A few lines for people."""
        return [
            f"input:  {self.media.path} ({length(self.media)})",
            f"track:  {self.track.number + 1} of {len(self.media.audio)} ({self.track})",
            *(f"output: {path}" for path in dict.fromkeys(self.files.values())),
            *([f"tracks: {', '.join(self.sounds)}"] if self.film is not None else []),
        ]

    def facts(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "input": str(self.media.path),
            "track": self.track.number + 1,
            "files": {sound: str(path) for sound, path in self.files.items()},
            "residual_to": list(self.takers),
            "codec": self.form.codec.codec_name if self.form.codec else self.form.subtype,
            "picture": self.picture,
            "sample_rate": self.track.sample_rate,
            "channels": self.track.channels,
            "duration_seconds": self.media.duration_seconds,
            "notes": list(self.notes),
        }
