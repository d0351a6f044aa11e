"""Many films at a time, and films that are replaced: each is whole all the time, the old one or the new one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from faults import reader, running, seeds
from faults.bench import Bench
from faults.kinds.hangs import STALL_SECONDS, WRAPPERS, wrapped
from faults.running import Running
from faults.trial import Act, Seen, Trial

SECONDS = 13.0
"""That such a run takes, about, on a machine that does other things too: moments are drawn from it."""
WORKER = "multiprocessing.spawn"
"""In the command line of a worker."""
LIMIT_SECONDS = 150.0
JOURNAL = ".cfork.jsonl"


def many(bench: Bench, draw: random.Random) -> Trial:
    """Three films of a folder, two at a time, and a fault."""
    return _several(bench, draw, in_place=False)


def in_place(bench: Bench, draw: random.Random) -> Trial:
    """One to three films that are replaced, and a fault: none may be lost."""
    return _several(bench, draw, in_place=True)


def _several(bench: Bench, draw: random.Random, *, in_place: bool) -> Trial:
    folder = bench.fresh()
    place = folder / "in"
    place.mkdir()
    names = draw.sample(("aac.mkv", "film.mp4", "flac.mkv", "film.mov", "sound.flac", "pcm16.wav"), 3)
    if in_place:
        names = names[: draw.randint(1, 3)]
    films = [bench.put(name, place) for name in names]
    whole = {film: _digest(film) for film in films}
    changed: dict[Path, str] = {}  # by acts that found their moment
    change = draw.choice((["--dialog", "0"], ["--loudness", "-20"], ["--dialog", "3", "--model", str(bench.model)]))
    backup = draw.random() < 0.7
    arguments = ["remix", "in", *change, "--jobs", str(draw.choice((1, 2, 2)))]
    if in_place:
        arguments += ["--in-place", *([] if backup else ["--no-backup"])]
    else:
        arguments += ["-o", "out"]
    if draw.random() < 0.3:
        arguments.append("--json")
    told = draw.choice((*SIGNALS, *SIGNALS, "worker", "worker", "ffmpeg", "disk", "journal", "read-only journal",
                        "hang", "gone", "changed", "backup", "damaged", "read-only"))  # fmt: skip
    at = draw.uniform(0, SECONDS)
    codes, acts, environment, free = {0, 1}, list[tuple[float, Act]](), dict[str, str](), list[Path]()
    out = place if in_place else folder / "out"
    if told in SIGNALS:
        number = getattr(signal, told.split()[0])
        acts.append((at, lambda run: run.send(number)))
        codes = {0, -9 if told == "SIGKILL" else 128 + number}
        if told == "SIGINT twice":
            acts.append((at + draw.uniform(0.03, 2.5), lambda run: run.send(number)))
    elif told == "worker":
        acts.append((at, partial(_kill, WORKER, draw.random())))
    elif told == "ffmpeg":
        acts.append((at, partial(_kill, "ffmpeg", draw.random())))
    elif told == "disk":
        size = draw.randrange(3, 40) * 4096 + (sum(film.stat().st_size for film in films) if in_place else 0)
        kept = {film.name: film.read_bytes() for film in films}
        out.mkdir(exist_ok=True)
        if bench.disk(out, f"size={size}"):
            told = f"disk of {size}"
            for name, data in kept.items() if in_place else ():
                with contextlib.suppress(OSError):
                    (out / name).write_bytes(data)
            whole = {film: _digest(film) for film in films}
        codes = {0, 1, 4}
    elif told == "journal":
        out.mkdir(exist_ok=True)
        (out / JOURNAL).write_bytes(_journal(bench, draw, [film.name for film in films], in_place=in_place))
    elif told == "read-only journal":
        out.mkdir(exist_ok=True)
        (out / JOURNAL).mkdir()
        codes = {0, 1, 4}
    elif told == "hang":
        words = WRAPPERS[draw.choice(list(WRAPPERS))]
        environment = {
            **wrapped(folder.parent / "programs", words, draw.randint(1, 12), "system"),
            "CFORK_STALL_SECONDS": STALL_SECONDS,
        }
        codes = {0, 1, 6}
    elif told == "gone":
        acts.append((at, lambda _: _vanish(out if not in_place else folder.parent / "tmp")))
        free.append(out)
    elif told == "changed":
        other = bench.film("rich.mkv").read_bytes()
        free.append(films[0])
        acts.append((at, lambda _: _replace(films[0], other, changed)))
    elif told == "backup":
        taken = films[0].with_name(f"{films[0].name}.bak")
        taken.write_bytes(b"somebody else's")
        whole[taken] = _digest(taken)
    elif told == "damaged":
        films[-1].write_bytes(films[-1].read_bytes()[: draw.randrange(1, 3000)])
        whole[films[-1]] = _digest(films[-1])
    elif told == "read-only":
        films[0].chmod(0o444)
    law = partial(_replaced, place, whole, changed, backup) if in_place else partial(_written, out)
    return Trial(
        f"{told} at {at:.1f} s: {len(films)} films {'in place' if in_place else 'elsewhere'}", arguments, folder,
        told == "worker" or draw.random() < 0.5,
        inputs=() if in_place else tuple(film for film in films if film not in free), outputs=(),
        codes=frozenset(codes), acts=acts, environment=environment, free=(place, out, *free),
        may_leave=told == "SIGKILL", limit_seconds=LIMIT_SECONDS, several=True, patch=use_no_workers,
        laws=(law, partial(_tidy, (place, out), told == "SIGKILL")),
    )  # fmt: skip


SIGNALS = ("SIGINT", "SIGINT twice", "SIGTERM", "SIGKILL", "SIGHUP")


def use_no_workers() -> None:
    """Let a fork do its films itself: a worker would import this campaign before the command."""
    from cfork_cli import signals
    from cfork_cli.batch import engine

    class InThisProcess(engine.Here):
        def __init__(self, threads: int | None = None) -> None:
            super().__init__()

        def run(self, films: Sequence[Any], do: Any, jobs: int = 1) -> Iterator[Any]:
            for event in super().run(films, do, jobs):
                signals.begin()  # what a worker published makes nobody deaf but the worker
                yield event

        def __enter__(self) -> InThisProcess:
            return self

        def __exit__(self, *_: object) -> None:
            return

    engine.Workers = InThisProcess  # type: ignore[assignment,misc]


def _kill(word: str, place: float, run: Running) -> bool:
    """Kill a process below the command, by a word of its command line; False while there is none.

    A fork has no workers, and in the end there are none any more.
    """
    if word == WORKER and not run.trial.real:
        return True
    found = [pid for pid in running.descendants(run.pid) if word in running.command_line(pid)]
    if not found:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(found[int(place * len(found))], signal.SIGKILL)
    return True


def _vanish(place: Path) -> bool:
    shutil.rmtree(place, ignore_errors=True)
    return True


def _replace(film: Path, data: bytes, changed: dict[Path, str]) -> bool:
    part = film.with_name("part")
    part.write_bytes(data)
    part.replace(film)
    changed[film] = hashlib.sha256(data).hexdigest()
    return True


def _journal(bench: Bench, draw: random.Random, names: Sequence[str], *, in_place: bool) -> bytes:
    """Return a journal that is damaged, or tells of films that never were."""
    entry = {
        "key": f"{'in-place' if in_place else 'remix'} {names[0]}", "done": draw.random() < 0.5, "signature": "x",
        "source": [1, 2, "x"], "outputs": {"../film.mkv": [1, 2, "x"], names[0]: [1, 2, "y"]}, "before": [1, 2, "z"],
        "began": draw.choice((-1e300, 1e300, 0)), "speed": draw.choice((-1, 0, 1e300)),
    }  # fmt: skip
    line = json.dumps(entry).encode() + b"\n"
    odd: list[Callable[[], bytes]] = [
        lambda: line * 3, lambda: line[: draw.randrange(len(line))], lambda: draw.randbytes(3000),
        lambda: b"[" * 100_000 + b"\n", lambda: line.replace(b"1e+300", b"NaN").replace(b'"x"', b"[]"),
        lambda: line.replace(b'"outputs": {', b'"outputs": {"a\\u0000/../b": null, '), lambda: b"\0" * 5000 + line,
        lambda: line.replace(b"[1, 2", b"[1e999, -2"), lambda: b'{"key": 1}\n[]\nnull\n"x"\n{}\n',
        lambda: line.replace(b'"key": "', b'"key": "' + b"k" * 1_000_000),
    ]  # fmt: skip
    return draw.choice(odd)()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _complete(path: Path, *, shorter: bool = False) -> Iterator[str]:
    """Yield what is wrong with a new film; one that may be shorter must have sound that can be read."""
    heard = reader.heard(path)
    seconds = heard.get("seconds")
    if not isinstance(seconds, float) or seconds < (0.02 if shorter else 0.7 * seeds.SECONDS) or heard.get("errors"):
        yield f"'{path.name}' has its final name and is not complete: {heard}"


def _written(out: Path, _: Seen) -> Iterator[str]:
    """What is in the folder of new films is complete, whatever the exit code."""
    for path in sorted(out.rglob("*")) if out.is_dir() else ():
        if path.is_file() and not path.name.startswith("."):
            yield from _complete(path)


def _replaced(place: Path, whole: dict[Path, str], changed: dict[Path, str], backup: bool, seen: Seen) -> Iterator[str]:
    """A film is what it was, or a complete new one, and then its backup is what it was.

    Where somebody else changed a film, before cfork looked at it or after it was done, either may be that one; and one
    of them is.
    """
    for film, digest in whole.items():
        kept, whose = film.with_name(f"{film.name}.bak"), {digest, changed.get(film, digest)}
        here = [_digest(path) for path in (film, kept) if path.exists()]
        if not film.exists():
            yield f"'{film.name}' is lost"
        elif here[0] not in whose:
            yield from _complete(film)
            if backup and kept not in whole and not whose & set(here[1:]):
                yield f"'{film.name}' was replaced, and '{kept.name}' is not what it was"
        if film in changed and backup and changed[film] not in here:
            yield f"what somebody else wrote to '{film.name}' is lost"
    for path in place.glob("*.bak"):
        film = path.with_name(path.name.removesuffix(".bak"))
        if path not in whole and _digest(path) not in (whole.get(film), changed.get(film)):
            yield f"'{path.name}' is not the film that it was"


def _tidy(places: Sequence[Path], killed: bool, seen: Seen) -> Iterator[str]:
    """Nothing hidden is left but the journal."""
    for place in dict.fromkeys(places):
        for path in place.iterdir() if place.is_dir() and not killed else ():
            if path.name.startswith(".") and path.name != JOURNAL:
                yield f"'{path.name}' is left behind"
