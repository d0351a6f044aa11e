"""annots.csv: what happens in a scene, a row an event, as Divide and Remaster has it.

Published files differ: some begin with a column of row numbers, some call the clip's times "sample" although they are
seconds, and underscores stand for spaces. All of them are read; our own have no row numbers.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from .. import SAMPLE_RATE

COLUMNS = (
    "file", "class", "mix start time", "mix end time", "clip start time", "clip end time", "clip gain", "annotation",
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One row of annots.csv; times in seconds, `clip_gain` linear and as it is in the final mix."""

    file: str
    kind: str
    mix_start_time: float
    mix_end_time: float
    clip_start_time: float
    clip_end_time: float
    clip_gain: float
    annotation: str = ""


def write_events(events: Iterable[Event], path: Path) -> None:
    """Write annots.csv."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(astuple(event) for event in events)


def read_events(path: Path) -> list[Event]:
    """Read an annots.csv, ours or a published one.

    Raises:
        ValueError: it lacks a column, or a time is no number.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {_plain(name): name for name in (rows[0] if rows else ()) if name is not None}
    missing = [name for name in COLUMNS[:7] if name not in names]
    if rows and missing:
        raise ValueError(f"'{path}' has no column '{missing[0]}'")
    events = []
    for row in rows:
        try:
            times = [float(row[names[name]]) for name in COLUMNS[2:7]]
        except (TypeError, ValueError) as error:
            raise ValueError(f"'{path}' has a row that cannot be read: {error}") from error
        start, end, begin, stop, gain = times
        if not all(map(math.isfinite, times)):
            raise ValueError(f"'{path}' has a time or gain that is no number")
        if stop - begin > 100 * max(end - start, 0.1):  # no event is that much shorter than its clip: samples
            begin, stop = begin / SAMPLE_RATE, stop / SAMPLE_RATE
        note = row.get(names.get("annotation", ""), "") or ""
        events.append(Event(row[names["file"]], row[names["class"]].strip(), start, end, begin, stop, gain, note))
    return events


def _plain(name: str) -> str:
    """A column's name without its variants.

    >>> _plain("clip_start_sample")
    'clip start time'
    """
    return name.strip().lower().replace("_", " ").replace("sample", "time")
