"""Fragments on disk: bounded, and found again by the next run.

A folder for each film, track and model; a file for each fragment. What was used longest ago goes first, whichever film
it belongs to. Where the disk is full or may not be written, the last fragments stay in memory, and all goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import threading
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np

from cfork_cli import bounded
from cfork_cli.media.types import Media
from cfork_cli.player.take import FADE

VERSION = 1
"""Of what is kept; another one is another key."""

HEAD_BYTES = 1 << 20
"""Read of the film's begin, and of its end, to know it again."""

IN_MEMORY = 64
"""Fragments that are kept where the disk takes none, or fewer: about 24 MB."""

USUAL_BYTES = 400_000
"""Of a fragment, before one was seen."""

MOST_BYTES = 16 * bounded.MIB
"""Of a fragment: those that are written have a few hundred thousand."""

ABANDONED_SECONDS = 3600.0
"""A half-written file of this age is of a run that was killed; a younger one may be of a run beside this one."""

CHECK_BYTES = 64 << 20
"""After so much was written, the folders are counted again: another run may write too."""

STEMS = 4  # mixture, dialogue, music, effects: the columns of levels


def key_of(media: Media, track: int, model: str) -> str:
    """Return the name of a film's folder: from its path, size, time and both ends, the track, and the model.

    Args:
        track: stream index. model: its hash.
    """
    path = media.path.resolve()
    facts = path.stat()
    digest = hashlib.sha256()
    digest.update(json.dumps([VERSION, os.fsencode(path).hex(), facts.st_size, facts.st_mtime_ns]).encode())
    digest.update(json.dumps([track, model]).encode())
    with path.open("rb") as file:
        digest.update(file.read(HEAD_BYTES))
        file.seek(max(0, facts.st_size - HEAD_BYTES))
        digest.update(file.read(HEAD_BYTES))
    return digest.hexdigest()[:32]


