"""The first thing that the command does: from here on a signal ends it with one line and an exit code.

Imports take a second, and nothing is open while they run: whoever interrupts them is answered at once. This file
imports next to nothing, since what Python does before it is Python's own.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in `typing`, whose import takes longer than all of this
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the enumerations that `signal` puts around it, for the same reason

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Signals that end programs; Windows has no SIGHUP, and others no SIGBREAK (Ctrl-Break)."""


def numbers(known: object = signal) -> list[int]:
    """Return those of `NAMES` that this system has and that nobody ignores on purpose, as nohup does."""
    here = [int(getattr(known, name)) for name in NAMES if hasattr(known, name)]
    return [number for number in here if signal.getsignal(number) is not signal.SIG_IGN]


def exit_code(number: int) -> int:
    """Return what shells show of a program that a signal ended: 130, 143, 129."""
    return 128 + (int(signal.SIGINT) if number == getattr(signal, "SIGBREAK", None) else number)


WORKER = "--multiprocessing-fork" in sys.orig_argv
"""Whether this is a worker process of another, which tells what happened."""

over = False
"""Whether all is done or told, and only the way out is left: no signal is heard any more."""


def listen() -> None:
    """Leave at once on a signal, from now on."""
    try:
        for number in numbers():
            signal.signal(number, _leave)
    except ValueError:  # not in the main thread: a program that uses cfork keeps its own
        return


def ignore() -> None:
    """Leave signals to nobody, to the very end: Python gives its own handlers back before it ends."""
    try:
        for number in numbers():
            signal.signal(number, signal.SIG_IGN)
    except ValueError:  # not in the main thread
        return


def _leave(number: int, _frame: object) -> None:
    if over:
        return
    words, code = "interrupted: nothing was written", exit_code(number)
    if WORKER:
        os._exit(code)
    to, text = 2, f"cfork: {words}\n"
    if "--json" in sys.argv:
        to, text = 1, f'{{"error": "{words}", "exit_code": {code}}}\n'
    try:
        os.write(to, text.encode())
    finally:  # where nobody reads, the exit code says it too
        os._exit(code)
