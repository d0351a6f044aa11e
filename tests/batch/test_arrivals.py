"""Which films in a watched folder are complete, and new."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cfork_cli.batch.arrivals import Arrivals, is_being_written
from cfork_cli.errors import InputError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def names(arrivals: Arrivals) -> list[str]:
    return [film.path.name for film in arrivals.look()]


def test_a_film_is_handed_out_once_when_it_has_settled(tmp_path: Path, clock: Clock) -> None:
    arrivals = Arrivals(tmp_path, settle_seconds=10, clock=clock)
    (tmp_path / "a.mkv").write_bytes(b"x")
    assert names(arrivals) == []
    assert arrivals.waiting == 1
    clock.now += 9
    assert names(arrivals) == []
    clock.now += 1
    assert names(arrivals) == ["a.mkv"]
    clock.now += 100
    assert names(arrivals) == []
    assert arrivals.waiting == 0


def test_a_film_that_grows_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    arrivals = Arrivals(tmp_path, settle_seconds=10, clock=clock)
    for size in range(1, 5):
        (tmp_path / "a.mkv").write_bytes(b"x" * size)
        assert names(arrivals) == []
        clock.now += 9
    assert names(arrivals) == []
    clock.now += 1
    assert names(arrivals) == ["a.mkv"]


def test_what_came_before_under_another_name_waits_too(tmp_path: Path, clock: Clock) -> None:
    """Downloads get their names by a rename, and keep their times."""
    part = tmp_path / "a.mkv.part"
    part.write_bytes(b"x")
    os.utime(part, (1, 1))
    arrivals = Arrivals(tmp_path, settle_seconds=10, clock=clock)
    clock.now += 50
    assert names(arrivals) == []
    part.rename(tmp_path / "a.mkv")
    assert names(arrivals) == []
    clock.now += 10
    assert names(arrivals) == ["a.mkv"]


def test_a_film_that_is_changed_comes_again(tmp_path: Path, clock: Clock) -> None:
    arrivals = Arrivals(tmp_path, settle_seconds=0, clock=clock)
    film = tmp_path / "a.mkv"
    film.write_bytes(b"x")
    assert names(arrivals) == ["a.mkv"]
    film.write_bytes(b"xy")
    assert names(arrivals) == ["a.mkv"]
    film.unlink()
    assert names(arrivals) == []


def test_empty_and_hidden_files_and_our_own_are_no_films(tmp_path: Path, clock: Clock) -> None:
    for name, content in {"empty.mkv": b"", ".a.mkv": b"x", "a.cfork.mkv": b"x", "a.eng.cfork.mka": b"x"}.items():
        (tmp_path / name).write_bytes(content)
    assert names(Arrivals(tmp_path, settle_seconds=0, clock=clock)) == []


def test_folders_within_and_patterns(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "series").mkdir()
    for name in ("a.mkv", "series/b.mkv", "series/c.avi"):
        (tmp_path / name).write_bytes(b"x")
    assert names(Arrivals(tmp_path, settle_seconds=0, clock=clock)) == ["a.mkv"]
    every = Arrivals(tmp_path, recursive=True, include=["*.mkv"], exclude=["a.*"], settle_seconds=0, clock=clock)
    assert names(every) == ["b.mkv"]


def test_a_folder_that_has_gone_is_an_error_and_may_come_back(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "films"
    arrivals = Arrivals(folder, settle_seconds=0, clock=clock)
    with pytest.raises(InputError, match="is not there"):
        arrivals.look()
    folder.mkdir()
    (folder / "a.mkv").write_bytes(b"x")
    assert names(arrivals) == ["a.mkv"]


@LINUX
def test_a_film_that_somebody_writes_is_not_complete(tmp_path: Path, clock: Clock) -> None:
    film = tmp_path / "a.mkv"
    film.write_bytes(b"x")
    arrivals = Arrivals(tmp_path, settle_seconds=0, clock=clock)
    with film.open("r+b"):
        assert is_being_written(film)
        assert names(arrivals) == []
    with film.open("rb"):
        assert not is_being_written(film)
        assert names(arrivals) == ["a.mkv"]
    assert not is_being_written(tmp_path / "missing.mkv")
