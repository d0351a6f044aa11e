"""Temporary files and folders that outlive nobody: what a killed process left, the next one in that folder removes.

Each process that works in a folder holds a lock on a file of its own there, `.cfork-KEY.lock`; its temporary files and
folders are called `.cfork-KEY-NUMBER...`. The system frees the lock however the process ends. Whoever begins to work
in the folder removes what belongs to a free lock, but only what is the same user's and of the same computer: whether
locks are seen across a network share depends on the share. What another computer left, and what lies without a lock,
goes when nobody has touched it for `OLD_SECONDS`.

The key holds which computer it was and since which start it runs, so that what was left before a power failure is
told from what another computer works on. The locks are files of their own, because on some shares a lock on a file
keeps others, such as ffmpeg, from writing it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import tempfile
import threading
import time
import weakref
from collections import defaultdict
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

OLD_SECONDS = 7 * 24 * 3600.0
"""After this long, what another computer left is nobody's any more."""

LOCK_TRIES = 5

_OURS = re.compile(r"\.cfork-([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{12})(?:\.lock|-\d+.*)", re.DOTALL)

_guard = threading.RLock()
_claims: dict[Path, _Claim] = {}
_swept: set[Path] = set()


class _Claim:
    """The lock of this process in a folder, while at least one temporary name of it is in use there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process, self.users, self.number = folder, os.getpid(), 0, 0
        self.key, self.lock, self.descriptor = _locked(folder)

    def give_back(self, path: Path) -> None:
        """Remove what has one of the names; with the last of them, the lock."""
        if os.getpid() != self.process:  # forked: it is the parent's
            return
        with _guard:
            _remove(path)
            self.users -= 1
            if not self.users and _claims.get(self.folder) is self:
                del _claims[self.folder]
                self.free()

    def free(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)  # Windows removes nothing that is open
        with contextlib.suppress(OSError):
            self.lock.unlink()


class Temporary:
    """A hidden name in a folder, for a file or a folder that is made under it; a context manager, which removes it.

    Args:
        folder: it must exist.
        suffix: the end of the name, by which some programs choose a format.

    Attributes:
        path: nothing is there yet.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, folder: Path, suffix: str = "") -> None:
        with _guard:
            if folder not in _swept:
                _swept.add(folder)
                sweep(folder)
            claim = _claims.get(folder)
            if claim is None:
                claim = _claims[folder] = _Claim(folder)
            claim.users += 1
            claim.number += 1
        self.path = folder / f".cfork-{claim.key}-{claim.number}{suffix}"
        self._give_back = weakref.finalize(self, claim.give_back, self.path)

    def remove(self) -> None:
        """Remove what is there, and give the name back; once is enough. What cannot be removed stays for `sweep`."""
        self._give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class TemporaryFolder(Temporary):
    """A hidden folder, only the user's own; gone with all that is in it when the context ends.

    Args:
        beside: the folder to make it in; None is the system's place (TMPDIR).

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, beside: Path | None = None) -> None:
        super().__init__(Path(tempfile.gettempdir()) if beside is None else beside)
        try:
            self.path.mkdir(mode=0o700)
        except BaseException:
            self.remove()
            raise


def _locked(folder: Path) -> tuple[str, Path, int]:
    """Make a lock in a folder and take it. Return its key, its path, and the open file.

    Another process may sweep the folder between the two, and take the lock for a dead one's: then one more is made.

    Raises:
        OSError: nothing can be written there.
    """
    for tries_left in reversed(range(LOCK_TRIES)):
        key = f"{_computer()}-{_start()}-{secrets.token_hex(6)}"
        lock = folder / f".cfork-{key}.lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            _take(descriptor)
            swept = not os.path.samestat(os.fstat(descriptor), os.lstat(lock))
        except (BlockingIOError, PermissionError, FileNotFoundError):
            swept = True
        except OSError:  # a share without locks: what is left there goes when it is old
            swept = False
        if not swept or not tries_left:
            break
        os.close(descriptor)
        _remove(lock)
    return key, lock, descriptor


def give_all_back() -> None:
    """Remove all temporary files and folders of this process, before it ends without the interpreter's own cleaning."""
    for claim in list(_claims.values()):
        if claim.process == os.getpid():
            for path in claim.folder.glob(f".cfork-{claim.key}-*"):
                _remove(path)
            claim.free()


def sweep(folder: Path) -> None:
    """Remove what processes of this user left in a folder when they were killed. What cannot be looked at stays."""
    found: defaultdict[tuple[str, str, str], list[Path]] = defaultdict(list)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = _OURS.fullmatch(entry.name)
                if match is not None and _is_ours(entry):
                    found[match[1], match[2], match[3]].append(Path(entry.path))
    except OSError:
        return
    for (computer, start, _), paths in found.items():
        _sweep_one(paths, near=computer == _computer(), same_start=start == _start())


def _sweep_one(paths: list[Path], *, near: bool, same_start: bool) -> None:
    """Remove what one process left, unless it may still work on it."""
    lock = next((path for path in paths if path.suffix == ".lock"), None)
    with contextlib.ExitStack() as stack:
        is_free = False
        if lock is not None:
            try:
                descriptor = os.open(lock, os.O_RDWR)
                stack.callback(os.close, descriptor)
                _take(descriptor)
                # somebody may have removed it between the two, and another made one
                is_free = os.path.samestat(os.fstat(descriptor), os.lstat(lock))
            except (BlockingIOError, PermissionError):  # it lives
                return
            except OSError:  # no locks here, or it has just gone
                is_free = False
        knows = is_free and (same_start or near)
        if not knows and not _is_old(paths):
            return
        for path in paths:
            if path != lock:
                _remove(path)
    if lock is not None:
        _remove(lock)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    if not hasattr(os, "geteuid"):
        return True
    try:
        return entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    except OSError:
        return False


def _is_old(paths: list[Path]) -> bool:
    """Return whether nobody has touched them, nor anything right in them, for long."""
    newest = -1.0
    for path in paths:
        try:
            newest = max(newest, path.lstat().st_mtime)
            if path.is_dir() and not path.is_symlink():
                newest = max([newest, *(inner.lstat().st_mtime for inner in path.iterdir())])
        except OSError:
            continue
    return 0 <= newest < time.time() - OLD_SECONDS


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _take(descriptor: int) -> None:
    """Lock an open file, without waiting.

    Raises:
        OSError: another holds it (BlockingIOError, or PermissionError on Windows), or there are no locks here.
    """
    try:
        import fcntl
    except ImportError:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@cache
def _computer() -> str:
    """Which computer this is, as far as it says: its number and its name."""
    number = _text_of("/etc/machine-id") or _text_of("/var/lib/dbus/machine-id")
    return hashlib.sha256(f"{number}\n{platform.node()}".encode()).hexdigest()[:8]


@cache
def _start() -> str:
    """Which start of the kernel this is, the same in all containers on it; the computer itself where none is told."""
    return hashlib.sha256((_text_of("/proc/sys/kernel/random/boot_id") or _computer()).encode()).hexdigest()[:8]


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _forget() -> None:
    """In a forked process: what the parent works on is the parent's."""
    global _guard
    _guard = threading.RLock()
    _claims.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
