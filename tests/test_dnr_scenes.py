"""Laws of the scenes mixed on the fly: levels, chance, and the small tools they are made with."""

import math

import numpy as np
import pyloudnorm
import pytest
import torch
from tiny_packs import chord, hiss, tone, write_pack, write_packs

from model import SAMPLE_RATE
from model.dnr import scenes
from model.dnr.scenes import RUMBLE_HZ, SceneMixer, Scenes, fade, load_pack, place


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    return write_packs(tmp_path_factory.mktemp("packs"), ["train"])


@pytest.fixture(scope="module")
def mixer(packs):
    return SceneMixer(packs, "train", 1.0)


@pytest.fixture(scope="module")
def drawn(mixer):
    """[60, 3, T]"""
    return np.stack([mixer.draw(np.random.default_rng((0, number))) for number in range(60)])


# Packs


def test_a_pack_gives_back_its_clips(tmp_path):
    clips = [np.array([0.0, 0.25, -0.5, 0.75], np.float32), np.array([-1.0, 0.125], np.float32)]
    write_pack(tmp_path, "speech", clips, ["one", "two"])
    pack = load_pack(tmp_path, "speech")
    assert pack.clip(0).dtype == np.float32
    for number, clip in enumerate(clips):
        np.testing.assert_allclose(pack.clip(number), clip, atol=1 / 32767)
        for start in range(len(clip) + 1):
            np.testing.assert_array_equal(pack.clip(number, start, 2), pack.clip(number)[start : start + 2])
    # a clip never reaches into its neighbor
    assert len(pack.clip(0, 2, 100)) == 2


def test_groups_are_drawn_by_the_root_of_their_length(tmp_path):
    clips = [np.zeros(n, np.float32) for n in (100, 300, 1600, 100)]
    write_pack(tmp_path, "music", clips, ["short", "short", "long", "tiny"])
    pack = load_pack(tmp_path, "music")
    assert [group.tolist() for group in pack.groups] == [[0, 1], [2], [3]]
    np.testing.assert_allclose(pack.weights, np.array([20, 40, 10]) / 70)


def test_narrow_band_groups_are_drawn_half_as_often(tmp_path):
    clips = [np.zeros(1000, np.float32)] * 2
    write_pack(tmp_path, "music", clips, ["a", "b"])
    text = (tmp_path / "music.csv").read_text().splitlines()
    (tmp_path / "music.csv").write_text("\n".join([*text[:2], text[2].replace("44100", "22050")]) + "\n")
    np.testing.assert_allclose(load_pack(tmp_path, "music").weights, [2 / 3, 1 / 3])


def test_a_missing_pack_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_pack(tmp_path, "music")


# Loudness


STEADY = {
    "1 kHz": tone(1000, 4.0, 1),
    "60 Hz": tone(60, 4.0, 1),
    "chord": chord(0, 4.0),
    "white": np.random.default_rng(0).standard_normal(4 * SAMPLE_RATE).astype(np.float32) * 0.1,
}


@pytest.mark.parametrize("name", STEADY)
def test_loudness_of_steady_sound_is_that_of_pyloudnorm(packs, name):
    audio = STEADY[name]
    wanted = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio.astype(np.float64))
    assert SceneMixer(packs, "train", 4.0).loudness(audio) == pytest.approx(wanted, abs=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_loudness_of_events_is_close_to_pyloudnorm(packs, seed):
    """Blocks do not overlap here: a short event may fall on a border."""
    audio = np.zeros(4 * SAMPLE_RATE, np.float32)
    for number, at in enumerate(np.random.default_rng(seed).integers(0, 3 * SAMPLE_RATE, 3)):
        place(audio, hiss(number, 0.8), int(at))
    wanted = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio.astype(np.float64))
    assert SceneMixer(packs, "train", 4.0).loudness(audio) == pytest.approx(wanted, abs=1.5)


def test_a_full_scale_sine_is_at_minus_three(packs):
    sine = np.sin(2 * np.pi * 997 * np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE)
    assert SceneMixer(packs, "train", 4.0).loudness(sine) == pytest.approx(-3.01, abs=0.1)


