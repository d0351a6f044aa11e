"""One model on one device with one film: the command, its stages alone, and what they are compared with."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfork_cli.bench import network as bench_network
from cfork_cli.bench import stages as bench_stages
from cfork_cli.bench.cost import Cost, measure_cfork, measure_module, timed
from cfork_cli.bench.figures import ratio, scaled, spread
from cfork_cli.bench.films import Film
from cfork_cli.bench.flops import limit_seconds, product_rate
from cfork_cli.codecs.choose import AudioCodec
from cfork_cli.console.console import Console
from cfork_cli.errors import CforkError
from cfork_cli.media.layouts import low_frequency, pairs
from cfork_cli.mix.gains import weight
from cfork_cli.text import clock

GAINS_DB = {"music": -10.0, "dialogue": 6.0}
"""The remix that is measured, in the order of the network's stems; effects stay."""

START_UP_ENDS = ("measure", "remix")
"""Stages of the command in which it works on sound; start-up is what comes before the first of them."""


@dataclass(frozen=True)
class Loaded:
    """A model on a device: as it is in its file, and made ready."""

    model: str
    device: str
    plain: Any
    ready: Any

    @property
    def precision(self) -> str:
        return str(getattr(self.ready, "precision", "float32"))


@dataclass(frozen=True)
class Case:
    """One model on one device with one film. folder: for temporary files. precision: as it was asked for."""

    loaded: Loaded
    film: Film
    folder: Path
    runs: int
    precision: str

    def measure(self, console: Console, *, brief: bool) -> dict[str, Any]:
        """All rounds, and what they come to. brief: only the whole command."""
        loaded, film = self.loaded, self.film
        name = f"{loaded.model}, {loaded.device}, {film.layout}, {clock(film.seconds)}"
        codec = bench_stages.codec_of(film)
        facts = {
            "model": loaded.model, "device": loaded.device, "precision": loaded.precision, "layout": film.layout,
            "channels": film.track.channels, "heard_channels": film.network_channels, "seconds": film.seconds,
            "sample_rate": film.track.sample_rate, "codec": film.track.codec, "new_codec": codec.codec_name,
        }  # fmt: skip
        if not brief:
            return {**facts, **self._in_full(codec, name, console)}
        console.stage(name, self.runs, is_sound=False)
        whole = []
        for number in range(self.runs):
            whole.append(self.command())
            console.at(number + 1)
        return {**facts, "command": command_figures(whole, film.seconds)}

    def _in_full(self, codec: AudioCodec, name: str, console: Console) -> dict[str, Any]:
        """The command, its stages, and what it is compared with."""
        ready, film = self.loaded.ready, self.film
        # The network alone and the stages around it are measured on the beginning of a long film.
        enough = bench_network.enough_seconds(ready, max(1, film.network_channels), self.loaded.device)
        blocks = bench_stages.decoded(film, enough)
        part = sum(block.shape[1] for block in blocks) / (film.track.sample_rate or 1)
        factor = bench_network.windows_of(ready, max(part, film.seconds)) / bench_network.windows_of(ready, part)
        recording = bench_network.record(
            ready, blocks, sample_rate=film.track.sample_rate, channels=film.track.channels,
            stems=tuple(GAINS_DB), weights=[weight(gain) for gain in GAINS_DB.values()],
            device=self.loaded.device, untouched=low_frequency(film.track.layout),
            pairs=pairs(film.track.layout, film.track.channels),
        )  # fmt: skip
        flops = bench_network.flops(self.loaded.plain, recording)
        bench_network.replay(ready, recording)  # the first time pays for memory and planning
        console.stage(name, 4 * self.runs, is_sound=False)
        whole: list[Cost] = []
        floor: list[tuple[float, float]] = []
        authors: list[dict[str, Any]] = []
        stages: list[dict[str, tuple[float, float]]] = []
        rates = dict.fromkeys(("float32", self.loaded.precision), 0.0)
        skipped = ""
        for number in range(self.runs):
            whole.append(self.command())
            console.at(4 * number + 1)
            for kind, best in rates.items():  # what else runs on the machine only ever slows it down
                rates[kind] = max(best, product_rate(self.loaded.device, kind))
            floor.append(timed(lambda: bench_network.replay(ready, recording)))
            console.at(4 * number + 2)
            if not skipped:
                authors.append(self.one_pass())
                skipped = str(authors[-1].get("skipped", ""))
            console.at(4 * number + 3)
            stages.append(bench_stages.measure_stages(film, blocks, ready, recording, factor, codec, self.folder))
            console.at(4 * number + 4)
        floor = [(wall * factor, cpu * factor) for wall, cpu in floor]
        limit = limit_seconds(flops, rates, self.loaded.precision) * factor
        theirs = [] if skipped else [(one["wall_seconds"], one["cpu_seconds"]) for one in authors]
        return {
            "command": command_figures(whole, film.seconds),
            "stages": [
                {"stage": stage, **_times([round[stage] for round in stages])} for stage in bench_stages.STAGES
            ],
            "network": {
                **_times(floor), "measured_seconds": part, "sequences": recording.sequences,
                "batches": len(recording.calls), "workers": recording.workers,
                "torch_threads": recording.torch_threads,
            },
            "authors": {"skipped": skipped} if skipped else _times(theirs),
            "limit": {
                "seconds": limit, "flops": {kind: count * factor for kind, count in flops.items()},
                "product_flops_per_second": rates,
            },
            "ratios": ratios(whole, [wall for wall, _ in floor], [wall for wall, _ in theirs], limit),
        }  # fmt: skip

    def command(self) -> Cost:
        """`cfork remix`, from the start of Python to the finished film."""
        self._make_room()
        output = self.folder / f"remix{self.film.path.suffix}"
        gains = [f"--{'dialog' if stem == 'dialogue' else stem}={gain:+g}" for stem, gain in GAINS_DB.items()]
        try:
            cost, _ = measure_cfork([
                "remix", str(self.film.path.absolute()), "-o", str(output), *gains, "--model", self.loaded.model,
                "--device", self.loaded.device, "--precision", self.precision, "--force", "--force-model",
            ])  # fmt: skip
        finally:
            output.unlink(missing_ok=True)
        return cost

    def _make_room(self) -> None:
        """Give back what this process keeps of a GPU's memory: other processes are measured on it."""
        if self.loaded.device == "cuda":
            import torch

            torch.cuda.empty_cache()

    def one_pass(self) -> dict[str, Any]:
        """The whole file through the network at once, in a process of its own; see `one_pass`.

        Raises:
            CforkError: it failed, and not for want of memory.
        """
        self._make_room()
        path = str(self.film.path.absolute())
        cost = measure_module("cfork_cli.bench.one_pass", self.loaded.model, self.loaded.device, path)
        if cost.exit_code < 0:
            return {"skipped": "the system ended it, probably for want of memory"}
        if cost.exit_code != 0:
            raise CforkError(f"the whole file in one pass failed with status {cost.exit_code}: {cost.last_words}")
        told: dict[str, Any] = json.loads(cost.output)
        return told


