"""What is kept in order around a cluster, with a stand-in for Ray itself: how many films it has, what waits, what is
left when it is interrupted."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cfork_cli import leftovers
from cfork_cli.batch import ray_engine
from cfork_cli.batch.film import Film, Finished, Moved, Outcome, Started, Status, Waiting
from cfork_cli.batch.ray_engine import RayEngine, _Given, _Task
from cfork_cli.batch.ray_slots import Slots
from cfork_cli.batch.ray_worker import Answer, Seen
from cfork_cli.commands.many import _Display
from cfork_cli.console.console import Console
from cfork_cli.flows.jobs import RemixJob


def film_of(path: Path) -> Film:
    return Film(RemixJob(path, path.with_name(f"new {path.name}"), {}))


@pytest.mark.parametrize(
    ("jobs", "slots", "most"), [(0, Slots(0, 3), 3), (1, Slots(0, 3), 1), (2, Slots(1, 4), 2), (9, Slots(0, 3), 5),
                                (0, Slots(2, 9), 5), (0, Slots(0, 0), 1)],
)  # fmt: skip
def test_so_many_films_are_in_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jobs: int, slots: Slots, most: int
) -> None:
    """As many as were asked for, or as there are workers; of five films never more than five."""
    films = [film_of(tmp_path / f"{number}.mkv") for number in range(5)]
    engine, at_once = RayEngine("local"), []

    def give(task: _Task, *_: Any) -> bool:
        engine._running[task.number] = _Given(task, False, {}, None, True, Seen.of(task.film))
        at_once.append(len(engine._running))
        return True

    ray = SimpleNamespace(
        wait=lambda references, **_: (references[:1], references[1:]),
        kill=lambda _: None,
        exceptions=SimpleNamespace(RayError=RuntimeError),
    )
    monkeypatch.setattr(engine, "_give", give)
    monkeypatch.setattr(engine, "_came", lambda _, given: Outcome(given.task.film, Status.done))
    monkeypatch.setattr(engine._cluster, "enter", lambda: None)
    stands = {"ray_itself": lambda: ray, "slots": lambda _: slots, "opened": object, "told": lambda _: ()}
    for name, value in stands.items():
        monkeypatch.setattr(ray_engine, name, value)
    events = list(engine.run(films, do=lambda *_: None, jobs=jobs))  # type: ignore[arg-type,return-value]
    assert max(at_once) == most
    assert sorted(event.number for event in events if isinstance(event, Started)) == [*range(5)]
    assert [event.number for event in events if isinstance(event, Finished)] == [*range(5)]
    for number, event in enumerate(one for one in events if isinstance(one, Finished)):
        assert event.outcome.film == films[number]


def left_by(folder: Path, computer: str, start: str) -> list[Path]:
    """Write what a killed process leaves: its lock, which nobody holds, and half a film."""
    key = f"{computer}-{start}-{secrets.token_hex(6)}"
    files = [folder / f".cfork-{key}.lock", folder / f".cfork-{key}-1.mkv"]
    for path in files:
        path.write_text("half")
    return files


@pytest.mark.parametrize("killed", [True, False])
def test_what_killed_workers_of_this_machine_left_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, killed: bool
) -> None:
    """After an interruption, where they did not end by themselves; what others work on stays."""
    asked: list[bool] = []

    def wait(references: list[int], **_: Any) -> tuple[list[int], list[int]]:
        return ([], references) if killed else (references, [])

    def get(reference: int, timeout: float) -> Answer:
        if killed or reference:
            raise RuntimeError("cancelled")
        return Answer("node", "name", Outcome(films[0], Status.done))

    ray = SimpleNamespace(cancel=lambda _, force: asked.append(force), wait=wait, get=get)
    monkeypatch.setattr(ray_engine, "ray_itself", lambda: ray)
    monkeypatch.setattr(ray_engine, "PATIENCE_SECONDS", 0.0)
    engine = RayEngine("local")
    (tmp_path / "b").mkdir()
    films = [film_of(tmp_path / name) for name in ("a.mkv", "b/b.mkv")]
    engine._running = {
        number: _Given(_Task(number, film), False, {}, None, True, Seen.of(film)) for number, film in enumerate(films)
    }
    with leftovers.Temporary(tmp_path, ".mkv") as mine:
        mine.path.touch()
        here = leftovers._computer(), leftovers._start()
        ours = [path for film in films for path in left_by(film.folder, *here)]
        of_others = left_by(tmp_path, "0" * 8, "0" * 8)
        engine._cancel()
        assert asked == [False, False, *([True, True] if killed else [])]
        assert [path.exists() for path in ours] == [not killed] * 4
        assert all(path.exists() for path in [*of_others, mine.path])
    assert engine._running == {}
    late = [(one.number, one.outcome.status, one.outcome.is_lost) for one in engine.late]
    assert late == [(0, Status.failed, True) if killed else (0, Status.done, False), (1, Status.failed, True)]


def display(as_json: bool) -> tuple[_Display, Console]:
    """Return a bar for two films of 10 s, and its console."""
    console = Console(as_json=as_json)
    shown = _Display(SimpleNamespace(to_do=[], decisions=[]), console)  # type: ignore[arg-type]
    shown._weights = {0: 10.0, 1: 10.0}
    console.stage(shown._name, 20.0)
    return shown, console


FULL = Waiting(0, {"CPU": 1.0}, {"CPU": 0.0}, {"CPU": 16.0})


def test_a_full_cluster_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown, console = display(False)
    capsys.readouterr()
    shown.show(FULL)
    assert "a film asks for 1 CPU, and 0 of 16 are free" in capsys.readouterr().err
    assert console._stage == "waiting for the cluster"
    shown.show(Moved(0, "remix", 5.0, 10.0))
    assert console._stage == "film 1 of 2"


def test_a_full_cluster_is_told_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    shown, _ = display(True)
    capsys.readouterr()
    shown.show(FULL)
    (told,) = [line for line in map(json.loads, capsys.readouterr().err.splitlines()) if line["event"] == "waiting"]
    assert told == {
        "event": "waiting", "message": str(FULL), "asked": {"CPU": 1.0}, "free": {"CPU": 0.0}, "whole": {"CPU": 16.0},
        "only": False,
    }  # fmt: skip
