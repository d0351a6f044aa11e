"""Engines: who does the films. Here, in this process; or worker processes, each with a network of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from typing import Protocol

from cfork_cli import signals
from cfork_cli.batch.film import Do, Event, Film, Finished, Moved, Started
from cfork_cli.batch.worker import PATIENCE_SECONDS, Moving, Worker
from cfork_cli.flows.resources import threads_each


class Engine(Protocol):
    """Does films, several at a time."""

    @property
    def late(self) -> Sequence[Finished]:
        """What became of films that were in work when `run` was closed, or interrupted, and that it could not yield any
        more: those that were done, and those whose end nobody told.
        """
        ...

    def run(self, films: Sequence[Film], do: Do, jobs: int) -> Iterator[Event]:
        """Yield what happens, as it happens: of each film, `Started` before anybody has it, and `Finished` last.

        Closing it ends the work.

        Args:
            jobs: films at a time; 0 leaves it to engines that know how many they can take.
        """
        ...


class Here:
    """One film after the other, in this process."""

    late: Sequence[Finished] = ()

    def run(self, films: Sequence[Film], do: Do, jobs: int = 1) -> Iterator[Event]:
        for number, film in enumerate(films):
            moved: list[Moved] = []
            yield Started(number)
            signals.begin()
            outcome = do(film, Moving(number, moved.append))
            yield from moved
            yield Finished(number, outcome)


class Workers:
    """Processes that do one film at a time; they stay until `close`, or until this process ends, however it ends.

    Args:
        threads: of each, to compute with; None lets each use all cores.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._all: list[Worker] = []
        self._unsaid: Finished | None = None
        self.late: list[Finished] = []

    def run(self, films: Sequence[Film], do: Do, jobs: int = 1) -> Iterator[Event]:
        """Yield what happens. A worker that ends before its film is done takes that film with it, and no other.

        Raises:
            KeyboardInterrupt: when the workers have ended.
        """
        waiting = deque(enumerate(films))
        self.late = []
        try:
            while waiting or any(worker.film for worker in self._all):
                while waiting and (free := self._free(min(jobs, len(films)))) is not None:
                    number, film = waiting.popleft()
                    yield Started(number)
                    if not free.take(number, film, do):  # it was killed while it had nothing to do
                        self._all.remove(free)
                        free.gone(time.monotonic())
                        waiting.appendleft((number, film))
                busy = {worker.connection: worker for worker in self._all if worker.film is not None}
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    with signals.postponed():  # a message is there once
                        event = worker.event()
                        if isinstance(event, Finished):
                            worker.film, self._unsaid = None, event
                    if event is None:
                        event = worker.lost()
                        self._all.remove(worker)
                    yield event
                    self._unsaid = None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all workers; those that have work leave nothing behind, and what they finished meanwhile is `late`."""
        ending, self._all = self._all, []
        for worker in ending:
            worker.end()
        until = time.monotonic() + PATIENCE_SECONDS
        for worker in ending:
            self.late += worker.gone(until)
        if self._unsaid is not None:
            self.late.append(self._unsaid)
            self._unsaid = None

    def _free(self, jobs: int) -> Worker | None:
        """Return a worker that has nothing to do, a new one if there may be more; None if all are busy."""
        free = next((worker for worker in self._all if worker.film is None), None)
        if free is None and len(self._all) < jobs:
            free = Worker(self._threads)
            self._all.append(free)
        return free

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sharing(jobs: int) -> Workers:
    """Return processes for so many films at a time, among which the cores are shared out."""
    return Workers(threads_each(jobs))
