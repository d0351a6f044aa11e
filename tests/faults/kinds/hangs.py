"""An ffmpeg that never ends, or leaves something behind: stopped for ever, or in a wrapper that waits."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from pathlib import Path
from shlex import quote

import imageio_ffmpeg
from faults.bench import Bench
from faults.kinds.moments import _command
from faults.running import Running
from faults.trial import Act, Trial

STALL_SECONDS = "2"
"""For which an ffmpeg does nothing before it is ended."""
LIMIT_SECONDS = 75.0
"""For several of them, one after the other, on a machine that does other things too."""

WRAPPERS = {
    "sleeps": "exec sleep 1000",
    "stops": "kill -STOP $$\nexec {program} \"$@\"",
    "hangs after its work": "{program} \"$@\"\ncode=$?\nsleep 1000\nexit $code",
    "closes its pipes and hangs": "exec <&- >&-\nexec sleep 1000",
    "ends while a child keeps its pipes": "sleep 1000 &\nexec {program} \"$@\"",
    "leaves a child": "sleep 1000 </dev/null >/dev/null 2>&1 &\nexec {program} \"$@\"",
    "leaves a child that leaves one": "(sleep 1000 & sleep 1000) </dev/null >/dev/null 2>&1 &\n{program} \"$@\"",
    "leaves a deaf child": "(trap '' HUP INT TERM; sleep 1000) </dev/null >/dev/null 2>&1 &\nexec {program} \"$@\"",
    "does half and sleeps": "{program} \"$@\" | head -c 30000\nexec sleep 1000",
    "fails and keeps its pipes": "sleep 1000 &\nexit 1",
}  # fmt: skip
"""What a wrapper does in place of ffmpeg, in sh."""


def hangs(bench: Bench, draw: random.Random) -> Trial:
    """One start of ffmpeg or ffprobe, or each of them, does so."""
    name, arguments, written = _command(bench, draw)
    folder = bench.fresh()
    film = bench.put("aac.mkv", folder, "film.mkv")
    told, at = draw.choice(list(WRAPPERS)), draw.choice((0, 0, *range(1, 9)))
    given = wrapped(folder.parent / "programs", WRAPPERS[told], at, draw.choice(("system", "wheels")))
    return Trial(
        f"{'each' if not at else f'number {at}'} {told}: {name}", arguments, folder, draw.random() < 0.1,
        inputs=(film,), outputs=tuple(folder / one for one in written), codes=frozenset({0, 6}),
        environment={**given, "CFORK_STALL_SECONDS": STALL_SECONDS}, limit_seconds=LIMIT_SECONDS,
    )  # fmt: skip


def wrapped(place: Path, words: str, at: int, maker: str) -> dict[str, str]:
    """Put an ffmpeg and, where the system has one, an ffprobe there that do this when they are started.

    Args:
        words: in sh; {program} is the real one.
        at: the number of the start that does it, from 1; 0: all do.
        maker: whose ffmpeg it is: the "system"'s, or that of the "wheels".

    Returns:
        the environment that makes the command take them.
    """
    from cfork_cli.ffmpeg.find import find_ffmpeg, find_ffprobe

    place.mkdir()
    programs = {"ffmpeg": find_ffmpeg() if maker == "system" else imageio_ffmpeg.get_ffmpeg_exe()}
    if maker == "system" and (probe := find_ffprobe()) is not None:
        programs["ffprobe"] = str(probe)
    for name, program in programs.items():
        path = place / name
        count = quote(str(place / "count"))
        path.write_text(
            f"#!/bin/sh\necho {name} >> {count}\n"
            f'if [ {at} -eq 0 ] || [ "$(wc -l < {count})" -eq {at} ]; then\n{words.format(program=quote(program))}\n'
            f'else\nexec {quote(program)} "$@"\nfi\n',
            encoding="utf-8",
        )
        path.chmod(0o755)
    return {"CFORK_FFMPEG": str(place / "ffmpeg")}


def stopped(bench: Bench, draw: random.Random) -> Trial:
    """An ffmpeg or all that it has started is stopped by a signal, for ever."""
    name, arguments, written = _command(bench, draw)
    first = bench.moment(draw, name, arguments, real=False) * 0.9
    folder = bench.fresh()
    film = bench.put("aac.mkv", folder, "film.mkv")
    place, whole = draw.random(), draw.random() < 0.5

    def strike(run: Running) -> bool:
        found = run.children()
        if not found:
            return False
        pid = found[int(place * len(found))][0]
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if whole and os.getpgid(pid) == pid else os.kill)(pid, signal.SIGSTOP)
        return True

    acts: list[tuple[float, Act]] = [(first, strike)]
    return Trial(
        f"{'group' if whole else 'child'} stopped for ever at {first:.2f} s: {name}", arguments, folder,
        inputs=(film,), outputs=tuple(folder / one for one in written), codes=frozenset({0, 6}), acts=acts,
        environment={"CFORK_STALL_SECONDS": STALL_SECONDS}, limit_seconds=LIMIT_SECONDS,
    )  # fmt: skip
