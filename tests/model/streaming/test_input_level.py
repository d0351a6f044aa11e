"""Laws of the level at which the network hears: bounded, smooth, undone, and only where it is needed."""

import numpy as np
import pytest
import torch
from support.networks import NATIVE, Fake, noise, run

from model.hub import weights
from model.streaming.input_level import FRAME, MOST_LOWERED_DB, MOST_RAISED_DB, InputLevel, weighted_powers
from model.streaming.separator import separate

LUFS = -27.0


def level(gain=1.0):
    return InputLevel(gain, LUFS, NATIVE)


def at_lufs(lufs, seconds, seed=0):
    """Noise whose weighted powers have the given mean, `[N]`."""
    sound = noise(1, round(seconds * NATIVE), seed)[0]
    now = 10 * np.log10(weighted_powers(sound, NATIVE)[:-1].mean()) - 0.7
    return (sound * 10 ** ((lufs - now) / 20)).astype(np.float32)


def decibels(factor):
    return 20 * np.log10(factor)


@pytest.mark.parametrize("away", [-2.7, 0.0, 2.7])
def test_what_is_near_the_expected_level_is_heard_as_it_is(away):
    assert level(2.0).of(at_lufs(LUFS + away, 8) / 2) == (0.0, 2.0)


@pytest.mark.parametrize("away", [-35.0, -20.0, -14.0, 14.0, 20.0, 60.0])
def test_a_passage_far_away_is_brought_to_it(away):
    _, factor = level().of(at_lufs(LUFS + away, 8))
    np.testing.assert_allclose(decibels(factor), -away, atol=1.0)


@pytest.mark.parametrize("away", [-20.0, -10.0, -8.0, 8.0, 10.0, 20.0])
def test_a_whole_sequence_far_away_is_heard_as_any_other(away):
    """One gain for all of it: its ups and downs are the same, whatever it lies at."""
    swelling = np.concatenate([at_lufs(LUFS + up, 5, seed) for seed, up in enumerate((2, -4, 1, -3, 2, -14))])
    expected = level().of(swelling * np.float32(10 ** (-22 / 20)))[1]
    _, factor = level().of(swelling * np.float32(10 ** (away / 20)))
    np.testing.assert_allclose(decibels(factor) + away, decibels(expected) - 22, atol=0.01)
    assert np.ptp(decibels(factor)) > 5  # the passage far under the others is raised


def test_what_is_far_below_does_not_count_in_the_level_of_a_sequence():
    loud, pause = at_lufs(LUFS + 2, 4), at_lufs(LUFS - 60, 16, seed=1)
    _, factor = level().of(np.concatenate([loud, pause]))
    np.testing.assert_array_equal(factor[: 2 * NATIVE], 1)


def test_only_the_passage_that_is_far_away_is_changed():
    loud, quiet = at_lufs(LUFS, 8), at_lufs(LUFS - 20, 8, seed=1)
    _, factor = level().of(np.concatenate([loud, quiet]))
    middle, reach = len(loud), 2 * NATIVE
    np.testing.assert_array_equal(factor[: middle - reach], 1)
    np.testing.assert_allclose(decibels(factor[middle + reach :]), 20, atol=1.0)
    slope = np.abs(np.diff(decibels(factor)[::FRAME])) * NATIVE / FRAME
    assert 10 < slope.max() < 40  # dB a second; a word takes half of one


def test_the_gain_is_bounded():
    quiet, loud = at_lufs(-120, 8), at_lufs(80, 8)
    with np.errstate(divide="raise"):
        silent = level().of(np.zeros(8 * NATIVE, np.float32))
    for (_, factor), bound in (
        ((0, level().of(quiet)[1]), MOST_RAISED_DB),
        (silent, MOST_RAISED_DB),
        ((0, level().of(loud)[1]), -MOST_LOWERED_DB),
    ):
        np.testing.assert_allclose(decibels(factor), bound, atol=1e-3)


