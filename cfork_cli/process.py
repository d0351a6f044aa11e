"""Find ffmpeg, and run it so that it can neither hang us, nor outlive us, nor read more than it was given.

Every ffmpeg of this package is started here: standard input closed or ours, standard error in a temporary file (a pipe
that nobody reads stops ffmpeg after 64 KB), and, on Linux, killed by the kernel when we die, even by `kill -9`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from cfork_cli import spawn
from cfork_cli.errors import FfmpegError, OutputError

QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error")
"""Options that every ffmpeg gets: it never asks, and prints nothing but errors."""

PROTOCOLS = "file,pipe"
"""What an input may open: a playlist must not reach the network."""

PIPE_BYTES = 1 << 20
"""Of the pipe to ffmpeg; the usual 64 KiB hold 0.17 s of stereo. The most that Linux gives without asking."""

LOG_BYTES = 65_536
"""How much of the end of ffmpeg's standard error is read back."""


def find_ffmpeg() -> str:
    """Path of the ffmpeg to use: `CFORK_FFMPEG`, else the one on PATH, else the one that `imageio-ffmpeg` carries.

    Raises:
        FfmpegError: there is none, or `CFORK_FFMPEG` names no program.
    """
    named = _named_program("CFORK_FFMPEG")
    if named is not None:
        return named
    found = shutil.which("ffmpeg")
    if found is not None:
        return os.path.abspath(found)
    try:
        import imageio_ffmpeg

        return os.path.abspath(str(imageio_ffmpeg.get_ffmpeg_exe()))
    except (ImportError, RuntimeError) as error:
        raise FfmpegError(
            "ffmpeg was not found: install it (for example 'apt install ffmpeg'), or 'pip install imageio-ffmpeg'"
        ) from error


def find_ffprobe() -> str | None:
    """Path of the ffprobe to use: `CFORK_FFPROBE`, else the one beside our ffmpeg, else the one on PATH, else None.

    None means that PyAV does the probing (see `pyav_probe`): imageio-ffmpeg brings no ffprobe.

    Raises:
        FfmpegError: `CFORK_FFPROBE` names no program.
    """
    named = _named_program("CFORK_FFPROBE")
    if named is not None:
        return named
    if os.environ.get("CFORK_FFMPEG"):
        # The two must be of one version: they may disagree about start times.
        beside = shutil.which("ffprobe", path=os.path.dirname(find_ffmpeg()))
        if beside is not None:
            return os.path.abspath(beside)
    found = shutil.which("ffprobe")
    return None if found is None else os.path.abspath(found)


def _named_program(variable: str) -> str | None:
    name = os.environ.get(variable)
    if not name:
        return None
    found = shutil.which(name)
    if found is None:
        raise FfmpegError(f"{variable} is set to '{name}', which is not a program: correct it or unset it")
    return os.path.abspath(found)


def url(path: Path | str) -> str:
    """The name of a local file as ffmpeg must be given it, so that no part of it is read as a protocol or an option."""
    return "file:" + os.fspath(path)


