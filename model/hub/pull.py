"""From a name or an address to a checked file in the cache; safe for two at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from . import cache, container, download, released, weights
from .container import WeightsError
from .partial import shown

MIRROR = "CFORK_MODELS_URL"
"""Environment variable: the address under which a mirror has the released files, by the authors' names."""


@dataclass(frozen=True)
class Wanted:
    """A model to pull: its name here, its address, its file in the cache, and its checksum and size if known."""

    name: str
    url: str
    path: Path
    sha256: str | None
    bytes: int | None


@dataclass(frozen=True)
class Pulled:
    """A model that is in the cache now; `fresh` if it was not before."""

    path: Path
    sha256: str
    fresh: bool


def find(
    name_or_url: str, *, mirror: str | None = None, name: str | None = None, sha256: str | None = None
) -> Wanted | None:
    """Find the model that the user means, offline. None for a bundled model: there is nothing to pull.

    Args:
        name_or_url: a released model, or the http(s) address of any file of weights.
        mirror: where the released files are, instead of the authors' place and `CFORK_MODELS_URL`.
        name: local name of the model behind an address; None takes that of its file.
        sha256: of the file behind an address, in hexadecimal, if known.

    Raises:
        WeightsError: there is no such model, or the name cannot be given.
    """
    if "://" not in name_or_url:
        key = released.find_release(name_or_url)
        if key is None:
            if (weights.BUNDLED / f"{name_or_url}.safetensors").is_file():
                return None
            names = ", ".join(map(released.public_name, released.RELEASES))
            raise WeightsError(
                f"no model to pull is called {name_or_url!r}; choose {names}, or give an https:// address"
            )
        base = mirror or os.environ.get(MIRROR) or released.BASE_URL
        _path_of(base)
        return _release(key, f"{base.rstrip('/')}/{released.file_name(key)}")
    last = unquote(_path_of(name_or_url)).rpartition("/")[2]
    if name is None and (key := released.find_release(last)) is not None:
        return _release(key, name_or_url)
    called = name or last
    if name is not None and Path(name).suffix not in cache.SUFFIXES:
        called += Path(last).suffix
    suffixes = ", ".join(cache.SUFFIXES)
    if Path(called).suffix not in cache.SUFFIXES:
        raise WeightsError(
            f"{shown(name_or_url)} does not say what kind of file it is ({suffixes}); name it: --name my.safetensors"
        )
    try:
        path = cache.folder() / cache.check_name(called)
    except ValueError as e:
        raise WeightsError(f"{e}; give one with --name") from e
    taken = cache.find(path.stem)
    if (
        (weights.BUNDLED / f"{path.stem}.safetensors").exists()
        or released.find_release(path.stem)
        or taken not in (None, path)
    ):
        raise WeightsError(f"the name {path.stem!r} is taken by another model; give one with --name")
    return Wanted(path.stem, name_or_url, path, sha256 and sha256.lower(), None)


def pull(
    wanted: Wanted,
    *,
    force: bool = False,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    note: Callable[[str], None] = lambda words: None,
    timeout: float = download.TIMEOUT_SECONDS,
) -> Pulled:
    """Have the file in the cache, downloading what is missing of it.

    Args:
        force: download even what is here.
        progress, note, timeout: see `download.download`.

    Raises:
        WeightsError: the file could not be had, or is not what was due. OSError: the cache cannot be written.
    """
    path = wanted.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path, note):
        here = None if force else _here(wanted, note)
        if here is not None:
            return Pulled(path, here, fresh=False)
        digest = download.download(
            wanted.url, path, sha256=wanted.sha256, size=wanted.bytes, is_it=_check_kind,
            progress=progress, note=note, timeout=timeout,
        )  # fmt: skip
        cache.write_record(path, cache.Record(shown(wanted.url), digest, path.stat().st_size))
    return Pulled(path, digest, fresh=True)


def _path_of(url: str) -> str:
    """WeightsError if it is no address at all."""
    try:
        return urlsplit(url).path
    except ValueError as e:
        raise WeightsError(f"{url!r} is no web address ({e})") from e


def _release(key: str, url: str) -> Wanted:
    release = released.RELEASES[key]
    path = cache.folder() / released.file_name(key)
    return Wanted(released.public_name(key), url, path, release.sha256, release.bytes)


def _here(wanted: Wanted, note: Callable[[str], None]) -> str | None:
    """The digest of the file if it is here already, whole and the right one; None if it has to be downloaded.

    Raises:
        WeightsError: another model has that name.
    """
    if not wanted.path.is_file():
        return None
    record = cache.read_record(wanted.path)
    if wanted.sha256 is None and (record is None or record.url != shown(wanted.url)):
        origin = record.url if record else "elsewhere"
        raise WeightsError(
            f"there is a model {wanted.name!r} already, from {origin}; give this one a --name, or replace that: --force"
        )
    known = wanted.sha256 or (record.sha256 if record else None)
    with wanted.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest == known:
        return digest
    note(f"the file that is here, {wanted.path}, is damaged or another version: pulling it again")
    return None


def _check_kind(path: Path) -> None:
    """WeightsError if a file of unknown digest is certainly no weights, or says itself that it is damaged."""
    with path.open("rb") as file:
        start = file.read(4)
    if not start.startswith(weights.PYTORCH_STARTS):
        container.check(path)
    elif weights.is_cut_zip(path):
        raise WeightsError(f"{path.name} is damaged or was cut off; get the file again")


@contextlib.contextmanager
def _alone(path: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a file of the cache; the system frees it whatever becomes of us."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        note(f"another cfork is pulling {path.name} already: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
