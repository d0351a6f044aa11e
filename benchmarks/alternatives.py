"""Other ways to compute the networks on a CPU, side by side: what they win, what they lose, what they need.

    python benchmarks/alternatives.py --scenes dnr/cv > alternatives.md
    python benchmarks/alternatives.py --only bfloat16 --only onnx --network cfork --threads 1

Prints Markdown. Compared is the core between the transforms (features -> masks), put into the network in place of its
own, so that everything around it stays. A way whose package or compiler is missing is left out, and the reason told:
`pip install onnx onnxruntime` for ONNX Runtime, `pip install torchao`, a C++ compiler for torch.compile.

All ways of one table take turns, and a ratio is that of two runs of the same turn, so that other work on the machine
hits all alike. CPU seconds are those of this process, all its threads. MRX has random weights: they do not change its
cost, but the loss of trained ones may be another.
"""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from alternatives_ways import PLAIN, WAYS, Missing, Run, Way, core_of
from torch import Tensor, nn

from model import SAMPLE_RATE, STEMS
from model.dnr.trees import read_scene, scenes_of
from model.hub.weights import load
from model.loudness import at_lufs
from model.metrics.losses import si_sdr, snr
from model.networks.bandsplit import BandSplit
from model.networks.mrx import MRX
from model.streaming.allocator import keep_freed_memory

STARTS = (0, 8 * SAMPLE_RATE)  # of the two windows in the first 20 s of a scene
CHANNELS = 2


class Shell:
    """A network whose core is somebody else's: its own forward pass, with other parts in it.

    `cpu` adds up the CPU seconds of the core alone.
    """

    def __init__(self, network: nn.Module, run: Run) -> None:
        self.run, self.inputs, self.found = run, [], []  # type: ignore[var-annotated]
        self.cpu = 0.0
        self.network = copy.copy(network)
        self.network._modules = dict(network._modules)
        if isinstance(network, BandSplit):
            per_stem = len(network.windows)
            self.network.encoder = _Part(lambda features: self._compute([features]))
            self.network.layers = nn.ModuleList()
            self.network.decoders = nn.ModuleDict(
                {stem: _Part(self._stored(range(n * per_stem, (n + 1) * per_stem))) for n, stem in enumerate(STEMS)}
            )
        else:
            count = len(network.windows)  # type: ignore[arg-type]
            self.network._encoders = nn.ModuleList(_Part(self._collect) for _ in range(count))
            self.network._cross_net = _Part(lambda mean: self._compute(self.inputs))
            self.network._decoders = nn.ModuleList(
                nn.ModuleList(_Part(self._stored([stem * count + n])) for n in range(count))
                for stem in range(len(STEMS))
            )

    def __call__(self, x: Tensor) -> Tensor:
        # not inference_mode: torch.compile would compile once more for it, and the others are no faster
        with torch.no_grad():
            stems: Tensor = self.network(x)
        self.found = []  # masks of every way at a time would be gigabytes
        return stems

    def _collect(self, magnitudes: Tensor) -> Tensor:
        self.inputs = [*self.inputs, magnitudes]
        return magnitudes[:, :, :1]

    def _compute(self, inputs: Sequence[Tensor]) -> Tensor:
        began = time.process_time()
        self.found = list(self.run(*inputs))
        self.cpu += time.process_time() - began
        self.inputs = []
        return inputs[0]

    def _stored(self, places: Sequence[int]) -> Callable[[Tensor], Any]:
        def give(_: Tensor) -> Any:
            masks = tuple(self.found[place].float() for place in places)
            return masks if isinstance(self.network, BandSplit) else masks[0]

        return give


class _Part(nn.Module):
    """A function in a module's place."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


@dataclass
class Result:
    """Of one way: CPU seconds until the first masks, and of each turn (CPU of the core, CPU of all, wall of all)."""

    ready: float
    shell: Shell
    turns: list[tuple[float, float, float]] = field(default_factory=list)


def prepare(network: nn.Module, way: Way, x: Tensor, threads: int) -> Result:
    """The way, built and run twice."""
    core = core_of(network)
    inputs: list[Tensor] = []

    def record(*given: Tensor) -> Any:
        inputs.extend(tensor.clone() for tensor in given)
        return core(*given)

    with torch.no_grad():  # tensors of inference mode can neither be traced nor exported
        Shell(network, record).network(x)
        began = cpu_with_children()
        shell = Shell(network, way.build(copy.deepcopy(core).requires_grad_(False), inputs, threads))
        shell.run(*inputs)
    ready = cpu_with_children() - began
    shell(x)
    return Result(ready, shell)


def cpu_with_children() -> float:
    """CPU seconds so far, with those of the compilers that were called."""
    return sum(os.times()[:4])


def turn(result: Result, x: Tensor) -> None:
    """One run of the whole network."""
    shell = result.shell
    core, cpu, wall = shell.cpu, time.process_time(), time.perf_counter()
    shell(x)
    result.turns.append((shell.cpu - core, time.process_time() - cpu, time.perf_counter() - wall))


@contextmanager
def using(threads: int) -> Iterator[None]:
    """So many threads for torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def windows(folder: Path | None, scenes: int, length: int) -> tuple[Tensor, Tensor | None]:
    """Mono windows of scenes at the networks' loudness, `[B, length]`, and their stems `[B, S, length]`; else noise."""
    if folder is None:
        torch.manual_seed(0)
        swell = torch.sin(torch.arange(length) * (2 * math.pi / SAMPLE_RATE)).square()
        return 0.05 * swell * torch.randn(8, length), None
    mixtures, stems = [], []
    for path in scenes_of(folder)[:scenes]:
        scene = read_scene(path)
        if scene.sample_rate != SAMPLE_RATE or scene.mixture.shape[-1] < STARTS[-1] + length:
            raise SystemExit(f"{path} is not 20 s of sound at {SAMPLE_RATE} Hz")
        loud = at_lufs(scene.mixture[0], MRX.input_lufs, SAMPLE_RATE)
        for start in STARTS:
            mixtures.append(torch.from_numpy(loud[start : start + length]).float())
            stems.append(torch.from_numpy(scene.stems[:, 0, start : start + length]))
    return torch.stack(mixtures), torch.stack(stems)


