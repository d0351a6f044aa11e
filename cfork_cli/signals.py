"""Signals that end programs, made into one exception: whatever is open gets closed, and nothing half-done stays."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from types import FrameType

PATIENCE_SECONDS = 2.0
"""From one interruption to the next that counts: one that comes at once (an impatient finger; a shell and its terminal
both telling us) must not disturb the cleaning up after the first."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM and SIGHUP while this is open."""
    last = -math.inf

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > PATIENCE_SECONDS:
            raise KeyboardInterrupt

    with contextlib.ExitStack() as stack:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            # nohup and background jobs of a script ignore some of them on purpose
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                with contextlib.suppress(ValueError):  # not in the main thread: whoever embeds us keeps his signals
                    stack.callback(signal.signal, number, signal.signal(number, interrupt))
        yield
