"""From a plan to sound and to files: levels by measured loudness, the peak rule, the master gain, float WAV."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import SAMPLE_RATE
from ..loudness import integrated_lufs
from ..stems import DNR_NAMES
from .annotations import Event, write_events
from .recipe import EVENTS, PEAK, SECONDS, Clip, Library, UnreadableError, draw_plan
from .sounds import write_wav

STEM_FILES = tuple(DNR_NAMES.values())  # the order of model.STEMS


@dataclass
class Scene:
    """Submixes [samples] by class name, and the events they are made of."""

    submixes: dict[str, np.ndarray]
    events: list[Event] = field(default_factory=list)

    def stems(self) -> np.ndarray:
        """Music, speech, effects: float32 [3, samples]."""
        effects = self.submixes["sfx"] + self.submixes["background"]
        return np.stack([self.submixes["music"], self.submixes["speech"], effects]).astype(np.float32)


class _Reader:
    """The clips of one scene, each read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._sounds: dict[Clip, np.ndarray] = {}

    def part(self, clip: Clip, first: int, samples: int) -> np.ndarray:
        if clip not in self._sounds:
            self._sounds[clip] = self._library.read(clip)
        return self._sounds[clip][first : first + samples]

    def lufs(self, clip: Clip, first: int, samples: int) -> float:
        """Return silence for what cannot be read, so that one damaged file does not end a long build."""
        try:
            return integrated_lufs(self.part(clip, first, samples), SAMPLE_RATE)
        except UnreadableError:
            return -math.inf


def draw_scene(library: Library, rng: np.random.Generator) -> Scene:
    """One scene by the published recipe.

    Raises:
        ValueError: all that was drawn is silent.
    """
    reader = _Reader(library)
    plan = draw_plan(library, rng, reader.lufs)
    scene = Scene(_silence())
    size = len(scene.submixes["music"])
    gains = []
    for event in plan.events:
        gain = float(10 ** ((event.lufs - event.measured_lufs) / 20))
        at = int(event.start * SAMPLE_RATE)
        part = reader.part(event.clip, event.first, event.samples)[: size - at]
        scene.submixes[event.kind][at : at + len(part)] = part * gain
        gains.append(gain)
    loudest = max(np.abs(submix).max() for submix in scene.submixes.values())
    if loudest == 0:
        raise ValueError("every event of the scene is silent: the sources hold no sound")
    master = min(PEAK / float(loudest), 1.0)
    mix = sum(scene.submixes.values()) * master
    master *= 10 ** ((plan.master_lufs - integrated_lufs(np.asarray(mix), SAMPLE_RATE)) / 20)
    for planned, gain in zip(plan.events, gains, strict=True):
        begin = (planned.clip.offset + planned.first) / SAMPLE_RATE
        scene.events.append(Event(
            planned.clip.file, planned.kind, planned.start, planned.start + planned.seconds, begin,
            begin + planned.seconds, gain * master, planned.clip.annotation,
        ))  # fmt: skip
    scene.submixes = {kind: submix * master for kind, submix in scene.submixes.items()}
    scene.events.sort(key=lambda event: event.mix_start_time)
    return scene


def render_events(library: Library, events: Iterable[Event]) -> Scene:
    """The scene that an annots.csv describes: same clips, times and gains; nothing is measured or drawn.

    Raises:
        FileNotFoundError: the library has no such file. UnreadableError: a file is damaged.
        ValueError: an event of an unknown class, or before the scene's beginning.
    """
    reader = _Reader(library)
    scene = Scene(_silence(), list(events))
    size = len(scene.submixes["music"])
    for event in scene.events:
        if event.kind not in EVENTS or event.mix_start_time < 0:
            raise ValueError(f"'{event.file}' is a {event.kind or 'nameless'} event at {event.mix_start_time:g} s")
        clip = library.find(event.kind, event.file)
        first = round(event.clip_start_time * SAMPLE_RATE) - clip.offset
        length = round((event.clip_end_time - event.clip_start_time) * SAMPLE_RATE)
        at = min(int(event.mix_start_time * SAMPLE_RATE), size)
        part = reader.part(clip, max(first, 0), length)[: size - at]
        scene.submixes[event.kind][at : at + len(part)] += part * event.clip_gain
    return scene


def write_scene(scene: Scene, folder: Path) -> None:
    """Write mix.wav, music.wav, speech.wav, sfx.wav (float WAV) and annots.csv. The mix is the stems' exact sum."""
    folder.mkdir(parents=True, exist_ok=True)
    stems = scene.stems()
    for name, audio in zip((*STEM_FILES, "mix"), (*stems, stems.sum(axis=0)), strict=True):
        write_wav(folder / f"{name}.wav", audio)
    write_events(scene.events, folder / "annots.csv")


def _silence() -> dict[str, np.ndarray]:
    size = math.floor(SECONDS * SAMPLE_RATE)
    return {kind: np.zeros(size) for kind in EVENTS}
