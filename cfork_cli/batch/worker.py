"""A worker process that does one film at a time: its handle here, and its own life there."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import warnings
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from cfork_cli import children, early, leftovers, signals
from cfork_cli.batch.film import Do, Event, Film, Finished, Moved, Outcome
from cfork_cli.batch.one import failure
from cfork_cli.errors import CforkError
from cfork_cli.flows.jobs import SeparateJob
from cfork_cli.flows.report import Report

PATIENCE_SECONDS = 1.5
"""How long workers may tidy up when they are told to end; then they are killed."""

REPORT_SECONDS = 0.25
"""Between two events of a film that moves on."""


class Worker:
    """One process, and the film that it has.

    Args:
        threads: to compute with; None lets it use all cores.
    """

    def __init__(self, threads: int | None) -> None:
        context = children.Quiet()
        self.connection, other = context.Pipe()
        self.film: tuple[int, Film] | None = None
        self._makes_folder = False
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
        self._makes_folder = isinstance(film.job, SeparateJob) and film.output is not None and not film.output.exists()
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
        found = self.gone(time.monotonic() + PATIENCE_SECONDS)
        return found[-1]

    def end(self) -> None:
        """Tell it to end: it hears that no film will come any more, and may still say what it has done."""
        with contextlib.suppress(OSError):
            _say_no_more(self.connection)
        if self.film is not None:
            self.process.terminate()

    def gone(self, until: float) -> list[Finished]:
        """Wait until it has ended; kill it if it does not in time, and remove what it left.

        Returns:
            What became of its film, if it had one; by its own word, if there is one.
        """
        self.process.join(max(until - time.monotonic(), 0.0))
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        if self.film is None:
            self.connection.close()
            return []
        last = self.event()
        while last is not None and not isinstance(last, Finished):
            last = self.event()
        self.connection.close()
        for place in self.film[1].places:  # one that was killed could not
            leftovers.sweep(place)
        return [last or Finished(self.film[0], self._untold(self.film[1]))]

    def _untold(self, film: Film) -> Outcome:
        """Return what is known of a film whose worker ended without a word about it."""
        if self._makes_folder:
            assert film.output is not None
            with contextlib.suppress(OSError):  # never made, or not empty
                film.output.rmdir()
        code = self.process.exitcode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        error = CforkError(
            f"the worker ended before the film was done ({how}): is there enough memory? try fewer --jobs"
        )
        return replace(failure(film, error), is_lost=True)


def _say_no_more(connection: Connection) -> None:
    """Let the other end read the end of all, and still be heard; on Windows, where a pipe has no such state, nothing is
    heard any more."""
    if os.name == "nt":
        connection.close()
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as pair:
        pair.shutdown(socket.SHUT_WR)


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
