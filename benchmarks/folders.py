"""Many films: a folder of 30, of 8 kinds, 3 of them bad; runs that are killed; memory of one process; --jobs 1 and 2.

    python benchmarks/folders.py                measures, and writes docs/folders.md: its head, then the figures
    python benchmarks/folders.py --only jobs    measures one part (of jobs, process, kills, resume), keeps other figures
    python benchmarks/folders.py --write        writes the page again

The films are made here, with noise and test pictures; the network is the bundled one.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cfork_cli.batch.engine import Here  # noqa: E402
from cfork_cli.batch.film import Film, Finished  # noqa: E402
from cfork_cli.batch.run import Batch  # noqa: E402
from cfork_cli.bench.machine import lines, machine  # noqa: E402
from cfork_cli.ffmpeg.find import find_ffmpeg  # noqa: E402
from cfork_cli.flows.jobs import RemixJob  # noqa: E402
from cfork_cli.input.decode import decode  # noqa: E402
from cfork_cli.media.probe import probe  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "folders.json"
PAGE, HEAD = ROOT / "docs" / "folders.md", ROOT / "benchmarks" / "folders.head.md"
SECONDS = 3
KINDS = {
    ".mkv": ("mpeg4", "flac"), ".mp4": ("mpeg4", "aac"), ".mov": ("mpeg4", "pcm_s16le"), ".avi": ("mpeg4", "mp3"),
    ".ts": ("mpeg2video", "ac3"), ".mpg": ("mpeg2video", "mp2"), ".wmv": ("wmv2", "wmav2"), ".flac": (None, "flac"),
}  # fmt: skip
GOOD = 27
LEVELS = ("--dialog", "6", "--music", "-10")
GAINS = {"dialogue": 6.0, "music": -10.0, "effects": 0.0}
SURROUND = "pan=5.1|FL=FL|FR=FR|FC=0.5*FL+0.5*FR|LFE=0.2*FL|BL=0.3*FL-0.2*FR|BR=0.3*FR-0.2*FL"
LONG: dict[str, tuple[list[str], int]] = {
    "stereo.mkv": (["-c:a", "copy"], 140),
    "surround.mp4": (["-af", SURROUND, "-c:a", "flac", "-strict", "-2"], 70),
}
"""Films of `resume`: name -> ffmpeg's options for the sound, and seconds."""

PARTS = ("jobs", "process", "kills", "resume")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="measure one part")
    parser.add_argument("--write", action="store_true", help="only write the page")
    parser.add_argument("--kills", type=int, default=10, help="how often the command is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    for part in () if asked.write else (asked.only,) if asked.only else PARTS:
        found: dict[str, Any] = {"machine": machine(), "seconds_each": SECONDS}
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            if part != "resume":
                make_folder(place / "films")
            if part == "jobs":
                found["jobs_1"], found["jobs_2"] = measured_run(place, 1), measured_run(place, 2)
                found["same_sound"] = same_sound(place / "out-1", place / "out-2")
                found["again"] = measured_run(place, 1)
            elif part == "process":
                found["one_process"] = one_process(place)
            elif part == "resume":
                found["resume"] = [resumed(place, name) for name in LONG]
            else:
                found["kills"] = killed_runs(place, asked.kills, random.Random(asked.seed))
        before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps(before | found, indent=1) + "\n", encoding="utf-8")
    write()


