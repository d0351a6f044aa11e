"""The table of what was tried, from the lines of the results."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from faults.version import of, version

ROWS: Mapping[str, tuple[str, str]] = {
    "films": ("mutants", "damaged films of every kind of the corpus, through every command"),
    "weights": ("mutants", "damaged models: `models info`, `models verify`, `remix --model`"),
    "presets": ("mutants", "damaged presets"),
    "crowd": (
        "mutants",
        "the same in one process, through `info --no-loudness`, `remix --dry-run`, `models info`, "
        "`presets show`, with PyAV as the prober and mostly without an ffmpeg",
    ),
    "readers": ("mutants of readers", "damaged bytes, to our own readers alone, in one process"),
    "names": ("names", "names with line breaks, quotes, patterns, protocols, 255 bytes, no UTF-8"),
    "references": ("references", "playlists and other lists that name files and addresses, with a listening counter"),
    "embedded": (
        "references",
        "films that name others inside: data references, reference movies, linked segments, attachments, script "
        "commands; who opens them is watched",
    ),
    "downloads": ("downloads", "models from a server that misbehaves"),
    "servers": (
        "downloads",
        "models from a server that is slow, never ends, leads elsewhere, breaks off or hangs; with smaller limits",
    ),
    "player": ("faults", "`cfork play`: damaged films, visitors that talk nonsense, its end"),
    "signals": ("faults", "SIGINT (twice too), SIGTERM, SIGHUP, SIGKILL, SIGPIPE, SIGSTOP at any moment"),
    "children": ("faults", "an ffmpeg that is killed, or stands still for a while"),
    "stopped": ("faults", "an ffmpeg, or all that it has started, is stopped for ever"),
    "hangs": ("faults", "an ffmpeg in a wrapper that sleeps, stops, keeps its pipes open, or leaves children behind"),
    "inputs": ("faults", "the film is deleted, cut, replaced, overwritten or grows meanwhile"),
    "together": ("faults", "two commands with one output"),
    "vanishing": ("faults", "the folder of the output or of temporary files vanishes"),
    "disks": ("faults", "no room, no inodes, read-only"),
    "limits": ("faults", "limits of memory, descriptors, size of files, stack"),
    "descriptors": ("faults", "closed descriptors, /dev/full"),
    "places": ("faults", "languages, encodings, clocks"),
    "clocks": ("faults", "a clock that jumps meanwhile, times of files that cannot be, summer time"),
    "newer": ("faults", "signals, children, inputs and folders as above, with `dub`, `plot` and `--resume`"),
    "resumed": ("faults", "`--resume` with pieces that are damaged, swapped, half, or of another film"),
    "many": ("faults", "many films: signals, killed workers, full disks, damaged journals, ffmpegs that hang"),
    "in place": ("faults", "the same with `--in-place`: a film is the old one or the new one, and never lost"),
    "watching": ("faults", "`cfork watch`: films in halves, replaced, removed; the folder gone and back; signals"),
    "endings": ("faults", "`cfork play`: killed, its port taken, its page or browser gone"),
}
"""Kind -> what it counts as, and what it is."""

MOMENTS = ("signals", "children", "stopped", "inputs", "vanishing")
"""Kinds in which something happens at a moment, if the run has not ended by then."""

OPENING = """# Reliability

What cfork promises whatever happens to it, how that is tried, and what came of it.

## What is promised

- A run ends with one of the [documented exit codes](exit-codes.md), and every failure is one line that says what
  happened and what to do. No traceback, no control character of a foreign text.
- The input is never changed.
- A file has its final name when it is complete and was read back, and not before. After a failure or an interruption
  nothing new is there: no half file, no hidden file, no temporary file, no process. After SIGKILL or a power cut hidden
  files may be left, and the next run in that folder removes them.
- Nothing that comes in makes cfork open another file or address.
- Time and memory are bounded, whatever a header asks for.
- Sound that is missing, filled or could not be decoded is told, or the film is refused.

## How it is tried

`python -m tests.faults.campaign --minutes 60` draws trials of all kinds below from a seed, runs the command, and lets
one judge (`tests/faults/oracle.py`) look at every run: exit code, words, checksums of the input, all files before and
after, processes, time, memory, and the sound of the outputs, read by another reader. It goes on where it was stopped,
and writes this page. A few trials of each kind run with the tests. Films are a second long, in mono, with a picture of
96x64; the network is a tiny one. Half of the runs take the system's ffmpeg, the others the bundled one, some of those
without any program on PATH.

Most trials run in a fork of a process that has imported cfork already: a process of its own, with its own signals,
limits and children, that saves the second which an interpreter needs to start. The others are started as a user starts
them. Both are counted. Trials with a violation are tried again (`--again`) when the fault is mended, and all others
when the code is another one (`--renew`), as far as there is time: so the table is of several versions of the code, and
says of how many trials the code is the newest. A version is told by a checksum of all its sources.

