"""What other systems do otherwise, as far as it shows on this one: what they lack is taken away for a moment."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
import signal
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import films
from support.commands import ROOT, Ran

from cfork_cli.errors import FfmpegError, OutputClosed, OutputError, nobody_reads
from cfork_cli.ffmpeg import find, process
from cfork_cli.media import pipes
from cfork_cli.output import destination
from cfork_cli.output.pipe import PipeSink
from cfork_cli.signals import interruptible

POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
"""Modules of the standard library that Windows lacks."""


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has neither these functions of Linux nor its launcher's call."""
    sysconfig.get_config_vars()  # of this system, before it seems another one
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(fcntl, "F_SETPIPE_SZ", raising=False)


def imported_at_once(tree: ast.Module) -> Iterator[str]:
    """Modules that a file imports when it is imported, where a failure is not caught."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_nothing_that_windows_lacks_is_needed_to_import_a_file() -> None:
    for package in ("cfork", "cfork_cli", "model"):
        for path in sorted((ROOT / package).rglob("*.py")):
            found = POSIX_ONLY & set(imported_at_once(ast.parse(path.read_text(encoding="utf-8"))))
            assert not found, f"{path.relative_to(ROOT)} imports {found} at its top: Windows has none"


def test_a_film_is_looked_at_without_what_only_linux_has(mac: None, cfork: Callable[..., Ran], place: Path) -> None:
    films.make(place / "movie.mkv", films.Sound("flac"), seconds=0.5)
    ran = cfork("info", "movie.mkv", "--json")
    assert ran.code == 0
    assert "flac" in ran.out


def test_windows_takes_no_ffmpeg_of_the_current_folder(
    windows: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    downloads, programs = tmp_path / "downloads", tmp_path / "programs"
    for folder in (downloads, programs):
        folder.mkdir()
        for name in ("ffmpeg.exe", "ffprobe.exe"):
            (folder / name).touch(mode=0o755)
    monkeypatch.chdir(downloads)
    for variable in ("CFORK_FFMPEG", "CFORK_FFPROBE", "IMAGEIO_FFMPEG_EXE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join((".", "", f'"{programs}"')))
    assert find.find_ffmpeg() == str(programs / "ffmpeg.exe")
    assert find.find_ffprobe() == str(programs / "ffprobe.exe")
    assert find._on_path("ffmpeg", os.pathsep.join((".", ""))) is None


def test_windows_has_another_error_for_a_closed_pipe(windows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nobody_reads(BrokenPipeError())
    assert nobody_reads(OSError(errno.EINVAL, "Invalid argument"))
    assert not nobody_reads(OSError(errno.ENOSPC, "No space left on device"))

    def refuse(_descriptor: int, _data: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OutputClosed):
        PipeSink(1, Path("-"))._put(b"sound")


def test_elsewhere_an_invalid_argument_is_no_closed_pipe() -> None:
    assert not nobody_reads(OSError(errno.EINVAL, "Invalid argument"))


def test_pipes_are_opened_without_line_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setattr(pipes, "_BINARY", 0x8000)
    monkeypatch.setattr(os, "open", lambda _path, flags: asked.append(flags) or 99)
    assert pipes.open_input(tmp_path / "in") == 99
    assert pipes.open_output(tmp_path / "out") == 99
    assert asked == [os.O_RDONLY | 0x8000, os.O_WRONLY | 0x8000]


def test_a_file_that_a_scanner_holds_for_a_moment_gets_its_name(
    windows: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary, output = tmp_path / "temporary", tmp_path / "output"
    temporary.write_bytes(b"film")
    failures = [PermissionError(errno.EACCES, "used by another process")] * 3
    replace, waited = os.replace, []

    def busy(old: Path, new: Path) -> None:
        if failures:
            raise failures.pop()
        replace(old, new)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(destination.time, "sleep", waited.append)
    destination.give_name(temporary, output)
    assert output.read_bytes() == b"film"
    assert len(waited) == 3
    failures.extend([PermissionError(errno.EACCES, "for good")] * 9)
    temporary.touch()
    with pytest.raises(PermissionError):
        destination.give_name(temporary, output)


@pytest.mark.parametrize("name", ["a:b.mkv", "what?.mkv", "con.mkv", "NUL", "lpt1.wav", "dot.", 'say "hi".mkv'])
def test_names_that_windows_keeps_for_itself_are_refused_before_the_work(
    windows: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    with pytest.raises(OutputError, match="Windows takes no file"):
        destination.check_destination(tmp_path / name)
    destination.check_destination(tmp_path / "console.mkv")
    monkeypatch.setattr(sys, "platform", "linux")
    destination.check_destination(tmp_path / name)


def test_ctrl_break_ends_the_work_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR2, raising=False)
    with interruptible(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGUSR2)


def test_waiting_for_ffmpeg_leaves_room_for_ctrl_c(windows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    def starts(number: int) -> process.Child:
        return process.Child([sys.executable, "-c", f"import time; time.sleep({number})"])

    with starts(0) as child:
        wait = child._popen.wait

        def watched(timeout: float | None = None) -> int:
            waits.append(timeout)
            return wait(timeout)

        monkeypatch.setattr(child._popen, "wait", watched)
        assert child.wait() == 0
        assert set(waits) == {process.STEP_SECONDS}
    with pytest.raises(FfmpegError, match="could not be started"):
        process.Child(["/no/such/program"])
