"""Runs that go on from kept pieces which are not what they were: the result is that of one run, to the last sample."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faults import running
from faults.bench import Bench
from faults.trial import Seen, Trial

FOLDER = ".new.mkv.cfork-resume"
WHOLE = "whole.mkv"
"""What that run made, beside the pieces in the store."""
FILM_SECONDS = 6.0
"""Of a film from which a network takes two pieces or more."""


def resumed(bench: Bench, draw: random.Random) -> Trial:
    """The pieces of a run, damaged, and the same command again."""
    pieces, others, whole = _pieces(bench, "long.mkv"), _pieces(bench, "other.mkv"), _whole(bench)
    folder = bench.fresh()
    film = folder / "film.mkv"
    shutil.copyfile(_film(bench, "long.mkv"), film)
    place = folder / FOLDER
    shutil.copytree(pieces, place, ignore=shutil.ignore_patterns(WHOLE))
    names = sorted(place.glob("*.piece"))
    told = draw.choice(TOLD)
    one = draw.choice(names)
    data = one.read_bytes()
    if told == "a bit":
        at = draw.randrange(len(data))
        one.write_bytes(data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :])
    elif told == "cut":
        one.write_bytes(data[: draw.randrange(len(data))])
    elif told == "empty":
        one.write_bytes(b"")
    elif told == "longer":
        one.write_bytes(data + b"more")
    elif told == "swapped":
        first, second = draw.sample(names, 2) if len(names) > 1 else (one, one)
        first_data = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(first_data)
    elif told == "of another film":
        one.write_bytes(draw.choice(sorted(others.glob("*.piece"))).read_bytes())
    elif told == "all of another film":
        shutil.rmtree(place)
        shutil.copytree(others, place)
    elif told == "half":
        one.rename(one.with_suffix(".part"))
    elif told == "a folder":
        one.unlink()
        one.mkdir()
    elif told == "a link":
        one.unlink()
        one.symlink_to("/dev/zero" if draw.random() < 0.5 else "nothing.piece")
    elif told == "foreign files":
        (place / "notes.txt").write_bytes(b"x")
        (place / "x.piece").write_bytes(b"x" * 40)
    elif told == "no folder":
        shutil.rmtree(place)
        place.write_bytes(b"x")
    elif told == "a link to elsewhere":
        shutil.rmtree(place)
        elsewhere = folder / "elsewhere"
        shutil.copytree(pieces, elsewhere)
        (elsewhere / "mine.txt").write_bytes(b"mine")
        place.symlink_to("elsewhere")
    return Trial(
        f"{told} of {len(names)} pieces", _arguments(bench), folder, inputs=(film,),
        outputs=(folder / "new.mkv",), codes=frozenset({0, 4} if told in MAY_FAIL else {0}), free=(folder / FOLDER,),
        laws=(partial(_the_same, folder, whole, told),), patch=_small_batches,
    )  # fmt: skip


TOLD = (
    "nothing", "a bit", "a bit", "cut", "cut", "empty", "longer", "swapped", "swapped", "of another film",
    "all of another film", "half", "a folder", "a link", "foreign files", "no folder", "a link to elsewhere",
)  # fmt: skip
"""What became of them."""
MAY_FAIL = ("no folder", "a folder", "a link to elsewhere", "foreign files")


def _arguments(bench: Bench) -> list[str]:
    return ["remix", "film.mkv", "--dialog", "3", "--model", str(bench.model), "--resume", "-o", "new.mkv"]


def _film(bench: Bench, name: str) -> Path:
    from support.films import Sound, make

    path = bench.store / name
    if not path.exists():
        # noise, of which no two pieces are the same; another length for another film
        part = path.with_name(f"{os.getpid()}-{name}")
        make(part, Sound("flac", "mono", 48_000), seconds=FILM_SECONDS + (name == "other.mkv"), picture="mpeg4")
        part.replace(path)
    return path


def _pieces(bench: Bench, name: str) -> Path:
    """Return a folder with the pieces of a whole run, made where it is not there yet."""
    kept = bench.store / f"pieces-{name}"
    if not kept.exists():
        folder = bench.fresh()
        shutil.copyfile(_film(bench, name), folder / "film.mkv")
        seen = running.tried(Trial("pieces", _arguments(bench), folder, patch=_keeps_all))
        if seen.code:
            raise RuntimeError(f"no pieces: {seen.err!r}")
        (folder / FOLDER / "lock").unlink(missing_ok=True)
        shutil.copyfile(folder / "new.mkv", folder / FOLDER / WHOLE)
        part = bench.store / f"{os.getpid()}-{name}"
        shutil.copytree(folder / FOLDER, part)
        with contextlib.suppress(OSError):  # another worker was quicker
            part.rename(kept)
    return kept


def _whole(bench: Bench) -> tuple[str, int]:
    return _sound(_pieces(bench, "long.mkv") / WHOLE)


def _small_batches() -> None:
    """Let the network take one short window at a time, so that there are several pieces."""
    from model.networks.bandsplit import BandSplit

    BandSplit.batch_size, BandSplit.window_seconds = 1, 4.0


def _keeps_all() -> None:
    """Let the pieces stay when all is done."""
    _small_batches()
    from cfork_cli.flows import kept

    class Keeps:
        rmtree = staticmethod(lambda *_, **__: None)
        disk_usage = staticmethod(shutil.disk_usage)

    kept.shutil = Keeps  # type: ignore[assignment]


def _sound(path: Path) -> tuple[str, int]:
    """Return a checksum and the count of a film's samples."""
    import hashlib

    import av

    digest, count = hashlib.sha256(), 0
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            digest.update(frame.to_ndarray().tobytes())
            count += frame.samples
    return digest.hexdigest(), count


def _the_same(folder: Path, whole: tuple[str, int], told: str, seen: Seen) -> Iterator[str]:
    new = folder / "new.mkv"
    if seen.code == 0 and _sound(new) != whole:
        yield f"the sound is not that of one run: {_sound(new)} where {whole} is right"
    if told == "a link to elsewhere" and not (folder / "elsewhere" / "mine.txt").exists():
        yield "a file of somebody else is gone"
    if seen.code == 0 and (folder / FOLDER).exists() and told not in MAY_FAIL:
        yield f"'{FOLDER}' is left behind"
