"""A film of many hours: memory of cfork and its children by hour, and whether the sound is in time at the end.

    python benchmarks/long_film.py [--hours 6] [--only NAME] [--model FILE]

Makes a minute of film with a burst of noise in its middle, repeats it by stream copy, and runs the whole `cfork remix`
with the tests' small network. The burst of every minute is looked for in the output, to the sample. Linux alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from cfork_cli.bench.cost import pss_bytes, tree
from cfork_cli.ffmpeg.find import find_ffmpeg

MINUTE = 60
BURST_SECONDS = 0.02
REACH_SECONDS = 0.5
LOOK_SECONDS = 10.0


@dataclass(frozen=True)
class Way:
    """A film and what is asked of it. layout: of the sound, in ffmpeg's words."""

    name: str
    rate: int
    layout: str
    options: Sequence[str]
    suffix: str = ".mkv"
    codec: str = "flac"

    @property
    def channels(self) -> int:
        return {"mono": 1, "stereo": 2, "5.1": 6}[self.layout]


WAYS = (
    Way("stereo", 48_000, "stereo", ("--music=-6",)),
    Way("everything", 16_000, "mono", ("--music=-6", "--loudness=-23", "--speech-boost=auto", "--resume")),
    Way("surround", 8_000, "5.1", ("--music=-6", "--loudness=-23")),
    Way("rf64", 48_000, "mono", ("--dialog=+1",), suffix=".wav", codec="pcm_f64le"),
)


@dataclass
class Seen:
    """Memory by look: `(stage, seconds of film done, bytes by process)`."""

    looks: list[tuple[str, float, dict[str, int]]] = field(default_factory=list)
    stage: str = "start"
    done: float = 0.0
    said: list[str] = field(default_factory=list)
    etas: list[tuple[float, float]] = field(default_factory=list)


def burst(rate: int) -> np.ndarray:
    """Return noise that has one place in time."""
    return np.random.default_rng(1).standard_normal(round(BURST_SECONDS * rate)) * 0.15


def film(way: Way, hours: float, folder: Path) -> Path:
    """Return a film of so many hours: a minute, repeated by stream copy; a WAV file is sparse between its bursts."""
    minutes = round(60 * hours)
    path = folder / f"film{way.suffix}"
    if way.suffix == ".wav":
        return _sparse_wav(path, way, minutes)
    sound = np.random.default_rng(2).standard_normal((MINUTE * way.rate, way.channels)) * 0.002
    at = MINUTE * way.rate // 2
    sound[at : at + len(burst(way.rate))] += burst(way.rate)[:, None]
    raw, one, names = folder / "raw", folder / f"one{way.suffix}", folder / "list"
    raw.write_bytes(np.rint(sound * 32767).astype("<i2").tobytes())
    _ffmpeg(
        "-f", "lavfi", "-i", f"testsrc=size=96x64:rate=25:duration={MINUTE}", "-f", "s16le", "-ar", str(way.rate),
        "-ch_layout", way.layout, "-i", str(raw), "-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-b:v", "20k",
        "-c:a", way.codec, str(one),
    )  # fmt: skip
    names.write_text(f"file '{one.name}'\n" * minutes)
    _ffmpeg("-f", "concat", "-i", str(names), "-map", "0", "-c", "copy", str(path))
    for helper in (raw, one, names):
        helper.unlink()
    return path


