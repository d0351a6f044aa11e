"""The straightforward way, to compare with: the whole file through the network at once, one sequence a channel.

So the authors of MRX separate. It runs in a process of its own, with torch's and the system's own settings:

    python -m cfork_cli.bench.one_pass MODEL DEVICE FILM

One JSON object comes out: wall and CPU seconds of one pass after a short one for warming up (decoding is not
in them), or why there was none.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cfork_cli.bench.films import Film, open_film
from cfork_cli.bench.machine import available_bytes
from cfork_cli.input.decode import decode

SHORT_SECONDS, LONG_SECONDS = 4.0, 12.0
"""Lengths of the mono sounds whose memory shows what the whole would take."""

ROOM = 0.8
"""Share of the free memory that the whole may take."""


def run(model: str, device: str, film: Film) -> dict[str, Any]:
    """One pass.

    Returns:
        `wall_seconds` and `cpu_seconds`, or `skipped`, a reason.

    Raises:
        model.hub.weights.WeightsError: there is no such model. CforkError: the film cannot be decoded.
    """
    import torch

    from model.hub.weights import load
    from model.streaming.allocator import is_out_of_memory

    network = load(model, device)
    with torch.inference_mode():
        try:
            samples = round(film.seconds * network.sample_rate) * (film.track.channels or 0)
            need, free = needed_bytes(network, samples, device), _free_bytes(device)
            if need is not None and free is not None and need > ROOM * free:
                return {"skipped": f"the whole file would need about {need / 1e9:.0f} GB, and {free / 1e9:.0f} GB "
                                   "are free"}  # fmt: skip
            x = torch.from_numpy(sound_of(film, network.sample_rate)).to(device)
            _wait(device)
            cpu, wall = time.process_time(), time.perf_counter()
            network(x)
            _wait(device)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return {"skipped": "the whole file does not fit into memory"}
    return {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


def sound_of(film: Film, sample_rate: int) -> np.ndarray:
    """All of a film's sound at a rate: float32 `[channels, samples]`."""
    from model.streaming.resample import resample

    channels = film.track.channels or 0
    found = np.empty((channels, round((film.seconds + 1) * sample_rate)), np.float32)
    filled = 0
    with decode(film.media, film.track) as blocks:
        for piece in resample(blocks, blocks.sample_rate, sample_rate, channels):
            count = min(piece.shape[1], found.shape[1] - filled)
            found[:, filled : filled + count] = piece[:, :count]
            filled += count
    return np.ascontiguousarray(found[:, :filled])


def needed_bytes(network: Any, samples: int, device: str) -> float | None:
    """Estimate the memory for so many samples, in bytes, from a short and a longer pass; None if unknown."""
    import torch

    peaks: list[int] = []
    lengths: list[int] = [round(seconds * network.sample_rate) for seconds in (SHORT_SECONDS, LONG_SECONDS)]
    for length in lengths:
        _forget_peak(device)
        network(torch.randn(1, length, device=device) * 0.05)
        peak = _peak_bytes(device)
        if peak is None:
            return None
        peaks.append(peak)
    each = (peaks[1] - peaks[0]) / (lengths[1] - lengths[0])
    return each * samples if each > 0 else None


def _forget_peak(device: str) -> None:
    """Begin to look for the peak anew, where the system lets us (Linux); loading took memory too."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes(device: str) -> int | None:
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    # getrusage would report the parent's peak, if that was higher: it passes over `exec`, and cannot be forgotten
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _free_bytes(device: str) -> int | None:
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    return available_bytes()


def _wait(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def main(arguments: Sequence[str]) -> None:
    model, device, path = arguments
    print(json.dumps(run(model, device, open_film(Path(path)))))


if __name__ == "__main__":
    main(sys.argv[1:])
