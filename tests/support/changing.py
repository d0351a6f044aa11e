"""Tracks that change their channels or their sample rate on the way, as recordings of broadcasts do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.films import CHANNELS, ffmpeg
from support.readings import samples, times

PART_SECONDS = 1.0
CLICK_SECONDS = 0.55

_RAW = {"aac": "adts", "ac3": "ac3", "mp2": "mp2", "latm": "adts"}


@dataclass(frozen=True)
class Changing:
    """Such a film. clicks: the moments of its clicks, in seconds from its first sound. seconds: of its sound."""

    path: Path
    clicks: tuple[float, ...]
    seconds: float


def changing(path: Path, codec: str, *parts: tuple[str, int]) -> Changing:
    """Make a film without a picture, or one bare stream (`a.ac3`, `a.adts`).

    Args:
        parts: layout and sample rate of each second; every one has a click in it.
    """
    folder = path.with_name(f"{path.name}.parts")
    folder.mkdir()
    is_bare = path.suffix[1:] in _RAW.values()
    joined, clicks, at = b"", [], 0.0
    for number, (layout, rate) in enumerate(parts):
        raw = folder / f"{number}.{_RAW[codec]}"
        sound = np.random.default_rng(number).standard_normal((CHANNELS[layout], round(PART_SECONDS * rate))) * 0.01
        first = round(CLICK_SECONDS * rate)
        sound[:, first : first + rate // 1000] = 0.9
        data = np.ascontiguousarray(sound.T, "<f4").tobytes()
        ffmpeg(
            "-f", "f32le", "-ar", str(rate), "-channel_layout", layout, "-i", "pipe:0",
            "-c:a", "aac" if codec == "latm" else codec, raw, stdin=data,
        )  # fmt: skip
        alone = samples(raw, channels=CHANNELS[layout])
        clicks.append(at + onset(alone[0], rate))
        part = folder / f"{number}.ts"
        latm = ["-mpegts_flags", "latm"] if codec == "latm" else []
        ffmpeg("-i", raw, "-c", "copy", "-muxdelay", "0", *latm, "-output_ts_offset", f"{at:.6f}", part)
        joined += (raw if is_bare else part).read_bytes()
        at += len(times(part, "a:0")) * {"ac3": 1536, "mp2": 1152}.get(codec, 1024) / rate
    whole = path if is_bare or path.suffix == ".ts" else folder / "whole.ts"
    whole.write_bytes(joined)
    if whole != path:
        ffmpeg("-i", whole, "-c", "copy", path)
    return Changing(path, tuple(clicks), at)


def onset(sound: np.ndarray, rate: int) -> float:
    """Return when the first click of a channel begins, in seconds."""
    loud = np.abs(sound) > 0.4
    assert loud.any()
    return int(loud.argmax()) / rate


def onsets(sound: np.ndarray, rate: int) -> list[float]:
    """Return when each click of a channel begins, in seconds."""
    places = np.flatnonzero(np.abs(sound) > 0.4)
    new = np.concatenate(([True], np.diff(places) > 0.3 * rate))
    return [int(place) / rate for place in places[new]]
