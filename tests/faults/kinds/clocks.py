"""The clock on the wall goes forward and back while a command runs; times of files that cannot be; summer time."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from faults import running
from faults.bench import Bench
from faults.kinds.many import _complete, use_no_workers
from faults.kinds.moments import _command
from faults.running import Running
from faults.trial import Act, Seen, Trial

JUMPS = ("+1h", "-1h", "+400d", "-400d", "+20y", "-20y", "+1s", "-1s", "+0", "+30y")
"""From the true time."""
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "CET-1CEST,J1,J365", "UTC")
"""With and without summer time; one that has it all year but for a day; one that is half an hour."""
CHANGES = ("@2026-03-29 01:59:58", "@2026-10-25 02:59:58", "@2026-11-01 01:59:58", "@2038-01-19 03:14:05")
"""Seconds before a clock is changed, somewhere, and before one of 32 bits ends."""
TIMES = (-(2**31), -1, 0, 1, 2**31 - 1, 2**32, 4_102_444_800)


def clocks(bench: Bench, draw: random.Random) -> Trial:
    """A clock that jumps once or more often: of one film, of many films twice, or of a folder that is watched."""
    name, arguments, written = _command(bench, draw)
    way = draw.choice(("one", "one", "again", "again", "watch"))
    folder = bench.fresh()
    clock = folder.parent / "clock"
    place = folder / "in"
    laws = [_durations]
    first, free, outputs = draw.choice((*JUMPS, *CHANGES)), list[Path](), tuple(folder / one for one in written)
    environment = {"TZ": draw.choice(ZONES)}
    if way == "one":
        film = bench.put("aac.mkv", folder, "film.mkv")
        arguments = [*arguments, *([] if "--json" in arguments else ["--json"])]
    else:
        place.mkdir()
        film = bench.put("aac.mkv", place, "film.mkv")
        outputs, free = (), [place, folder / "out"]
    moment = draw.choice(TIMES) if draw.random() < 0.4 else None
    if moment is not None:
        os.utime(film, (moment, moment))
    if way == "again":
        name, arguments = "twice", ["remix", "in", "--dialog", "0", "-o", "out", "--json"]
        _set(clock, draw.choice(JUMPS))
        before = running.tried(Trial("before", arguments, folder, patch=partial(_moved, clock)))
        if before.code:
            raise RuntimeError(f"the first run failed: {before.err!r}")
        shutil.rmtree(folder.parent / "logs")
        laws.append(_unchanged)
    elif way == "watch":
        name, arguments = "watch", ["watch", "in", "--dialog", "0", "-o", "out", "--settle", "1", "--once", "--json"]
        laws.append(partial(_at_most_whole, folder / "out"))
    _set(clock, first)
    jumps = [draw.choice(JUMPS) for _ in range(draw.randint(1, 4))]
    acts: list[tuple[float, Act]] = []
    for jump in jumps:
        acts.append((draw.uniform(0, 6), partial(_jump, clock, jump)))
    acts.sort(key=lambda act: act[0])
    return Trial(
        f"clock {first} {' '.join(jumps)}, file of {moment}, {environment['TZ']}: {name}", arguments, folder,
        inputs=(film,) if way == "one" else (), outputs=outputs, codes=frozenset({0}), acts=acts, free=free,
        environment=environment, laws=laws, several=way != "one", patch=partial(_moved, clock),
    )  # fmt: skip


def _moved(clock: Path) -> None:
    """Show the command another time: a fork, and its threads. (libfaketime breaks every sleep where it leaves the clock
    alone that only goes forward.)
    """
    true, began = time.time, time.monotonic()
    time.tzset()
    seconds = {"s": 1, "h": 3600, "d": 86_400, "y": 31_536_000, "0": 1}

    def now() -> float:
        words = clock.read_text(encoding="ascii").strip()
        if words.startswith("@"):
            at = datetime.strptime(words[1:20], "%Y-%m-%d %H:%M:%S")
            return at.timestamp() + time.monotonic() - began
        return true() + float(words.rstrip("shdy")) * seconds[words[-1]]

    time.time = now
    use_no_workers()


def _set(clock: Path, words: str) -> None:
    part = clock.with_name("clock.part")
    part.write_text(f"{words}\n", encoding="ascii")
    part.replace(clock)


def _jump(clock: Path, words: str, _: Running) -> bool:
    _set(clock, words)
    return True


def _durations(seen: Seen) -> Iterator[str]:
    """No duration is negative, or longer than the run."""
    lines = [*seen.out.splitlines(), *seen.err.splitlines()]
    for line in lines:
        if not line.startswith(b"{"):
            continue
        try:
            found = json.loads(line)
        except ValueError:
            continue
        for name, value in _numbers(found):
            if not re.search("elapsed|eta|duration|processed|speed", name):
                continue
            if value < 0 or (name == "elapsed_seconds" and value > seen.seconds + 1):
                yield f"{name} is {value}, and the run took {seen.seconds:.1f} s"


def _numbers(found: object) -> Iterator[tuple[str, float]]:
    if isinstance(found, dict):
        for name, value in found.items():
            if isinstance(value, int | float):
                yield name, value
            else:
                yield from _numbers(value)
    elif isinstance(found, list):
        for one in found:
            yield from _numbers(one)


def _unchanged(seen: Seen) -> Iterator[str]:
    """What was done is not done again, whatever time it is."""
    if b'"unchanged": 1' not in seen.out:
        yield f"a film that was done is done again: {seen.out[-200:]!r}"


def _at_most_whole(out: Path, _: Seen) -> Iterator[str]:
    for path in out.glob("*.mkv") if out.is_dir() else ():
        yield from _complete(path)
