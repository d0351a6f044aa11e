"""Scores of networks whose answers are known: the mixture, the truth, and the truth with known errors."""

import json
import math
import sys

import numpy as np
import pytest
import soundfile as sf
import torch

from model import SAMPLE_RATE, STEMS
from model import evaluate as evaluation
from model.bandsplit import BandSplit
from model.evaluate import (
    FILES,
    REMIX_DB,
    SceneScores,
    blocks_of,
    confidence,
    evaluate,
    input_gain,
    scenes_of,
    score,
    summarize,
    table,
)
from model.losses import si_sdr, snr

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
            sf.write(folder / FILES[stem], audio, SAMPLE_RATE, subtype="FLOAT")
        sf.write(folder / "mix.wav", scene.sum(axis=0), SAMPLE_RATE, subtype="FLOAT")
    return tree


@pytest.fixture(scope="module")
def tree(stems, tmp_path_factory):
    return write(tmp_path_factory.mktemp("dnr") / "tt", stems)


def test_the_mixture_improves_nothing(tree):
    for scores in evaluate(Mixture(), tree):
        assert list(scores.stems) == list(STEMS)
        for figures in scores.stems.values():
            assert figures["si_sdri"] == pytest.approx(0, abs=1e-3)
            assert figures["snri"] == pytest.approx(0, abs=1e-3)


def test_scores_of_the_mixture_are_those_by_hand(tree, stems):
    for scores, scene in zip(evaluate(Mixture(), tree), stems, strict=True):
        mixture = torch.from_numpy(scene.sum(axis=0))
        for stem, audio in zip(STEMS, torch.from_numpy(scene), strict=True):
            assert scores.stems[stem]["si_sdr"] == pytest.approx(si_sdr(mixture, audio).item(), abs=1e-2)
            assert scores.stems[stem]["snr"] == pytest.approx(snr(mixture, audio).item(), abs=1e-2)


def test_silence_is_no_improvement(tree):
    """An SNR of 0 dB is what silence has; its SI-SDR must not look like a success."""
    for scores in evaluate(Silence(), tree):
        for figures in scores.stems.values():
            assert figures["snr"] == pytest.approx(0, abs=1e-3)
            assert figures["si_sdri"] < -50
        assert scores.remix_snr == pytest.approx(scores.mixture_remix_snr, abs=1e-3)


def test_the_truth_scores_the_most(tree, stems):
    for scores in evaluate(Oracle(stems), tree):
        for figures in scores.stems.values():
            assert figures["si_sdr"] > 70
            assert figures["snr"] > 70
        assert scores.remix_snr > 70
        assert scores.remix_snr - scores.mixture_remix_snr > 60


@pytest.mark.parametrize("error_db", [-20.0, -6.0])
def test_known_errors_have_their_scores(tree, stems, error_db):
    for scores, scene in zip(evaluate(Oracle(stems, error_db), tree), stems, strict=True):
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
    _, _, untouched = score(scene, scene, scene.sum(axis=0))
    gains = np.array([10 ** (REMIX_DB[stem] / 20) for stem in STEMS])[:, None]
    true_remix = torch.from_numpy((gains * scene).sum(axis=0))
    assert untouched == pytest.approx(snr(torch.from_numpy(scene.sum(axis=0)).double(), true_remix).item(), abs=1e-3)


def test_scores_do_not_depend_on_the_level_of_the_scene(stems, tmp_path):
    quiet = stems[:1] * np.float32(0.01)
    (one,) = evaluate(Oracle(stems[:1], -10.0), write(tmp_path / "loud", stems[:1]))
    (other,) = evaluate(Oracle(quiet, -10.0), write(tmp_path / "quiet", quiet))
    for stem in STEMS:
        assert other.stems[stem]["si_sdri"] == pytest.approx(one.stems[stem]["si_sdri"], abs=0.02)


def test_networks_hear_the_loudness_that_they_expect(stems):
    from pyloudnorm import Meter

    mixture = stems[0].sum(axis=0)[None]
    heard = mixture[0] * input_gain(mixture, Mixture())
    assert Meter(SAMPLE_RATE).integrated_loudness(heard.astype(np.float64)) == pytest.approx(-27, abs=0.01)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # pyloudnorm averages no blocks at all
