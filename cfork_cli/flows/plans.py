"""Plans of what will be done, in words and as facts for machines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfork_cli.codecs.pipe_format import PipeFormat
from cfork_cli.codecs.stem_format import StemFormat
from cfork_cli.flows.jobs import RemixJob, SeparateJob
from cfork_cli.flows.source import Source
from cfork_cli.media.layouts import low_frequency
from cfork_cli.media.types import Media, Stream
from cfork_cli.mix.normalize import LoudnessGoal
from cfork_cli.mix.settings import Processing
from cfork_cli.presets.preset import processing_facts
from cfork_cli.remux.plan import FilmPlan
from cfork_cli.text import SPOKEN_ORDER, clock


@dataclass(frozen=True)
class PipeTarget:
    """Output into a pipe: a film, or sound alone in a format."""

    path: Path
    film: FilmPlan | None
    format: PipeFormat | None

    @property
    def name(self) -> str:
        """The muxer or format."""
        return self.film.container if self.film else self.format.name if self.format else ""

    @property
    def words(self) -> str:
        """The muxer or format, in words for people."""
        return f"film, {self.name}" if self.film else self.name

    @property
    def codec(self) -> str | None:
        """ffmpeg's name of the codec, or of the samples."""
        return self.film.codec.codec_name if self.film else self.format.codec_name if self.format else None

    @property
    def clips_over_full_scale(self) -> bool:
        """True if what is over full scale is cut off, so that peaks must be held."""
        stored = self.film.codec if self.film else self.format
        return stored is not None and stored.clips_over_full_scale

    @property
    def is_integer(self) -> bool:
        """True if it stores integers, which cut off what is over full scale even where nothing was changed."""
        stored = self.film.codec if self.film else self.format
        return stored is not None and stored.is_integer

    @property
    def notes(self) -> tuple[str, ...]:
        """Changes that cannot be avoided."""
        if self.film is not None:
            return self.film.all_notes
        codec = self.format.codec if self.format is not None else None
        return (codec.note,) if codec is not None and codec.note else ()

    def facts(self, track: Stream) -> dict[str, Any]:
        """Return what comes out, for machines."""
        return {
            "container": self.name or None, "codec": self.codec, "sample_rate": track.sample_rate,
            "channels": track.channels,
        }  # fmt: skip


