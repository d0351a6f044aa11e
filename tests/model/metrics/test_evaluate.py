"""Scores of networks whose answers are known: the mixture, the truth, and the truth with known errors."""

import math

import numpy as np
import pytest
import soundfile as sf
import torch

from model import SAMPLE_RATE, STEMS
from model.dnr.trees import Recording, scenes_of
from model.metrics.evaluate import LEAST_LEAKAGE_DB, REMIX_DB, blocks_of, evaluate, evaluate_scene, input_gain, score
from model.metrics.losses import si_sdr, snr
from model.networks.bandsplit import BandSplit
from model.stems import DNR_NAMES

SAMPLES = 3 * SAMPLE_RATE + 17
SCENES = 3


class Fake(torch.nn.Module):
    """What the separator asks of a network, with a window longer than our scenes, so that it hears them whole."""

    stems = STEMS
    sample_rate = SAMPLE_RATE
    hop = 64
    input_lufs = -27.0
    level_matched = True
    window_seconds = 8.0
    context_seconds = 0.1
    crossfade_seconds = 0.1

    def forward(self, x, stems=None):
        names = self.stems if stems is None else stems
        return torch.stack([self.answer(x, name) for name in names], dim=1)


class Mixture(Fake):
    def answer(self, x, stem):
        return x


class Silence(Fake):
    def answer(self, x, stem):
        return torch.zeros_like(x)


class Oracle(Fake):
    """Knows every scene; `error_db` is the level of its error in each stem, relative to the stem."""

    def __init__(self, stems, error_db=-math.inf):
        super().__init__()
        self.known, self.error = torch.from_numpy(stems), 10 ** (error_db / 20)

    def answer(self, x, stem):
        scale = [(row @ x[0] / row.square().sum()).item() for row in self.known.sum(1)]
        residues = [(x[0] - gain * row).square().sum() for gain, row in zip(scale, self.known.sum(1), strict=True)]
        scene = int(torch.stack(residues).argmin())
        truth = self.known[scene, STEMS.index(stem)]
        noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(9 * scene + STEMS.index(stem)))
        noise -= (noise @ truth) / truth.square().sum().clamp_min(1e-20) * truth
        noise *= truth.norm() / noise.norm()
        return (scale[scene] * (truth + self.error * noise))[None]


