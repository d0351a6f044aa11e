"""Draw what happens in a scene, by the published recipe of Divide and Remaster: which clip, when, how long, how loud.

The recipe (arXiv 2110.09958, and the numbers of darius522/dnr-utils): 60 s mono scenes at 44.1 kHz; the number of
events of each class is zero-truncated Poisson; events of a class never overlap, each starts skew-normally after
the last; speech is used whole, other events last Normal(max / 2, max / 10); loudness is drawn per class, scene and
event. A plan is drawn from lengths alone, so that hundreds take seconds; `render` makes sound of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import stats

from .. import SAMPLE_RATE

SECONDS = 60.0
EVENTS = {"music": 7.0, "speech": 8.0, "sfx": 12.0, "background": 6.0}  # Poisson means
LUFS = {"music": -24.0, "speech": -17.0, "sfx": -21.0, "background": -29.0}
MASTER_LUFS = -27.0
CLASS_SPREAD, EVENT_SPREAD, MASTER_SPREAD = 2.0, 1.0, 2.0  # uniform, +- LU
PEAK = 10 ** (-0.5 / 20)
LAST_START_SECONDS = 58.0
SKEW, SKEW_SCALE_SECONDS = 5.0, 2.0  # of the starts
LEAST_SHARE = 0.3  # of a clip; an event of which less would fit is dropped
SHORTEST_SECONDS = 0.1
FOLDERS = {"train": "tr", "validation": "cv", "test": "tt"}
STEM_OF = {"music": "music", "speech": "speech", "sfx": "sfx", "background": "sfx"}
MUSIC_FILE_SECONDS = 30.0  # FMA's excerpts, from which the recipe takes passages
BACKGROUND_SECONDS = 4.0  # shorter effects are events, not ambiences


@dataclass(frozen=True)
class Clip:
    """A sound that a library offers.

    `file` is its name in annots.csv, `samples` its length at 44.1 kHz, `offset` where it begins within that file (in
    samples), `key` what the library needs to read it, `annotation` what is said about it.
    """

    file: str
    samples: int
    offset: int = 0
    key: Any = None
    annotation: str = ""


class UnreadableError(Exception):
    """A clip's file is damaged, or gone."""


class Library(Protocol):
    """A source of clips; see `packs`, `folders` and `published`."""

    def draw(self, kind: str, rng: np.random.Generator) -> Clip:
        """A clip for an event of this class."""

    def read(self, clip: Clip) -> np.ndarray:
        """Its sound, mono [samples] at 44.1 kHz.

        Raises:
            UnreadableError: it cannot be read.
        """

    def find(self, kind: str, file: str) -> Clip:
        """The whole file that annots.csv names.

        Raises:
            FileNotFoundError: there is none.
        """

    def fingerprint(self) -> str:
        """Changes when the sources do."""


@dataclass(frozen=True)
class PlannedEvent:
    """One event: times in seconds; `start` within the scene, `first` a sample of the clip.

    `lufs` is the loudness it shall have before the master gain, `measured_lufs` what the clip has there itself (NaN
    where nobody measured).
    """

    kind: str
    clip: Clip
    start: float
    seconds: float
    first: int
    lufs: float
    measured_lufs: float = math.nan

    @property
    def samples(self) -> int:
        """Length; rounded, or speech would lose its last sample."""
        return round(self.seconds * SAMPLE_RATE)


@dataclass(frozen=True)
class ScenePlan:
    """Everything that was drawn for a scene; `class_lufs` is the loudness around which a class' events lie."""

    events: tuple[PlannedEvent, ...]
    class_lufs: dict[str, float]
    master_lufs: float


Measure = Callable[[Clip, int, int], float]
"""(clip, first sample, samples) -> integrated loudness in LUFS; -inf is silence, and the event is dropped."""


def count_events(mean: float, rng: np.random.Generator) -> int:
    """A zero-truncated Poisson number: at least 1."""
    return int(stats.poisson.ppf(rng.uniform(stats.poisson.pmf(0, mean), 1.0), mean))


def place_event(kind: str, clip_seconds: float, after: float, rng: np.random.Generator) -> tuple[float, float] | None:
    """Start and length in seconds of an event whose class is free from `after` on; None if too little would fit."""
    left = SECONDS - after
    if left <= LEAST_SHARE * clip_seconds or (kind == "speech" and left <= clip_seconds):
        return None
    latest = SECONDS - clip_seconds if kind == "speech" else LAST_START_SECONDS
    start = min(float(stats.skewnorm.rvs(SKEW, loc=int(after + 1), scale=SKEW_SCALE_SECONDS, random_state=rng)), latest)
    start = max(start, after)
    most = min(clip_seconds, SECONDS - start)
    if kind == "speech":
        return start, most
    return start, max(min(float(rng.normal(most / 2, most / 10)), most), SHORTEST_SECONDS)


def draw_plan(library: Library, rng: np.random.Generator, measure: Measure | None = None) -> ScenePlan:
    """One scene. Without `measure` nothing is read, and no clip counts as silent."""
    events: list[PlannedEvent] = []
    levels = {}
    for kind, mean in EVENTS.items():
        levels[kind] = LUFS[kind] + rng.uniform(-CLASS_SPREAD, CLASS_SPREAD)
        after = 0.0
        for _ in range(count_events(mean, rng)):
            clip = library.draw(kind, rng)
            wanted = levels[kind] + rng.uniform(-EVENT_SPREAD, EVENT_SPREAD)
            if (placed := place_event(kind, clip.samples / SAMPLE_RATE, after, rng)) is None:
                continue
            start, seconds = placed
            samples = round(seconds * SAMPLE_RATE)
            first = int(rng.integers(max(clip.samples - samples, 1))) if kind == "music" else 0
            loudness = measure(clip, first, samples) if measure else math.nan
            if math.isinf(loudness):
                continue
            events.append(PlannedEvent(kind, clip, start, seconds, first, wanted, loudness))
            after = float(math.ceil(start + seconds))
    return ScenePlan(tuple(events), levels, MASTER_LUFS + rng.uniform(-MASTER_SPREAD, MASTER_SPREAD))
