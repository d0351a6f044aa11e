"""Laws of the scenes mixed on the fly: levels, chance, and the small tools they are made with."""

import math

import numpy as np
import pyloudnorm
import pytest
import torch
from support.tiny_packs import chord, hiss, tone, voice, write_pack, write_packs

from model import SAMPLE_RATE
from model.dnr import scenes
from model.dnr.augment import PIECE, RUMBLE_HZ, fade, gated_lufs, pan_gain, place, stretched, warped
from model.dnr.scenes import SceneMixer, Scenes, load_pack


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
        for sound in mixer.colors.colored(audio, np.random.default_rng(seed), "speech", wide=seed % 2 == 0):
            assert sound.shape == audio.shape
            assert sound.dtype == np.float32
            assert np.isfinite(sound).all()
    np.testing.assert_array_equal(audio, before)


def test_the_weighted_sound_has_the_loudness_of_the_sound(mixer):
    for seed in range(10):
        sound, weighted = mixer.colors.colored(hiss(seed, 1.0), np.random.default_rng(seed), "effects")
        assert gated_lufs(weighted) == pytest.approx(mixer.loudness(sound), abs=0.2)


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
    cut, _ = mixer.colors.colored(audio, Decided(LOW_PASS, 4000.0), "music")
    assert energy(cut, 6000, 22_050) < 1e-3 * energy(audio, 6000, 22_050)
    assert energy(cut, 0, 3000) == pytest.approx(energy(audio, 0, 3000), rel=0.02)


def test_the_high_pass_takes_the_bass_and_nothing_else(mixer):
    audio = STEADY["white"][:SAMPLE_RATE]
    cut, _ = mixer.colors.colored(audio, Decided(HIGH_PASS, 300.0), "music")
    assert energy(cut, 0, 100) < 1e-3 * energy(audio, 0, 100)
    assert energy(cut, 600, 22_050) == pytest.approx(energy(audio, 600, 22_050), rel=0.02)


def test_rumble_is_taken_from_every_sound(mixer):
    """What nobody hears must not rule the levels and the loss: DC and the deepest bass go, the rest stays."""
    audio = STEADY["white"][:SAMPLE_RATE] + np.float32(0.5) + tone(8.0, 1.0, 1)
    clean, _ = mixer.colors.colored(audio, Decided(NOTHING, 0.0), "effects")
    assert energy(clean, 0, RUMBLE_HZ / 2) < 1e-2 * energy(audio, 0, RUMBLE_HZ / 2)
    assert energy(clean, 3 * RUMBLE_HZ, 22_050) == pytest.approx(energy(audio, 3 * RUMBLE_HZ, 22_050), rel=0.02)


def test_an_old_film_is_narrow_in_all_its_classes(mixer):
    audio = STEADY["white"][:SAMPLE_RATE]
    shared = mixer.colors.low_pass(5000.0)
    cut, _ = mixer.colors.colored(audio, Decided(NOTHING, 0.0), "music", shared=shared)
    assert energy(cut, 7000, 22_050) < 1e-3 * energy(audio, 7000, 22_050)
    assert energy(cut, 100, 4000) == pytest.approx(energy(audio, 100, 4000), rel=0.02)


def test_the_equalizer_bends_a_little_everywhere(mixer):
    gains_db = np.array([20 * np.log10(mixer.colors.equalizer(np.random.default_rng(seed))) for seed in range(50)])
    assert abs(gains_db.mean()) < 1
    assert 1.5 < gains_db.std() < 3.5
    assert np.abs(np.diff(gains_db[:, 2000:], axis=1)).max() < 0.1  # a curve, not a comb


@pytest.mark.parametrize("wide", [False, True])
def test_a_room_adds_a_tail_behind_the_direct_sound(mixer, wide):
    click = np.zeros(mixer.length, np.float32)
    click[1000] = 1.0
    direct = []
    for seed in range(30):
        response = mixer.colors.heard(np.fft.rfft(click, mixer.colors.size) * mixer.colors.room(
            np.random.default_rng(seed), wide=wide))  # fmt: skip
        assert np.abs(response[:990]).max() < 1e-3  # nothing wraps around to the front
        tail = np.sum(response[1001:].astype(float) ** 2)
        assert 0.01 < tail < 4
        assert np.abs(response[1000 + int(0.46 * SAMPLE_RATE) :]).max() < 1e-3
        direct.append(abs(response[1000]))
    if wide:  # on its own side or on the other one
        assert min(direct) < 0.5
        assert max(direct) > 1.2
    else:
        assert np.allclose(direct, 1.0, atol=0.3)


def test_panning_has_constant_power():
    gains = np.array([pan_gain(np.random.default_rng(seed)) for seed in range(500)])
    assert (gains > 0.15).all()
    assert (gains <= np.sqrt(2)).all()
    assert np.mean(gains**2) == pytest.approx(1.0, abs=0.12)  # a little more: the far end is left out


def test_sources_of_a_wide_scene_stand_at_other_levels(mixer):
    for kind in (mixer.effects, mixer.background):
        narrow, wide = (kind(np.random.default_rng(11), wide=wide) for wide in (False, True))
        assert narrow.shape == wide.shape == (mixer.length,)
    levels = [np.abs(mixer.effects(np.random.default_rng(seed), wide=wide)).max()
              for wide in (False, True) for seed in range(40)]  # fmt: skip
    narrow, wide = np.array(levels).reshape(2, 40)
    assert np.std(np.log(wide[wide > 0])) > np.std(np.log(narrow[narrow > 0]))


