"""Convolution of a stream is convolution; the rooms are the same everywhere, and die away as they say."""

from __future__ import annotations

import numpy as np
import pytest

from cfork_cli.mix.convolver import Convolver, Reverberation
from cfork_cli.mix.effect import Effect, Series
from cfork_cli.mix.rooms import KINDS, impulse_response

RNG = np.random.default_rng(5)


def through(effect: Effect, sound: np.ndarray, lengths: list[int]) -> np.ndarray:
    """The sound through an effect, cut into blocks of these lengths, again and again."""
    out, place, number = [], 0, 0
    while place < sound.shape[1]:
        length = lengths[number % len(lengths)]
        out.append(effect.push(sound[:, place : place + length]))
        place, number = place + length, number + 1
    end = effect.finish()
    return np.concatenate([*out, *([end] if end is not None else [])], axis=1)


@pytest.mark.parametrize("taps", [1, 7, 1024, 5000, 140_000])
@pytest.mark.parametrize("same", [True, False])
def test_it_is_the_convolution_cut_to_the_length(taps: int, same: bool) -> None:
    sound = RNG.standard_normal((2, 30_011)).astype(np.float32)
    impulses = RNG.standard_normal((1 if same else 2, taps)) / np.sqrt(taps)
    size = 1 << 18
    spectra = np.fft.rfft(sound, size) * np.fft.rfft(impulses, size)
    direct = np.fft.irfft(spectra)[:, : sound.shape[1]]
    found = through(Convolver(impulses, 2), sound, [4096])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, direct, atol=3e-6)


@pytest.mark.parametrize("lengths", [[1, 17, 30_000], [4096], [65_536]])
def test_block_lengths_leave_no_trace(lengths: list[int]) -> None:
    sound = np.random.default_rng(6).standard_normal((2, 50_011)).astype(np.float32)
    reverberation = Reverberation(impulse_response("room", 48_000, 2), -10, 2)
    whole = Reverberation(impulse_response("room", 48_000, 2), -10, 2)
    assert np.array_equal(through(reverberation, sound, lengths), through(whole, sound, [50_011]))


def test_wrong_shapes_and_nothing_at_all() -> None:
    for impulses in (np.zeros((3, 5)), np.zeros((2, 0)), np.zeros(5)):
        with pytest.raises(ValueError, match="do not fit"):
            Convolver(impulses, 2)
    assert Convolver(np.ones((1, 1)), 2).finish().shape == (2, 0)
    assert Series([]).finish() is None


def test_the_level_of_the_echo_is_that_which_was_asked_for() -> None:
    noise = RNG.standard_normal((2, 96_000)).astype(np.float32)
    echo = through(Reverberation(impulse_response("room", 48_000, 2), -10, 2), noise, [9000]) - noise
    later = slice(48_000, None)  # the room is full by then
    found_db = 10 * np.log10(np.square(echo[:, later]).mean() / np.square(noise[:, later]).mean())
    assert found_db == pytest.approx(-10, abs=0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
def test_rooms(kind: str, sample_rate: int) -> None:
    impulses = impulse_response(kind, sample_rate, 2)
    space = KINDS[kind]
    assert np.array_equal(impulses, impulse_response(kind, sample_rate, 2))
    np.testing.assert_allclose(np.square(impulses).sum(axis=1), 1)
    first = round(space.first_seconds * sample_rate)
    assert not impulses[:, :first].any()  # no direct sound
    assert abs(np.corrcoef(impulses)[0, 1]) < 0.35  # wide
    # Schroeder: energy that is still to come, -20 to -50 dB (the high notes are gone by then), times two
    energy = np.square(impulse_response(kind, sample_rate, 12)).sum(axis=0)
    left_db = 10 * np.log10(np.cumsum(energy[::-1])[::-1] / energy.sum())
    fall = np.searchsorted(-left_db, [20, 50])
    decay = (fall[1] - fall[0]) / sample_rate * 2
    assert decay == pytest.approx(space.decay_seconds, rel=0.2)


def test_effects_in_series_stay_in_step() -> None:
    sound = RNG.standard_normal((1, 20_000)).astype(np.float32)
    ones: list[Effect] = [Convolver(np.eye(1, 600, 599), 1), Convolver(np.eye(1, 2000, 1), 1)]
    late = np.concatenate((np.zeros((1, 600), np.float32), sound[:, :-600]), axis=1)
    series = Series(ones)
    out = [series.push(sound[:, start : start + 777]) for start in range(0, 20_000, 777)]
    end = series.finish()
    assert end is not None
    np.testing.assert_allclose(np.concatenate([*out, end], axis=1), late, atol=1e-6)
