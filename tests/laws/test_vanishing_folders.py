"""Commands that work long on what they write, and a folder that is removed meanwhile: one line, code 4, no half."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.commands import Ran, listing
from support.players import fake, player_of
from support.tiny_packs import TINY_RUN

from cfork_cli.bench import run as speed
from cfork_cli.flows import picture
from cfork_cli.output.sink import Sink
from cfork_cli.player.stem_store import StemStore
from model.dnr import build, cases, importer, statistics
from model.metrics import evaluate
from model.train.step import Stepper

AT = {
    "sink": (Sink, "finish"),
    "scene": (build, "draw_scene"),
    "case": (cases.CaseMixer, "draw"),
    "scores": (evaluate, "evaluate_scene"),
    "step": (Stepper, "step"),
    "sound": (importer, "decode"),
}
"""A moment in the midst of the work: before this function is called first."""

LINES: dict[str, tuple[str, ...]] = {
    "remix": ("sink", "remix", "film.mkv", "--dialog", "0", "-o", "out/new.mkv"),
    "separate": ("sink", "separate", "film.mkv", "--model", "tiny.safetensors", "-o", "out/stems"),
    "dub": ("sink", "dub", "film.mkv", "voice.wav", "--model", "tiny.safetensors", "-o", "out/new.mkv"),
    "evaluate": ("scores", "evaluate", "dnr", "--model", "tiny.safetensors", "-o", "out/scores.json"),
    "dnr build": ("scene", "dnr", "build", "out/set", "--packs", "packs", "--scenes", "tr=1", "--workers", "1"),
    "dnr cases": ("case", "dnr", "cases", "packs", "out/cases", "--split", "tr", "--scenes", "1", "--seconds", "1"),
    "dnr sources": ("sound", "dnr", "sources", "out/packs", "--debs", "debs", "--workers", "1"),
    "train": ("step", "train", "packs", "out/run", "--steps", "1", *TINY_RUN),
}
"""Command -> the moment, and a line that writes into `out`."""


@pytest.mark.parametrize("name", LINES)
def test_a_folder_that_vanishes(
    things: Path, cfork: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    moment, *line = LINES[name]
    place, function = AT[moment]
    usual: Callable[..., Any] = getattr(place, function)
    before = listing(things.parent)
    (things / "out").mkdir()

    def vanishing(*arguments: Any, **options: Any) -> Any:
        shutil.rmtree(things / "out", ignore_errors=True)
        return usual(*arguments, **options)

    monkeypatch.setattr(place, function, vanishing)
    ran = cfork(*line)
    assert not (things / "out").exists(), ran.err
    assert not any(word in ran.err for word in ("itself failed", "Traceback")), ran.err
    assert (ran.code, len(ran.lines)) == (4, 1), ran.err
    assert listing(things.parent) == before


FIGURES: dict[str, tuple[Any, str, tuple[str, ...], str]] = {
    "evaluate": (evaluate, "evaluate_scene", LINES["evaluate"][1:], "models"),
    "bench": (
        speed, "rounded", ("bench", "film.mkv", "--model=tiny.safetensors", "--runs=1", "--brief", "-o", "out/a.md"),
        "cases",
    ),
    "dnr stats": (statistics, "summarize", ("dnr", "stats", "dnr", "-o", "out/dnr.png", "--workers", "1"), "lufs"),
    "plot": (picture, "draw", ("plot", "film.mkv", "--model", "tiny.safetensors", "-o", "out/film.png"), "stems"),
}  # fmt: skip
"""Command -> the last that is done before its file is written, a line that writes into `out`, and where figures are."""


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_printed_where_their_file_cannot_be_written(
    things: Path, cfork: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The work of hours is not lost with the folder that was to have it: `--json` has the figures, and the error."""
    place, function, line, key = FIGURES[name]
    usual: Callable[..., Any] = getattr(place, function)
    (things / "out").mkdir()

    def vanishing(*arguments: Any, **options: Any) -> Any:
        found = usual(*arguments, **options)
        shutil.rmtree(things / "out", ignore_errors=True)
        return found

    monkeypatch.setattr(place, function, vanishing)
    ran = cfork(*line, "--json")
    assert (ran.code, ran.result["exit_code"]) == (4, 4)
    assert "'out" in ran.result["error"]
    assert ran.result[key]
    assert not (things / "out").exists()


def test_what_is_played_is_heard_when_its_folder_has_gone(
    place: Path, films_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of fragments is made again; that of an export is not."""
    film = Path(shutil.copy(films_here / "plain.mkv", place / "film.mkv"))
    before = listing(place)
    (place / "out").mkdir()
    put, finish = StemStore.put, Sink.finish

    def vanishing(store: StemStore, *arguments: Any) -> None:
        shutil.rmtree(place / "kept")
        put(store, *arguments)

    def vanishing_too(sink: Sink) -> None:
        shutil.rmtree(place / "out", ignore_errors=True)
        finish(sink)

    monkeypatch.setattr(StemStore, "put", vanishing)
    monkeypatch.setattr(Sink, "finish", vanishing_too)
    with player_of(film, place / "kept", network=fake(), export_folder=place / "out") as (_, _, client):
        assert np.abs(client.sound(0)).max() > 0.01
        assert client.get("/api/state").json["note"] is None
        facts = client.finished(client.post("/api/export", {"gains": {"dialogue": -6}}).json["id"])
    assert (facts["state"], facts["path"]) == ("failed", None)
    assert str(place / "out") in facts["error"]
    shutil.rmtree(place / "kept")
    assert listing(place) == before
