"""Build scenes as films have them: stereo, with the voice in the middle, and its level against the rest drawn first.

A scene is half a minute of continuous music, two ambiences over each other, a dozen events, and utterances in a little
room. Clips come from the libraries that scenes of Divide and Remaster come from, so held-out sources stay held out.
The sources are mono: music and ambiences are made wide by short filters of their own for left and right, events stand
at places of their own.

The voice's level is that of `voice_over_rest`: its power over that of all the rest, in dB, while somebody speaks. It is
drawn from three ranges by turns, so that a set has as many scenes of each, and written to `scene.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import signal

from .. import SAMPLE_RATE
from ..loudness import integrated_lufs
from ..stems import DNR_NAMES
from ..voice_level import voice_over_rest
from .film_hard import Hardship, which
from .recipe import Clip, Library, UnreadableError
from .sounds import write_wav
from .trees import FACTS

SECONDS = 30.0
VOICE_DB = ((-12.0, -6.0), (-6.0, 0.0), (0.0, 6.0))
LUFS = {"music": (-20.0, 3.5), "sfx": (-19.0, 3.5), "background": (-23.0, 4.0)}  # mean, deviation
MASTER_LUFS, MASTER_SPREAD = -27.0, 2.0  # of the left channel, uniform
EVENTS = (8, 16)
LAYERS = 2
FADE_SECONDS = 0.25
PAUSE_SECONDS = 0.8  # mean, between utterances
WIDTH_SECONDS = 0.02  # of the filters that make a mono source wide
MOST_TRIES = 20


@dataclass
class FilmScene:
    """Stems float32 [3, 2, samples] in model.STEMS order, and what was drawn."""

    stems: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)


def draw_film_scene(
    library: Library, rng: np.random.Generator, number: int, seconds: float = SECONDS, *, hard: bool = False
) -> FilmScene:
    """One scene; `number` chooses the range of the voice's level.

    Args:
        hard: the same scene, with one thing more; see `film_hard`.

    Raises:
        ValueError: the sources hold no sound.
    """
    size = round(seconds * SAMPLE_RATE)
    kind = which(number, len(VOICE_DB)) if hard else ""
    more, hardship = rng.spawn(2)  # what is drawn from these changes nothing else
    change = Hardship(kind, size, hardship)
    events: list[dict[str, Any]] = []
    parts = {
        "music": _layer(library, "music", size, rng, events),
        "background": np.sum([_layer(library, "background", size, rng, events) for _ in range(LAYERS)], axis=0),
        "sfx": _events(library, size, rng, events),
    }
    parts["background"] = change.background(
        parts["background"],
        lambda: ((clip, _at_level(sound)) for clip, sound in _sounds(library, "speech", more)),
        lambda clip, at, samples: _note(events, "background", clip, at, samples),
    )
    for name, (mean, deviation) in LUFS.items():
        parts[name] *= _gain_to(parts[name], mean + rng.normal(0, deviation))
    voice = change.voice(_voice(library, size, rng, events))
    music, effects = parts["music"], parts["sfx"] + parts["background"]
    wanted = float(rng.uniform(*VOICE_DB[number % len(VOICE_DB)]))
    voice *= 10 ** ((wanted - voice_over_rest(voice, music + effects)) / 20)
    stems = change.mastered(np.stack([music, voice, effects]))
    stems *= _gain_to(stems.sum(0), MASTER_LUFS + rng.uniform(-MASTER_SPREAD, MASTER_SPREAD))
    facts: dict[str, Any] = {"recipe": "film", "voice_db": round(voice_over_rest(stems[1], stems[0] + stems[2]), 3)}
    if kind:
        facts["hard"] = kind
    facts["events"] = sorted(events, key=lambda one: one["start"])
    return FilmScene(stems.astype(np.float32), facts)


def write_film_scene(scene: FilmScene, folder: Path) -> None:
    """Write mix.wav, music.wav, speech.wav, sfx.wav (stereo, float) and scene.json. The mix is the stems' exact sum."""
    folder.mkdir(parents=True, exist_ok=True)
    names = (*DNR_NAMES.values(), "mix")
    for name, audio in zip(names, (*scene.stems, scene.stems.sum(0)), strict=True):
        write_wav(folder / f"{name}.wav", audio.T)
    (folder / FACTS).write_text(json.dumps(scene.facts, indent=1) + "\n", encoding="utf-8")


def _sounds(library: Library, kind: str, rng: np.random.Generator) -> Iterator[tuple[Clip, np.ndarray]]:
    """Clips of a class that can be read and are not silent, without end.

    Raises:
        ValueError: many after one another are neither.
    """
    failed = 0
    while failed < MOST_TRIES:
        clip = library.draw(kind, rng)
        try:
            sound = library.read(clip).astype(np.float64)
        except UnreadableError:
            failed += 1
            continue
        if not math.isfinite(integrated_lufs(sound, SAMPLE_RATE)):
            failed += 1
            continue
        failed = 0
        yield clip, sound
    raise ValueError(f"the sources hold no sound of the class '{kind}'")


