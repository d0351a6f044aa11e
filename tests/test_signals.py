"""Interruptions wait while something must be done whole, and come too late afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import finish, start, start_slowly, wait_for_stage
from support.films import Sound, make

from cfork_cli.signals import (
    begin,
    exit_code,
    held,
    interruptible,
    postponed,
    published,
    what_was_written,
    withdrawn,
)


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    with interruptible():
        yield


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interruption_ends_the_work() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_what_is_done_whole_is_not_interrupted_and_what_is_done_is_done() -> None:
    reached = []
    with held():
        interrupt()
        reached.append("all names given")
    interrupt()
    reached.append("cleaned up")
    assert reached == ["all names given", "cleaned up"]


def test_new_work_can_be_interrupted_again() -> None:
    with held():
        pass
    begin()
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_what_is_postponed_is_raised_at_the_end() -> None:
    reached = []

    def step() -> None:
        with postponed():
            interrupt()
            reached.append("a message read")
        reached.append("nothing")

    with pytest.raises(KeyboardInterrupt):
        step()
    with postponed():
        pass  # once is enough
    assert reached == ["a message read"]


def test_where_the_step_fails_the_interruption_counts() -> None:
    def fail() -> None:
        with held():
            interrupt()
            raise OSError("no room")

    with pytest.raises(KeyboardInterrupt):
        fail()


def test_a_failure_alone_stays_what_it_is() -> None:
    def fail() -> None:
        with held():
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    begin()
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_an_interruption_where_none_can_be_raised_comes_again(capfd: pytest.CaptureFixture[str]) -> None:
    class Late:
        def __del__(self) -> None:
            interrupt()

    def work() -> None:
        late = Late()
        del late
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert capfd.readouterr().err == ""


def test_what_was_written_is_told(tmp_path: Path) -> None:
    before = what_was_written()
    published(tmp_path / "a.mkv")
    assert "a.mkv" in what_was_written()
    withdrawn(tmp_path / "a.mkv")
    assert what_was_written() == before


SLOW_START = """
import sys
from pathlib import Path
import cfork.__main__ as command
print("listening", flush=True)
sys.stdin.read(1)
command.main()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_signal_during_the_imports_is_one_line_and_its_code(name: str, arguments: list[str]) -> None:
    number = getattr(signal, name)
    child = start("models", "list", *arguments, program=["-c", SLOW_START], stdin=subprocess.PIPE)
    assert child.stdout.readline() == "listening\n"
    child.send_signal(number)
    child.send_signal(number)
    ran = finish(child)
    assert ran.code == 128 + number
    if arguments:
        assert (ran.result, ran.err) == ({"error": "interrupted: nothing was written", "exit_code": ran.code}, "")
    else:
        assert (ran.err, ran.out) == ("cfork: interrupted: nothing was written\n", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_two_signals_in_the_work_are_one_line(tmp_path: Path, name: str) -> None:
    """The second comes while the first is told."""
    film, number = make(tmp_path / "film.mkv", Sound(), seconds=3), getattr(signal, name)
    child = start_slowly("remix", film, "--music", "-6", "--json", seconds_each=0.5)
    wait_for_stage(child, "remix")
    child.send_signal(number)
    time.sleep(0.1)
    child.send_signal(number)
    ran = finish(child)
    assert (ran.code, ran.result["error"]) == (128 + number, "interrupted: nothing was written")
    assert "Traceback" not in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv"]


def test_the_exit_code_is_that_of_an_interruption_of_this_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    assert exit_code() == 143
    with interruptible():
        assert exit_code() == 130