@dataclass(frozen=True)
class RemixPlan:
    """A remix: the film, its tracks that change, and where they go.

    Attributes:
        source: what is read.
        tracks: the tracks that are remixed.
        stems: those that the network has to find.
        outputs: the files to write, with what they will hold; none where it goes into a pipe.
        pipe: the pipe, if so.
        warnings: what the user should know about the model.
    """

    job: RemixJob
    source: Source
    media: Media
    tracks: tuple[Stream, ...]
    stems: tuple[str, ...]
    outputs: tuple[tuple[Path, FilmPlan], ...] = ()
    pipe: PipeTarget | None = None
    warnings: tuple[str, ...] = ()

    @property
    def goal(self) -> LoudnessGoal | None:
        """How loud the new sound is to become; None where nothing has to be done for it."""
        goal = self.job.loudness
        return None if goal is not None and goal.keeps and not self.stems and not self.job.downmix else goal

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user before the work."""
        about = self.pipe.notes if self.pipe else [note for _, film in self.outputs for note in film.all_notes]
        return (*self.warnings, *self.source.notes, *dict.fromkeys(about))

    @property
    def names(self) -> str:
        """The files, for people."""
        return ", ".join(str(path) for path, _ in self.outputs)

    def describe(self) -> list[str]:
        """Return a few lines for people."""
        count, streams = len(self.media.audio), f", {len(self.media.streams)} streams"
        first = f"{self.media.path}" if self.pipe else f"{self.media.path} ({length(self.media)}{streams})"
        return [
            f"input:  {first}",
            *(f"track:  {track.number + 1} of {count} ({track})" for track in self.tracks),
            *([f"preset: {self.job.preset}"] if self.job.preset else []),
            f"levels: {levels(self.job.gains_db)}",
            *(f"        {words}" for words in treatment(self.job.processing)),
            *([f"loudness: {self.job.loudness}"] if self.job.loudness else []),
            *([f"output: {self.pipe.path} ({self.pipe.words})"] if self.pipe else []),
            *(
                f"output: {path} ({film.container}, new track in {' and '.join(film.codec_names)})"
                for path, film in self.outputs
            ),
        ]

    def facts(self) -> dict[str, Any]:
        """Return what will be done, for machines."""
        track = self.tracks[0]
        facts = {
            "input": str(self.media.path),
            "output": str(self.pipe.path if self.pipe else self.outputs[0][0]),
            "track": track.number + 1,
            "language": track.language,
            "gains_db": {stem: json_gain(self.job.gains_db[stem]) for stem in SPOKEN_ORDER},
            "computed_stems": list(self.stems),
            "loudness": {"goal": str(self.job.loudness)} if self.job.loudness else None,
            "preset": self.job.preset,
            **processing_facts(self.job.processing),
        }
        if self.pipe:
            facts |= self.pipe.facts(track)
        else:
            film = self.outputs[0][1]
            facts |= {"container": film.container, "codec": film.codec.codec_name}
            facts["tracks"] = [
                {
                    "track": new.source.number + 1, "language": new.source.language, "output": str(path),
                    "codec": new.codec.codec_name, "bit_rate": new.codec.bit_rate,
                    "channels": new.delivered.channels, "layout": new.delivered.layout,
                    "sample_rate": new.delivered.sample_rate, "beside": new.beside,
                }
                for path, film in self.outputs
                for new in film.new
            ]  # fmt: skip
        return facts | _ends(self.source, self.media, self.notes)


@dataclass(frozen=True)
class SeparatePlan:
    """A separation into stems.

    Attributes:
        source: what is read.
        stems: those that the network has to find.
        sounds: everything that is written, in order: mixture, stems, residual.
        takers: those of the stems, or the residual, that get what is missing.
        format: of the files; None where one stem goes into a pipe.
        files: the file of each sound; one and the same for all where they become tracks; none for a pipe.
        film: the one file of all tracks; None where every sound has a file of its own.
        pipe: the pipe, if one stem goes there.
    """

    job: SeparateJob
    source: Source
    media: Media
    track: Stream
    stems: tuple[str, ...]
    sounds: tuple[str, ...]
    takers: tuple[str, ...] = ()
    format: StemFormat | None = None
    files: dict[str, Path] | None = None
    film: FilmPlan | None = None
    pipe: PipeTarget | None = None

    @property
    def picture(self) -> bool:
        """True if the film's picture comes along."""
        return self.film is not None and not self.film.alone

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, each once."""
        return tuple(dict.fromkeys((self.files or {}).values()))

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user before the work."""
        if self.format is None:
            return self.pipe.notes if self.pipe else ()
        notes = [*self.source.notes, *self.format.notes, *(self.film.notes if self.film is not None else ())]
        if not self.takers and low_frequency(self.track.layout):
            notes.append("the low-frequency channel is in no stem: --residual effects puts it into the effects")
        if self.takers and self.job.processing:
            notes.append("effects come after --residual, so the stems do not add up to the film")
        elif self.takers and not self.format.is_lossless:
            notes.append(f"{self.format.suffix} files are lossy, so the stems add up to the film only nearly")
        return tuple(notes)

    def describe(self) -> list[str]:
        """Return a few lines for people."""
        track = f"track:  {self.track.number + 1} of {len(self.media.audio)} ({self.track})"
        if self.pipe:
            stem, output = f"stem:   {self.stems[0]}", f"output: {self.pipe.path} ({self.pipe.words})"
            return [f"input:  {self.media.path}", track, stem, *self._treatment(), output]
        return [
            f"input:  {self.media.path} ({length(self.media)})",
            track,
            *self._treatment(),
            *(f"output: {path}" for path in self.paths),
            *([f"tracks: {', '.join(self.sounds)}"] if self.film is not None else []),
        ]

    def _treatment(self) -> list[str]:
        return [f"stems:  {words}" for words in treatment(self.job.processing)]

    def facts(self) -> dict[str, Any]:
        """Return what will be done, for machines."""
        facts: dict[str, Any] = {"input": str(self.media.path), "track": self.track.number + 1}
        if self.job.processing:
            facts |= {"preset": self.job.preset, **processing_facts(self.job.processing)}
        if self.pipe:
            facts |= {"output": str(self.pipe.path), "language": self.track.language, "stem": self.stems[0],
                      "computed_stems": list(self.stems), **self.pipe.facts(self.track)}  # fmt: skip
        else:
            stored = self.format
            facts |= {
                "files": {sound: str(path) for sound, path in (self.files or {}).items()},
                "residual_to": list(self.takers),
                "codec": stored and (stored.codec.codec_name if stored.codec else stored.subtype),
                "picture": self.picture,
                "sample_rate": 16_000 if self.job.purpose else self.track.sample_rate,
                "channels": 1 if self.job.purpose else self.track.channels,
            }
        return facts | _ends(self.source, self.media, self.notes)


def _ends(source: Source, media: Media, notes: tuple[str, ...]) -> dict[str, Any]:
    """Return the facts that stand last in every plan."""
    return {**source.facts(), "duration_seconds": media.duration_seconds, "notes": list(notes)}


def levels(gains_db: dict[str, float], *, changed_only: bool = False) -> str:
    """Return the gains as people read them.

    >>> levels({"music": -10.0, "dialogue": 6.0, "effects": 0.0})
    'dialogue +6 dB, music -10 dB, effects unchanged'
    """
    if not any(gains_db.values()):
        return "all unchanged"
    words = {0.0: "unchanged", -math.inf: "muted"}
    named = [stem for stem in SPOKEN_ORDER if gains_db[stem] or not changed_only]
    return ", ".join(f"{stem} {words.get(gains_db[stem], f'{gains_db[stem]:+g} dB')}" for stem in named)


def treatment(processing: Processing) -> list[str]:
    """Return what is done to the stems besides gains, as people read it.

    >>> treatment(Processing(speech_boost_lu=7, duck_db={"music": 6}))
    ['voice raised where it is under 7 LU over the rest', 'music 6 dB down while somebody speaks']
    """
    found = []
    for stem in SPOKEN_ORDER:
        if effects := processing.of(stem):
            found.append(f"{stem} through {effects}")
    if processing.speech_boost_lu is not None:
        found.append(f"voice raised where it is under {processing.speech_boost_lu:g} LU over the rest")
    found += [f"{stem} {depth:g} dB down while somebody speaks" for stem, depth in processing.duck_db.items()]
    return [*found, *(["loud music and effects held down"] if processing.night else [])]


def all_words(job: RemixJob, *, changed_only: bool = False) -> str:
    """Return levels and treatment in one line."""
    done = treatment(job.processing)
    if done and not any(job.gains_db.values()):
        return ", ".join(done)
    return ", ".join([levels(job.gains_db, changed_only=changed_only), *done])


def length(media: Media) -> str:
    """Return how long a film is, for people."""
    return clock(media.duration_seconds) if media.duration_seconds is not None else "of unknown length"


def json_gain(gain_db: float) -> float | str:
    """Return a gain as JSON can hold it."""
    return "-inf" if gain_db == -math.inf else gain_db
