"""CPUs that this process may use."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows have no affinity


def quota(root: Path = Path("/")) -> float:
    """Cores that the control group (version 2) of this process may use on average; infinite without a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        own = next(line[3:].lstrip("/") for line in lines if line.startswith("0::"))
        limit, period = (root / "sys/fs/cgroup" / own / "cpu.max").read_text(encoding="ascii").split()
        return inf if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, StopIteration, ZeroDivisionError):
        return inf
