"""Films that arrive in a folder: which of them are complete, and new."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfork_cli.batch.find import Found, find
from cfork_cli.errors import InputError, UsageError

SETTLE_SECONDS = 10.0
"""How long a film must stay as it is before it counts as complete."""


@dataclass(frozen=True)
class _Look:
    """How a film looked. since: when it first looked so, by the clock that `Arrivals` was given."""

    size: int
    mtime_ns: int
    since: float

    def same(self, other: os.stat_result) -> bool:
        return (self.size, self.mtime_ns) == (other.st_size, other.st_mtime_ns)


class Arrivals:
    """Looks into a folder again and again, and hands out each film once, when it is complete.

    A film is complete when its size and time of change have stayed the same for a while, and no process of this machine
    has it open to write. A film that is changed or replaced later is handed out again.

    Args:
        settle_seconds: that while.
        clock: seconds, from any start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        recursive: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        output: Path | None = None,
        settle_seconds: float = SETTLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._recursive, self._include, self._exclude = folder, recursive, include, exclude
        self._output, self._settle, self._clock = output, settle_seconds, clock
        self._looks: dict[Path, _Look] = {}
        self._handed: dict[Path, tuple[int, int]] = {}

    @property
    def waiting(self) -> int:
        """How many films are there that are not complete yet."""
        return len(self._looks)

    def look(self) -> list[Found]:
        """Look, and return the films that are complete and have not been handed out as they are now.

        Raises:
            InputError: the folder is not there, or cannot be read.
        """
        ready: list[Found] = []
        seen: dict[Path, _Look] = {}
        now = self._clock()
        for film in self._films():
            try:
                stat = film.path.stat()
            except OSError:  # it has just gone
                continue
            if self._handed.get(film.path) == (stat.st_size, stat.st_mtime_ns):
                continue
            look = self._looks.get(film.path)
            if look is None or not look.same(stat):
                look = _Look(stat.st_size, stat.st_mtime_ns, now)
            if stat.st_size and now - look.since >= self._settle and not is_being_written(film.path):
                self._handed[film.path] = (stat.st_size, stat.st_mtime_ns)
                ready.append(film)
            else:
                seen[film.path] = look
        self._looks = seen
        return ready

    def _films(self) -> list[Found]:
        if not self._folder.is_dir():
            raise InputError(f"the folder '{self._folder}' is not there")
        try:
            return find(
                [str(self._folder)], recursive=self._recursive, include=self._include, exclude=self._exclude,
                output=self._output,
            )  # fmt: skip
        except UsageError:  # no film is in it
            return []


def is_being_written(path: Path, processes: Path = Path("/proc")) -> bool:
    """Return whether a process that we can look into has a file open to write (Linux; elsewhere nobody tells)."""
    try:
        wanted = path.stat()
    except OSError:
        return False
    return any(
        (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino) and _opened_to_write(descriptor)
        for descriptor, there in _open_files(processes)
    )


def _open_files(processes: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield all open files of all processes; whatever ends meanwhile is left out."""
    for number in _names(processes):
        if number.isdecimal():
            descriptors = processes / number / "fd"
            for name in _names(descriptors):
                try:
                    yield descriptors / name, (descriptors / name).stat()
                except OSError:
                    continue


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _opened_to_write(descriptor: Path) -> bool:
    try:
        lines = (descriptor.parents[1] / "fdinfo" / descriptor.name).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    flags = next((line.split()[1] for line in lines if line.startswith("flags:")), "0")
    return bool(int(flags, 8) & (os.O_WRONLY | os.O_RDWR))
