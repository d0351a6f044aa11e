"""Scores by how loud the voice is over the rest, by what is hard, and by how far a passage is from its film's level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..stems import STEMS
from .evaluate import SceneScores
from .summary import is_changed, spread

VOICE_RANGES_DB = ((-12.0, -6.0), (-6.0, 0.0), (0.0, 6.0))


def range_name(low: float, high: float) -> str:
    """ "-12..-6"."""
    return f"{low:+.0f}..{high:+.0f}".replace("+0", "0")


def by_voice(scores: Iterable[SceneScores]) -> dict[str, dict[str, Any]]:
    """Figures of the scenes in each range of the voice's level, by its name; ranges without scenes are left out.

    Each has si_sdri and snr by stem (`spread`s), `promise_gain`, the SNR of the remix +6 / -10 / 0 dB over that of the
    untouched mixture, and the number of scenes.
    """
    scores = list(scores)
    found = {}
    for low, high in VOICE_RANGES_DB:
        inside = [one for one in scores if one.voice_db is not None and low <= one.voice_db < high]
        if inside:
            found[range_name(low, high)] = _figures(inside)
    return found


def by_hardship(scores: Iterable[SceneScores]) -> dict[str, dict[str, Any]]:
    """The same figures of the scenes in which the same thing is hard, by its name; other scenes count nowhere."""
    scores = list(scores)
    return {
        kind: _figures([one for one in scores if one.hard == kind]) for kind in sorted({s.hard for s in scores} - {""})
    }


def by_level(scores: Mapping[float, Sequence[SceneScores]]) -> dict[str, dict[str, Any]]:
    """Figures of the same scenes at several levels (dB), each beside what is lost (`lost`, SI-SDR in dB, by stem)
    against the first level."""
    first = next(iter(scores.values()))
    found = {}
    for level, ones in scores.items():
        lost = {
            stem: spread(values) for stem in STEMS
            if (values := [a.stems[stem]["si_sdr"] - b.stems[stem]["si_sdr"]
                           for a, b in zip(first, ones, strict=True) if stem in a.stems])
        }  # fmt: skip
        found[f"{level:+g}"] = {**_figures(ones), "lost": lost, "voice": by_voice(ones)}
    return found


def _figures(scores: Sequence[SceneScores]) -> dict[str, Any]:
    stems = {
        stem: {
            figure: spread(values) for figure in ("si_sdri", "snr")
            if (values := [one.stems[stem][figure] for one in scores if figure in one.stems.get(stem, {})])
        }
        for stem in STEMS
    }  # fmt: skip
    gains = [one.promise_snr - one.mixture_promise_snr for one in scores if is_changed(one.mixture_promise_snr)]
    return {
        "stems": {stem: figures for stem, figures in stems.items() if figures},
        **({"promise_gain": spread(gains)} if gains else {}),
        "scenes": len(scores),
    }
