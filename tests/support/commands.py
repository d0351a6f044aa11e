"""The command under test, run here or in a process of its own, and looks at what it left behind.

Run as a program, this is `cfork` with a network that does nothing, slowly: `python commands.py remix ...`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS_EACH = "CFORK_TEST_SECONDS_EACH"
PATIENCE = 250.0
"""Seconds to wait for what must come: machines may be loaded, and pytest ends a test after 300."""


@dataclass(frozen=True)
class Ran:
    """What a command line left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What the user saw."""
        return self.err.splitlines()

    @property
    def result(self) -> Any:
        """The one JSON object on standard output."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Standard error, every line of which is a JSON object."""
        return [json.loads(line) for line in self.lines]


def echo_network(shares: Sequence[float] = (0.0, 1.0, 0.0), *, seconds_each: float = 0.0) -> Any:
    """A network whose stems are fixed shares of what it hears, in the order of `model.STEMS`."""
    import torch

    from model import SAMPLE_RATE, STEMS

    class Echo(torch.nn.Module):
        stems, sample_rate, hop = STEMS, SAMPLE_RATE, 256
        input_lufs, level_matched = -27.0, True
        window_seconds, context_seconds, crossfade_seconds = 2.0, 0.25, 0.1
        batch_size = 2

        def forward(self, x: torch.Tensor, stems: Sequence[str] | None = None) -> torch.Tensor:
            time.sleep(seconds_each)
            return torch.stack([x * shares[STEMS.index(stem)] for stem in stems or STEMS], dim=1)

    return Echo().eval()


def start(*arguments: str | Path, program: Sequence[str] = ("-m", "cfork_cli.app"), **options: Any) -> subprocess.Popen:
    """Start the command in a process group of its own; pipes are text."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, *program, *map(os.fspath, arguments)],
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        env=environment, text=True, start_new_session=True,
    )  # fmt: skip


def start_slowly(*arguments: str | Path, seconds_each: float = 0.2, **options: Any) -> subprocess.Popen:
    """Start the command with a network that needs so long for every batch."""
    return start(*arguments, program=[str(Path(__file__))], env={SECONDS_EACH: str(seconds_each)}, **options)


def finish(child: subprocess.Popen, read: str = "") -> Ran:
    """Wait for the command. read: what of its standard error was read before."""
    out, err = child.communicate(timeout=PATIENCE)
    return Ran(child.returncode, out, read + err)


def wait_for_stage(child: subprocess.Popen, stage: str) -> str:
    """Read what a command with `--json` says on standard error until it is in the stage; returns that."""
    read = ""
    for line in child.stderr:
        read += line
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == stage:
            return read
    raise AssertionError(f"no stage {stage}: {read}")


def listing(folder: Path) -> dict[str, str]:
    """Everything in a folder, hidden files too: path -> kind or checksum."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def processes_about(path: Path) -> dict[int, list[str]]:
    """Running processes other than this one that have the path in their command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(os.fsencode(path) in argument for argument in arguments):
                found[int(entry.name)] = [os.fsdecode(argument) for argument in arguments]
    return found


def wait_until(true: Callable[[], bool]) -> bool:
    """Return whether it comes true in time."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _with_echo() -> None:
    from cfork_cli.flows import network as networks

    networks.load_network = lambda model, *_: (echo_network(seconds_each=float(os.environ[SECONDS_EACH])), "cpu")


def main() -> None:
    from cfork_cli import app

    _with_echo()
    app.main()


if __name__ == "__mp_main__":  # a worker, which imports the program that started it
    _with_echo()
if __name__ == "__main__":
    main()
