"""Trees as others wrote them: whole sets, special cases, integer files, missing stems."""

import json

import numpy as np
import pytest
import soundfile as sf

from model.dnr.trees import find_scenes, read_scene, scenes_of

RATE = 8000
STEM_FILES = ("music", "speech", "sfx")  # in the order of model.STEMS


@pytest.fixture
def sound():
    """Stems [3, T]."""
    return (0.1 * np.random.default_rng(0).standard_normal((3, RATE // 4))).astype(np.float32)


def write(folder, sound, *, subtype="FLOAT", suffix=".wav", rate=RATE, without=()):
    folder.mkdir(parents=True, exist_ok=True)
    for name, audio in zip(("mix", *STEM_FILES), (sound.sum(axis=0), *sound), strict=True):
        if name not in without:
            sf.write(folder / f"{name}{suffix}", audio.T, rate, subtype=subtype)
    return folder


def names(tree, split=None):
    return {group.name: [folder.name for folder in group.folders] for group in find_scenes(tree, split)}


def touch(tree, *scenes):
    for scene in scenes:
        (tree / scene).mkdir(parents=True)
        (tree / scene / "mix.wav").touch()


def test_scenes_come_by_number(tmp_path):
    touch(tmp_path, "1000", "9", "10", "12345")
    (tmp_path / "notes").mkdir()
    assert names(tmp_path) == {"": ["9", "10", "1000", "12345"]}


def test_a_whole_set_means_its_test_split(tmp_path):
    touch(tmp_path, "tr/1", "cv/2", "tt/3", "tt/4", "other/5")
    assert names(tmp_path) == {"": ["3", "4"]}
    assert names(tmp_path, "cv") == {"": ["2"]}
    assert names(tmp_path / "tr") == {"": ["1"]}
    with pytest.raises(FileNotFoundError, match="tr, cv and tt"):
        find_scenes(tmp_path / "tt", "cv")


def test_a_set_without_a_test_split(tmp_path):
    touch(tmp_path, "cv/2")
    assert names(tmp_path) == {"": ["2"]}
    touch(tmp_path, "tr/1")
    with pytest.raises(ValueError, match="tr and cv: name the split"):
        find_scenes(tmp_path)


def test_special_cases_in_the_order_of_their_list(tmp_path):
    touch(tmp_path, "alone/0", "plain/0", "plain/1", "zoo/0")
    assert list(names(tmp_path)) == ["alone", "plain", "zoo"]
    (tmp_path / "cases.json").write_text(json.dumps({"cases": {"plain": {}, "gone": {}, "alone": {}}}))
    assert names(tmp_path) == {"plain": ["0", "1"], "alone": ["0"], "zoo": ["0"]}
    (tmp_path / "cases.json").write_text("no list")
    assert list(names(tmp_path)) == ["alone", "plain", "zoo"]


def test_a_folder_without_scenes_says_what_it_should_hold(tmp_path):
    (tmp_path / "1000").mkdir()
    for path in (tmp_path, tmp_path / "missing"):
        assert scenes_of(path) == []
        with pytest.raises(FileNotFoundError, match=r"mix\.wav"):
            find_scenes(path)


@pytest.mark.parametrize(
    ("subtype", "suffix", "error"),
    [("FLOAT", ".wav", 0), ("PCM_16", ".wav", 2**-15), ("PCM_24", ".flac", 2**-23), ("DOUBLE", ".wav", 0)],
)
def test_files_of_any_kind(tmp_path, sound, subtype, suffix, error):
    scene = read_scene(write(tmp_path / "1", sound, subtype=subtype, suffix=suffix))
    assert scene.sample_rate == RATE
    assert scene.restored == ()
    assert scene.mixture.dtype == scene.stems.dtype == np.float32
    np.testing.assert_allclose(scene.stems[:, 0], sound, atol=error)
    np.testing.assert_allclose(scene.mixture[0], sound.sum(axis=0), atol=error)


def test_two_channels(tmp_path, sound):
    both = np.stack([sound, 0.5 * sound], axis=1)
    scene = read_scene(write(tmp_path / "1", both))
    assert scene.mixture.shape == both.shape[1:]
    np.testing.assert_array_equal(scene.stems, both)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16"])
def test_a_missing_stem_is_what_the_mix_has_beyond_the_others(tmp_path, sound, subtype):
    scene = read_scene(write(tmp_path / "1", sound, subtype=subtype, without=["sfx"]))
    assert scene.restored == ("effects",)
    np.testing.assert_allclose(scene.stems[2, 0], sound[2], atol=1e-4)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16"])
def test_a_missing_stem_of_which_the_mix_has_nothing_is_silent(tmp_path, sound, subtype):
    sound[1:] = 0
    scene = read_scene(write(tmp_path / "1", sound, subtype=subtype, without=["speech", "sfx"]))
    assert scene.restored == ("dialogue", "effects")
    assert not scene.stems[1:].any()


def test_two_missing_stems_cannot_be_told_apart(tmp_path, sound):
    with pytest.raises(ValueError, match="has no speech and sfx"):
        read_scene(write(tmp_path / "1", sound, without=["speech", "sfx"]))


def test_scenes_that_would_give_wrong_figures(tmp_path, sound):
    with pytest.raises(ValueError, match="no mix"):
        read_scene(write(tmp_path / "no mix", sound, without=["mix"]))
    folder = write(tmp_path / "short", sound)
    sf.write(folder / "sfx.wav", sound[2, :-1], RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"sfx of .* differs from the mix"):
        read_scene(folder)
    folder = write(tmp_path / "fast", sound)
    sf.write(folder / "music.wav", sound[0], 2 * RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"music of .* differs from the mix"):
        read_scene(folder)
    (write(tmp_path / "text", sound) / "speech.wav").write_text("no sound")
    with pytest.raises(ValueError, match=r"speech\.wav cannot be read"):
        read_scene(tmp_path / "text")
    sound[0, 5] = np.nan
    with pytest.raises(ValueError, match="no numbers"):
        read_scene(write(tmp_path / "nan", sound))