@pytest.fixture(scope="module")
def stems():
    """[SCENES, 3, T], independent noises of different levels."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((SCENES, 3, SAMPLES)) * np.array([0.05, 0.1, 0.02])[:, None]
    return noise.astype(np.float32)


def write(tree, stems):
    for number, scene in enumerate(stems):
        folder = tree / str(1000 + number)
        folder.mkdir(parents=True)
        for stem, audio in zip(STEMS, scene, strict=True):
            sf.write(folder / f"{DNR_NAMES[stem]}.wav", audio.T, SAMPLE_RATE, subtype="FLOAT")
        sf.write(folder / "mix.wav", scene.sum(axis=0).T, SAMPLE_RATE, subtype="FLOAT")
    return tree


@pytest.fixture(scope="module")
def tree(stems, tmp_path_factory):
    return write(tmp_path_factory.mktemp("dnr") / "tt", stems)


def test_the_mixture_improves_nothing(tree):
    for scores in evaluate(Mixture(), scenes_of(tree)):
        assert list(scores.stems) == list(STEMS)
        for figures in scores.stems.values():
            assert figures["si_sdri"] == pytest.approx(0, abs=1e-3)
            assert figures["snri"] == pytest.approx(0, abs=1e-3)


def test_scores_of_the_mixture_are_those_by_hand(tree, stems):
    for scores, scene in zip(evaluate(Mixture(), scenes_of(tree)), stems, strict=True):
        mixture = torch.from_numpy(scene.sum(axis=0))
        for stem, audio in zip(STEMS, torch.from_numpy(scene), strict=True):
            assert scores.stems[stem]["si_sdr"] == pytest.approx(si_sdr(mixture, audio).item(), abs=1e-2)
            assert scores.stems[stem]["snr"] == pytest.approx(snr(mixture, audio).item(), abs=1e-2)


def test_silence_is_no_improvement(tree):
    """An SNR of 0 dB is what silence has; its SI-SDR must not look like a success."""
    for scores in evaluate(Silence(), scenes_of(tree)):
        for figures in scores.stems.values():
            assert figures["snr"] == pytest.approx(0, abs=1e-3)
            assert figures["si_sdri"] < -50
        assert scores.remix_snr == pytest.approx(scores.mixture_remix_snr, abs=1e-3)


def test_the_truth_scores_the_most(tree, stems):
    for scores in evaluate(Oracle(stems), scenes_of(tree)):
        for figures in scores.stems.values():
            assert figures["si_sdr"] > 70
            assert figures["snr"] > 70
        assert scores.remix_snr > 70
        assert scores.remix_snr - scores.mixture_remix_snr > 60


@pytest.mark.parametrize("error_db", [-20.0, -6.0])
def test_known_errors_have_their_scores(tree, stems, error_db):
    for scores, scene in zip(evaluate(Oracle(stems, error_db), scenes_of(tree)), stems, strict=True):
        for figures in scores.stems.values():
            assert figures["si_sdr"] == pytest.approx(-error_db, abs=0.01)
            assert figures["snr"] == pytest.approx(-error_db, abs=0.01)
        # errors of the stems are independent, and changed by gain - 1
        gains = np.array([10 ** (REMIX_DB[stem] / 20) for stem in STEMS])
        powers = np.square(scene.astype(np.float64)).sum(axis=1)
        wrong = (np.square(gains - 1) * powers).sum() * 10 ** (error_db / 10)
        wanted = 10 * math.log10((np.square(gains) * powers).sum() / wrong)
        assert scores.remix_snr == pytest.approx(wanted, abs=0.1)


def test_the_untouched_mixture_is_measured_against_the_true_remix(stems):
    scene = stems[0]
    untouched = score(scene, scene, scene.sum(axis=0)).mixture_remix_snr
    gains = np.array([10 ** (REMIX_DB[stem] / 20) for stem in STEMS])[:, None]
    true_remix = torch.from_numpy((gains * scene).sum(axis=0))
    assert untouched == pytest.approx(snr(torch.from_numpy(scene.sum(axis=0)).double(), true_remix).item(), abs=1e-3)


def test_scores_do_not_depend_on_the_level_of_the_scene(stems, tmp_path):
    quiet = stems[:1] * np.float32(0.01)
    (one,) = evaluate(Oracle(stems[:1], -10.0), scenes_of(write(tmp_path / "loud", stems[:1])))
    (other,) = evaluate(Oracle(quiet, -10.0), scenes_of(write(tmp_path / "quiet", quiet)))
    for stem in STEMS:
        assert other.stems[stem]["si_sdri"] == pytest.approx(one.stems[stem]["si_sdri"], abs=0.02)


def recording(mixture, stems=None):
    return Recording(SAMPLE_RATE, mixture, np.zeros((3, *mixture.shape), np.float32) if stems is None else stems)


def test_networks_hear_the_loudness_that_they_expect(stems):
    from pyloudnorm import Meter

    mixture = stems[0].sum(axis=0)[None]
    heard = mixture[0] * input_gain(recording(mixture), Mixture())
    assert Meter(SAMPLE_RATE).integrated_loudness(heard.astype(np.float64)) == pytest.approx(-27, abs=0.01)
    # each of two equal channels is heard as one alone
    both = recording(np.concatenate([mixture, mixture]))
    assert input_gain(both, Mixture()) == pytest.approx(input_gain(recording(mixture), Mixture()), rel=0.01)


def test_silence_needs_no_gain():
    assert input_gain(recording(np.zeros((1, SAMPLE_RATE), np.float32)), Mixture()) == 1.0
    assert input_gain(recording(np.full((2, SAMPLE_RATE), 1e-6, np.float32)), Mixture()) == 1.0  # below the gate


def test_blocks_are_the_sound_in_order(stems):
    blocks = list(blocks_of(stems[0], 8000))
    assert np.array_equal(np.concatenate(blocks, axis=1), stems[0])
    assert max(block.shape[1] for block in blocks) <= 8000


# Closed forms


def sines(*powers, samples=44_100):
    """Signals [len(powers), samples] of these powers a sample, each orthogonal to the others."""
    t = 2 * np.pi * np.arange(samples) / samples
    return np.stack([np.sqrt(2 * power) * np.sin((440 + 7 * n) * t) for n, power in enumerate(powers)])


def test_leaking_sines_have_the_figures_of_their_formulas():
    music, voice, noise = truth = sines(4.0, 1.0, 0.25)
    mixture = truth.sum(axis=0)
    # a tenth of the music's amplitude (a hundredth of its power) stays in the dialogue
    found = score(np.stack([0.9 * music, voice + 0.1 * music, noise]), truth, mixture)
    dialogue = found.stems["dialogue"]
    assert dialogue["si_sdr"] == pytest.approx(10 * math.log10(1 / 0.04), abs=1e-3)
    assert dialogue["snr"] == pytest.approx(10 * math.log10(1 / 0.04), abs=1e-3)
    assert dialogue["si_sdri"] == pytest.approx(10 * math.log10(1 / 0.04) - 10 * math.log10(1 / 4.25), abs=1e-3)
    assert dialogue["snri"] == pytest.approx(dialogue["si_sdri"], abs=1e-3)
    # the music is only quieter: no distortion, but an SNR of 20 dB
    assert found.stems["music"]["si_sdr"] > 79
    assert found.stems["music"]["snr"] == pytest.approx(20.0, abs=1e-3)
    assert found.leakage == {}
    # remix: both errors, each times its gain - 1, on the same sine
    up, down = 10 ** (6 / 20), 10 ** (-6 / 20)
    wrong = 4 * ((up - 1) * 0.1 - (down - 1) * 0.1) ** 2
    right = 4 * down**2 + up**2 + 0.25 * down**2
    assert found.remix_snr == pytest.approx(10 * math.log10(right / wrong), abs=1e-3)
    untouched = (4 + 0.25) * (1 - down) ** 2 + (up - 1) ** 2
    assert found.mixture_remix_snr == pytest.approx(10 * math.log10(right / untouched), abs=1e-3)


def test_other_gains_are_another_remix():
    music, voice, noise = truth = sines(4.0, 1.0, 0.25)
    gains = {"music": -math.inf, "dialogue": 0.0, "effects": 0.0}
    found = score(np.stack([0.9 * music, voice, noise]), truth, truth.sum(axis=0), gains)
    assert found.remix_snr == pytest.approx(10 * math.log10(1.25 / 0.04), abs=1e-3)
    assert found.mixture_remix_snr == pytest.approx(10 * math.log10(1.25 / 4), abs=1e-3)


def test_energy_in_a_silent_stem_is_leakage():
    music, voice, noise = sines(4.0, 1.0, 0.25)
    truth = np.stack([music, voice, 0 * noise])
    found = score(np.stack([music, voice, 0.2 * noise]), truth, music + voice)
    assert set(found.stems) == {"music", "dialogue"}
    assert found.leakage == {"effects": pytest.approx(10 * math.log10(0.01 / 5), abs=1e-6)}
    assert score(truth, truth, music + voice).leakage == {"effects": LEAST_LEAKAGE_DB}


def test_the_dither_of_integer_files_is_no_stem():
    music, voice, noise = sines(4.0, 1.0, 1.0)
    truth = np.stack([music, voice, 1e-4 * noise])
    assert set(score(truth, truth, music + voice).stems) == {"music", "dialogue"}


def test_a_stem_that_is_alone_cannot_be_improved():
    music, _, noise = sines(4.0, 1.0, 0.25)
    found = score(np.stack([music, 0.4 * music, noise]), np.stack([music, 0 * music, 0 * music]), music)
    assert set(found.stems["music"]) == {"si_sdr", "snr"}
    assert found.leakage["dialogue"] == pytest.approx(20 * math.log10(0.4), abs=1e-3)
    assert math.isfinite(found.remix_snr)


def test_a_silent_scene_has_no_figures():
    silence = np.zeros((3, 1000))
    found = score(silence, silence, silence[0])
    assert (found.stems, found.leakage, found.remix_snr) == ({}, {}, 0.0)


def test_channels_are_judged_together():
    truth = sines(4.0, 1.0, 0.25)
    estimates = truth + 0.1 * truth[::-1]
    one = score(estimates, truth, truth.sum(axis=0))
    two = score(*(np.stack([a, 0.5 * a], axis=-2) for a in (estimates, truth, truth.sum(axis=0))))
    assert two.stems["dialogue"] == pytest.approx(one.stems["dialogue"])
    assert two.remix_snr == pytest.approx(one.remix_snr)


# Whole scenes


def test_a_silent_stem_is_left_out(stems, tmp_path):
    scene = stems[:1].copy()
    scene[0, 1] = 0
    (scores,) = evaluate(Mixture(), scenes_of(write(tmp_path / "tt", scene)))
    assert set(scores.stems) == {"music", "effects"}
    assert scores.leakage == {"dialogue": pytest.approx(0.0, abs=1e-3)}


def test_stereo_scenes_at_other_rates(tmp_path):
    folder = tmp_path / "0"
    folder.mkdir()
    sound = 0.05 * sines(4.0, 1.0, 0.25, samples=2 * 32_000)[:, None] * np.array([[1.0], [0.5]])
    for name, audio in zip(("mix", *DNR_NAMES.values()), (sound.sum(axis=0), *sound), strict=True):
        sf.write(folder / f"{name}.flac", audio.T, 32_000, subtype="PCM_24")
    scores = evaluate_scene(Mixture(), folder)
    assert scores.seconds == 2.0
    for figures in scores.stems.values():
        assert figures["si_sdri"] == pytest.approx(0, abs=0.01)


def test_the_middle_of_stereo_scenes_is_heard(tmp_path):
    network, heard = Mixture(), []
    network.register_forward_pre_hook(lambda _, given: heard.extend(given[0].numpy().copy()))
    sound = np.repeat(0.05 * sines(4.0, 1.0, 0.25)[:, None], 2, axis=1)
    for name, audio in zip(("mix", *DNR_NAMES.values()), (sound.sum(axis=0), *sound), strict=True):
        sf.write(tmp_path / f"{name}.wav", audio.T, SAMPLE_RATE, subtype="FLOAT")
    evaluate_scene(network, tmp_path)
    assert len(heard) == 1  # the side is silent


def test_a_true_network_is_scored_the_same_way_as_it_is_used(tree):
    torch.manual_seed(0)
    network = BandSplit(width=8, hidden=8, layers=1, overview=8, mask_hidden=8)
    scores = evaluate_scene(network, scenes_of(tree)[0])
    assert all(math.isfinite(value) for figures in scores.stems.values() for value in figures.values())
    assert scores.seconds == pytest.approx(SAMPLES / SAMPLE_RATE)
    assert scores.scene == "1000"
    assert scores.cpu_seconds > 0
    assert scores.elapsed_seconds > 0
