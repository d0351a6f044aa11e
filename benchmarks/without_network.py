"""How fast `cfork remix` is where the network costs nothing: what a GPU, however fast, waits for. Prints JSON.

    python benchmarks/without_network.py [--seconds 600] [--runs 3]

A network that only scales its input takes the place of the real one; all else is as it is: decoding, loudness, the
question of middle and side, resampling to and fro, mixing, encoding, muxing. `speed.py` makes a table of it. Reading
the film from the disk is not in it: the films are small and in memory.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor, nn

from cfork_cli.bench.cost import children_cpu_seconds
from cfork_cli.bench.figures import rounded, scaled, spread
from cfork_cli.bench.films import Film, make_film
from cfork_cli.console.console import Console
from cfork_cli.flows import network as networks
from cfork_cli.flows import remix as remixing
from cfork_cli.flows.plans import RemixJob
from cfork_cli.input.loudness import integrated_lufs
from model import STEMS

CASES: dict[str, tuple[str, str | None]] = {
    "stereo, AAC to AAC": ("stereo", None),
    "stereo, AAC to FLAC": ("stereo", "flac"),
    "5.1, AC-3 to AC-3": ("5.1", None),
}
"""The film's layout (see `bench_sound.LAYOUTS`), and the codec of the new track, None for the same."""

SECONDS = 600


class Nothing(nn.Module):
    """A network that takes no time: every stem is the mixture, scaled. Windows and rate are those of ours."""

    stems = STEMS
    sample_rate, hop, batch_size = 44_100, 512, 8
    window_seconds, context_seconds, crossfade_seconds = 24.0, 1.5, 0.5
    input_lufs, level_matched, precision = -24.0, True, "float32"

    def forward(self, x: Tensor, stems: Sequence[str] | None = None) -> Tensor:
        return torch.stack([x / 3] * len(stems or self.stems), dim=1)

    def mix(self, x: Tensor, weights: dict[str, float]) -> Tensor:
        return x / 3 * sum(weights.values())


def measured(
    layout: str, codec: str | None, folder: Path, *, seconds: float = SECONDS, runs: int = 3
) -> dict[str, Any]:
    """Seconds of film a second of the clock, for the pass that measures loudness and for the remix, and CPU seconds."""
    film = make_film(folder / f"{layout}.mkv", layout, seconds)
    passes, remixes = [], []
    for _ in range(runs):
        began = time.perf_counter()
        lufs = integrated_lufs(film.media, film.track)
        passes.append(film.seconds / (time.perf_counter() - began))
        remixes.append(_remix(film, codec, lufs, folder / "new.mkv"))
    faster, own, children = zip(*remixes, strict=True)
    return {
        "seconds": film.seconds,
        "loudness_times_real_time": rounded(spread(passes)),
        "remix_times_real_time": rounded(spread(faster)),
        "own_cpu_seconds_per_second": rounded(scaled(spread(own), 1 / film.seconds)),
        "ffmpeg_cpu_seconds_per_second": rounded(scaled(spread(children), 1 / film.seconds)),
    }


def _remix(film: Film, codec: str | None, lufs: float, output: Path) -> tuple[float, float, float]:
    """One remix: times real time, CPU seconds of this process, CPU seconds of ffmpeg."""
    gains = {"dialogue": 6.0, "music": -10.0, "effects": 0.0}
    job = RemixJob(film.path, output, gains, codec=codec, device="cpu", input_lufs=lufs, force=True)
    ready = mock.patch.object(networks, "load_network", return_value=(Nothing().eval(), "cpu"))
    with Console(quiet=True) as console, ready:
        plan = remixing.plan_remix(job)
        own, children, wall = time.process_time(), children_cpu_seconds() or 0.0, time.perf_counter()
        remixing.remix(plan, console)
        own, wall = time.process_time() - own, time.perf_counter() - wall
    return film.seconds / wall, own, (children_cpu_seconds() or 0.0) - children


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of the films")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: measured(layout, codec, Path(folder), seconds=asked.seconds, runs=asked.runs)
            for name, (layout, codec) in CASES.items()
        }
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