def _at_level(sound: np.ndarray) -> np.ndarray:
    """The sound at 0 LUFS."""
    return sound * 10 ** (-integrated_lufs(sound, SAMPLE_RATE) / 20)


def _note(events: list[dict[str, Any]], kind: str, clip: Clip, at: int, samples: int) -> None:
    events.append({
        "class": kind, "file": clip.file, "start": round(at / SAMPLE_RATE, 3),
        "end": round((at + samples) / SAMPLE_RATE, 3), "annotation": clip.annotation,
    })  # fmt: skip


def _layer(
    library: Library, kind: str, size: int, rng: np.random.Generator, events: list[dict[str, Any]]
) -> np.ndarray:
    """Sound from end to end: clips of a class, cross-faded, each repeated if it is short; [2, size], wide."""
    fade = round(FADE_SECONDS * SAMPLE_RATE)
    out = np.zeros(size)
    at, sounds = 0, _sounds(library, kind, rng)
    clip, sound = next(sounds)
    while at < size:
        if at and (kind == "music" or rng.random() < 0.2):  # ambiences mostly go on
            clip, sound = next(sounds)
        part = _at_level(sound)
        ramp = np.linspace(0.0, 1.0, min(fade, len(part) // 2))
        part[: len(ramp)] *= ramp
        part[len(part) - len(ramp) :] *= ramp[::-1]
        part = part[: size - at]
        out[at : at + len(part)] += part
        _note(events, kind, clip, at, len(part))
        at += max(len(part) - fade, fade)
    return _wide(out, rng)


def _events(library: Library, size: int, rng: np.random.Generator, events: list[dict[str, Any]]) -> np.ndarray:
    """Events at moments, levels and places of their own, by constant power; [2, size]."""
    out = np.zeros((2, size))
    sounds = _sounds(library, "sfx", rng)
    for _ in range(int(rng.integers(EVENTS[0], EVENTS[1] + 1))):
        clip, sound = next(sounds)
        at = int(rng.integers(size))
        angle = rng.uniform(0.05, 0.45) * math.pi
        sound = sound[: size - at] * 10 ** ((rng.uniform(-8, 4) - integrated_lufs(sound, SAMPLE_RATE)) / 20)
        out[0, at : at + len(sound)] += math.cos(angle) * sound
        out[1, at : at + len(sound)] += math.sin(angle) * sound
        _note(events, "sfx", clip, at, len(sound))
    return out


def _voice(library: Library, size: int, rng: np.random.Generator, events: list[dict[str, Any]]) -> np.ndarray:
    """Utterances in a little room, alike in both channels; [2, size]."""
    dry = np.zeros(size)
    at = min(int(rng.uniform(0.2, 1.5) * SAMPLE_RATE), size // 10)
    sounds = _sounds(library, "speech", rng)
    while at < size - min(SAMPLE_RATE, size // 2):
        clip, sound = next(sounds)
        sound = sound[: size - at] * 10 ** ((rng.uniform(-2, 2) - integrated_lufs(sound, SAMPLE_RATE)) / 20)
        dry[at : at + len(sound)] += sound
        _note(events, "speech", clip, at, len(sound))
        at += len(sound) + int(rng.exponential(PAUSE_SECONDS) * SAMPLE_RATE)
    tail = np.arange(int(rng.uniform(0.15, 0.6) * SAMPLE_RATE))
    room = rng.standard_normal(len(tail)) * np.exp(-6.9 * tail / len(tail))
    room *= 10 ** (rng.uniform(-20, -6) / 20) / np.sqrt(np.square(room).sum())
    room[0] += 1.0
    return np.tile(signal.fftconvolve(dry, room)[:size], (2, 1))


def _wide(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mono sound [T] as two channels [2, T] that differ: each through a short filter of its own."""
    taps = np.arange(round(WIDTH_SECONDS * SAMPLE_RATE))
    filters = rng.standard_normal((2, len(taps))) * np.exp(-4 * taps / len(taps))
    filters *= 0.7 / np.sqrt(np.square(filters).sum(1, keepdims=True))
    filters[:, 0] += 0.7
    both: np.ndarray = signal.fftconvolve(sound[None], filters, axes=1)[:, : len(sound)]
    return both


def _gain_to(audio: np.ndarray, lufs: float) -> float:
    """The factor that brings the left channel of [2, T] to a loudness; both have nearly the same.

    Raises:
        ValueError: it is silent.
    """
    loudness = integrated_lufs(audio.mean(0), SAMPLE_RATE)
    if not math.isfinite(loudness):
        raise ValueError("all that was drawn is silent: the sources hold no sound")
    return float(10 ** ((lufs - loudness) / 20))
