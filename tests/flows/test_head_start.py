"""torch is imported while the plan is made, and nobody waits for it who does not need it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import ROOT, finish, listing, processes_about, start, wait_until

Environment = dict[str, str]


@pytest.fixture
def with_torch(tmp_path: Path) -> Callable[[str], Environment]:
    """Put a module of these words in torch's place, for commands in processes of their own."""

    def put(words: str) -> Environment:
        folder = tmp_path / "instead"
        folder.mkdir()
        (folder / "torch.py").write_text(words)
        # no compiled torch.py beside it: what is left behind is compared
        return {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), "PYTHONDONTWRITEBYTECODE": "1"}

    return put


FOR_EVER = "import time\ntime.sleep(3600)\n"
NEVER = "raise SystemError('torch was imported')\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["remix", "missing.mkv", "--music", "3"], 3, "'missing.mkv' does not exist"),
        (["remix", "FILM", "--music", "3", "-o", "no/new.mkv"], 4, "the directory 'no' does not exist"),
        (["remix", "FILM", "--music", "3", "--codec", "nonsense"], 2, "cannot write 'nonsense' sound"),
        (["separate", "FILM", "-o", "stems", "--stem", "drums"], 2, "'drums' is not a stem"),
    ],
)
def test_a_command_that_fails_does_not_wait_for_it(
    place: Path, films_here: Path, with_torch: Callable, arguments: list[str], code: int, words: str
) -> None:
    film = films_here / "plain.mkv"
    child = start(*(film if word == "FILM" else word for word in arguments), env=with_torch(FOR_EVER))
    ran = finish(child)
    assert (ran.code, len(ran.lines)) == (code, 1), ran.err
    assert words in ran.err
    assert listing(place.parent / "temporary") == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_import_and_the_measuring(
    place: Path, films_here: Path, with_torch: Callable, number: int
) -> None:
    film = films_here / "plain.mkv"
    environment = with_torch(FOR_EVER)
    before = listing(place.parent)
    child = start("remix", film, "--music", "3", "-o", "new.mkv", "--json", env=environment)
    said = ""
    for line in child.stderr:
        said += line
        if json.loads(line) == {"event": "stage", "stage": "load"}:
            break
    child.send_signal(number)
    ran = finish(child, said)
    assert (ran.code, ran.result["error"]) == (128 + number, "interrupted: nothing was written")
    assert wait_until(lambda: not processes_about(film))
    assert listing(place.parent) == before


def test_an_import_that_fails_is_told_where_torch_is_needed(
    place: Path, films_here: Path, with_torch: Callable
) -> None:
    environment = {**with_torch("raise ImportError('no room')\n"), "CFORK_DEBUG": ""}
    ran = finish(start("remix", films_here / "plain.mkv", "--music", "3", "-o", "new.mkv", env=environment))
    assert (ran.code, len(ran.lines)) == (1, 1), ran.err
    assert "ImportError: no room" in ran.err
    assert listing(place) == {}


@pytest.mark.parametrize("arguments", [["--music", "3", "--dry-run"], ["--music", "0", "--codec", "flac"]])
def test_what_needs_no_network_imports_no_torch(
    place: Path, films_here: Path, with_torch: Callable, arguments: list[str]
) -> None:
    environment = with_torch(NEVER)
    ran = finish(start("remix", films_here / "plain.mkv", "-o", "new.mkv", *arguments, env=environment))
    assert ran.code == 0, ran.err
