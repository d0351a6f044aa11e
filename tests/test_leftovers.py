"""What a killed process left goes with the next one in that folder; what others work on stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.commands import ROOT

from cfork_cli import leftovers
from cfork_cli.leftovers import Temporary, TemporaryFolder, give_all_back, sweep

KEEPS = """
import sys, time
from pathlib import Path
from cfork_cli.leftovers import Temporary, TemporaryFolder
here = Path(sys.argv[1])
file, folder = Temporary(here, ".mkv"), TemporaryFolder(here)
file.path.write_text("half a film")
(folder.path / "film.mkv").write_text("a film from a pipe")
print("there", flush=True)
time.sleep(600)
"""


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", KEEPS, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"
    yield child
    child.kill()
    child.communicate()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()


def test_the_dead_leave_nothing_and_the_living_keep_theirs(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    mine = tmp_path / ".cfork-notes.mkv"
    mine.write_text("of the user")
    before = names(tmp_path)
    assert len(before) == 4
    sweep(tmp_path)
    assert names(tmp_path) == before
    kill(other)
    sweep(tmp_path)
    assert names(tmp_path) == [mine.name]


def test_the_first_temporary_file_in_a_folder_sweeps_it(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    kill(other)
    leftovers._swept.discard(tmp_path)
    with Temporary(tmp_path, ".wav") as one:
        assert names(tmp_path) == [f"{one.path.stem.rpartition('-')[0]}.lock"]
    assert names(tmp_path) == []


def test_what_another_user_left_stays(
    tmp_path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(other)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    before = names(tmp_path)
    sweep(tmp_path)
    assert names(tmp_path) == before


@pytest.mark.parametrize("computer", ["same", "another"])
def test_after_a_power_failure(
    tmp_path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, computer: str
) -> None:
    """The same computer knows that its earlier start is over; another one's files stay until they are old."""
    kill(other)
    monkeypatch.setattr(leftovers, "_start", lambda: "00000000")
    if computer == "another":
        monkeypatch.setattr(leftovers, "_computer", lambda: "11111111")
        sweep(tmp_path)
        assert len(names(tmp_path)) == 3
        old = time.time() - leftovers.OLD_SECONDS - 60
        for path in [*tmp_path.rglob("*")]:
            os.utime(path, (old, old))
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_where_there_are_no_locks_only_age_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_descriptor: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(leftovers, "_take", refused)
    with Temporary(tmp_path, ".mkv") as film:
        film.path.touch()
        sweep(tmp_path)
        assert film.path.exists()


SWEEPS = """
import sys
from pathlib import Path
from cfork_cli import leftovers
leftovers.sweep(Path(sys.argv[1]))
"""


def sweep_elsewhere(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", SWEEPS, folder], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


@pytest.mark.parametrize("moment", ["is swept", "has been swept"])
def test_a_sweep_between_making_a_lock_and_taking_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    taken = []

    def sweep_first(descriptor: int, take: object = leftovers._take) -> None:
        taken.append(descriptor)
        if len(taken) == 1 and moment == "is swept":
            raise BlockingIOError  # the other holds it, and is about to remove it
        if len(taken) == 1:
            sweep_elsewhere(tmp_path)
            assert names(tmp_path) == []
        take(descriptor)

    monkeypatch.setattr(leftovers, "_take", sweep_first)
    with Temporary(tmp_path) as one:
        one.path.write_text("a film")
        monkeypatch.undo()
        before = names(tmp_path)
        assert len(before) == 2  # the film and its lock
        sweep_elsewhere(tmp_path)
        assert names(tmp_path) == before
    assert names(tmp_path) == []
    assert len(taken) == 2


def test_names_are_given_back(tmp_path: Path) -> None:
    first, second = Temporary(tmp_path, ".a"), TemporaryFolder(tmp_path)
    assert first.path.parent == second.path.parent == tmp_path
    (second.path / "film").touch()
    first.remove()
    first.remove()
    assert len(names(tmp_path)) == 2
    second.remove()
    assert names(tmp_path) == []
    lost = Temporary(tmp_path)
    lost.path.touch()
    del lost
    assert names(tmp_path) == []
    kept = TemporaryFolder(tmp_path)
    give_all_back()
    assert names(tmp_path) == []
    kept.remove()


def test_a_fork_removes_nothing_of_its_parent(tmp_path: Path) -> None:
    with Temporary(tmp_path, ".mkv") as film:
        film.path.touch()
        child = os.fork()
        if child == 0:
            film.remove()
            give_all_back()
            os._exit(0)
        os.waitpid(child, 0)
        assert film.path.exists()