def test_silence_needs_no_gain():
    assert input_gain(np.zeros((1, SAMPLE_RATE), np.float32), Mixture()) == 1.0


def test_blocks_are_the_sound_in_order(stems):
    blocks = list(blocks_of(stems[0]))
    assert np.array_equal(np.concatenate(blocks, axis=1), stems[0])
    assert max(block.shape[1] for block in blocks) <= SAMPLE_RATE


def test_a_silent_stem_is_left_out(stems, tmp_path):
    scene = stems[:1].copy()
    scene[0, 1] = 0
    scores = list(evaluate(Mixture(), write(tmp_path / "tt", scene)))
    assert set(scores[0].stems) == {"music", "effects"}
    assert "silent" in table(scores)
    assert set(summarize(scores)["stems"]) == {"music", "effects"}


# Trees


def test_scenes_come_in_order_and_only_so_many(tree):
    assert [path.name for path in scenes_of(tree)] == ["1000", "1001", "1002"]
    assert [scores.scene for scores in evaluate(Mixture(), tree, most=2)] == ["1000", "1001"]


def test_a_folder_without_scenes_says_what_it_should_hold(tmp_path):
    (tmp_path / "1000").mkdir()
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match=r"mix\.wav"):
            scenes_of(path)


# Summaries


def test_the_interval_holds_the_mean_and_narrows_with_more_scenes():
    rng = np.random.default_rng(0)
    widths = []
    for count in (10, 100, 1000):
        values = rng.normal(5.0, 2.0, count)
        low, high = confidence(values.tolist())
        assert low < values.mean() < high
        widths.append(high - low)
        # of normal values it is the mean and about twice its standard error
        assert high - low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(count), rel=0.1)
    assert widths == sorted(widths, reverse=True)
    assert confidence([3.5, 3.5, 3.5]) == (3.5, 3.5)
    assert confidence([2.0]) == (2.0, 2.0)


def test_summaries_are_means_and_medians():
    def scores(*values):
        return [
            SceneScores(
                str(number), 60.0, {"music": dict.fromkeys(("si_sdr", "si_sdri", "snr", "snri"), value)}, value, 1.0
            )
            for number, value in enumerate(values)
        ]

    whole = summarize(scores(1.0, 2.0, 6.0))
    assert whole["stems"]["music"]["si_sdri"]["mean"] == 3.0
    assert whole["stems"]["music"]["si_sdri"]["median"] == 2.0
    assert whole["stems"]["music"]["si_sdri"]["scenes"] == 3
    assert whole["remix_snr_gain"]["mean"] == 2.0
    low, high = whole["remix_snr"]["ci95"]
    assert low <= 3.0 <= high
    text = table(scores(1.0, 2.0, 6.0))
    assert len(text.splitlines()) == 1 + 3 + 2
    assert "+3.00 dB" in text


def test_the_command_prints_a_table_and_writes_json(tree, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "load", lambda name: Mixture())
    out = tmp_path / "scores.json"
    monkeypatch.setattr(sys, "argv", ["evaluate", str(tree), "--model", "same", "--scenes", "2", "--json", str(out)])
    evaluation.main()
    printed = capsys.readouterr().out
    assert "times real time" in printed
    assert "1001" in printed
    assert "1002" not in printed
    written = json.loads(out.read_text())
    assert written["model"] == "same"
    assert [row["scene"] for row in written["scenes"]] == ["1000", "1001"]
    assert set(written["summary"]["stems"]) == set(STEMS)


def test_a_true_network_is_scored_the_same_way_as_it_is_used(tree):
    torch.manual_seed(0)
    network = BandSplit(width=8, hidden=8, layers=1, overview=8, mask_hidden=8)
    (scores,) = evaluate(network, tree, most=1)
    assert all(math.isfinite(value) for figures in scores.stems.values() for value in figures.values())
    assert scores.seconds == pytest.approx(SAMPLES / SAMPLE_RATE)
