"""The cache of pulled models: one folder, each file beside a record of where it came from.

`CFORK_CACHE` names another folder than the platform's own (`~/.cache/cfork` on Linux). A file of weights that somebody
put there by hand is as good as a pulled one: that is the way to machines without a network.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from . import note, released

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")


@dataclass(frozen=True)
class Record:
    """Facts about a file from when it was pulled. The address is without its query, which may hold secrets."""

    url: str
    sha256: str
    bytes: int


def folder() -> Path:
    """The folder of the pulled models; it need not exist."""
    chosen = os.environ.get("CFORK_CACHE")
    if chosen:
        return Path(os.path.expanduser(chosen)) / "models"
    from platformdirs import user_cache_path

    return user_cache_path("cfork", appauthor=False) / "models"


def pulled() -> list[Path]:
    """The files of weights in the cache, by name."""
    with contextlib.suppress(OSError):  # no such folder yet, or none of ours to read
        return sorted(
            (path for path in folder().iterdir() if path.suffix in SUFFIXES and path.name[0] != "." and path.is_file()),
            key=name_of,
        )
    return []


def name_of(path: Path) -> str:
    """Return the model's name of a file in the cache: that of the release, or the file's own without the suffix."""
    key = released.find_release(path.name)
    return path.stem if key is None else released.public_name(key)


def find(name: str) -> Path | None:
    """The pulled file of that name, None if there is none."""
    key = released.find_release(name)
    if key is not None:
        path = folder() / released.file_name(key)
        return path if path.is_file() else None
    return next((path for path in pulled() if name in (path.name, path.stem)), None)


def check_name(name: str) -> str:
    """A name that a file of the cache may have.

    Raises:
        ValueError: it may not: empty, hidden, or with characters that some file system refuses.

    >>> check_name("my-model.v2")
    'my-model.v2'
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name, re.ASCII):
        raise ValueError(f"{name!r} is no name for a model: use letters, digits, '-', '_' and '.'")
    return name


def read_record(path: Path) -> Record | None:
    """The record of a pulled file, None if there is none that can be read."""
    try:
        return Record(**note.read(_record_of(path)))
    except (OSError, ValueError, TypeError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Keep the record beside the file.

    Raises:
        OSError: it cannot be written.
    """
    target = _record_of(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
