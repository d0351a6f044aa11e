"""What each design of network costs: CPU seconds a second of stereo, through the streaming separator.

    MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=2000000000 python benchmarks/designs.py

(With glibc; the command sets the same limits itself, or page faults take a part of the time.)

Prints a Markdown table. The networks are untrained: weights do not change the cost. CPU seconds are those of this
process, all its threads; the fewest of the runs counts, because other work on the machine only ever adds.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from model import SAMPLE_RATE
from model.networks.bandsplit import BandSplit
from model.networks.mrx import MRX
from model.networks.multirate import MultiRateMRX
from model.streaming.separator import separate

DESIGNS: dict[str, Callable[[], nn.Module]] = {
    "MRX as published": MRX,
    "multi-rate MRX with bands": MultiRateMRX,
    "band split, LSTM along frequency": lambda: BandSplit(width=48, hidden=48, overview=0, windows=(2048,)),
    "band split, two windows, overview": BandSplit,
}


def cost(network: nn.Module, seconds: float) -> tuple[float, float]:
    """CPU seconds and wall seconds a second of stereo."""
    rng = np.random.default_rng(0)
    blocks = (0.05 * rng.standard_normal((2, SAMPLE_RATE)).astype(np.float32) for _ in range(round(seconds)))
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in separate(blocks, network, sample_rate=SAMPLE_RATE, channels=2):
        pass
    return (time.process_time() - cpu) / seconds, (time.perf_counter() - wall) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, {os.cpu_count()} cores, {args.seconds:.0f} s of stereo, "
          f"best of {args.runs}\n")  # fmt: skip
    print("| design | parameters | CPU seconds per second of stereo | times real time |")
    print("|---|---|---|---|")
    for name, make in DESIGNS.items():
        network = make().eval()
        cost(network, 12)  # the first run pays for page faults and planning
        runs = [cost(network, args.seconds) for _ in range(args.runs)]
        cpu, wall = (min(run[n] for run in runs) for n in (0, 1))
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        print(f"| {name} | {millions:.1f} M | {cpu:.3f} | {1 / wall:.1f} |", flush=True)


if __name__ == "__main__":
    main()
