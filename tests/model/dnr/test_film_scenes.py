"""Laws of scenes that are built as in films: levels, stereo, files, and the same again from the same seed."""

import json
import math

import numpy as np
import pytest
import soundfile as sf
from support.tiny_packs import write_packs

from model import SAMPLE_RATE
from model.dnr import build
from model.dnr.film_scenes import VOICE_DB, draw_film_scene
from model.dnr.packs import open_packs
from model.dnr.recipe import Clip, UnreadableError
from model.dnr.trees import read_scene
from model.voice_level import voice_over_rest

SECONDS = 6.0


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    packs = write_packs(tmp_path_factory.mktemp("packs"), ["validation"])
    return open_packs(packs, ["validation"])["cv"]


@pytest.fixture(scope="module")
def drawn(library):
    return [draw_film_scene(library, np.random.default_rng((1, number)), number, SECONDS) for number in range(3)]


def test_the_voice_has_the_level_that_was_drawn(drawn):
    for scene, (low, high) in zip(drawn, VOICE_DB, strict=True):
        assert low <= scene.facts["voice_db"] <= high
        found = voice_over_rest(scene.stems[1], scene.stems[[0, 2]].sum(0))
        assert found == pytest.approx(scene.facts["voice_db"], abs=0.05)


def test_the_voice_is_in_the_middle_and_the_rest_is_wide(drawn):
    for scene in drawn:
        assert scene.stems.shape == (3, 2, SECONDS * SAMPLE_RATE)
        np.testing.assert_array_equal(scene.stems[1, 0], scene.stems[1, 1])
        for wide in scene.stems[[0, 2]]:
            side, middle = wide[0] - wide[1], wide[0] + wide[1]
            assert np.square(side).sum() > 0.03 * np.square(middle).sum()


def test_music_and_ambience_never_stop(drawn):
    for scene in drawn:
        for stem in scene.stems[[0, 2]]:
            frames = np.square(stem).reshape(2, -1, SAMPLE_RATE // 10).sum((0, 2))
            assert frames.min() > 0
    assert all(any(one["class"] == "background" for one in scene.facts["events"]) for scene in drawn)


def test_a_seed_draws_the_same_again(library, drawn):
    again = draw_film_scene(library, np.random.default_rng((1, 2)), 2, SECONDS)
    np.testing.assert_array_equal(again.stems, drawn[2].stems)
    assert again.facts == drawn[2].facts


def test_events_lie_within_the_scene(drawn):
    for scene in drawn:
        assert {one["class"] for one in scene.facts["events"]} == {"music", "speech", "sfx", "background"}
        assert all(0 <= one["start"] < one["end"] <= SECONDS for one in scene.facts["events"])


def test_a_tree_of_film_scenes(library, tmp_path, monkeypatch):
    monkeypatch.setattr(draw_film_scene, "__defaults__", (2.0,))
    made = build.tasks(tmp_path, {"cv": 2}, 1, "film")
    with build.prepared(tmp_path / "cv", {"recipe": "films"}, force=False):
        pass
    built = [build._make({"cv": library}, task) for task in made]
    assert [scene.folder.name for scene in built] == ["1000", "1001"]
    for scene in built:
        recording = read_scene(scene.folder)
        assert recording.mixture.shape == (2, 2 * SAMPLE_RATE)
        np.testing.assert_array_equal(recording.stems.sum(0), recording.mixture)
        facts = json.loads((scene.folder / "scene.json").read_text())
        level = voice_over_rest(recording.stems[1], recording.stems[[0, 2]].sum(0))
        assert level == pytest.approx(facts["voice_db"], abs=0.05)
        assert sf.info(scene.folder / "mix.wav").subtype == "FLOAT"
    with build.prepared(tmp_path / "cv", {"recipe": "others"}, force=True):
        pass  # scene.json is no stranger
    assert not list((tmp_path / "cv").glob("1*"))


class Silent:
    """A library that holds nothing to hear."""

    def __init__(self, broken):
        self.broken = broken

    def draw(self, kind, rng):
        return Clip("nothing", 44_100)

    def read(self, clip):
        if self.broken:
            raise UnreadableError("gone")
        return np.zeros(clip.samples, np.float32)


@pytest.mark.parametrize("broken", [True, False])
def test_sources_without_sound_are_told(broken):
    with pytest.raises(ValueError, match="no sound of the class 'music'"):
        draw_film_scene(Silent(broken), np.random.default_rng(0), 0, 1.0)


def test_levels_of_no_voice_and_of_no_rest():
    tone = np.sin(np.arange(SAMPLE_RATE) / 10)
    assert voice_over_rest(np.zeros(SAMPLE_RATE), tone) == -math.inf
    assert voice_over_rest(tone, np.zeros(SAMPLE_RATE)) == math.inf
    # both channels count, and neither does what is said far below the loud
    stereo = np.stack([tone, tone])
    assert voice_over_rest(stereo, stereo / 2) == pytest.approx(20 * math.log10(2), abs=0.01)
    faint = np.concatenate([tone, tone * 0.01])
    assert voice_over_rest(faint, np.concatenate([tone / 2, tone])) == pytest.approx(6.02, abs=0.05)
