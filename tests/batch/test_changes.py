"""Waiting for something to happen in a folder: with events, without them, and where they fail."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cfork_cli.batch import changes
from cfork_cli.batch.changes import Changes


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting; there are events."""
    found: list[float] = []
    monkeypatch.setattr(changes.time, "sleep", found.append)
    monkeypatch.setattr(changes, "has_events", lambda: True)
    return found


def watched(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> list[tuple[Path, bool]]:
    """Let the system tell these things, one a wait; an exception is raised. Returns what is watched, as it begins."""
    begun: list[tuple[Path, bool]] = []

    def events(folder: Path, recursive: bool) -> Iterator[set[object]]:
        begun.append((folder, recursive))
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            yield answer

    monkeypatch.setattr(changes, "_events", events)
    return begun


def test_without_events_it_only_waits(tmp_path: Path, slept: list[float]) -> None:
    found = Changes(tmp_path, recursive=True, events=False)
    assert [found.wait(), found.wait(0.5)] == [False, False]
    assert slept == [changes.TICK_SECONDS, 0.5]


def test_events_are_told_without_waiting(tmp_path: Path, slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    begun = watched(monkeypatch, {"new"}, set(), {"more"})
    found = Changes(tmp_path, recursive=False)
    assert [found.wait(), found.wait(), found.wait()] == [True, False, True]
    assert (begun, slept) == ([(tmp_path, False)], [])


@pytest.mark.parametrize("error", [OSError("too many watches"), RuntimeError("stopped"), None])
def test_where_events_end_looking_goes_on(
    tmp_path: Path, slept: list[float], monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    """One look at once, since nobody knows what was missed; then every so often."""
    begun = watched(monkeypatch, *([] if error is None else [error]))
    found = Changes(tmp_path, recursive=True)
    assert [found.wait(3.0), found.wait(3.0)] == [True, False]
    assert (begun, slept) == ([(tmp_path, True)], [3.0, 3.0])


def test_a_folder_that_comes_back_is_watched_anew(
    tmp_path: Path, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    begun = watched(monkeypatch, {"new"}, set())
    found = Changes(folder, recursive=True)
    assert found.wait()
    shutil.move(folder, away)
    assert not found.wait()
    assert len(slept) == 1
    folder.mkdir()  # another folder of the same name
    assert found.wait()
    assert begun == [(folder, True)] * 2
