"""`cfork watch` while the folder changes: films come in halves, are replaced, leave, and come back."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faults.bench import Bench
from faults.kinds.many import WORKER, _complete, _kill, use_no_workers
from faults.running import Running
from faults.trial import Act, Seen, Trial

from cfork_cli.batch.run import UNTOLD

LIMIT_SECONDS = 90.0
ENDS_AFTER_SECONDS = 12.0
"""The signal comes then, if the film was not done before."""
KEPT = (".cfork.jsonl", ".cfork.failed.json")


def watching(bench: Bench, draw: random.Random) -> Trial:
    """A film that comes in an odd way, and a signal in the end."""
    folder = bench.fresh()
    place = folder / "in"
    place.mkdir()
    name = draw.choice(("aac.mkv", "film.mp4", "film.ts", "film.avi"))
    data, other = bench.film(name).read_bytes(), bench.film("rich.mkv").read_bytes()
    film = place / f"film{Path(name).suffix}"
    where = draw.choice(("beside", "out", "inside", "inside"))
    output = {"beside": [], "out": ["-o", "out"], "inside": ["-o", "in/out"]}[where]
    told = draw.choice(TOLD)
    number = draw.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL))
    once = told == "there" and draw.random() < 0.3
    arguments = [
        "watch", "in", "-r", "--dialog", "0", "--settle", str(draw.choice((0.3, 1.0))), "--poll", "0.2", *output,
        *draw.choice(([], ["--json"])), *(["--once", "--settle", "0"] if once else []),
    ]  # fmt: skip
    acts: list[tuple[float, Act]] = []
    start = draw.uniform(0, 6)
    half = draw.randrange(1, len(data))

    def put(some: bytes, *, more: bool = False) -> Act:
        def act(_: Running) -> bool:
            with contextlib.suppress(FileNotFoundError), film.open("ab" if more else "wb") as file:
                file.write(some)
            return True

        return act

    if told == "there":
        film.write_bytes(data)
    elif told == "in halves":
        acts += [(start, put(data[:half])), (start + draw.uniform(0.1, 5), put(data[half:], more=True))]
    elif told == "half, for good":
        acts += [(start, put(data[:half]))]
    elif told == "replaced":
        acts += [(start, put(data)), (start + draw.uniform(0.1, 6), lambda _: _moved(film, other))]
    elif told == "removed":
        acts += [(start, put(data)), (start + draw.uniform(0.1, 6), lambda _: _gone(film))]
    elif told == "folder away and back":
        film.write_bytes(data)
        away = folder / "away"
        acts += [(start, lambda _: _renamed(place, away)), (start + draw.uniform(0.5, 4), lambda _: _back(away, place))]
    elif told == "folder removed":
        film.write_bytes(data)
        acts += [(start, lambda _: _gone(place)), (start + 2, lambda _: _made(place)), (start + 2.5, put(data))]
    elif told == "worker killed":
        film.write_bytes(data)
        acts += [(start, partial(_kill_worker, folder, draw.random()))]
    elif told == "time in the future":
        film.write_bytes(data)
        when = draw.choice((-1, 0, 2**32, 4_102_444_800))
        os.utime(film, (when, when))
    elif told == "ring of links":
        film.write_bytes(data)
        (place / "again").symlink_to(place)
        (place / "more.mkv").symlink_to("more.mkv")
        os.mkfifo(place / "pipe.mkv")
    if not once:
        after = acts[-1][0] if acts else 0.0
        acts.append((after, partial(_end, folder, number, draw.random() < 0.5, after)))
    law = partial(_watched, folder, number == signal.SIGKILL, told == "half, for good")
    early = {3} if told.startswith("folder") else set[int]()  # it was not there when the command began
    return Trial(
        f"{told}, {where}, {number.name if not once else '--once'}: {name}", arguments, folder,
        told == "worker killed" or draw.random() < 0.5, acts=acts,
        free=(place, folder / "out", folder / "away"), several=True, may_leave=number == signal.SIGKILL,
        codes=frozenset({0, 1} if once else {*early, -9 if number == signal.SIGKILL else 128 + number}),
        limit_seconds=LIMIT_SECONDS, patch=use_no_workers, laws=(law,),
    )  # fmt: skip


TOLD = (
    "there", "there", "in halves", "in halves", "half, for good", "replaced", "removed", "folder away and back",
    "folder removed", "worker killed", "time in the future", "ring of links",
)  # fmt: skip
"""How the film comes."""


def _end(folder: Path, number: int, at_once: bool, after: float, run: Running) -> bool:
    """Send the signal when a film is done, at once if that is asked for, and in any case after a while."""
    seconds = run.seconds - after
    if seconds < ENDS_AFTER_SECONDS and not (_new_films(folder) or (at_once and seconds > 8)):
        return False
    first = run.notes.setdefault("done", run.seconds)
    # a fork does the film itself, and is deaf for the moment in which that gets its name: see `signals.held`
    if not run.trial.real and isinstance(first, float) and run.seconds < first + 2:
        return False
    return run.send(number)


def _kill_worker(folder: Path, place: float, run: Running) -> bool:
    """Kill the worker while there is one. Where the film is done already none comes any more, nor is it waited for."""
    return bool(_new_films(folder)) or _kill(WORKER, place, run)


def _new_films(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*cfork*") if path.is_file() and not path.name.startswith(".")]


def _moved(film: Path, data: bytes) -> bool:
    part = film.parent.parent / "part"
    part.write_bytes(data)
    if film.parent.is_dir():
        part.replace(film)
    part.unlink(missing_ok=True)
    return True


def _gone(path: Path) -> bool:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return True


def _made(path: Path) -> bool:
    path.mkdir(parents=True, exist_ok=True)
    return True


def _renamed(path: Path, new: Path) -> bool:
    path.rename(new)
    return True


def _back(away: Path, place: Path) -> bool:
    """Bring the folder back; what the command may have made there meanwhile goes."""
    shutil.rmtree(place, ignore_errors=True)
    away.rename(place)
    return True


def _watched(folder: Path, killed: bool, half: bool, seen: Seen) -> Iterator[str]:
    """New films are complete, none is made of a new film, and nothing hidden is left but the two lists.

    What is made of half a film may have half its length, where the command says so, or that nobody can know.
    """
    told = half and any(words in seen.err + seen.out for words in (b"cut off", UNTOLD.encode()))
    for path in _new_films(folder):
        if path.name.count("cfork") > 1:
            yield f"'{path.name}' was made of a new film"
        yield from _complete(path, shorter=told)
    for path in folder.rglob(".*"):
        if path.name not in KEPT and not killed:
            yield f"'{path.name}' is left behind"
