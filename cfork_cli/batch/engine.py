"""Engines: who does the films. Here, in this process; or worker processes, each with a network of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from cfork_cli import children, early, leftovers, signals
from cfork_cli.batch.film import Do, Event, Film, Finished, Moved, Started
from cfork_cli.batch.one import failure
from cfork_cli.errors import CforkError
from cfork_cli.flows.report import Report
from cfork_cli.flows.resources import threads_each

PATIENCE_SECONDS = 1.5
"""How long workers may tidy up when they are told to end; then they are killed."""

REPORT_SECONDS = 0.25
"""Between two events of a film that moves on."""


class Engine(Protocol):
    """Does films, several at a time."""

    def run(self, films: Sequence[Film], do: Do, jobs: int) -> Iterator[Event]:
        """Yield what happens, as it happens: of each film, `Started` before anybody has it, and `Finished` last.

        Closing it ends the work.

        Args:
            jobs: films at a time; 0 leaves it to engines that know how many they can take.
        """
        ...


class Here:
    """One film after the other, in this process."""

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
        self._all: list[_Worker] = []

    def run(self, films: Sequence[Film], do: Do, jobs: int = 1) -> Iterator[Event]:
        """Yield what happens. A worker that ends before its film is done takes that film with it, and no other.

        Raises:
            KeyboardInterrupt: when the workers have ended.
        """
        waiting = deque(enumerate(films))
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
                    event = worker.event()
                    if event is None:
                        self._all.remove(worker)
                        yield worker.lost()
                        continue
                    if isinstance(event, Finished):
                        worker.film = None
                    yield event
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all workers; those that have work leave nothing behind."""
        ending, self._all = self._all, []
        for worker in ending:
            worker.end()
        until = time.monotonic() + PATIENCE_SECONDS
        for worker in ending:
            worker.gone(until)

    def _free(self, jobs: int) -> _Worker | None:
        """Return a worker that has nothing to do, a new one if there may be more; None if all are busy."""
        free = next((worker for worker in self._all if worker.film is None), None)
        if free is None and len(self._all) < jobs:
            free = _Worker(self._threads)
            self._all.append(free)
        return free

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sharing(jobs: int) -> Workers:
    """Return processes for so many films at a time, among which the cores are shared out."""
    return Workers(threads_each(jobs))


class _Worker:
    """One process, and the film that it has."""

    def __init__(self, threads: int | None) -> None:
        context = children.Quiet()
        self.connection, other = context.Pipe()
        self.film: tuple[int, Film] | None = None
        self.process = context.Process(target=_work, args=(other, threads), name="cfork-worker", daemon=True)
        self.process.start()
        other.close()

    def take(self, number: int, film: Film, do: Do) -> bool:
        """Hand it a film; returns whether it is there to take it."""
        try:
            self.connection.send((number, film, do))
        except OSError:
            return False
        self.film = (number, film)
        return True

    def event(self) -> Event | None:
        """Return what it says; None if it is gone."""
        try:
            event: Event = self.connection.recv()
            return event
        except (EOFError, OSError):
            return None

    def lost(self) -> Finished:
        """Return what became of its film, now that it is gone."""
        assert self.film is not None
        self.gone(time.monotonic() + PATIENCE_SECONDS)
        number, film = self.film
        code = self.process.exitcode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        error = CforkError(
            f"the worker ended before the film was done ({how}): is there enough memory? try fewer --jobs"
        )
        return Finished(number, failure(film, error))

    def end(self) -> None:
        """Tell it to end."""
        with contextlib.suppress(OSError):
            self.connection.close()
        if self.film is not None:
            self.process.terminate()

    def gone(self, until: float) -> None:
        """Wait until it has ended; kill it if it does not in time."""
        self.process.join(max(until - time.monotonic(), 0.0))
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        with contextlib.suppress(OSError):
            self.connection.close()


class Moving(Report):
    """Turns the report of a flow into events, not more than a few a second.

    Args:
        tell: called with each.
    """

    def __init__(self, number: int, tell: Any) -> None:
        self._number, self._tell = number, tell
        self._stage, self._total, self._told = "", None, 0.0  # type: str, float | None, float

    def stage(self, name: str, total: float | None = None, *, is_sound: bool = True, is_bytes: bool = False) -> None:
        self._stage, self._total = name, total if is_sound and not is_bytes else None
        self._say(0.0)

    def at(self, done: float) -> None:
        if time.monotonic() - self._told >= REPORT_SECONDS:
            self._say(done)

    def _say(self, done: float) -> None:
        self._told = time.monotonic()
        self._tell(Moved(self._number, self._stage, done, self._total))


def _work(connection: Connection, threads: int | None) -> None:
    """A worker's life: take a film, do it, say so, until nobody hands out films any more."""
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
    warnings.simplefilter("ignore")
    children.end_with_parent(_interrupt)
    try:
        code = _served(connection)
    except Exception:  # what was imported when the parent went may complain of that in its own words
        if not children.orphaned():
            raise
        code = 1
    early.ignore()  # instead of what was heard before
    leftovers.give_all_back()
    os._exit(code)  # to tear torch down takes half a second, and nothing is open any more


def _served(connection: Connection) -> int:
    """Do films until nobody hands them out any more, or a signal comes; returns the exit code. No signal is heard then.

    The end of the parent closes the connection and sends a signal: what comes second must not be in the way.
    """
    code = 0
    try:
        with signals.interruptible():
            try:
                while True:
                    number, film, do = connection.recv()
                    signals.begin()
                    connection.send(Finished(number, do(film, Moving(number, connection.send))))
            except (EOFError, OSError):  # nobody is there any more
                pass
            except KeyboardInterrupt:
                code = 130
            signals.over()
            return code
    except KeyboardInterrupt:
        signals.over()
        return 130


def _interrupt() -> None:
    """Interrupt this worker, whose parent is gone."""
    if os.name == "nt":  # where `kill` would end this process on the spot
        signal.raise_signal(signal.SIGTERM)
    else:
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os._exit(1)
