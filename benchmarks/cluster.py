"""How much faster a film in pieces is with more workers of a Ray cluster.

    python benchmarks/cluster.py                       a film of three minutes is made of the example; 1 and 2 workers
    python benchmarks/cluster.py FILM --workers 1 2 4  another film, other numbers of workers
    python benchmarks/cluster.py --write               writes the table of docs/scale.md again

Begins a cluster on this machine for each number of workers (a core each), remixes the film once to warm up and once to
measure, and writes the table into docs/scale.md. It wants an idle machine: the load is noted beside each row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cfork_cli.batch.film import Film, Finished, Status  # noqa: E402
from cfork_cli.batch.one import do_film  # noqa: E402
from cfork_cli.batch.ray_engine import RayEngine  # noqa: E402
from cfork_cli.bench.machine import lines, machine  # noqa: E402
from cfork_cli.ffmpeg.find import find_ffmpeg  # noqa: E402
from cfork_cli.flows.jobs import RemixJob  # noqa: E402

GAINS_DB = {"dialogue": 6.0, "music": -10.0, "effects": 0.0}
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "cluster.json", ROOT / "docs" / "scale.md"
MARKS = "<!-- cluster -->\n", "<!-- /cluster -->\n"
EXAMPLE, TIMES = ROOT / "examples" / "night_train.mkv", 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--write", action="store_true", help="only write the table")
    asked = parser.parse_args()
    if not asked.write:
        with tempfile.TemporaryDirectory(prefix="cfork-") as place:
            film = asked.film.resolve() if asked.film else repeated(Path(place) / "film.mkv")
            rows = [measured(film, workers) for workers in asked.workers]
        RESULTS.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    write()
    return 0


def repeated(path: Path) -> Path:
    """Make a film of some minutes: picture and first sound of the example, one after the other."""
    command = [find_ffmpeg(), "-loglevel", "error", "-stream_loop", str(TIMES - 1), "-i", str(EXAMPLE)]
    subprocess.run(
        [*command, "-map", "0:v", "-map", "0:a:0", "-c", "copy", str(path)], check=True, stdin=subprocess.DEVNULL
    )
    return path


def measured(film: Path, workers: int) -> dict[str, Any]:
    """Remix a film on a cluster of so many workers of a core each; returns what the second run took."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "RAY_memory_monitor_refresh_ms": "0"}
    os.environ["PYTHONPATH"] = str(ROOT)
    import ray
    from ray.cluster_utils import Cluster

    row: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="cfork-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            for _ in range(workers):
                cluster.add_node(num_cpus=1)
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", namespace="cfork")
            for name in ("warm-up", "measured"):
                job = RemixJob(film, Path(folder) / f"{name}.mkv", GAINS_DB, device="cpu", codec="flac")
                load, began = os.getloadavg()[0], time.monotonic()
                *_, last = RayEngine().run([Film(job)], do_film)
                assert isinstance(last, Finished)
                if last.outcome.status is not Status.done:
                    raise SystemExit(f"the film failed: {last.outcome.reason}")
                seconds = time.monotonic() - began
                row = {
                    "workers": workers, "film_seconds": round(last.outcome.seconds, 1), "seconds": round(seconds, 1),
                    "times_real_time": round(last.outcome.seconds / seconds, 2), "load_before": round(load, 1),
                }  # fmt: skip
                print(name, row, flush=True)
        finally:
            ray.shutdown()
            cluster.shutdown()
    return row


def write() -> None:
    """Write the table between its marks."""
    if not RESULTS.exists():
        raise SystemExit("nothing was measured yet")
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    first = found["rows"][0]
    table = [
        f"| {row['workers']} | {row['seconds']:.0f} s | {row['times_real_time']:.1f} | "
        f"{first['seconds'] / row['seconds']:.2f} | {row['load_before']:.1f} |"
        for row in found["rows"]
    ]
    text = [
        f"Made by `python benchmarks/cluster.py`: a film of {first['film_seconds']:.0f} s in stereo, with FLAC, in "
        "pieces on workers of a core each.", "", "  \n".join(lines(found["machine"])), "",
        "| workers | time | times real time | speed-up | load of the machine before |", "|---|---|---|---|---|", *table,
    ]  # fmt: skip
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    PAGE.write_text(before + MARKS[0] + "\n".join(text) + "\n" + MARKS[1] + after, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
