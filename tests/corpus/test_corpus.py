"""Every film of the corpus through `cfork remix`: nothing but the chosen sound track changes, and that only by what was
asked. `corpus.PROMISES` says what is looked at; docs/corpus.md is the table of it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus.films import CASES, Case, Maker, variants
from corpus.runs import Films, InTurn, Trials, tried
from corpus.table import TABLE, head, row_name
from support.commands import ROOT, echo_network
from support.portraits import look, sound

from cfork_cli.app import run
from cfork_cli.flows import network as networks

sys.path.append(str(ROOT / "benchmarks"))

BY_ID = {case.id: case for case in CASES}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trials(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, films: Films
) -> Iterator[Trials | InTurn]:
    """All cases that are to be tested, at work while the first ones are looked at.

    A worker of pytest-xdist collects them all and runs a few, so it tries each of them when its turn comes.
    """
    if hasattr(request.config, "workerinput"):
        yield InTurn(films)
        return
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [tuple(call.params[name] for name in ("case", "maker", "runner")) for call in calls if _is_case(call)]
    with Trials(tmp_path_factory.mktemp("trials"), wanted) as running:
        yield running


def _is_case(call: Any) -> bool:
    return call is not None and isinstance(call.params.get("case"), Case)


@pytest.mark.parametrize(
    ("case", "maker", "runner"),
    [pytest.param(*one, id=f"{one[0].id} {one[1]} {one[2]}".replace(" > ", "-to-")) for one in variants()],
)
def test_the_promises(trials: Trials | InTurn, case: Case, maker: Maker, runner: Maker) -> None:
    outcome = trials.result(case, maker, runner)
    assert not outcome.broken, outcome.notes


@pytest.mark.parametrize(
    "name",
    ["late_sound.mkv", "gap.mkv", "edit_list.mp4", "film.ts", "opus.mkv", "film.avi", "late_sound.mkv > new.mp4"],
)
def test_new_levels_keep_the_sound_in_step(films: Films, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a network that hears everything as dialogue, the new sound is the old one, softer; all else as at 0 dB."""
    network = echo_network()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    broken = tried(films, BY_ID[name], "system", "system", ["--dialog=-6", "--input-lufs=-27"]).broken
    broken.pop("sound", None) if "samples of" in broken.get("sound", "") else None  # they differ, as they should
    assert not broken


def test_the_table_is_that_of_these_films() -> None:
    """docs/corpus.md is written by `python tests/corpus/table.py`; here only that it was not forgotten."""
    text = TABLE.read_text(encoding="utf-8")
    assert head() in text
    assert "broken" not in text.split(head())[1]
    for case, maker, runner in variants():
        assert row_name(case, maker, runner) in text


def test_the_measure_itself(films: Films) -> None:
    """What is a millisecond late, or missing, is seen."""
    from support.promises import _out_of_step

    path = films.get(BY_ID["late_sound.mkv"], "system")
    heard, start, rate = sound(path)
    assert (start, rate) == (0.5, 48_000)
    assert list(_out_of_step(heard, heard, 0, rate)) == []
    later = np.roll(heard, 60, axis=1)
    (fault,) = list(_out_of_step(heard, later, 0, rate))[:1]
    assert "+1.25 ms" in fault
    film = look(path)
    assert [stream.kind for stream in film.streams] == ["video", "audio"]
    assert [len(stream.packets) > 3 for stream in film.streams] == [True, True]


def test_films_of_the_corpus_are_what_they_say(films: Films, tmp_path: Path) -> None:
    """A corpus that lost its odd films would prove nothing."""
    assert len(BY_ID) == len(CASES)
    everything = look(films.get(BY_ID["everything.mkv"], "system"))
    assert [stream.kind for stream in everything.streams] == [
        "audio", "video", "subtitle", "audio", "subtitle", "video", "subtitle", "audio", "attachment", "video",
    ]  # fmt: skip
    assert everything.chapters
    assert everything.tags["title"] == "The Film"
    hdr = look(films.get(BY_ID["hdr.mkv"], "system")).streams[0].picture
    assert {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} <= hdr.keys()
    assert hdr["transfer"] == 16
    assert look(films.get(BY_ID["rotated.mp4"], "system")).streams[0].picture["rotation"] in (90, -90)
    times = [p.pts for p in look(films.get(BY_ID["vfr.mkv"], "system")).streams[0].packets]
    assert len({b - a for a, b in pairwise(times)}) > 2
    assert look(films.get(BY_ID["film.ts"], "system")).streams[0].start > 20
    assert look(films.get(BY_ID["edit_list.mp4"], "system")).streams[0].start < 0


@pytest.mark.parametrize("name", ["late.mkv", "mp2.ts", "holes.mkv"])
def test_a_minute_does_not_drift(name: str, tmp_path: Path) -> None:
    """Clicks at the start, in the middle and at the end; `benchmarks/sync.py` does the same for two hours."""
    bench = importlib.import_module("sync")
    trip = next(trip for trip in bench.TRIPS if trip.film == name)

    def remix(arguments: list[str]) -> None:
        assert run(["remix", "--quiet", *arguments]) == 0

    for at, before, after in bench.measure(trip, tmp_path, 60.0, remix):
        assert abs(after - before) <= 1, at