class StemStore:
    """The fragments of one film, track and model. May be used by several threads.

    Args:
        folder: of all films. key: from `key_of`. count: of the film's fragments. most: bytes that all films may take.

    Attributes:
        levels: RMS in dB of full scale of mixture, dialogue, music and effects, `[count, 4]`; NaN where not known.
        note: what the user should know: that nothing can be written; None if all is well.
    """

    def __init__(self, folder: Path, key: str, count: int, most: int) -> None:
        self.folder, self.count, self.most = folder / key, count, most
        self._root = folder
        self.note: str | None = None
        self.levels = np.full((count, STEMS), np.nan, np.float32)
        self._lock = threading.Lock()
        self._memory: OrderedDict[int, bytes] = OrderedDict()
        self._edges: dict[tuple[int, str], np.ndarray] = {}
        self._on_disk: set[int] = set()
        self._fresh = CHECK_BYTES  # written since the last count
        self._largest = 0  # bytes of a fragment
        self._is_writable = most > 0
        self._changed = False
        self._journal: list[int] = []
        self._open()

    def _open(self) -> None:
        if self.most <= 0:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.iterdir():
                if path.suffix == ".flac" and path.stem.isdigit() and int(path.stem) < self.count:
                    self._on_disk.add(int(path.stem))
                elif path.suffix == ".part" and time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink(missing_ok=True)
            levels = bounded.array(bounded.read(self.folder / "levels.npy", MOST_BYTES))
            if levels.shape == self.levels.shape:
                self.levels[:] = levels
        except FileNotFoundError:
            pass  # a new one
        except (OSError, ValueError) as error:
            self._say(error)

    def facts(self) -> dict[str, float]:
        """Return what was kept beside the fragments."""
        with contextlib.suppress(OSError, ValueError, TypeError, OverflowError, RecursionError):
            found = json.loads(bounded.read_text(self.folder / "facts.json", bounded.MIB))
            if isinstance(found, dict):
                return {name: float(value) for name, value in found.items()}
        return {}

    def keep_facts(self, facts: dict[str, float]) -> None:
        """Keep some numbers beside the fragments."""
        self._write("facts.json", json.dumps(facts).encode())

    def has(self, index: int) -> bool:
        """Return whether a fragment is there."""
        return index in self._on_disk or index in self._memory

    def done(self) -> list[int]:
        """Return the fragments that are there, in order."""
        with self._lock:
            return sorted(self._on_disk | set(self._memory))

    def get(self, index: int) -> bytes | None:
        """Return a fragment; None if it is not there (any more)."""
        with self._lock:
            if index in self._memory:
                self._memory.move_to_end(index)
                return self._memory[index]
            if index not in self._on_disk:
                return None
        path = self._path(index)
        try:
            data = bounded.read(path, MOST_BYTES)
            os.utime(path)  # it was used now
        except OSError:
            with self._lock:
                self._on_disk.discard(index)
            return None
        return data

    @property
    def holds(self) -> int:
        """How many fragments find room: who asks for more at a time loses the first of them."""
        return max(IN_MEMORY, self.most // (self._largest or USUAL_BYTES)) if self._is_writable else IN_MEMORY

    def put(self, index: int, data: bytes, levels: np.ndarray) -> None:
        """Keep a fragment, and its levels `[4]`, in dB."""
        written = self._is_writable = self._write(f"{index:06}.flac", data)
        with self._lock:
            self._largest = max(self._largest, len(data))
            self.levels[index] = levels
            self._changed = True
            self._journal.append(index)
            if written:
                self._on_disk.add(index)
            if not written or self.most < IN_MEMORY * len(data):  # else the disk's few would chase one another away
                self._memory[index] = data
                while len(self._memory) > IN_MEMORY:
                    self._memory.popitem(last=False)
        if written:
            self._fresh += len(data)
            if self._fresh >= min(CHECK_BYTES, self.most // 8):
                self._fresh = 0
                self.shrink()

    def put_level(self, index: int, mixture_db: float) -> None:
        """Keep the level of a mixture whose stems are not known yet."""
        with self._lock:
            if np.isnan(self.levels[index, 0]):
                self.levels[index, 0] = mixture_db
                self._changed = True
                self._journal.append(index)

    def news(self, since: int) -> tuple[int, list[int]]:
        """Return a version, and the fragments whose levels are new since another version, in order; all since 0."""
        with self._lock:
            version = len(self._journal) + 1
            if since <= 0 or since > version:
                return version, np.flatnonzero(~np.isnan(self.levels[:, 0])).tolist()
            return version, sorted(set(self._journal[since - 1 :]))

    def put_edge(self, index: int, side: str, sound: np.ndarray | None) -> None:
        """Keep the sound `[8, FADE]` "before" or "after" a fragment; None forgets it."""
        name = f"{index:06}.{side}.npy"
        if sound is None:
            self._edges.pop((index, side), None)
            with contextlib.suppress(OSError):
                (self.folder / name).unlink(missing_ok=True)
            return
        data = np.ascontiguousarray(sound, np.float32)
        if not self._write(name, data.tobytes()):
            self._edges[index, side] = data
            while len(self._edges) > IN_MEMORY:
                self._edges.pop(next(iter(self._edges)))

    def edge(self, index: int, side: str) -> np.ndarray | None:
        """Return the sound beside a fragment, None if there is none."""
        if (index, side) in self._edges:
            return self._edges[index, side]
        with contextlib.suppress(OSError, ValueError):
            data = np.frombuffer(bounded.read(self.folder / f"{index:06}.{side}.npy", bounded.MIB), np.float32)
            if data.size == 2 * STEMS * FADE:
                return data.reshape(2 * STEMS, FADE)
        return None

    def shrink(self) -> None:
        """Delete what was used longest ago, of all films, until all is within the bound."""
        found = []
        with contextlib.suppress(OSError):
            for folder in self._root.iterdir():
                with contextlib.suppress(OSError):
                    for path in folder.iterdir():
                        with contextlib.suppress(OSError):
                            facts = path.stat()
                            found.append((facts.st_mtime, facts.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found, key=lambda one: one[0]):
            if total <= self.most:
                break
            if path.suffix in (".flac", ".part") or ".before" in path.name or ".after" in path.name:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                    total -= size
                if path.parent == self.folder and path.suffix == ".flac":
                    with self._lock:
                        self._on_disk.discard(int(path.stem))
        self._forget_empty()

    def save(self) -> None:
        """Keep the levels."""
        with self._lock:
            changed, self._changed = self._changed, False
            levels = self.levels.copy()
        if changed:
            data = io.BytesIO()
            np.save(data, levels)
            self._write("levels.npy", data.getvalue())

    def close(self) -> None:
        """Keep the levels, stay within the bound, and leave no empty folder."""
        self.save()
        if self.most > 0:
            self.shrink()
            self._forget_empty(mine=True)

    def _forget_empty(self, mine: bool = False) -> None:
        """Remove the folders of films of which no fragment is left."""
        with contextlib.suppress(OSError):
            for folder in self._root.iterdir():
                with contextlib.suppress(OSError):
                    if (mine or folder != self.folder) and not any(path.suffix == ".flac" for path in folder.iterdir()):
                        for path in folder.iterdir():
                            path.unlink(missing_ok=True)
                        folder.rmdir()

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06}.flac"

    def _write(self, name: str, data: bytes) -> bool:
        """Write a file whole, or not at all; return whether it was."""
        if self.most <= 0:
            return False
        temporary = self.folder / f"{name}.{secrets.token_hex(4)}.part"
        try:
            try:
                self._place(temporary, self.folder / name, data)
            except FileNotFoundError:  # another run has removed the folder, as an empty one, just now
                self._place(temporary, self.folder / name, data)
        except OSError as error:
            self._say(error)
            return False
        return True

    @staticmethod
    def _place(temporary: Path, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def _say(self, error: Exception) -> None:
        self.note = f"stems cannot be kept in '{self.folder}' ({error}): they are computed again when needed"