def spread(ratios: Sequence[float]) -> str:
    """Median, smallest and largest."""
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def separated(shell: Shell, x: Tensor, batch: int) -> Tensor:
    """Stems of all windows, `[B, S, length]`."""
    return torch.cat([shell(part) for part in x.split(batch)]).double()


def loss_of(made: Tensor, right: Tensor, stems: Tensor | None) -> tuple[float, list[float]]:
    """Mean SNR of the stems against those of float32, and the mean change of each stem's SI-SDR."""
    change = [] if stems is None else (si_sdr(made, stems) - si_sdr(right, stems)).mean(0).tolist()
    return float(snr(made, right).mean()), change


def megabytes(names: Sequence[str]) -> float:
    """What distributions take on disk; 0 for what is not here."""
    total = 0
    for name in names:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        total += sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file())
    return total / 1e6


def table(
    title: str,
    network: nn.Module,
    names: Sequence[str],
    args: argparse.Namespace,
    batch: int,
    threads: int,
    lossy: bool,
) -> None:
    """One network, batch and number of threads: every way, in turns. The loss is measured if `lossy`."""
    x, stems = windows(args.scenes, args.scene_count, args.seconds * SAMPLE_RATE)
    if len(x) < batch:
        x, stems = x.repeat(-(-batch // len(x)), 1), None
    x, stems = x[: len(x) // batch * batch], None if stems is None else stems[: len(x) // batch * batch]
    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    for name in names:
        try:
            results[name] = prepare(network, WAYS[name], x[:batch], threads)
        except Missing as e:
            failures[name] = str(e)
        except Exception as e:  # whatever a compiler or an exporter may raise: the others are still worth knowing
            failures[name] = f"{type(e).__name__}: {(str(e).strip() or '?').splitlines()[0][:120].rstrip('.')}"
    for _ in range(args.runs):
        for result in results.values():
            turn(result, x[:batch])
    stereo = batch / CHANNELS * args.seconds
    plain = results[PLAIN]
    right = separated(plain.shell, x, batch) if lossy and len(results) > 1 else None
    print(f"\n### {title}, {batch} sequences of {args.seconds} s, {threads} thread{'s' if threads > 1 else ''}\n")
    loss = f" SNR to float32 | SI-SDR of {', '.join(STEMS)} |" if lossy else ""
    print(
        "| way | core, CPU s | whole, CPU s | whole, wall s | core, CPU ratio | whole, CPU ratio | whole, wall ratio "
        f"| ready after, CPU s | more MB |{loss}"
    )
    print("|---|---|---|---|---|---|---|---|---|" + "---|---|" * lossy)
    for name, result in results.items():
        seconds = [median(t[n] for t in result.turns) / stereo for n in range(3)]
        ratios = [[a[n] / b[n] for a, b in zip(result.turns, plain.turns, strict=True)] for n in range(3)]
        cells = [f"{value:.4f}" for value in seconds]
        cells += ["1" if name == PLAIN else spread(r) for r in ratios]
        cells += [f"{result.ready:.1f}", f"{megabytes(WAYS[name].needs):.0f}"]
        if name != PLAIN and right is not None:
            near, change = loss_of(separated(result.shell, x, batch), right, stems)
            trained = isinstance(network, BandSplit)
            cells += [f"{near:.1f} dB", ", ".join(f"{value:+.3f}" for value in change) if trained else ""]
        elif lossy:
            cells += ["", ""]
        print(f"| {WAYS[name].title} | {' | '.join(cells)} |", flush=True)
    for name, reason in failures.items():
        print(f"\nLeft out, {WAYS[name].title}: {reason}.", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--scenes", type=Path, help="folder of scenes (mix, music, speech, sfx), to score the loss")
    parser.add_argument("--scene-count", type=int, default=4, help="how many of them")
    parser.add_argument("--only", action="append", choices=list(WAYS), help="this way (and float32); again for another")
    parser.add_argument("--network", action="append", choices=["cfork", "mrx"])
    parser.add_argument("--batch", type=int, action="append", help="sequences at a time (4 and 8)")
    parser.add_argument("--seconds", type=int, default=12, choices=range(1, 13), metavar="N", help="of a window (12)")
    parser.add_argument("--threads", type=int, action="append", help="threads (1 and 2)")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    keep_freed_memory()  # as the command does
    warnings.simplefilter("ignore")  # half of the ways are deprecated by their makers, and say so
    names = [PLAIN, *(name for name in args.only or WAYS if name != PLAIN)]
    torch.manual_seed(0)
    networks: dict[str, Callable[[], nn.Module]] = {"cfork": lambda: load("cfork"), "mrx": lambda: MRX().eval()}
    titles = {"cfork": "The bundled network", "mrx": "MRX"}
    processor = f"{torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"
    print(f"torch {torch.__version__}, {processor}, median of {args.runs} turns.")
    print("Seconds are those for a second of stereo; ratios are to float32, median (smallest to largest).")
    for key in args.network or networks:
        network, first = networks[key]().requires_grad_(False), True
        for threads in args.threads or (1, 2):
            for batch in args.batch or (4, 8):
                with using(threads):
                    table(titles[key], network, names, args, batch, threads, lossy=first)
                first = False


if __name__ == "__main__":
    main()
