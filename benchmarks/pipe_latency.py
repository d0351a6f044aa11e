"""How long `cfork remix` keeps sound between two pipes; prints Markdown.

    python benchmarks/pipe_latency.py [--seconds 60] [cfork remix - --dialog +6 ...]

Two things are measured, with 48 kHz stereo noise as bare floats:

- start-up: from the start of the command to the first sample that comes out, the input being there at once. Once as it
  is (the loudness of the first 30 s is measured), once with `--input-lufs`.
- delay: the input comes in real time, and for every piece that comes out the clock tells how long ago it went in. The
  network hears whole windows, so that the delay rises and falls; a player must buffer the largest. It needs a machine
  that is faster than real time, else the delay grows for ever: the last column tells.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
import time

import numpy as np

RATE, CHANNELS = 48_000, 2
SECOND_BYTES = RATE * CHANNELS * 4
STEP_SECONDS = 0.1
RAW = ["--input-format", "f32le", "--rate", str(RATE), "--channels", str(CHANNELS), "--output-format", "f32le"]


def noise() -> bytes:
    """One second of it."""
    return (np.random.default_rng(0).standard_normal((RATE, CHANNELS)) * 0.1).astype("<f4").tobytes()


def start(command: list[str], *more: str) -> subprocess.Popen[bytes]:
    """Start the command between two pipes."""
    whole = [*command, *RAW, "--quiet", *more]
    return subprocess.Popen(whole, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


def feed(child: subprocess.Popen[bytes], seconds: float, *, real_time: bool) -> None:
    """Write noise into its standard input, as fast as it takes it or by the clock."""
    second, step = noise(), round(STEP_SECONDS * SECOND_BYTES)
    began = time.monotonic()
    try:
        for number in range(round(seconds / STEP_SECONDS)):
            if real_time:  # a piece is there when its last sample is
                time.sleep(max(0.0, began + (number + 1) * STEP_SECONDS - time.monotonic()))
            place = number * step % SECOND_BYTES
            child.stdin.write(second[place : place + step])
        child.stdin.close()
    except (BrokenPipeError, ValueError):  # measured enough: the command is gone, or its pipe closed
        pass


def start_up(command: list[str], *more: str) -> float:
    """Seconds to the first sample."""
    began = time.monotonic()
    with start(command, *more) as child:
        threading.Thread(target=feed, args=(child, 60.0), kwargs={"real_time": False}, daemon=True).start()
        child.stdout.read(8)
        elapsed = time.monotonic() - began
        child.kill()
    return elapsed


def delays(command: list[str], seconds: float) -> tuple[list[float], float]:
    """Age of what comes out while input still comes, in seconds; and how far the command came meanwhile."""
    found: list[float] = []
    with start(command, "--input-lufs", "-20") as child:
        time.sleep(0.1)
        began = time.monotonic()
        threading.Thread(target=feed, args=(child, seconds), kwargs={"real_time": True}, daemon=True).start()
        count = 0
        while (part := child.stdout.read(1 << 16)) and time.monotonic() - began < seconds:
            now = time.monotonic() - began
            found.append(now - count / SECOND_BYTES)  # of the first, the oldest sample of the piece
            count += len(part)
            found.append(now - count / SECOND_BYTES)
        child.kill()
    return found, count / SECOND_BYTES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the real-time measurement")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command to measure")
    arguments = parser.parse_args()
    command = arguments.command or ["cfork", "remix", "-", "--dialog", "+6", "--music", "-10"]
    print("| what | seconds |\n|---|---|")
    print(f"| start-up, loudness of the first 30 s measured | {start_up(command):.1f} |")
    print(f"| start-up with `--input-lufs` | {start_up(command, '--input-lufs', '-20'):.1f} |")
    found, came = delays(command, arguments.seconds)
    if not found:
        print("nothing came out in time: give more --seconds", file=sys.stderr)
        return 1
    last = [age for place, age in enumerate(found) if place >= len(found) // 2]
    print(f"| delay, smallest to largest | {min(last):.1f} to {max(last):.1f} |")
    print(f"| delay, median | {statistics.median(last):.1f} |")
    print(f"| came out of {arguments.seconds:.0f} s | {came:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
