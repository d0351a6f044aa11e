"""Change sounds on their way into a training scene: filters, rooms, panning, other pitch and speed.

The networks hear one channel at a time. A channel of a wide mix is a mono mix in which the sources of one class stand
at different levels (`pan_gain`), and in which a source on the far side has more room than direct sound (`colored`).
Filters work in the frequency domain on the whole crop, in single precision.
"""

from __future__ import annotations

import math

import numpy as np
import soxr
from scipy import fft, signal

from .. import SAMPLE_RATE

RUMBLE_HZ = 30.0  # below, recordings hold DC and handling noise: inaudible, yet it would rule the loss
ROOM_SECONDS = 0.5  # the longest reverberation
FILM_ROOM_SECONDS = 1.0  # the same of films
EQ_KNOTS = 7
PIECE = 880  # samples: half of what `stretched` moves about, 20 ms
SEARCH = 440  # samples: how far from its place it looks for a fitting piece
SKIP = 4  # it compares every fourth sample; the others are divisible by it, so that the very next piece is found


def place(out: np.ndarray, clip: np.ndarray, position: int) -> None:
    """Add the clip to `out` [T] at a position that may lie before the start or reach past the end."""
    first, last = max(position, 0), min(position + len(clip), len(out))
    if first < last:
        out[first:last] += clip[first - position : last - position]


def fade(clip: np.ndarray, seconds: float) -> np.ndarray:
    """A copy with linear fades at both ends."""
    clip = clip.copy()
    length = min(int(seconds * SAMPLE_RATE), len(clip) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    clip[:length] *= ramp
    clip[len(clip) - length :] *= ramp[::-1]
    return clip


def pan_gain(rng: np.random.Generator) -> float:
    """What one of two channels hears of a source panned anywhere: constant power, +3 dB on its own side, -14 dB on
    the far one. Without the far end nothing would be lost entirely."""
    return math.sqrt(2) * math.cos(rng.uniform(0.0, 0.46) * math.pi)


def warped(audio: np.ndarray, ratio: float) -> np.ndarray:
    """Lower and slower by `ratio` (below 1: higher and faster), as a tape would be; [T] -> [T * ratio]."""
    resampled: np.ndarray = soxr.resample(audio, SAMPLE_RATE / ratio, SAMPLE_RATE, quality="LQ")
    return resampled


def stretched(audio: np.ndarray, factor: float) -> np.ndarray:
    """Slower by `factor` (below 1: faster) at the same pitch; [T] -> about [T * factor].

    Overlap-add of pieces that continue one another (WSOLA; Verhelst and Roelands, ICASSP 1993): of all pieces near
    the right place the one most like the true continuation of the last is taken.

    >>> tone = np.sin(np.arange(44_100) / 20).astype(np.float32)
    >>> slow = stretched(tone, 1.25)
    >>> 1.2 < len(slow) / len(tone) <= 1.25
    True
    """
    pieces = int(len(audio) * factor) // PIECE - 1
    if pieces < 2:
        return audio.copy()
    window = (0.5 - 0.5 * np.cos(np.pi * np.arange(2 * PIECE) / PIECE)).astype(np.float32)
    padded = np.pad(audio, (0, 3 * PIECE + 2 * SEARCH))
    out = np.zeros((pieces + 1) * PIECE, np.float32)
    at = 0
    for number in range(pieces):
        if number:
            first = max(int(number * PIECE / factor) - SEARCH, 0)
            likely = padded[first : first + 2 * SEARCH + PIECE : SKIP]
            true = padded[at + PIECE : at + 2 * PIECE : SKIP]
            total = np.cumsum(np.concatenate([[0.0], likely.astype(np.float64) ** 2]))
            power = total[len(true) :] - total[: -len(true)]
            at = first + SKIP * int(np.argmax(np.correlate(likely, true, "valid") / np.sqrt(power + 1e-9)))
        out[number * PIECE : (number + 2) * PIECE] += window * padded[at : at + 2 * PIECE]
    out[:PIECE] += (1 - window[:PIECE]) * padded[:PIECE]  # the first piece has nobody to be faded in from
    return out


def gated_lufs(weighted: np.ndarray) -> float:
    """Integrated loudness of K-weighted audio [T]: blocks of 400 ms, both gates of BS.1770; -inf for silence.

    The blocks do not overlap: close enough for training, and four times less work.
    """
    block = int(0.4 * SAMPLE_RATE)
    blocks = max(len(weighted) // block, 1)
    rows = weighted[: blocks * block].reshape(blocks, -1)
    power = np.einsum("bt,bt->b", rows, rows, dtype=np.float64) / rows.shape[1]
    power = power[power > 10 ** ((-70 + 0.691) / 10)]
    if not len(power):
        return -np.inf
    power = power[power > power.mean() * 0.1]
    return float(-0.691 + 10 * np.log10(power.mean()))


def k_weighting(hz: np.ndarray) -> np.ndarray:
    """Magnitude of the K-weighting filters of ITU-R BS.1770-4 at `hz` (48 kHz coefficients)."""
    shelf = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585])
    highpass = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])
    _, first = signal.freqz(*shelf, worN=hz, fs=48_000)
    _, second = signal.freqz(*highpass, worN=hz, fs=48_000)
    magnitude: np.ndarray = np.abs(first * second)
    return magnitude


