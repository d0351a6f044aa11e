"""A film is complete when nothing about it changes, nobody writes it, and no note says that more comes."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cfork_cli.batch.arrivals import PARTIAL, Arrivals
from cfork_cli.batch.film import Film, Finished, InPlace, Outcome, Status
from cfork_cli.batch.find import Found
from cfork_cli.batch.refused import NAME, TRIES, WAIT_SECONDS, Refused
from cfork_cli.batch.run import Batch
from cfork_cli.batch.watching import Watching
from cfork_cli.flows.jobs import RemixJob

JOB = RemixJob(Path(), None, {"music": 0.0, "dialogue": 0.0, "effects": 0.0}, title="New", sidecar=True)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "movie.mkv"
    path.write_bytes(b"film")
    return path


def test_what_still_grows_or_is_renamed_is_waited_for(film: Path) -> None:
    arrivals = Arrivals(1000.0)
    assert not arrivals.complete([film], 0.0)
    assert not arrivals.complete([film], 999.0)
    film.write_bytes(b"film, and more")
    assert not arrivals.complete([film], 1001.0)  # it grew, so it has to rest again
    assert arrivals.waiting == (film,)
    assert [*arrivals.complete([film], 2001.0)] == [film]
    assert arrivals.waiting == ()
    os.replace(film, film.with_name("other.mkv"))
    assert not arrivals.complete([film.with_name("other.mkv")], 2002.0)  # a name is new, whatever its time says
    assert not arrivals.complete([film], 9000.0)  # gone


def test_a_film_that_rested_before_is_complete_at_once(film: Path) -> None:
    assert [*Arrivals(0.0).complete([film], 0.0)] == [film]
    os.utime(film, (2**33, 2**33))  # a time in the future says nothing: it is watched instead
    arrivals = Arrivals(10.0)
    assert not arrivals.complete([film], 0.0)
    assert [*arrivals.complete([film], 10.0)] == [film]


@pytest.mark.parametrize("ending", PARTIAL)
def test_a_note_beside_it_says_that_more_comes(film: Path, ending: str) -> None:
    note = film.with_name(f"movie.mkv{ending}")
    note.write_bytes(b"")
    arrivals = Arrivals(0.0)
    assert not arrivals.complete([film], 0.0)
    note.unlink()
    assert [*arrivals.complete([film], 1.0)] == [film]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who writes a file")
def test_nobody_may_write_it(film: Path) -> None:
    arrivals = Arrivals(0.0)
    with film.open("ab"):
        assert not arrivals.complete([film], 100.0)
    with film.open("rb"):  # whoever reads, or seeds, does not matter
        assert [*arrivals.complete([film], 101.0)] == [film]


def test_what_is_empty_or_no_file_never_is_complete(tmp_path: Path) -> None:
    (tmp_path / "empty.mkv").touch()
    (tmp_path / "folder.mkv").mkdir()
    assert not Arrivals(0.0).complete(tmp_path.iterdir(), 5.0)


def watching(**options: object) -> Watching:
    return Watching(lambda found: Film(replace(JOB, input=found.path)), settle=0.0, **options)  # type: ignore[arg-type]


def fail(watched: Watching, path: Path, code: int, *, wall: float = 0.0) -> tuple[Outcome | None, str] | None:
    """Look, and let what is ready fail; None if nothing is."""
    batch = watched.ready([Found(path, path.parent)], 0.0, wall)
    if batch is None:
        return None
    film = batch.decisions[0].film
    return watched.finished(batch, Finished(0, Outcome(film, Status.failed, "it failed", code)))


@pytest.mark.parametrize("code", [2, 3, 5])
def test_a_bad_film_is_told_once_until_it_changes(film: Path, code: int) -> None:
    watched = watching()
    told = fail(watched, film, code)
    assert told is not None
    assert told[0] is not None
    assert "until it changes" in told[1]
    assert fail(watched, film, code) is None
    assert fail(watching(), film, code) is None  # nor by another process
    assert fail(watching(retry=True), film, code) is not None
    film.write_bytes(b"another film")
    assert fail(watching(), film, code) is not None


def test_what_may_pass_is_tried_a_few_times(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("cfork_cli.batch.refused.time.time", lambda: now)
    watched, tries, told = watching(), 0, 0
    for look in range(40):
        now = look * WAIT_SECONDS / 2
        found = fail(watched, film, 4, wall=now)
        tries += found is not None
        told += found is not None and found[0] is not None
    assert (tries, told) == (TRIES, 2)  # told at first, and when it is given up


def test_what_went_well_is_forgotten_and_what_is_gone_not_told(film: Path) -> None:
    watched = watching(failures=film.parent / "out" / "deep")
    assert fail(watched, film, 4) is not None
    notes = film.parent / "out" / "deep" / NAME
    assert notes.exists()
    batch = Batch([Film(replace(JOB, input=film))])
    assert watched.finished(batch, Finished(0, Outcome(batch.decisions[0].film, Status.done)))[0] is not None
    assert not notes.exists()
    film.unlink()
    gone = Outcome(batch.decisions[0].film, Status.failed, "no such file", 3)
    assert watched.finished(batch, Finished(0, gone)) == (None, "")
    assert not notes.exists()


def test_failures_survive_a_torn_file(film: Path) -> None:
    (film.parent / NAME).write_text('{"torn')
    refused = Refused(film.parent)
    decision = Batch([Film(replace(JOB, input=film))]).decisions[0]
    assert decision.source is not None
    assert refused.failure(decision.film, decision.signature, decision.source) is None
    refused.add(decision.film, decision.signature, decision.source, Outcome(decision.film, Status.failed, "", 3))
    again = Refused(film.parent).failure(decision.film, decision.signature, decision.source)
    assert again is not None
    assert again.is_final
    assert Refused(film.parent).failure(decision.film, "other settings", decision.source) is None
    assert Refused(film.parent).failure(replace(decision.film, in_place=InPlace()), decision.signature,
                                        decision.source) is None  # fmt: skip
