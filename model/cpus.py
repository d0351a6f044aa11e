"""CPUs that this process may use."""

from __future__ import annotations

import os
from math import ceil, inf
from pathlib import Path


def available_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows have no affinity


def control_group(root: Path = Path("/")) -> Path | None:
    """Return the folder of this process's control group (version 2); None if there is none.

    Args:
        root: where `proc` and `sys` are.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        return root / "sys/fs/cgroup" / next(line[3:].lstrip("/") for line in lines if line.startswith("0::"))
    except (OSError, ValueError, StopIteration):
        return None


def quota(root: Path = Path("/")) -> float:
    """Cores that the control group (version 2) of this process may use on average; infinite without a limit."""
    group = control_group(root)
    if group is None:
        return inf
    try:
        limit, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return inf if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return inf


def cores() -> int:
    """Cores that this process may keep busy: those that it may run on, but no more than its control group may use."""
    allowed = available_cpus()
    return max(1, ceil(min(quota(), allowed)))
