"""The words and tables of docs/speed.md, and the README's table, from the JSON that `speed.py` keeps."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from cfork_cli.bench import machine as bench_machine
from cfork_cli.bench import tables as bench_tables
from cfork_cli.bench.figures import words
from cfork_cli.text import SPOKEN_ORDER, clock
from model.hub import released

ROOT = Path(__file__).parents[1]

MRX = "mrx"
"""The published network's shape with random weights: what they are worth does not change what they cost."""

COMMANDS = {"cfork --version": ["--version"], "cfork --help": ["--help"], "cfork remix --help": ["remix", "--help"]}
"""Whose start-up is measured."""


def document(found: dict[str, dict[str, Any]]) -> str:
    """docs/speed.md, of the sections that there are."""
    parts = ["# Speed and memory\n", _preface(found)]
    if "models" in found:
        parts += [
            "## Both networks, every layout\n",
            "A minute of film (and three of stereo), remixed with dialogue +6 dB and music -10 dB: from the start of\n"
            "Python to the finished film, AAC to AAC (5.1: AC-3), in Matroska. `mrx` has the shape of the published\n"
            "network and random weights, which cost the same. The low-frequency channel of 5.1 passes as it is, so\n"
            "the network gets five.\n",
            _merged(found["models"]),
            "### Compared\n",
            "`one pass` is the whole file through the network at once, one sequence a channel, all stems, with torch's "
            "own settings, as\nthe authors of MRX do it; decoding and encoding are not counted there. `network` is the "
            "network alone on the very batches\nthat the command computes, and `arithmetic` the time that its "
            "multiplications take at the rate of the best matrix product\nthat torch does here. Times of one column "
            "over times of the other, median (smallest..largest) of rounds measured together.\n",
            _comparisons(found["models"]),
            "### Where the time goes\n",
            "CPU seconds per second of film, every stage run alone. Stages of the network are calls of torch's "
            "functions within it.\n",
            _stages(found["models"]),
        ]
    if "growth" in found:
        parts += [
            "## Growth\n",
            "The whole command, stereo. Time after the start-up is linear in the length; memory hardly grows once "
            "batches are full.\n",
            _growth(found["growth"]),
        ]
    if "without_network" in found:
        parts += [
            "## Without the network\n",
            "What a GPU waits for, however fast it is: ten minutes of film, with a network that costs nothing, by "
            "`benchmarks/without_network.py`.\nThe pass that measures loudness comes first; `remix` is everything "
            "after it, and the CPU seconds are those of `remix`.\n",
            _without_network(found["without_network"]),
        ]
    if "start_up" in found:
        there = [name for name in COMMANDS if name in found["start_up"]]
        parts += ["## Start-up\n", "| command | seconds, median (smallest..largest) |\n|---|---:|"]
        parts[-1] += "".join(f"\n| `{name}` | {words(found['start_up'][name], 2)} |" for name in there) + "\n"
        if "pipe" in found["start_up"]:
            parts += ["Through a pipe, 48 kHz stereo, by `benchmarks/pipe_latency.py`:\n"]
            parts += ["\n".join(found["start_up"]["pipe"]) + "\n"]
    return "\n".join(parts)


