"""Interruptions wait while something must be done whole, and come too late afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from cfork_cli.signals import begin, held, interruptible


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
