"""Many films: the options for them, which they are, and one display for all."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfork_cli.console.console import Console

if TYPE_CHECKING:
    from cfork_cli.batch.engine import Engine
    from cfork_cli.batch.film import Event, Film, Outcome, Waiting
    from cfork_cli.batch.find import Found
    from cfork_cli.batch.run import Batch

Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Of a folder, take the films in the folders within it too.")
]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Of a folder, take only names like this, such as '*.mkv'; may be repeated.",
                 show_default=False),
]  # fmt: skip
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Of a folder, leave out names or paths like this, such as 'extras/*'; may be "
                 "repeated.", show_default=False),
]  # fmt: skip
JOBS_HELP = (
    "How many films to work on at a time, each in a process with a network of its own; cores and memory are shared out"
)
Jobs = Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help=f"{JOBS_HELP}.")]
JobsOrWorkers = Annotated[
    int | None,
    typer.Option("--jobs", "-j", metavar="N", min=1, help=f"{JOBS_HELP}. With --engine ray, how many the cluster has "
                 "at a time. [default: 1; of a cluster, as many as it has workers]", show_default=False),
]  # fmt: skip


class EngineName(StrEnum):
    """Who does the work."""

    here = "here"
    ray = "ray"


EngineOption = Annotated[
    EngineName,
    typer.Option("--engine", help="Who does the work: processes on this machine, or a Ray cluster, which takes several "
                 "films at a time or the pieces of a long one (docs/scale.md)."),
]  # fmt: skip
Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT|auto|local", help="The Ray cluster of --engine ray: its head; auto, the one that "
                 "runs on this machine; local, one that is begun for this run. [default: RAY_ADDRESS, or local]",
                 show_default=False),
]  # fmt: skip

TELLING_STAGES = ("remix", "separate")
"""Stages whose progress is that of the film; what is before them is short."""


def check_left_over(words: Sequence[str]) -> None:
    """Refuse two words of which the second is an output rather than a film: it does not exist, and the first does.

    Raises:
        UsageError: so it is.
    """
    from cfork_cli.errors import UsageError

    if len(words) != 2 or words[1] == "-" or any(mark in words[1] for mark in "*?[@:"):
        return
    if os.path.exists(words[0]) and not os.path.lexists(words[1]):
        raise UsageError(f"'{words[1]}' is left over: if it is the output, say -o {words[1]}")


def films_of(
    words: Sequence[str],
    output: str | None,
    *,
    recursive: bool,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
) -> list[Found]:
    """Return the films that are meant.

    Args:
        output: a folder below which the tree is mirrored; None for places beside the films.

    Raises:
        UsageError, InputError: see `batch.find`; or the output is no folder, or one of the words is a pipe or a URL.
    """
    from cfork_cli.batch.find import find
    from cfork_cli.errors import UsageError
    from cfork_cli.flows import web
    from cfork_cli.media.containers import muxer_named

    for word in words:
        if word == "-" or web.is_address(word):
            raise UsageError(f"'{word}' goes by itself: several films are files")
    check_left_over(words)
    folder = None if output is None else Path(output)
    if folder is not None and not folder.is_dir() and (output == "-" or muxer_named(folder.suffix) or folder.exists()):
        raise UsageError(f"'{output}' is one file, and there may be several films: give a folder, such as -o OUT/")
    return find(words, recursive=recursive, include=include or (), exclude=exclude or (), output=folder)


def check_engine(engine: EngineName, address: str | None, inputs: Sequence[Any] = (), output: Any = None) -> None:
    """Refuse an address that nobody asks for, and inputs and outputs that a cluster cannot read and write.

    Raises:
        UsageError: one was given.
    """
    from cfork_cli.errors import UsageError
    from cfork_cli.flows import web
    from cfork_cli.media import pipes

    if engine is not EngineName.ray and address is not None:
        raise UsageError("--address is that of a Ray cluster: give --engine ray too")
    if engine is not EngineName.ray:
        return
    if output is not None and pipes.is_output_pipe(Path(output)):
        raise UsageError("--engine ray reads and writes files: give -o a file or a folder")
    for word in inputs:
        if web.is_address(str(word)) or pipes.is_input_pipe(Path(word)):
            raise UsageError(
                f"--engine ray reads and writes files: bring '{word}' into a file first, or leave --engine away"
            )


def check_alone(**options: Any) -> None:
    """Refuse options for pipes.

    Args:
        options: name -> value, None where it was not given.

    Raises:
        UsageError: one was given.
    """
    from cfork_cli.errors import UsageError

    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} is for a single pipe, and there are several films: leave it away"
            )


def run_many(
    films: Sequence[Film],
    console: Console,
    *,
    jobs: int | None,
    dry_run: bool,
    engine: EngineName = EngineName.here,
    address: str | None = None,
) -> None:
    """Do films, or say what would be done, and print what came of each.

    Args:
        jobs: films at a time; None is one, or as many as a cluster has workers.
        engine, address: see `EngineOption` and `Address`.

    Raises:
        typer.Exit: with 1, where a film failed.
        Told: interrupted; what was done before stays.
    """
    from cfork_cli.batch.engine import sharing
    from cfork_cli.batch.run import Batch
    from cfork_cli.commands.foretell import foretell

    batch = Batch(films)
    if dry_run:
        foretell(batch, console)
        return
    if engine is EngineName.ray:
        from cfork_cli.batch.ray_engine import RayEngine

        with RayEngine(address) as cluster:
            carry_out(batch, cluster, console, jobs=jobs or 0)
        return
    jobs = jobs or 1
    possible = batch.possible_jobs(jobs)
    if possible < min(jobs, len(batch.to_do)):
        console.note(f"memory is free for {possible} film{'s' * (possible > 1)} at a time, not {jobs}")
    with sharing(possible) as workers:
        carry_out(batch, workers, console, jobs=possible)


def carry_out(batch: Batch, engine: Engine, console: Console, *, jobs: int) -> None:
    """Let an engine do the films of a batch; see `run_many`."""
    from cfork_cli.batch.film import Finished
    from cfork_cli.commands.summary import summary
    from cfork_cli.errors import Told

    began = time.monotonic()
    display = _Display(batch, console)
    outcomes: dict[int, Outcome] = {}
    interrupted = False
    try:
        with closing(batch.run(engine, jobs)) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, Finished):  # first: an interruption may come while it is printed
                    outcomes[event.number] = event.outcome
                display.show(event)
    except KeyboardInterrupt:
        interrupted = True
        for event in batch.late:
            if event.number not in outcomes:
                outcomes[event.number] = event.outcome
                display.show(event)
    console.end()
    counts = summary(batch, outcomes, console, time.monotonic() - began, jobs, interrupted)
    if interrupted:
        raise Told("interrupted")
    if counts["failed"]:
        raise typer.Exit(1)


class _Display:
    """One bar for all films: how much of all their sound is done."""

    def __init__(self, batch: Batch, console: Console) -> None:
        from cfork_cli.batch.forecast import length_of

        self._batch, self._console = batch, console
        to_do = batch.to_do
        console.stage("look", len(to_do), is_sound=False)
        lengths: dict[int, float | None] = {}
        for place, number in enumerate(to_do):
            lengths[number] = None if console.quiet else length_of(batch.decisions[number].film)
            console.at(place + 1)
        known = [length for length in lengths.values() if length]
        usual = sum(known) / len(known) if known else 1.0
        self._weights = {number: length or usual for number, length in lengths.items()}
        self._done: dict[int, float] = {}
        self._finished = self._failed = 0
        self._waits = False
        if to_do:
            console.stage(self._name, sum(self._weights.values()))

    @property
    def _name(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"film {min(self._finished + 1, len(self._weights))} of {len(self._weights)}{failed}"

    def show(self, event: Event) -> None:
        """Show what happened."""
        from cfork_cli.batch.film import Finished, Moved, Status, Waiting

        number = event.number
        if isinstance(event, Waiting):
            self._wait(event)
            return
        if self._waits:
            self._waits = False
            self._console.rename(self._name, sum(self._weights.values()))
        if isinstance(event, Moved) and event.stage in TELLING_STAGES and event.total:
            share = min(event.done / event.total, 1.0)
            self._done[number] = max(self._done.get(number, 0.0), share * self._weights[number])
        elif isinstance(event, Finished):
            outcome = event.outcome
            if number in self._weights:
                self._finished += 1
                self._failed += outcome.status is Status.failed
                if outcome.status is Status.done:
                    self._done[number] = self._weights[number]
                else:  # it takes no more time
                    self._weights[number] = self._done.get(number, 0.0)
                self._console.rename(self._name, sum(self._weights.values()))
            tell(outcome, self._console)
        self._console.at(sum(self._done.values()))

    def _wait(self, event: Waiting) -> None:
        """Say that a cluster has no room, in a line and, until it has, in the bar."""
        self._waits = True
        if self._console.as_json:
            self._console.event(
                event="waiting", message=str(event), asked=dict(event.asked), free=dict(event.free),
                whole=dict(event.whole), only=event.only,
            )  # fmt: skip
        else:
            self._console.note(str(event))
        self._console.rename("waiting for the cluster", sum(self._weights.values()))


def tell(outcome: Outcome, console: Console) -> None:
    """Say what became of a film, as soon as it is known."""
    from cfork_cli.batch.film import Status
    from cfork_cli.commands.summary import how_fast, written

    console.event(event="film", **outcome.as_json())
    if outcome.status is Status.failed:
        console.failed(f"{outcome.film.input}: {outcome.reason}")
    elif outcome.status is Status.done:
        for note in outcome.notes:
            if not console.as_json:
                console.note(f"{outcome.film.input}: {note}")
        console.say(f"wrote {written(outcome)} ({how_fast(outcome)})")