def defaults(found: dict[str, dict[str, Any]]) -> str:
    """Which model gives what quality at what cost, as Markdown: stereo, start-up and all.

    Raises:
        SystemExit: nothing was measured yet.
    """
    if "models" not in found:
        raise SystemExit("nothing was measured yet: python benchmarks/speed.py --only models")
    scores = json.loads((ROOT / "model" / "weights" / "cfork.scores.json").read_text())["summary"]["stems"]
    own = {stem: scores[stem]["si_sdri"]["mean"] for stem in SPOKEN_ORDER}
    sizes = {"cfork": (ROOT / "model" / "weights" / "cfork.safetensors").stat().st_size, MRX: _released_bytes()}
    lines = [
        "| model | SI-SDR gain, dialogue / music / effects | device | times real time | memory | on disk |",
        "|---|---|---|---:|---:|---:|",
    ]
    for measured in found["models"].values():
        (case,) = measured["cases"]
        if case["layout"] != "stereo" or not _is_usual(case):
            continue
        model, command = case["model"], case["command"]
        told = (
            f"{' / '.join(f'{own[stem]:+.1f}' for stem in SPOKEN_ORDER)} dB" if model == "cfork" else "not published *"
        )
        lines.append(
            f"| `{model}` | {told} | {_device(measured, case)} | {command['times_real_time']['median']:.1f} "
            f"| {bench_tables.megabytes(command['peak_bytes'])} | {sizes[model] / 1e6:.0f} MB |"
        )
    card = released.card_of("paper")["si_sdr_improvement_db"]
    gains = " / ".join(f"{card[stem]:+.1f}" for stem in SPOKEN_ORDER)
    lines += ["", f"\\* `mrx-paper` has published gains, {gains} dB on the test scenes of Divide and Remaster. Ours "
                  "are of another test set, so the two do not compare."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _released_bytes() -> int:
    from model.hub.released import RELEASES

    return RELEASES["default"].bytes


def _device(measured: dict[str, Any], case: dict[str, Any]) -> str:
    machine = measured["machine"]
    return (
        machine["gpu"]
        if case["device"] == "cuda"
        else f"CPU, {machine['cores']} core{'' if machine['cores'] == 1 else 's'}"
    )


def _preface(found: dict[str, dict[str, Any]]) -> str:
    """The command, and the machines that were measured on."""
    results = [one for section in ("models", "growth") for one in found.get(section, {}).values()]
    machines = dict.fromkeys(line for one in results for line in ["  \n".join(bench_machine.lines(one["machine"]))])
    told = "".join(f"\n{machine}\n" for machine in machines)
    return (
        "Written by `python benchmarks/speed.py` from what `cfork bench` measures; `cfork bench` measures the same "
        f"of your machine.\n{told}"
    )


def _merged(section: dict[str, Any]) -> str:
    return bench_tables.rows(bench_tables.overview({"cases": _cases(section)}))


def _cases(section: dict[str, Any]) -> list[dict[str, Any]]:
    return [case for one in section.values() for case in one["cases"]]


def _is_usual(case: dict[str, Any]) -> bool:
    """Whether it is one of the minutes that all layouts and networks are compared by."""
    return bool(case["seconds"] < 90)


def _comparisons(section: dict[str, Any]) -> str:
    lines = [
        "| model | device | sound | one pass / command | one pass / network | command / network "
        "| after start-up / network | network / arithmetic |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    names = ("authors_to_command", "authors_to_network", "command_to_network", "command_after_start_up_to_network",
             "network_to_limit")  # fmt: skip
    notes = []
    for case in _cases(section):
        ratios = case["ratios"]
        cells = [words(ratios[name], 2) if name in ratios else "-" for name in names]
        lines.append(
            f"| {case['model']} | {bench_tables.place(case)} | {case['layout']} {clock(case['seconds'])} | "
            f"{' | '.join(cells)} |"
        )
        if "skipped" in case["authors"]:
            notes.append(f"No single pass of {case['model']} on {case['layout']}: {case['authors']['skipped']}.")
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _stages(section: dict[str, Any]) -> str:
    cases = [case for case in _cases(section) if _is_usual(case)]
    names = [stage["stage"] for stage in cases[0]["stages"]]
    head = [f"{case['model']} {case['layout']}" for case in cases]
    lines = [f"| stage | {' | '.join(head)} |", "|---|" + "---:|" * len(cases)]
    for name in names:
        cells = []
        for case in cases:
            (stage,) = [one for one in case["stages"] if one["stage"] == name]
            cells.append(f"{stage['cpu_seconds']['median'] / case['seconds']:.4f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _without_network(section: dict[str, Any]) -> str:
    lines = [
        "| sound | loudness, times real time | remix, times real time | CPU s per s, cfork | CPU s per s, ffmpeg |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, case in section.items():
        rates = [words(case[f"{what}_times_real_time"], 0) for what in ("loudness", "remix")]
        spent = [f"{case[f'{who}_cpu_seconds_per_second']['median']:.4f}" for who in ("own", "ffmpeg")]
        lines.append(f"| {' | '.join([name, *rates, *spent])} |")
    return "\n".join(lines) + "\n"


def _growth(section: dict[str, Any]) -> str:
    lines = [
        "| model | device | length | begins after | wall s after that | the same, per minute of film | CPU s per s | "
        "peak memory |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case in _cases(section):
        command, place = case["command"], bench_tables.place(case)
        begins = command["start_up_seconds"]["median"]
        after = statistics.median(command["wall_seconds"]["runs"]) - begins
        cpu = command["cpu_seconds_per_second"]
        spent = f"{cpu['median']:.3f}" if cpu else ""
        lines.append(
            f"| {case['model']} | {place} | {clock(case['seconds'])} | {begins:.1f} s | {after:.1f} | "
            f"{60 * after / case['seconds']:.2f} | {spent} | "
            f"{bench_tables.megabytes(command['peak_bytes'])} |"
        )
    return "\n".join(lines) + "\n"
