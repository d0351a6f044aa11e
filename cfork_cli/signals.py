"""Signals that end programs, made into one exception: whatever is open gets closed, and nothing half-done stays."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

PATIENCE_SECONDS = 2.0
"""From one interruption to the next that counts. One that follows at once (a second Ctrl-C; a signal from the shell and
one from its terminal) must not disturb the cleaning up after the first."""

_holding = threading.local()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM and SIGHUP while this is open; on Windows also on Ctrl-Break."""
    last = -math.inf
    _holding.done = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > PATIENCE_SECONDS and not getattr(_holding, "done", False):
            if getattr(_holding, "depth", 0):
                _holding.interrupted = True
            else:
                raise KeyboardInterrupt

    with contextlib.ExitStack() as stack:
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP, and only Windows has SIGBREAK
            # nohup and background jobs of a script ignore some of them on purpose
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                with contextlib.suppress(ValueError):  # not in the main thread: a program that uses cfork keeps its own
                    stack.callback(signal.signal, number, signal.signal(number, interrupt))
        yield


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let interruptions wait until the end of a step that must be done whole, such as giving several files their names.

    An interruption that came meanwhile is raised at the end if the step itself went wrong. Where it went well, it comes
    too late and is forgotten, and so is any later one until `begin`: what it would have stopped is done, and only
    cleaning up and telling of it are left. Interruptions are those of `interruptible`, in the same thread.
    """
    _holding.depth = getattr(_holding, "depth", 0) + 1
    try:
        yield
        _holding.done = True
    except BaseException:
        if _holding.depth == 1 and getattr(_holding, "interrupted", False):
            _holding.interrupted = False
            raise KeyboardInterrupt from None
        raise
    finally:
        _holding.depth -= 1
        if not _holding.depth:
            _holding.interrupted = False


def begin() -> None:
    """Take interruptions seriously again: new work begins."""
    _holding.done = False
