"""How soon `cfork play` has sliders that work: after the command, and after jumps all over a film of two hours.

    python benchmarks/player.py [--seeks 20] [--hours 2] [--film FILM] [--json FILE]

The film is the example, again and again, copied and not encoded anew. Printed are wall times, which other work on the
computer makes longer, and CPU times of the command and its ffmpegs, which it hardly does. Half of the CPU time is what
two idle cores take at least.
"""

from __future__ import annotations

import argparse
import http.cookiejar
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
EXAMPLE = ROOT / "examples" / "night_train.mkv"
GOLDEN = 0.6180339887


class Player:
    """A running `cfork play`, and what asks it."""

    def __init__(self, film: Path, cache: Path) -> None:
        self.began = time.monotonic()
        environment = {**os.environ, "CFORK_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "cfork", "play", str(film), "--no-browser", "--quiet"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.child.stdout is not None
        self.url = self.child.stdout.readline().strip()
        self.base = self.url.partition("/?")[0]
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        self.opener.open(self.url, timeout=60).read()
        self.film = self.get("/api/film")

    def get(self, path: str) -> Any:
        return json.loads(self.opener.open(self.base + path, timeout=60).read())

    def post(self, path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        self.opener.open(request, timeout=60).read()

    def fragment(self, index: int) -> None:
        """Wait for a fragment with its stems."""
        for _ in range(60):
            with self.opener.open(f"{self.base}/a/{index}?wait=10", timeout=60) as answer:
                answer.read()
                if answer.status == 200:
                    return
        raise SystemExit(f"fragment {index} never came: {self.get('/api/state')}")

    def cpu_seconds(self) -> float:
        """CPU time of the command, its threads, and its children so far."""
        total = 0
        for pid in (self.child.pid, *children(self.child.pid)):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += sum(map(int, fields[11:15])) if pid == self.child.pid else sum(map(int, fields[11:13]))
        return total / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Most memory that the command had at a time."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def end(self) -> None:
        self.post("/api/quit", {})
        self.child.wait(60)


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def long_film(path: Path, hours: float) -> Path:
    """Make a film of so many hours of the example."""
    from cfork_cli.ffmpeg.find import find_ffmpeg
    from cfork_cli.media.probe import probe

    seconds = probe(EXAMPLE).duration_seconds or 1.0
    times = int(hours * 3600 / seconds)
    command = [find_ffmpeg(), "-v", "error", "-y", "-stream_loop", str(times), "-i", str(EXAMPLE), "-map", "0:v:0"]
    subprocess.run([*command, "-map", "0:a:0", "-c", "copy", "-t", str(hours * 3600), str(path)], check=True)
    return path


def measured(film: Path, folder: Path, seeks: int) -> dict[str, Any]:
    """Start it, jump about, and return the figures."""
    player = Player(film, folder / "cache")
    address = time.monotonic() - player.began
    player.post("/api/at", {"t": 0, "playing": True, "page": "bench"})
    player.fragment(0)
    first, first_cpu = time.monotonic() - player.began, player.cpu_seconds()
    time.sleep(3)
    walls, cpus, plains = [], [], []
    for number in range(seeks):
        index = int((0.03 + (number * GOLDEN) % 1 * 0.94) * player.film["fragments"])
        before, began = player.cpu_seconds(), time.monotonic()
        player.post("/api/at", {"t": index * player.film["fragment_seconds"], "playing": True, "page": "bench"})
        player.fragment(index)
        walls.append(time.monotonic() - began)
        cpus.append(player.cpu_seconds() - before)
        began = time.monotonic()
        player.opener.open(f"{player.base}/a/{index + 1}?plain=1", timeout=60).read()
        plains.append(time.monotonic() - began)
        print(f"{index}: {walls[-1]:.2f} s, {cpus[-1]:.2f} CPU s", file=sys.stderr, flush=True)
        time.sleep(1)
    memory, rate = player.memory_bytes(), player.get("/api/state")["rate"]
    player.end()
    return {
        "film_hours": player.film["duration"] / 3600, "seeks": seeks, "load": os.getloadavg()[0],
        "cores": os.cpu_count(), "address_seconds": address, "first_seconds": first, "first_cpu_seconds": first_cpu,
        "seek_seconds": statistics.median(walls), "seek_seconds_longest": max(walls),
        "seek_cpu_seconds": statistics.median(cpus), "seek_cpu_seconds_most": max(cpus),
        "plain_seconds": statistics.median(plains), "speed": rate, "memory_mb": memory / 1e6,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeks", type=int, default=20)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--film", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = measured(asked.film or long_film(folder / "film.mkv", asked.hours), folder, asked.seeks)
    for key, value in found.items():
        print(f"{key:24} {value:.2f}" if isinstance(value, float) else f"{key:24} {value}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
