"""The files of `cfork separate`: which sounds there are, what each file is called, and all of them or none."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from cfork_cli.console import SPOKEN_ORDER
from cfork_cli.destination import Sink, check_destination, publish_together
from cfork_cli.errors import OutputError, UsageError

MIXTURE, RESIDUAL = "mixture", "residual"
"""What may be written beside the stems."""

_NAMES = {
    "dialogue": "dialogue", "dialog": "dialogue", "speech": "dialogue", "voices": "dialogue",
    "music": "music", "effects": "effects", "sfx": "effects",
}  # fmt: skip

_FIELDS = ("stem", "name", "track", "language")


def stem_name(text: str) -> str:
    """The stem that the user means.

    Raises:
        UsageError: there is no such stem.
    """
    name = _NAMES.get(text.strip().lower())
    if name is None:
        raise UsageError(f"'{text}' is not a stem: choose dialogue, music or effects")
    return name


def stem_names(texts: Sequence[str]) -> tuple[str, ...]:
    """The stems that the user means, each once; all if none is named.

    Raises:
        UsageError: there is no such stem.
    """
    return tuple(dict.fromkeys(map(stem_name, texts))) or SPOKEN_ORDER


def residual_takers(text: str, stems: Sequence[str]) -> tuple[str, ...]:
    """Who gets what is missing from the stems: some of the stems, or a sound of its own, or nobody.

    Args:
        text: "none", "all", "file", or stems with commas between them.
        stems: those that are written.

    Raises:
        UsageError: it is anything else, or a stem that is not written.

    >>> residual_takers("music,sfx", ["dialogue", "music", "effects"])
    ('music', 'effects')
    """
    word = text.strip().lower()
    if word in ("none", "all", "file"):
        return {"none": (), "all": tuple(stems), "file": (RESIDUAL,)}[word]
    try:
        takers = stem_names(word.split(","))
    except UsageError as error:
        raise UsageError(
            f"'{text}' cannot take the residual: give none, all, file, or stems such as music,effects"
        ) from error
    for taker in takers:
        if taker not in stems:
            raise UsageError(f"{taker} cannot take the residual, because it is not written: add --stem {taker}")
    return takers


def file_names(template: str, sounds: Sequence[str], suffix: str, values: dict[str, str]) -> dict[str, str]:
    """The name of every sound's file.

    Args:
        template: with `{stem}`, `{name}`, `{track}` and `{language}` in it.
        sounds: what is written.
        values: for all fields but `stem`.

    Raises:
        UsageError: a field is unknown, two files would have one name, or it is no name.

    >>> file_names("{name}.{stem}", ["music"], "wav", {"name": "film", "track": "1", "language": "und"})
    {'music': 'film.music.wav'}
    """
    for field in re.findall(r"\{([^{}]*)\}", template):
        if field not in _FIELDS:
            fields = ", ".join(f"{{{one}}}" for one in _FIELDS)
            raise UsageError(f"the file name '{template}' has an unknown field {{{field}}}: there are {fields}")
    names = {}
    for sound in sounds:
        told = {**values, "stem": sound}
        stem = re.sub(r"\{(\w+)\}", lambda match, told=told: told[match[1]], template)  # type: ignore[misc]
        names[sound] = f"{stem}.{suffix}"
    if len(set(names.values())) < len(names):
        raise UsageError(f"the file name '{template}' is the same for all stems: put {{stem}} into it")
    for name in names.values():
        if Path(name).name != name or name.startswith("."):
            raise UsageError(f"'{name}' is not a file name: --template names files, -o the folder for them")
    return names


def check_folder(folder: Path) -> None:
    """Find out whether stems can go there; a missing folder is fine if its parent can take it.

    Raises:
        OutputError: it is a file, or there is no place to make it.
    """
    try:
        if folder.is_dir():
            return
        if folder.exists():
            raise OutputError(f"'{folder}' is a file: give a folder for the stems with -o")
    except OSError as error:
        raise OutputError(f"the folder '{folder}' cannot be used ({error.strerror}): choose another with -o") from error
    check_destination(folder)


class StemFiles:
    """A file for each sound. A context manager: an error leaves no new one behind.

    Attributes:
        samples: how many (of each channel) were written.
        notes: after the end, what the user should know (samples that had to be cut).
    """

    def __init__(self, files: dict[str, Path], open_sink: Callable[[str, Path], Sink]) -> None:
        """Make the folder if it is missing, and open all files.

        Args:
            files: what is written -> where; all in one folder.
            open_sink: makes the sink of one file.

        Raises:
            OutputError, UsageError, FfmpegError: one of them cannot be opened. Nothing is left then.
        """
        self.samples = 0
        self.notes: tuple[str, ...] = ()
        self._sinks: list[Sink] = []
        folder = next(iter(files.values())).parent
        self._made = None if folder.exists() else folder
        try:
            if self._made is not None:
                folder.mkdir()
        except OSError as error:
            raise OutputError(f"'{folder}' cannot be made ({error.strerror}): choose another folder with -o") from error
        try:
            for name, path in files.items():
                self._sinks.append(open_sink(name, path))
        except BaseException:
            self._abort()
            raise

    def write(self, sounds: np.ndarray) -> None:
        """Write samples of all sounds, float32 `[sounds, channels, samples]`, in the order of the files."""
        for sink, sound in zip(self._sinks, sounds, strict=True):
            sink.write(sound)
        self.samples += sounds.shape[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            publish_together(self._sinks)
        except BaseException:
            self._abort()
            raise
        self.notes = tuple(note for sink in self._sinks for note in sink.notes)

    def _abort(self) -> None:
        for sink in self._sinks:
            sink.abort()
        if self._made is not None:
            with contextlib.suppress(OSError):  # not empty: somebody else's files are in it now
                self._made.rmdir()
