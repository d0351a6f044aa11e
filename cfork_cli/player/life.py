"""How long a server lives: as long as a page is open, or something is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

GRACE_SECONDS = 4.0
"""After a page was closed: it may have been a reload."""

SILENCE_SECONDS = 300.0
"""Without a word of any page, once there was one. Browsers let hidden pages speak once a minute."""


class Life:
    """Decides when it is over. Any thread may call it.

    Args:
        busy: whether something is written: then it goes on. clock: of the seconds.
    """

    def __init__(self, busy: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._busy, self._clock = busy, clock
        self._heard: float | None = None  # nobody yet: the browser may have to be opened by hand
        self._closed: float | None = None
        self._ended = threading.Event()

    def heard(self) -> None:
        """A page has spoken."""
        self._heard, self._closed = self._clock(), None

    def closed(self) -> None:
        """A page was closed."""
        self._closed = self._clock()

    def end(self) -> None:
        """It is over now."""
        self._ended.set()

    def over(self) -> bool:
        """Return whether it is over."""
        if self._ended.is_set():
            return True
        if self._busy():
            return False
        now = self._clock()
        if self._closed is not None and now - self._closed > GRACE_SECONDS:
            return True
        return self._heard is not None and now - self._heard > SILENCE_SECONDS

    def wait(self, step_seconds: float = 0.25) -> None:
        """Wait until it is over."""
        while not self.over():
            self._ended.wait(step_seconds)
