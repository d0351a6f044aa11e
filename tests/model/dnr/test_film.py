"""Laws of training scenes as films have them."""

import numpy as np
import pytest
from support.tiny_packs import chord, voice, write_packs

from model import SAMPLE_RATE
from model.dnr import film
from model.dnr.augment import Colors, gated_lufs
from model.dnr.dataset import training_scenes, validation_scenes
from model.dnr.film import HOP, FilmMixer, FilmScenes, MixedScenes, over_time, powers, smoothed
from model.dnr.scenes import LEVELS_DB, MIX_LUFS, SceneMixer, Scenes

CHANCES = ("FAR", "SHOUTED", "VOICE_ROOM", "CROWD", "SECOND_PIECE", "DUCKED", "COMPRESSED", "SWELLING")


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    return write_packs(tmp_path_factory.mktemp("packs"), ["train", "validation"])


@pytest.fixture(scope="module")
def mixer(packs):
    return FilmMixer(packs, "train", 2.0)


@pytest.fixture(scope="module")
def drawn(packs):
    """[60, 3, T] at one level"""
    mixer = FilmMixer(packs, "train", 2.0, any_level=0.0)
    return np.stack([mixer.draw(np.random.default_rng((0, number))) for number in range(60)])


@pytest.fixture
def plain(monkeypatch):
    """Without anything that comes by chance."""
    for name in CHANCES:
        monkeypatch.setattr(film, name, 0.0)


