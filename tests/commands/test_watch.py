"""`cfork watch`, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support.commands import finish, start_slowly
from support.films import Sound, make

WATCH = ("watch", "films", "--dialog", "+6", "--settle", "0.2", "--json")


@pytest.fixture
def films(place: Path, films_here: Path) -> Path:
    (place / "films").mkdir()
    make(place / "films" / "a.mkv", Sound(language="eng"), seconds=1)
    return place / "films"


def wait_for_film(child: subprocess.Popen, name: str) -> str:
    """Read what is said until it is about a film; returns that."""
    read = ""
    for line in child.stderr:
        read += line
        if json.loads(line).get("input", "").endswith(name):
            return read
    raise AssertionError(f"no word of {name}: {read}")


def test_once_does_what_is_there_and_nothing_twice(films: Path) -> None:
    (films / "bad.mkv").write_bytes(b"no film at all")
    before = (films / "a.mkv").read_bytes()
    ran = finish(start_slowly(*WATCH, "--once", seconds_each=0))
    assert ran.code == 1, ran.err
    assert ran.result == {"done": 1, "unchanged": 0, "failed": 1}
    told = {Path(event["input"]).name: event["status"] for event in ran.events if event["event"] == "film"}
    assert told == {"a.mkv": "done", "bad.mkv": "failed"}
    assert sorted(path.name for path in films.iterdir() if not path.name.startswith(".")) == [
        "a.eng.cfork.mka", "a.mkv", "bad.mkv",
    ]  # fmt: skip
    assert (films / "a.mkv").read_bytes() == before
    (films / "bad.mkv").unlink()
    again = finish(start_slowly(*WATCH, "--once", seconds_each=0))
    assert again.code == 0, again.err
    assert again.result == {"done": 0, "unchanged": 1, "failed": 0}


@pytest.mark.parametrize("poll", [False, True])
def test_films_that_come_are_done_until_it_is_stopped(films: Path, tmp_path: Path, poll: bool) -> None:
    out = films.parent / "out"
    child = start_slowly(*WATCH, "-o", str(out), "-r", *["--poll"] * poll, seconds_each=0)
    with contextlib.ExitStack() as stack:
        stack.callback(child.kill)
        read = wait_for_film(child, "a.mkv")
        (films / "new").mkdir()
        shutil.copy(films / "a.mkv", films / "new" / "b.mkv.part")
        os.rename(films / "new" / "b.mkv.part", films / "new" / "b.mkv")
        read += wait_for_film(child, "b.mkv")
        child.send_signal(signal.SIGTERM)
        ran = finish(child, read)
    assert ran.code in (130, 143), ran.err
    assert ran.result["done"] == 2, ran.err
    assert sorted(path.name for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")) == [
        "a.cfork.mkv", "b.cfork.mkv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["films"], 2, "nothing to change"),
        (["missing", "--dialog", "6"], 3, "is not a folder"),
        (["films/a.mkv", "--dialog", "6"], 3, "is not a folder"),
        (["films", "--dialog", "6", "-o", "films/a.mkv"], 4, "is a file"),
    ],
)
def test_what_cannot_be_watched(films: Path, arguments: list[str], code: int, says: str) -> None:
    ran = finish(start_slowly("watch", *arguments, "--once", seconds_each=0))
    assert (ran.code, says in ran.err) == (code, True), ran.err