def command(program: str, graph: Any, values: Mapping[str, str | Sequence[str]]) -> list[str]:
    """Compile a ffmpeg-python graph, then put in the values that ffmpeg-python cannot carry.

    It hashes its arguments as UTF-8, which a file name in another encoding breaks, and it turns a list into its `repr`
    instead of repeating the option. So both travel as short stand-ins.

    Args:
        program: path of ffmpeg.
        graph: an output node of ffmpeg-python.
        values: stand-in -> the argument to put there, or several, for each of which the option is repeated.

    Returns:
        The whole command line.
    """
    arguments: list[str] = []
    for argument in graph.compile(cmd=program):
        value = values.get(argument)
        if value is None:
            arguments.append(argument)
        elif isinstance(value, str):
            arguments.append(value)
        else:
            option = arguments.pop()
            for one in value:
                arguments += [option, one]
    return [arguments[0], *QUIET, *arguments[1:]]


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold a second of sound or more, where the system can (Linux): neither end waits for the other then."""
    try:
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (ImportError, AttributeError, OSError):  # another system, or all of the user's pipes are too large together
        pass


class Child:
    """A running ffmpeg. A context manager: on leaving, it is killed if it still runs, and all is closed."""

    def __init__(self, arguments: Sequence[str], *, stdin: bool = False, stdout: bool | int = False) -> None:
        """Start it.

        Args:
            arguments: the program (an absolute path) and its arguments.
            stdin: whether we write to it (else its standard input is empty).
            stdout: whether we read from it, or the open file that it writes to (else it is thrown away).

        Raises:
            FfmpegError: the program cannot be started.
            OutputError: there is no room for a temporary file.
        """
        try:
            self._log = tempfile.TemporaryFile(prefix="cfork-")  # noqa: SIM115 (lives as long as the child)
        except OSError as error:
            raise OutputError(f"no temporary file could be made ({error.strerror}): free some space") from error
        starting = spawn.start(
            arguments,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout={True: subprocess.PIPE, False: subprocess.DEVNULL}[stdout] if isinstance(stdout, bool) else stdout,
            stderr=self._log,
        )
        try:
            self._popen: subprocess.Popen[bytes] = starting.result()
        except OSError as error:
            self._log.close()
            raise FfmpegError(f"'{arguments[0]}' could not be started: {error.strerror}") from error
        except BaseException:  # interrupted while the other thread was starting it
            with contextlib.suppress(OSError):
                starting.result().kill()
            self._log.close()
            raise
        # Not the other way: some kernels do not wake whoever waits to write into a pipe that grows meanwhile.
        if self._popen.stdin is not None:
            _widen(self._popen.stdin)

    @property
    def stdin(self) -> IO[bytes]:
        """Where to write, if asked for."""
        if self._popen.stdin is None:
            raise ValueError("this child was started without standard input")
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Where to read, if asked for."""
        if self._popen.stdout is None:
            raise ValueError("this child was started without standard output")
        return self._popen.stdout

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._popen.pid

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status (negative: the signal that killed it)."""
        return self._popen.wait(timeout)

    def log(self) -> str:
        """The end of what it wrote to standard error."""
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - LOG_BYTES)
        if hasattr(os, "pread"):
            # the child shares our file offset: a seek while it runs would make it write over its own words
            data = os.pread(self._log.fileno(), LOG_BYTES, start)
        else:
            self._log.seek(start)
            data = self._log.read(LOG_BYTES)
            self._log.seek(0, os.SEEK_END)
        return data.decode("utf-8", errors="replace")

    def kill(self) -> None:
        """End it at once."""
        if self.running():
            self._popen.kill()

    def close(self) -> None:
        """End it if it still runs, and give everything back."""
        self.kill()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was still buffered cannot be delivered to the dead
                    pipe.close()
        self._popen.wait()
        self._log.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Finished:
    """What a short run left: exit status, standard output, and the end of standard error."""

    status: int
    output: bytes
    log: str


def run(arguments: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0) -> Finished:
    """Run a program that answers soon, and collect what it says.

    Args:
        arguments: the program (an absolute path) and its arguments.
        stdin: what to feed it.
        timeout: seconds after which it is killed.

    Raises:
        FfmpegError: it cannot be started, or did not end in time.
    """
    with Child(arguments, stdin=stdin is not None, stdout=True) as child:
        return _finish(child, arguments[0], stdin, timeout)


def run_together(commands: Sequence[Sequence[str]], *, timeout: float = 60.0) -> list[Finished]:
    """The same for several at a time; the answers are in the order of the commands."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(Child(one, stdout=True)) for one in commands]
        return [_finish(child, one[0], None, timeout) for child, one in zip(children, commands, strict=True)]


def _finish(child: Child, program: str, stdin: bytes | None, timeout: float) -> Finished:
    try:
        output, _ = child._popen.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as error:
        why = f"{os.path.basename(program)} did not answer within {timeout:.0f} s: is the disk or share slow?"
        raise FfmpegError(why) from error
    return Finished(child.wait(), output, child.log())


def words(log: str) -> str:
    """The line of ffmpeg's standard error that says what went wrong: one line, without addresses. May be empty.
    Where the lines tell their level (`-loglevel level+info`), only errors count.
    """
    lines = [re.sub(r"^(\[[^\]]* @ 0x[0-9a-f]+\] ?)+", "", line).strip() for line in log.splitlines()]
    leveled = [match for line in lines if (match := re.match(r"\[(panic|fatal|error|warning|info)\] (.*)", line))]
    if leveled:
        lines = [match[2] for match in leveled if match[1] not in ("warning", "info")]
    said = [line for line in lines if line and not re.fullmatch(r"[a-z0-9_]+= *\S*", line)]
    return said[0] if said else ""
