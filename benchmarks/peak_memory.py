"""Run a command and print its wall time and the peak memory of its whole process tree (Linux).

    python benchmarks/peak_memory.py cfork remix movie.mkv --dialog +6 --music -10 -o out.mkv -f

Memory is the proportional set size (PSS) of the command and all its descendants, sampled twice a second: pages that
processes share count once, so the sum is what the machine really gives.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue  # that thread has just ended
    return found


def pss_bytes(pid: int) -> int:
    """Proportional set size of one process; 0 once it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def main() -> int:
    began = time.monotonic()
    peak = 0
    with subprocess.Popen(sys.argv[1:]) as child:
        while child.poll() is None:
            peak = max(peak, sum(map(pss_bytes, tree(child.pid))))
            time.sleep(0.5)
    print(f"{time.monotonic() - began:.1f} s, peak {peak / 1e6:.0f} MB, exit code {child.returncode}")
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
