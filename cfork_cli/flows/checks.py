"""Checks before the work that need neither torch nor a look at the film."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from cfork_cli.errors import ModelError, UsageError


def check_model(name: str) -> None:
    """Find a missing model before the work.

    Raises:
        ModelError: there is none of that name.
    """
    from model.hub.weights import WeightsError, resolve

    try:
        resolve(name)
    except WeightsError as error:
        raise ModelError(str(error)) from error


def model_digest(name: str) -> str:
    """Return the SHA-256 of a model's file.

    Raises:
        ModelError: there is none of that name, it cannot be read, or it is larger than any model.
    """
    from model.hub.container import WeightsError, check_largest
    from model.hub.weights import resolve

    try:
        path = resolve(name)
        check_largest(path)
        found = path.stat()
        return _file_digest(path, found.st_size, found.st_mtime_ns)
    except WeightsError as error:
        raise ModelError(str(error)) from error
    except OSError as error:
        raise ModelError(f"the model '{name}' cannot be read ({error.strerror}): choose another --model") from error


@lru_cache(maxsize=8)
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:
    """Return the SHA-256 of a file as it is at that size and time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_levels(model: str, force: bool) -> tuple[str, ...]:
    """Refuse a model whose stems cannot be mixed back; with `force`, return the warning instead.

    Raises:
        ModelError: they cannot, or nothing tells.
    """
    from model.hub.weights import WeightsError, is_level_matched

    try:
        if is_level_matched(model):
            return ()
    except WeightsError as error:
        raise ModelError(str(error)) from error
    if not force:
        raise levels_differ(model)
    return (f"the stems of '{model}' do not have the film's level: the new levels are not what was asked for",)


def levels_differ(model: str) -> ModelError:
    """Return the error about a model whose stems cannot be mixed back."""
    return ModelError(
        f"the stems of '{model}' do not keep the film's level, so they cannot be mixed back: "
        "choose another --model, or insist with --force-model"
    )


def check_lufs(lufs: float | None) -> None:
    """Refuse what is no loudness of a sound track.

    Raises:
        UsageError: it is not from -140 to 50 LUFS.
    """
    if lufs is not None and not -140 <= lufs <= 50:  # also true of NaN
        raise UsageError(f"{lufs} LUFS is no loudness of a sound track: give -140 to 50, or leave --input-lufs away")
