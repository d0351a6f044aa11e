"""Damaged films, models and presets through whole command lines, many in one process.

The lines ask what is in a film and what would be done with it, what a model or a preset says. PyAV probes in this
process and not in one of its own, and whoever wants ffmpeg gets it for one film in twelve: else it "could not be
started", with which the line has to cope as well. All else is the command as it is, from the parser of arguments to the
exit code. Where a library of ffmpeg crashes on a film, which the command survives because it probes in another process,
the crowd goes on behind that film, and it is counted as such.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults import seeds
from faults.bench import Bench
from faults.mutants import MUTATORS, OF_MEDIA, mutated
from faults.oracle import violations
from faults.trial import Seen, Trial, listing

MUTANTS = 150
LIMIT_SECONDS = 20
"""Of processor time for one command line."""
MOST_BYTES = 8 << 30
"""Of address space, of which torch alone takes some."""
CODES = frozenset({0, 1, 2, 3, 4, 5, 6, 7})
FFMPEG_SHARE = 1 / 12
LOOKS = 6
"""Sources of one crowd: to read and to damage them costs as much as the command."""


def tried(bench: Bench, draw: random.Random, count: int = MUTANTS) -> dict[str, Any]:
    """Try so many; returns a row of the results."""
    sources = {name: bench.film(name).read_bytes() for name in draw.sample(sorted(seeds.FILMS), LOOKS)}
    sources |= {"tiny.safetensors": bench.model.read_bytes(), "mine.toml": seeds.PRESET.encode()}
    folder = bench.fresh()
    seed, done, counts, found = draw.randrange(2**32), 0, Counter[str](), []
    while done < count:
        answers, status = _in_child(sources, folder, seed, done, count)
        for code, broken in answers:
            counts[str(code)] += 1
            found += broken
        done += len(answers)
        if done < count:  # it ended within one of them
            done += 1
            if status == -signal.SIGXCPU:
                found.append(f"mutant {done - 1} took more than {LIMIT_SECONDS} s")
            counts["crashed"] += 1
    about = f"{count} mutants of {', '.join(sources)}"
    return {
        "about": about, "real": False, "codes": [], "said": "", "tried": count, "counts": dict(counts),
        "violations": found,
    }  # fmt: skip


def _in_child(
    sources: dict[str, bytes], folder: Path, seed: int, first: int, count: int
) -> tuple[list[tuple[int, list[str]]], int]:
    """Try some in a fork; returns code and violations of those that it came to, and its status."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(readable)
            with os.fdopen(writable, "w") as pipe:
                _prepare()
                for number in range(first, count):
                    print(json.dumps(_one(sources, folder, random.Random(f"{seed}/{number}"), number)), file=pipe)
                    pipe.flush()
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as pipe:
        lines = [json.loads(line) for line in pipe if line.endswith("\n")]
    return [(code, broken) for code, broken in lines], os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _prepare() -> None:
    """Probe in this process."""
    from cfork_cli.errors import FfmpegError
    from cfork_cli.ffmpeg.process import Child, Finished
    from cfork_cli.media import probe, pyav_probe

    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    null = os.open(os.devnull, os.O_RDWR)
    for place in range(3):
        os.dup2(null, place)
    run = probe.process.run

    def here(arguments: Sequence[str], **options: Any) -> Finished:
        if Path(arguments[2] if len(arguments) > 2 else "").name != "pyav_probe.py":
            return run(arguments, **options)
        import av.error

        try:
            text = json.dumps(pyav_probe.describe(*arguments[3:]))
            return Finished(0, text.encode(), "")
        except (av.error.FFmpegError, PermissionError) as error:
            return Finished(1, b"", str(getattr(error, "strerror", None) or error))
        except Exception as error:  # the process that the command starts would end with a traceback
            return Finished(1, b"", f"{type(error).__name__}: {error}")

    probe.process.run = here
    probe.find_ffprobe = lambda: None
    start = Child.__init__

    def started(child: Child, arguments: Sequence[str], **options: Any) -> None:
        if not _ffmpeg_is_there:
            raise FfmpegError(f"'{arguments[0]}' could not be started: it is left out here")
        start(child, arguments, **options)

    Child.__init__ = started  # type: ignore[method-assign]


_ffmpeg_is_there = True


def _one(sources: dict[str, bytes], folder: Path, draw: random.Random, number: int) -> tuple[int, list[str]]:
    name = draw.choice((*list(sources)[:LOOKS], *list(sources)))
    is_film = name in seeds.FILMS
    global _ffmpeg_is_there
    _ffmpeg_is_there = draw.random() < FFMPEG_SHARE
    done, data = mutated(sources[name], draw, OF_MEDIA if is_film else MUTATORS)
    path = folder / f"file{Path(name).suffix}"
    path.write_bytes(data)
    if is_film:
        arguments = draw.choice((
            ["info", "--no-loudness", path.name], ["info", "--no-loudness", path.name, "--json"],
            ["remix", path.name, "--dialog", "0", "--dry-run"],
        ))  # fmt: skip
    elif path.suffix == ".toml":
        arguments = draw.choice((["presets", "show", path.name], ["presets", "show", path.name, "--json"]))
    else:
        arguments = draw.choice((["models", "info", f"./{path.name}"], ["models", "info", f"./{path.name}", "--json"]))
    trial = Trial(f"{name} {done}", arguments, folder, inputs=(path,), codes=CODES)
    seen = _seen(trial, hashlib.sha256(data).hexdigest(), path)
    path.unlink(missing_ok=True)
    return seen.code, [
        f"mutant {number}, {name} {done}, {' '.join(arguments)}: {why}" for why in violations(trial, seen)
    ]


def _seen(trial: Trial, checksum: str, path: Path) -> Seen:
    """Run a command line in this process."""
    from cfork_cli.app import run

    os.chdir(trial.folder)
    used, before = int(sum(os.times()[:2])), _peak_bytes()
    resource.setrlimit(resource.RLIMIT_CPU, (used + LIMIT_SECONDS, resource.RLIM_INFINITY))
    out, err, began, cpu = io.StringIO(), io.StringIO(), time.monotonic(), time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(trial.arguments))
    peak = after if (after := _peak_bytes()) > before else 0  # it never falls: that of an earlier line is not ours
    words = [text.getvalue().encode("utf-8", "surrogateescape") for text in (out, err)]
    return Seen(
        (code,), words[0], words[1], time.monotonic() - began, time.process_time() - cpu, peak,
        {path.name: checksum}, listing(trial.folder),
    )  # fmt: skip


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform == "linux" else 1)
