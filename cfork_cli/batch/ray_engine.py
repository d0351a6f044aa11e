"""Films on a Ray cluster: a film on each worker, or the pieces of a few long films on all of them.

A film is read and written by one worker, over folders that all machines see under the same names. Where there are fewer
films than workers, its batches of sound go to the others: it is the very separation that runs on one machine, and only
who computes a batch is new, so nothing has to be stitched and no seam can arise. Pieces need no shared folder.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cfork_cli import leftovers
from cfork_cli.batch.film import Do, Event, Film, Finished, Outcome, Started, Status, Waiting
from cfork_cli.batch.one import failure
from cfork_cli.batch.ray_cluster import Cluster, ray_itself, remote
from cfork_cli.batch.ray_mailbox import Has, Waits, Wants, opened, told
from cfork_cli.batch.ray_pieces import ATTEMPTS, LOOK_SECONDS, RayPieces
from cfork_cli.batch.ray_slots import Slots, another, node_at, on, shortage, slots
from cfork_cli.batch.ray_worker import Answer, Caller, Seen, do_there, missing_here, of_the_worker
from cfork_cli.batch.worker import PATIENCE_SECONDS
from cfork_cli.errors import CforkError

SEEN_SECONDS = 5.0
"""How long a new file may take to be seen on another machine; NFS remembers for some seconds what was not there."""

KILLED_SECONDS = 0.5
"""How long a killed worker may take to be gone."""


@dataclass(frozen=True)
class _Task:
    """A film to give out.

    Attributes:
        attempt: 1, and one more for each worker that was lost.
        lacks: what machines that cannot do it lack, by Ray's names of them.
    """

    number: int
    film: Film
    attempt: int = 1
    lacks: Mapping[str, CforkError] = field(default_factory=dict)


@dataclass(frozen=True)
class _Given:
    """A film that the cluster has.

    Attributes:
        asks: what it waits for, by Ray's names. node: the only machine that may do it, if it is one.
        is_new: nothing was there under the output's name. seen: what is seen here.
    """

    task: _Task
    on_gpu: bool
    asks: Mapping[str, float]
    node: str | None
    is_new: bool
    seen: Seen


class RayEngine:
    """See `batch.engine.Engine`.

    Args:
        address: of the cluster; see `Cluster`.
    """

    def __init__(self, address: str | None = None) -> None:
        self._cluster = Cluster(address)
        self._running: dict[Any, _Given] = {}
        self._waits = Waits()
        self._lacks_told: set[str] = set()
        self.late: list[Finished] = []

    def run(self, films: Sequence[Film], do: Do, jobs: int = 0) -> Iterator[Event]:
        """Yield what happens. A film whose worker is lost, up to `ATTEMPTS` times, or lacks something, goes to another.

        Args:
            jobs: films at a time; 0 takes as many as there are workers. Fewer films than workers go in pieces.

        Raises:
            UsageError: ray is not installed, or the cluster cannot be reached or has no worker of the kind.
        """
        if not films:
            return
        self._cluster.enter()
        self.late = []
        ray, waiting = ray_itself(), deque(_Task(number, film) for number, film in enumerate(films))
        at_a_time = min(jobs or len(films), len(films))
        said: Waiting | None = None
        mailbox = opened()
        try:
            while waiting or self._running:
                there = slots(films[0].job.device)
                most = min(jobs or max(1, there.gpus + there.cores), len(films))
                while waiting and len(self._running) < most:
                    task = waiting.popleft()
                    if task.attempt == 1 and not task.lacks:
                        yield Started(task.number)
                    if not self._give(task, do, mailbox, there, at_a_time):
                        yield Finished(task.number, failure(films[task.number], _of_all(task.lacks)))
                done, _ = ray.wait(list(self._running), timeout=LOOK_SECONDS) if self._running else ([], [])
                for message in told(mailbox):
                    self._waits.note(message)
                    if not isinstance(message, Wants | Has):
                        yield message
                for reference in done:
                    given = self._running.pop(reference)
                    self._waits.forget(given.task.number)
                    came = self._came(reference, given)
                    if isinstance(came, _Task):
                        waiting.appendleft(came)
                    else:
                        yield Finished(given.task.number, replace(came, film=films[given.task.number]))
                waits = self._waits.all_of([given.task.number for given in self._running.values()])
                short = self._shortage() if waits else None
                if short is not None and (said is None or said.only != short.only):
                    yield short
                said = short or said if waits else None
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

    def _give(self, task: _Task, do: Do, mailbox: Any, there: Slots, at_a_time: int) -> bool:
        """Hand a film to the cluster; returns whether it has a worker that may do it."""
        film, number = task.film, task.number
        on_gpu = sum(given.on_gpu for given in self._running.values()) < there.gpus
        workers = (there.gpus if on_gpu else there.cores) // at_a_time
        pieces = None
        if workers > 1:  # the film's own worker waits most of the time, so it needs no place of its own
            pieces = RayPieces(film.job.precision, on_gpu, workers, number, mailbox)
        takes = {} if pieces else {"CPU": 1.0} | ({"GPU": 1.0} if on_gpu else {})
        node = None
        if task.lacks:
            placed = [given.node for given in self._running.values() if given.node is not None]
            node = another(task.lacks, takes, placed)
            if node is None:
                return False
        sent, seen, key = film, Seen.of(film), f"film {task.attempt} {len(task.lacks)}"
        if not on_gpu or pieces:
            sent = replace(film, job=replace(film.job, device="cpu"))
        self._waits.note(Wants(number, key))
        reference = (
            remote(do_there)
            .options(
                num_cpus=takes.get("CPU", 0), num_gpus=takes.get("GPU", 0), max_retries=0, scheduling_strategy=on(node)
            )
            .remote(number, sent, do, Caller(), seen, mailbox, key, pieces, on_gpu and not pieces)
        )
        is_new = film.output is not None and not film.output.exists() and film.in_place is None
        asks = pieces.takes if pieces else takes
        self._running[reference] = _Given(task, on_gpu, asks, node, is_new, seen)
        return True

    def _came(self, reference: Any, given: _Given) -> Outcome | _Task:
        """Return what came of a film, or how another worker is to try it."""
        task, exceptions = given.task, ray_itself().exceptions
        try:
            answer: Answer = ray_itself().get(reference)
        except exceptions.RayTaskError as error:
            told_so, node = of_the_worker(error), node_at(getattr(error, "ip", ""))
            if node is None or node in task.lacks:
                return failure(task.film, told_so)
            return replace(task, lacks={**task.lacks, node: told_so})
        except exceptions.TaskCancelledError as error:
            return failure(task.film, CforkError(f"the cluster cancelled this film ({error})"))
        except exceptions.RayError as error:
            for place in task.film.places:  # what it left on this machine
                leftovers.sweep(place)
            if task.attempt < ATTEMPTS:
                return replace(task, film=_again(given), attempt=task.attempt + 1)
            why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            return failure(task.film, CforkError(f"{ATTEMPTS} workers were lost while they did this film: {why}"))
        if answer.lacks is not None:
            return replace(task, lacks={**task.lacks, answer.node: answer.lacks})
        return self._checked(answer, given)

    def _checked(self, answer: Answer, given: _Given) -> Outcome:
        """Return an outcome whose files are seen here, with a note about workers that could not do the film."""
        outcome: Outcome = answer.found
        until = time.monotonic() + SEEN_SECONDS
        while given.seen.folder and (gone := missing_here(outcome, answer.name)) is not None:
            if time.monotonic() > until:
                return failure(given.task.film, gone)
            time.sleep(LOOK_SECONDS)
        new = [str(lacks) for lacks in given.task.lacks.values() if str(lacks) not in self._lacks_told]
        if outcome.status is Status.done and new:
            self._lacks_told.update(new)
            outcome = replace(
                outcome, notes=(*outcome.notes, *(f"{lacks}; another one did this film" for lacks in new))
            )
        return outcome

    def _shortage(self) -> Waiting | None:
        given = next(iter(self._running.values()))
        return shortage(given.task.number, given.asks, only=given.node is not None)

    def _cancel(self) -> None:
        """End the films that are in work: first kindly, so that they tidy up. What is done all the same is `late`."""
        ray, (running, self._running) = ray_itself(), (self._running, {})
        left, until = list(running), time.monotonic() + PATIENCE_SECONDS
        for force in (False, True):
            for reference in left:
                with contextlib.suppress(Exception):
                    ray.cancel(reference, force=force)
            if left and not force:
                with contextlib.suppress(Exception):
                    _, left = ray.wait(left, num_returns=len(left), timeout=max(0.0, until - time.monotonic()))
        if left:  # killed: what they left goes, as far as it is of this machine
            with contextlib.suppress(Exception):
                ray.wait(left, num_returns=len(left), timeout=KILLED_SECONDS)
            for place in {place for reference in left for place in running[reference].task.film.places}:
                leftovers.sweep(place)
        self.late = [Finished(given.task.number, _last_word(reference, given)) for reference, given in running.items()]


def _last_word(reference: Any, given: _Given) -> Outcome:
    """Return what came of a film that was cancelled, perhaps too late."""
    film = given.task.film
    try:
        answer: Answer = ray_itself().get(reference, timeout=0)
        found: Outcome | None = answer.found
        if found is not None:
            return replace(found, film=film)
    except Exception:
        pass
    return replace(failure(film, CforkError("the cluster was left before it told of this film")), is_lost=True)


def _of_all(lacks: Mapping[str, CforkError]) -> CforkError:
    """Return the error for a film that no worker can do: what the last one lacks, and how many there are."""
    *others, last = lacks.values()
    return type(last)(f"{last} ({len(others)} more cannot do this film either)") if others else last


def _again(given: _Given) -> Film:
    """Return a film to be done once more: what a lost worker may have written last may be replaced, as it is ours."""
    film = given.task.film
    return replace(film, job=replace(film.job, force=True)) if given.is_new else film