def test_scenes_are_finite_float32_and_the_seeds_own(mixer):
    one, same, other = (mixer.draw(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one.shape == (3, 2 * SAMPLE_RATE)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_voice_is_often_under_the_rest(drawn):
    """In scenes of Divide and Remaster it hardly ever is."""

    def under(scenes):
        loud = [(np.square(s[1]).sum(), np.square(s[[0, 2]].sum(0)).sum()) for s in scenes]
        loud = [(voice, rest) for voice, rest in loud if voice > 0 and rest > 0]
        return np.mean([voice < rest for voice, rest in loud])

    assert 0.4 < under(drawn) < 0.95
    assert np.mean([scene[0].any() and scene[2].any() for scene in drawn]) > 0.7  # both sound beside the voice


def test_music_goes_on_from_end_to_end(mixer):
    for seed in range(20):
        music = mixer.music(np.random.default_rng(seed))
        assert len(music) == mixer.length
        assert powers(music)[::20].min() > 0  # not one silent moment


def test_a_short_piece_is_repeated(packs):
    mixer = FilmMixer(packs, "train", 12.0)  # no piece of these packs is so long
    assert np.sqrt(powers(mixer.music(np.random.default_rng(0)))[-30:]).max() > 0.01


def test_a_crowd_is_in_the_effects_and_not_in_the_dialogue(packs, monkeypatch):
    monkeypatch.setattr(film, "CROWD", 1.0)
    mixer = FilmMixer(packs, "train", 2.0, {"music": 0, "speech": 0, "effects": 0, "background": 1})
    said = []
    monkeypatch.setattr(mixer, "crowd", lambda rng: said.append(1) or FilmMixer.crowd(mixer, rng))
    stems = mixer.draw(np.random.default_rng(1))
    assert said
    assert stems[2].any()
    assert not stems[:2].any()


def test_levels_reach_far_below_and_above(packs):
    mixer = FilmMixer(packs, "train", 1.0, any_level=1.0)
    offsets = np.array([mixer.offset_db(np.random.default_rng(seed)) for seed in range(300)])
    assert LEVELS_DB[0] <= offsets.min() < -24
    assert 7 < offsets.max() <= LEVELS_DB[1]
    steady = SceneMixer(packs, "train", 1.0)
    assert np.std([steady.offset_db(np.random.default_rng(seed)) for seed in range(300)]) < 3


@pytest.mark.usefixtures("plain")
def test_the_mixture_has_the_level_that_was_drawn(packs, monkeypatch):
    monkeypatch.setattr(FilmMixer, "offset_db", lambda self, rng: -20.0)
    mixer = FilmMixer(packs, "train", 2.0)
    for seed in range(5):
        mixture = mixer.draw(np.random.default_rng(seed)).sum(0)
        assert mixer.loudness(mixture) == pytest.approx(MIX_LUFS - 20, abs=0.3)


def test_compression_and_swells_are_one_gain_for_all_stems(mixer, monkeypatch):
    """So stems still sum to the mixture, and where the ratio of two stems was, it is."""
    monkeypatch.setattr(film, "DUCKED", 0.0)
    monkeypatch.setattr(film, "COMPRESSED", 1.0)
    monkeypatch.setattr(film, "SWELLING", 1.0)
    stems = np.stack([chord(0, 2.0), voice(1, 2.0) + 0.01, chord(5, 2.0)]).astype(np.float32)
    done = mixer.mastered(stems.copy(), np.random.default_rng(0))
    assert not np.allclose(done, stems)
    loud = np.abs(stems).min(0) > 1e-3
    gains = done[:, loud] / stems[:, loud]
    np.testing.assert_allclose(gains[1:], gains[:1].repeat(2, 0), rtol=1e-3)
    assert (gains > 0).all()


def test_compression_brings_loud_and_quiet_nearer(mixer, monkeypatch):
    for name, chance in (("DUCKED", 0.0), ("SWELLING", 0.0), ("COMPRESSED", 1.0)):
        monkeypatch.setattr(film, name, chance)
    stems = np.stack([chord(0, 2.0)] * 3)
    stems[:, :SAMPLE_RATE] *= 0.1
    for seed in range(5):
        done = mixer.mastered(stems.copy(), np.random.default_rng(seed))

        def difference(audio):
            half = powers(audio.sum(0))
            return 10 * np.log10(half[150:].mean() / half[20:80].mean())

        assert 3 < difference(done) < difference(stems) - 0.5


def test_ducking_makes_room_for_the_voice_in_the_music_alone(mixer, monkeypatch):
    for name, chance in (("DUCKED", 1.0), ("SWELLING", 0.0), ("COMPRESSED", 0.0)):
        monkeypatch.setattr(film, name, chance)
    stems = np.stack([chord(0, 2.0), voice(1, 2.0), chord(5, 2.0)])
    stems[1, SAMPLE_RATE:] = 0
    done = mixer.mastered(stems.copy(), np.random.default_rng(0))
    np.testing.assert_array_equal(done[1:], stems[1:])
    gain = np.sqrt(powers(done[0]) / powers(stems[0]))
    assert gain[20:60].max() < 0.9 * gain[-20:].min()


def test_a_shout_is_brighter_and_as_long(mixer):
    said = voice(2, 2.0)
    shout = mixer.colors.shouted(said, np.random.default_rng(0))
    assert shout.shape == said.shape

    def brightness(audio):
        power = np.abs(np.fft.rfft(audio)) ** 2
        hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
        return power[(hz > 1200) & (hz < 4500)].sum() / power[hz < 500].sum()

    assert brightness(shout) > 3 * brightness(said)


def test_raised_gains_leave_the_lows_and_lift_the_presence():
    colors = Colors(SAMPLE_RATE)
    gains = colors.raised(12.0)
    hz = np.exp(colors.log_hz)
    np.testing.assert_allclose(gains[hz < 340], 1.0, rtol=1e-5)
    np.testing.assert_allclose(gains[(hz > 1550) & (hz < 3900)], 10 ** (12 / 20), rtol=1e-5)


def test_tools_over_time():
    np.testing.assert_allclose(powers(np.full(3 * HOP, 0.5, np.float32)), 0.25)
    assert len(powers(np.zeros(HOP + 1))) == 2
    np.testing.assert_allclose(over_time(np.full(7, -20.0), 7 * HOP), 0.1, rtol=1e-6)
    step = smoothed(np.repeat([0.0, 1.0], 200), 0.1)
    assert step[:100].max() < 0.01
    assert step[-100:].min() > 0.9
    assert (np.diff(step) >= -1e-12).all()


def test_both_kinds_take_turns(packs):
    """Half of the scenes of every step are of each kind, whatever the number of processes."""
    scenes = MixedScenes(packs, "train", 1.0, seed=5)
    dnr, films = scenes.open()
    assert type(dnr) is SceneMixer
    assert type(films) is FilmMixer
    for number, mixer in ((4, dnr), (5, films)):
        wanted = mixer.draw(np.random.default_rng((5, number)))
        mixture, stems = scenes[number]
        np.testing.assert_array_equal(stems.numpy(), wanted)
        np.testing.assert_allclose(mixture.numpy(), wanted.sum(0), atol=1e-6)


def test_kinds_of_scenes_by_name(packs):
    for kind, wanted in (("dnr", Scenes), ("film", FilmScenes), ("both", MixedScenes)):
        assert type(training_scenes(packs, 1.0, 1, kind=kind)[0]) is wanted
    held_out, count = validation_scenes(packs, 1.0, 3, "film")
    assert count == 3
    assert isinstance(held_out[0][1].numpy(), np.ndarray)
    assert type(held_out) is FilmScenes
    assert held_out.split == "validation"


def test_a_far_voice_is_quieter(packs, monkeypatch, mixer):
    monkeypatch.setattr(film, "FILM_LUFS", {"speech": (-20.0, 0.0)})
    for chance, low, high in ((0.0, -20.0, -20.0), (1.0, -28.0, -22.0)):
        monkeypatch.setattr(film, "FAR", chance)
        monkeypatch.setattr(film, "SHOUTED", 0.0)
        _, loud, wanted = mixer.leveled_sound("speech", np.random.default_rng(2), wide=False, shared=None)
        assert low <= wanted <= high
        assert np.isfinite(gated_lufs(loud))