def test_a_rumble_is_no_loud_passage():
    """The same voice, with 15 Hz that are 20 dB louder than it."""
    voice = at_lufs(LUFS, 8)
    rumble = np.sin(2 * np.pi * 15 * np.arange(len(voice)) / NATIVE, dtype=np.float32)
    rumble *= 10 * np.sqrt(np.mean(voice**2) / np.mean(rumble**2))
    assert level().of(voice + rumble) == (0.0, 1.0)


@pytest.mark.parametrize("samples", [1, 100, FRAME, FRAME + 1, 3 * FRAME - 1])
def test_there_is_a_factor_for_each_sample(samples):
    _, factor = level().of(np.full(samples, 1e-4, np.float32))
    assert factor.shape == (samples,)
    assert np.isfinite(factor).all()
    assert (factor >= 1).all()


def test_all_of_it_is_undone():
    """Loud and quiet passages, through a network that hands on what it hears."""
    network = Fake(window=4 * NATIVE, context=2048, crossfade=1024)
    x = np.concatenate([at_lufs(LUFS, 4), at_lufs(LUFS - 40, 5), at_lufs(LUFS + 40, 4)])[None]
    _, stems = run(x, network, stems=("music",))
    np.testing.assert_allclose(stems[0], x, rtol=1e-5, atol=1e-9)


def test_a_direct_current_is_hidden_and_stays_in_the_mixture():
    heard = []
    network = Fake(window=4 * NATIVE, context=2048, crossfade=1024, law=lambda x: heard.append(x.clone()) or x)
    x = at_lufs(LUFS, 10)[None]
    mixture, stems = run(x + np.float32(0.25), network, stems=("music",))
    np.testing.assert_array_equal(mixture, x + np.float32(0.25))
    assert max(abs(float(sequence.mean())) for call in heard for sequence in call) < 1e-4
    np.testing.assert_allclose(stems[0], x, atol=1e-3)  # each window of noise has a mean of its own


@pytest.mark.parametrize("db", [-40.0, 40.0])
def test_a_quieter_film_has_the_same_stems_quieter(db):
    """Linear: with the gain that the film's loudness gives, nothing but rounding differs."""
    network = Fake(window=4 * NATIVE, context=2048, crossfade=1024, law=lambda x: x.clamp(-0.1, 0.1))
    x = np.concatenate([at_lufs(LUFS, 5), at_lufs(LUFS - 25, 5)])[None]
    factor = np.float32(10 ** (db / 20))
    one, other = run(x, network)[1], run(x * factor, network, input_gain=1 / float(factor))[1]
    np.testing.assert_allclose(other / factor, one, rtol=1e-4, atol=1e-6)


def test_a_gain_frozen_at_the_wrong_level_costs_little():
    """A pipe that begins with room tone, and a passage 20 dB under the film: the bundled network gives nearly the stems
    of the right gain, where without following it is lost."""
    network = weights.load("cfork")
    rng = np.random.default_rng(3)
    time = np.arange(6 * NATIVE) / NATIVE
    tones = sum(np.sin(2 * np.pi * 220 * (n + 1) * time) / (n + 1) for n in range(6)) * (1 + 0.3 * np.sin(9 * time))
    bursts = rng.standard_normal(len(time)) * (np.sin(2 * np.pi * 1.5 * time) > 0.8)
    x = (0.03 * tones + 0.05 * bursts).astype(np.float32)[None]
    right = 10 ** ((LUFS + 0.7 - 10 * np.log10(weighted_powers(x[0], NATIVE).mean())) / 20)

    def stems(gain, follows):
        torch.set_num_threads(1)
        run_ = separate([x], network, sample_rate=NATIVE, channels=1, input_gain=gain, follows_level=follows, workers=1)
        return np.concatenate([piece for _, piece in run_], axis=-1)

    wanted = stems(right, False)
    for away in (-20, 30):
        wrong = right * 10 ** (away / 20)
        followed, frozen = (np.linalg.norm(stems(wrong, how) - wanted) for how in (True, False))
        assert followed < 0.3 * frozen
