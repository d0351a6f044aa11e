"""Do the same work on many things in several processes, which end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

State = TypeVar("State")
Item = TypeVar("Item")
Result = TypeVar("Result")

_work: Callable[[Any], Any] | None = None  # of a worker process


def parallel(
    function: Callable[[State, Item], Result], state: State, items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """`function(state, item)` of each item, in order; with one worker in this very process.

    A few items a worker are under way at a time, so results do not pile up. When the caller stops (an error, Ctrl-C, or
    its own death), the workers end at once.

    Raises:
        BrokenProcessPool: a worker died, such as for want of memory. Whatever `function` raises is raised here.
    """
    if workers <= 1:
        for item in items:
            yield function(state, item)
        return
    context = multiprocessing.get_context("spawn")  # forking a process that has threads may hang
    alive, watched = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _begin, (function, state, alive))
    waiting: deque[Future[Result]] = deque()
    done = False
    try:
        for item in items:
            waiting.append(pool.submit(_run, item))
            if len(waiting) >= 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        done = True
    finally:
        if not done:
            watched.close()  # tells all workers to go
        pool.shutdown(wait=True, cancel_futures=True)
        watched.close()
        alive.close()


def _begin(function: Callable[[Any, Any], Any], state: Any, alive: Connection) -> None:
    """In a new worker."""
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all processes; the one that started us decides
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()

    def work(item: Any) -> Any:
        return function(state, item)

    _work = work


def _end_with(alive: Connection) -> None:
    """The other end is closed when the work shall stop, and when its owner dies."""
    try:
        alive.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _run(item: Any) -> Any:
    if _work is None:
        raise RuntimeError("a worker was used before it began")
    return _work(item)
