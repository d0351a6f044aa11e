"""Faults at a random moment: signals, children that die or stand still, inputs that change, outputs that are shared."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from faults.bench import Bench
from faults.running import Running
from faults.trial import DOCUMENTED, STOPPED, Act, Trial

Command = tuple[str, list[str], tuple[str, ...]]
"""The name of a command on film.mkv, its arguments, and what it writes."""
Choice = Callable[[Bench, random.Random], Command]

INTERPRETER_SECONDS = 0.3
"""A process that is told to end before, as here on a machine that does other things too, may not be cfork yet: Python
itself begins, and ends as the system says."""

FAILED = DOCUMENTED - STOPPED - {2}
"""Codes of a run that something else disturbed: done all the same, or one of the failures."""


def _command(bench: Bench, draw: random.Random) -> Command:
    """Return one of those that most trials take."""
    model = ["--model", str(bench.model)]
    return draw.choice((
        ("remix", ["remix", "film.mkv", "--dialog", "0", "-o", "new.mkv"], ("new.mkv",)),
        ("remix", ["remix", "film.mkv", "--dialog", "0", "-o", "new.mkv"], ("new.mkv",)),
        ("json", ["remix", "film.mkv", "--dialog", "0", "-o", "new.mkv", "--json"], ("new.mkv",)),
        ("levels", ["remix", "film.mkv", "--dialog", "3", *model, "-o", "new.mkv"], ("new.mkv",)),
        ("loudness", ["remix", "film.mkv", "--loudness", "-23", "-o", "new.mkv"], ("new.mkv",)),
        ("sidecar", ["remix", "film.mkv", "--dialog", "0", "--sidecar", "-o", "new.mka"], ("new.mka",)),
        ("separate", ["separate", "film.mkv", *model, "-o", "stems"], ("stems",)),
        ("tracks", ["separate", "film.mkv", *model, "-o", "stems.mka"], ("stems.mka",)),
        ("info", ["info", "film.mkv"], ()),
        ("dub", ["dub", "film.mkv", "--me", *model, "-o", "new.mkv"], ("new.mkv",)),
    ))  # fmt: skip


def _newer(bench: Bench, draw: random.Random) -> Command:
    """Return one of the commands that came later."""
    model = ["--model", str(bench.model)]
    voice = str(bench.film("sound.flac"))
    return draw.choice((
        ("voice", ["dub", "film.mkv", voice, "--language", "spa", *model, "-o", "new.mkv"], ("new.mkv",)),
        ("voice", ["dub", "film.mkv", voice, "--language", "spa", *model, "-o", "new.mkv", "--json"], ("new.mkv",)),
        ("plot", ["plot", "film.mkv", *model, "-o", "new.png"], ("new.png",)),
        ("plot", ["plot", "film.mkv", *model, "-o", "new.png", "--json"], ("new.png",)),
        ("resume", ["remix", "film.mkv", "--dialog", "3", *model, "--resume", "-o", "new.mkv"], ("new.mkv",)),
        ("resume", ["separate", "film.mkv", *model, "--resume", "-o", "stems"], ("stems",)),
    ))  # fmt: skip


def _prepared(
    bench: Bench, draw: random.Random, share: float = 0.2, choose: Choice = _command
) -> tuple[str, list[str], Path, tuple[Path, ...], bool, Callable[[], float]]:
    name, arguments, written = choose(bench, draw)
    real = draw.random() < share
    first = bench.moment(draw, name, arguments, real=real)
    folder = bench.fresh()
    bench.put("aac.mkv", folder, "film.mkv")
    moments = iter([first])
    return name, arguments, folder, tuple(folder / one for one in written), real, lambda: next(moments)


def _sends(number: int) -> Act:
    return lambda run: run.send(number)


def signals(bench: Bench, draw: random.Random, choose: Choice = _command) -> Trial:
    """A signal to the command itself."""
    name, arguments, folder, outputs, real, moment = _prepared(bench, draw, choose=choose)
    at = moment()
    told = draw.choice(("SIGINT", "SIGINT", "SIGTERM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGSTOP", "SIGINT twice"))
    number = getattr(signal, told.split()[0])
    acts: list[tuple[float, Act]] = [(at, _sends(number))]
    codes = frozenset({0, 128 + number})
    if told == "SIGKILL":
        codes = frozenset({0, -9})
    elif told == "SIGPIPE":
        codes = frozenset({0})
    elif told == "SIGSTOP":
        acts.append((at + draw.uniform(0.2, 1.5), _sends(signal.SIGCONT)))
        codes = frozenset({0})
    elif real and at < INTERPRETER_SECONDS:
        codes |= {-number}
    if told.endswith("twice"):
        acts.append((at + draw.uniform(0.03, 0.25), _sends(number)))
    return Trial(
        f"{told} at {at:.2f} s: {name}", arguments, folder, real, inputs=(folder / "film.mkv",), outputs=outputs,
        codes=codes, acts=acts, may_leave=told == "SIGKILL",
    )  # fmt: skip


def children(bench: Bench, draw: random.Random, choose: Choice = _command) -> Trial:
    """An ffmpeg or ffprobe that is killed, or stands still for a while."""
    name, arguments, folder, outputs, real, moment = _prepared(bench, draw, 0.1, choose)
    at = moment() * 0.9
    told = draw.choice(("SIGKILL", "SIGTERM", "SIGSEGV", "SIGSTOP"))
    number = getattr(signal, told)
    met: list[int] = []
    place = draw.random()

    def strike(run: Running) -> bool:
        found = run.children()
        if not found:
            return False
        met.append(found[int(place * len(found))][0])
        with contextlib.suppress(ProcessLookupError):
            os.kill(met[0], number)
        return True

    def go_on(run: Running) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(met[0], signal.SIGCONT)
        return True

    acts: list[tuple[float, Act]] = [(at, strike)]
    if told == "SIGSTOP":
        acts.append((at + draw.uniform(0.5, 3), go_on))
    return Trial(
        f"child {told} at {at:.2f} s: {name}", arguments, folder, real, inputs=(folder / "film.mkv",),
        outputs=outputs, codes=frozenset({0}) if told == "SIGSTOP" else FAILED, acts=acts,
    )  # fmt: skip


def inputs(bench: Bench, draw: random.Random, choose: Choice = _command) -> Trial:
    """The film is deleted, cut, replaced, overwritten, or grows while it is read."""
    name, arguments, folder, outputs, real, moment = _prepared(bench, draw, 0.1, choose)
    at, film = moment(), folder / "film.mkv"
    other = bench.film(draw.choice(("flac.mkv", "film.ts", "pcm16.wav")))
    told = draw.choice(("deleted", "cut", "growing", "replaced", "overwritten"))

    def change(_: Running) -> bool:
        size = film.stat().st_size
        if told == "deleted":
            film.unlink()
        elif told == "cut":
            os.truncate(film, size // 2)
        elif told == "growing":
            with film.open("ab") as file:
                file.write(film.read_bytes()[size // 2 :])
        elif told == "replaced":
            part = folder.parent / "other"
            shutil.copyfile(other, part)
            part.replace(film)
        else:
            with film.open("r+b") as file:
                file.seek(size // 3)
                file.write(bytes(size // 2))
        return True

    return Trial(
        f"input {told} at {at:.2f} s: {name}", arguments, folder, real, outputs=outputs, free=(film,),
        codes=frozenset({0, 3, 5}), acts=[(at, change)],
    )  # fmt: skip


def together(bench: Bench, draw: random.Random) -> Trial:
    """Two commands with one output."""
    name, arguments, folder, outputs, real, moment = _prepared(bench, draw, 0.1)
    while not outputs:
        name, arguments, folder, outputs, real, moment = _prepared(bench, draw, 0.1)
    after = moment() * draw.choice((0, 1))
    force = draw.random() < 0.4
    return Trial(
        f"two with one output, {after:.2f} s apart{', --force' if force else ''}: {name}",
        [*arguments, *(["--force"] if force else [])], folder, real, inputs=(folder / "film.mkv",), outputs=outputs,
        codes=frozenset({0, 4}), second_after=after,
    )  # fmt: skip


def vanishing(bench: Bench, draw: random.Random, choose: Choice = _command) -> Trial:
    """The folder of the output, or that of temporary files, goes away."""
    name, arguments, folder, outputs, real, moment = _prepared(bench, draw, 0.1, choose)
    at = moment()
    if draw.random() < 0.7 and "-o" in arguments:
        place = folder / "disk"
        place.mkdir()
        arguments = [f"disk/{word}" if word.startswith(("new.", "stems")) else word for word in arguments]
        outputs = tuple(place / one.name for one in outputs)
    else:
        place = folder.parent / "tmp"
    return Trial(
        f"'{place.name}' vanishes at {at:.2f} s: {name}", arguments, folder, real, inputs=(folder / "film.mkv",),
        outputs=outputs, free=(folder / "disk",), codes=frozenset({0, 4}), acts=[(at, partial(_vanish, place))],
    )  # fmt: skip


def _vanish(place: Path, _: Running) -> bool:
    shutil.rmtree(place, ignore_errors=True)
    return True


def newer(bench: Bench, draw: random.Random) -> Trial:
    """Any of these, with the commands that came later."""
    trial = draw.choice((signals, signals, signals, children, inputs, vanishing))(bench, draw, _newer)
    kept = tuple(trial.folder / name for name in (".new.mkv.cfork-resume", ".stems.cfork-resume"))
    return replace(trial, free=(*trial.free, *kept))
