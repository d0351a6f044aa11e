"""Run a command and print its wall time and the peak memory of its whole process tree (Linux).

    python benchmarks/peak_memory.py cfork remix movie.mkv --dialog +6 --music -10 -o out.mkv -f

Memory is the proportional set size (PSS) of the command and all its descendants, looked at several times a second:
pages that processes share count once, so the sum is what the machine really gives.
`cfork bench` measures in the same way.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfork_cli.bench.cost import SAMPLE_SECONDS, pss_bytes, tree


def main() -> int:
    began = time.monotonic()
    peak = 0
    with subprocess.Popen(sys.argv[1:]) as child:
        while child.poll() is None:
            peak = max(peak, sum(map(pss_bytes, tree(child.pid))))
            time.sleep(SAMPLE_SECONDS)
    print(f"{time.monotonic() - began:.1f} s, peak {peak / 1e6:.0f} MB, exit code {child.returncode}")
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
