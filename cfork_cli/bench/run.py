"""Measure how fast cfork is on this machine, and where the time goes.

The whole command is run as users run it, in a process of its own; then what it is compared with: the network alone on
the very same batches, the whole file in one pass as the authors of MRX do it, and the time that the arithmetic takes at
the rate at which this machine multiplies; then every stage alone. All of a round is measured close together, and ratios
are taken round by round.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfork_cli.bench import films, tables
from cfork_cli.bench.case import GAINS_DB, Case, Loaded
from cfork_cli.bench.cost import MEMORY
from cfork_cli.bench.figures import rounded
from cfork_cli.bench.films import Film
from cfork_cli.bench.machine import machine
from cfork_cli.console.console import Console
from cfork_cli.errors import UsageError, found_already
from cfork_cli.flows import network as networks
from cfork_cli.flows.checks import check_levels
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.output.destination import check_destination, write_whole

FILES = (".json", ".csv", ".md")


@dataclass(frozen=True)
class BenchJob:
    """Options of `cfork bench`. `layouts` and `seconds` may be empty: the film's own."""

    input: Path | None
    models: tuple[str, ...]
    devices: tuple[str, ...]
    layouts: tuple[str, ...] = ()
    seconds: tuple[float, ...] = ()
    precision: str = "auto"
    runs: int = 3
    brief: bool = False
    output: Path | None = None
    force: bool = False


def bench(job: BenchJob, console: Console) -> None:
    """Measure, print tables (or JSON), and write the file that was asked for.

    Raises:
        ModelError: a model is missing or damaged. InputError, DamagedInputError: the film cannot be used.
        UsageError: options that make no sense. OutputError: the file cannot be written.
        CforkError: whatever the measured command said.
    """
    _check(job)
    own = films.open_film(job.input) if job.input else None
    began = time.monotonic()
    console.stage("load")
    loaded = [_load(model, device, job.precision) for model in job.models for device in _devices(job)]
    found: dict[str, Any] = {"machine": machine()}
    cases = []
    with TemporaryFolder() as folder:
        for film in _films(job, own, folder.path, console):
            for one in loaded:
                cases.append(Case(one, film, folder.path, job.runs, job.precision).measure(console, brief=job.brief))
    found |= {
        "sound": str(job.input) if job.input else films.MADE,
        "gains_db": GAINS_DB, "runs": job.runs, "memory": MEMORY,
        "cases": cases, "elapsed_seconds": time.monotonic() - began,
    }  # fmt: skip
    result: dict[str, Any] = rounded(found)
    console.end()
    if not console.as_json:
        tables.show(result, console)
    if job.output is not None:
        with found_already(**result):
            write_whole(job.output, _text(result, job.output.suffix), force=job.force)
        console.say(f"wrote {job.output}")
    console.result(**result)


def _check(job: BenchJob) -> None:
    """Check all that can be checked before the work."""
    for what, given in (("model", job.models), ("device", job.devices), ("layout", job.layouts)):
        if len(set(given)) != len(given):
            raise UsageError(f"a {what} is given twice: give each --{what} once")
    if job.input is not None and job.layouts:
        raise UsageError("a film has the layout that it has: leave --layout away, or FILE")
    if not all(1 <= seconds < math.inf for seconds in job.seconds):  # a comparison with NaN is false
        raise UsageError("there is nothing to measure in less than a second, or in no end: give --seconds from 1 up")
    for model in job.models:
        check_levels(model, force=True)  # finds it, and reads no more than its header
    if job.output is not None:
        if job.output.suffix not in FILES:
            raise UsageError(f"'{job.output.name}' is no file that can be written: end it in .json, .csv or .md")
        check_destination(job.output, source=job.input, force=job.force)


def _devices(job: BenchJob) -> tuple[str, ...]:
    """Return the devices, with "auto" resolved."""
    import torch

    auto = "cuda" if torch.cuda.is_available() else "cpu"
    return tuple(dict.fromkeys(auto if device == "auto" else device for device in job.devices))


def _load(model: str, device: str, precision: str) -> Loaded:
    """As the command loads it, and as it is in its file."""
    from model.hub.weights import load

    ready, device = networks.load_network(model, device, precision)
    return Loaded(model, device, load(model, device), ready)


def _films(job: BenchJob, own: Film | None, folder: Path, console: Console) -> Iterator[Film]:
    """Yield the films one after the other, and delete each: they take room."""
    for layout in job.layouts or ("stereo",):
        for seconds in job.seconds or (None if own else 30.0,):
            if own is not None and seconds is None:
                yield own
                continue
            assert seconds is not None
            console.stage("film")
            path = folder / f"film{own.path.suffix if own else '.mkv'}"
            yield films.cut_film(own, path, seconds) if own else films.make_film(path, layout, seconds)
            path.unlink()


def _text(result: dict[str, Any], suffix: str) -> str:
    """Return the text of the file that was asked for."""
    if suffix == ".json":
        return json.dumps(result, indent=1) + "\n"
    return tables.csv_text(result) if suffix == ".csv" else tables.markdown(result)
