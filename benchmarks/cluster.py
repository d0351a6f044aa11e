"""How much faster a film in pieces is with more workers of a Ray cluster: `python benchmarks/cluster.py FILM`.

Begins a cluster on this machine for each number of workers (a core each), remixes the film once to warm up and once to
measure, and prints the seconds, the processor's seconds and the load of the machine beside them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfork_cli.batch.film import Film, Finished
from cfork_cli.batch.one import do_film
from cfork_cli.batch.ray_engine import RayEngine
from cfork_cli.flows.jobs import RemixJob

GAINS_DB = {"dialogue": 6.0, "music": -10.0, "effects": 0.0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    asked = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "RAY_memory_monitor_refresh_ms": "0"}
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    import ray
    from ray.cluster_utils import Cluster

    for workers in asked.workers:
        with tempfile.TemporaryDirectory(prefix="cfork-", dir="/tmp", ignore_cleanup_errors=True) as folder:
            os.environ["RAY_TMPDIR"] = folder
            cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
            try:
                for _ in range(workers):
                    cluster.add_node(num_cpus=1)
                ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", namespace="cfork")
                for name in ("warm-up", "measured"):
                    output = Path(folder) / f"{name}.mkv"
                    job = RemixJob(asked.film.resolve(), output, GAINS_DB, device="cpu", codec="flac")
                    began = time.monotonic()
                    *_, last = RayEngine().run([Film(job)], do_film)
                    assert isinstance(last, Finished)
                    seconds, outcome = time.monotonic() - began, last.outcome
                    speed = outcome.seconds / seconds
                    print(
                        f"{workers} workers, {name}: {outcome.status} {outcome.reason}, {seconds:.1f} s, "
                        f"{speed:.1f} times real time, load {os.getloadavg()[0]:.1f}",
                        flush=True,
                    )
            finally:
                ray.shutdown()
                cluster.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
