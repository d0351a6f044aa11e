"""Laws of the filter by place, and of what is taken from the network where there are pairs of channels."""

import threading

import numpy as np
import pytest
import torch
from support.networks import NATIVE, Fake, noise

from model import STEMS
from model.streaming import wiener
from model.streaming.outcome import Outcome
from model.streaming.separator import separate
from model.streaming.wiener import LEAST_SAMPLES, refined

SAMPLES = 2 * NATIVE


def placed(seed, degrees, samples=SAMPLES):
    """Noise that comes and goes, at some place: 0 is left, 45 the middle."""
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal(samples) * np.repeat(rng.uniform(0.05, 1, samples // 4410 + 1), 4410)[:samples]
    angle = np.deg2rad(degrees)
    return np.float32([np.cos(angle) * sound, np.sin(angle) * sound]) * np.float32(0.1)


def scene(samples=SAMPLES):
    """Three stems at places of their own, and estimates of them that leak a third of one another; they have one sum."""
    stems = np.stack([placed(1, 10, samples), placed(2, 45, samples), placed(3, 80, samples)])
    shares = np.float32([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]])
    return stems, np.einsum("ij,jct->ict", shares, stems)


def snr(estimate, truth):
    return 10 * np.log10(np.square(truth).sum() / np.square(estimate - truth).sum())


def test_stems_at_different_places_are_told_apart():
    stems = np.stack([placed(1, 15), placed(2, 45)])
    leaking = np.stack([0.7 * stems[0] + 0.3 * stems[1], 0.3 * stems[0] + 0.7 * stems[1]])
    found = refined(leaking)
    for number in range(2):
        assert snr(found[number], stems[number]) > snr(leaking[number], stems[number]) + 3


@pytest.mark.parametrize("samples", [LEAST_SAMPLES, LEAST_SAMPLES + 1, SAMPLES, SAMPLES + 777])
def test_the_sum_stays_to_its_ends(samples):
    _, leaking = scene(samples)
    found = refined(leaking)
    assert (found.shape, found.dtype) == (leaking.shape, np.float32)
    np.testing.assert_allclose(found.sum(0), leaking.sum(0), atol=1e-6)
    assert not np.allclose(found, leaking, atol=1e-4)


@pytest.mark.parametrize("gain", [1e-4, 0.125, 1e4])
def test_the_level_does_not_matter(gain):
    _, leaking = scene()
    np.testing.assert_allclose(refined(np.float32(gain) * leaking) / gain, refined(leaking), atol=1e-4)


def test_left_and_right_are_alike():
    _, leaking = scene()
    np.testing.assert_allclose(refined(leaking[:, ::-1].copy())[:, ::-1], refined(leaking), atol=1e-5)


def test_the_order_of_the_stems_does_not_matter():
    _, leaking = scene()
    np.testing.assert_allclose(refined(leaking[::-1].copy())[::-1], refined(leaking), atol=1e-5)


@pytest.mark.parametrize("right", [1.0, -1.0, 0.0, 0.99])
def test_one_channel_is_left_as_it_is(right):
    left = np.stack([noise(1, SAMPLES, seed=number)[0] for number in range(3)])
    stems = np.stack([left, np.float32(right) * left], axis=1)
    np.testing.assert_array_equal(refined(stems), stems)


def test_too_little_and_silence_are_left_as_they_are():
    _, leaking = scene(LEAST_SAMPLES - 1)
    np.testing.assert_array_equal(refined(leaking), leaking)
    assert not refined(np.zeros((3, 2, SAMPLES), np.float32)).any()


def test_what_is_silent_in_places_stays_finite_and_silent_there():
    _, leaking = scene()
    leaking[0] = 0
    leaking[:, :, NATIVE // 2 : NATIVE] = 0
    found = refined(leaking)
    assert np.isfinite(found).all()
    assert np.abs(found[0]).max() < 1e-6
    assert np.abs(found[:, :, NATIVE // 2 + wiener.FRAME : NATIVE - wiener.FRAME]).max() < 1e-6


def test_the_argument_is_not_changed_nor_the_number_of_threads():
    _, leaking = scene()
    before, threads, seen = leaking.copy(), torch.get_num_threads(), []
    refined(leaking)
    np.testing.assert_array_equal(leaking, before)
    assert torch.get_num_threads() == threads
    new = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    new.start()
    new.join()
    assert seen == [threads]


def test_the_same_bits_each_time():
    _, leaking = scene()
    np.testing.assert_array_equal(refined(leaking), refined(leaking))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_finds_the_same():
    _, leaking = scene()
    np.testing.assert_allclose(refined(leaking, device="cuda"), refined(leaking), atol=1e-4)


class Splitting(Fake):
    """Stems that sum to what it hears; each has its turn, five times a second."""

    def forward(self, x, stems=None):
        super().forward(x, stems)
        phase = torch.arange(x.shape[-1]) * (2 * np.pi * 5 / NATIVE)
        shares = torch.stack([(1 + torch.cos(phase + 2 * np.pi * number / 3)) / 3 for number in range(3)])
        return x[:, None] * shares


def separated(x, **options):
    network = Splitting(window=60_000, context=4096, crossfade=1024)
    parts = list(separate([x], network, sample_rate=NATIVE, channels=len(x), workers=1, follows_level=False, **options))
    return np.concatenate([stems for _, stems in parts], axis=-1), network


def test_stems_of_a_stream_go_through_the_filter_pair_by_pair():
    x = np.concatenate([scene()[0].sum(0), noise(1, SAMPLES)])
    plain, _ = separated(x)
    found, _ = separated(x, pairs=[(0, 1)])
    np.testing.assert_array_equal(found[:, 2], plain[:, 2])
    np.testing.assert_allclose(found.sum(0), plain.sum(0), atol=1e-5)
    assert snr(found[:, :2], plain[:, :2]) < 25


def test_wanted_stems_and_sums_are_those_of_all_stems():
    x = scene()[0].sum(0)
    whole, network = separated(x, pairs=[(0, 1)])
    some, _ = separated(x, pairs=[(0, 1)], stems=["effects", "music"])
    np.testing.assert_array_equal(some, whole[[STEMS.index("effects"), STEMS.index("music")]])
    summed, other = separated(x, pairs=[(0, 1)], stems=["dialogue", "music"], weights=[2.0, -0.5])
    expected = 2 * whole[STEMS.index("dialogue")] - 0.5 * whole[STEMS.index("music")]
    np.testing.assert_allclose(summed, expected[None], atol=1e-6)
    assert [names for _, names, _ in network.calls] == [STEMS] * len(network.calls)
    assert [names for _, names, _ in other.calls] == [STEMS] * len(other.calls)


def test_without_pairs_the_network_is_asked_for_what_is_wanted():
    assert Outcome(STEMS, ["effects"], [3.0]).asked == (("effects",), (3.0,))
    np.testing.assert_array_equal(Outcome(STEMS, ["effects", "music"]).mixing, np.eye(2))


def test_sums_are_those_of_the_stems():
    _, leaking = scene()
    mixing = np.float32([[0.5, -2, 0], [0, 0, 1], [1, 1, 1]])
    np.testing.assert_allclose(refined(leaking, mixing), np.einsum("ks,scn->kcn", mixing, refined(leaking)), atol=1e-6)
    silent = leaking * np.float32([1, 0])[:, None]
    np.testing.assert_allclose(refined(silent, mixing), np.einsum("ks,scn->kcn", mixing, silent), atol=1e-6)
