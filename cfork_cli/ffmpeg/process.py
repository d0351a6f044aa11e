"""Find ffmpeg, and run it so that it can neither hang us, nor outlive us, nor read more than it was given.

Every ffmpeg of this package is started here: standard input closed or ours, standard error in a temporary file (a pipe
that nobody reads stops ffmpeg after 64 KB), and, on Linux, killed by the kernel when we die, even by `kill -9`.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, cast

from cfork_cli.errors import FfmpegError, OutputError
from cfork_cli.ffmpeg import spawn, watch
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.find import find_ffmpeg

PIPE_BYTES = 1 << 20
"""Size of the pipe to ffmpeg, the most that Linux gives without asking; the usual 64 KiB hold 0.17 s of stereo."""

READ_BYTES = 1 << 16
LAST_WORDS_SECONDS = 30.0
STEP_SECONDS = 0.2
LOG_BYTES = 65_536
"""Bytes that are read back of the end of ffmpeg's standard error."""

ANSWER_BYTES = 16 << 20
"""The most that a program answers in a short run: 80,000 chapters, as ffprobe tells of them."""


class TooMuch(FfmpegError):
    """A program answered more than it may."""


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold a second of sound or more, where the system can (Linux): neither end waits for the other then."""
    try:
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (ImportError, AttributeError, OSError):  # another system, or all of the user's pipes are too large together
        pass


class Child:
    """A running ffmpeg. A context manager: on leaving, it is killed if it still runs, and all is closed."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdin: bool | int = False,
        stdout: bool | int = False,
        patient: bool = False,
        source: Child | None = None,
    ) -> None:
        """Start it.

        Args:
            arguments: the program (an absolute path) and its arguments.
            stdin: whether we write to it (else its standard input is empty), or the open file that it reads.
            stdout: whether we read from it, or the open file that it writes to (else it is thrown away).
            patient: whether it waits for what is not ours, such as the user's pipe, which may take as long as it likes.
            source: another child, whose output it reads: while that one computes or reads, this one may rightly rest.

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
            stdin={True: subprocess.PIPE, False: subprocess.DEVNULL}[stdin] if isinstance(stdin, bool) else stdin,
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
        self.patient, self.moved, self.at_pipe = patient, 0, False
        self.source = source
        self.waiting = not stdin and not stdout  # nobody has to give it anything, or take anything
        self.name, self._stalled, self._flooded, self._ended = os.path.basename(arguments[0]), False, False, False
        if isinstance(self._popen.stdin, io.BufferedWriter):
            self._popen.stdin = io.BufferedWriter(cast("io.FileIO", watch.Pipe(self._popen.stdin.detach(), self)))
        if isinstance(self._popen.stdout, io.BufferedReader):
            self._popen.stdout = io.BufferedReader(watch.Pipe(self._popen.stdout.detach(), self), READ_BYTES)
        watch.begin(self)

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe to its standard input, if asked for."""
        if self._popen.stdin is None:
            raise ValueError("this child was started without standard input")
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe from its standard output, if asked for."""
        if self._popen.stdout is None:
            raise ValueError("this child was started without standard output")
        return self._popen.stdout

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._popen.pid

    def running(self) -> bool:
        """Return whether it has not ended yet."""
        return not self._has_ended(self._popen.poll())

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status (negative: the signal that killed it).

        Raises:
            FfmpegError: it had stopped, or complained without end, and was ended for that.
            subprocess.TimeoutExpired: it runs on.
        """
        before, self.waiting = self.waiting, True
        try:
            status = self._wait(timeout)
        finally:
            self.waiting = before
        self._has_ended(status)
        if self._stalled:
            raise FfmpegError(
                f"{self.name} did nothing for {watch.limit_seconds():g} s: is a disk or a network share hanging? "
                f"{watch.VARIABLE} sets how long is waited, 0 without end"
            )
        if self._flooded:
            last = complaint(self.log())
            raise FfmpegError(
                f"{self.name} was ended, since its complaints take more than {watch.MOST_SAID_BYTES >> 20} MiB"
                f"{f' (the last: {last[:200]})' if last else ''}: try another version of ffmpeg"
            )
        return status

    def _wait(self, timeout: float | None) -> int:
        # on Windows nobody hears Ctrl-C who waits without an end
        while timeout is None and sys.platform == "win32":
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._popen.wait(STEP_SECONDS)
        return self._popen.wait(timeout)

    def stall(self) -> None:
        """End it because it has stopped: see `watch`."""
        self._stalled = True
        self._kill_session()

    def said_bytes(self) -> int:
        """Return how much it has written to standard error."""
        try:
            return os.fstat(self._log.fileno()).st_size
        except (OSError, ValueError):  # closed meanwhile
            return 0

    def flood(self) -> None:
        """End it because its complaints have no end."""
        self._flooded = True
        self._kill_session()

    def _has_ended(self, status: int | None) -> bool:
        if status is not None and not self._ended:
            self._ended = True
            self._kill_session()  # what a wrapper started, and left
        return status is not None

    def _kill_session(self) -> None:
        """End it and what it has started: it is the first of a session and group of its own. On Windows, it alone."""
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._popen.pid, signal.SIGKILL)
            else:
                self._popen.kill()

    def last_status(self) -> int:
        """Return the exit status of a child that has closed its end of our pipe: it is about to end, and has said why.

        It is killed if it has not ended within `LAST_WORDS_SECONDS`.
        """
        try:
            return self.wait(LAST_WORDS_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.wait()

    def log(self) -> str:
        """Return the end of what it wrote to standard error."""
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - LOG_BYTES)
        if hasattr(os, "pread"):
            # the child shares our file offset: a seek while it runs would make it write over its own words
            data = os.pread(self._log.fileno(), LOG_BYTES, start)
        else:
            self._log.seek(start)
            data = self._log.read(LOG_BYTES)
            self._log.seek(0, os.SEEK_END)
        if start:  # a line that was cut in two says nothing
            data = data.partition(b"\n")[2]
        return data.decode("utf-8", errors="replace")

    def kill(self) -> None:
        """End it at once."""
        if self.running():
            self._kill_session()

    def close(self) -> None:
        """End it if it still runs, and give everything back."""
        self.kill()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was still buffered cannot be delivered to the dead
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # what hangs in the kernel dies when that lets it go
            self._has_ended(self._popen.wait(LAST_WORDS_SECONDS))
        watch.end(self)
        self._log.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Finished:
    """Exit status, standard output, and the end of standard error of a short run."""

    status: int
    output: bytes
    log: str


