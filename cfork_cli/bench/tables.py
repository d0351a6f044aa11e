"""Show what `cfork bench` measured as tables for people, documents and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from cfork_cli.bench.figures import inverse, spread, words
from cfork_cli.bench.machine import lines as machine_lines
from cfork_cli.console.console import Console
from cfork_cli.text import clock


def show(result: dict[str, Any], console: Console) -> None:
    """Print all that `bench.bench` found."""
    for line in _head(result):
        console.out(line)
    console.out("")
    console.table(overview(result))
    for case in result["cases"]:
        for caption, table in _details(case):
            console.out(f"\n{caption}" if caption else "")
            console.table(table)
        for number, line in enumerate(_notes(case)):
            console.out(line if number else f"\n{line}")


def markdown(result: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    parts = ["  \n".join(_head(result)) + "\n", rows(overview(result))]
    for case in result["cases"]:
        for caption, table in _details(case):
            parts += [f"{caption}\n"] * bool(caption) + [rows(table)]
        parts += ["".join(f"{line}  \n" for line in _notes(case))] * ("stages" in case)
    return "\n".join(parts)


def rows(table: Table) -> str:
    """A table as Markdown; columns that rich would set to the right are set so here."""
    ends = ["---:" if column.justify == "right" else "---" for column in table.columns]
    lines = [[str(column.header).replace("\n", " ") for column in table.columns], ends]
    cells = zip(*(column.cells for column in table.columns), strict=True)
    lines += [[str(cell) for cell in line] for line in cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def csv_text(result: dict[str, Any]) -> str:
    """A line for each figure of each case."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    where = ("model", "device", "precision", "layout", "seconds")
    table.writerow([*where, "figure", "median", "min", "max"])
    for case in result["cases"]:
        for name, found in _figures(case, ""):
            values = [found["median"], found["min"], found["max"]] if isinstance(found, dict) else [found, "", ""]
            table.writerow([*(case[key] for key in where), name, *values])
    return text.getvalue()


def overview(result: dict[str, Any]) -> Table:
    """A row for each case: what the whole command does."""
    table = Table(
        "model", "device", *_right("sound", "times\nreal time", "begins\nafter", "CPU s\nper s", "peak\nmemory")
    )  # fmt: skip
    for case in result["cases"]:
        command = case["command"]
        cpu, peak = command["cpu_seconds_per_second"], command["peak_bytes"]
        table.add_row(
            called(case), place(case), f"{case['layout']} {clock(case['seconds'])}", words(command["times_real_time"]),
            f"{command['start_up_seconds']['median']:.1f} s", f"{cpu['median']:.3f}" if cpu else "", megabytes(peak),
        )  # fmt: skip
    return table


def stages(case: dict[str, Any]) -> Table:
    """Return a table of what every stage costs by itself."""
    table = Table("stage, alone", *_right("wall s", "CPU s", "share\nof CPU", "times\nreal time"))
    whole = sum(stage["cpu_seconds"]["median"] for stage in case["stages"]) or 1.0
    for stage in case["stages"]:
        wall, cpu = stage["wall_seconds"]["median"], stage["cpu_seconds"]["median"]
        speed = f"{case['seconds'] / wall:,.0f}" if wall > 0 else ""
        table.add_row(stage["stage"], f"{wall:.2f}", f"{cpu:.2f}", f"{cpu / whole:.0%}", speed)
    return table


def compared(case: dict[str, Any]) -> Table:
    """The command beside the whole file in one pass, the network alone, and the arithmetic: each as so many times the
    command's wall time, and the network's.
    """
    table = Table("compared", *_right("wall s", "times\nthe command", "times\nthe network"))
    ratios = case["ratios"]

    def add(name: str, seconds: float, to_command: str, to_network: str) -> None:
        table.add_row(name, f"{seconds:.2f}", to_command, to_network)

    def of(name: str) -> str:
        return words(ratios[name], 2) if name in ratios else "-"

    def against(name: str) -> str:
        return words(inverse(ratios[name]), 2) if name in ratios else "-"

    if "skipped" not in case["authors"]:
        seconds = case["authors"]["wall_seconds"]["median"]
        add("whole file in one pass", seconds, of("authors_to_command"), of("authors_to_network"))
    add("cfork remix", case["command"]["wall_seconds"]["median"], "1", of("command_to_network"))
    seconds = case["command"]["wall_seconds"]["median"] - case["command"]["start_up_seconds"]["median"]
    add("- after its start-up", seconds, "", of("command_after_start_up_to_network"))
    add("network alone", case["network"]["wall_seconds"]["median"], against("command_to_network"), "1")
    add("arithmetic", case["limit"]["seconds"], "", against("network_to_limit"))
    return table


