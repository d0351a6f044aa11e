"""Every model that there is, or could be here: bundled, in the cache, and released but not pulled. Needs no torch."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from . import cache, released, weights
from .container import WeightsError, check_largest, check_size

State = Literal["bundled", "in cache", "not pulled", "damaged", "file"]


@dataclass(frozen=True)
class Entry:
    """A model as a list shows it.

    Attributes:
        path: None if it is not pulled.
        bytes: of its file, also of one that is not pulled.
        architecture: a key of `weights.ARCHITECTURES`; None where only loading would show it.
        aliases: other names that work.
        level_matched: whether its stems can be mixed back; None where only loading would show it.
    """

    name: str
    state: State
    path: Path | None
    bytes: int
    architecture: str | None
    level_matched: bool | None
    aliases: tuple[str, ...] = ()
    card: dict[str, Any] = field(default_factory=dict)


def entries() -> list[Entry]:
    """The default first, then bundled, then released, then what else is in the cache. Nothing is verified.

    Raises:
        WeightsError: a bundled file is damaged. One in the cache is listed as damaged.
    """
    bundled = [
        Entry(i.name, "bundled", i.path, i.bytes, i.architecture, i.config.get("level_matched", True), card=i.card)
        for i in weights.list_models()
    ]
    others = [_pulled(path) for path in cache.pulled() if released.find_release(path.name) is None]
    return [*bundled, *map(entry_of_release, released.RELEASES), *others]


def entry_of_release(key: str) -> Entry:
    """One of the authors' checkpoints, by their name."""
    release = released.RELEASES[key]
    path = cache.find(key)
    size = release.bytes if path is None else path.stat().st_size
    state: State = "not pulled" if path is None else "in cache" if size == release.bytes else "damaged"
    return Entry(
        released.public_name(key), state, path, size, "mrx", release.level_matched, (key,), released.card_of(key)
    )


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        WeightsError: it cannot be read, or is larger than any file of weights.
    """
    try:
        check_largest(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        raise WeightsError(f"cannot read the weights {path}: {e.strerror or e}") from e


def digest_due(path: Path) -> tuple[str, str] | None:
    """Return the SHA-256 that a file must have, and who says so; None if nobody does.

    Raises:
        WeightsError: it is bundled, and the list of digests is missing.
    """
    if _is_in(path, weights.BUNDLED):
        digest = weights.bundled_digests().get(path.name)
        return (digest, "the list beside the bundled models") if digest else None
    key = released.find_release(path.name) if path.suffix in cache.SUFFIXES else None
    if key is not None and path.name == released.file_name(key):
        return released.RELEASES[key].sha256, "the authors' repository"
    if _is_in(path, cache.folder()) and (record := cache.read_record(path)) is not None:
        return record.sha256, "the record of its download"
    return None


def state_of(path: Path) -> State:
    """Return where a file of weights belongs."""
    if _is_in(path, weights.BUNDLED):
        return "bundled"
    return "in cache" if _is_in(path, cache.folder()) else "file"


def _is_in(path: Path, folder: Path) -> bool:
    return os.path.realpath(path.parent) == os.path.realpath(folder)


def _pulled(path: Path) -> Entry:
    """A file of the cache that is no release."""
    name, size = cache.name_of(path), path.stat().st_size
    record = cache.read_record(path)
    if record is not None and record.bytes != size:
        return Entry(name, "damaged", path, size, None, None)
    try:
        if weights.is_pytorch(path):
            return Entry(name, "damaged" if weights.is_cut_zip(path) else "in cache", path, size, None, None)
        check_size(path)
        info = weights.describe(path)
    except (WeightsError, OSError):
        return Entry(name, "damaged", path, size, None, None)
    matched = info.config.get("level_matched", True)
    return Entry(name, "in cache", path, size, info.architecture, matched, card=info.card)