Disks without room are small file systems in memory where they may be mounted; elsewhere a limit of the size of files
stands in for them. Limits that take minutes are made smaller: an ffmpeg may do nothing for 2 s (`CFORK_STALL_SECONDS`),
and in a fork a server may be slow for 1.5 s and send 3 MB at most, where a minute and 2 GB are usual; there 127.0.0.1
counts as an address of the world, and 127.0.0.2 as one of this machine. A clock that jumps is Python's, in a fork.
Files that nobody may open are watched by the system (inotify). Workers for many films, and those of `cfork watch`, are
real processes in a campaign, and none in the short form that runs with the tests.

Not tried: a power cut of the machine itself; a wrapper whose child leaves its session, or that computes or talks for
ever instead of ffmpeg; a signal in the first 0.3 s counts as well answered where Python itself still begins and ends as
the system says.
"""

CLOSING = """
In a crowd, code 6 mostly says that the plan of a remix wanted an ffmpeg that was left out. SIGKILL shows as -9.
`python -m tests.faults.campaign --list` prints the violations, and `--kind KIND --only NUMBER` tries one again.
"""


def document(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page."""
    return "\n".join([OPENING, "## What came of it", "", *_totals(rows), "", *_table(rows), *_open(rows), CLOSING])


def _totals(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[ROWS[row["kind"]][0]] += row.get("tried", 1)
    real = sum(row["real"] for row in rows)
    broken = sum(bool(row["violations"]) for row in rows)
    runs = sum("tried" not in row for row in rows)
    parts = [f"{counts[name]:,} {name}" for name in dict.fromkeys(one for one, _ in ROWS.values()) if counts[name]]
    yield f"{', '.join(parts)}. {runs:,} runs of the command, {real:,} of them started as a user does."
    with_moment = [row for row in rows if row["kind"] in MOMENTS]
    struck = sum(row["acted"] for row in with_moment)
    yield "Moments are drawn from the whole time that such a run takes, and a little more:"
    yield f"{struck} of {len(with_moment)} signals and changes struck while it ran. Trials with a violation: {broken}."
    counts = Counter({of(row): 0 for row in rows})
    for row in rows:
        counts[of(row)] += row.get("tried", 1)
    newest = _newest(rows)
    others = ", ".join(f"{name} x {count:,}" for name, count in counts.items() if name != newest)
    yield f"The newest code is {newest}, with {counts[newest]:,} of them; of other versions: {others or 'none'}."


def _newest(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the version that was tried last: this one, if there is a trial of it."""
    found = [of(row) for row in rows]
    return version() if version() in found or not found else found[-1]


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    newest = _newest(rows)
    kinds: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        kinds[row["kind"]].append(row)
    yield "| kind | what | tried | newest code | real | done | ended otherwise: code x times | violations |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind, (_, what) in ROWS.items():
        some = kinds.get(kind, [])
        if not some:
            continue
        tried = sum(row.get("tried", 1) for row in some)
        new = sum(row.get("tried", 1) for row in some if of(row) == newest)
        real = sum(row["real"] for row in some)
        broken = sum(bool(row["violations"]) for row in some)
        if kind == "crowd":
            counts = sum((Counter(row["counts"]) for row in some), Counter[str]())
            others = ", ".join(f"{code} x {number:,}" for code, number in sorted(counts.items()) if code != "0")
            yield f"| {kind} | {what} | {tried:,} | {new:,} | | {counts['0']:,} | {others} | {broken} |"
            continue
        if kind == "readers":
            counts = sum((Counter(row["counts"]) for row in some), Counter[str]())
            done = f"{counts['read']:,} | refused x {counts['refused']:,}"
            yield f"| {kind} | {what} | {tried:,} | {new:,} | | {done} | {broken} |"
            continue
        codes = Counter(code for row in some for code in row["codes"])
        others = ", ".join(f"{code} x {count:,}" for code, count in sorted(codes.items()) if code)
        yield f"| {kind} | {what} | {tried:,} | {new:,} | {real:,} | {codes[0]:,} | {others} | {broken} |"


def _open(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is not kept yet, a line for each trial."""
    broken = [row for row in rows if row["violations"]]
    if broken:
        yield "\nNot kept, and not mended yet:\n"
    for row in broken:
        about = row["about"].replace("|", "\\|").replace("*", "\\*")
        yield f"- {row['kind']} {row['number']}, {about}: {row['violations'][0]}"


def listing(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the violations."""
    for row in rows:
        for why in row["violations"]:
            yield f"{row['kind']} {row['number']} (seed {row['seed']}): {row['about']}: {why}"
            if row["said"]:
                yield f"    {row['said'].strip()}"
