"""Fingerprints of files and of settings, to see whether they are still what they were.

A file is known by its size, the time of its last change, and a hash of its first and last 64 KiB: headers, indexes and
tags stand there, and to hash whole films would take as long as to remix them on a slow disk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cfork_cli.flows.checks import model_digest
from cfork_cli.flows.jobs import RemixJob, SeparateJob

NOT_OURS = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What the reading of a journal or of such a file raises, if somebody else wrote it or the disk damaged it."""

EDGE_BYTES = 65_536
"""How much of a file's head and tail is hashed."""

_NOT_THE_RESULT = ("input", "output", "force", "resume", "preset", "model")
"""Fields of a job that say nothing about what comes out: names of files; a preset's settings are in the job itself; of
the model, its bytes count."""


@dataclass(frozen=True)
class Print:
    """A file's fingerprint: bytes, nanoseconds since the epoch, and the SHA-256 of head and tail."""

    size: int
    mtime_ns: int
    digest: str

    def as_json(self) -> list[Any]:
        """Return it as JSON can hold it."""
        return [self.size, self.mtime_ns, self.digest]

    @classmethod
    def of_json(cls, found: Any) -> Self | None:
        """Return what `as_json` gave; None for anything else."""
        match found:
            case [int(size), int(mtime_ns), str(digest)]:
                return cls(size, mtime_ns, digest)
        return None


def fingerprint(path: Path) -> Print | None:
    """Return a file's fingerprint; None if there is no such file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                return None
            digest = hashlib.sha256(file.read(EDGE_BYTES))
            if found.st_size > EDGE_BYTES:
                file.seek(max(EDGE_BYTES, found.st_size - EDGE_BYTES))
                digest.update(file.read(EDGE_BYTES))
            return Print(found.st_size, found.st_mtime_ns, digest.hexdigest())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def signature(job: RemixJob | SeparateJob) -> str:
    """Return a hash of all that decides what comes out, besides the film: settings, files they name, the model's bytes.

    Raises:
        ModelError: the model is missing.
    """
    told: dict[str, Any] = {
        field.name: getattr(job, field.name) for field in dataclasses.fields(job) if field.name not in _NOT_THE_RESULT
    }
    needs_network = not isinstance(job, RemixJob) or job.changes
    told["command"] = type(job).__name__
    told["model"] = model_digest(job.model) if needs_network else None
    reverbs = [effects.reverb for effects in job.processing.effects.values()]
    spaces = [reverb.space for reverb in reverbs if reverb is not None and reverb.is_file]
    files = {space: fingerprint(Path(space)) for space in spaces}
    told["files"] = {space: found.digest for space, found in files.items() if found is not None}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return a setting as JSON can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