def pitch(audio):
    """The strongest frequency, Hz."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 8 * len(audio)))
    return np.argmax(spectrum) * SAMPLE_RATE / (8 * len(audio))


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.2, 1.5])
def test_stretching_changes_the_length_and_not_the_pitch(factor):
    audio = tone(330.0, 1.0, 1)
    slow = stretched(audio, factor)
    assert len(slow) == pytest.approx(factor * len(audio), abs=2000)
    assert pitch(slow) == pytest.approx(330.0, rel=0.01)
    assert np.abs(slow).max() < 1.3 * np.abs(audio).max()
    middle = slow[2000:-2000].astype(float)
    assert np.std(middle) == pytest.approx(np.std(audio), rel=0.1)  # pieces fit: nothing cancels


def test_stretching_by_one_is_nearly_nothing():
    audio = voice(1, 0.5)
    same = stretched(audio, 1.0)
    np.testing.assert_allclose(same[:-PIECE], audio[: len(same) - PIECE], atol=1e-6)  # the last piece fades out


@pytest.mark.parametrize("length", [0, 1, 900, 2000])
def test_short_sounds_survive_stretching(length):
    assert np.isfinite(stretched(np.ones(length, np.float32), 1.1)).all()


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_warping_changes_pitch_and_length_together(ratio):
    audio = tone(330.0, 1.0, 1)
    slow = warped(audio, ratio)
    assert len(slow) == pytest.approx(ratio * len(audio), abs=3)
    assert pitch(slow) == pytest.approx(330.0 / ratio, rel=0.01)


def test_two_people_sometimes_speak_at_once(mixer, monkeypatch):
    calls = []
    true_speech = mixer.speech
    monkeypatch.setattr(mixer, "speech", lambda rng: calls.append(1) or true_speech(rng))
    rng = np.random.default_rng(0)
    for _ in range(60):
        mixer.sound("speech", rng, wide=True)
    assert 1 < len(calls) - 60 < 15  # 8 %


def test_ambiences_have_up_to_three_layers(mixer, monkeypatch):
    taken = []
    pack = mixer.packs["effects"]
    true_clip = type(pack).clip
    monkeypatch.setattr(type(pack), "clip", lambda self, *where: taken.append(1) or true_clip(self, *where))
    counts = set()
    for seed in range(30):
        taken.clear()
        mixer.background(np.random.default_rng(seed))
        counts.add(len(taken))
    assert counts == {0, 1, 2, 3}  # none where it is shaped noise


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
        assert np.mean(np.abs(loud - nearest) < 0.03) > 0.9
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


def test_the_chances_of_the_classes_can_be_chosen(packs):
    chances = {"music": 0.0, "speech": 1.0, "effects": 0.5, "background": 0.0}
    scenes = Scenes(packs, "train", 1.0, seed=1, presence=chances)
    present = np.array([(np.abs(scenes[number][1].numpy()).max(axis=1) > 0) for number in range(40)])
    music, dialogue, effects = present.mean(axis=0)
    assert music == 0
    assert dialogue > 0.9  # a speaker may begin late, and be silent in a second
    assert 0.25 < effects < 0.75


def test_dialogue_is_the_loudest_stem_on_average(drawn, mixer):
    levels = np.array([[mixer.loudness(stem) for stem in stems] for stems in drawn])
    music, dialogue, effects = (np.median(column[np.isfinite(column)]) for column in levels.T)
    assert dialogue > music
    assert dialogue > effects


def test_a_seed_is_a_scene(mixer, packs):
    one, same, other = (SceneMixer(packs, "train", 1.0).draw(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_half_of_the_scenes_are_wide_and_some_are_old(mixer, monkeypatch):
    seen = []
    true_colored = mixer.colors.colored

    def noted(audio, rng, kind, *, wide, shared):
        seen.append((wide, shared is not None))
        return true_colored(audio, rng, kind, wide=wide, shared=shared)

    monkeypatch.setattr(mixer.colors, "colored", noted)
    firsts = []
    for seed in range(60):
        seen.clear()
        mixer.draw(np.random.default_rng((5, seed)))
        assert len(set(seen)) == 1  # all classes of a scene alike
        firsts.append(seen[0])
    wide, old = np.mean(firsts, axis=0)
    assert 0.3 < wide < 0.7
    assert 0 < old < 0.2


def test_a_seed_and_a_number_are_a_scene(packs):
    found = {(seed, number): Scenes(packs, "train", 0.5, seed)[number][1] for seed in (1, 2) for number in (0, 1, 70)}
    again = Scenes(packs, "train", 0.5, 2)
    for number in (70, 0, 1):  # in any order
        mixture, stems = again[number]
        assert torch.equal(stems, found[2, number])
        assert torch.equal(mixture, stems.sum(0))
    every = list(found.values())
    for number, scene in enumerate(every):
        assert scene.shape == (3, SAMPLE_RATE // 2)
        assert not any(torch.equal(scene, other) for other in every[:number])


def test_scenes_travel_to_workers_without_their_packs(packs):
    data = Scenes(packs, "train", 0.5, 1)
    assert data.mixers == ()
    data[0]
    assert data.mixers != ()


def test_some_voices_whisper(mixer, monkeypatch):
    """A whisper has no pitch: its spectrum is noise where the spoken word has partials."""

    def flatness(chance):
        monkeypatch.setattr(scenes, "WHISPERED", chance)
        monkeypatch.setattr(scenes, "SECOND_VOICE", 0.0)
        audio = mixer.sound("speech", np.random.default_rng(3), wide=False)
        assert audio.dtype == np.float32
        power = np.abs(np.fft.rfft(audio)[200 * len(audio) // SAMPLE_RATE : 1000 * len(audio) // SAMPLE_RATE]) ** 2
        return np.exp(np.log(power).mean()) / power.mean()

    assert flatness(0.0) < 0.05
    assert flatness(1.0) > 0.25
