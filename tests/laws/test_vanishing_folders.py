"""Commands that work long on what they write, and a folder that is removed meanwhile: one line, code 4, no half."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.commands import Ran, listing
from support.tiny_packs import TINY_RUN

from cfork_cli.output.sink import Sink
from model.dnr import build, cases, importer
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
