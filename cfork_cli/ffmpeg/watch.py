"""Notice an ffmpeg that has stopped: by a signal, by a disk that does not answer, or in a wrapper that waits for ever;
and one that complains without end, which would fill the disk.

One thread looks every second at the children that we wait for. One whose processes have neither computed, read nor
written for `limit_seconds` is ended, and whoever waits for it is told. Only seconds count in which this program itself
ran: a job that was stopped with Ctrl-Z, and a computer that slept, go on where they were.
"""

from __future__ import annotations

import io
import os
import threading
import time
import weakref
from pathlib import Path
from typing import Protocol

LIMIT_SECONDS = 120.0
"""Disks that were asleep, and shares whose server starts anew, answer sooner, mostly."""

VARIABLE = "CFORK_STALL_SECONDS"
"""Environment variable: another limit; 0 waits for ever."""

TICK_SECONDS = 1.0

MOST_SAID_BYTES = 256 * 2**20
"""On standard error. A recording of many hours with a defect in every packet is told in a tenth of that."""


class Watched(Protocol):
    """What is looked at.

    Attributes:
        waiting: whether somebody waits for it now: reads from it, writes to it, or waits for its end.
        at_pipe: whether what is waited for is a pipe of it, rather than its end.
        moved: counts what went through its pipes.
        pid: its number, and that of its session.
        patient: whether it waits for somebody else's pipe: then it counts only if a signal has stopped it.
        source: another one, whose output it reads; None if there is none.
    """

    waiting: bool
    at_pipe: bool
    moved: int
    patient: bool

    @property
    def source(self) -> Watched | None: ...

    @property
    def pid(self) -> int: ...

    def stall(self) -> None: ...

    def said_bytes(self) -> int: ...

    def flood(self) -> None: ...


def limit_seconds() -> float:
    """Return after how many seconds without anything a child has stopped; 0 for never."""
    try:
        return max(0.0, float(os.environ.get(VARIABLE, "") or LIMIT_SECONDS))
    except ValueError:
        return LIMIT_SECONDS


def begin(child: Watched) -> None:
    """Look at a child from now on, until nobody has it any more."""
    global _thread
    with _guard:
        _children.add(child)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_look, name="cfork-watch", daemon=True)
            _thread.start()


def end(child: Watched) -> None:
    """Look at it no more."""
    with _guard:
        _children.discard(child)


_guard = threading.Lock()
_children: weakref.WeakSet[Watched] = weakref.WeakSet()
_thread: threading.Thread | None = None


def _forget() -> None:
    """In a forked process there is no such thread, and no child of ours."""
    global _guard, _thread
    _guard, _thread = threading.Lock(), None
    _children.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _look() -> None:
    global _thread
    seen: weakref.WeakKeyDictionary[Watched, tuple[int, object, float]] = weakref.WeakKeyDictionary()
    while True:
        limit = limit_seconds()
        tick = min(TICK_SECONDS, limit / 4) if limit else TICK_SECONDS
        time.sleep(tick)
        with _guard:
            children = list(_children)
            if not children:
                _thread = None
                return
        for child in children:
            if child.said_bytes() > MOST_SAID_BYTES:
                child.flood()
                continue
            moved, (before, state, still) = child.moved, seen.get(child, (-1, None, 0.0))
            if not limit or not child.waiting or moved != before:  # the usual case, which costs nothing
                seen[child] = (moved, None, 0.0)
                continue
            now = _state(child)
            still = still + tick if now is not None and now == state else 0.0
            seen[child] = (moved, now, still)
            if still >= limit:
                seen[child] = (moved, None, 0.0)
                child.stall()
        del children, child


def _state(child: Watched) -> object | None:
    """Return all that changes while a child does anything; None if its standing still means nothing."""
    found = session(child.pid)
    if child.patient:
        return "stopped" if any(process[0] in "Tt" for process in found) else None
    if not found and not child.at_pipe:  # the system does not tell what it does
        return None
    return (*found, *(session(child.source.pid) if child.source is not None else ()))


def session(leader: int) -> list[tuple[str, str, str]]:
    """Return state, used time and bytes moved of each process of a session; nothing where there is no /proc."""
    found: list[tuple[str, str, str]] = []
    try:
        entries = [entry for entry in os.listdir("/proc") if entry.isdigit()]
    except OSError:
        return found
    for entry in entries:
        try:
            words = (
                Path("/proc", entry, "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            )
            if int(words[3]) == leader:
                moved = Path("/proc", entry, "io").read_text(encoding="ascii")
                found.append((words[0], f"{entry} {words[11]} {words[12]}", moved))
        except (OSError, ValueError, IndexError):  # it has just ended, or is somebody else's
            continue
    return found


class Pipe(io.RawIOBase):
    """One end of a pipe to or from a child, which notes when we wait at it.

    Args:
        pipe: open, and ours from here on.
    """

    def __init__(self, pipe: io.RawIOBase, child: Watched) -> None:
        super().__init__()
        self._pipe, self._child = pipe, weakref.ref(child)

    def readable(self) -> bool:
        return self._pipe.readable()

    def writable(self) -> bool:
        return self._pipe.writable()

    def fileno(self) -> int:
        return self._pipe.fileno()

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:  # type: ignore[override]
        self._wait(True)
        try:
            return self._pipe.readinto(buffer)
        finally:
            self._wait(False)

    def write(self, data: bytes | memoryview, /) -> int | None:  # type: ignore[override]
        self._wait(True)
        try:
            return self._pipe.write(data)
        finally:
            self._wait(False)

    def close(self) -> None:
        if not self.closed:
            try:
                super().close()
            finally:
                self._pipe.close()

    def _wait(self, waiting: bool) -> None:
        child = self._child()
        if child is not None:
            child.waiting = child.at_pipe = waiting
            child.moved += not waiting
