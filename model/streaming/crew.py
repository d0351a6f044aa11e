"""Threads that compute: how many, with how many OpenMP threads each, and how they end."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import torch

from .. import cpus

T = TypeVar("T")


def cores() -> int:
    """Cores to compute with: as many as torch would use (OMP_NUM_THREADS and `torch.set_num_threads` set that),
    but no more than this process may run on, nor than its control group may use.
    """
    return max(1, min(torch.get_num_threads(), cpus.cores()))


class Crew(Generic[T]):
    """Threads that take work from one queue, each with its own number of OpenMP threads.

    OpenMP keeps that number for each thread by itself, so all others keep theirs.

    Args:
        work: done with everything that is put in. It must not raise.
        size: number of threads; they start with the first piece of work.
        each: OpenMP threads of each.
        around: what each thread enters for its whole life, such as a CUDA stream. What it raises arrives in `put`.
    """

    def __init__(
        self,
        work: Callable[[T], None],
        size: int,
        each: int,
        around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._work = work
        self._size = size
        self._each = each
        self._around = around
        self._queue: SimpleQueue[T | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._working: set[int] = set()
        self._ending = False
        self._failed: BaseException | None = None

    def put(self, piece: T) -> None:
        """Hand a piece of work to whoever is free first."""
        if not self._threads:
            self._begin()
        self._queue.put(piece)

    def end(self) -> None:
        """Drop the work that has not begun, interrupt the rest, and wait until no thread is left."""
        self._ending = True
        with contextlib.suppress(Empty):
            while True:
                self._queue.get_nowait()
        for _ in self._threads:
            self._queue.put(None)
        # A forgotten generator may be collected in one of the threads themselves.
        left = [thread for thread in self._threads if thread is not threading.current_thread()]
        while left:
            for thread in left:
                if thread.ident in self._working:
                    _interrupt(thread)
            for thread in left:
                thread.join(0.5)  # and again: an exception can be lost, such as in a callback
            left = [thread for thread in left if thread.is_alive()]
        self._threads = []
        _running.discard(self)

    def _begin(self) -> None:
        ready = threading.Barrier(self._size + 1)
        # Daemons, because at its end the interpreter waits for other threads, and these may wait for work that
        # a generator nobody closed will never bring; `_end_all` comes next and ends them properly.
        self._threads = [
            threading.Thread(target=self._live, args=(ready,), name=f"separate-{number}", daemon=True)
            for number in range(self._size)
        ]
        _running.add(self)
        try:
            with _number_kept():
                for thread in self._threads:
                    thread.start()
                ready.wait()
        except BaseException as error:
            ready.abort()
            self._threads = [thread for thread in self._threads if thread.ident is not None]
            if self._failed is not None and isinstance(error, threading.BrokenBarrierError):
                raise self._failed from None
            raise

    def _live(self, ready: threading.Barrier) -> None:
        torch.get_num_threads()  # or torch would still take the process's number at the first operation
        torch.set_num_threads(self._each)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._around())
                ready.wait()
            except threading.BrokenBarrierError:
                return
            except BaseException as error:
                self._failed = error
                ready.abort()
                return
            me = threading.get_ident()
            while (piece := self._queue.get()) is not None:
                self._working.add(me)  # before the question, or `end` might overlook this thread
                if self._ending:
                    break
                self._work(piece)
                self._working.discard(me)
                del piece  # or it would be kept until the next one comes


_running: weakref.WeakSet[Crew[Any]] = weakref.WeakSet()
_starting = threading.Lock()


@atexit.register
def _end_all() -> None:
    for crew in list(_running):
        crew.end()


@contextlib.contextmanager
def _number_kept() -> Iterator[None]:
    """Keep the number of OpenMP threads that new threads begin with: `set_num_threads` changes it in passing."""
    with _starting:
        before = _in_new_thread(torch.get_num_threads)
        try:
            yield
        finally:
            _in_new_thread(lambda: torch.set_num_threads(before))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with the calling thread alone: the cores belong to those that run a network meanwhile."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    with _number_kept():
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _number_kept():
            torch.set_num_threads(before)


def _in_new_thread(ask: Callable[[], T]) -> T:
    answers: list[T] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


def _interrupt(thread: threading.Thread) -> None:
    """Raise SystemExit in a thread, when the operation that it is in returns: a batch can take many seconds."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
