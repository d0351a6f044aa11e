"""What this machine has for films that are done side by side: memory, and the speed of a network."""

from __future__ import annotations

import time
from pathlib import Path

from cfork_cli.flows.jobs import NetworkOptions

WORKER_BYTES = 1_300_000_000
"""Memory of one film in work: the most that docs/speed.md has of any model, ffmpeg's included."""


def free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that can be had without swapping, of the machine and of our control group; None if unknown.

    Args:
        root: where `proc` and `sys` are.
    """
    found = [one for one in (available_memory(root), _left_in_group(root)) if one is not None]
    return min(found) if found else None


def available_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that the machine has without swapping; None if it does not say so.

    Args:
        root: where `proc` is.
    """
    try:
        for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def possible_jobs(wanted: int, free: int | None) -> int:
    """Return how many films can be in work at a time.

    >>> possible_jobs(8, 4_000_000_000), possible_jobs(2, None), possible_jobs(2, 10)
    (3, 2, 1)
    """
    return wanted if free is None else max(1, min(wanted, free // WORKER_BYTES))


def threads_each(jobs: int) -> int | None:
    """Return how many threads each of so many processes computes with, so that they share the cores; None is all."""
    from model.cpus import cores

    return None if jobs == 1 else max(1, cores() // jobs)


def network_speed(job: NetworkOptions, seconds: float = 10.0) -> float:
    """Load the network of a job, and return how fast it separates noise in stereo, in seconds of sound a second.

    Raises:
        ModelError, UsageError: it cannot be loaded.
    """
    from cfork_cli.flows.network import loaded

    network = loaded(job).network
    import numpy as np

    from model.streaming.separator import separate

    rate = network.sample_rate
    noise = np.random.default_rng(0).standard_normal((2, round(rate * seconds))).astype(np.float32) * 0.1
    began = time.monotonic()
    for _ in separate([noise], network, sample_rate=rate, channels=2):
        pass
    return seconds / (time.monotonic() - began)


def _left_in_group(root: Path) -> int | None:
    """Return what the control group (version 2) leaves; caches of files in it can be had back."""
    from model.cpus import control_group

    own = control_group(root)
    if own is None:
        return None
    try:
        limit = (own / "memory.max").read_text(encoding="ascii").strip()
        if limit == "max":
            return None
        used = int((own / "memory.current").read_text(encoding="ascii"))
        stat = dict(line.split() for line in (own / "memory.stat").read_text(encoding="ascii").splitlines())
        return max(0, int(limit) - used + int(stat.get("file", 0)))
    except (OSError, ValueError):
        return None