class Colors:
    """Filters for crops of `length` samples. Nothing wraps around: the transform is longer than crop and room."""

    def __init__(self, length: int, room_seconds: float = ROOM_SECONDS) -> None:
        self.length = length
        self.size = int(fft.next_fast_len(length + int(room_seconds * SAMPLE_RATE), real=True))
        hz = fft.rfftfreq(self.size, 1 / SAMPLE_RATE)
        self.no_rumble = (1 / np.sqrt(1 + (RUMBLE_HZ / np.maximum(hz, 1e-3)) ** 8)).astype(np.float32)
        self.k_weights = k_weighting(np.minimum(hz, 23_999.0)).astype(np.float32)
        self.log_hz = np.log(np.maximum(hz, 1.0)).astype(np.float32)
        octaves = np.log2(np.maximum(hz, 30.0))
        at = (octaves - octaves[0]) / (octaves[-1] - octaves[0]) * (EQ_KNOTS - 1)
        self.knot = np.minimum(at.astype(np.intp), EQ_KNOTS - 2)
        self.past_knot = (at - self.knot).astype(np.float32)

    def heard(self, spectrum: np.ndarray) -> np.ndarray:
        """Spectrum -> the crop, float32 [..., length]."""
        sound: np.ndarray = fft.irfft(spectrum, self.size, overwrite_x=False)[..., : self.length]
        return sound

    def spectrum(self, audio: np.ndarray) -> np.ndarray:
        """Spectrum of a crop [..., length], with room behind it for what a filter adds."""
        bins: np.ndarray = fft.rfft(audio.astype(np.float32, copy=False), self.size)
        return bins

    def loudness(self, audio: np.ndarray) -> float:
        """LUFS of a crop, see `gated_lufs`."""
        spectrum = fft.rfft(audio.astype(np.float32, copy=False), self.size)
        return gated_lufs(self.heard(spectrum * self.k_weights)[: len(audio)])

    def low_pass(self, hz: float) -> np.ndarray:
        """Gains of all bins: -3 dB at `hz`, 72 dB an octave, as narrow-band sources have it."""
        gains: np.ndarray = 1 / np.sqrt(1 + np.exp(np.minimum(24 * (self.log_hz - np.float32(math.log(hz))), 80)))
        return gains

    def high_pass(self, hz: float) -> np.ndarray:
        """Gains of all bins: -3 dB at `hz`, 24 dB an octave."""
        gains: np.ndarray = 1 / np.sqrt(1 + np.exp(8 * (np.float32(math.log(hz)) - self.log_hz)))
        return gains

    def raised(self, gain_db: float) -> np.ndarray:
        """Gains of all bins of a raised voice: 1 up to 350 Hz, `gain_db` from 1.5 to 4 kHz, half of it far above."""
        points = np.log(np.array([350.0, 1500.0, 4000.0, 9000.0]))
        gains: np.ndarray = 10 ** (np.interp(self.log_hz, points, [0.0, gain_db, gain_db, gain_db / 2]) / 20)
        return gains.astype(np.float32)

    def equalizer(self, rng: np.random.Generator) -> np.ndarray:
        """Gains of all bins: a random curve through 7 points along the octaves, 3 dB of deviation each."""
        points = (rng.normal(0, 3.0, EQ_KNOTS) * (math.log(10) / 20)).astype(np.float32)
        rise = points[1:] - points[:-1]
        gains: np.ndarray = np.exp(points[self.knot] + self.past_knot * rise[self.knot])
        return gains

    def room(
        self, rng: np.random.Generator, *, wide: bool, seconds: tuple[float, float] = (0.15, 0.45),
        reverberant_db: tuple[float, float] = (-14.0, 1.0),
    ) -> np.ndarray:  # fmt: skip
        """Spectrum of a room: the direct sound, some early reflections, a decaying tail.

        In one channel of a wide mix the direct sound may come from the other side, and the room stays.

        Args:
            seconds: shortest and longest decay by 60 dB, below the `room_seconds` of these filters.
            reverberant_db: least and greatest energy of the tail, relative to a direct sound of 1.
        """
        tail = np.arange(int(rng.uniform(*seconds) * SAMPLE_RATE), dtype=np.float32)
        response = rng.standard_normal(len(tail), dtype=np.float32) * np.exp(tail * np.float32(-6.9 / len(tail)))
        response *= np.float32(10 ** (rng.uniform(*reverberant_db) / 20)) / np.sqrt(np.sum(response**2))
        if wide:
            for _ in range(int(rng.integers(0, 4))):
                delay = int(rng.uniform(0.001, 0.03) * SAMPLE_RATE)
                response[delay] += rng.choice((-1.0, 1.0)) * 10 ** (rng.uniform(-16, -4) / 20)
        response[0] += pan_gain(rng) if wide else 1.0
        spectrum: np.ndarray = fft.rfft(response, self.size)
        return spectrum

    def colored(
        self, audio: np.ndarray, rng: np.random.Generator, kind: str, *, wide: bool = False,
        shared: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """No rumble; random equalization, band limits (all classes alike, or treble alone would tell), reverberation.

        Args:
            shared: gains that all classes of the scene get, such as `low_pass` of an old film.

        Returns:
            the sound and its K-weighted version, both float32 [length].
        """
        spectrum = fft.rfft(audio, self.size) * self.no_rumble
        if rng.random() < 0.35:
            spectrum *= self.equalizer(rng)
        if rng.random() < 0.22:
            spectrum *= self.low_pass(rng.uniform(3400, 12_000))
        if rng.random() < 0.08:
            spectrum *= self.high_pass(rng.uniform(80, 350))
        if rng.random() < (0.2 if kind == "speech" else 0.12 if wide else 0.06):
            spectrum *= self.room(rng, wide=wide)
        if shared is not None:
            spectrum *= shared
        return self.heard(spectrum), self.heard(spectrum * self.k_weights)

    def far(self, voice: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A voice far away: mostly room; [length] -> [length]."""
        gains = self.room(rng, wide=False, seconds=(0.3, 0.95), reverberant_db=(0.0, 8.0))
        return self.heard(self.spectrum(voice) * gains)

    def shouted(self, voice: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A voice as if raised: two to six semitones higher, and its energy moved from below 500 Hz to 1 to 4 kHz.

        Shape: [length] -> [length]
        """
        higher = warped(voice, 2 ** (-rng.uniform(2, 6) / 12))
        spectrum = self.spectrum(np.pad(higher, (0, max(self.length - len(higher), 0)))[: self.length])
        return self.heard(spectrum * self.raised(rng.uniform(6, 14)))

    def crowded(self, voices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """People who talk at once, as if behind others: dull, and far away in one room; [..., length] -> the same."""
        spectrum = self.spectrum(voices) * self.low_pass(rng.uniform(2000, 6000))
        spectrum *= self.room(rng, wide=False, seconds=(0.4, 0.95), reverberant_db=(0.0, 12.0))
        return self.heard(spectrum)