def called(case: dict[str, Any]) -> str:
    """A model's name, or that of its file.

    >>> called({"model": "some/where/mine.safetensors"}), called({"model": "mrx"})
    ('mine.safetensors', 'mrx')
    """
    return Path(case["model"]).name


def place(case: dict[str, Any]) -> str:
    """Return where a case ran: "cpu", or "cpu bf16".

    >>> place({"device": "cpu", "precision": "float32"})
    'cpu'
    """
    return str(case["device"]) + (
        "" if case["precision"] == "float32" else f" {case['precision'].replace('bfloat', 'bf')}"
    )


def megabytes(size: float | None) -> str:
    """Memory as people read it; nothing where it was not measured.

    >>> megabytes(412_345_678), megabytes(12_340_000_000), megabytes(None)
    ('412 MB', '12.3 GB', '')
    """
    if size is None:
        return ""
    return f"{size / 1e6:.0f} MB" if size < 10e9 else f"{size / 1e9:.1f} GB"


def _head(result: dict[str, Any]) -> Iterator[str]:
    """Yield lines on what the numbers are, and what they were measured on."""
    yield from machine_lines(result["machine"])
    runs = "one round" if result["runs"] == 1 else f"median (smallest..largest) of {result['runs']} rounds"
    yield f"sound {result['sound']}; {runs}"
    yield f"memory: {result['memory']}"


def _details(case: dict[str, Any]) -> Iterator[tuple[str, Table]]:
    """Captions and tables of one case."""
    if "stages" not in case:
        return
    yield f"{called(case)}, {place(case)}, {case['layout']} {clock(case['seconds'])}, {case['codec']}", stages(case)
    yield "", compared(case)


def _notes(case: dict[str, Any]) -> Iterator[str]:
    """Yield facts that the tables of a case do not show."""
    if "stages" not in case:
        return
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in median_phases(case["command"]).items())
    yield f"cfork remix says it spent, s: {told}"
    if "skipped" in case["authors"]:
        yield f"not in one pass: {case['authors']['skipped']}"
    network = case["network"]
    if network["workers"] > 1:
        yield f"the network runs in {network['workers']} threads; its stages above were measured in one"
    flops = case["limit"]["flops"]
    told = ", ".join(f"{kind} {count / case['seconds'] / 1e9:.2f}" for kind, count in flops.items())
    rates = case["limit"]["product_flops_per_second"]
    best = ", ".join(f"{rate / 1e9:.0f} in {kind}" for kind, rate in rates.items())
    yield f"arithmetic, GFLOP per s of sound: {told}"
    yield f"matrix products of this machine, GFLOP per s: {best}"


def median_phases(command: dict[str, Any]) -> dict[str, float]:
    """Seconds of each phase of the command that all runs had."""
    runs = command["phases"]
    return {name: spread([run[name] for run in runs])["median"] for name in runs[0] if all(name in run for run in runs)}


def _figures(case: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """Every figure of a case by its path, such as "network.wall_seconds"."""
    for key, value in case.items():
        name = f"{before}{key}"
        if key == "stages":
            for stage in value:
                yield from _figures({k: v for k, v in stage.items() if k != "stage"}, f"stage {stage['stage']}.")
        elif isinstance(value, dict):
            if "median" in value:
                yield name, value
            else:
                yield from _figures(value, f"{name}.")
        elif isinstance(value, int | float) and (before or key in ("channels", "heard_channels")):
            yield name, value


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]
