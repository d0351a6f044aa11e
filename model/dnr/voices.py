"""Voices that are not clean studio speech, made of such: telephone, distant, whispered, sung.

Telephone and distance are filters, as in life. Whispering and singing are simulations: linear prediction (LPC, the
autocorrelation method) takes the resonances of the mouth from the recording, and another sound drives them: noise for
a whisper, a steady melody for singing. They keep the words and the speaker's vowels; a real whisper or song differs in
more than that.

All audio is mono [T] at 44.1 kHz; nothing here sets the level.
"""

from __future__ import annotations

import numpy as np
import soxr
from scipy import linalg, signal

from .. import SAMPLE_RATE

TELEPHONE_HZ = (300.0, 3400.0)
TELEPHONE_RATE = 8000
ORDER = 46  # of the prediction: two poles a kilohertz and two for the tilt
FRAME = 1024
STEP = FRAME // 2
NOISE_FLOOR = 1e-5  # of a frame's power, added to it: else the empty treble of narrow-band speech makes wild filters
WHISPER_HZ = 700.0  # below, a whisper lacks what the larynx would give
SCALE = (0, 2, 4, 7, 9, 12)  # semitones: a major pentatonic
STRETCH = 1.6  # vowels are held longer in singing
TOP_HZ = 16_000.0  # of the harmonics of a sung note


def telephone(audio: np.ndarray) -> np.ndarray:
    """The audio through a telephone of old: sampled at 8 kHz, 300 to 3400 Hz."""
    narrow = soxr.resample(audio, SAMPLE_RATE, TELEPHONE_RATE)
    sections = signal.butter(4, TELEPHONE_HZ, "bandpass", fs=TELEPHONE_RATE, output="sos")
    wide = soxr.resample(signal.sosfilt(sections, narrow), TELEPHONE_RATE, SAMPLE_RATE)
    return _fitted(wide, len(audio))


def distant(audio: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, float]]:
    """The audio from afar in a hard room, and what was drawn for it.

    The response of the room is the direct sound, a gap, then noise that decays exponentially, treble twice as fast. The
    direct sound has 0 to 6 dB less energy than the rest.
    """
    decay_seconds, ratio_db = rng.uniform(0.6, 1.2), rng.uniform(-6.0, 0.0)
    gap = round(rng.uniform(0.005, 0.02) * SAMPLE_RATE)
    size = round(decay_seconds * SAMPLE_RATE)
    time = np.arange(size) / SAMPLE_RATE
    noise = rng.standard_normal((2, size))
    split = signal.butter(2, 2000.0, fs=SAMPLE_RATE, output="sos")
    low = signal.sosfilt(split, noise[0]) * np.exp(-6.91 * time / decay_seconds)
    high = (noise[1] - signal.sosfilt(split, noise[1])) * np.exp(-6.91 * time * 2 / decay_seconds)
    tail = low + high
    room = np.concatenate([[1.0], np.zeros(gap), tail * 10 ** (-ratio_db / 20) / np.sqrt(np.square(tail).sum())])
    drawn = {"decay_seconds": round(decay_seconds, 3), "direct_to_reverberant_db": round(ratio_db, 2)}
    return _fitted(signal.fftconvolve(audio, room), len(audio)), drawn


def whispered(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The audio as if whispered: its resonances, driven by noise. A simulation."""
    voice = _resynthesized(audio, rng.standard_normal(len(audio) + 2 * FRAME), 1.0)
    sections = signal.butter(1, WHISPER_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    return _fitted(signal.sosfilt(sections, voice), len(audio))


def sung(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The audio as if sung, 1.6 times as long: its resonances, driven by a melody with vibrato. A simulation."""
    pitch = melody(round(len(audio) * STRETCH) + 2 * FRAME, rng)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    partials = int(TOP_HZ / pitch.max())
    # the closed form of cos(phase) + cos(2 phase) + ...: pulses without a harmonic beyond TOP_HZ
    below = np.sin(phase / 2)
    near = np.abs(below) < 1e-6
    pulses = np.sin((partials + 0.5) * phase) / np.where(near, 1.0, below) / 2 - 0.5
    pulses[near] = partials
    pulses /= np.sqrt(np.square(pulses).mean())
    return _resynthesized(audio, pulses + 0.05 * rng.standard_normal(len(pulses)), STRETCH)


def melody(samples: int, rng: np.random.Generator) -> np.ndarray:
    """A pitch in Hz for each sample: notes of 0.3 to 0.9 s that glide into one another, with vibrato."""
    lowest = rng.uniform(130.0, 260.0)
    notes: list[np.ndarray] = []
    while sum(map(len, notes)) < samples:
        notes.append(np.full(round(rng.uniform(0.3, 0.9) * SAMPLE_RATE), float(rng.choice(SCALE))))
    semitones = np.concatenate(notes)[:samples]
    glide = np.hanning(round(0.08 * SAMPLE_RATE))
    semitones = signal.fftconvolve(np.pad(semitones, len(glide), "edge"), glide / glide.sum(), "same")
    semitones = semitones[len(glide) : len(glide) + samples]
    vibrato = 0.4 * np.sin(2 * np.pi * 5.5 * np.arange(samples) / SAMPLE_RATE)
    pitch: np.ndarray = lowest * 2 ** ((semitones + vibrato) / 12)
    return pitch


def _resynthesized(audio: np.ndarray, source: np.ndarray, stretch: float) -> np.ndarray:
    """The source, of unit power, through the resonances of the audio, frame by frame; `stretch` times as long."""
    window = np.hanning(FRAME + 1)[:FRAME]
    padded = np.pad(audio.astype(np.float64), FRAME)
    size = round(len(audio) * stretch)
    out = np.zeros(size + 2 * FRAME)
    for position in range(0, size + FRAME, STEP):
        begin = min(int(position / stretch), len(padded) - FRAME)
        frame = padded[begin : begin + FRAME] * window
        power = np.correlate(frame, frame, "full")[FRAME - 1 : FRAME + ORDER]
        if power[0] <= 0:
            continue
        power[0] *= 1 + NOISE_FLOOR
        taps = np.concatenate([[1.0], -linalg.solve_toeplitz(power[:-1], power[1:])])
        gain = np.sqrt(max(float(taps @ power), 0.0) / np.square(window).sum())
        # the filter rings in before the frame begins, or every frame would begin with a click
        begin = max(position - FRAME, 0)
        driven = signal.lfilter([gain], taps, source[begin : position + FRAME])[position - begin :]
        out[position : position + FRAME] += driven * window
    return _fitted(out[FRAME:], size)


def _fitted(audio: np.ndarray, size: int) -> np.ndarray:
    """Exactly so many samples, float32."""
    fitted = np.zeros(size, np.float32)
    fitted[: min(size, len(audio))] = audio[:size]
    return fitted
