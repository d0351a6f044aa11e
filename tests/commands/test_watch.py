"""`cfork watch`: films that come, fail, vanish; interruptions; and what runs from cron."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Ran, finish, listing, start, wait_until
from support.engines import Interrupted, use_no_workers
from support.films import Sound, make
from support.readings import samples

from cfork_cli.batch import changes
from cfork_cli.media.probe import probe

Command = Callable[..., Ran]
SIDECAR = "film.eng.cfork.mka"


@pytest.fixture
def folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a film, and a network that is there at once."""
    use_no_workers(monkeypatch)
    (place / "in" / "sub").mkdir(parents=True)
    make(place / "in" / "film.mkv", Sound(codec="flac", language="eng"), seconds=1)
    return place / "in"


def once(cfork: Command, *more: str) -> Ran:
    return cfork("watch", "in", "--dialog", "-6", "--once", "--settle", "0", *more)


def test_a_sidecar_comes_beside_the_film_and_once(cfork: Command, folder: Path) -> None:
    before = listing(folder)["film.mkv"]
    (folder / "notes.txt").touch()
    make(folder / "song.flac", Sound(codec="flac"), picture=None, seconds=1)  # sound alone is not asked for
    ran = once(cfork)
    assert (ran.code, len(ran.lines)) == (0, 1)
    assert ran.lines[0].startswith(f"done: in/film.mkv: wrote in/{SIDECAR} (0:01 of sound")
    assert {*listing(folder)} == {"film.mkv", "notes.txt", "song.flac", "sub", SIDECAR, ".cfork.jsonl"}
    assert listing(folder)["film.mkv"] == before
    new, old = samples(folder / SIDECAR), samples(folder / "film.mkv")
    # noise has sound above the network's band, too, which stays as it was
    assert 0.5 < (new * old).sum() / (old * old).sum() < 0.6
    made = listing(folder)
    ran = once(cfork)
    assert (ran.code, ran.err) == (0, "")
    assert listing(folder) == made


@pytest.mark.parametrize("as_json", [True, False])
def test_a_film_that_is_complete_when_a_signal_comes_is_told(
    cfork: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setattr("cfork_cli.batch.engine.Workers", Interrupted)
    ran = once(cfork, "-o", "out", *(["--json"] if as_json else []))
    assert ran.code == 130
    if as_json:
        told = [json.loads(line) for line in ran.out.splitlines()]
        assert [(one["status"], one["notes"]) for one in told] == [("done", ["it was cut off"])]
    else:
        assert [line.partition(":")[0] for line in ran.lines] == ["done", "stopped"]
        assert "it was cut off" in ran.lines[0]
    use_no_workers(monkeypatch)
    assert once(cfork, "-o", "out").err == ""  # done, and noted


def test_a_tree_is_mirrored_and_each_film_is_a_line_of_json(cfork: Command, folder: Path) -> None:
    shutil.copy(folder / "film.mkv", folder / "sub" / "other.mkv")
    shutil.copy(folder / "film.mkv", folder / "sub" / "extra.mkv")
    (folder / "bad.mkv").write_bytes(b"no film")
    ran = once(cfork, "-r", "-o", "out", "--exclude", "extra*", "--json", "--keep-original")
    told = {Path(film["input"]).name: film for film in map(json.loads, ran.out.splitlines())}
    assert ran.code == 1
    assert {name: film["status"] for name, film in told.items()} == {
        "film.mkv": "done", "other.mkv": "done", "bad.mkv": "failed",
    }  # fmt: skip
    assert told["bad.mkv"]["then"] == "not tried again until it changes"
    assert len(probe(folder.parent / "out" / "sub" / "other.cfork.mkv").audio) == 2
    assert all(json.loads(line) for line in ran.lines)
    ran = once(cfork, "-r", "-o", "out", "--exclude", "extra*", "--json", "--keep-original")
    assert (ran.code, ran.out) == (0, "")  # a failure is told once


def test_what_is_not_complete_waits_for_the_next_time(cfork: Command, folder: Path) -> None:
    (folder / "film.mkv.part").touch()
    ran = once(cfork)
    assert ran.code == 0
    assert "not complete yet" in ran.err
    assert not (folder / SIDECAR).exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [(["in"], "nothing to change"), (["nowhere", "--dialog", "6"], "is no folder"),
     (["in/film.mkv", "--dialog", "6"], "is no folder"), (["in", "--dialog", "6", "-o", "in/film.mkv"], "is a file"),
     (["in", "--dialog", "6", "--keep-original"], "goes with -o")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(cfork: Command, folder: Path, words: list[str], says: str) -> None:
    ran = cfork("watch", *words, "--once")
    assert ran.code in (2, 3)
    assert says in ran.err
    assert len(ran.lines) == 1


@pytest.mark.parametrize("by_events", [True, False])
def test_films_that_come_while_it_watches(
    cfork: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, by_events: bool
) -> None:
    """A copy that is renamed in; a folder that vanishes and comes back; then an interruption."""
    if by_events:
        pytest.importorskip("watchfiles", reason="pip install cfork[watch]")
    monkeypatch.setattr(changes, "has_events", lambda: by_events)
    waits = 0
    real = changes.Changes.wait
    shutil.copy(folder / "film.mkv", folder.parent / "kept.mkv")

    def wait(self: changes.Changes, seconds: float) -> bool:
        nonlocal waits
        waits += 1
        if waits == 1:
            assert (folder / SIDECAR).exists()
            shutil.move(folder, folder.parent / "away")
        elif waits == 3:
            shutil.move(folder.parent / "away", folder)
            shutil.copy(folder.parent / "kept.mkv", folder / "new.mkv.part")
            (folder / "new.mkv.part").rename(folder / "new.mkv")
        elif (folder / "new.eng.cfork.mka").exists() or waits > 60:
            raise KeyboardInterrupt
        real(self, 0.02)
        return True

    monkeypatch.setattr(changes.Changes, "wait", wait)
    ran = cfork("watch", "in", "--dialog", "6", "--settle", "0")
    assert ran.code == 130
    told = [line.partition(":")[0] for line in ran.lines]
    assert told == [told[0], "done", "note", "note", "done", "stopped"], ran.err
    assert "is gone" in ran.lines[2]


def test_the_system_tells_of_a_new_file(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles", reason="pip install cfork[watch]")
    found = changes.Changes(tmp_path, recursive=True)
    found.wait()  # begins to watch
    (tmp_path / "new.mkv").touch()
    assert wait_until(found.wait)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_nothing_half_stays(folder: Path, number: int) -> None:
    child = start("watch", folder, "--loudness", "-23", "--settle", "1000", stderr=-1)
    first = child.stderr.readline()
    assert first.startswith("watching")
    child.send_signal(number)
    ran = finish(child, first)
    assert ran.code in (130, 128 + number)
    assert ran.lines[-1].startswith("stopped")
    assert {*listing(folder)} == {"film.mkv", "sub"}
