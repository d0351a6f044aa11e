"""Reports of a flow while it works, and its result: nothing in `flows` prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cfork_cli.errors import Interrupted
from cfork_cli.mix.limiter import PeakGuard


class Report(Protocol):
    """Receives the progress of a flow. A class that inherits from it overrides what it needs.

    A flow begins one stage after the other ("load", "measure", "remix", ...), says in each how far it has come, and
    gives notes that the user should read before the work.
    """

    def stage(self, name: str, total: float | None = None, *, is_sound: bool = True, is_bytes: bool = False) -> None:
        """Begin a stage of `total` seconds of sound, or of bytes, or of things that are counted; None: not known."""
        return

    def at(self, done: float) -> None:
        """Say how far the stage has come, in the unit of its total."""
        return

    def end(self) -> None:
        """End the last stage."""
        return

    def note(self, text: str) -> None:
        """Give the user a note."""
        return

    def cancelled(self) -> bool:
        """Return whether the work is to end at once; called several times a second of work."""
        return False


class Silent(Report):
    """Listens to nothing."""


class Callbacks(Report):
    """Calls back with stage, how far it has come, and its total; asks whether the work is to end."""

    def __init__(
        self, listener: Callable[[str, float, float | None], object], cancelled: Callable[[], bool] | None = None
    ) -> None:
        self._listener, self._cancelled = listener, cancelled
        self._stage = ""
        self._total: float | None = None

    def stage(self, name: str, total: float | None = None, *, is_sound: bool = True, is_bytes: bool = False) -> None:
        self._stage, self._total = name, total
        self._listener(name, 0.0, total)

    def at(self, done: float) -> None:
        self._listener(self._stage, done, self._total)

    def cancelled(self) -> bool:
        return self._cancelled is not None and self._cancelled()


class Cancellable(Report):
    """Passes everything on, and raises where the work is to end.

    Raises:
        Interrupted: from `stage` and `at`, once `cancelled` returns true.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    def stage(self, name: str, total: float | None = None, *, is_sound: bool = True, is_bytes: bool = False) -> None:
        self.check()
        self._report.stage(name, total, is_sound=is_sound, is_bytes=is_bytes)

    def at(self, done: float) -> None:
        self.check()
        self._report.at(done)

    def end(self) -> None:
        self._report.end()

    def note(self, text: str) -> None:
        self._report.note(text)

    def cancelled(self) -> bool:
        return self._report.cancelled()

    def check(self) -> None:
        """Raise if the work is to end.

        Raises:
            Interrupted: it was cancelled.
        """
        if self._report.cancelled():
            raise Interrupted("cancelled: nothing was written")


def cancellable(report: Report | None) -> Cancellable:
    """Return a report that a flow can use, whatever was given."""
    return report if isinstance(report, Cancellable) else Cancellable(report or Silent())


@dataclass(frozen=True)
class Result:
    """Result of a flow.

    Attributes:
        outputs: the files that were written; empty where the sound went into a pipe.
        facts: what was done, as JSON can hold it.
        notes: what the user should know afterwards; what was known before is in `facts["notes"]`.
        seconds: of sound that was processed, all tracks together.
        elapsed: seconds that it took.
        done: the same in words: "movie.cfork.mkv: dialogue +6 dB".
        losses: what was missing of the tracks, see `input.losses`; of each track that lost something.
    """

    outputs: tuple[Path, ...]
    facts: dict[str, Any]
    notes: tuple[str, ...]
    seconds: float
    elapsed: float
    done: str
    losses: tuple[dict[str, Any], ...] = ()

    @property
    def output(self) -> Path:
        """The file that was written, the first of several.

        Raises:
            ValueError: nothing was written to a file.
        """
        if not self.outputs:
            raise ValueError("the sound went into a pipe")
        return self.outputs[0]

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / self.elapsed if self.elapsed > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON can hold it, with all notes."""
        return {
            **{**self.facts, "notes": [*self.facts.get("notes", []), *self.notes]},
            **({"losses": list(self.losses)} if self.losses else {}),
            "processed_seconds": round(self.seconds, 3),
            "elapsed_seconds": round(self.elapsed, 3),
            "speed": round(self.speed, 2),
        }


def peak_notes(
    guard: PeakGuard | None, sample_rate: int, *, is_only_folded: bool = False, ceiling_dbtp: float | None = None
) -> list[str]:
    """Return a note about peaks that were turned down, if any were.

    Args:
        is_only_folded: whether no level was changed: then it is the sum of the channels that is too loud.
        ceiling_dbtp: where peaks of a whole sound that was moved were held; None for full scale.
    """
    if guard is None or not guard.reduced_samples:
        return []
    seconds, most_db = guard.reduced_samples / sample_rate, -20 * math.log10(guard.lowest_gain)
    if ceiling_dbtp is not None:
        return [
            f"to keep peaks under {-1 if ceiling_dbtp < 0 else 0} dBTP, the sound was turned down by up to "
            f"{most_db:.1f} dB, for {seconds:.1f} s in all"
        ]
    what, cure = (
        ("the channels folded together go", "") if is_only_folded else ("the new levels go", "; lower gains avoid that")
    )
    return [
        f"{what} over full scale: for {seconds:.1f} s in all, the sound was turned down by up to {most_db:.1f} dB{cure}"
    ]
