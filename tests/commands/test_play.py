"""`cfork play` as a command: one address, one line for each mistake, and an end that leaves nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Ran, finish, listing, processes_about, start
from support.films import Sound, make
from support.players import Client

MISTAKES = [
    (["none.mkv"], 3, "does not exist"),
    (["a.mka", "--track", "7"], 3, "no sound track 7"),
    (["a.mka", "--model", "none"], 7, "none"),
    (["a.mka", "--cache-size", "much"], 2, "is not a size"),
    (["a.mka", "--port", "70000"], 2, "port"),
    (["a.mka", "--input-lufs", "90"], 2, "no loudness"),
    (["mute.mkv"], 3, "no sound track"),
    (["."], 3, "is a directory"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), MISTAKES)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], code: int, words: str, cfork: Callable[..., Ran], place: Path
) -> None:
    make(place / "a.mka", Sound("flac"), seconds=2, picture=None)
    make(place / "mute.mkv")
    done = cfork("play", "--no-browser", *arguments)
    assert done.code == code
    (line,) = done.lines
    assert words in line
    assert done.out == ""


@pytest.mark.parametrize("how", ["page", "ctrl-c"])
def test_it_prints_the_address_and_ends_with_the_page_or_ctrl_c(how: str, place: Path) -> None:
    film = make(place / "a.mka", Sound("flac"), seconds=2, picture=None)
    before = listing(place)
    environment = {**os.environ, "CFORK_CACHE": str(place.parent / "cache")}
    child = start("play", film, "--no-browser", "--cache-size", "0", env=environment)
    assert child.stdout is not None
    line = child.stdout.readline()
    url = (line if isinstance(line, str) else line.decode()).strip()
    assert url.startswith("http://127.0.0.1:")
    client = Client(int(url.partition("127.0.0.1:")[2].partition("/")[0]))
    client.login(url)
    assert client.get("/api/film").json["fragments"] == 2
    if how == "page":
        client.post("/api/quit", {})
    else:
        child.send_signal(signal.SIGINT)
    done = finish(child)
    assert done.code == 0, done.err
    assert listing(place) == before
    assert not (place.parent / "cache").exists()
    assert not processes_about(film)
