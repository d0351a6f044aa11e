"""One film that is played: its tracks, its picture, where the pages are in it, and what is exported."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cfork_cli.errors import CforkError, InputError, UsageError
from cfork_cli.flows import excerpts as flow
from cfork_cli.flows import network as networks
from cfork_cli.flows.checks import model_digest
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.input.decode import decode
from cfork_cli.input.excerpts import sound_seconds
from cfork_cli.media import tracks
from cfork_cli.media.timeline import film_zero
from cfork_cli.media.types import Media, Stream
from cfork_cli.player import desk, flac_track, subtitles
from cfork_cli.player.export import Export, free_name, gains_of
from cfork_cli.player.picture import Fragment, Picture
from cfork_cli.player.schedule import Playhead, runs
from cfork_cli.player.stem_store import StemStore, key_of
from cfork_cli.player.work import Work
from cfork_cli.presets import store

FORGET_SECONDS = 100.0
"""A page that was not heard of for so long is not worked for. Hidden ones speak once a minute."""

MOST_PAGES = 16

VERSIONS = 10**9
"""Of what is there, for each choice of a track: more than there will be."""


GUESSED = ("mp3", "aac", "ac3", "eac3", "dts", "loas", "mp2")
"""Bare streams of sound: ffmpeg takes their length from the bit rate at the begin, and is wrong many times over."""


@dataclass(frozen=True)
class PlayOptions:
    """Options of a player.

    Attributes:
        track: a word that names a sound track, see `tracks.one`.
        cache_bytes: that the fragments of all films may take; 0 keeps none.
        export_folder: where exports go; None is the film's own.
    """

    track: str | None = None
    model: str = "cfork"
    device: str = "auto"
    precision: str = "auto"
    input_lufs: float | None = None
    cache_bytes: int = 2_000_000_000
    export_folder: Path | None = None


class Busy(UsageError):
    """An export runs already."""


class Session:
    """A film being played. A context manager: its threads and processes end with it. Any thread may call it.

    Raises:
        InputError, UsageError, ModelError, FfmpegError: the film, the track or the model cannot be used.
    """

    def __init__(self, media: Media, options: PlayOptions, cache: Path | None = None) -> None:
        self.media, self.options = media, options
        track = tracks.one(media, options.track)
        decode(media, track)  # starts nothing, but refuses a track whose rate or channels nobody knows
        self.warnings = flow.check(options.model)
        self._model_hash = model_digest(options.model)
        self._cache = (flow.cache_folder() if cache is None else cache) / "player"
        self.seconds = length(media, track)
        self.picture = Picture(media, self.seconds)
        self._lock = threading.RLock()
        self._loading = threading.Lock()
        self._loaded: LoadedNetwork | None = None
        self._heads: dict[str, Playhead] = {}
        self._exports: dict[str, Export] = {}
        self._can: dict[str, bool] = {}
        self._text = subtitles.text_tracks(media)
        self.epoch = 1
        self.work = self._work_for(track)

    def __enter__(self) -> Session:
        self.work.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for export in list(self._exports.values()):
            export.cancel()
        self.work.close()
        for export in list(self._exports.values()):
            export.join()
        self.picture.close()

    @property
    def busy(self) -> bool:
        """Whether something is written."""
        return any(export.running for export in list(self._exports.values()))

    # ---- what the film is ----

    def film(self) -> dict[str, Any]:
        """Return the facts that a page begins with."""
        picture = self.media.picture
        video = None if picture is None else self._video()
        path = self.media.path
        playable = [track for track in self.media.audio if track.channels and track.sample_rate]
        return {
            "name": path.name,
            "title": self.media.tags.get("title") or self.media.tags.get("TITLE") or path.stem,
            "duration": self.seconds,
            "fragment_seconds": flac_track.FRAGMENT_SECONDS,
            "fragments": self.work.count,
            "video": video,
            "audio_mimes": list(flac_track.MIMES),
            "tracks": [
                {"index": track.number, "label": label(track), "current": track.index == self.work.track.index}
                for track in playable
            ],
            "subtitles": [
                {"index": place, "label": label(track), "language": track.language or ""}
                for place, track in enumerate(self._text)
            ],
            "presets": [one for preset in store.presets() if (one := desk.preset_facts(preset))],
            "effects": True,
            "model": self.options.model,
            "full_scale_headroom": flac_track.HEADROOM,
            "epoch": self.epoch,
        }

    def _video(self) -> dict[str, Any]:
        return {"mime": self.picture.mime, "transcode_mime": self.picture.transcode_mime}

    def can(self, answers: Mapping[str, Any]) -> bool:
        """Take a page's word on what it can play; return whether it gets the picture as it is."""
        with self._lock:
            self._can = {str(mime): bool(able) for mime, able in list(answers.items())[:64]}
        return self.picture.copies(self._can)

    def video(self, seconds: float, *, fresh: bool) -> Fragment | None:
        """Return a group of pictures; see `Picture.fragment`."""
        return self.picture.fragment(seconds, self.picture.copies(self._can), fresh=fresh)

    def video_head(self) -> bytes:
        """Return the head of the picture's track."""
        return self.picture.init(self.picture.copies(self._can))

    def subtitle(self, place: int) -> bytes | None:
        """Return a subtitle track as WebVTT; None if there is none of that number."""
        return subtitles.webvtt(self.media, self._text[place]) if 0 <= place < len(self._text) else None

    # ---- where the pages are ----

    def at(self, page: str, seconds: float, playing: bool) -> None:
        """A page says where it is."""
        now = time.monotonic()
        with self._lock:
            self._heads = {
                name: head for name, head in self._heads.items() if name != page and now - head.said < FORGET_SECONDS
            }
            while len(self._heads) >= MOST_PAGES:
                self._heads.pop(next(iter(self._heads)))
            self._heads[page] = Playhead(min(max(0.0, seconds), self.seconds), now, playing)
        self.work.moved()

    def left(self, page: str) -> bool:
        """A page was closed; return whether it was the last one: hidden ones are there, though they speak seldom."""
        now = time.monotonic()
        with self._lock:
            self._heads.pop(page, None)
            return all(now - head.said >= FORGET_SECONDS for head in self._heads.values())

    def heads(self) -> list[Playhead]:
        """Return where the pages are, that which spoke last first; before any has spoken, the film's begin."""
        with self._lock:
            found = sorted(self._heads.values(), key=lambda head: -head.said)
        return found or [Playhead(0.0, 0.0, playing=False)]

    def state(self, since: int) -> dict[str, Any]:
        """Return what is there, and what is new since another version."""
        with self._lock:
            work, epoch = self.work, self.epoch
        version, new = work.store.news(since - epoch * VERSIONS)  # one of another track is none of this: all is new
        return {
            "version": version + epoch * VERSIONS,
            "epoch": epoch,
            "track": work.track.number,
            "done": runs(work.store.done()),
            "levels": [_levels(work.store.levels, begin, end) for begin, end in runs(new)],
            "working_on": work.working_on,
            "rate": None if work.speed is None else round(work.speed, 2),
            "waiting": work.waiting,
            "error": work.error,
            "note": work.store.note,
        }

    def choose(self, number: int) -> None:
        """Play another sound track from now on, from 0.

        Raises:
            InputError: there is none.
        """
        track = self.media.audio_track(number)
        decode(self.media, track)
        with self._lock:
            if track.index == self.work.track.index:
                return
            old, self.work = self.work, self._work_for(track)
            self.epoch += 1
            self.work.__enter__()
        old.close()

    def _work_for(self, track: Stream) -> Work:
        key = key_of(self.media, track.index, self._model_hash)
        count = max(1, math.ceil(self.seconds / flac_track.FRAGMENT_SECONDS - 1e-6))
        store = StemStore(self._cache, key, count, self.options.cache_bytes)
        return Work(
            self.media, track, store, self.network, self.heads, seconds=self.seconds, lufs=self.options.input_lufs
        )

    def network(self) -> LoadedNetwork:
        """Return the network; loaded when it is asked for first."""
        with self._loading:
            if self._loaded is None:
                options = self.options
                network, device = networks.load_network(options.model, options.device, options.precision)
                self._loaded = LoadedNetwork(network, device, options.model)
            return self._loaded

    # ---- export ----

    def export(self, wish: Mapping[str, Any]) -> str:
        """Begin to write the film with other levels; return the name of the job.

        Raises:
            Busy: one runs already. UsageError: the levels make no sense.
        """
        gains, processing = gains_of(wish.get("gains")), desk.processing_of(wish.get("effects"))
        with self._lock:
            if self.busy:
                raise Busy("an export runs already: wait for it, or cancel it")
            options, work = self.options, self.work
            loudness = work.loudness
            known = loudness is not None and math.isfinite(loudness) and -70 <= loudness <= 5
            job = RemixJob(
                self.media.path, free_name(self.media.path, options.export_folder or self.media.path.parent), gains,
                tracks=(str(work.track.number + 1),), model=options.model, device=options.device,
                precision=options.precision, input_lufs=loudness if known else None, processing=processing,
            )  # fmt: skip
            name = secrets.token_hex(8)
            self._exports = {
                **dict(list(self._exports.items())[-8:]),
                name: Export(job, self.network),
            }
            self._exports[name].start()
            return name

    def exported(self, name: str) -> Export | None:
        """Return an export by its name."""
        return self._exports.get(name)


def label(track: Stream) -> str:
    """Return a track as people choose it."""
    return str(track)


def length(media: Media, track: Stream) -> float:
    """Return how long the film is, in seconds; where it does not say so, or is guessed by ffmpeg, it is read once.

    Raises:
        InputError: it has no length at all.
    """
    seconds = media.duration_seconds
    if not seconds or media.container in GUESSED:
        try:
            seconds = sound_seconds(media, track) - film_zero(media) or seconds
        except CforkError:
            seconds = seconds or 0.0
    if not seconds or seconds <= 0:
        raise InputError(f"'{media.path}' has no length, so it cannot be played: is it complete?")
    return float(seconds)


def _levels(levels: np.ndarray, begin: int, end: int) -> dict[str, Any]:
    """Return the levels of a run of fragments, as JSON can hold them."""
    names = ("mixture", "dialogue", "music", "effects")
    columns = {
        name: [None if np.isnan(one) else round(float(one), 1) for one in levels[begin:end, place]]
        for place, name in enumerate(names)
    }
    return {"first": begin, **columns}
