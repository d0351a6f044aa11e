"""Write the figures of README and documents from their sources: `python benchmarks/figures.py`.

The scores of the bundled model come from `model/weights/cfork.scores.json`, those on film scenes from the table of
model/README.md, others' from the cards of the released models, and speed from `benchmarks/results`. Documents have
them between marks: `<!-- scores -->` and `<!-- /scores -->`. A test holds documents and sources together.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import speed_document

from cfork_cli.text import SPOKEN_ORDER, clock
from model.hub import released

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/numbers.md", "docs/models.md", "model/README.md", "model/weights/cfork.md")


def summary() -> dict[str, Any]:
    """Return the means, medians and intervals that `cfork evaluate` wrote for the bundled model."""
    found: dict[str, Any] = json.loads((ROOT / "model/weights/cfork.scores.json").read_text())["summary"]
    return found


def scores() -> str:
    """The table of all scores."""
    lines = [
        "| stem | mixture SI-SDR | estimate | mean gain | median gain | 95 % of the mean |",
        "|---|---|---|---|---|---|",
    ]
    for stem in SPOKEN_ORDER:
        found = summary()["stems"][stem]
        before, after, gain = found["mixture_si_sdr"]["mean"], found["si_sdr"]["mean"], found["si_sdri"]
        low, high = gain["ci95"]
        lines.append(
            f"| {stem} | {before:+.2f} | {after:+.2f} | **{gain['mean']:+.2f}** "
            f"| {gain['median']:+.2f} | {low:+.2f} to {high:+.2f} |"
        )
    return "\n".join(lines)


def short_scores() -> str:
    """The same for the README: rounded, and with the worst of the scenes."""
    lines = ["| part | in the film | separated | gain | worst scene |", "|---|---:|---:|---:|---:|"]
    scenes = json.loads((ROOT / "model/weights/cfork.scores.json").read_text())["scenes"]
    for stem in SPOKEN_ORDER:
        found = summary()["stems"][stem]
        worst = min(scene["stems"][stem]["si_sdri"] for scene in scenes)
        lines.append(
            f"| {stem} | {found['mixture_si_sdr']['mean']:+.1f} dB | {found['si_sdr']['mean']:+.1f} dB "
            f"| **{found['si_sdri']['mean']:+.1f} dB** | {worst:+.1f} dB |"
        )
    return "\n".join(lines)


def triple(gains: dict[str, float]) -> str:
    """Return three gains as documents write them.

    >>> triple({"music": 1.25, "dialogue": 2, "effects": -3})
    '+2.0 / +1.2 / -3.0 dB'
    """
    return " / ".join(f"{gains[stem]:+.1f}" for stem in SPOKEN_ORDER) + " dB"


def own_gains() -> str:
    """The mean gains of the bundled model."""
    return triple({stem: summary()["stems"][stem]["si_sdri"]["mean"] for stem in SPOKEN_ORDER})


def published() -> tuple[str, str]:
    """Return the one released model whose authors published gains, and these."""
    ((key, card),) = [
        (key, card) for key in released.RELEASES if "si_sdr_improvement_db" in (card := released.card_of(key))
    ]
    return released.public_name(key), triple(card["si_sdr_improvement_db"])


def film_rows() -> list[tuple[str, float]]:
    """Return ranges of the voice over the rest, and what the remix gains there, from model/README.md."""
    text = (ROOT / "model/README.md").read_text(encoding="utf-8").partition("### Film scenes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([+-]?\d+ to [+-]?\d+ dB) \|.*\| \**([+-][\d.]+)\** \|$", text, re.MULTILINE)
    return [(where, float(gain)) for where, gain in rows]


def film() -> str:
    """The table of film scenes, the easiest first."""
    words = {True: "", False: ", so the remix is worse than the film as it is"}
    lines = ["| the voice lies over the rest by | the remix is closer by |", "|---|---|"]
    lines += [f"| {where} | {gain:+.1f} dB{words[gain > 0]} |" for where, gain in reversed(film_rows())]
    return "\n".join(lines)


def speed() -> str:
    """The table of speed and memory of the bundled model, as `benchmarks/speed.py --only growth` measured them."""
    lines = ["| film | speed | of that, start-up | peak memory (all processes) |", "|---|---|---|---|"]
    measured: dict[str, Any] = json.loads((ROOT / "benchmarks/results/growth.json").read_text())
    for case in (one["cases"][0] for one in measured.values() if one["cases"][0]["model"] == "cfork"):
        command, times = case["command"], case["command"]["times_real_time"]["median"]
        lines.append(
            f"| {clock(case['seconds'])} | {times:.{1 if times < 10 else 0}f} times real time "
            f"| {command['start_up_seconds']['median']:.1f} s | {command['peak_bytes'] / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def models() -> str:
    """The table of what the models give at what cost."""
    results = ROOT / "benchmarks/results"
    return speed_document.defaults({"models": json.loads((results / "models.json").read_text())}).rstrip()


BLOCKS = {"scores": scores, "short scores": short_scores, "film": film, "speed": speed, "models": models}


def written(text: str) -> str:
    """Return a document with the tables of now between its marks."""
    for name, table in BLOCKS.items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda match, table=table: f"{match[1]}\n{table()}\n\n{match[2]}",  # type: ignore[misc]
            text, flags=re.DOTALL,
        )  # fmt: skip
    return text


def main() -> None:
    """Write all pages anew."""
    for page in PAGES:
        path = ROOT / page
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
