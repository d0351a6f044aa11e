"""Finished pieces of a long film on disk, so that an interrupted run goes on where it stopped.

What is kept is what the network gave for each batch: by far the most of the work. All else (decoding, filters, riders,
limiters, loudness, the encoder) is done again from the film's start, so its state needs no keeping, and no seam can
arise. A piece is known by a hash of the very sound that the network was given and of all that its answer depends on:
another film, model, device or setting asks for other pieces and finds none. A piece that was half written, went bad on
the disk or got the name of another one does not have the checksum that it begins with, and is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from cfork_cli import __version__, bounded
from cfork_cli.errors import CforkError, OutputError
from cfork_cli.flows.checks import model_digest
from cfork_cli.flows.report import Report
from cfork_cli.flows.separator import Asked, Pieces
from cfork_cli.output.destination import beside
from cfork_cli.text import size

SUFFIX = ".piece"
DIGEST_BYTES = 32

MOST_BYTES = 1 << 30
"""Of a piece: many times what a batch of any network here takes."""

MOST_STEMS = 16
"""Of a network, for the size of one piece."""


def folder_beside(output: Path) -> Path:
    """Return the folder that holds the pieces of an output: hidden, beside it.

    >>> folder_beside(Path("films/movie.mkv")).as_posix()
    'films/.movie.mkv.cfork-resume'
    """
    return beside(output.with_name(f".{output.name}.x"), ".cfork-resume")


class KeptPieces:
    """The pieces of one output, in a folder. May be used by several threads.

    Attributes:
        note: what the user should know: that no more can be written; None if all is well.
    """

    def __init__(self, folder: Path, others: Pieces | None = None) -> None:
        self.folder = folder
        self.others = others
        self.note: str | None = None
        self._lock = threading.Lock()

    def of(self, asked: Asked) -> KeptBatches:
        """Return the pieces of one track."""
        others = None if self.others is None else self.others.of(asked)
        return KeptBatches(self, _key(self.seen(asked)), others)

    def seen(self, asked: Asked) -> Asked:
        """Return what those are asked for who compute."""
        return asked if self.others is None else self.others.seen(asked)

    @property
    def workers(self) -> int | None:
        """See `separator.Pieces`."""
        return None if self.others is None else self.others.workers

    @property
    def each(self) -> int:
        """See `separator.Pieces`."""
        return 0 if self.others is None else self.others.each

    def sizes(self) -> list[int]:
        """Return the bytes of each piece that is there."""
        with contextlib.suppress(OSError):
            return [path.stat().st_size for path in self.folder.iterdir() if path.suffix == SUFFIX]
        return []

    def forget_halves(self) -> None:
        """Remove what a run that was killed left half written."""
        for path in self.folder.iterdir():
            if path.suffix == ".part":
                path.unlink(missing_ok=True)

    def read(self, name: str, most: int = MOST_BYTES) -> bytes | None:
        """Return what was kept under a name; None if it is not there, not whole, anything but a file of ours, or has
        more bytes."""
        path = self.folder / f"{name}{SUFFIX}"
        try:
            data = bounded.read(path, most)
        except OSError:
            return None
        return data[DIGEST_BYTES:] if data[:DIGEST_BYTES] == _digest(name, data[DIGEST_BYTES:]) else None

    def write(self, name: str, data: bytes) -> None:
        """Keep something under a name, whole or not at all. Once the disk takes no more, nothing is kept any more."""
        if self.note is not None:
            return
        temporary = self.folder / f"{secrets.token_hex(6)}.part"
        try:
            try:
                with temporary.open("wb") as file:
                    file.write(_digest(name, data))
                    file.write(data)
                os.replace(temporary, self.folder / f"{name}{SUFFIX}")
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            with self._lock:
                self.note = (
                    f"no more pieces can be kept in '{self.folder}' ({error.strerror}): "
                    "an interrupted run would go on from those that are there"
                )


class KeptBatches:
    """The pieces of one track: see `model.streaming.batches.Known`."""

    def __init__(self, pieces: KeptPieces, key: bytes, others: Any = None) -> None:
        self._pieces, self._key, self._others = pieces, key, others

    def get(self, sequences: Sequence[np.ndarray]) -> np.ndarray | None:
        """Return the stems of a batch, `[B, S, N]`; None if they are not there, and nobody else computes them."""
        length = max(map(len, sequences), default=0)
        data = self._pieces.read(
            self._name(sequences), min(MOST_BYTES, bounded.MIB + 8 * MOST_STEMS * len(sequences) * length)
        )
        found: np.ndarray | None
        if data is not None:
            with contextlib.suppress(ValueError):
                found = bounded.array(data)
                if found.ndim == 3 and (len(found), found.shape[2]) == (len(sequences), length):
                    return found
        if self._others is None:
            return None
        found = self._others.get(sequences)
        if found is not None:
            self.put(sequences, found)
        return found

    def put(self, sequences: Sequence[np.ndarray], stems: np.ndarray) -> None:
        """Keep the stems of a batch."""
        data = io.BytesIO()
        np.save(data, np.ascontiguousarray(stems))
        self._pieces.write(self._name(sequences), data.getvalue())

    def _name(self, sequences: Sequence[np.ndarray]) -> str:
        digest = hashlib.blake2b(self._key, digest_size=20)
        for sequence in sequences:
            digest.update(len(sequence).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(sequence, np.float32).data)
        return digest.hexdigest()


@contextlib.contextmanager
def kept_beside(output: Path, needed: int, report: Report, others: Pieces | None = None) -> Iterator[KeptPieces]:
    """Keep pieces beside an output until the context ends well; if it does not, they stay and the user is told.

    Args:
        needed: bytes that all pieces take.
        others: those who compute what is not kept; None: it is computed here.

    Raises:
        OutputError: there is no room, the folder cannot be made, or another run works there.
    """
    folder = folder_beside(output)
    pieces = KeptPieces(folder, others)
    lock = filelock.FileLock(folder / "lock", thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except filelock.Timeout as error:
        raise OutputError(f"another run makes '{output}' now: wait for its end, or choose another -o") from error
    except OSError as error:
        raise OutputError(
            f"the folder '{folder}' for finished pieces cannot be used ({error.strerror}): leave --resume away"
        ) from error
    try:
        with lock:
            pieces.forget_halves()
            _tell_and_check(pieces, needed, report)
            yield pieces
            if pieces.note is not None:
                report.note(pieces.note)
    except BaseException:
        lock.release(force=True)
        _left(pieces, report)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _tell_and_check(pieces: KeptPieces, needed: int, report: Report) -> None:
    """Tell how much will be kept, and what is there already.

    Raises:
        OutputError: there is no room.
    """
    there = pieces.sizes()
    try:
        free = shutil.disk_usage(pieces.folder).free
    except OSError as error:
        raise OutputError(f"'{pieces.folder}' cannot be used ({error.strerror}): leave --resume away") from error
    if free + sum(there) < needed:
        raise OutputError(
            f"--resume keeps up to {size(needed)} of finished pieces in '{pieces.folder}', where {size(free)} are "
            "free: free some space, choose another -o, or leave --resume away"
        )
    report.note(f"finished pieces are kept in '{pieces.folder}' until all is done: up to {size(needed)}")
    if there:
        report.note(f"{size(sum(there))} of finished pieces are there from an earlier run: those that fit are used")


def _left(pieces: KeptPieces, report: Report) -> None:
    """Tell what stays after a failure; leave no empty folder."""
    there = sum(pieces.sizes())
    if not there:
        shutil.rmtree(pieces.folder, ignore_errors=True)
        return
    with contextlib.suppress(CforkError):  # a report that was cancelled says so again
        report.note(
            f"{size(there)} of finished pieces stay in '{pieces.folder}': the same command with --resume goes on from "
            "there; delete the folder if you do not want that"
        )


def _key(asked: Asked) -> bytes:
    """Return a hash of all that the network's answer depends on, but for the sound."""
    from model.inference.device import kind

    facts: dict[str, Any] = asdict(asked) | {
        "model": model_digest(asked.model), "cfork": __version__, "kind": kind(asked.device),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.blake2b(data, key=name.encode(), digest_size=DIGEST_BYTES).digest()