def command_figures(whole: Sequence[Cost], seconds: float) -> dict[str, Any]:
    """Sum up runs of the command on a film of so many seconds."""
    cpu = [cost.cpu_seconds for cost in whole if cost.cpu_seconds is not None]
    peaks = [cost.peak_bytes for cost in whole if cost.peak_bytes is not None]
    return {
        "wall_seconds": spread([cost.wall_seconds for cost in whole]),
        "times_real_time": spread([seconds / cost.wall_seconds for cost in whole]),
        "times_real_time_after_start_up": spread([seconds / _after_start_up(cost) for cost in whole]),
        "start_up_seconds": spread([start_up(cost) for cost in whole]),
        "cpu_seconds_per_second": scaled(spread(cpu), 1 / seconds) if cpu else None,
        "peak_bytes": max(peaks) if peaks else None,
        "phases": [phases(cost) for cost in whole],
    }


def ratios(whole: Sequence[Cost], network: Sequence[float], authors: Sequence[float], limit: float) -> dict[str, Any]:
    """Ratios of wall times, round by round: "a_to_b" says how many times longer a takes than b.

    Args:
        whole: of the command. network, authors: seconds; none where there was no single pass.
        limit: seconds; 0 where nothing had to be computed, which is the case with silence. Then there are none.
    """
    wall = [cost.wall_seconds for cost in whole]
    if not limit:
        return {}
    found = {
        "command_to_network": ratio(wall, network),
        "command_after_start_up_to_network": ratio([_after_start_up(cost) for cost in whole], network),
        "network_to_limit": ratio(network, [limit] * len(network)),
    }
    if authors:
        found |= {"authors_to_command": ratio(authors, wall), "authors_to_network": ratio(authors, network)}
    return found


def _after_start_up(cost: Cost) -> float:
    return cost.wall_seconds - start_up(cost)


def start_up(cost: Cost) -> float:
    """Seconds until the command works on sound: Python, torch and the network, a look at the film, trying the codec."""
    return min((cost.marks[stage] for stage in START_UP_ENDS if stage in cost.marks), default=0.0)


def phases(cost: Cost) -> dict[str, float]:
    """Wall seconds of what the command says it does, in order; "start" comes before its first word."""
    marks = [("start", 0.0), *sorted(cost.marks.items(), key=lambda mark: mark[1]), ("", cost.wall_seconds)]
    return {name: end - begin for (name, begin), (_, end) in itertools.pairwise(marks)}


def _times(costs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {"wall_seconds": spread([wall for wall, _ in costs]), "cpu_seconds": spread([cpu for _, cpu in costs])}
