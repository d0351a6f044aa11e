"""Tables of scores by the voice's level over the rest, by what is hard, and by a passage's level in its film."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from cfork_cli.errors import UsageError
from cfork_cli.text import SPOKEN_ORDER

GROUPS = {"voice": "voice against the rest, dB", "hard": "what is hard"}
"""Keys of a report that hold figures of groups of scenes -> the heading of the groups."""


def parse_levels(text: str) -> tuple[float, ...]:
    """Read levels in dB with commas between them.

    Raises:
        UsageError: they are no numbers from -60 to +20, or one is given twice.

    >>> parse_levels("0,-10")
    (0.0, -10.0)
    """
    try:
        levels = tuple(float(one) + 0.0 for one in text.replace("\N{MINUS SIGN}", "-").split(","))
    except ValueError:
        levels = ()
    if not levels or not all(-60 <= one <= 20 for one in levels) or len(set(levels)) < len(levels):
        raise UsageError(f"--levels takes different numbers of dB from -60 to 20, such as 0,-10,-20, not '{text}'")
    return levels


def tables(reports: list[dict[str, Any]]) -> Iterator[Table]:
    """The tables by the voice's level, where there are voices over a rest, by what is hard, and by input level."""
    several = len(reports) > 1
    for key, words in GROUPS.items():
        if any(key in report for report in reports):
            yield _grouped(reports, key, words, several=several)
    if "levels" in reports[0]:
        yield _by_level(reports, several=several)


def _grouped(reports: list[dict[str, Any]], key: str, words: str, *, several: bool) -> Table:
    """A row per group and model: gains of SI-SDR, SNR, and what the remix +6 / -10 / 0 dB gains over the mixture."""
    table = Table(
        words, *(["model"] if several else []), "scenes",
        *(f"{stem} gain" for stem in SPOKEN_ORDER), *(f"{stem} SNR" for stem in SPOKEN_ORDER), "remix +6/-10/0 gain",
    )  # fmt: skip
    for name in dict.fromkeys(name for report in reports for name in report.get(key, {})):
        for report in reports:
            if found := report.get(key, {}).get(name):
                table.add_row(name, *([report["model"]] if several else []), str(found["scenes"]), *_row(found))
    return table


def _by_level(reports: list[dict[str, Any]], *, several: bool) -> Table:
    """A row per level and model; lost is SI-SDR of the dialogue against the first level."""
    table = Table(
        "input level, dB", *(["model"] if several else []), *(f"{stem} gain" for stem in SPOKEN_ORDER),
        *(f"{stem} SNR" for stem in SPOKEN_ORDER), "remix +6/-10/0 gain", *(f"{stem} lost" for stem in SPOKEN_ORDER),
    )  # fmt: skip
    for name in reports[0]["levels"]:
        for report in reports:
            found = report["levels"][name]
            lost = (_mean(found["lost"].get(stem)) for stem in SPOKEN_ORDER)
            table.add_row(name, *([report["model"]] if several else []), *_row(found), *lost)
    return table


def _row(found: dict[str, Any]) -> list[str]:
    stems = [found["stems"].get(stem, {}) for stem in SPOKEN_ORDER]
    return [
        *(_mean(figures.get(figure)) for figure in ("si_sdri", "snr") for figures in stems),
        _mean(found.get("promise_gain")),
    ]


def _mean(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    low, high = found["ci95"]
    return f"{found['mean']:+.2f}" + (f" ({low:+.2f} to {high:+.2f})" if found["scenes"] > 1 else "")
