"""How late a filter gives its sound, measured: noise goes through it, and is looked for in what comes out.

Only of filters that look ahead, or work on blocks, and do not make up for it themselves. The delay of `adelay` is what
was asked for, and that of a low-pass is how it sounds; neither is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from cfork_cli.filters.chain import Filter
from cfork_cli.filters.graph import FRAME, Graph

_NO_OPTION = re.compile(r"(?!)")
LATE: Mapping[str, re.Pattern[str]] = {
    "adrc": re.compile("transfer"),
    "afftdn": _NO_OPTION,
    "afftfilt": re.compile("real|imag"),
    "alimiter": _NO_OPTION,
    "anlmdn": _NO_OPTION,
    "apsyclip": _NO_OPTION,
    "dialoguenhance": _NO_OPTION,
    "firequalizer": re.compile("gain|gain_entry"),
    "superequalizer": re.compile(r"\d+b"),
}
"""Filters that are late, and their options that shape the sound and not the delay: these are left out to measure."""

_BY_PLACE: Mapping[str, tuple[str, ...]] = {"afftfilt": ("re", "im")}
"""What stands in the place of options that shape, where others by their place may follow."""

_LONGEST_SECONDS = 24.0
_CLEAR = 0.2  # correlation


def latency(one: Filter, sample_rate: int, channels: int, layout: str | None) -> int:
    """Return how many samples late a filter is; 0 where nothing has to be made up for."""
    if one.name not in LATE:
        return 0
    plain = _without(one, LATE[one.name])
    samples = 2 * sample_rate
    while samples <= _LONGEST_SECONDS * sample_rate:
        delay, clear = _measured(plain, sample_rate, channels, layout, samples)
        if clear > _CLEAR and delay < samples // 2:
            return delay
        samples *= 2
    return 0


def _without(one: Filter, shaping: re.Pattern[str]) -> Filter:
    """Return the filter with its own sound, or with none where it can be left out."""
    options = []
    for place, option in enumerate(_split(one.arguments)):
        key, named, _ = option.partition("=")
        if not named or not re.fullmatch(r"\s*[A-Za-z0-9_]+\s*", key):
            # by its place: the first ones are those that shape
            neutral = _BY_PLACE.get(one.name)
            if neutral is not None:
                options += [neutral[place]] if place < len(neutral) else [option]
            elif shaping is _NO_OPTION:
                options.append(option)
        elif shaping.fullmatch(key.strip()) is None:
            options.append(option)
    return Filter(one.name, ":".join(options))


def _split(arguments: str) -> list[str]:
    """Return the options, still quoted, without those that switch a filter on and off."""
    parts = re.findall(r"(?:\\.|'[^']*'|[^:'\\])+", arguments, re.DOTALL)
    return [part for part in parts if part.partition("=")[0].strip() != "enable"]


def _measured(one: Filter, sample_rate: int, channels: int, layout: str | None, samples: int) -> tuple[int, float]:
    """Return the delay in samples, and how clear it is, from 0 to 1."""
    noise = np.random.default_rng(1).standard_normal(samples).astype(np.float32) * np.float32(0.03)
    graph = Graph([one], sample_rate, channels, layout, keeps_channels=False)
    heard: list[np.ndarray] = []
    for start in range(0, samples, FRAME):
        frame = np.repeat(noise[None, start : start + FRAME], channels, axis=0)
        heard += [out.sum(axis=0, dtype=np.float64) for out in graph.push(frame)]
    out = np.concatenate(heard)[:samples] if heard else np.zeros(1)
    size = 2 * samples
    sent, came = np.fft.rfft(noise, size), np.fft.rfft(out, size)
    correlation = np.abs(np.fft.irfft(came * np.conj(sent))[:samples])
    delay = int(correlation.argmax())
    energy = float(np.sqrt((noise[: samples - delay] ** 2).sum(dtype=np.float64) * (out**2).sum()))
    return delay, float(correlation[delay]) / energy if energy else 0.0
