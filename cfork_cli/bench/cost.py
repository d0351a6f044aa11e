"""Measure a command: wall time, CPU time and peak memory of its whole process tree, and when its stages began."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cfork_cli.errors import CforkError

SAMPLE_SECONDS = 0.25
"""Between two looks at the memory. What a look costs (milliseconds) is not the command's, but it holds its memory."""

_PATIENCE_SECONDS = 10.0

try:
    import resource
except ImportError:  # Windows
    resource = cast(Any, None)


@dataclass(frozen=True)
class Cost:
    """Time and memory of one run.

    Attributes:
        wall_seconds: from before the start of the process to after its end.
        cpu_seconds: user and system time of it and all its descendants; None where the system does not say.
        peak_bytes: see `MEMORY`; None where it is not known.
        marks: stage -> seconds after the start, from the JSON lines that the command writes with `--json`.
        exit_code: of the process.
        output: its standard output.
        last_words: the last line of its standard error that was no JSON.
    """

    wall_seconds: float
    cpu_seconds: float | None
    peak_bytes: int | None
    marks: Mapping[str, float]
    exit_code: int
    output: str
    last_words: str = ""


def _memory_words() -> str:
    if Path("/proc/self/smaps_rollup").exists():
        return f"proportional set size (PSS) of the command and all its children together, every {SAMPLE_SECONDS:g} s"
    return "largest resident set of a single process (getrusage)" if resource else "not measured on this system"


MEMORY = _memory_words()
"""The way in which the peak memory is measured here, in words."""


def measure(arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; its standard error is read for stages, and thrown away.

    Raises:
        OSError: it cannot be started.
    """
    marks: dict[str, float] = {}
    said: list[str] = []
    peak: list[int] = [0]
    ended = threading.Event()
    cpu, began = children_cpu_seconds(), time.monotonic()
    with subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    ) as child:  # fmt: skip
        watchers = [
            threading.Thread(target=_read_stages, args=(child.stderr, began, marks, said), daemon=True),
            threading.Thread(target=_watch_memory, args=(child.pid, ended, peak), daemon=True),
        ]
        try:
            for watcher in watchers:
                watcher.start()
            assert child.stdout is not None
            output = child.stdout.read()
            largest = _ended(child)
            wall = time.monotonic() - began
        except BaseException:
            child.terminate()  # it tidies up by itself
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_PATIENCE_SECONDS)
            child.kill()
            raise
        finally:
            ended.set()
        for watcher in watchers:
            watcher.join()
    after = children_cpu_seconds()
    return Cost(
        wall_seconds=wall,
        cpu_seconds=None if cpu is None or after is None else after - cpu,
        peak_bytes=peak[0] or largest,
        marks=marks,
        exit_code=child.returncode,
        output=output.decode("utf-8", errors="replace"),
        last_words=said[0] if said else "",
    )


def measure_module(name: str, *arguments: str) -> Cost:
    """Measure a module of this very version of cfork, run by this very Python; see `measure`."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return measure([sys.executable, "-m", name, *arguments], environment={"PYTHONPATH": path})


def measure_cfork(arguments: Sequence[str]) -> tuple[Cost, dict[str, Any]]:
    """Run a `cfork` command of this very version with `--json`; its cost, and its result.

    Raises:
        CforkError: what the command itself said, with its exit code.
    """
    cost = measure_module("cfork_cli.app", *arguments, "--json")
    try:
        result: dict[str, Any] = json.loads(cost.output)
    except ValueError as error:
        why = cost.last_words or "and said nothing"
        raise CforkError(f"'cfork {arguments[0]}' ended with status {cost.exit_code}: {why}") from error
    if cost.exit_code != 0:
        raise _as_told(str(result.get("error")), cost.exit_code)
    return cost, result


def _as_told(message: str, exit_code: int) -> CforkError:
    """The error of the command in its own class, so that our exit code is its."""
    kinds: list[type[CforkError]] = [CforkError, *CforkError.__subclasses__()]
    return next((kind for kind in kinds if kind.exit_code == exit_code), CforkError)(message)


def children_cpu_seconds() -> float | None:
    """CPU time of all children that have ended, and of theirs."""
    if resource is None:
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process and the children that end in it, of a piece of work."""
    children = children_cpu_seconds() or 0.0
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu + (children_cpu_seconds() or 0.0) - children


def tree(pid: int) -> list[int]:
    """The process and all its descendants (Linux)."""
    found = [pid]
    for parent in found:
        threads: list[str] = []
        with contextlib.suppress(OSError):  # that process has just ended
            threads = os.listdir(f"/proc/{parent}/task")
        for thread in threads:
            with contextlib.suppress(OSError):  # that thread has
                found += map(int, Path(f"/proc/{parent}/task/{thread}/children").read_text().split())
    return found


def pss_bytes(pid: int) -> int:
    """Proportional set size of one process (Linux); 0 once it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _watch_memory(pid: int, ended: threading.Event, peak: list[int]) -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        return
    while not ended.wait(SAMPLE_SECONDS):
        peak[0] = max(peak[0], sum(map(pss_bytes, tree(pid))))


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    """Wait for a child and return the largest resident set of it and its children, in bytes; None if unknown."""
    if not hasattr(os, "wait4"):  # Windows
        child.wait()
        return None
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024


def _read_stages(lines: Any, began: float, marks: dict[str, float], said: list[str]) -> None:
    for line in lines:
        now = time.monotonic() - began
        try:
            event = json.loads(line)
        except ValueError:
            said[:] = [line.decode("utf-8", errors="replace").strip()]
            continue
        if isinstance(event, dict) and event.get("event") == "stage":
            marks.setdefault(str(event.get("stage")), now)
