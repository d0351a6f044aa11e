"""Sound that was missing, filled or made up: counted, told from `TOLD_SECONDS` on, and refused when it is much."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cfork_cli.input.wider import Wider
from cfork_cli.text import clock

TOLD_SECONDS = 0.05
"""Shorter than anybody hears as a gap in a film; codecs and containers round by as much."""

MISSING_SECONDS = 0.5
"""A film may end this much earlier than it says, and so much of it may be undecodable."""

_MISSING_SHARE = 0.01  # of long films more may be undecodable: a recording of hours has its bad moments


@dataclass(frozen=True)
class Losses:
    """What one track has lost.

    Attributes:
        filled_seconds: gaps between its time stamps, which are silent now.
        dropped_seconds: sound whose time stamps lay over other sound, and which was left out.
        missing_seconds: by how much it ends earlier than its header says.
        damaged_stamps: time stamps that led beyond the film's end or back, and were not believed.
        wider: where it has more channels than it is read with, which were mixed down to those.
    """

    filled_seconds: float = 0.0
    dropped_seconds: float = 0.0
    missing_seconds: float = 0.0
    damaged_stamps: int = 0
    wider: Wider | None = None

    def facts(self) -> dict[str, Any]:
        """Return what is worth telling, for machines; nothing if nothing is."""
        named = ("filled_seconds", "dropped_seconds", "missing_seconds")
        found: dict[str, Any] = {
            name: round(seconds, 3) for name in named if (seconds := getattr(self, name)) >= TOLD_SECONDS
        }
        if self.damaged_stamps:
            found["damaged_stamps"] = self.damaged_stamps
        return found if self.wider is None else {**found, "mixed_down": asdict(self.wider)}

    def notes(self, path: Path, number: int) -> tuple[str, ...]:
        """Return what is worth telling, in words. number: of the track, from 0."""
        track, found = f"'{path}': sound track {number + 1}", []
        if self.filled_seconds >= TOLD_SECONDS:
            found.append(f"{track} has gaps of {self.filled_seconds:.2f} s in all, which are silent now")
        if self.dropped_seconds >= TOLD_SECONDS:
            found.append(f"{track} has {self.dropped_seconds:.2f} s of sound on top of other sound, left out")
        if self.missing_seconds >= TOLD_SECONDS:
            found.append(f"{track} ends {self.missing_seconds:.2f} s earlier than the file says")
        if self.damaged_stamps:
            found.append(f"{track} has damaged time stamps ({self.damaged_stamps}): its sound goes on without them")
        if self.wider is not None:
            where = f"from {clock(self.wider.seconds)} on"
            found.append(f"{track} {self.wider.words} {where}, mixed down to {self.wider.into}")
        return tuple(found)


def is_much(seconds: float, of: float) -> bool:
    """Return whether so many undecodable seconds of so many are too many to go on without being asked."""
    return seconds > max(MISSING_SECONDS, _MISSING_SHARE * of)
