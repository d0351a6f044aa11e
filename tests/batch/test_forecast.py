"""What `--dry-run` of many films says of one: as much as is written then, and nothing is left of the look."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.commands import listing
from support.films import Sound, make

from cfork_cli.batch import forecast as forecasts
from cfork_cli.batch.film import Film, InPlace, Outcome, Status
from cfork_cli.batch.forecast import forecast, length_of, room_left
from cfork_cli.batch.one import do_film
from cfork_cli.errors import InputError
from cfork_cli.flows import source
from cfork_cli.flows.jobs import RemixJob, SeparateJob

LEVEL = RemixJob(Path(), None, {"music": 0.0, "dialogue": 0.0, "effects": 0.0}, title="New")
"""A remix that needs no network."""


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film that is looked at once: all looks at it start a program, and it stays as it is."""
    monkeypatch.setattr(source, "probe", functools.cache(source.probe))
    return make(tmp_path / "film.mkv", Sound("ac3"), seconds=3)


def stems(film: Path, **changed: Any) -> SeparateJob:
    return replace(SeparateJob(film, film.parent / "stems" / "film"), **changed)


@pytest.mark.parametrize("changed", [{"start": 1.0, "end": 2.0, "keep_original": True}, {"sidecar": True}])
def test_a_remix_is_about_as_large_as_was_said(film: Path, changed: dict[str, Any]) -> None:
    asked = Film(replace(LEVEL, input=film, **changed))
    before = listing(film.parent)
    told = forecast(asked)
    assert told.refused is None, told.refused
    assert listing(film.parent) == before
    assert told.seconds == pytest.approx(3, abs=0.1)
    done = do_film(asked)
    assert (done.status, done.outputs) == (Status.done, told.outputs)
    assert told.size == pytest.approx(sum(path.stat().st_size for path in done.outputs), rel=0.35)


def test_in_place_the_film_itself_is_written(film: Path) -> None:
    whole = forecast(Film(replace(LEVEL, input=film)))
    found = forecast(Film(replace(LEVEL, input=film), InPlace()))
    assert (found.outputs, found.size, found.refused) == ((film,), whole.size, None)
    original = film.with_name("film.mkv.bak")
    shutil.move(film, original)
    assert forecast(Film(replace(LEVEL, input=film), InPlace(original=original))).outputs == (film,)
    assert [*listing(film.parent)] == [original.name]


def test_stems_are_counted_by_samples_or_by_bits_a_second(film: Path) -> None:
    """Of 3 s in stereo at 48 kHz, in float32 where nothing else is asked for."""
    sound = 3 * 48_000 * 2 * 4
    for changed, size in (
        ({}, 3 * sound),
        ({"bits": 16}, 3 * sound / 2),
        ({"stems": ("music",), "mixture": True}, 2 * sound),
        ({"start": 1.0, "end": 2.0}, sound),
        ({"purpose": "asr"}, 3 * 16_000 * 2),
    ):
        found = forecast(Film(stems(film, **changed)))
        assert found.refused is None, found.refused
        assert found.size == pytest.approx(size, rel=0.03), changed
    packed = forecast(Film(stems(film, format="mp3")))
    assert packed.size < 0.4 * 3 * sound
    assert [path.suffix for path in packed.outputs] == [".mp3"] * 3


def test_stems_beside_the_picture_have_its_size_too(film: Path) -> None:
    beside = forecast(Film(stems(film, output=film.parent / "stems" / "film.mkv")))
    assert beside.refused is None, beside.refused
    assert beside.size > film.stat().st_size
    assert beside.outputs == (film.parent / "stems" / "film.mkv",)
    assert [*listing(film.parent)] == ["film.mkv"]


def test_what_cannot_be_done_is_told_and_leaves_nothing(film: Path) -> None:
    for asked, code in (
        (replace(LEVEL, input=film.with_name("none.mkv")), InputError.exit_code),
        (replace(LEVEL, input=film, output=film.parent / "new" / ("x" * 300) / "film.mkv"), 4),
        (replace(LEVEL, input=film, output=film / "new" / "film.mkv"), 4),
        (stems(film, track="9"), InputError.exit_code),
    ):
        found = forecast(Film(asked))
        assert isinstance(found.refused, Outcome)
        assert (found.refused.status, found.refused.exit_code, found.size) == (Status.failed, code, 0.0)
        assert [*listing(film.parent)] == ["film.mkv"]


def test_a_folder_that_others_use_meanwhile_stays(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = film.parent / "new"
    planned = forecasts.run.planned_remix

    def planned_late(*arguments: Any) -> Any:
        (new / "of others").touch()
        return planned(*arguments)

    monkeypatch.setattr(forecasts.run, "planned_remix", planned_late)
    assert forecast(Film(replace(LEVEL, input=film, output=new / "film.mkv"))).refused is None
    assert {*listing(film.parent)} == {"film.mkv", "new", "new/of others"}


def test_the_length_is_known_or_not(film: Path) -> None:
    assert length_of(Film(replace(LEVEL, input=film))) == pytest.approx(3, abs=0.1)
    assert length_of(Film(replace(LEVEL, input=film.with_name("none.mkv")))) is None


def test_room_is_that_of_the_fullest_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films = [Film(replace(LEVEL, input=Path("a"), output=tmp_path / name / "a.mkv")) for name in ("one", "two/b")]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    free = {tmp_path / "one": 700, tmp_path / "two": 500}
    monkeypatch.setattr(forecasts.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    assert room_left(films) == 500

    def refused(_: Path) -> Iterator[None]:
        raise OSError

    monkeypatch.setattr(forecasts.shutil, "disk_usage", refused)
    assert room_left(films) is None
    assert room_left([]) is None


def test_faults_that_are_not_the_films_are_not_hidden(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise KeyError("id")

    monkeypatch.setattr(forecasts.run, "planned_remix", failing)
    with pytest.raises(KeyError):
        forecast(Film(replace(LEVEL, input=film)))
    monkeypatch.setattr(forecasts, "probe", failing)
    with pytest.raises(KeyError):
        length_of(Film(replace(LEVEL, input=film)))
