"""The sound files of `cfork separate`: one for each stem, all of them or none."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from cfork_cli.destination import check_destination
from cfork_cli.errors import OutputError, UsageError
from cfork_cli.sound_file import SoundFileSink, Subtype

_SUBTYPES: dict[str, dict[int, Subtype]] = {
    "wav": {32: "float32", 24: "pcm24", 16: "pcm16"},
    "flac": {24: "pcm24", 16: "pcm16"},
}
_NAMES = {
    "dialogue": "dialogue", "dialog": "dialogue", "speech": "dialogue", "voices": "dialogue",
    "music": "music", "effects": "effects", "sfx": "effects",
}  # fmt: skip


def subtype(format: str, bits: int | None) -> Subtype:
    """The samples of a format: the best it has, or those with `bits`.

    Raises:
        UsageError: the format has no such samples.

    >>> subtype("flac", None), subtype("wav", 16)
    ('pcm24', 'pcm16')
    """
    known = _SUBTYPES[format]
    chosen = known.get(max(known) if bits is None else bits)
    if chosen is None:
        raise UsageError(f"{format.upper()} files have {' or '.join(map(str, known))} bits here, not {bits}")
    return chosen


def stem_name(text: str) -> str:
    """The stem that the user means.

    Raises:
        UsageError: there is no such stem.
    """
    name = _NAMES.get(text.strip().lower())
    if name is None:
        raise UsageError(f"'{text}' is not a stem: choose dialogue, music or effects")
    return name


def check_channels(format: str, channels: int) -> None:
    """Find out whether the format takes that many channels.

    Raises:
        UsageError: it does not.
    """
    if format == "flac" and channels > 8:
        raise UsageError(f"FLAC holds at most 8 channels, not {channels}: leave --format flac away")


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
    """A sound file for each stem. A context manager: an error leaves no new one behind.

    Attributes:
        samples: how many (of each channel) were written.
        notes: after the end, what the user should know (samples that had to be cut).
    """

    def __init__(
        self,
        files: dict[str, Path],
        *,
        sample_rate: int,
        channels: int,
        subtype: Subtype,
        source: Path,
        force: bool,
        expected_seconds: float | None,
    ) -> None:
        self.samples = 0
        self.notes: tuple[str, ...] = ()
        self._sinks: list[SoundFileSink] = []
        self._replaced = {path for path in files.values() if path.exists()}
        self._published: list[Path] = []
        folder = next(iter(files.values())).parent
        self._made = None if folder.exists() else folder
        try:
            if self._made is not None:
                folder.mkdir()
        except OSError as error:
            raise OutputError(f"'{folder}' cannot be made ({error.strerror}): choose another folder with -o") from error
        expected = None if expected_seconds is None else round(expected_seconds * sample_rate)
        try:
            for path in files.values():
                self._sinks.append(
                    SoundFileSink(
                        path, sample_rate=sample_rate, channels=channels, subtype=subtype, expected_samples=expected,
                        source=source, force=force,
                    )
                )  # fmt: skip
        except BaseException:
            self._abort()
            raise

    def write(self, stems: np.ndarray) -> None:
        """Write samples of all stems, float32 `[stems, channels, samples]`, in the order of the files."""
        for sink, stem in zip(self._sinks, stems, strict=True):
            sink.write(stem)
        self.samples += stems.shape[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            for sink in self._sinks:
                sink.finish()  # all that can well fail fails here, before the first file appears
            for sink in self._sinks:
                sink.publish()
                self._published.append(sink.output)
        except BaseException:
            self._abort()
            raise
        self.notes = tuple(note for sink in self._sinks for note in sink.notes)

    def _abort(self) -> None:
        for sink in self._sinks:
            sink.abort()
        for path in self._published:  # before another failed
            if path not in self._replaced:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        if self._made is not None:
            with contextlib.suppress(OSError):  # not empty: somebody else's files are in it now
                self._made.rmdir()