def make_folder(folder: Path) -> None:
    """Make 30 films in three folders: 27 good ones of 8 kinds, and one cut off, one of text, one empty."""
    kinds = list(KINDS.items())
    for number in range(GOOD):
        suffix, (picture, sound) = kinds[number % len(kinds)]
        path = folder / ("", "one", "one/two")[number % 3] / f"film {number + 1}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        video = ["-f", "lavfi", "-i", f"testsrc=s=320x180:r=25:d={SECONDS}"] if picture else []
        noise = ["-f", "lavfi", "-i", f"anoisesrc=d={SECONDS}:r=48000:a=0.1:seed={number}"]
        codecs = [*(["-c:v", picture] if picture else []), "-c:a", sound, "-ac", "2"]
        command = [find_ffmpeg(), "-loglevel", "error", "-y", *video, *noise, *codecs, f"file:{path}"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    whole = (folder / "film 1.mkv").read_bytes()
    (folder / "bad cut.mkv").write_bytes(whole[: len(whole) // 2])
    (folder / "one" / "bad text.mp4").write_text("This is no film.\n")
    (folder / "one" / "bad empty.avi").touch()


def command(place: Path, out: str, jobs: int) -> list[str]:
    arguments = ["remix", str(place / "films"), "-r", *LEVELS, "-o", str(place / out), "-j", str(jobs), "--json"]
    return [sys.executable, "-m", "cfork", *arguments]


def start(place: Path, out: str, jobs: int) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command(place, out, jobs), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip


def measured_run(place: Path, jobs: int) -> dict[str, Any]:
    """Run the command to its end; returns its counts and time."""
    began = time.monotonic()
    child = start(place, f"out-{jobs}", jobs)
    told = json.loads(child.communicate()[0])
    counts = {name: told[name] for name in ("done", "unchanged", "failed", "interrupted", "jobs", "processed_seconds")}
    reasons = {Path(one["input"]).name: one["exit_code"] for one in told["films"] if one["status"] == "failed"}
    return {**counts, "exit_code": child.returncode, "reasons": reasons, "elapsed": round(time.monotonic() - began, 1)}


def killed_runs(place: Path, kills: int, dice: random.Random) -> dict[str, Any]:
    """Kill the command, workers and all, at random moments; then let it end, and look at what is there.

    A moment is so many films more than the run before left, and so many seconds after the last of them: so kills fall
    over the whole run, however busy the machine is.
    """
    inputs, out, rows, twice = prints(place / "films"), place / "killed", [], 0
    seen: dict[Path, int] = {}
    for _ in range(kills):
        more, wait, began = dice.randint(0, 4), dice.uniform(0.0, 8.0), time.monotonic()
        child = start(place, "killed", 2)
        while child.poll() is None and len(visible(out)) < len(seen) + more:
            time.sleep(0.05)
        time.sleep(wait if more else wait + 2.0)
        is_over = child.poll() is not None
        if not is_over:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        twice += changed(out, seen)
        hidden = [path for path in out.rglob(".cfork-*") if path.suffix != ".lock"]
        rows.append({
            "seconds": round(time.monotonic() - began, 1), "done": len(seen), "in_work": len(hidden), "over": is_over,
            "half": sum(not is_whole(path) for path in seen),
        })  # fmt: skip
        print(rows[-1], flush=True)
    last = measured_run_of(place, "killed")
    twice += changed(out, seen)
    outputs = visible(out)
    left = [path.name for path in out.rglob(".*") if path.name != ".cfork.jsonl"]
    return {
        "rows": rows, "last": last, "outputs": len(outputs), "half": sum(not is_whole(path) for path in outputs),
        "twice": twice, "left_over": len(left), "inputs_same": prints(place / "films") == inputs, **from_journals(out),
    }  # fmt: skip


def from_journals(folder: Path) -> dict[str, int]:
    """Return how many films the journals saw done, done more than once or begun again after that, and begun in vain."""
    done, begun, again = Counter[str](), Counter[str](), 0
    for journal in folder.rglob(".cfork.jsonl"):
        for line in journal.read_text(encoding="utf-8").splitlines():
            told = json.loads(line)
            key = f"{journal.parent} {told['key']}"
            if told["done"] and told["outputs"]:
                done[key] += 1
            elif not told["done"] and not told["outputs"]:
                begun[key] += 1
                again += key in done
    return {
        "journal_done": len(done), "journal_twice": again + sum(count - 1 for count in done.values()),
        "begun_in_vain": sum(begun[key] - 1 for key in done),
    }  # fmt: skip


def resumed(place: Path, name: str) -> dict[str, Any]:
    """Remix a long film, once to its end, and once killed when six tenths of the pieces were kept, and gone on with."""
    options, seconds = LONG[name]
    film, whole, killed = place / name, place / f"whole.{name}", place / f"killed.{name}"
    source = ["-stream_loop", "-1", "-i", str(ROOT / "examples" / "night_train.mkv"), "-map", "0:v", "-map", "0:a:0"]
    command = [
        find_ffmpeg(),
        "-loglevel",
        "error",
        *source,
        "-map_chapters",
        "-1",
        "-c:v",
        "copy",
        *options,
        "-t",
        str(seconds),
        str(film),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def run(output: Path, until_bytes: float = float("inf")) -> dict[str, float]:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        words = ["remix", str(film), *LEVELS, "--codec", "flac", "-o", str(output), "--resume", "--quiet"]
        child = subprocess.Popen(
            [sys.executable, "-m", "cfork", *words], env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True
        )
        folder, kept = output.with_name(f".{output.name}.cfork-resume"), 0
        while child.poll() is None and kept < until_bytes:
            time.sleep(0.1)
            with contextlib.suppress(OSError):
                kept = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        elif child.wait() or until_bytes != float("inf"):
            raise SystemExit(f"'{output}' ended with {child.returncode}")
        child.wait()
        after, elapsed = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"seconds": round(elapsed, 1), "cpu_seconds": round(cpu, 1), "kept_mb": round(kept / 1e6, 1)}

    row: dict[str, Any] = {"name": name, "film_seconds": seconds, "whole": run(whole)}
    channels = probe(film).audio[0].channels
    row["killed"], row["again"] = run(killed, 0.6 * 0.19e6 * channels * seconds), run(killed)
    row["same_sound"] = sound_of(whole)[0] == sound_of(killed)[0]
    print(row, flush=True)
    return row


def measured_run_of(place: Path, out: str) -> dict[str, Any]:
    told = json.loads(start(place, out, 2).communicate()[0])
    return {name: told[name] for name in ("done", "unchanged", "failed", "interrupted")}


def changed(folder: Path, seen: dict[Path, int]) -> int:
    """Return how many outputs that were seen before were written again since; remember all."""
    now = {path: path.stat().st_mtime_ns for path in visible(folder)}
    again = sum(now.get(path) != time_ns for path, time_ns in seen.items())
    seen.update(now)
    return again


def visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def is_whole(path: Path) -> bool:
    """Return whether a film can be decoded to its end, and is as long as it was."""
    return abs(sound_of(path)[1] - SECONDS) < 0.2


def sound_of(path: Path) -> tuple[str, float]:
    """Return a hash of a film's sound, and its seconds."""
    media, digest, samples, rate = probe(path), hashlib.sha256(), 0, 1
    with decode(media, media.audio[0]) as blocks:
        rate = blocks.sample_rate
        for block in blocks:
            digest.update(block.tobytes())
            samples += block.shape[-1]
    return digest.hexdigest(), samples / rate


def same_sound(one: Path, other: Path) -> int:
    """Return how many outputs of two runs have the same sound, bit for bit."""
    pairs = [(path, other / path.relative_to(one)) for path in visible(one)]
    return sum(sound_of(first)[0] == sound_of(second)[0] for first, second in pairs)


def prints(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in visible(folder)}


def one_process(place: Path) -> list[dict[str, float]]:
    """Remix 24 films in this process; returns memory and open descriptors after each."""
    films = [path for path in visible(place / "films") if not path.name.startswith("bad")][:24]
    (place / "one").mkdir()
    jobs = [RemixJob(path, place / "one" / f"{path.stem}.cfork{path.suffix}", GAINS) for path in films]
    found = []
    for event in Batch([Film(job) for job in jobs]).run(Here()):
        if isinstance(event, Finished):
            status = Path("/proc/self/status").read_text(encoding="ascii")
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            found.append({
                "status": str(event.outcome.status), "resident_mb": round(resident * 1024 / 1e6, 1),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
                "descriptors": len(os.listdir("/proc/self/fd")),
            })  # fmt: skip
    shutil.rmtree(place / "one")
    return found


def write() -> None:
    """Write the page from its head and the figures."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    text = [
        HEAD.read_text(encoding="utf-8").rstrip(), "", "## Figures", "",
        f"Made by `python benchmarks/folders.py`: 30 films of {found['seconds_each']} s in three folders, 27 good ones "
        f"of {len(KINDS)} kinds ({', '.join(KINDS)}), one cut off, one of text, one empty.", "",
        "  \n".join(lines(found["machine"])), "",
        "Films so short show what a run costs around the network, not how fast the network is. The two cores were "
        "shared with much other work, so the times compare with each other only roughly.", "",
    ]  # fmt: skip
    if "jobs_1" in found:
        text += _jobs(found)
    if "kills" in found:
        text += _kills(found["kills"])
    if "resume" in found:
        text += _resume(found["resume"])
    if "one_process" in found:
        text += _process(found["one_process"])
    PAGE.write_text("\n".join(text), encoding="utf-8")


def _jobs(found: dict[str, Any]) -> list[str]:
    runs = (("`--jobs 1`", found["jobs_1"]), ("`--jobs 2`", found["jobs_2"]), ("the first again", found["again"]))
    rows = [f"| {name} | {run['done']} | {run['unchanged']} | {run['failed']} | {run['elapsed']:.0f} s |"
            for name, run in runs]  # fmt: skip
    one = found["jobs_1"]
    reasons = ", ".join(f"`{name}` with {code}" for name, code in one["reasons"].items())
    return [
        "| run | done | unchanged | failed | time |", "|---|---|---|---|---|", *rows, "",
        f"Exit code {one['exit_code']}; failed: {reasons}. The sound of {found['same_sound']} of {one['done']} films "
        "is the same with one and two jobs, bit for bit.", "",
    ]  # fmt: skip


def _kills(kills: dict[str, Any]) -> list[str]:
    last, inputs = kills["last"], "untouched" if kills["inputs_same"] else "CHANGED"
    table = [f"| {number} | {row['seconds']:g} s | {row['in_work']} | {row['done']} | {row['half']} |"
             for number, row in enumerate(kills["rows"], 1) if not row["over"]]  # fmt: skip
    return [
        f"**Killed.** `kill -9` of the command with its two workers, {len(table)} times, each run going on from "
        "the one before:", "",
        "| kill | after | half-written films, hidden | films there | of these not whole |",
        "|---|---|---|---|---|", *table, "",
        f"The run after that: {last['done']} done, {last['unchanged']} unchanged, {last['failed']} failed. "
        f"{kills['outputs']} films are there then, {kills['half']} of them not whole. Written twice: {kills['twice']} "
        f"by their times of change, {kills['journal_twice']} by the journals, which know {kills['journal_done']} "
        f"films; {kills['begun_in_vain']} times a film was in work when it was killed, and was begun again. "
        f"{kills['left_over']} hidden files are left; the input is {inputs}.", "",
    ]  # fmt: skip


def _resume(rows: list[dict[str, Any]]) -> list[str]:
    table = []
    for row in rows:
        whole, killed, again = row["whole"], row["killed"], row["again"]
        same = "yes" if row["same_sound"] else "NO"
        table.append(
            f"| {row['name']}, {row['film_seconds']} s | {whole['seconds']:.0f} s, {whole['cpu_seconds']:.1f} s | "
            f"{killed['seconds']:.0f} s, {killed['kept_mb']:.0f} MB | {again['seconds']:.0f} s, "
            f"{again['cpu_seconds']:.1f} s | {same} |"
        )
    return [
        "**`--resume`.** One long film, to FLAC, by the bundled network; `kill -9` when six tenths of its pieces were "
        "kept, then the same command again:", "",
        "| film | uninterrupted: time, processor | killed after, with pieces of | the run after: time, processor | "
        "the same sound as uninterrupted, bit for bit |", "|---|---|---|---|---|", *table, "",
    ]  # fmt: skip


def _process(rows: list[dict[str, Any]]) -> list[str]:
    shown = [number for number in (1, 2, 4, 8, 12, 16, 20, 24) if number <= len(rows)]
    table = [f"| {number} | {rows[number - 1]['resident_mb']:.0f} MB | {rows[number - 1]['descriptors']} |"
             for number in shown]  # fmt: skip
    return [
        f"**One process.** {len(rows)} of the films one after the other, in a process that keeps the network:", "",
        "| films | memory | open descriptors |", "|---|---|---|", *table, "",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
