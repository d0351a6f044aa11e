"""Measure a set of scenes: how many events, how long, how much at once, how loud, and how hard to separate.

Loudness is measured by pyloudnorm on the files; times come from annots.csv. SI-SDR is that of the untouched mixture,
the figure that DnR publishes beside its separators (speech 1.0, music -6.8, sfx -5.0 dB).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from .. import STEMS
from ..loudness import integrated_lufs
from ..stems import DNR_NAMES
from .annotations import Event, read_events
from .recipe import EVENTS, STEM_OF
from .trees import SPLITS, read_scene, scenes_of
from .workers import parallel

PUBLISHED_SI_SDR = {"music": -6.8, "speech": 1.0, "sfx": -5.0}  # dB, of the untouched mixture, arXiv 2110.09958
NAMES = tuple(DNR_NAMES[stem] for stem in STEMS)  # music, speech, sfx
COMBINATIONS = tuple(names for size in range(len(NAMES) + 1) for names in combinations(NAMES, size))
STEP_SECONDS = 0.1  # of the time line on which overlap is counted


@dataclass(frozen=True)
class SceneFacts:
    """One scene. `counts` and `lengths` (seconds) are by class; `shares` is the part of the time in which exactly these
    stems have an event; all three are empty without an annots.csv. `lufs` is by stem and of "mix", `si_sdr` (dB) and
    `peak` (linear) likewise."""

    scene: str
    seconds: float
    counts: dict[str, int]
    lengths: dict[str, list[float]]
    shares: dict[tuple[str, ...], float]
    lufs: dict[str, float]
    si_sdr: dict[str, float]
    peak: dict[str, float]
    events: tuple[Event, ...] = ()


def folders_of(tree: Path) -> list[Path]:
    """Scenes of a split's folder, or of all splits of a set.

    Raises:
        FileNotFoundError: there are none.
    """
    found = scenes_of(tree) or [folder for split in SPLITS for folder in scenes_of(tree / split)]
    if not found:
        raise FileNotFoundError(f"no scenes in '{tree}': it should hold folders with mix.wav, music.wav, ...")
    return found


def measure(folders: Sequence[Path], workers: int = 1) -> Iterator[SceneFacts]:
    """The facts of each scene, in order.

    Raises:
        ValueError: a scene cannot be read.
    """
    yield from parallel(_measure, None, folders, workers)


def _measure(_: None, folder: Path) -> SceneFacts:
    recording = read_scene(folder)
    rate = recording.sample_rate
    sounds = dict(zip(NAMES, recording.stems.mean(axis=1), strict=True))
    mix = recording.mixture.mean(axis=0)
    told = (folder / "annots.csv").is_file()
    events = read_events(folder / "annots.csv") if told else []
    seconds = mix.shape[-1] / rate
    kinds = EVENTS if told else ()
    lengths = {kind: [e.mix_end_time - e.mix_start_time for e in events if e.kind == kind] for kind in kinds}
    return SceneFacts(
        scene=f"{folder.parent.name}/{folder.name}",
        seconds=seconds,
        counts={kind: len(found) for kind, found in lengths.items()},
        lengths=lengths,
        shares=overlap(events, seconds) if told else {},
        lufs={name: integrated_lufs(sound, rate) for name, sound in {**sounds, "mix": mix}.items()},
        si_sdr={name: mixture_si_sdr(mix, sound) for name, sound in sounds.items()},
        peak={name: float(np.abs(sound).max(initial=0.0)) for name, sound in {**sounds, "mix": mix}.items()},
        events=tuple(events),
    )


def overlap(events: Iterable[Event], seconds: float) -> dict[tuple[str, ...], float]:
    """Which part of the time exactly these stems have an event.

    >>> one, other = Event("a", "music", 0, 30, 0, 30, 1), Event("b", "background", 15, 45, 0, 30, 1)
    >>> shares = overlap([one, other], 60)
    >>> round(shares[()], 2), round(shares[("music",)], 2), round(shares[("music", "sfx")], 2)
    (0.25, 0.25, 0.25)
    """
    moments = np.arange(STEP_SECONDS / 2, seconds, STEP_SECONDS)
    active = {name: np.zeros(len(moments), bool) for name in NAMES}
    for event in events:
        if event.kind in STEM_OF:
            active[STEM_OF[event.kind]] |= (moments >= event.mix_start_time) & (moments < event.mix_end_time)
    shares = {}
    for names in COMBINATIONS:
        exactly = np.ones(len(moments), bool)
        for name in NAMES:
            exactly &= active[name] == (name in names)
        shares[names] = float(exactly.mean()) if len(moments) else 0.0
    return shares


def mixture_si_sdr(mixture: np.ndarray, stem: np.ndarray) -> float:
    """SI-SDR of the mixture [T] as an estimate of one stem [T], in dB; NaN for a silent stem."""
    x, s = mixture.astype(np.float64), stem.astype(np.float64)
    power = float(s @ s)
    if power == 0:
        return math.nan
    target = (x @ s) / power * s
    rest = float(np.square(x - target).sum())
    return math.inf if rest == 0 else 10 * math.log10(max(float(target @ target), 1e-30) / rest)


def summarize(facts: Sequence[SceneFacts]) -> dict[str, Any]:
    """Means and standard deviations over the scenes, beside what the recipe asks for and DnR publishes.

    `annotated` is the number of scenes with an annots.csv; those of events are of them alone.
    """
    told = [one for one in facts if one.counts]
    return {
        "scenes": len(facts),
        "annotated": len(told),
        "seconds": sum(one.seconds for one in facts),
        "events": {kind: {**_spread([one.counts[kind] for one in told]), "recipe": truncated_mean(kind)}
                   for kind in EVENTS},
        "event_seconds": {kind: _spread([length for one in told for length in one.lengths[kind]]) for kind in EVENTS},
        "share_of_time": {" + ".join(names) or "silence": _spread([one.shares[names] for one in told])
                          for names in COMBINATIONS},
        "lufs": {name: _spread([one.lufs[name] for one in facts]) for name in (*NAMES, "mix")},
        "mixture_si_sdr_db": {name: {**_spread([one.si_sdr[name] for one in facts]),
                                     "published": PUBLISHED_SI_SDR[name]} for name in NAMES},
        "highest_peak_db": _db(max((max(one.peak.values()) for one in facts), default=0.0)),
    }  # fmt: skip


def truncated_mean(kind: str) -> float:
    """Mean of the recipe's zero-truncated Poisson; drawn events that find no place are missing from scenes.

    >>> round(truncated_mean("music"), 3)
    7.006
    """
    return EVENTS[kind] / (1 - math.exp(-EVENTS[kind]))


def _spread(values: Iterable[float]) -> dict[str, float | int]:
    found = np.array([value for value in values if math.isfinite(value)], dtype=np.float64)
    if not len(found):
        return {"mean": math.nan, "std": math.nan, "median": math.nan, "count": 0}
    return {"mean": round(float(found.mean()), 3), "std": round(float(found.std()), 3),
            "median": round(float(np.median(found)), 3), "count": len(found)}  # fmt: skip


def _db(value: float) -> float:
    return round(20 * math.log10(value), 2) if value > 0 else -math.inf
