"""Sum up many scenes: means, medians, 95 % intervals, and differences of two networks.

Intervals are bootstrapped over scenes: scenes are drawn anew, with replacement, and the figure is computed of each
draw. They show how much the choice of scenes matters, not how another training run would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..stems import STEMS
from .evaluate import SILENT_DB, SceneScores

FIGURES = ("si_sdr", "si_sdri", "snr", "snri")
ROUNDS = 2000
SEED = 0


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and median with their 95 % bootstrap intervals, and of how many scenes; values [n], n of at least 1.

    >>> spread([1.0, 2.0, 6.0])["mean"], spread([1.0, 2.0, 6.0])["median"]
    (3.0, 2.0)
    """
    whole = np.asarray(values, dtype=np.float64)
    drawn = whole[np.random.default_rng(SEED).integers(len(whole), size=(ROUNDS, len(whole)))]
    return {
        "mean": round(float(whole.mean()), 2),
        "ci95": _middle(drawn.mean(axis=1)),
        "median": round(float(np.median(whole)), 2),
        "median_ci95": _middle(np.median(drawn, axis=1)),
        "scenes": len(whole),
    }


def _middle(values: np.ndarray) -> list[float]:
    """Ends of the middle 95 %."""
    return [round(float(end), 2) for end in np.percentile(values, [2.5, 97.5])]


def summarize(scores: Sequence[SceneScores]) -> dict[str, Any]:
    """Every figure over the scenes that have it, and how fast they were separated.

    `stems` maps a stem to si_sdr, si_sdri, snr, snri, and mixture_si_sdr where it is not alone; `leakage` a stem that
    is silent somewhere to its leakage; each is a `spread`. Figures of the remix are over the scenes that it changes.
    `speed` is in seconds of sound a second of CPU time, `real_time` in seconds of sound a second.
    """
    stems = {
        stem: {
            **{
                figure: spread(values) for figure in FIGURES
                if (values := [s.stems[stem][figure] for s in scores if figure in s.stems.get(stem, {})])
            },
            **({"mixture_si_sdr": spread(before)} if (before := _before(scores, stem)) else {}),
        }
        for stem in STEMS if any(stem in s.stems for s in scores)
    }  # fmt: skip
    leakage = {
        stem: spread(values) for stem in STEMS if (values := [s.leakage[stem] for s in scores if stem in s.leakage])
    }
    seconds, cpu, elapsed = (
        sum(getattr(s, name) for s in scores) for name in ("seconds", "cpu_seconds", "elapsed_seconds")
    )
    return {
        "stems": stems,
        "leakage": leakage,
        **_remixes(scores),
        "scenes": len(scores),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "speed": round(seconds / cpu, 2) if cpu else None,
        "real_time": round(seconds / elapsed, 2) if elapsed else None,
    }


def compare(first: Sequence[SceneScores], other: Sequence[SceneScores]) -> dict[str, Any]:
    """Compare two networks scene by scene: how much better the other one is than the first.

    Both must be of the same scenes in the same order. `stems` maps a stem to si_sdr and snr, `leakage` to dB (less is
    better); beside `spread` of the differences, `better` is the share of scenes in which the other one wins.
    """
    pairs = list(zip(first, other, strict=True))

    def difference(values: list[tuple[float, float]], *, less: bool = False) -> dict[str, Any]:
        won = [(b < a) if less else (b > a) for a, b in values]
        return {**spread([b - a for a, b in values]), "better": round(sum(won) / len(won), 3)}

    stems = {
        stem: {
            figure: difference([(a.stems[stem][figure], b.stems[stem][figure]) for a, b in both])
            for figure in ("si_sdr", "snr")
        }
        for stem in STEMS if (both := [(a, b) for a, b in pairs if stem in a.stems])
    }  # fmt: skip
    leakage = {
        stem: difference([(a.leakage[stem], b.leakage[stem]) for a, b in both], less=True)
        for stem in STEMS if (both := [(a, b) for a, b in pairs if stem in a.leakage])
    }  # fmt: skip
    changed = [(a.remix_snr, b.remix_snr) for a, b in pairs if is_changed(a.mixture_remix_snr)]
    return {"stems": stems, "leakage": leakage, **({"remix_snr": difference(changed)} if changed else {})}


def is_changed(mixture_remix_snr: float) -> bool:
    """Return whether the wanted remix differs from the mixture, by the mixture's SNR in dB: music made quieter
    changes no scene without music, and its SNR then only shows how samples are rounded."""
    return mixture_remix_snr < -SILENT_DB


def _before(scores: Sequence[SceneScores], stem: str) -> list[float]:
    """Return the SI-SDR of the mixtures in which the stem is not alone."""
    figures = [s.stems[stem] for s in scores if "si_sdri" in s.stems.get(stem, {})]
    return [one["si_sdr"] - one["si_sdri"] for one in figures]


def _remixes(scores: Sequence[SceneScores]) -> dict[str, Any]:
    """Figures of the remixes that are any; none if there are none."""
    changed = [s for s in scores if is_changed(s.mixture_remix_snr)]
    if not changed:
        return {}
    return {
        "remix_snr": spread([s.remix_snr for s in changed]),
        "mixture_remix_snr": spread([s.mixture_remix_snr for s in changed]),
        "remix_snr_gain": spread([s.remix_snr - s.mixture_remix_snr for s in changed]),
    }
