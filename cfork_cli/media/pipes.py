"""Standard input and output, and named pipes: what can be read only once, and written only forward."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfork_cli.errors import InputError, OutputError, UsageError
from cfork_cli.ffmpeg.command import raw_input_options
from cfork_cli.media.layouts import speakers

CHUNK_BYTES = 1 << 16

_BINARY = getattr(os, "O_BINARY", 0)
"""Windows would otherwise put a carriage return before every byte that looks like the end of a line."""

_STDIN = {"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}
_STDOUT = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}
_STANDARD_INPUT = Path("standard input")

RAW_INPUTS = {
    "u8", "s8", "s16le", "s16be", "u16le", "u16be", "s24le", "s24be", "u24le", "u24be", "s32le", "s32be", "u32le",
    "u32be", "f32le", "f32be", "f64le", "f64be", "alaw", "mulaw",
}  # fmt: skip
"""Formats of bare samples that ffmpeg reads; the data itself does not show its format."""


@dataclass(frozen=True)
class RawFormat:
    """Format of bare samples. layout: ffmpeg's name, or None."""

    name: str
    sample_rate: int
    channels: int
    layout: str | None = None

    def options(self) -> dict[str, str]:
        """ffmpeg's options before such an input."""
        return {**raw_input_options(self.sample_rate, self.channels, self.layout), "f": self.name}


def is_input_pipe(path: Path) -> bool:
    """Return whether an input is standard input or another pipe, rather than a file."""
    return os.fspath(path) in _STDIN or _is_pipe(path)


def is_output_pipe(path: Path | None) -> bool:
    """Return whether an output is standard output or another pipe."""
    return path is not None and (os.fspath(path) in _STDOUT or _is_pipe(path))


def is_stdout(path: Path | None) -> bool:
    """Return whether an output is standard output."""
    return path is not None and os.fspath(path) in _STDOUT


def stdout_is_taken(arguments: Sequence[str]) -> bool:
    """Return whether a command line asks for sound on standard output, as far as it shows before it is parsed.

    >>> [stdout_is_taken(line.split()) for line in ("remix - -o x.mkv", "remix a.mkv -o -", "remix - --music 3")]
    [False, True, True]
    """
    outputs: list[str] = []
    for place, word in enumerate(arguments):
        if word in ("-o", "--output"):
            outputs += arguments[place + 1 : place + 2]
        elif word.startswith("--output="):
            outputs.append(word.partition("=")[2])
        elif word.startswith("-o") and not word.startswith("--"):
            outputs.append(word[2:])
    if outputs:
        return outputs[-1] in _STDOUT
    return arguments[:1] in (["remix"], ["separate"]) and not _STDIN.isdisjoint(arguments[1:])


def natural_output(input: Path) -> Path | None:
    """Return the output that goes with an input if none was named: a pipe for a pipe, None (beside it) for a file."""
    return Path("-") if is_input_pipe(input) else None


def raw_format(name: str | None, sample_rate: int | None, channels: int | None, layout: str | None) -> RawFormat | None:
    """Return the format of bare samples that the user describes; None if there is no such description.

    Raises:
        UsageError: it is not enough, or makes no sense.
    """
    if name is None:
        if (sample_rate, channels, layout) != (None, None, None):
            raise UsageError("--rate, --channels and --layout describe bare samples: add --input-format, such as f32le")
        return None
    if name not in RAW_INPUTS:
        raise UsageError(f"'{name}' are no bare samples: give f32le, s16le, s24le, ..., or leave --input-format away")
    count = channels
    if layout is not None:
        found = speakers(layout)
        if found is None:
            raise UsageError(f"'{layout}' is no layout that ffmpeg knows: 'ffmpeg -layouts' lists them")
        count = len(found)
        if channels not in (None, count):
            raise UsageError(f"'{layout}' has {count} channels, not {channels}: leave --channels away")
    if sample_rate is None or count is None or not 1 <= sample_rate <= 1_000_000 or not 1 <= count <= 64:
        raise UsageError("bare samples carry no header: add --rate 48000, and --channels 2 or --layout 5.1")
    return RawFormat(name, sample_rate, count, layout)


def check_terminal(output: Path | None) -> None:
    """Refuse, before any work, to pour sound over a terminal.

    Raises:
        UsageError: standard output is one.
    """
    if is_stdout(output) and os.isatty(1):
        raise UsageError("a terminal cannot play sound: pipe it into a player, or name a file with -o")


def display_name(path: Path) -> Path:
    """Return the name of an input for messages."""
    return _STANDARD_INPUT if os.fspath(path) in _STDIN else path


def redirected_file(path: Path) -> Path | None:
    """The file that standard input really is (`cfork remix - < film.mkv`), if it can be found and is at its start."""
    if os.fspath(path) not in _STDIN:
        return None
    try:
        if not stat.S_ISREG(os.fstat(0).st_mode) or os.lseek(0, 0, os.SEEK_CUR) != 0:
            return None
        file = Path(os.readlink("/proc/self/fd/0"))
        return file if os.path.samestat(file.stat(), os.fstat(0)) else None
    except OSError:
        return None


def open_input(path: Path) -> int:
    """Open a pipe, or take standard input; returns its descriptor.

    Raises:
        UsageError: standard input is a terminal.
        InputError: it cannot be read.
    """
    try:
        if os.fspath(path) in _STDIN:
            if os.isatty(0):
                raise UsageError("standard input is the terminal: pipe a film into cfork, or name a file")
            return os.dup(0)
        return os.open(path, os.O_RDONLY | _BINARY)
    except OSError as error:
        raise InputError(f"'{display_name(path)}' cannot be read: {error.strerror}") from error


def open_output(path: Path) -> int:
    """Open a pipe, or take standard output; returns its descriptor.

    Raises:
        UsageError: standard output is a terminal.
        OutputError: it cannot be written.
    """
    try:
        if os.fspath(path) in _STDOUT:
            check_terminal(path)
            return os.dup(1)
        return os.open(path, os.O_WRONLY | _BINARY)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror}") from error


def chunks(descriptor: int) -> Iterator[bytes]:
    """Yield what comes through a pipe, as soon as it comes."""
    while data := os.read(descriptor, CHUNK_BYTES):
        yield data


def _is_pipe(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
