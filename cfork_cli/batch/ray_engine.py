"""Films on a Ray cluster: a film on each worker, or the pieces of a few long films on all of them.

A film is read and written by one worker, over folders that all machines see under the same names. Where there are fewer
films than workers, its batches of sound go to the others: it is the very separation that runs on one machine, and only
who computes a batch is new, so nothing has to be stitched and no seam can arise. Pieces need no shared folder.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from cfork_cli import __version__, signals
from cfork_cli.batch.engine import PATIENCE_SECONDS, Moving
from cfork_cli.batch.film import Do, Event, Film, Finished, Outcome, Started, Status
from cfork_cli.batch.one import failure
from cfork_cli.batch.ray_cluster import Cluster, ray_itself
from cfork_cli.errors import CforkError, UsageError
from cfork_cli.flows import network, one_batch
from cfork_cli.flows.separator import Asked, elsewhere

ATTEMPTS = 3
"""How often a film, or a batch of it, is given out before its workers are believed to end because of it."""

LOOK_SECONDS = 0.2
GPU_BATCH, GPU_AHEAD = 32, 2
"""Sequences of a batch for a GPU, and batches on their way to each, as of a run on the GPU's own machine."""


@dataclass(frozen=True)
class Slots:
    """How many films a cluster can take at a time: GPUs, and cores of the machines that have none."""

    gpus: int
    cores: int

    def __add__(self, other: Slots) -> Slots:
        return Slots(self.gpus + other.gpus, self.cores + other.cores)


def slots_of(resources: dict[str, float], device: str) -> Slots:
    """Return what one machine can take.

    Args:
        resources: of the machine, as Ray names them. device: that was asked for.

    >>> slots_of({"CPU": 16.0, "GPU": 2.0}, "auto"), slots_of({"CPU": 4.0}, "auto"), slots_of({"CPU": 4.0}, "cuda")
    (Slots(gpus=2, cores=0), Slots(gpus=0, cores=4), Slots(gpus=0, cores=0))
    """
    gpus = 0 if device == "cpu" else int(resources.get("GPU", 0))
    return Slots(gpus, 0 if gpus or device == "cuda" else int(resources.get("CPU", 0)))


@dataclass
class _Given:
    """A film that a worker has."""

    number: int
    film: Film
    on_gpu: bool
    attempt: int
    is_new: bool  # nothing was there under the output's name


