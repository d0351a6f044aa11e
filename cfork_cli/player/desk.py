"""The mixing desk in the page's words: effects of a stem and presets, as JSON. Web Audio and `mix` compute the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cfork_cli.errors import UsageError
from cfork_cli.mix.rooms import impulse_response
from cfork_cli.mix.settings import SPACES, Band, Processing, StemEffects, parse_reverb
from cfork_cli.player.flac_track import SAMPLE_RATE
from cfork_cli.presets.preset import Preset
from cfork_cli.text import SPOKEN_ORDER

KINDS = ("highpass", "lowshelf", "peaking", "highshelf")
"""Equalizers that the page has, one of each, in its order."""
HIGHEST_DB = 12.0
"""The end of the page's sliders."""


def processing_of(words: object) -> Processing:
    """Return what a page wants done to the stems: {"dialogue": {"bands": [...], "reverb": "hall:-12"}}.

    Raises:
        UsageError: it makes no sense.

    >>> processing_of({"music": {"bands": [{"kind": "highpass", "frequency": 80}]}}).of("music").chain
    'highpass=f=80:t=q:w=1'
    """
    if words is None:
        return Processing()
    if not isinstance(words, Mapping) or not set(words) <= set(SPOKEN_ORDER):
        raise UsageError(f"effects are wanted for {', '.join(SPOKEN_ORDER)}")
    return Processing(effects={stem: one for stem in SPOKEN_ORDER if (one := _effects(words.get(stem) or {}))})


def _effects(words: object) -> StemEffects:
    if not isinstance(words, Mapping) or not set(words) <= {"bands", "reverb"}:
        raise UsageError("effects of a stem are bands and reverb")
    bands, reverb = words.get("bands") or [], words.get("reverb") or "none"
    if not isinstance(bands, Sequence) or isinstance(bands, str) or len(bands) > len(KINDS):
        raise UsageError("bands are a short list")
    found = parse_reverb(reverb) if isinstance(reverb, str) else None
    if not isinstance(reverb, str) or (found is not None and found.space not in SPACES):
        raise UsageError(f"a reverb is one of {', '.join(SPACES)}")  # no file is opened that a page names
    return StemEffects(bands=tuple(map(_band, bands)), reverb=found)


def _band(words: object) -> Band:
    numbers = words.values() if isinstance(words, Mapping) else ()
    sane = all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in numbers)
    if not isinstance(words, Mapping) or not sane or not set(words) <= {"kind", "frequency", "gain"}:
        raise UsageError("a band has a kind, a frequency and a gain")
    try:
        return Band(str(words.get("kind")), float(words.get("frequency", math.nan)), float(words.get("gain", 0.0)))
    except ValueError as error:
        raise UsageError("frequency and gain of a band are numbers") from error


def preset_facts(preset: Preset) -> dict[str, Any] | None:
    """Return a preset for the page; None if the page cannot play all of it: levels over time, filters, files."""
    processing = preset.processing
    effects = {stem: processing.of(stem) for stem in SPOKEN_ORDER}
    kinds = [[band.kind for band in one.bands] for one in effects.values()]
    playable = (
        not processing.follows_speech
        and not any(one.filters or (one.reverb and one.reverb.is_file) for one in effects.values())
        and all(list(filter(some.__contains__, KINDS)) == some for some in kinds)  # one of each, in the page's order
        and all(gain <= HIGHEST_DB for gain in preset.gains_db.values())
        and preset.loudness is None
    )
    if not playable:
        return None
    return {
        "name": preset.name,
        "label": preset.label or preset.name,
        "about": preset.about,
        "gains": {stem: None if gain == -math.inf else gain for stem, gain in preset.all_gains_db.items()},
        "effects": {stem: _words(one) for stem, one in effects.items() if one},
    }


def _words(effects: StemEffects) -> dict[str, Any]:
    bands = [
        {
            "kind": band.kind,
            "frequency": band.frequency_hz,
            **({"gain": band.gain_db} if band.kind != "highpass" else {}),
        }
        for band in effects.bands
    ]
    return {"bands": bands, **({"reverb": str(effects.reverb)} if effects.reverb else {})}


def room(space: str) -> bytes:
    """Return the impulse response of a room as 32-bit floats: all of the left side, then the right one."""
    return impulse_response(space, SAMPLE_RATE, 2).astype("<f4").tobytes()
