"""Do many films: what is done is left alone, what is not goes to an engine, and the journals are kept."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cfork_cli import leftovers
from cfork_cli.batch.engine import Engine
from cfork_cli.batch.film import Do, Event, Film, Finished, Outcome, Started, Status
from cfork_cli.batch.in_place import backup_of, check_replaceable
from cfork_cli.batch.journal import Journal, State
from cfork_cli.batch.one import do_film, failure
from cfork_cli.batch.prints import Print, fingerprint, signature
from cfork_cli.errors import CforkError, InputError, OutputError, UsageError
from cfork_cli.flows import resources
from cfork_cli.flows.jobs import RemixJob, SeparateJob

UNTOLD = "its worker ended when this film was complete, and before it could tell what it noticed about it"


@dataclass(frozen=True)
class Decision:
    """What is to be done about a film.

    Attributes:
        film: as it is handed out: what is ours may be replaced.
        signature: of its settings.
        source: fingerprint of the film to read.
        settled: what came of it, where nothing is to be done.
    """

    film: Film
    signature: str = ""
    source: Print | None = None
    settled: Outcome | None = None


class Batch:
    """Films to do, what was decided about each, and the journals of their folders.

    Args:
        films: each with a job of its own.

    Attributes:
        late: of films that were done when `run` was closed, or interrupted, and that it could not yield any more.
    """

    def __init__(self, films: Sequence[Film]) -> None:
        self.late: list[Finished] = []
        self._journals: dict[Path, Journal] = {}
        self._signatures: dict[object, str] = {}
        self._made: list[Path] = []
        clashes = _clashes(films)
        self.decisions = [clashes.get(number) or self._decided(film) for number, film in enumerate(films)]

    @property
    def to_do(self) -> list[int]:
        """The places of the films that are to be done."""
        return [number for number, decision in enumerate(self.decisions) if decision.settled is None]

    @property
    def speed(self) -> float | None:
        """How fast such films went before here, in seconds of sound a second; None where none did."""
        speeds = [
            entry.speed for journal in self._journals.values() for entry in journal.entries.values() if entry.speed
        ]
        return sum(speeds) / len(speeds) if speeds else None

    def possible_jobs(self, wanted: int) -> int:
        """Return how many films can be in work at a time: there must be so many, and memory for them."""
        return resources.possible_jobs(min(wanted, max(len(self.to_do), 1)), resources.free_memory())

    def run(self, engine: Engine, jobs: int = 1, do: Do = do_film) -> Iterator[Event]:
        """Yield what happens; films about which all is settled are finished at once. Closing it ends the work."""
        for number, decision in enumerate(self.decisions):
            if decision.settled is not None:
                yield Finished(number, decision.settled)
        numbers = self.to_do
        for folder in {decision.film.folder for decision in self.decisions}:
            leftovers.sweep(folder)  # of runs that were killed, where nothing is left to do too
        events = engine.run([self.decisions[number].film for number in numbers], do, jobs)
        try:
            with contextlib.closing(events):  # type: ignore[type-var]
                for event in events:
                    yield self._noted(replace(event, number=numbers[event.number]))
        finally:
            late = [self._noted(replace(event, number=numbers[event.number])) for event in engine.late]
            self.late = [one for one in late if isinstance(one, Finished) and one.outcome.status is Status.done]
            self._tidy()

    def _noted(self, event: Event) -> Event:
        """Write an event into the journal, where it belongs there."""
        decision = self.decisions[event.number]
        journal = self._journal(decision.film.folder)
        try:
            if isinstance(event, Started) and decision.source is not None:
                self._make(decision.film.folder)
                journal.begin(decision.film, decision.signature, decision.source)
            elif isinstance(event, Finished) and event.outcome.status is Status.done:
                outcome = event.outcome
                journal.finish(decision.film, outcome.prints, speed=_speed(outcome))
            elif isinstance(event, Finished) and event.outcome.is_lost:
                if decision.source is not None and journal.came(decision.film, decision.signature, decision.source):
                    outputs = journal.outputs(decision.film)
                    return replace(event, outcome=Outcome(decision.film, Status.done, outputs=outputs, notes=(UNTOLD,)))
                journal.give_up(decision.film)
            elif isinstance(event, Finished) and event.outcome.status is Status.failed:
                journal.forget(decision.film)
        except OutputError as error:
            if isinstance(event, Finished) and event.outcome.status is Status.done:
                return replace(event, outcome=replace(event.outcome, notes=(*event.outcome.notes, str(error))))
        return event

    def _decided(self, film: Film) -> Decision:
        try:
            sign = self._signature(film)
            path = Path(os.path.realpath(film.input)) if film.in_place is not None else film.input
            source = fingerprint(path)
            if source is None:
                return Decision(film)  # it is a pipe, or missing: to be told by whoever reads it
            journal = self._journal(film.folder)
            state = journal.state(film, sign, source)
            if state is State.unchanged and (film.in_place is not None or not film.job.force):
                return Decision(film, settled=Outcome(film, Status.unchanged, outputs=journal.outputs(film)))
            if film.in_place is not None:
                return self._in_place(film, path, sign, source, state)
            if state is State.edited and not film.job.force:
                named = ", ".join(f"'{one}'" for one in journal.outputs(film))
                raise OutputError(
                    f"{named} was changed after it was written: keep it elsewhere, or replace it with --force"
                )
            job = replace(film.job, force=film.job.force or state is not State.new)
            return Decision(replace(film, job=job), sign, source)
        except (CforkError, OSError) as error:
            return Decision(film, settled=failure(film, error))

    def _in_place(self, film: Film, path: Path, sign: str, source: Print, state: State) -> Decision:
        """Decide about a film that is to be replaced; one that was before is made anew from the film that it was."""
        if state is State.new or film.in_place is None:
            check_replaceable(film)
            return Decision(film, sign, source)
        original, read = backup_of(path), self._journal(film.folder).source(film)
        if read is None or fingerprint(original) != read:
            raise InputError(
                f"'{film.input}' was remixed in place with other settings, and the film that it was is not there any "
                f"more, as '{original.name}': it is left alone"
            )
        return Decision(replace(film, in_place=replace(film.in_place, original=original)), sign, read)

    def _signature(self, film: Film) -> str:
        key = _settings(film.job)
        if key not in self._signatures:
            self._signatures[key] = signature(film.job)
        return self._signatures[key]

    def _journal(self, folder: Path) -> Journal:
        if folder not in self._journals:
            self._journals[folder] = Journal(folder)
        return self._journals[folder]

    def _make(self, folder: Path) -> None:
        """Make the folder of an output, and those above it."""
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        with contextlib.suppress(OSError):  # the film that goes there says it better
            folder.mkdir(parents=True, exist_ok=True)
            self._made += missing

    def _tidy(self) -> None:
        """Remove folders that were made, and in which nothing was written but the journal."""
        for folder in sorted(self._made, key=lambda one: -len(one.parts)):
            journal = self._journal(folder)
            with contextlib.suppress(OSError):
                if not journal.names() and os.listdir(folder) == [journal.path.name]:
                    journal.path.unlink()
                folder.rmdir()


def batch(films: Sequence[Film], *, engine: Engine, jobs: int = 1, do: Do = do_film) -> Iterator[Event]:
    """Do films, each with a job of its own; see `Batch`."""
    return Batch(films).run(engine, jobs, do)


def _settings(job: RemixJob | SeparateJob) -> str:
    return repr(replace(job, input=Path(), output=Path(), force=False))


def _speed(outcome: Outcome) -> float:
    return round(outcome.seconds / outcome.elapsed, 3) if outcome.elapsed > 0 else 0.0


def _clashes(films: Sequence[Film]) -> dict[int, Decision]:
    """Return the films of which several would be written to one place, or over another film that is read."""
    places: dict[str, list[int]] = {}
    inputs = {os.path.realpath(film.input): film for film in films}
    found: dict[int, Decision] = {}
    for number, film in enumerate(films):
        if film.output is not None:
            place = os.path.realpath(film.output)
            places.setdefault(place, []).append(number)
            if film.in_place is None and place in inputs and inputs[place] is not film:
                error = UsageError(f"'{film.output}' is one of the films that are read: choose another place with -o")
                found[number] = Decision(film, settled=failure(film, error))
    for numbers in places.values():
        if len(numbers) > 1:
            for number in numbers:
                film, other = films[number], films[next(one for one in numbers if one != number)]
                error = UsageError(
                    f"'{film.output}' would be that of '{other.input}' too: do one of them by itself, with -o"
                )
                found[number] = Decision(film, settled=failure(film, error))
    return found
