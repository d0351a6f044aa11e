"""Means, medians and intervals whose answers are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from model.metrics.evaluate import SceneScores
from model.metrics.summary import FIGURES, compare, spread, summarize


def scores(*values, leakage=None, stem="music"):
    """Scenes whose every figure is the value."""
    return [
        SceneScores(
            stems={stem: dict.fromkeys(FIGURES, value)}, leakage={} if leakage is None else {"dialogue": leakage},
            remix_snr=value, mixture_remix_snr=1.0, scene=str(number),
            seconds=60.0, cpu_seconds=6.0, elapsed_seconds=3.0,
        )
        for number, value in enumerate(values)
    ]  # fmt: skip


def test_the_interval_holds_the_mean_and_narrows_with_more_scenes():
    rng = np.random.default_rng(0)
    widths = []
    for count in (10, 100, 1000):
        values = rng.normal(5.0, 2.0, count)
        found = spread(values.tolist())
        low, high = found["ci95"]
        assert low < found["mean"] < high
        assert found["median_ci95"][0] <= found["median"] <= found["median_ci95"][1]
        widths.append(high - low)
        # of normal values it is the mean and about twice its standard error
        assert high - low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(count), rel=0.1)
    assert widths == sorted(widths, reverse=True)


def test_equal_scenes_leave_no_doubt():
    for values in ([3.5, 3.5, 3.5], [3.5]):
        assert spread(values) == {
            "mean": 3.5, "ci95": [3.5, 3.5], "median": 3.5, "median_ci95": [3.5, 3.5], "scenes": len(values),
        }  # fmt: skip


def test_an_outlier_moves_the_mean_and_not_the_median():
    found = spread([1.0] * 20 + [100.0])
    assert found["median"] == 1.0
    assert found["median_ci95"] == [1.0, 1.0]
    assert found["ci95"][1] > 5


def test_intervals_are_the_same_every_time():
    assert spread([1.0, 4.0, 2.0]) == spread([1.0, 4.0, 2.0])


def test_summaries_are_means_and_medians():
    whole = summarize(scores(1.0, 2.0, 6.0))
    assert whole["stems"]["music"]["si_sdri"]["mean"] == 3.0
    assert whole["stems"]["music"]["si_sdri"]["median"] == 2.0
    assert whole["stems"]["music"]["si_sdri"]["scenes"] == 3
    assert whole["remix_snr_gain"]["mean"] == 2.0
    assert whole["scenes"] == 3
    assert whole["seconds"] == 180.0
    assert whole["speed"] == 10.0
    assert whole["real_time"] == 20.0


def test_scenes_without_a_figure_are_not_counted():
    mixed = scores(1.0, 3.0) + scores(5.0, stem="dialogue")
    del mixed[1].stems["music"]["si_sdri"]
    whole = summarize(mixed)
    assert whole["stems"]["music"]["si_sdr"]["scenes"] == 2
    assert whole["stems"]["music"]["si_sdri"] == spread([1.0])
    assert whole["stems"]["dialogue"]["snr"]["mean"] == 5.0
    assert "effects" not in whole["stems"]
    assert whole["leakage"] == {}
    assert summarize(scores(1.0, leakage=-30.0))["leakage"] == {"dialogue": spread([-30.0])}


def test_paired_differences_see_what_the_spread_of_scenes_hides():
    """Scenes differ by 20 dB, the networks by half a decibel, in every scene."""
    values = [float(value) for value in range(-10, 11)]
    first, other = scores(*values, leakage=-20.0), scores(*(value + 0.5 for value in values), leakage=-25.0)
    found = compare(first, other)
    difference = found["stems"]["music"]["si_sdr"]
    assert difference["ci95"] == [0.5, 0.5]
    assert difference["median"] == 0.5
    assert difference["better"] == 1.0
    assert found["remix_snr"]["mean"] == 0.5
    assert found["leakage"]["dialogue"]["mean"] == -5.0
    assert found["leakage"]["dialogue"]["better"] == 1.0
    assert compare(other, first)["stems"]["music"]["si_sdr"]["better"] == 0.0
    assert compare(first, first)["stems"]["music"]["snr"]["mean"] == 0.0
    # the scenes of one network alone would not tell them apart
    low, high = summarize(first)["stems"]["music"]["si_sdr"]["ci95"]
    assert high - low > 4


def test_networks_are_compared_on_the_same_scenes():
    with pytest.raises(ValueError, match="zip"):
        compare(scores(1.0), scores(1.0, 2.0))


def test_the_mixture_is_that_of_scenes_with_a_gain():
    plain, alone = scores(6.0, 8.0), scores(30.0)
    for scene, gain in zip(plain, (5.0, 6.0), strict=True):
        scene.stems["music"]["si_sdri"] = gain
    del alone[0].stems["music"]["si_sdri"]
    found = summarize([*plain, *alone])["stems"]["music"]
    assert found["si_sdr"]["scenes"] == 3
    assert found["mixture_si_sdr"]["mean"] == pytest.approx(1.5)
    assert "mixture_si_sdr" not in summarize(alone)["stems"]["music"]


def test_a_remix_that_changes_nothing_has_no_figures():
    changed, same = scores(5.0, 7.0), [replace(one, mixture_remix_snr=111.0) for one in scores(60.0)]
    whole = summarize([*changed, *same])
    assert whole["remix_snr"]["scenes"] == whole["remix_snr_gain"]["scenes"] == 2
    assert whole["remix_snr_gain"]["mean"] == 5.0
    assert compare([*changed, *same], [*changed, *same])["remix_snr"]["scenes"] == 2
    assert not {"remix_snr", "remix_snr_gain", "mixture_remix_snr"} & summarize(same).keys()
    assert "remix_snr" not in compare(same, same)
