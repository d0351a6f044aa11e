"""Disks without room, limits of the system, closed descriptors, odd languages and clocks."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from functools import cache
from itertools import combinations
from pathlib import Path

from faults.bench import Bench
from faults.kinds.moments import _command
from faults.trial import DOCUMENTED, STOPPED, Trial

NEEDED_BYTES = 40_000
"""About what the outputs of a film of a second take."""


def disks(bench: Bench, draw: random.Random) -> Trial:
    """Too little room, too few inodes, or none to write to, where the output or temporary files go.

    Small disks of memory, where they may be mounted; else a limit of the size of files, which ends as a full disk does.
    """
    name, arguments, written = _command(bench, draw)
    folder = bench.fresh()
    film = bench.put("aac.mkv", folder, "film.mkv")
    place = folder / "disk"
    of_output = bool(written) and draw.random() < 0.75
    told = draw.choice(("room", "room", "inodes", "read-only"))
    size = draw.randrange(1, int(1.5 * NEEDED_BYTES) // 4096 + 2) * 4096
    inodes = draw.randint(1, 6)
    if not of_output:
        place = folder.parent / "tmp"
    place.mkdir(exist_ok=True)
    options = {"room": [f"size={size}"], "inodes": [f"nr_inodes={inodes}"], "read-only": ["ro"]}[told]
    limits: dict[str, int] = {}
    if not bench.disk(place, *options):
        told, limits = "size of files", {"RLIMIT_FSIZE": size}
    if of_output:
        arguments = [f"disk/{word}" if word.startswith(("new.", "stems")) else word for word in arguments]
    outputs = tuple((place if of_output else folder) / one for one in written)
    where = "output" if of_output else "temporary files"
    much = size if "size" in options[0] else inodes
    return Trial(
        f"{told} {much} for the {where}: {name}", arguments, folder, draw.random() < 0.15, inputs=(film,),
        outputs=outputs, codes=frozenset({4} if told == "read-only" and of_output else {0, 4}), limits=limits,
    )  # fmt: skip


def limits(bench: Bench, draw: random.Random) -> Trial:
    """Little address space, few descriptors, or small files allowed."""
    name, arguments, written = _command(bench, draw)
    folder = bench.fresh()
    film = bench.put("aac.mkv", folder, "film.mkv")
    told, most = draw.choice((
        ("RLIMIT_AS", draw.randrange(150, 4000) << 20), ("RLIMIT_NOFILE", draw.randint(5, 40)),
        ("RLIMIT_FSIZE", draw.randrange(0, NEEDED_BYTES)), ("RLIMIT_STACK", draw.randrange(256, 4096) << 10),
    ))  # fmt: skip
    real = told in ("RLIMIT_AS", "RLIMIT_STACK") or draw.random() < 0.3
    return Trial(
        f"{told} {most}: {name}", arguments, folder, real, inputs=(film,),
        outputs=tuple(folder / one for one in written), limits={told: most}, codes=DOCUMENTED - STOPPED - {2, 3},
    )  # fmt: skip


def descriptors(bench: Bench, draw: random.Random) -> Trial:
    """Standard descriptors that are closed or full."""
    name, arguments, written = _command(bench, draw)
    folder = bench.fresh()
    film = bench.put("aac.mkv", folder, "film.mkv")
    outputs = tuple(folder / one for one in written)
    told = draw.choice(("closed", "closed", "full"))
    closed: tuple[int, ...] = ()
    stdout = None
    codes = frozenset({0})
    if told == "closed":
        closed = draw.choice([some for count in (1, 2, 3) for some in combinations(range(3), count)])
    else:
        stdout, codes = Path("/dev/full"), frozenset({0, 4})
    return Trial(
        f"descriptors {closed or told}: {name}", arguments, folder, True, inputs=(film,), outputs=outputs,
        codes=codes, closed=closed, stdout=stdout,
    )  # fmt: skip


LANGUAGES = (
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "tr_TR.UTF-8"},
    {"LC_ALL": "xx_YY.nothing"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "cp1252:strict"}, {"LANG": ""}, {"TERM": "dumb", "COLUMNS": "1", "LINES": "0"},
    {"FORCE_COLOR": "1"}, {"NO_COLOR": "1", "COLUMNS": "x"}, {"HOME": "/nowhere"}, {"PYTHONOPTIMIZE": "2"},
)  # fmt: skip
MOMENTS = (-(2**31), -1, 0, 2**31 - 1, 2**32, 4_102_444_800, 253_402_300_799)
"""Of a file's last change, in seconds from 1970; the last one is the end of the year 9999."""
ZONES = ("UTC", "Asia/Kathmandu", "Pacific/Kiritimati", "XXX+25", "", "nonsense/zone")


def places(bench: Bench, draw: random.Random) -> Trial:
    """Another language, another clock: all goes well."""
    name, arguments, written = _command(bench, draw)
    folder = bench.fresh()
    film = bench.put("aac.mkv", folder, "film.mkv")
    told, given, prefix = "language", dict(draw.choice(LANGUAGES)), ()
    if draw.random() < 0.4:
        at, zone = draw.choice(MOMENTS), draw.choice(ZONES)
        told, given = "clock", {"TZ": zone}
        os.utime(film, (at, at))
        if draw.random() < 0.6 and _may_shift():
            prefix = ("unshare", "--time", "--monotonic", str(draw.choice((10**6, 10**9))), "--boottime", "10000000")
            given["shifted"] = prefix[3]
    elif draw.random() < 0.7:
        odd = folder / draw.choice(("Größe 日本.mkv", "é\u0301.mkv", "\udcff\udcfe.mkv"))
        shutil.move(film, odd)
        film, arguments = odd, [odd.name if word == "film.mkv" else word for word in arguments]
    return Trial(
        f"{told} {given} {film.name!r}: {name}", arguments, folder, True, inputs=(film,),
        outputs=tuple(folder / one for one in written), codes=frozenset({0}), environment=given, prefix=prefix,
    )  # fmt: skip


@cache
def _may_shift() -> bool:
    """Return whether a process may get another monotonic clock here."""
    line = ["unshare", "--time", "--monotonic", "1000", "true"]
    try:
        return subprocess.run(line, capture_output=True).returncode == 0
    except OSError:
        return False
