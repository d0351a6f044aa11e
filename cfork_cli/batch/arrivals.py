"""Which films of a folder are complete: nothing about them has changed for a while, and nobody writes them."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

PARTIAL = (
    ".part",
    ".aria2",
    ".!qb",
    ".crdownload",
    ".download",
    ".filepart",
    ".partial",
    ".tmp",
    ".!ut",
    ".opdownload",
)
"""Endings that programs append to a name while the file comes: of the file itself, or of a note beside it."""

_WRITES = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Identity:
    """What changes when a file does. size: bytes. mtime_ns: of its content; place: device and inode."""

    size: int
    mtime_ns: int
    place: tuple[int, int]


@dataclass
class Arrivals:
    """Films that were seen and are not complete yet.

    Args:
        settle: seconds for which nothing about a film may change.
    """

    settle: float
    _seen: dict[Path, tuple[Identity, float]] = field(default_factory=dict)

    def complete(self, paths: Iterable[Path], now: float) -> dict[Path, Identity]:
        """Return those that are complete; the others are waited for.

        Args:
            paths: all films that are there.
            now: seconds, of a clock that only goes forward.
        """
        found: dict[Path, Identity] = {}
        seen: dict[Path, tuple[Identity, float]] = {}
        for path in paths:
            identity, age = look(path)
            if identity is None:
                continue
            known = self._seen.get(path)
            since = known[1] if known is not None and known[0] == identity else now
            quiet = now - since >= self.settle or age >= self.settle
            if quiet and identity.size and not is_partial(path) and not is_written(path, identity):
                found[path] = identity
            else:
                seen[path] = (identity, since)
        self._seen = seen
        return found

    @property
    def waiting(self) -> tuple[Path, ...]:
        """The films that are not complete yet."""
        return tuple(self._seen)


def look(path: Path) -> tuple[Identity | None, float]:
    """Return what a file is now, and for how many seconds nothing about it has changed, by the clocks of disk and
    machine; None if it is gone, or no file.

    A name given by renaming counts as a change where the system keeps such times (`ctime`): a film that is moved here
    with its old time is new all the same. A time in the future says nothing.
    """
    try:
        found = path.stat()
    except OSError:
        return None, 0.0
    if not stat.S_ISREG(found.st_mode):
        return None, 0.0
    last = max(found.st_mtime, found.st_ctime)
    return Identity(found.st_size, found.st_mtime_ns, (found.st_dev, found.st_ino)), time.time() - last


def is_partial(path: Path) -> bool:
    """Return whether a note beside a file says that it is still being fetched, such as movie.mkv.aria2.

    >>> is_partial(Path("there is no such movie.mkv"))
    False
    """
    return any(path.with_name(f"{path.name}{ending}").exists() for ending in PARTIAL)


def is_written(path: Path, identity: Identity) -> bool:
    """Return whether a process has a file open to write it, as far as one can know: on Linux, of one's own processes.

    Programs that copy or fetch may pause for longer than any wait.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return False
    return any(_writes(process, identity.place) for process in processes)


def _writes(process: str, place: tuple[int, int]) -> bool:
    folder = f"/proc/{process}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:  # it has ended, or belongs to somebody else
        return False
    for number in numbers:
        try:
            found = os.stat(f"{folder}/{number}")
            if (found.st_dev, found.st_ino) != place:
                continue
            with open(f"/proc/{process}/fdinfo/{number}", encoding="ascii") as file:
                flags = next((line for line in file if line.startswith("flags:")), "flags: 0")
            if int(flags.split()[1], 8) & _WRITES:
                return True
        except (OSError, ValueError):  # closed meanwhile
            continue
    return False
