"""A film of many: what is to be done with it, how far it is, and what came of it. Plain values that can be pickled."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from cfork_cli.batch.prints import Print
from cfork_cli.flows.jobs import RemixJob, SeparateJob
from cfork_cli.flows.report import Report
from cfork_cli.output.destination import beside


@dataclass(frozen=True)
class InPlace:
    """The new film takes the old one's name.

    Attributes:
        backup: whether the old one stays, as movie.mkv.bak.
        original: the film to read, where the one to replace was made from it by us; None reads the film itself.
    """

    backup: bool = True
    original: Path | None = None


@dataclass(frozen=True)
class Film:
    """A film to do.

    Attributes:
        job: what is to be done, its input and output named; an output of None is the usual name beside the film.
        in_place: None writes another film.
    """

    job: RemixJob | SeparateJob
    in_place: InPlace | None = None

    @property
    def input(self) -> Path:
        """The film that is read."""
        return self.job.input

    @property
    def output(self) -> Path | None:
        """The file or folder to write, as far as it is known before a look into the film: no sidecar is."""
        if self.in_place is not None:
            return self.input
        if self.job.output is not None:
            return self.job.output
        if isinstance(self.job, RemixJob) and not self.job.sidecar:
            return beside(self.input, f".cfork{self.input.suffix}")
        return None

    @property
    def folder(self) -> Path:
        """The folder of what is written, and of the journal."""
        return (self.output or self.input).parent

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders that exist in which temporary files of this film may lie while it is done."""
        near = [self.input, *([self.output] if self.output is not None else [])]
        found = [path.parent for one in near for path in (one, Path(os.path.realpath(one)))]
        found += [Path(tempfile.gettempdir()), *near]  # stems are written in a folder of their own
        return tuple(dict.fromkeys(path for path in found if path.is_dir()))

    @property
    def key(self) -> str:
        """The name of this piece of work in the folder's journal: the command, and what it writes."""
        command = "separate" if isinstance(self.job, SeparateJob) else "remix"
        if self.in_place is not None:
            command = "in-place"
        return f"sidecar {self.input.name}" if self.output is None else f"{command} {self.output.name}"


class Status(StrEnum):
    """What became of a film."""

    done = "done"
    unchanged = "unchanged"
    failed = "failed"
    interrupted = "interrupted"


@dataclass(frozen=True)
class Outcome:
    """What came of a film.

    Attributes:
        reason: of a failure, the one line that says what happened and what to do.
        exit_code: see `cfork_cli.errors`; 0 where all went well.
        outputs: the files that were written, or that were there already.
        notes: what the user should know.
        seconds: of sound that was processed.
        elapsed: seconds that it took.
        facts: what was done, as JSON can hold it.
        prints: fingerprints of the outputs, by their path.
        is_lost: whether whoever did it ended before it could tell: the outputs may be there all the same.
    """

    film: Film
    status: Status
    reason: str = ""
    exit_code: int = 0
    outputs: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    elapsed: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    prints: Mapping[Path, Print] = field(default_factory=dict)
    is_lost: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        told: dict[str, Any] = {"input": str(self.film.input), "status": str(self.status), "exit_code": self.exit_code}
        if self.reason:
            told["reason"] = self.reason
        if self.outputs:
            told["outputs"] = [str(path) for path in self.outputs]
        if self.status is Status.done:
            told |= {"processed_seconds": round(self.seconds, 3), "elapsed_seconds": round(self.elapsed, 3)}
        return told | ({"notes": list(self.notes)} if self.notes else {})


@dataclass(frozen=True)
class Started:
    """A film is handed out as soon as the next event is asked for. number: its place in the list of films."""

    number: int


@dataclass(frozen=True)
class Moved:
    """A film is so far. number: its place in the list of films. done, total: seconds of sound, of the stage."""

    number: int
    stage: str
    done: float
    total: float | None


@dataclass(frozen=True)
class Waiting:
    """Nothing of all films that are handed out is in work: the cluster has no room for them. Told once a time.

    Attributes:
        number: place in the list of films of one of them.
        asked, free, whole: what it asks for, what of that is free, and what there is, by Ray's names ("CPU", "GPU").
        only: it waits for one machine, since others lack something.
    """

    number: int
    asked: Mapping[str, float]
    free: Mapping[str, float]
    whole: Mapping[str, float]
    only: bool = False

    def __str__(self) -> str:
        """Say it in one line.

        >>> print(Waiting(0, {"CPU": 1.0}, {"CPU": 0.0}, {"CPU": 16.0}))
        waiting for the cluster, which has begun nothing yet: a film asks for 1 CPU, and 0 of 16 are free
        """
        (kind, much), *_ = self.asked.items()
        if self.only:
            return f"waiting for a worker of the cluster that can do a film: it asks for {much:g} {kind}"
        free, whole = self.free.get(kind, 0.0), self.whole.get(kind, 0.0)
        return (
            f"waiting for the cluster, which has begun nothing yet: a film asks for {much:g} {kind}, and {free:g} of "
            f"{whole:g} are free"
        )


@dataclass(frozen=True)
class Finished:
    """The last event of a film. number: its place in the list of films."""

    number: int
    outcome: Outcome


Event = Started | Moved | Waiting | Finished

Do = Callable[[Film, Report | None], Outcome]
"""Does one film; raises nothing that belongs to the film."""