def test_loudness_counts_decibels_and_not_silence(packs):
    mixer = SceneMixer(packs, "train", 4.0)
    audio = STEADY["chord"]
    level = mixer.loudness(audio)
    for gain_db in (-20.0, -6.0, 12.0):
        assert mixer.loudness(audio * 10 ** (gain_db / 20)) == pytest.approx(level + gain_db, abs=1e-3)
    half = audio.copy()
    half[2 * SAMPLE_RATE :] = 0  # the gate leaves the silent half out
    assert mixer.loudness(half) == pytest.approx(level, abs=0.5)
    assert mixer.loudness(np.zeros_like(audio)) == -math.inf
    assert mixer.loudness(audio * 1e-6) == -math.inf  # below the absolute gate of -70 LUFS
    assert math.isfinite(mixer.loudness(audio[:100]))


# Tools


@pytest.mark.parametrize("position", [-20, -5, -4, -1, 0, 3, 6, 7, 9, 10, 30])
def test_place_adds_what_lies_within(position):
    out, clip = np.arange(10, dtype=np.float32), np.array([1, 2, 3, 4], np.float32)
    wanted = out.copy()
    for number, value in enumerate(clip):
        if 0 <= position + number < 10:
            wanted[position + number] += value
    place(out, clip, position)
    np.testing.assert_array_equal(out, wanted)


