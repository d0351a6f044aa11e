"""Waits until something happens in a folder: by events of the system where they come, by looking where they do not.

watchfiles tells of events at once; it is an extra, because a look every few seconds finds the same films. A network
share sends no events for what other machines write, and a large tree may need more watches than the system gives, so
looking goes on beside them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

TICK_SECONDS = 1.0
"""How long a wait may take before the loop goes round, to see whether a film has settled."""


class Changes:
    """Events of a folder, as long as it is the same folder.

    Args:
        folder: need not stay: one that goes away and comes back, as shares do, is watched anew.
        recursive: whether the folders within it count.
        events: False only waits, without the system's events.
    """

    def __init__(self, folder: Path, *, recursive: bool, events: bool = True) -> None:
        self._folder, self._recursive = folder, recursive
        self._events = events and has_events()
        self._place: tuple[int, int] | None = None
        self._watch: Iterator[set[object]] | None = None

    def wait(self, seconds: float = TICK_SECONDS) -> bool:
        """Wait so long, or until something happened; returns whether it did, as far as events tell."""
        self._follow()
        if self._watch is None:
            time.sleep(seconds)
            return False
        try:
            return bool(next(self._watch))
        except (OSError, StopIteration, RuntimeError):  # too many watches, or the folder went away
            self._watch = None
            time.sleep(seconds)
            return True

    def _follow(self) -> None:
        """Watch the folder that has the name now."""
        if not self._events:
            return
        place = _place(self._folder)
        if place == self._place:
            return
        self._place, self._watch = place, None
        if place is not None:
            self._watch = _events(self._folder, self._recursive)


def has_events() -> bool:
    """Return whether watchfiles is installed."""
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        return False
    return True


def _events(folder: Path, recursive: bool) -> Iterator[set[object]]:
    from watchfiles import watch

    return watch(  # type: ignore[return-value]
        folder, watch_filter=None, recursive=recursive, debounce=400, step=50, yield_on_timeout=True,
        rust_timeout=round(TICK_SECONDS * 1000), raise_interrupt=True, ignore_permission_denied=True,
    )  # fmt: skip


def _place(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino
