"""The command with many films: one display, one table, one report, one exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import (
    Ran,
    finish,
    listing,
    processes_about,
    start_slowly,
    wait_for_stage,
    wait_until,
)
from support.engines import Interrupted, use_no_workers
from support.films import Sound, make

Command = Callable[..., Ran]


@pytest.fixture
def films(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of films, one of them broken, and a network that is there at once."""
    use_no_workers(monkeypatch)
    monkeypatch.delenv("CFORK_DEBUG")
    make(place / "in" / "a.mkv", Sound(codec="flac"), seconds=1)
    (place / "in" / "sub").mkdir()
    shutil.copy(place / "in" / "a.mkv", place / "in" / "sub" / "b.mkv")
    (place / "in" / "bad.mkv").write_bytes(b"no film")
    return place


@pytest.fixture
def place(place: Path) -> Path:
    (place / "in").mkdir()
    return place


def test_a_folder_is_mirrored_and_done_once(cfork: Command, films: Path) -> None:
    line = ("remix", "in", "-r", "--dialog", "6", "-o", "out/deep", "--json")
    ran = cfork(*line)
    assert ran.code == 1
    told = {Path(film["input"]).name: film for film in ran.result["films"]}
    assert {name: (film["status"], film["exit_code"]) for name, film in told.items()} == {
        "a.mkv": ("done", 0), "b.mkv": ("done", 0), "bad.mkv": ("failed", 3),
    }  # fmt: skip
    assert told["b.mkv"]["outputs"] == ["out/deep/sub/b.cfork.mkv"]
    assert "is not a film" in told["bad.mkv"]["reason"]
    assert (ran.result["done"], ran.result["failed"], ran.result["exit_code"]) == (2, 1, 1)
    assert {event["film" if "film" in event else "event"] for event in ran.events} >= {"film", "stage"}
    before = listing(films / "out")
    ran = cfork(*line)
    assert [film["status"] for film in ran.result["films"]] == ["unchanged", "failed", "unchanged"]
    assert listing(films / "out").keys() == before.keys()
    (films / "in" / "bad.mkv").unlink()
    ran = cfork(*line[:-1])
    assert (ran.code, ran.out) == (0, "")
    assert ran.lines == ["2 unchanged: 0:00 of sound in 0:00"]


@pytest.mark.parametrize("command", ["remix", "separate"])
def test_a_film_that_is_complete_when_a_signal_comes_is_told(
    cfork: Command, films: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("cfork_cli.batch.engine.Workers", Interrupted)
    change = ["--loudness", "-23"] if command == "remix" else []
    ran = cfork(command, "in/a.mkv", "in/sub/b.mkv", *change, "-o", "out/", "--json")
    assert ran.code == 130
    told = [(film["status"], film.get("notes")) for film in ran.result["films"]]
    assert told == [("done", ["it was cut off"]), ("interrupted", None)]


def test_people_get_a_line_for_each_and_a_table(cfork: Command, films: Path) -> None:
    ran = cfork("remix", "in", "in/sub/b.mkv", "--dialog", "6")
    assert ran.code == 1
    assert [line.split(" (")[0] for line in ran.lines[:-1]] == [
        "wrote in/a.cfork.mkv", "failed: in/bad.mkv: 'in/bad.mkv' is not a film or a sound that ffmpeg can read",
        "wrote in/sub/b.cfork.mkv",
    ]  # fmt: skip
    assert ran.lines[-1].startswith("2 done, 1 failed: 0:02 of sound in ")
    rows = [line.split() for line in ran.out.splitlines()]
    assert [row[:2] for row in rows[2:]] == [["in/a.mkv", "done"], ["in/bad.mkv", "failed"], ["in/sub/b.mkv", "done"]]
    quiet = cfork("remix", "in", "--dialog", "6", "-q")
    assert (quiet.code, quiet.out, len(quiet.lines)) == (1, "", 1)


def test_one_film_is_what_it_was(cfork: Command, films: Path) -> None:
    """A sound by itself, and the same among others, gives the same bytes; its words are those of one."""
    make(films / "one.wav", Sound(), seconds=1, picture=None)
    shutil.copy(films / "one.wav", films / "two.wav")
    ran = cfork("remix", "one.wav", "--dialog", "6", "-o", "alone.wav")
    assert ran.code == 0
    assert ran.lines[0].startswith("wrote alone.wav: dialogue +6 dB, music unchanged, effects unchanged (")
    assert not list(films.rglob(".cfork.jsonl"))
    assert cfork("remix", "one.wav", "two.wav", "--dialog", "6", "-o", "out").code == 0
    same = [(films / name).read_bytes() for name in ("alone.wav", "out/one.cfork.wav", "out/two.cfork.wav")]
    assert same[0] == same[1] == same[2]


def test_separate_gives_each_film_a_folder(cfork: Command, films: Path) -> None:
    ran = cfork("separate", "in", "-r", "--exclude", "bad*", "--stem", "dialogue", "--json")
    assert ran.code == 0
    assert [film["outputs"] for film in ran.result["films"]] == [
        ["in/a.stems/dialogue.wav"], ["in/sub/b.stems/dialogue.wav"],
    ]  # fmt: skip
    again = cfork("separate", "in", "-r", "--exclude", "bad*", "--stem", "dialogue", "--json")
    assert again.result["unchanged"] == 2
    ran = cfork("separate", "in/a.mkv", "--stem", "music", "--format", "flac")
    assert (ran.code, (films / "in/a.stems/music.flac").exists()) == (0, True)


def test_a_dry_run_tells_what_how_long_and_how_much_disk(cfork: Command, films: Path) -> None:
    before = listing(films)
    ran = cfork("remix", "in", "-r", "--title", "New", "-o", "out", "--dry-run", "--json")
    assert ran.code == 1
    told = {Path(film["input"]).name: film for film in ran.result["films"]}
    assert {name: film["status"] for name, film in told.items()} == {
        "a.mkv": "to do",
        "b.mkv": "to do",
        "bad.mkv": "refused",
    }
    size = (films / "in" / "a.mkv").stat().st_size
    assert told["a.mkv"]["size_bytes"] == pytest.approx(size, rel=0.3)
    assert ran.result["duration_seconds"] == pytest.approx(2, abs=0.1)
    assert ran.result["free_bytes"] > 0
    assert listing(films) == before
    assert (
        "2 to do, 0 unchanged, 1 refused: 0:02 of sound," in cfork("remix", "in", "-r", "--title", "N", "--dry-run").err
    )
    ran = cfork("separate", "in/a.mkv", "in/sub/b.mkv", "--dry-run", "--json")
    stems = 3 * 48_000 * 2 * 4
    assert [film["size_bytes"] for film in ran.result["films"]] == [pytest.approx(stems, rel=0.1)] * 2
    assert ran.result["expected_seconds"] > 0


def test_in_place_of_a_folder(cfork: Command, films: Path) -> None:
    ran = cfork("remix", "in", "--include", "a*", "--title", "New", "--in-place", "--json")
    assert (ran.code, ran.result["films"][0]["outputs"]) == (0, [str(films / "in" / "a.mkv")])
    assert sorted(path.name for path in (films / "in").glob("a*")) == ["a.mkv", "a.mkv.bak"]
    assert cfork("remix", "in/a.mkv", "--title", "New", "--in-place", "--json").result["unchanged"] == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("remix in -r", "nothing to change"),
        ("remix in/a.mkv out.mkv --dialog 3", "say -o out.mkv"),
        ("remix in -o out.mkv --dialog 3", "'out.mkv' is one file, and there may be several films"),
        ("remix in - --dialog 3", "'-' goes by itself"),
        ("remix in https://example.org/x --dialog 3", "goes by itself"),
        ("remix in --dialog 3 --input-format s16le --rate 8000 --channels 1", "--input-format is for a single pipe"),
        ("remix in --dialog 3 --sidecar -o out", "--sidecar writes beside the films"),
        ("remix in --dialog 3 --in-place -o out", "--in-place replaces the film"),
        ("remix in --dialog 3 --in-place --start 1", "would leave a piece of the film"),
        ("remix in/a.mkv --dialog 3 --no-backup", "--no-backup goes with --in-place"),
        ("separate in --stem drums", "'drums' is not a stem"),
        ("remix in/sub/*.avi --dialog 3", "no film matches"),
        ("remix in --dialog 3 -j 0", "invalid value for '--jobs'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_before_the_work(cfork: Command, films: Path, line: str, words: str) -> None:
    before = listing(films)
    ran = cfork(*line.split())
    assert (ran.code, len(ran.lines)) == (2, 1)
    assert words in ran.err
    assert listing(films) == before


def test_info_of_a_folder_goes_on_after_a_bad_film(cfork: Command, films: Path) -> None:
    ran = cfork("info", "in", "-r", "--no-loudness")
    assert ran.code == 1
    assert [line.split(":")[0] for line in ran.out.splitlines() if ": matroska" in line] == ["in/a.mkv", "in/sub/b.mkv"]
    assert ran.lines == [line for line in ran.lines if line.startswith("failed: in/bad.mkv: ")]
    lines = [json.loads(line) for line in cfork("info", "in", "--no-loudness", "--json").out.splitlines()]
    assert [line.get("exit_code") for line in lines] == [None, 3]


def test_memory_bounds_the_jobs(cfork: Command, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfork_cli.flows.resources.free_memory", lambda: 2_000_000_000)
    ran = cfork("remix", "in/a.mkv", "in/sub/b.mkv", "--title", "x", "-j", "2")
    assert ran.lines[0] == "note: memory is free for 1 film at a time, not 2"


# ---- the whole, with processes ----


def test_interrupted_and_killed_runs_go_on(place: Path) -> None:
    """Two workers; Ctrl-C, then kill -9 of all; each next run goes on, and nothing is half, lost, or done twice."""
    for name in "abc":
        make(place / "in" / f"{name}.mkv", Sound(sample_rate=44_100), seconds=1 if name == "a" else 20)
    before = listing(place)
    line = ("remix", "in", "--dialog", "3", "-j", "2", "-o", "out", "--json")
    child = start_slowly(*line, seconds_each=0.4)
    read = ""
    while '"event": "film"' not in read:
        read += child.stderr.readline()
    made = (place / "out" / "a.cfork.mkv").stat().st_mtime_ns
    child.send_signal(signal.SIGINT)
    ran = finish(child, read)
    assert ran.code == 130
    assert {Path(film["input"]).name: film["status"] for film in ran.result["films"]} == {
        "a.mkv": "done", "b.mkv": "interrupted", "c.mkv": "interrupted",
    }  # fmt: skip
    assert wait_until(lambda: not processes_about(place / "in"))
    assert {name for name in listing(place) if "out" in name} == {"out", "out/a.cfork.mkv", "out/.cfork.jsonl"}

    child = start_slowly(*line, seconds_each=0.4)
    wait_for_stage(child, "film 1 of 2")
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert wait_until(lambda: not processes_about(place / "in"))

    ran = finish(start_slowly(*line, seconds_each=0.0))
    assert ran.code == 0
    assert [film["status"] for film in ran.result["films"]] == ["unchanged", "done", "done"]
    assert (place / "out" / "a.cfork.mkv").stat().st_mtime_ns == made
    after = listing(place)
    assert {name: told for name, told in after.items() if not name.startswith("out")} == before
    assert {name for name in after if name.startswith("out/")} == {
        "out/.cfork.jsonl", "out/a.cfork.mkv", "out/b.cfork.mkv", "out/c.cfork.mkv",
    }  # fmt: skip
