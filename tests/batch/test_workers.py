"""Worker processes: films side by side, a worker that is killed, and the end of all."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import wait_until

from cfork_cli import leftovers, signals
from cfork_cli.batch.engine import Workers
from cfork_cli.batch.film import Event, Film, Finished, Moved, Outcome, Started, Status
from cfork_cli.batch.worker import Worker
from cfork_cli.flows.jobs import RemixJob, SeparateJob
from cfork_cli.flows.report import Report, cancellable

JOB = RemixJob(Path(), None, {"music": 0.0, "dialogue": 0.0, "effects": 0.0})


def films(*names: str) -> list[Film]:
    return [Film(replace(JOB, input=Path(name))) for name in names]


def act(film: Film, report: Report | None) -> Outcome:
    """What a worker does: the film's name says it."""
    listener = cancellable(report)
    listener.stage("remix", 2.0)
    if film.input.stem in ("die", "stubborn"):
        left = [leftovers.TemporaryFolder(), leftovers.Temporary(film.input.parent, ".mkv")]
        left[1].path.touch()
    if film.input.stem == "die":
        assert film.output is not None
        film.output.mkdir()
        left.append(leftovers.Temporary(film.output, ".wav"))
        left[2].path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if film.input.stem == "complete":
        with signals.held():
            film.input.with_name("complete.cfork.mkv").touch()
            film.input.with_name("pid").write_text(str(os.getpid()))
            while not getattr(signals._holding, "interrupted", False):  # it comes now, or never
                time.sleep(0.01)
        return Outcome(film, Status.done, notes=("it was cut off",))
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


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the workers' temporary files lie, so that none of others is there."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)


def hidden(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


def test_a_killed_worker_takes_one_film_along_and_leaves_nothing(tmp_path: Path) -> None:
    die = Film(SeparateJob(tmp_path / "die", tmp_path / "stems"))
    with Workers(threads=3) as engine:
        events = list(engine.run([*films("a"), die, *films("b", "c")], act, 2))
        assert hidden(tmp_path) == []  # while others work on
        assert not (tmp_path / "stems").exists()
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
    assert hidden(tmp_path) == []
    assert [(event.number, event.outcome.is_lost) for event in engine.late] == [(0, True)]


def test_a_film_that_is_complete_when_the_work_is_broken_off_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signal comes too late for the worker, and what the worker says then is heard."""
    monkeypatch.setattr("cfork_cli.batch.engine.PATIENCE_SECONDS", 60.0)
    engine = Workers()
    events = engine.run(films(str(tmp_path / "complete.mkv")), act, 1)
    assert isinstance(next(events), Started)
    assert isinstance(next(events), Moved)
    assert wait_until((tmp_path / "pid").exists)
    assert wait_until(lambda: bool((tmp_path / "pid").read_text()))
    events.close()  # type: ignore[attr-defined]
    [late] = engine.late
    assert (late.outcome.status, late.outcome.notes) == (Status.done, ("it was cut off",))


def test_an_interruption_between_hearing_and_telling_loses_no_film(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Worker.event

    def interrupted(worker: Worker) -> Event | None:
        event = heard(worker)
        if isinstance(event, Finished):
            os.kill(os.getpid(), signal.SIGINT)
        return event

    monkeypatch.setattr(Worker, "event", interrupted)
    engine = Workers()
    with signals.interruptible(), pytest.raises(KeyboardInterrupt):
        list(engine.run(films("a"), act, 1))
    assert [(event.number, event.outcome.status) for event in engine.late] == [(0, Status.done)]
