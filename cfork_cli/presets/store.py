"""Where presets are: those of the package, and the user's own, which win where both have one name."""

from __future__ import annotations

import contextlib
import difflib
import os
from importlib import resources
from pathlib import Path

from cfork_cli import bounded
from cfork_cli.errors import OutputError, UsageError
from cfork_cli.presets.preset import Preset, check_name, read, write
from cfork_cli.text import printable


def folder() -> Path:
    """Return the folder of the user's own presets; it need not exist. `CFORK_CONFIG` names another one."""
    chosen = os.environ.get("CFORK_CONFIG")
    if chosen:
        return Path(os.path.expanduser(chosen)) / "presets"
    from platformdirs import user_config_path

    return user_config_path("cfork", appauthor=False) / "presets"


def names() -> tuple[str, ...]:
    """Return the names of all presets: ours in their order, then the user's own."""
    own = _own()
    return (*_BUILT_IN, *(name for name in own if name not in _BUILT_IN))


def presets() -> list[Preset]:
    """Return all presets that can be read, see `names`; a file that is none is left out.

    Use `load` to hear what is wrong with a file.
    """
    found = []
    for name in names():
        with contextlib.suppress(UsageError):
            found.append(load(name))
    return found


def load(name: str) -> Preset:
    """Return the preset of that name, or that in a file whose path ends in .toml.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    path = Path(name)
    if path.suffix.lower() == ".toml":
        return read(_text(path), path.stem, str(path))
    own = _own().get(name)
    if own is not None:
        return read(_text(own), name, str(own))
    if name in _BUILT_IN:
        text = resources.files(__package__).joinpath("built_in", f"{name}.toml").read_text(encoding="utf-8")
        return read(text, name, "built in")
    near = difflib.get_close_matches(name, names(), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names())}, and files named *.toml"
    raise UsageError(f"there is no preset '{printable(name)}': {hint}")


def save(preset: Preset, *, force: bool = False) -> Path:
    """Write a preset into the user's folder, whole or not at all; return its file.

    Args:
        force: whether the user's own preset of that name is replaced.

    Raises:
        UsageError: it may not be called so. OutputError: it is there already, or cannot be written.
    """
    path = folder() / f"{check_name(preset.name)}.toml"
    if path.exists() and not force:
        raise OutputError(f"the preset '{preset.name}' exists already ({path}): replace it with --force")
    is_new = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(write(preset), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if is_new:
            with contextlib.suppress(OSError):
                path.parent.rmdir()
        raise OutputError(
            f"'{path}' cannot be written ({error.strerror}): CFORK_CONFIG names another folder"
        ) from error
    return path


MOST_BYTES = bounded.MIB
"""Of a preset: those that can be written have some hundred."""

_BUILT_IN = ("clear-speech", "night", "cinema", "no-music", "dub", "voices")


def _own() -> dict[str, Path]:
    """Return the user's own presets: name -> file."""
    with contextlib.suppress(OSError):
        return {
            path.stem: path
            for path in sorted(folder().iterdir())
            if path.suffix == ".toml" and path.name[0] != "." and path.is_file()
        }
    return {}


def _text(path: Path) -> str:
    try:
        return bounded.read_text(path, MOST_BYTES)
    except OSError as error:
        raise UsageError(f"the preset '{path}' cannot be read ({error.strerror}): check its name") from error
    except ValueError as error:
        raise UsageError(f"the preset '{path}' is not text in UTF-8") from error
