"""Run a trial and see what becomes of it: as a process of its own, or as a fork of one that has imported everything.

Both are processes with their own limits, signals and children; a fork only saves the start of the interpreter. Whoever
calls this must have no threads of its own that matter, and becomes the foster parent of every process that is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from faults.opened import Opened
from faults.trial import Seen, Trial, listing

ROOT = Path(__file__).parents[2]
GRACE_SECONDS = 10.0
"""Within which processes that were told to end must be gone."""
STEP_SECONDS = 0.01
MOST_BYTES = 8 << 20
"""Of output that is kept."""
ADDRESS_SPACE_BYTES = 12 << 30
"""That any run and its children may have, so that no film takes the machine away from others."""


@dataclass
class Running:
    """A command that runs, for what is done to it meanwhile."""

    pid: int
    trial: Trial
    began: float
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Since its start."""
        return time.monotonic() - self.began

    def send(self, number: int) -> bool:
        """Send it a signal; False if it has gone."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def children(self) -> list[tuple[int, str]]:
        """Its ffmpegs and ffprobes: numbers and command lines."""
        found = []
        for pid in descendants(self.pid):
            line = command_line(pid)
            if "ffmpeg" in line or "ffprobe" in line:
                found.append((pid, line))
        return found

    @property
    def out(self) -> bytes:
        """What it has printed so far."""
        return _read(log_folder(self.trial) / "out")


def log_folder(trial: Trial) -> Path:
    """Where standard output and error of a trial are kept: beside its folder."""
    return trial.folder.parent / "logs"


def temporary_folder(trial: Trial) -> Path:
    """Where its temporary files go: beside its folder."""
    return trial.folder.parent / "tmp"


def become_foster_parent() -> None:
    """Get every process whose parent dies (Linux: PR_SET_CHILD_SUBREAPER)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1)


def descendants(pid: int) -> list[int]:
    """Return the numbers of all children, and of theirs."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    for child in map(int, file.read().split()):
                        found += [child, *descendants(child)]
    return found


def command_line(pid: int) -> str:
    """Return how a process was started; "" if it is gone or a zombie."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def environment(trial: Trial) -> dict[str, str]:
    """Return what a trial sees of the environment: little, and its own places for everything."""
    home = trial.folder.parent / "home"
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache"),
        "CFORK_CACHE": str(home / "models"), "MPLCONFIGDIR": str(home / "mpl"), "TMPDIR": str(temporary_folder(trial)),
        "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
        **trial.environment,
    }  # fmt: skip


