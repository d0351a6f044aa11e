"""Show the models that there are, how well they do, and everything known about one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cfork_cli.console.console import Console
from cfork_cli.text import SPOKEN_ORDER, megabytes
from model.hub.inventory import Entry, entries
from model.hub.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from model.hub.examine import Facts


def show_models(console: Console) -> None:
    """Show a table of the models that there are and could be, or their cards as JSON, without importing torch.

    Raises:
        WeightsError: a bundled file is damaged.
    """
    found = entries()
    table = Table("name", "state", "size", "SI-SDR gain of dialogue / music / effects", "license")
    for entry in found:
        name = f"{entry.name} (default)" if entry.name == DEFAULT_MODEL else entry.name
        table.add_row(
            name, entry.state, megabytes(entry.bytes), _scores(entry.card),
            str(entry.card.get("license", "unknown")),
        )  # fmt: skip
    console.table(table)
    if console.rich.is_terminal and any(entry.state == "not pulled" for entry in found):
        console.say("cfork models pull NAME brings one here; cfork models info NAME shows details")
    console.result(models=[_entry(entry) for entry in found])


def show_facts(facts: Facts, console: Console) -> None:
    """Show everything known about a model, as a table or as JSON."""
    rows: dict[str, str] = {
        "model": f"{facts.name} ({facts.state})",
        "file": str(facts.path) if facts.path else f"run: cfork models pull {facts.name}",
        "about": str(facts.card.get("description", "unknown")),
        "license": str(facts.card.get("license", "unknown")),
        "network": f"{facts.architecture}, {facts.parameters:,} parameters",
        "configuration": json.dumps(facts.config),
        "size": f"{megabytes(facts.bytes)}{_precision(facts)}",
        "sha256": f"{facts.sha256} ({_standing(facts)})",
        "stems": ", ".join(facts.stems),
        "input": f"{facts.sample_rate} Hz at about {facts.input_lufs:g} LUFS, {facts.window_seconds:g} s at a time: "
        f"{facts.context_seconds:g} s of context on both sides, {facts.crossfade_seconds:g} s of cross-fade",
        "levels": "those of the mixture" if facts.level_matched else "its own: for cfork separate, not for remixing",
        "SI-SDR gain": f"{_scores(facts.card)} (dialogue / music / effects)",
    }
    shown = {"description", "license", "si_sdr_improvement_db", "sha256"}
    rows |= {
        _NAMES.get(key, key.replace("_", " ")): words
        for key, value in facts.card.items()
        # whole tables stay in --json
        if key not in shown and (len(words := _words(value)) < 400 or isinstance(value, str))
    }
    table = Table("", "", show_header=False)
    for row in rows.items():
        table.add_row(*row)
    console.table(table)
    console.result(**{**asdict(facts), "path": str(facts.path) if facts.path else None})


_NAMES = {"training": "last training run", "commits": "training history"}
"""What the fields of a card are called, where their own name does not say it."""

_UNITS = ("minutes", "steps", "hours")


def _words(value: Any) -> str:
    """Return a value of a card, which may be anything that JSON has, for people.

    >>> _words({"minutes": 107.0, "steps": 2555, "seed": 6, "hours": {"music": 18.5}})
    '107 minutes, 2,555 steps, seed 6, hours: music 18.5'
    """
    if isinstance(value, dict):
        return ", ".join(
            f"{_words(inner)} {key}" if key in _UNITS and isinstance(inner, int | float)
            else f"{key}: {_words(inner)}" if isinstance(inner, dict | list) else f"{key} {_words(inner)}"
            for key, inner in value.items()
        )  # fmt: skip
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, bool | None):
        return json.dumps(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}" if isinstance(value, float) else str(value)


def _entry(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "path": str(entry.path) if entry.path else None}


def _scores(card: dict[str, Any]) -> str:
    # a card is whatever its author wrote
    gains, evaluation = (
        found if isinstance(found := card.get(key), dict) else {} for key in ("si_sdr_improvement_db", "evaluation")
    )
    known = {stem: gain for stem, gain in gains.items() if isinstance(gain, int | float)}
    scores = " / ".join(f"{known[stem]:+.1f}" for stem in SPOKEN_ORDER if stem in known) + " dB" if known else ""
    measured = evaluation.get("set")  # others' figures may be of other scenes than ours
    return f"{scores} on {measured}" if scores and measured else scores or "unknown"


def _precision(facts: Facts) -> str:
    """The type of most numbers in the file."""
    main = max(facts.precision, key=lambda kind: facts.precision[kind], default=None)
    return f", {main}" if main else ""


def _standing(facts: Facts) -> str:
    if facts.path is None:
        return "of the file to be pulled"
    if facts.sha256_due is None:
        return "nothing to compare it with"
    return "as published" if facts.sha256 == facts.sha256_due else f"wrong: it should be {facts.sha256_due}"