def run(
    arguments: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0, most: int = ANSWER_BYTES
) -> Finished:
    """Run a program that answers soon, and return its answer.

    Args:
        arguments: the program (an absolute path) and its arguments.
        stdin: what to feed it.
        timeout: seconds after which it is killed.
        most: bytes that it may answer; after that it is killed.

    Raises:
        FfmpegError: it cannot be started, or did not end in time.
        TooMuch: it answered more.
    """
    with Child(arguments, stdin=stdin is not None, stdout=True) as child:
        return finish(child, stdin=stdin, timeout=timeout, most=most)


def answer(*options: str) -> str:
    """Ask ffmpeg about itself ("-encoders") and return its standard output.

    Raises:
        FfmpegError: there is no ffmpeg, or it does not run.
    """
    program = find_ffmpeg()
    finished = run([program, "-hide_banner", *options])
    if finished.status != 0:
        why = complaint(finished.log) or f"it ended with status {finished.status}"
        raise FfmpegError(f"'{program}' does not run ({why}): repair it, or name another with CFORK_FFMPEG")
    return finished.output.decode("utf-8", "replace")


def run_together(commands: Sequence[Sequence[str]], *, timeout: float = 60.0) -> list[Finished]:
    """Run several programs at the same time and return their answers in the order of the commands; see `run`."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(Child(one, stdout=True)) for one in commands]
        answers = [_Answer(child, None, ANSWER_BYTES) for child in children]
        return [_finish(given, timeout) for given in answers]


class _Answer:
    """What a child answers, taken by a thread up to so many bytes, while another feeds it.

    The threads have descriptors of their own, which nobody closes behind their backs; they end when the child does.
    """

    def __init__(self, child: Child, stdin: bytes | None, most: int) -> None:
        self.child, self.most, self.data = child, most, bytearray()
        self._thread = threading.Thread(target=self._take, args=(os.dup(child.stdout.fileno()),), daemon=True)
        self._thread.start()
        if stdin is not None:
            threading.Thread(target=_feed, args=(os.dup(child.stdin.fileno()), stdin), daemon=True).start()
            child.stdin.close()

    def _take(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            while not self.is_too_much and (data := pipe.read(READ_BYTES)):
                self.data += data

    @property
    def is_too_much(self) -> bool:
        """Whether it answered more than it may."""
        return len(self.data) > self.most

    def wait(self, timeout: float) -> int | None:
        """Wait for the child's end; returns its status, or None where it does not end in time or says too much."""
        end = time.monotonic() + timeout
        while self._thread.is_alive() and (left := end - time.monotonic()) > 0:
            self._thread.join(min(left, STEP_SECONDS))  # on Windows nobody hears Ctrl-C who waits without an end
        if self._thread.is_alive() or self.is_too_much:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.child.wait(max(0.0, end - time.monotonic()))
        return None


def _feed(descriptor: int, data: bytes) -> None:
    # the child may have seen enough, or have ended: its exit status says so
    with contextlib.suppress(OSError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(data)


def finish(child: Child, *, stdin: bytes | None = None, timeout: float = 60.0, most: int = ANSWER_BYTES) -> Finished:
    """Wait for the answer and the end of a child that runs already; see `run`."""
    return _finish(_Answer(child, stdin, most), timeout)


def _finish(given: _Answer, timeout: float) -> Finished:
    given.child.waiting = True  # so that one that has stopped is ended sooner, where that was asked for
    status, name = given.wait(timeout), given.child.name
    if status is not None:
        return Finished(status, bytes(given.data), given.child.log())
    if given.is_too_much:
        raise TooMuch(f"{name} answered more than {given.most >> 20} MiB: repair it, or name another")
    raise FfmpegError(f"{name} did not answer within {timeout:.0f} s: is the disk or share slow?")
