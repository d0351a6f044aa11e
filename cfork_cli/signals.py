"""Signals that end programs, made into one exception: whatever is open gets closed, and nothing half-done stays."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from cfork_cli import early

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

PATIENCE_SECONDS = 2.0
"""From one interruption to the next that counts. One that follows at once (a second Ctrl-C; a signal from the shell and
one from its terminal) must not disturb the cleaning up after the first."""

AGAIN_SECONDS = 0.02
"""After an interruption that came where none can be raised, such as in a callback of the garbage collector."""

NOTHING = "nothing was written"

_holding = threading.local()
_last_number, _last_time = int(signal.SIGINT), -math.inf
_published: dict[Path, None] = {}


@contextlib.contextmanager
def interruptible(*only: int) -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM and SIGHUP while this is open; on Windows also on Ctrl-Break.

    Args:
        only: these signals instead.
    """
    global _last_number, _last_time
    _holding.done = False

    def interrupt(number: int, _frame: FrameType | None) -> None:
        global _last_number, _last_time
        before, _last_time = _last_time, time.monotonic()
        if _last_time - before > PATIENCE_SECONDS and not getattr(_holding, "done", False):
            _last_number = number
            if getattr(_holding, "depth", 0):
                _holding.interrupted = True
            else:
                raise KeyboardInterrupt

    def unraised(what: UnraisableHookArgs) -> None:
        global _last_time
        if not issubclass(what.exc_type, KeyboardInterrupt):
            before_hook(what)
            return
        _last_time = -math.inf
        threading.Thread(target=_signal_again, args=(_last_number,), daemon=True).start()

    before_hook: Callable[[UnraisableHookArgs], object] = sys.unraisablehook
    _last_number, _last_time = int(signal.SIGINT), -math.inf
    _published.clear()
    with contextlib.ExitStack() as stack:
        for number in only or early.numbers(signal):
            with contextlib.suppress(ValueError):  # not in the main thread: a program that uses cfork keeps its own
                stack.callback(signal.signal, number, signal.signal(number, interrupt))
        stack.callback(setattr, sys, "unraisablehook", before_hook)
        sys.unraisablehook = unraised
        yield


def _signal_again(number: int) -> None:
    time.sleep(AGAIN_SECONDS)
    if sys.platform == "win32":  # where `kill` would end this process on the spot
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)


def exit_code() -> int:
    """Return the exit code of the last interruption: 130, 143 or 129."""
    return early.exit_code(_last_number)


def published(path: Path) -> None:
    """Remember that an output has its name now: an interruption after that does not say that nothing was written."""
    if not path.name.startswith(".cfork-"):  # an inner step, such as before a film takes the place of another
        _published[path] = None


def withdrawn(path: Path) -> None:
    """Forget an output that was taken back."""
    _published.pop(path, None)


def what_was_written() -> str:
    """Return what an interruption leaves, in words: "nothing was written", or the files that have their names."""
    if not _published:
        return NOTHING
    if len(_published) == 1:
        return f"'{next(iter(_published))}' was complete before, and stays"
    return f"{len(_published)} files were complete before, and stay"


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


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Let interruptions wait until the end of a moment that must be whole, such as reading a message that comes once.

    One that came meanwhile is raised at the end, whatever became of the step. See `held` for the others.
    """
    _holding.depth = getattr(_holding, "depth", 0) + 1
    try:
        yield
    finally:
        _holding.depth -= 1
        if not _holding.depth and getattr(_holding, "interrupted", False):
            _holding.interrupted = False
            raise KeyboardInterrupt


def begin() -> None:
    """Take interruptions seriously again: new work begins."""
    _holding.done = False


def over() -> None:
    """Hear no signal any more: all is done, or told."""
    _holding.done = True
    early.over = True
