"""Figures agree everywhere: README, documents, the card and `cfork models` have them from one source."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import ModuleType

import pytest
from support.commands import ROOT, Ran

from cfork_cli.text import SPOKEN_ORDER
from model.hub import weights

TRIPLE = re.compile(r"[+-]\d+\.\d / [+-]\d+\.\d / [+-]\d+\.\d dB")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import figures

    return figures


def test_the_tables_are_those_of_the_sources(figures: ModuleType) -> None:
    for page in figures.PAGES:
        assert read(page) == figures.written(read(page)), f"{page} has old figures: python benchmarks/figures.py"
    marks = [name for page in figures.PAGES for name in re.findall(r"<!-- /(.*?) -->", read(page))]
    assert sorted(marks) == ["film", "film", "models", "scores", "scores", "scores", "short scores", "speed"]
    assert [where for where, _ in figures.film_rows()] == ["-12 to -6 dB", "-6 to 0 dB", "0 to +6 dB"]


def test_no_other_gains_are_named(figures: ModuleType) -> None:
    """Neither old ones of ours, nor others' under a wrong name."""
    _, published = figures.published()
    pages = ["README.md", "model/weights/cfork.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
    named = {found for page in pages for found in TRIPLE.findall(read(page))}
    assert named <= {figures.own_gains(), published}


def test_the_command_says_the_same(cfork: Callable[..., Ran], figures: ModuleType) -> None:
    name, published = figures.published()
    cards = {one["name"]: one["card"] for one in cfork("models", "--json").result["models"]}
    gains = {key: card["si_sdr_improvement_db"] for key, card in cards.items() if "si_sdr_improvement_db" in card}
    assert {key: figures.triple(found) for key, found in gains.items()} == {
        "cfork": figures.own_gains(), name: published,
    }  # fmt: skip
    rows = cfork("models").out.splitlines()
    assert [row.split()[0] for row in rows if figures.own_gains() in row] == ["cfork"]
    assert [row.split()[0] for row in rows if published in row] == [name]


def test_what_the_training_took(cfork: Callable[..., Ran]) -> None:
    """The card's history, its file and the documents count the same steps; `info` shows all runs."""
    card = next(one.card for one in weights.list_models() if one.name == "cfork")
    begun, mixed = card["commits"].split("then 0.35 of another such network")
    steps = r"(?:^|then |weights of |on for )([\d,]+) steps"
    runs, films = ([int(found.replace(",", "")) for found in re.findall(steps, part)] for part in (begun, mixed))
    text = read("model/weights/cfork.md")
    trained = re.search(r"([\d,]+) steps of 16 s.*?([\d,]+) of 32 s.*?went on for ([\d,]+) steps of 32 s", text)
    first, later, on_films = (int(found.replace(",", "")) for found in trained.groups())
    assert (first, later, on_films) == (runs[0], sum(runs[1:]), sum(films))
    assert f"{sum(runs):,} steps" in read("CHANGELOG.md")
    last = card["training"]
    assert last["steps"] == films[-1]
    shown = " ".join(cfork("models", "info", "cfork").out.split())
    assert f"last training run {last['minutes']:.0f} minutes, seed {last['seed']}, {films[-1]:,} steps" in shown
    assert "10,380 steps of 16 s" in shown
    minutes = int(re.search(r"(\d+) minutes on two", text)[1])
    assert round(minutes / 60) == 11
    assert "eleven hours" in read("docs/numbers.md")


def test_sentences_have_the_figures_of_the_tables(figures: ModuleType) -> None:
    scores = json.loads(read("model/weights/cfork.scores.json"))["summary"]
    assert f"{scores['remix_snr_gain']['mean']:.1f} dB better" in read("docs/numbers.md")
    assert f"{scores['scenes']} test scenes" in read("README.md")
    two_hours = figures.speed().splitlines()[-1]
    times, megabytes = (re.search(pattern, two_hours)[1] for pattern in (r"(\d+) times", r"(\d+) MB"))
    sentence = re.search(r"a 2-hour film takes (\d+) minutes \((\d+) times real time\) and (\d+) MB", read("README.md"))
    assert sentence is not None
    assert sentence.groups() == (f"{120 / int(times):.0f}", times, megabytes)
    card = read("model/weights/cfork.md")
    for where, gain in figures.film_rows():
        assert f"{abs(gain):.1f} dB" in card, where
    assert all(f"| {stem} |" in card for stem in SPOKEN_ORDER)