class RayEngine:
    """See `batch.engine.Engine`.

    Args:
        address: of the cluster; see `Cluster`.
    """

    def __init__(self, address: str | None = None) -> None:
        self._cluster = Cluster(address)
        self._running: dict[Any, _Given] = {}

    def run(self, films: Sequence[Film], do: Do, jobs: int = 0) -> Iterator[Event]:
        """Yield what happens. A lost worker's film is given to another, up to `ATTEMPTS` times.

        Args:
            jobs: films at a time; 0 takes as many as there are workers. Fewer films than workers go in pieces.

        Raises:
            UsageError: ray is not installed, or the cluster cannot be reached or has no worker of the kind.
        """
        if not films:
            return
        self._cluster.enter()
        ray, waiting = ray_itself(), deque((number, film, 1) for number, film in enumerate(films))
        at_a_time = min(jobs or len(films), len(films))
        mailbox = _mailbox()
        try:
            while waiting or self._running:
                slots = _slots(films[0].job.device)
                while waiting and self._has_room(slots, len(films), jobs):
                    number, film, attempt = waiting.popleft()
                    if attempt == 1:
                        yield Started(number)
                    self._give(number, film, attempt, do, mailbox, slots, at_a_time)
                done, _ = ray.wait(list(self._running), timeout=LOOK_SECONDS)
                yield from _told(mailbox)
                for reference in done:
                    given = self._running.pop(reference)
                    outcome = self._outcome(reference, given)
                    if outcome is None:
                        waiting.appendleft((given.number, _again(given), given.attempt + 1))
                    else:
                        yield Finished(given.number, replace(outcome, film=films[given.number]))
        finally:
            self._cancel()
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(mailbox)

    def close(self) -> None:
        """Leave the cluster; end it, if it was begun for this."""
        self._cluster.leave()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _has_room(self, slots: Slots, films: int, jobs: int) -> bool:
        most = jobs or max(1, slots.gpus + slots.cores)
        return len(self._running) < min(most, films)

    def _give(self, number: int, film: Film, attempt: int, do: Do, mailbox: Any, slots: Slots, films: int) -> None:
        """Hand a film to the cluster."""
        busy_gpus = sum(given.on_gpu for given in self._running.values())
        on_gpu = busy_gpus < slots.gpus
        workers = (slots.gpus if on_gpu else slots.cores) // films
        pieces = None
        if workers > 1:  # the film's own worker waits most of the time, so it needs no place of its own
            pieces = RayPieces(film.job.precision, on_gpu, workers)
        takes = {"num_cpus": 0 if pieces else 1, "num_gpus": int(on_gpu and not pieces)}
        sent = film
        if not on_gpu or pieces:
            sent = replace(film, job=replace(film.job, device="cpu"))
        reference = (
            _remote(_do_there)
            .options(**takes, max_retries=0, scheduling_strategy="SPREAD")
            .remote(number, sent, do, Caller(), mailbox, pieces, on_gpu and not pieces)
        )
        is_new = film.output is not None and not film.output.exists() and film.in_place is None
        self._running[reference] = _Given(number, film, on_gpu, attempt, is_new)

    def _outcome(self, reference: Any, given: _Given) -> Outcome | None:
        """Return what came of a film; None if its worker was lost, and another is to try."""
        exceptions = ray_itself().exceptions
        try:
            outcome: Outcome = ray_itself().get(reference)
            return outcome
        except exceptions.RayTaskError as error:
            return failure(given.film, of_the_worker(error))
        except exceptions.TaskCancelledError as error:
            return failure(given.film, CforkError(f"the cluster cancelled this film ({error})"))
        except exceptions.RayError as error:
            if given.attempt < ATTEMPTS:
                return None
            why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            return failure(given.film, CforkError(f"{ATTEMPTS} workers were lost while they did this film: {why}"))

    def _cancel(self) -> None:
        """End the films that are in work: first kindly, so that they tidy up."""
        ray, left = ray_itself(), list(self._running)
        self._running = {}
        until = time.monotonic() + PATIENCE_SECONDS
        for force in (False, True):
            for reference in left:
                with contextlib.suppress(Exception):
                    ray.cancel(reference, force=force)
            if left and not force:
                with contextlib.suppress(Exception):
                    _, left = ray.wait(left, num_returns=len(left), timeout=max(0.0, until - time.monotonic()))


@dataclass(frozen=True)
class RayPieces:
    """Batches of a film that other workers compute; see `flows.separator.Pieces`.

    Attributes:
        precision: that was asked for. on_gpu: whether GPUs compute. machines: how many workers.
    """

    precision: str
    on_gpu: bool
    machines: int

    @property
    def workers(self) -> int:
        """Batches that are on their way at a time."""
        return max(2, self.machines * (GPU_AHEAD if self.on_gpu else 1))

    @property
    def each(self) -> int:
        """Sequences of a batch: a core takes one after the other anyway, and a GPU many at a time."""
        return GPU_BATCH if self.on_gpu else 1

    def seen(self, asked: Asked) -> Asked:
        """Return what the workers are asked for."""
        return replace(asked, precision=self.precision, device="cuda" if self.on_gpu else "cpu")

    def of(self, asked: Asked) -> RayBatches:
        """Return those who compute batches of one track."""
        return RayBatches(self.seen(asked), self.on_gpu)


