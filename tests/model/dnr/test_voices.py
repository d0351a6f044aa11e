"""Voices from afar, through telephones, whispered and sung: what each must do to a spectrum."""

import numpy as np
import pytest
from scipy import signal
from support.tiny_packs import voice

from model import SAMPLE_RATE
from model.dnr.voices import STRETCH, distant, melody, sung, telephone, whispered

SECONDS = 1.0


@pytest.fixture(scope="module")
def speech():
    """Harmonics of 130 Hz up to 1.6 kHz that swell and cease, and a hiss beyond."""
    return voice(1, SECONDS) + (0.002 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)).astype(np.float32)


def rng():
    return np.random.default_rng(1)


def band_db(audio, low, high):
    """Power between two frequencies in dB."""
    hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    power = np.abs(np.fft.rfft(audio)) ** 2
    return 10 * np.log10(power[(hz >= low) & (hz < high)].sum() + 1e-20)


def peak_to_floor_db(audio, low=200.0, high=1500.0):
    """How far the strongest bins stand out of a band: lines of a voiced sound, none in noise."""
    hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))[(hz >= low) & (hz < high)] ** 2
    return 10 * np.log10(power.max() / np.median(power))


def envelope(audio, seconds=0.05):
    """Root mean squares of successive pieces."""
    size = round(seconds * SAMPLE_RATE)
    pieces = audio[: len(audio) // size * size].reshape(-1, size)
    return np.sqrt(np.square(pieces).mean(axis=1))


def test_a_telephone_carries_300_to_3400_hertz():
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    heard = telephone(noise)
    assert heard.shape == noise.shape
    assert heard.dtype == np.float32
    assert band_db(heard, 600, 2800) == pytest.approx(band_db(noise, 600, 2800), abs=0.5)
    assert band_db(heard, 4100, 20_000) < band_db(noise, 4100, 20_000) - 60
    assert band_db(heard, 20, 150) < band_db(noise, 20, 150) - 20


def test_a_distant_voice_reverberates_as_drawn():
    click = np.zeros(2 * SAMPLE_RATE, np.float32)
    click[0] = 1.0
    room, drawn = distant(click, rng())
    assert len(room) == len(click)
    direct, rest = room[0] ** 2, np.square(room[1:], dtype=np.float64).sum()
    assert 10 * np.log10(direct / rest) == pytest.approx(drawn["direct_to_reverberant_db"], abs=0.01)
    assert -6 <= drawn["direct_to_reverberant_db"] <= 0
    assert np.abs(room[1 : round(0.005 * SAMPLE_RATE)]).max() < 1e-12
    # 60 dB less after the decay time, where the treble does not hasten it
    low = signal.sosfilt(signal.butter(4, 1000, fs=SAMPLE_RATE, output="sos"), room)
    steps = envelope(low[round(0.02 * SAMPLE_RATE) :])
    early, late = steps[1], steps[1 + round(drawn["decay_seconds"] / 2 / 0.05)]
    assert 20 * np.log10(late / early) == pytest.approx(-30, abs=4)


def test_a_whisper_keeps_the_rhythm_and_loses_the_pitch(speech):
    quiet = whispered(speech, rng())
    assert quiet.shape == speech.shape
    assert np.isfinite(quiet).all()
    # a voice has lines, a whisper has none
    assert peak_to_floor_db(speech) > peak_to_floor_db(quiet) + 15
    assert np.corrcoef(envelope(speech), envelope(quiet))[0, 1] > 0.7


def test_a_song_is_longer_and_has_lines(speech):
    song = sung(whispered(speech, rng()), rng())
    assert len(song) == round(len(speech) * STRETCH)
    assert np.isfinite(song).all()
    piece = song[round(0.5 * SAMPLE_RATE) :][: SAMPLE_RATE // 10]
    noise = whispered(speech, rng())[: SAMPLE_RATE // 10]
    assert peak_to_floor_db(piece) > peak_to_floor_db(noise) + 6


def test_melodies_stay_in_an_octave_and_a_half():
    pitch = melody(3 * SAMPLE_RATE, rng())
    assert pitch.shape == (3 * SAMPLE_RATE,)
    assert pitch.min() > 120
    assert pitch.max() / pitch.min() < 2.4
    # notes glide: no sample is a jump
    assert np.abs(np.diff(np.log2(pitch))).max() < 0.001


@pytest.mark.parametrize("make", [whispered, sung, lambda audio, rng: distant(audio, rng)[0]])
def test_the_seed_decides(make, speech):
    short = speech[: SAMPLE_RATE // 4]
    np.testing.assert_array_equal(make(short, rng()), make(short, rng()))
    assert not np.array_equal(make(short, rng()), make(short, np.random.default_rng(2)))


@pytest.mark.parametrize("make", [whispered, sung, lambda audio, rng: distant(audio, rng)[0]])
def test_silence_stays_silent(make):
    assert not make(np.zeros(SAMPLE_RATE // 4, np.float32), rng()).any()
