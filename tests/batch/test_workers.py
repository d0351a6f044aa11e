"""Worker processes: films side by side, a worker that is killed, and the end of all."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import wait_until

from cfork_cli.batch.engine import Workers
from cfork_cli.batch.film import Film, Finished, Moved, Outcome, Started, Status
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.flows.report import Report, cancellable

JOB = RemixJob(Path(), None, {"music": 0.0, "dialogue": 0.0, "effects": 0.0})


def films(*names: str) -> list[Film]:
    return [Film(replace(JOB, input=Path(name))) for name in names]


def act(film: Film, report: Report | None) -> Outcome:
    """What a worker does: the film's name says it."""
    listener = cancellable(report)
    listener.stage("remix", 2.0)
    if film.input.stem == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if film.input.stem == "wait":
        film.input.with_name("pid").write_text(str(os.getpid()))
        time.sleep(600)
    if film.input.stem == "stubborn":
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        film.input.with_name("pid").write_text(str(os.getpid()))
        time.sleep(600)
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return Outcome(film, Status.done, facts={"pid": os.getpid(), "threads": threads})


def there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_takes_one_film_along() -> None:
    with Workers(threads=3) as engine:
        events = list(engine.run(films("a", "die", "b", "c"), act, 2))
        ends = {event.number: event.outcome for event in events if isinstance(event, Finished)}
        assert [str(ends[number].status) for number in range(4)] == ["done", "failed", "done", "done"]
        assert ends[1].exit_code == 1
        assert "killed by signal 9" in ends[1].reason
        assert {ends[number].facts["threads"] for number in (0, 2, 3)} == {"3"}
        for number in range(4):
            mine = [event for event in events if event.number == number]
            assert isinstance(mine[0], Started)
            assert isinstance(mine[-1], Finished)
            assert all(isinstance(event, Moved) for event in mine[1:-1])
        again = [event.outcome for event in engine.run(films("d"), act, 2) if isinstance(event, Finished)]
        assert again[0].facts["pid"] in {ends[number].facts["pid"] for number in (0, 2, 3)}  # the same worker
    assert wait_until(lambda: not any(there(ends[number].facts["pid"]) for number in (0, 2, 3)))


@pytest.mark.parametrize("name", ["wait", "stubborn"])
def test_closing_ends_workers_that_work(tmp_path: Path, name: str) -> None:
    engine = Workers()
    events = engine.run(films(str(tmp_path / f"{name}.mkv")), act, 1)
    assert isinstance(next(events), Started)
    assert isinstance(next(events), Moved)
    assert wait_until((tmp_path / "pid").exists)
    assert wait_until(lambda: bool((tmp_path / "pid").read_text()))
    pid = int((tmp_path / "pid").read_text())
    events.close()  # type: ignore[attr-defined]
    assert not there(pid)
