"""Try to break the command: damaged input, odd names, faults at random moments, and one judge for every run.

    python -m tests.faults.campaign --minutes 60     # go on where the last one ended, then write docs/reliability.md
    python -m tests.faults.campaign --write          # try nothing, write the document again
    python -m tests.faults.campaign --again          # the same, but first those again that had a violation
    python -m tests.faults.campaign --renew          # the same, but first those again that other code was tried with
    python -m tests.faults.campaign --list           # print every violation that was seen
    python -m tests.faults.campaign --kind signals --only 17 --keep FOLDER   # one trial again, and keep its files

A trial is told by the seed, its kind and its number; what is done at a moment depends on how fast the machine is too.
Every trial is a line of JSON in the results. Linux only: it looks into /proc, and mounts small disks where it may.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from faults import crowd, reader, readers, running, seeds  # noqa: E402
from faults.bench import Bench, Kind  # noqa: E402
from faults.document import document, listing  # noqa: E402
from faults.kinds import (  # noqa: E402
    clocks,
    damage,
    downloads,
    embedded,
    hangs,
    many,
    moments,
    names,
    references,
    resumed,
    servers,
    surroundings,
    watching,
)
from faults.oracle import violations  # noqa: E402
from faults.trial import Seen, Trial  # noqa: E402
from faults.version import of, version  # noqa: E402

RESULTS, DOCUMENT = ROOT / "benchmarks" / "results" / "faults.jsonl", ROOT / "docs" / "reliability.md"

KINDS: Mapping[str, tuple[Kind, int]] = {
    "films": (damage.films, 60),
    "weights": (damage.weights, 8),
    "presets": (damage.presets, 3),
    "names": (names.names, 6),
    "references": (references.references, 8),
    "embedded": (embedded.embedded, 8),
    "downloads": (downloads.downloads, 4),
    "servers": (servers.servers, 5),
    "player": (downloads.player, 4),
    "signals": (moments.signals, 25),
    "children": (moments.children, 10),
    "stopped": (hangs.stopped, 4),
    "hangs": (hangs.hangs, 8),
    "inputs": (moments.inputs, 8),
    "together": (moments.together, 4),
    "vanishing": (moments.vanishing, 4),
    "disks": (surroundings.disks, 12),
    "limits": (surroundings.limits, 8),
    "descriptors": (surroundings.descriptors, 5),
    "places": (surroundings.places, 6),
    "clocks": (clocks.clocks, 4),
    "newer": (moments.newer, 8),
    "resumed": (resumed.resumed, 5),
    "many": (many.many, 4),
    "in place": (many.in_place, 6),
    "watching": (watching.watching, 4),
    "endings": (downloads.endings, 2),
}
"""What a trial of each kind is, and how often it comes."""

CROWDS: Mapping[str, tuple[Callable[[Bench, random.Random, int], dict[str, Any]], int, int]] = {
    "crowd": (crowd.tried, 14, crowd.MUTANTS),
    "readers": (readers.tried, 5, readers.MUTANTS),
}
"""The same of those that are tried by the dozen in one process; and how many at a time."""

KEPT = (".cfork.jsonl", ".cfork.failed.json", ".cfork-resume")
"""What stays on purpose, for the same command when it is run again."""

SHORT = {
    "films": 6, "weights": 1, "presets": 1, "names": 1, "references": 2, "downloads": 1, "signals": 2, "children": 1,
    "inputs": 1, "disks": 1, "crowd": 30, "readers": 40, "stopped": 1, "hangs": 1, "servers": 2, "embedded": 3,
    "resumed": 1, "clocks": 1, "newer": 1, "many": 1, "in place": 2, "watching": 1, "endings": 1,
}  # fmt: skip
"""How many of each are in the short form, all of them in forks."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="begin no trial after so long")
    parser.add_argument("--trials", type=int, default=10**9, help="at most so many new ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="trials at a time")
    parser.add_argument("--kind", choices=[*KINDS, *CROWDS], action="append", help="these kinds alone")
    parser.add_argument("--only", type=int, help="the trial of this number, whatever the results have")
    parser.add_argument("--keep", type=Path, help="a folder for the files of trials with a violation")
    parser.add_argument("--again", action="store_true", help="first try those again that had a violation")
    parser.add_argument("--renew", action="store_true", help="try those again that other code was tried with")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the lines of JSON")
    parser.add_argument("-o", "--output", type=Path, default=DOCUMENT, help="the document")
    parser.add_argument("--short", action="store_true", help="a few of each, in order; keep nothing, write nothing")
    parser.add_argument("--write", action="store_true", help="try nothing")
    parser.add_argument("--list", action="store_true", help="print every violation, and leave")
    asked = parser.parse_args()
    if asked.short:
        return short(asked.seed)
    if not (asked.write or asked.list):
        work(asked)
    rows = load(asked.results)
    if asked.list:
        print("\n".join(listing(rows)))
        return 0
    if asked.only is None and not asked.kind:
        asked.output.write_text(document(rows), encoding="utf-8")
    return min(100, sum(bool(row["violations"]) for row in rows))


def work(asked: argparse.Namespace) -> None:
    """Share the trials among processes, until the time is over."""
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    if asked.again:
        good = [json.dumps(row, sort_keys=True) + "\n" for row in load(asked.results) if not row["violations"]]
        part = asked.results.with_suffix(".part")
        part.write_text("".join(good), encoding="utf-8")
        part.replace(asked.results)
    known = {key(row) for row in load(asked.results) if not asked.renew or of(row) == version()}
    end = time.monotonic() + 60 * asked.minutes
    print(f"trying the code {version()}", flush=True)
    workers = 1 if asked.only is not None else asked.workers
    with tempfile.TemporaryDirectory(prefix="cfork-faults-store-") as store:
        with Bench(Path(store)) as bench:
            warm(bench, ("aac.mkv",) if asked.kind or asked.only is not None else tuple(seeds.FILMS))
        children = []
        for worker in range(workers):
            if (pid := os.fork()) == 0:
                try:
                    _worker(asked, worker, workers, known, end, Path(store))
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(0)
            children.append(pid)
        for pid in children:
            os.waitpid(pid, 0)


def _worker(
    asked: argparse.Namespace, worker: int, workers: int, known: set[tuple[int, str, int]], end: float, store: Path
) -> None:
    count = 0
    with Bench(store) as bench, asked.results.open("a", encoding="utf-8") as results:
        running.become_foster_parent()
        for kind, number in schedule(asked.seed, asked.kind, asked.only):
            if time.monotonic() > end or count >= -(-asked.trials // workers):
                return
            mine = asked.only is not None or number % workers == worker
            if not mine or (asked.only is None and (asked.seed, kind, number) in known):
                continue
            for row in _surely(bench, asked.seed, kind, number, asked.keep):
                os.write(results.fileno(), (json.dumps(row, sort_keys=True) + "\n").encode())
                for why in row["violations"]:
                    print(f"{kind} {number}: {row['about']}\n    {why}\n    {row['said']}", flush=True)
            count += 1


def _surely(bench: Bench, seed: int, kind: str, number: int, keep: Path | None) -> list[dict[str, Any]]:
    """The rows of a trial; one that fails itself is told, not counted, and tried again by the next campaign."""
    try:
        return list(rows_of(bench, seed, kind, number, keep))
    except Exception:
        print(f"{kind} {number} could not be tried:\n{traceback.format_exc()}", flush=True)
        return []


def schedule(seed: int, kinds: Sequence[str] | None, only: int | None) -> Iterator[tuple[str, int]]:
    """Yield kinds and numbers without end, the same for the same seed and kinds."""
    if only is not None:
        yield from ((kind, only) for kind in kinds or KINDS)
        return
    draw = random.Random(f"{seed}")
    chosen = tuple(kinds or (*KINDS, *CROWDS))
    weights = [{**KINDS, **CROWDS}[kind][1] for kind in chosen]
    counts = dict.fromkeys(chosen, 0)
    while True:
        kind = draw.choices(chosen, weights)[0]
        yield kind, counts[kind]
        counts[kind] += 1


def warm(bench: Bench, films: Sequence[str] = ("aac.mkv",)) -> None:
    """Import what commands need, and let ffmpeg answer what every run asks about such films, so that forks need not."""
    import torch
    import typer.main

    from cfork_cli.app import run
    from cfork_cli.flows import mixing, network  # noqa: F401
    from model.networks.bandsplit import BandSplit  # noqa: F401

    torch.set_num_threads(1)
    typer.main.get_command = cache(typer.main.get_command)  # the parser is built anew for every line otherwise
    quiet = io.StringIO()
    for name in films:
        film = bench.put(name, bench.fresh())
        new = film.with_name(f"new{film.suffix}")
        with contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
            for line in (["info", str(film)], ["remix", str(film), "--dialog", "0", "-o", str(new)]):
                if run([*line, "-q"]):
                    raise RuntimeError(f"the whole film {name} cannot be done: {quiet.getvalue()}")
    if not bench.model.exists():
        raise RuntimeError("there is no model")


def rows_of(
    bench: Bench,
    seed: int,
    kind: str,
    number: int,
    keep: Path | None = None,
    count: int | None = None,
    *,
    real: bool = True,
) -> Iterator[dict[str, Any]]:
    """Try one, or a crowd of so many, and yield what became of it."""
    draw = random.Random(f"{seed}/{kind}/{number}")
    facts = {"seed": seed, "kind": kind, "number": number, "version": version()}
    if kind in CROWDS:
        try_all, _, usual = CROWDS[kind]
        yield {**facts, **try_all(bench, draw, count or usual)}
        return
    trial = KINDS[kind][0](bench, draw)
    if not real:
        trial = replace(trial, real=False)
    seen = looked_at(trial, running.tried(trial, bench.heard))
    if kind in ("signals", "children", "inputs"):
        bench.note(trial.about.rpartition(": ")[2], seen, real=trial.real)
    found = violations(trial, seen)
    if trial.may_leave and not found:
        found = [f"the next run did not clean up: {name}" for name in _uncleaned(bench, trial, seen)]
    if found and keep is not None:
        kept = keep / f"{kind}-{number}"
        shutil.rmtree(kept, ignore_errors=True)
        with contextlib.suppress(shutil.Error):  # named pipes are left away
            shutil.copytree(trial.folder.parent, kept, symlinks=True, ignore_dangling_symlinks=True)
    about = trial.about.replace(str(trial.folder.parent), "..")
    yield {
        **facts, "about": _plain(about), "real": trial.real, "codes": list(seen.codes), "violations": found,
        "seconds": round(seen.seconds, 2), "acted": seen.acts > 0, "mounted": bool(bench.may_mount),
        "said": _plain(seen.err.decode("utf-8", "replace"))[-300:] if found else "",
    }  # fmt: skip


def looked_at(trial: Trial, seen: Seen) -> Seen:
    """Add what another reader finds in the outputs, and in the film where the two are to be compared."""
    facts: dict[str, float | str] = {}
    if seen.code == 0 and trial.command in ("remix", "dub"):
        for path in trial.outputs:
            if path.is_file() and path.suffix not in (".png",):
                facts |= {f"{path.relative_to(trial.folder)} {key}": value for key, value in reader.heard(path).items()}
        if trial.outputs and trial.inputs and trial.command == "remix":
            facts |= {f"input {key}": value for key, value in reader.heard(trial.inputs[0]).items()}
    return replace(seen, facts=facts)


def _uncleaned(bench: Bench, trial: Trial, seen: Seen) -> list[str]:
    """Run the command again in the same folders; return what the killed one left and is still there."""
    left = {name for name in seen.after if name not in seen.before and Path(name).name.startswith((".", "cfork-"))}
    left = {name for name in left if not any(word in name for word in KEPT)}
    if not left:
        return []
    arguments = ["remix", "film.mkv", "--dialog", "0", "-o", "next.mkv"]
    if trial.several:  # whose folder is another one
        arguments = [*trial.arguments, *(["--once"] if trial.command == "watch" else [])]
    after = Trial("next", arguments, trial.folder, patch=trial.patch)
    again = running.tried(after)
    return sorted(left & set(again.after))


def _plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def short(seed: int) -> int:
    """A few of each kind; prints what was tried, and returns how many went wrong."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="cfork-faults-store-") as store, Bench(Path(store)) as bench:
        warm(bench)
        running.become_foster_parent()
        for kind, count in SHORT.items():
            if kind in CROWDS:
                rows += rows_of(bench, seed, kind, 0, count=count)
            else:
                rows += [row for number in range(count) for row in rows_of(bench, seed, kind, number, real=False)]
    print(document(rows))
    print("\n".join(listing(rows)))
    print("\n".join(f"{row['kind']} {row['number']}: {row['about']}" for row in rows))
    return min(100, sum(bool(row["violations"]) for row in rows))


def load(path: Path) -> list[dict[str, Any]]:
    """Return the rows, the last one of each trial; a line that was cut off by a kill counts as none."""
    rows: dict[tuple[int, str, int], dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with contextlib.suppress(json.JSONDecodeError):
            row = json.loads(line)
            rows.pop(key(row), None)
            rows[key(row)] = row
    return list(rows.values())


def key(row: Mapping[str, Any]) -> tuple[int, str, int]:
    """Return what tells a trial."""
    return row["seed"], row["kind"], row["number"]


if __name__ == "__main__":
    sys.exit(main())
