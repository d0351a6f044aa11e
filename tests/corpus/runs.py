"""One case of the corpus from end to end: make the film, run `cfork remix` on it in this process, judge."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from corpus.films import Case, Maker, make
from support.portraits import look
from support.promises import Verdict, judge

from cfork_cli.app import run

PROGRAMS = ("CFORK_FFMPEG", "CFORK_FFPROBE", "IMAGEIO_FFMPEG_EXE")


@dataclass(frozen=True)
class Outcome:
    """What became of a film: every promise, what the user was told, and where both films are."""

    verdicts: dict[str, Verdict]
    notes: tuple[str, ...]
    old: Path
    new: Path

    @property
    def broken(self) -> dict[str, str]:
        """Promises that were not kept, and why."""
        return {promise: one.why for promise, one in self.verdicts.items() if one.mark == "broken"}


class Films:
    """The films, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[int, Maker], Path] = {}

    def get(self, case: Case, maker: Maker) -> Path:
        """The film of a case."""
        key = (id(case), maker)
        if key not in self._made:
            self._made[key] = make(case, self._folder / f"{len(self._made)}", maker)
        return self._made[key]


class Trials:
    """Many cases at once, in processes of their own: a remix waits more than it computes. A context manager."""

    def __init__(self, folder: Path, wanted: Iterable[tuple[Case, Maker, Maker]], workers: int = 2) -> None:
        self._pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
        routes: dict[str, list[tuple[Maker, Maker]]] = {}
        cases: dict[str, Case] = {}
        for case, maker, runner in wanted:
            cases[case.id] = case
            routes.setdefault(case.id, []).append((maker, runner))
        self._running = {
            name: self._pool.submit(_tried_in_turn, case, routes[name], folder / str(number))
            for number, (name, case) in enumerate(cases.items())
        }

    def result(self, case: Case, maker: Maker, runner: Maker) -> Outcome:
        """What became of one of them; waits for it."""
        outcome = self._running[case.id].result()[maker, runner]
        if isinstance(outcome, AssertionError):
            raise outcome
        return outcome

    def __enter__(self) -> Trials:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)


class InTurn:
    """One case after another, each when it is asked for, in this process."""

    def __init__(self, films: Films) -> None:
        self._films = films

    def result(self, case: Case, maker: Maker, runner: Maker) -> Outcome:
        """Return what becomes of the case."""
        return tried(self._films, case, maker, runner)


def _tried_in_turn(
    case: Case, routes: Sequence[tuple[Maker, Maker]], folder: Path
) -> dict[tuple[Maker, Maker], Outcome | AssertionError]:
    films = Films(folder)
    found: dict[tuple[Maker, Maker], Outcome | AssertionError] = {}
    for maker, runner in routes:
        try:
            found[maker, runner] = tried(films, case, maker, runner)
        except AssertionError as error:
            found[maker, runner] = error
    return found


def tried(films: Films, case: Case, maker: Maker, runner: Maker, more: Sequence[str] = ()) -> Outcome:
    """Make the film, remix it at 0 dB, or as `more` asks, and look at everything."""
    return tried_on(films.get(case, maker), case, runner, more)


def tried_on(old: Path, case: Case, runner: Maker, more: Sequence[str] = ()) -> Outcome:
    """The same with a film that is there already."""
    with tempfile.TemporaryDirectory() as name:
        new = Path(name) / (case.output or case.name)
        arguments = [str(old), "-o", str(new), "--json", *case.ask, *more]
        if case.track:
            arguments += ["--track", str(case.track)]
        out = io.StringIO()
        with route(runner), contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = run(["remix", *arguments])
        answer = json.loads(out.getvalue())
        assert code == 0, answer
        verdicts = judge(case, look(old), look(new), answer["track"] - 1, answer["notes"])
        return Outcome(verdicts, tuple(answer["notes"]), old, new)


@contextlib.contextmanager
def route(runner: Maker) -> Iterator[None]:
    """The system's ffmpeg and ffprobe, or imageio-ffmpeg and PyAV with nothing on PATH."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as empty:
        for variable in PROGRAMS:
            os.environ.pop(variable, None)
        if runner == "wheels":
            os.environ["PATH"] = empty
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
