"""Who opens files that nobody should: Linux's inotify, without a library."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

IN_OPEN = 0x20
_EVENT = struct.Struct("iIII")


class Opened:
    """Notes which of some files and folders are opened while this is open. Where the system has no inotify, none is."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" and paths else None
        self._paths, self._names, self._handle = paths, dict[int, str](), -1

    def __enter__(self) -> Opened:
        if self._libc is not None:
            self._handle = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            for path in self._paths:
                number = self._libc.inotify_add_watch(self._handle, os.fsencode(path), IN_OPEN)
                if number < 0:
                    raise OSError(ctypes.get_errno(), f"'{path}' cannot be watched")
                self._names[number] = path.name
        return self

    def names(self) -> tuple[str, ...]:
        """Return the names of those that were opened since the last question."""
        found: dict[str, None] = {}
        while self._handle >= 0:
            try:
                data = os.read(self._handle, 1 << 16)
            except BlockingIOError:
                break
            place = 0
            while place < len(data):
                number, _, _, length = _EVENT.unpack_from(data, place)
                found[self._names.get(number, "?")] = None
                place += _EVENT.size + length
        return tuple(found)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
