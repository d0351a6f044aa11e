"""Scores as tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from cfork_cli.console.console import Console
from cfork_cli.text import SPOKEN_ORDER


def show(result: dict[str, Any], console: Console) -> None:
    """Print what `scoring.evaluate` found: scores, differences of the models, and speed."""
    for table in _tables(result):
        console.table(table)
        console.out("")
    for line in _words(result):
        console.out(line)


def markdown(result: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    parts = []
    for table in _tables(result):
        rows = [[str(column.header) for column in table.columns], ["---"] * len(table.columns)]
        cells = zip(*(column.cells for column in table.columns), strict=True)
        rows += [[str(cell) for cell in row] for row in cells]
        parts.append("".join(f"| {' | '.join(row)} |\n" for row in rows))
    parts.append("".join(f"{line}  \n" for line in _words(result)))
    return "\n".join(parts)


def _tables(result: dict[str, Any]) -> list[Table]:
    reports = result["models"]
    first = _cases(reports) if "cases" in reports[0] else _stems(reports)
    return [first, *(_differences(one) for one in result["differences"])]


def _words(result: dict[str, Any]) -> Iterator[str]:
    """Yield lines on what the tables' numbers are, and how long they took."""
    gains = ", ".join(f"{stem} {_gain(result['gains_db'][stem])}" for stem in SPOKEN_ORDER)
    yield f"SI-SDR and SNR in dB, in brackets the middle 95 % of bootstrapped scenes; remix: {gains}"
    for report in result["models"]:
        whole = report["summary"]
        count = f"{whole['scenes']} scene{'' if whole['scenes'] == 1 else 's'}"
        speed = f"{whole['speed']:.1f} s of sound a CPU second" if whole["speed"] else "no time taken"
        yield f"{report['model']}: {count}, {whole['seconds']:.0f} s of sound, {speed}"


def _stems(reports: list[dict[str, Any]]) -> Table:
    """A row per stem and model."""
    several = len(reports) > 1
    table = Table("", *(["model"] if several else []), "mixture", "estimate", "mean gain", "median gain", "SNR gain")
    for stem in SPOKEN_ORDER:
        for report in reports:
            name = [report["model"]] if several else []
            if found := report["summary"]["stems"].get(stem):
                gain = found.get("si_sdri")
                mixture = f"{found['mixture_si_sdr']['mean']:+.2f}" if gain else ""
                table.add_row(stem, *name, mixture, f"{found['si_sdr']['mean']:+.2f}",
                              _mean(gain), _median(gain), _mean(found.get("snri")))  # fmt: skip
            if leakage := report["summary"]["leakage"].get(stem):
                scenes = leakage["scenes"]
                table.add_row(f"{stem}, silent in {scenes}", *name, "", f"leaks {_mean(leakage)}", "", "", "")
    for report in reports:
        whole = report["summary"]
        if "remix_snr" not in whole:  # it changes no scene
            continue
        table.add_row(
            "remix (SNR)", *([report["model"]] if several else []), f"{whole['mixture_remix_snr']['mean']:+.2f}",
            f"{whole['remix_snr']['mean']:+.2f}", _mean(whole["remix_snr_gain"]), _median(whole["remix_snr_gain"]), "",
        )  # fmt: skip
    return table


def _cases(reports: list[dict[str, Any]]) -> Table:
    """A row per special case and model: mean SI-SDR gains, and what comes out in silent stems."""
    several = len(reports) > 1
    table = Table(
        "case", *(["model"] if several else []), *(f"{stem} gain" for stem in SPOKEN_ORDER),
        *(f"leak to {stem}" for stem in SPOKEN_ORDER),
    )  # fmt: skip
    for case in reports[0]["cases"]:
        for report in reports:
            found = report["cases"][case]
            table.add_row(
                case, *([report["model"]] if several else []),
                *(_mean(found["stems"].get(stem, {}).get("si_sdri")) for stem in SPOKEN_ORDER),
                *(_mean(found["leakage"].get(stem)) for stem in SPOKEN_ORDER),
            )  # fmt: skip
    return table


def _differences(one: dict[str, Any]) -> Table:
    """Return a table of how much better a model is than the first one, scene by scene."""
    table = Table(
        *(["case"] if "cases" in one else []), f"'{one['model']}' against '{one['than']}'", "mean difference",
        "median difference", "better in",
    )  # fmt: skip
    for case, found in one.get("cases", {"": one}).items():
        name = [case] if case else []
        rows = [
            *((f"{stem} SI-SDR", found["stems"][stem]["si_sdr"]) for stem in SPOKEN_ORDER if stem in found["stems"]),
            *((f"{stem} leakage", found["leakage"][stem]) for stem in SPOKEN_ORDER if stem in found["leakage"]),
            *([("remix SNR", found["remix_snr"])] if "remix_snr" in found else []),
        ]
        for words, difference in rows:
            share = f"{difference['better']:.0%} of {difference['scenes']}"
            table.add_row(*name, words, _mean(difference), _median(difference), share)
    return table


def _gain(gain_db: float | None) -> str:
    return "mute" if gain_db is None else f"{gain_db:+g} dB"


def _mean(found: dict[str, Any] | None) -> str:
    return _with_interval(found, "mean", "ci95") if found else ""


def _median(found: dict[str, Any] | None) -> str:
    return _with_interval(found, "median", "median_ci95") if found else ""


def _with_interval(found: dict[str, Any], name: str, interval: str) -> str:
    low, high = found[interval]
    return f"{found[name]:+.2f}" + (f" ({low:+.2f} to {high:+.2f})" if found["scenes"] > 1 else "")
