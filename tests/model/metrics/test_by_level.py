"""Laws of scores by the voice's level and by input level."""

import pytest

from model.metrics.by_level import by_hardship, by_level, by_voice, range_name
from model.metrics.evaluate import SceneScores


def scene(voice_db, *, dialogue=5.0, si_sdr=3.0, gain=4.0, before=2.0, hard=""):
    stems = {
        "dialogue": {"si_sdr": si_sdr, "si_sdri": dialogue, "snr": 6.0},
        "music": {"si_sdr": 1.0, "snr": 2.0},  # alone in no scene, but without a gain here
    }
    return SceneScores(
        stems,
        {},
        9.0,
        3.0,
        "0",
        1.0,
        voice_db=voice_db,
        promise_snr=before + gain,
        mixture_promise_snr=before,
        hard=hard,
    )


def test_names_of_ranges():
    assert [range_name(*one) for one in ((-12.0, -6.0), (-6.0, 0.0), (0.0, 6.0))] == ["-12..-6", "-6..0", "0..+6"]


def test_scenes_are_told_apart_by_the_voice():
    found = by_voice([scene(-12.0, dialogue=1.0), scene(-6.1, dialogue=3.0), scene(-6.0, dialogue=7.0), scene(5.9)])
    assert {name: one["scenes"] for name, one in found.items()} == {"-12..-6": 2, "-6..0": 1, "0..+6": 1}
    assert found["-12..-6"]["stems"]["dialogue"]["si_sdri"]["mean"] == 2.0
    assert found["-6..0"]["stems"]["dialogue"]["si_sdri"]["mean"] == 7.0
    assert found["0..+6"]["promise_gain"]["mean"] == 4.0
    assert "si_sdri" not in found["0..+6"]["stems"]["music"]


def test_scenes_outside_and_without_a_voice_count_nowhere():
    assert by_voice([scene(None), scene(6.0), scene(-12.1), scene(40.0)]) == {}


def test_scenes_are_told_apart_by_what_is_hard():
    scenes = [scene(1.0), scene(1.0, hard="far", dialogue=1.0), scene(9.0, hard="far", dialogue=2.0)]
    found = by_hardship([*scenes, scene(None, hard="crowd", dialogue=7.0)])
    assert {name: one["scenes"] for name, one in found.items()} == {"crowd": 1, "far": 2}
    assert found["far"]["stems"]["dialogue"]["si_sdri"]["mean"] == 1.5
    assert by_hardship(scenes[:1]) == {}


def test_a_remix_that_changes_nothing_has_no_gain():
    (found,) = by_voice([scene(1.0, before=120.0)]).values()
    assert "promise_gain" not in found


def test_what_is_lost_is_lost_against_the_first_level():
    levels = {0.0: [scene(1.0, si_sdr=5.0), scene(1.0, si_sdr=3.0)], -20.0: [scene(1.0, si_sdr=4.5), scene(1.0)]}
    found = by_level(levels)
    assert list(found) == ["+0", "-20"]
    assert found["+0"]["lost"]["dialogue"]["mean"] == 0.0
    assert found["-20"]["lost"]["dialogue"]["mean"] == pytest.approx(0.25)
    assert found["-20"]["voice"]["0..+6"]["scenes"] == 2
