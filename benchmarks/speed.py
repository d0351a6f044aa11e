"""How fast cfork is and what it takes: makes docs/speed.md from what `cfork bench` measures.

    python benchmarks/speed.py                        # measure all that is not there yet, then write docs/speed.md
    python benchmarks/speed.py --only growth --again  # measure one section anew
    python benchmarks/speed.py --long                 # two hours of film too
    python benchmarks/speed.py --write                # measure nothing, write again
    python benchmarks/speed.py --table defaults       # print the README's table

Every section is kept as JSON in benchmarks/results, so that an interrupted run goes on where it was. The machine should
have nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from speed_document import COMMANDS, MRX, ROOT, defaults, document

from cfork_cli.bench.cost import measure_module
from cfork_cli.bench.figures import rounded, spread

RESULTS, DOCUMENT = ROOT / "benchmarks" / "results", ROOT / "docs" / "speed.md"
LENGTHS, LONG = (10, 60, 600), 7200
LONGER = 180  # seconds; so much passes through MRX at once in 24 GB
MODELS = ("cfork", MRX)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=sorted(SECTIONS), help="this section; again for another")
    parser.add_argument("--again", action="store_true", help="measure what is there already, too")
    parser.add_argument("--long", action="store_true", help="with growth: two hours too")
    parser.add_argument("--write", action="store_true", help="measure nothing, only write the document")
    parser.add_argument("--runs", type=int, default=3, help="rounds of each measurement")
    parser.add_argument(
        "--device", action="append", choices=["cpu", "cuda"], help="where the networks run, all there is"
    )
    parser.add_argument("--model", action="append", choices=MODELS, help="this network only; again for another")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("-o", "--output", type=Path, default=DOCUMENT, help="the document")
    parser.add_argument("--table", choices=["defaults"], help="print this table, and leave")
    asked = parser.parse_args()
    if asked.table:
        print(defaults(load(asked.results)), end="")
        return 0
    asked.results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if not asked.write:
            asked.device = asked.device or devices()
            for name in asked.only or SECTIONS:
                measure(name, asked, Path(folder))
    asked.output.write_text(document(load(asked.results)), encoding="utf-8")
    print(f"wrote {asked.output}", file=sys.stderr)
    return 0


def measure(name: str, asked: argparse.Namespace, folder: Path) -> None:
    """Measure what is missing of a section; what is measured is written at once."""
    path = asked.results / f"{name}.json"
    there: dict[str, Any] = {} if asked.again or not path.exists() else json.loads(path.read_text())
    for key, work in SECTIONS[name](asked, folder):
        if key not in there:
            print(f"{name}: {key}", file=sys.stderr, flush=True)
            there[key] = work()
            path.write_text(json.dumps(there, indent=1) + "\n")


def load(folder: Path) -> dict[str, dict[str, Any]]:
    """Sections that were measured so far."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


Work = Iterator[tuple[str, Callable[[], Any]]]


def models(asked: argparse.Namespace, folder: Path) -> Work:
    """A minute of every layout with both networks, in full; and some minutes, where the start-up counts less."""
    for model, device in product(asked.model or MODELS, asked.device):
        for layout, seconds in (("mono", 60), ("stereo", 60), ("5.1", 60), ("stereo", LONGER)):
            length = f" {seconds}" if seconds == LONGER else ""
            runs = 1 if length and model == MRX else asked.runs  # its single pass takes more than a minute
            arguments = ["--device", device, "--layout", layout, "--seconds", str(seconds), "--runs", str(runs)]
            yield f"{model} {layout} {device}{length}", partial(bench, model, arguments, folder)


def growth(asked: argparse.Namespace, folder: Path) -> Work:
    """The whole command with films of several lengths."""
    for model, device in product(asked.model or MODELS, asked.device):
        for seconds in (*LENGTHS, *([LONG] if asked.long else [])):
            runs = asked.runs if seconds < 600 else 1
            arguments = ["--device", device, "--brief", "--seconds", str(seconds), "--runs", str(runs)]
            yield f"{model} {seconds} {device}", partial(bench, model, arguments, folder)


def start_up(asked: argparse.Namespace, folder: Path) -> Work:
    """From nothing to an answer."""

    def run(arguments: Sequence[str]) -> dict[str, Any]:
        costs = [measure_module("cfork_cli.app", *arguments) for _ in range(2 * asked.runs + 1)][1:]
        return rounded(spread([cost.wall_seconds for cost in costs]))

    for name, arguments in COMMANDS.items():
        yield name, partial(run, arguments)

    def pipe() -> list[str]:
        command = [sys.executable, "-m", "cfork_cli.app", "remix", "-", "--dialog", "+6", "--music", "-10"]
        told = subprocess.run(
            [sys.executable, str(ROOT / "benchmarks" / "pipe_latency.py"), "--seconds", "60", *command],
            stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        return told.stdout.splitlines()

    yield "pipe", pipe


def without_network(asked: argparse.Namespace, folder: Path) -> Work:
    """All but the network: what limits a fast GPU."""
    import without_network

    for name, (layout, codec) in without_network.CASES.items():
        yield name, partial(without_network.measured, layout, codec, folder, runs=asked.runs)


SECTIONS: dict[str, Callable[[argparse.Namespace, Path], Work]] = {
    "start_up": start_up, "models": models, "growth": growth, "without_network": without_network,
}  # fmt: skip


def bench(model: str, arguments: Sequence[str], folder: Path) -> dict[str, Any]:
    """What `cfork bench` tells, in a process of its own."""
    path = weights(folder) if model == MRX else model
    command = ["bench", "--model", str(path), *arguments, "--json", "--quiet"]
    cost = measure_module("cfork_cli.app", *command)
    result: dict[str, Any] = json.loads(cost.output)
    if cost.exit_code != 0:
        raise SystemExit(f"cfork {' '.join(command)}: {result['error']}")
    for case in result["cases"]:
        case["model"] = model
    return result


def devices() -> list[str]:
    """Where networks can run here."""
    import torch

    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def weights(folder: Path) -> Path:
    """MRX's shape with random weights, in a file."""
    path = folder / "mrx.safetensors"
    if not path.exists():
        import torch

        from model.hub.weights import save
        from model.networks.mrx import MRX as Network

        torch.manual_seed(0)
        save(Network(), path, {"description": "random weights, to measure the time"})
    return path


if __name__ == "__main__":
    sys.exit(main())