def start(trial: Trial, number: int = 0) -> int:
    """Start the command; returns its process number. The folders must be there."""
    logs = log_folder(trial)
    readable, writable = os.pipe() if isinstance(trial.stdin, bytes) else (-1, -1)
    given = environment(trial)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forks beside threads: they only wait
        pid = os.fork()
    if pid:
        if readable >= 0:
            os.close(readable)
            _feed(writable, trial.stdin if isinstance(trial.stdin, bytes) else b"")
        return pid
    code = 70
    try:
        os.setsid()
        os.chdir(trial.folder)
        if readable >= 0:
            os.close(writable)
        stdin = readable if readable >= 0 else os.open(trial.stdin or os.devnull, os.O_RDONLY)
        mark = str(number or "")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        stdout = os.open(trial.stdout or logs / f"out{mark}", flags, 0o644)
        stderr = os.open(logs / f"err{mark}", flags, 0o644)
        for descriptor, place in ((stdin, 0), (stdout, 1), (stderr, 2)):
            os.dup2(descriptor, place)
        os.closerange(3, 256)
        for place in trial.closed:
            os.close(place)
        for name, most in {"RLIMIT_AS": ADDRESS_SPACE_BYTES, **trial.limits}.items():
            resource.setrlimit(getattr(resource, name), (most, most))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in ("SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        if trial.real or trial.prefix:
            line = [*trial.prefix, sys.executable, "-m", "cfork", *trial.arguments]
            os.execvpe(line[0], [os.fsencode(word) for word in line], given)
        code = _command(trial, given)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:  # before or after the command itself: what happens there only a real process shows
        os.write(2, b"cfork: interrupted\n")
        code = 130
    finally:
        os._exit(code)


def _command(trial: Trial, given: Mapping[str, str]) -> int:
    """The command itself, in a fork."""
    import tempfile

    from cfork_cli import app

    os.environ.clear()
    os.environ.update(given)
    tempfile.tempdir = None
    sys.argv = ["cfork", *trial.arguments]
    if trial.patch is not None:
        trial.patch()
    app.main()


def _feed(writable: int, data: bytes) -> None:
    """Write into a pipe from a process of its own, which ends when nobody reads."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            while data:
                data = data[os.write(writable, data) :]
        finally:
            os._exit(0)
    os.close(writable)
    _feeders.add(pid)


_feeders: set[int] = set()
helpers: set[int] = set()
"""Processes of our own that outlive trials."""


def end(pid: int) -> None:
    """End a process of our own."""
    helpers.discard(pid)
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def tried(trial: Trial, reached: Callable[[], int] = lambda: 0) -> Seen:
    """Run a trial to its end.

    Args:
        reached: how many connections came to the listening counter so far.
    """
    for folder in (log_folder(trial), temporary_folder(trial), trial.folder.parent / "home"):
        folder.mkdir(exist_ok=True)
    before, heard = listing(trial.folder), reached()
    with Opened(trial.secrets) as secrets:
        seen = _tried(trial, before)
        opened = secrets.names()
    after = listing(trial.folder)
    after |= {f"TMP/{name}": what for name, what in listing(temporary_folder(trial)).items()}
    return replace(seen, after=after, opened=opened, heard=reached() - heard)


def _tried(trial: Trial, before: Mapping[str, str]) -> Seen:
    """Run it; what came of its files is looked at later."""
    began, acts, found = time.monotonic(), list(trial.acts), 0
    running = Running(start(trial), trial, began)
    waited = [running.pid]
    second = trial.second_after
    statuses: dict[int, int] = {}
    ended, cpu, peak = True, 0.0, 0
    while set(waited) - set(statuses) or second is not None:
        for pid, status, usage in _ended():
            if pid in waited:
                statuses[pid] = os.waitstatus_to_exitcode(status)
                cpu += usage.ru_utime + usage.ru_stime
                peak = max(peak, usage.ru_maxrss * 1024)
        if second is not None and running.seconds >= second:
            waited.append(start(trial, 1))
            second = None
        if running.pid not in statuses and acts and running.seconds >= acts[0][0] and acts[0][1](running):
            acts.pop(0)
            found += 1
        if running.seconds > trial.limit_seconds:
            ended = False
            for pid in (child for one in waited for child in (one, *descendants(one))):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(STEP_SECONDS)
    seconds = time.monotonic() - began
    left = _left_over(set(waited))
    logs = log_folder(trial)
    return Seen(
        tuple(statuses[pid] for pid in waited), _read(logs / "out"), _read(logs / "err"), seconds, cpu, peak, before,
        {}, left, ended, found,
    )  # fmt: skip


def _ended() -> list[tuple[int, int, resource.struct_rusage]]:
    found = []
    with contextlib.suppress(ChildProcessError):
        while (one := os.wait4(-1, os.WNOHANG))[0]:
            found.append(one)
    return found


def _left_over(known: set[int]) -> tuple[str, ...]:
    """Wait for processes that are told to end; return, and end, those that do not."""
    end = time.monotonic() + GRACE_SECONDS
    lines: dict[int, str] = {}
    while True:
        for pid, _, _ in _ended():
            lines.pop(pid, None)
            _feeders.discard(pid)
        ours = _feeders | helpers | {pid for helper in helpers for pid in descendants(helper)}
        alive = [pid for pid in descendants(os.getpid()) if pid not in ours and command_line(pid)]
        if not alive:
            break
        if time.monotonic() > end:
            lines = {pid: command_line(pid) for pid in alive}
            for pid in lines:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            break
        time.sleep(STEP_SECONDS)
    for pid in list(_feeders):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return tuple(line for line in lines.values() if line)


def _read(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.read(MOST_BYTES)
