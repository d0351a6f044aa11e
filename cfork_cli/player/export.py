"""The film written with the page's levels: `cfork remix` itself, in a thread, with progress and a way to cancel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cfork_cli.errors import Interrupted, UsageError, of_any
from cfork_cli.flows import run as flow
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.report import Report
from cfork_cli.mix.gains import check_gain_db, parse_gain_db
from cfork_cli.text import SPOKEN_ORDER, seconds_left

MOST_NAMES = 1000


def gains_of(words: object) -> dict[str, float]:
    """Return the gain of each stem in dB from what a page sent: numbers, words, or None for mute.

    Raises:
        UsageError: they make no sense.

    >>> gains_of({"dialogue": 6, "music": None, "effects": "-inf"})
    {'dialogue': 6.0, 'music': -inf, 'effects': -inf}
    """
    if not isinstance(words, Mapping) or not set(words) <= set(SPOKEN_ORDER):
        raise UsageError(f"gains are wanted for {', '.join(SPOKEN_ORDER)}")
    return {stem: _gain(words.get(stem, 0.0)) for stem in SPOKEN_ORDER}


def _gain(word: object) -> float:
    if word is None:
        return parse_gain_db("mute")
    if isinstance(word, str):
        return parse_gain_db(word)
    if isinstance(word, int | float) and not isinstance(word, bool):
        return check_gain_db(float(word))
    raise UsageError(f"{word!r} is not a gain: give decibels")


def free_name(film: Path, folder: Path) -> Path:
    """Return a name for the new film that nothing has yet: movie.cfork.mkv, movie.cfork-2.mkv, ..."""
    names = [f"{film.stem}.cfork{film.suffix}"]
    names += [f"{film.stem}.cfork-{number}{film.suffix}" for number in range(2, MOST_NAMES)]
    return next((folder / name for name in names if not (folder / name).exists()), folder / names[-1])


class Export(Report):
    """One remix on its way. Its methods may be called by any thread.

    Args:
        job: with an output that nothing is at yet.
        network: gives the network, when it is loaded.
        done: called when it has ended, however.
    """

    def __init__(
        self, job: RemixJob, network: Callable[[], LoadedNetwork], done: Callable[[], object] = lambda: None
    ) -> None:
        self.job = job
        self.state, self.error, self.path = "running", None, None  # type: str, str | None, Path | None
        self.notes: tuple[str, ...] = ()
        self._network, self._done = network, done
        self._cancelled = threading.Event()
        self._stage, self._began = "", time.monotonic()
        self._at = 0.0
        self._total: float | None = None
        self._thread = threading.Thread(target=self._run, name="cfork-play-export", daemon=True)

    def start(self) -> Export:
        """Begin."""
        self._thread.start()
        return self

    def cancel(self) -> None:
        """Let it end without a file; see `join`."""
        self._cancelled.set()

    def join(self) -> None:
        """Wait for its end."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self.state == "running"

    def facts(self) -> dict[str, Any]:
        """Return how far it is, as JSON can hold it."""
        working = self._stage == "remix" and self._total
        share = min(1.0, self._at / self._total) if working and self._total else 0.0
        left = seconds_left(self._at, self._total, time.monotonic() - self._began) if working else None
        if self._stage == "finish" or self.state == "done":
            share, left = 1.0, 0.0
        return {
            "state": self.state, "stage": self._stage, "share": round(share, 4),
            "seconds_left": None if left is None else round(left, 1),
            "path": None if self.path is None else str(self.path), "error": self.error, "notes": list(self.notes),
        }  # fmt: skip

    # ---- a report of the flow ----

    def stage(self, name: str, total: float | None = None, *, is_sound: bool = True, is_bytes: bool = False) -> None:
        self._stage, self._total, self._at, self._began = name, total, 0.0, time.monotonic()

    def at(self, done: float) -> None:
        self._at = done

    def note(self, text: str) -> None:
        self.notes = (*self.notes, text)

    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def _run(self) -> None:
        try:
            loaded = self._network() if self.job.changes else None
            result = flow.remix(self.job, None, self, loaded=loaded)
            self.path, self.notes, self.state = result.output, (*self.notes, *result.notes), "done"
        except Interrupted:
            self.state = "cancelled"
        except Exception as error:
            self.error, self.state = str(of_any(error)), "failed"
        finally:
            self._done()