def test_place_takes_a_clip_longer_than_the_scene():
    out = np.zeros(3, np.float32)
    place(out, np.arange(10, dtype=np.float32), -4)
    np.testing.assert_array_equal(out, [4, 5, 6])


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100, 1000])
def test_fade_ramps_both_ends_and_leaves_the_middle(length):
    clip = np.ones(length, np.float32)
    faded = fade(clip, 0.002)  # 88 samples
    assert (clip == 1).all()
    assert faded.shape == clip.shape
    np.testing.assert_array_equal(faded, faded[::-1])
    assert (np.diff(faded[: length // 2]) >= 0).all()
    assert (faded[88 : length - 88] == 1).all()
    assert length < 2 or faded[0] == faded[-1] == 0


def test_every_augmentation_keeps_length_type_and_source(mixer):
    audio = chord(1, 1.0)
    before = audio.copy()
    for seed in range(40):
        colored = mixer.colored(audio, np.random.default_rng(seed), "speech")
        assert colored.shape == audio.shape
        assert colored.dtype == np.float32
        assert np.isfinite(colored).all()
    np.testing.assert_array_equal(audio, before)


class Decided:
    """A generator whose draws are decided: which one of the chances comes true, and the value of every uniform draw."""

    def __init__(self, lucky, value):
        self.lucky, self.value, self.asked = lucky, value, 0

    def random(self):
        self.asked += 1
        return 0.0 if self.asked - 1 == self.lucky else 1.0

    def uniform(self, low, high):
        return self.value


NOTHING, LOW_PASS, HIGH_PASS = -1, 1, 2


def energy(audio, low_hz, high_hz):
    spectrum = np.abs(np.fft.rfft(audio.astype(np.float64) * np.hanning(len(audio)))) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    return spectrum[(hz >= low_hz) & (hz < high_hz)].sum()


def test_the_low_pass_takes_the_treble_and_nothing_else(mixer):
    audio = STEADY["white"][:SAMPLE_RATE]
    cut = mixer.colored(audio, Decided(LOW_PASS, 4000.0), "music")
    assert energy(cut, 6000, 22_050) < 1e-3 * energy(audio, 6000, 22_050)
    assert energy(cut, 0, 3000) == pytest.approx(energy(audio, 0, 3000), rel=0.02)


def test_the_high_pass_takes_the_bass_and_nothing_else(mixer):
    audio = STEADY["white"][:SAMPLE_RATE]
    cut = mixer.colored(audio, Decided(HIGH_PASS, 300.0), "music")
    assert energy(cut, 0, 100) < 1e-3 * energy(audio, 0, 100)
    assert energy(cut, 600, 22_050) == pytest.approx(energy(audio, 600, 22_050), rel=0.02)


def test_rumble_is_taken_from_every_sound(mixer):
    """What nobody hears must not rule the levels and the loss: DC and the deepest bass go, the rest stays."""
    audio = STEADY["white"][:SAMPLE_RATE] + np.float32(0.5) + tone(8.0, 1.0, 1)
    clean = mixer.colored(audio, Decided(NOTHING, 0.0), "effects")
    assert energy(clean, 0, RUMBLE_HZ / 2) < 1e-2 * energy(audio, 0, RUMBLE_HZ / 2)
    assert energy(clean, 3 * RUMBLE_HZ, 22_050) == pytest.approx(energy(audio, 3 * RUMBLE_HZ, 22_050), rel=0.02)


def test_all_sources_of_one_scene_speak_with_one_voice(tmp_path):
    """Each speaker here is a level of his own; a scene's speech holds one of them, and pauses."""
    levels = {"a": 0.1, "b": 0.3, "c": 0.7}
    clips = [np.full(SAMPLE_RATE // 3, level, np.float32) for level in levels.values() for _ in range(3)]
    for kind in ("speech", "music", "effects"):
        write_pack(tmp_path / "train", kind, clips, [name for name in levels for _ in range(3)])
    mixer = SceneMixer(tmp_path, "train", 1.0)
    heard = set()
    for seed in range(20):
        speech = mixer.speech(np.random.default_rng(seed))
        assert speech.shape == (SAMPLE_RATE,)
        loud = speech[speech > 0.05]
        nearest = min(levels.values(), key=lambda level: abs(level - np.median(loud)))
        heard.add(nearest)
        assert np.mean(np.abs(loud - nearest) < 0.03) > 0.95
    assert heard == set(levels.values())


# Scenes


def test_scenes_are_three_finite_stems(drawn):
    assert drawn.shape == (60, 3, SAMPLE_RATE)
    assert drawn.dtype == np.float32
    assert np.isfinite(drawn).all()


def test_scenes_are_near_the_loudness_that_networks_expect(drawn, mixer):
    levels = np.array([mixer.loudness(stems.sum(0)) for stems in drawn])
    assert np.abs(levels + 27).max() < 10  # four standard deviations
    assert abs(levels.mean() + 27) < 1.5
    assert 1.2 < levels.std() < 4


def test_scenes_hold_no_rumble(drawn):
    for stems in drawn:
        mixture = stems.sum(0)
        assert energy(mixture, 0, RUMBLE_HZ / 2) < 0.05 * energy(mixture, 0, 22_050)


def test_every_stem_is_there_often_and_missing_sometimes(drawn):
    present = (np.abs(drawn).max(axis=2) > 0).mean(axis=0)
    assert (present > 0.5).all()
    assert (present < 1).all()
    assert (np.abs(drawn).max(axis=(1, 2)) > 0).all()  # never nothing at all


def test_dialogue_is_the_loudest_stem_on_average(drawn, mixer):
    levels = np.array([[mixer.loudness(stem) for stem in stems] for stems in drawn])
    music, dialogue, effects = (np.median(column[np.isfinite(column)]) for column in levels.T)
    assert dialogue > music
    assert dialogue > effects


def test_a_seed_is_a_scene(mixer, packs):
    one, same, other = (SceneMixer(packs, "train", 1.0).draw(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def stream(packs, seed, worker, monkeypatch, count=3):
    class Info:
        id = worker

    monkeypatch.setattr(scenes, "get_worker_info", lambda: None if worker is None else Info)
    iterator = iter(Scenes(packs, "train", 0.5, seed))
    return torch.stack([next(iterator) for _ in range(count)])


def test_seeds_and_workers_have_scenes_of_their_own(packs, monkeypatch):
    assert torch.equal(stream(packs, 1, 0, monkeypatch), stream(packs, 1, None, monkeypatch))
    streams = [stream(packs, seed, worker, monkeypatch) for seed, worker in [(1, 0), (1, 1), (2, 0), (1, 2)]]
    every = [scene for found in streams for scene in found]
    for number, scene in enumerate(every):
        assert scene.shape == (3, SAMPLE_RATE // 2)
        for other in every[:number]:
            assert not torch.equal(scene, other)