def _sparse_wav(path: Path, way: Way, minutes: int) -> Path:
    """Write RF64 (a `ds64` chunk holds the sizes) of 64-bit floats, mostly holes."""
    frames = minutes * MINUTE * way.rate
    data = 8 * frames
    with path.open("wb") as file:
        file.write(b"RF64\xff\xff\xff\xffWAVE")
        sizes = [28 + 8 + 8 + 16 + 8 + data, data, frames]
        file.write(b"ds64" + (28).to_bytes(4, "little") + b"".join(n.to_bytes(8, "little") for n in sizes) + bytes(4))
        rate = way.rate.to_bytes(4, "little") + (8 * way.rate).to_bytes(4, "little")
        file.write(b"fmt " + (16).to_bytes(4, "little") + b"\x03\0\x01\0" + rate + b"\x08\0\x40\0")
        file.write(b"data\xff\xff\xff\xff")
        begin = file.tell()
        for minute in range(minutes):
            file.seek(begin + 8 * (minute * MINUTE + MINUTE // 2) * way.rate)
            file.write(burst(way.rate).astype("<f8").tobytes())
        file.truncate(begin + data)
    return path


def watch(command: Sequence[str], output: Path) -> tuple[Seen, int]:
    """Run it and look at its memory every 10 s."""
    seen = Seen()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        listener = threading.Thread(target=_listen, args=(child.stderr, seen), daemon=True)
        listener.start()
        while True:
            look = {"cfork": 0}
            for pid in tree(child.pid):
                role = "cfork" if pid == child.pid else _role(pid, output)
                look[role] = look.get(role, 0) + pss_bytes(pid)
            seen.looks.append((seen.stage, seen.done, look))
            try:
                status = child.wait(LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        listener.join()
        seen.said.append(child.stdout.read().decode())
    return seen, status


def _listen(lines: Any, seen: Seen) -> None:
    for line in lines:
        event = json.loads(line)
        if event["event"] == "stage":
            seen.stage, seen.done = event["stage"], 0.0
        elif event["event"] == "progress":
            seen.done = event["done"]
            seen.etas.append((event["done"], event.get("eta_seconds") or 0.0))
        else:
            seen.said.append(line.decode().strip())


def _role(pid: int, output: Path) -> str:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    if b"ffmpeg" not in arguments[0]:
        return "other"
    return "encoder" if any(output.stem.encode() in argument for argument in arguments) else "decoder"


def heard(path: Path, way: Way) -> tuple[list[int], int]:
    """Return the sample at which the burst of each minute is, and the length of all."""
    read = subprocess.Popen(
        [find_ffmpeg(), "-v", "error", "-nostdin", "-i", str(path), "-map", "0:a:0", "-af", "aresample=async=1",
         "-ac", "1", "-ar", str(way.rate), "-f", "f32le", "-"], stdout=subprocess.PIPE,
    )  # fmt: skip
    assert read.stdout is not None
    found: list[int] = []
    kept, first, total = np.zeros(0, np.float32), 0, 0
    reach, shape = round(REACH_SECONDS * way.rate), burst(way.rate)
    while data := read.stdout.read(4 * MINUTE * way.rate):
        kept = np.concatenate((kept, np.frombuffer(data, np.float32)))
        total += len(data) // 4
        at = (len(found) * MINUTE + MINUTE // 2) * way.rate
        if total >= at + 2 * reach:
            piece = kept[at - reach - first : at + reach - first]
            found.append(at - reach + int(np.abs(np.correlate(piece, shape)).argmax()))
        keep = min(len(kept), way.rate)
        kept, first = kept[-keep:], total - keep
    if read.wait() != 0:
        raise SystemExit(f"{path.name} cannot be decoded to its end")
    return found, total


def report(way: Way, seen: Seen, hours: float) -> None:
    """Print memory by stage and hour, and growth an hour."""
    print(f"\n{way.name}: {way.layout}, {way.rate} Hz, {way.codec}, `{' '.join(way.options)}`\n")
    print("| stage | at hour | cfork | decoder | encoder |\n|---|---|---|---|---|")
    stages = list(dict.fromkeys(stage for stage, _, _ in seen.looks))
    for stage in stages:
        looks = [(done, look) for name, done, look in seen.looks if name == stage]
        marks = [(index + 0.5) * hours / 6 * 3600 for index in range(6)] if looks[-1][0] > 1800 else [looks[-1][0]]
        for mark in marks:
            done, look = min(looks, key=lambda one: abs(one[0] - mark))
            row = [
                f"{look.get(role, 0) / 1e6:.1f}" if look.get(role) else "" for role in ("cfork", "decoder", "encoder")
            ]
            print(f"| {stage} | {done / 3600:.2f} | {' | '.join(row)} |")
        late = [(done / 3600, look) for done, look in looks if done > 0.1 * 3600 * hours]
        if len(late) > 5:
            grown = []
            for role in ("cfork", "decoder", "encoder"):
                some = [(at, look[role] / 1e6) for at, look in late if look.get(role)]
                grown.append(f"{np.polyfit(*zip(*some, strict=True), 1)[0]:+.2f}" if len(some) > 5 else "")
            print(f"| {stage} | MB an hour | {' | '.join(grown)} |")
    print(flush=True)


def run(way: Way, hours: float, model: str, folder: Path) -> bool:
    """Make the film, run cfork, look; return whether the sound is in time."""
    path = film(way, hours, folder)
    output = folder / f"new{way.suffix}"
    size = path.stat().st_size
    began = time.monotonic()
    seen, status = watch(
        [
            sys.executable,
            "-m",
            "cfork",
            "remix",
            str(path),
            "-o",
            str(output),
            "--model",
            model,
            "--json",
            *way.options,
        ],
        output,
    )
    report(way, seen, hours)
    print(
        f"film {size / 1e9:.2f} GB, exit code {status}, {time.monotonic() - began:.0f} s; time left as told:",
        ", ".join(
            f"{left / 60:.0f} min at {done / 3600:.1f} h" for done, left in seen.etas[:: len(seen.etas) // 8 or 1]
        ),
    )
    for line in seen.said:
        print("   ", line[:400])
    if status != 0:
        return False
    (before, expected), (after, total) = heard(path, way), heard(output, way)
    off = [at - wanted for wanted, at in zip(before, after, strict=True)]
    print(
        f"output {output.stat().st_size / 1e9:.2f} GB, {len(off)} bursts moved by {min(off)} to {max(off)} samples, "
        f"{total - expected:+d} samples longer than {expected}",
        flush=True,
    )
    output.unlink()
    path.unlink()
    return min(off) == max(off) == 0 and not [one for one in folder.iterdir() if one.name != "model.safetensors"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--only", default="", help="ways whose name contains this")
    parser.add_argument("--model", help="a network; the tests' small one without this")
    arguments = parser.parse_args()
    good = True
    folder = Path(tempfile.mkdtemp(prefix="cfork-long-"))
    try:
        model = arguments.model or _small(folder)
        for way in WAYS:
            if arguments.only in way.name:
                good &= run(way, arguments.hours, model, folder)
    finally:
        shutil.rmtree(folder)
    return int(not good)


def _small(folder: Path) -> str:
    import torch

    from model.hub.weights import save
    from model.networks.bandsplit import BandSplit

    torch.manual_seed(0)
    path = folder / "model.safetensors"
    save(BandSplit(width=8, hidden=8, layers=1, overview=8, mask_hidden=8), path, {"license": "MIT"})
    return str(path)


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([find_ffmpeg(), "-nostdin", "-y", "-loglevel", "error", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
