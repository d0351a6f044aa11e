"""From what was asked for to mixers: which stems are needed, and the effects of each track."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cfork_cli.errors import InputError
from cfork_cli.filters.chain import parse_chain
from cfork_cli.filters.effect import FilterEffect, check_filters
from cfork_cli.filters.graph import check_options
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.media.layouts import speakers
from cfork_cli.media.probe import MOST_CHANNELS
from cfork_cli.media.types import Stream
from cfork_cli.mix.convolver import Reverberation
from cfork_cli.mix.desk import Desk, DeskMixer, DeskStemMixer, needed_stems
from cfork_cli.mix.effect import Effect
from cfork_cli.mix.loudness import channel_weights
from cfork_cli.mix.mixer import GainMixer, Mixer, StemMixer
from cfork_cli.mix.rooms import impulse_response
from cfork_cli.mix.settings import Processing, Reverb
from model.stems import STEMS

LONGEST_IMPULSE_SECONDS = 20.0
MOST_IMPULSE_HERTZ = 768_000


def check_early(processing: Processing) -> None:
    """Check what can be checked before the film is there.

    Raises:
        UsageError: a filter is not taken, or has no such option. InputError: a file of an impulse response is none.
    """
    for stem in processing.treated:
        effects = processing.of(stem)
        if effects.chain:
            check_options(parse_chain(effects.chain))
        if effects.reverb is not None and effects.reverb.is_file:
            _read_impulse(Path(effects.reverb.space))


def check_processing(processing: Processing, tracks: Sequence[Stream]) -> None:
    """Build every chain once for every track, before the work.

    Raises:
        UsageError, InputError: see `check_early`; or a chain does not fit the track's channels.
    """
    check_early(processing)
    for track in tracks:
        for stem in processing.treated:
            chain = processing.of(stem).chain
            if chain:
                check_filters(chain, track.sample_rate or 0, track.channels or 0, track.layout)


def remix_stems(job: RemixJob) -> tuple[str, ...]:
    """Return the stems that the network has to find for a remix, in its order."""
    if not job.processing:
        return GainMixer(job.gains_db, STEMS).stems
    return needed_stems(job.gains_db, job.processing, STEMS)


def remix_mixer(job: RemixJob, track: Stream, lufs: float) -> Mixer:
    """Return the mixer of one track.

    Args:
        lufs: integrated loudness of the track, -inf where it is not known.
    """
    if not job.processing:
        return GainMixer(job.gains_db, STEMS)
    stems = remix_stems(job)
    return DeskMixer(stems, _desk(job.processing, job.gains_db, stems, track, lufs))


def stem_mixer(
    processing: Processing, inner: StemMixer, track: Stream, lufs: float, *, first: int = 0, cuts: bool = False
) -> Mixer:
    """Return the mixer of stems that are written, behind the desk if anything is to be done there.

    Args:
        inner: without the desk.
        lufs: see `remix_mixer`.
        first, cuts: see `DeskStemMixer`.
    """
    if not processing:
        return inner
    needed = {*inner.stems, *needed_stems({}, processing, STEMS)}
    stems = tuple(stem for stem in STEMS if stem in needed)
    return DeskStemMixer(inner, stems, _desk(processing, {}, stems, track, lufs), first=first, cuts=cuts)


def _desk(
    processing: Processing, gains_db: dict[str, float], stems: tuple[str, ...], track: Stream, lufs: float
) -> Desk:
    rate, channels = track.sample_rate or 0, track.channels or 0
    return Desk(
        stems, processing, {stem: _effects(processing, stem, track) for stem in stems}, gains_db,
        sample_rate=rate, weights=channel_weights(speakers(track.layout), channels), film_lufs=lufs,
    )  # fmt: skip


def _effects(processing: Processing, stem: str, track: Stream) -> list[Effect]:
    """Return the effects of one stem of one track: equalizers and filters, then reverb."""
    asked = processing.of(stem)
    rate, channels = track.sample_rate or 0, track.channels or 0
    effects: list[Effect] = []
    if asked.chain:
        effects.append(FilterEffect(asked.chain, rate, channels, track.layout))
    if asked.reverb is not None:
        effects.append(Reverberation(_impulses(asked.reverb, rate, channels), asked.reverb.wet_db, channels))
    return effects


def _impulses(reverb: Reverb, sample_rate: int, channels: int) -> np.ndarray:
    """Return impulse responses `[channels or 1, taps]` of energy 1, as loud together as noise would be."""
    if not reverb.is_file:
        return impulse_response(reverb.space, sample_rate, channels)
    sound, rate = _read_impulse(Path(reverb.space))
    if rate != sample_rate:
        import soxr

        sound = soxr.resample(sound, rate, sample_rate, quality="VHQ")
    impulses = sound.T if sound.shape[1] == channels else sound.mean(axis=1)[None]
    energy = float(np.square(impulses).sum(axis=1).max())
    return np.asarray(impulses / math.sqrt(energy))


def _read_impulse(path: Path) -> tuple[np.ndarray, int]:
    """Return the samples `[samples, channels]` of a file, and its rate in Hz.

    Raises:
        InputError: it is no sound file, silent, or longer than an echo is.
    """
    import soundfile

    if not path.is_file():
        raise InputError(
            f"there is no impulse response '{path}': give room, hall, or a sound file, such as church.wav:-9"
        )
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > LONGEST_IMPULSE_SECONDS * file.samplerate:
                raise InputError(f"'{path}' is longer than {LONGEST_IMPULSE_SECONDS:.0f} s: give an impulse response")
            if file.channels > MOST_CHANNELS or file.samplerate > MOST_IMPULSE_HERTZ:
                raise InputError(
                    f"'{path}' has {file.channels} channels at {file.samplerate} Hz: give an impulse response with up "
                    f"to {MOST_CHANNELS} channels and {MOST_IMPULSE_HERTZ} Hz"
                )
            sound, rate = file.read(dtype="float64", always_2d=True), file.samplerate
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"'{path}' cannot be read as an impulse response ({error.error_string}): give a WAV"
        ) from error
    if not np.isfinite(sound).all() or not sound.any() or not sound.mean(axis=1).any():
        raise InputError(f"'{path}' is silent, so it is no impulse response")
    return sound, rate
