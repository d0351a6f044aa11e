"""Laws of film scenes that are hard in one more way: the same scene, one thing more, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.tiny_packs import write_packs

from model import SAMPLE_RATE
from model.dnr.film_hard import HARD, which
from model.dnr.film_scenes import VOICE_DB, FilmScene, draw_film_scene, write_film_scene
from model.dnr.packs import open_packs
from model.dnr.recipe import Library
from model.dnr.trees import hardship
from model.voice_level import voice_over_rest

SECONDS = 4.0


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return open_packs(write_packs(tmp_path_factory.mktemp("packs"), ["validation"]), ["validation"])["cv"]


def draw(library: Library, number: int, *, hard: bool) -> FilmScene:
    return draw_film_scene(library, np.random.default_rng((3, number)), number, SECONDS, hard=hard)


@pytest.fixture(scope="module")
def pairs(library: Library) -> dict[str, tuple[FilmScene, FilmScene]]:
    """By what is hard, the plain scene and the hard one; the voice between 6 and 0 dB under the rest."""
    numbers = range(1, len(VOICE_DB) * len(HARD), len(VOICE_DB))
    return {
        which(number, len(VOICE_DB)): (draw(library, number, hard=False), draw(library, number, hard=True))
        for number in numbers
    }


def gain_db(scene: FilmScene, other: FilmScene, stem: int) -> np.ndarray:
    """How much louder each tenth of a second of a stem is than in the other scene; NaN where it is quiet."""
    before, after = (
        np.square(one.stems[stem].sum(0, dtype=np.float64)).reshape(-1, SAMPLE_RATE // 10).sum(1)
        for one in (scene, other)
    )
    loud = before > 1e-3 * before.max()
    return np.where(loud, 10 * np.log10(np.where(loud, after / np.where(loud, before, 1), 1)), np.nan)


def alike(scene: FilmScene, other: FilmScene, stem: int) -> float:
    """The correlation of a stem with that of the other scene, whatever their levels."""
    a, b = (one.stems[stem].ravel().astype(np.float64) for one in (scene, other))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_all_ways_come_by_turns_and_are_told(
    library: Library, pairs: dict[str, tuple[FilmScene, FilmScene]], tmp_path: Path
) -> None:
    assert tuple(pairs) == HARD
    for kind, (plain, hard) in pairs.items():
        assert hard.facts["hard"] == kind
        assert "hard" not in plain.facts
        found = voice_over_rest(hard.stems[1], hard.stems[[0, 2]].sum(0))
        assert hard.facts["voice_db"] == pytest.approx(found, abs=0.05)
    write_film_scene(hard, tmp_path / "hard")
    write_film_scene(plain, tmp_path / "plain")
    assert (hardship(tmp_path / "hard"), hardship(tmp_path / "plain")) == (kind, "")
    np.testing.assert_array_equal(draw(library, 1, hard=True).stems, pairs["far"][1].stems)


def test_only_the_one_thing_is_changed(pairs: dict[str, tuple[FilmScene, FilmScene]]) -> None:
    """Stems that it does not change are the same sound, all at one other level."""
    changed = {"far": {1}, "shouted": {1}, "crowd": {2}, "ducked": {0}, "swelling": {0, 1, 2}, "compressed": {0, 1, 2}}
    for kind, (plain, hard) in pairs.items():
        for stem in range(3):
            if stem in changed[kind]:
                assert alike(plain, hard, stem) < 0.9999, (kind, stem)
            else:
                assert alike(plain, hard, stem) == pytest.approx(1, abs=1e-6), (kind, stem)
    for kind in ("far", "shouted", "crowd"):  # the voice is brought to its level after that
        plain, hard = pairs[kind]
        assert hard.facts["voice_db"] == pytest.approx(plain.facts["voice_db"], abs=0.01)


def test_a_far_voice_is_mostly_room_and_a_shouted_one_brighter(pairs: dict[str, tuple[FilmScene, FilmScene]]) -> None:
    def brightness(scene: FilmScene) -> float:
        power = np.square(np.abs(np.fft.rfft(scene.stems[1, 0])))
        hertz = np.fft.rfftfreq(scene.stems.shape[2], 1 / SAMPLE_RATE)
        return float(10 * np.log10(power[(hertz > 1200) & (hertz < 5000)].sum() / power[hertz < 500].sum()))

    assert alike(*pairs["far"], 1) < 0.8
    plain, shouted = pairs["shouted"]
    assert brightness(shouted) > brightness(plain) + 3
    for scene in (shouted, pairs["far"][1]):
        np.testing.assert_array_equal(scene.stems[1, 0], scene.stems[1, 1])


def test_people_talk_behind_the_voice(pairs: dict[str, tuple[FilmScene, FilmScene]]) -> None:
    plain, hard = pairs["crowd"]
    talking = [one for one in hard.facts["events"] if one not in plain.facts["events"]]
    assert len(talking) >= 5
    assert {one["class"] for one in talking} == {"background"}
    assert all(0 <= one["start"] <= one["end"] <= SECONDS for one in talking)


def test_what_mastering_does(pairs: dict[str, tuple[FilmScene, FilmScene]]) -> None:
    plain, ducked = pairs["ducked"]
    music = gain_db(plain, ducked, 0)
    assert np.nanmax(music) - np.nanmin(music) > 2.5
    plain, swelling = pairs["swelling"]
    for stem in range(3):  # the same for all
        np.testing.assert_allclose(
            np.nanmax(gain_db(plain, swelling, stem)), np.nanmax(gain_db(plain, swelling, 0)), atol=1.0
        )
    assert np.nanmax(gain_db(plain, swelling, 0)) - np.nanmin(gain_db(plain, swelling, 0)) > 3
    plain, compressed = pairs["compressed"]
    gain = gain_db(plain, compressed, 0)
    whole = np.square(plain.stems.sum((0, 1), dtype=np.float64)).reshape(-1, SAMPLE_RATE // 10).sum(1)
    assert np.corrcoef(gain[~np.isnan(gain)], np.log(whole)[~np.isnan(gain)])[0, 1] < -0.5


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"hard": 3}', '{"hard": "[red]x"}', "[" * 5000, json.dumps({"hard": "x" * 30})]
)
def test_nothing_strange_is_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "scene.json").write_text(text)
    assert hardship(tmp_path) == ""