class RayBatches:
    """See `model.streaming.batches.Known`."""

    def __init__(self, asked: Asked, on_gpu: bool) -> None:
        self._asked, self._on_gpu = asked, on_gpu

    def get(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Let a worker compute a batch; lost ones are replaced."""
        ray = ray_itself()
        takes = {"num_cpus": 0, "num_gpus": 1 / GPU_AHEAD} if self._on_gpu else {"num_cpus": 1}
        # two batches share a GPU, so that one computes while the other travels
        task = _remote(_compute_there).options(**takes, max_retries=ATTEMPTS - 1, scheduling_strategy="SPREAD")
        reference = task.remote(self._asked, Caller(), list(sequences))
        while not ray.wait([reference], timeout=LOOK_SECONDS)[0]:
            pass  # a limit, so that this thread can be interrupted
        try:
            found: np.ndarray = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, MemoryError | RuntimeError):  # whoever asked knows what to say of memory
                raise error.cause from None
            raise of_the_worker(error) from error
        return found

    def put(self, sequences: Sequence[np.ndarray], stems: np.ndarray) -> None:
        """Nothing is computed here, so there is nothing to take."""


class Mailbox:
    """Lies on the machine of whoever waits, which reads it; workers put in what happens."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def put(self, event: Event) -> None:
        """Add an event."""
        self._events.append(event)

    def take(self) -> list[Event]:
        """Return the events since the last time."""
        events, self._events = self._events, []
        return events


@dataclass(frozen=True)
class Caller:
    """Who gives work out. version: of cfork. folder: in which the command was given."""

    version: str = __version__
    folder: str = field(default_factory=os.getcwd)


def _do_there(
    number: int, film: Film, do: Do, caller: Caller, mailbox: Any, pieces: RayPieces | None, on_gpu: bool
) -> Outcome:
    """Do a film, on the worker."""
    _settle(caller)
    token = elsewhere.set(pieces)
    try:
        outcome = do(film, Moving(number, mailbox.put.remote))
    finally:
        elsewhere.reset(token)
    return without_gpu(outcome) if on_gpu and network.where() == "cpu" else outcome


def _compute_there(asked: Asked, caller: Caller, sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Compute a batch, on the worker."""
    _settle(caller)
    return one_batch.compute(asked, sequences)


def _settle(caller: Caller) -> None:
    """Let names of files mean what they mean where the command was given, if that folder is shared.

    Raises:
        UsageError: this is another version of cfork.
    """
    if caller.version != __version__:
        raise UsageError(f"there is cfork {__version__}, and the command is of {caller.version}: install the same")
    signals.begin()
    with contextlib.suppress(OSError):
        os.chdir(caller.folder)


def without_gpu(outcome: Outcome) -> Outcome:
    """Return what came of a film that was given a GPU where torch has none, with a word about it."""
    word = (
        f"Ray counts a GPU on the worker '{platform.node()}', and torch finds none there: its processor did the film; "
        "install torch with CUDA there, or take all cores with --device cpu"
    )
    return replace(outcome, notes=(*outcome.notes, word)) if outcome.status is Status.done else outcome


def of_the_worker(error: Any) -> CforkError:
    """Return what went wrong on a worker before or beside the film, in one line that names the machine.

    Args:
        error: a RayTaskError.
    """
    cause = getattr(error, "cause", None) or error
    where = f"the worker {getattr(error, 'ip', '')}".rstrip()
    if isinstance(cause, CforkError):
        return type(cause)(f"on {where}: {cause}")
    told = (str(cause).strip().splitlines() or [""])[-1]
    return CforkError(
        f"{where} cannot do this ({type(cause).__name__}: {told}): are the same cfork and Python installed there?"
    )


def _again(given: _Given) -> Film:
    """Return a film to be done once more: what a lost worker may have written last may be replaced, as it is ours."""
    return replace(given.film, job=replace(given.film.job, force=True)) if given.is_new else given.film


def _slots(device: str) -> Slots:
    """Return what the cluster can take now.

    Raises:
        UsageError: nothing of the kind.
    """
    found = Slots(0, 0)
    for node in ray_itself().nodes():
        if node["Alive"]:
            found += slots_of(node["Resources"], device)
    if not found.gpus and not found.cores:
        what = "GPU" if device == "cuda" else "core"
        raise UsageError(f"the cluster has no {what} for this: see 'ray status', or choose another --device")
    return found


def _mailbox() -> Any:
    ray = ray_itself()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Mailbox).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()


def _told(mailbox: Any) -> Iterator[Event]:
    """Yield what workers said; nothing while the mailbox is begun anew, as when memory was short."""
    ray = ray_itself()
    with contextlib.suppress(ray.exceptions.RayError):
        yield from ray.get(mailbox.take.remote(), timeout=PATIENCE_SECONDS)


@cache
def _remote(function: Any) -> Any:
    return ray_itself().remote(function)
