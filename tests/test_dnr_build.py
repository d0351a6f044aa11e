"""The recipe of Divide and Remaster, checked on scenes of synthetic sources, and on the files that they become."""

import csv
import math
import sys
from itertools import pairwise

import numpy as np
import pyloudnorm
import pytest
import soundfile as sf
from tiny_packs import chord, hiss, tone, voice, write_packs

from model import SAMPLE_RATE, STEMS
from model.dnr import build
from model.dnr.build import (
    CLASS_SPREAD,
    EVENT_SPREAD,
    EVENTS,
    FOLDERS,
    LAST_START_SECONDS,
    LUFS,
    MASTER_LUFS,
    MASTER_SPREAD,
    SECONDS,
    count_events,
    draw_from_packs,
    draw_scene,
    integrated_lufs,
    place_event,
    without_rumble,
    write_scene,
)

SCENES = 3
SIZE = round(SECONDS * SAMPLE_RATE)
SPREAD = CLASS_SPREAD + EVENT_SPREAD


class Library:
    """A source of events that remembers what it gave, by name."""

    def __init__(self):
        self.given = {}

    def __call__(self, kind, rng):
        seconds = {"speech": (1, 7), "music": (10, 30), "sfx": (0.05, 5), "background": (4, 12)}[kind]
        sound = {"speech": voice, "music": chord, "sfx": hiss, "background": hiss}[kind]
        clip = sound(int(rng.integers(5)), rng.uniform(*seconds)) * np.float32(rng.uniform(0.01, 1))
        name = f"{kind}/{len(self.given)}"
        self.given[name] = clip
        return clip, name


@pytest.fixture(scope="module")
def library():
    return Library()


@pytest.fixture(scope="module")
def drawn(library):
    return [draw_scene(library, np.random.default_rng((0, number))) for number in range(SCENES)]


@pytest.fixture(scope="module")
def tree(drawn, tmp_path_factory):
    root = tmp_path_factory.mktemp("dnr") / "tt"
    for number, scene in enumerate(drawn):
        write_scene(scene, root / str(1000 + number))
    return root


def read(folder):
    """mix [T], stems [3, T], rows of annots.csv"""
    files = {name: sf.read(folder / f"{name}.wav", dtype="float32")[0] for name in ("mix", "music", "speech", "sfx")}
    with (folder / "annots.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return files["mix"], np.stack([files[name] for name in ("music", "speech", "sfx")]), rows


# Chance


@pytest.mark.parametrize("mean", [0.5, 6.0, 12.0])
def test_counts_are_poisson_without_zero(mean):
    rng = np.random.default_rng(0)
    counts = np.array([count_events(mean, rng) for _ in range(3000)])
    zero = math.exp(-mean)
    assert counts.min() >= 1
    assert counts.mean() == pytest.approx(mean / (1 - zero), abs=4 * math.sqrt(mean / 3000))
    for count in range(1, 4):
        wanted = zero * mean**count / math.factorial(count) / (1 - zero)
        assert np.mean(counts == count) == pytest.approx(wanted, abs=4 * math.sqrt(wanted / 3000) + 1e-3)


@pytest.mark.parametrize("kind", EVENTS)
def test_places_of_events(kind):
    rng = np.random.default_rng(1)
    starts = []
    for _ in range(1500):
        clip_seconds, after = rng.uniform(0.1, 30), float(rng.integers(0, 61))
        left = SECONDS - after
        placed = place_event(kind, clip_seconds, after, rng)
        if left <= 0.3 * clip_seconds or (kind == "speech" and left <= clip_seconds):
            assert placed is None
            continue
        start, length = placed
        assert start >= after
        assert start + length <= SECONDS + 1e-9
        if kind == "speech":
            assert length == pytest.approx(clip_seconds)  # an utterance is whole
        else:
            assert 0.1 <= length <= clip_seconds
            assert start <= max(LAST_START_SECONDS, after)
        if left > clip_seconds + 12:
            starts.append(start - after)
    # skew-normal (5, 1 s, 2 s): its mean, and hardly ever before its location
    delta = 5 / math.sqrt(26)
    assert np.mean(starts) == pytest.approx(1 + 2 * delta * math.sqrt(2 / math.pi), abs=0.2)
    assert np.mean(np.array(starts) < 0.8) < 0.06


def test_events_last_half_of_what_they_could():
    rng = np.random.default_rng(2)
    lengths = np.array([place_event("music", 20.0, 0.0, rng)[1] for _ in range(800)])
    assert lengths.mean() == pytest.approx(10, abs=0.3)
    assert lengths.std() == pytest.approx(2, abs=0.3)


# Scenes


def test_events_of_a_class_do_not_overlap(drawn):
    for scene in drawn:
        for kind in EVENTS:
            found = [event for event in scene.events if event.kind == kind]
            assert found
            for one, next_one in pairwise(found):
                assert next_one.mix_start_time >= math.ceil(one.mix_end_time)
            assert all(0 <= e.mix_start_time < e.mix_end_time <= SECONDS + 1e-9 for e in found)


def test_utterances_are_whole(drawn, library):
    for scene in drawn:
        for event in (event for event in scene.events if event.kind == "speech"):
            clip = library.given[event.file]
            assert event.clip_start_time == 0
            first = int(event.mix_start_time * SAMPLE_RATE)
            part = scene.submixes["speech"][first : first + len(clip)]
            np.testing.assert_allclose(part, clip * event.clip_gain, rtol=1e-6, atol=1e-9)


def test_numbers_of_events_are_those_of_the_recipe(drawn):
    """Some of the drawn number find no place, none is added."""
    for kind, mean in EVENTS.items():
        counts = [sum(event.kind == kind for event in scene.events) for scene in drawn]
        assert min(counts) >= 1
        assert np.mean(counts) < mean + 4 * math.sqrt(mean / SCENES)


def test_events_have_the_loudness_of_their_class(drawn, library):
    """After the master gain, which is common to a scene, each event lies within its class' and its own spread."""
    for scene in drawn:
        above = {}
        for event in scene.events:
            begin, end = (round(t * SAMPLE_RATE) for t in (event.clip_start_time, event.clip_end_time))
            level = integrated_lufs(library.given[event.file][begin:end] * event.clip_gain)
            above.setdefault(event.kind, []).append(level - LUFS[event.kind])
        for levels in above.values():
            assert max(levels) - min(levels) <= 2 * EVENT_SPREAD + 0.01
        everything = [level for levels in above.values() for level in levels]
        assert max(everything) - min(everything) <= 2 * SPREAD + 0.01


def test_a_seed_is_a_scene(drawn):
    again = draw_scene(Library(), np.random.default_rng((0, 0)))
    assert np.array_equal(again.stems(), drawn[0].stems())
    assert again.events == drawn[0].events
    assert not np.array_equal(again.stems(), drawn[1].stems())


def test_spikes_are_brought_to_the_same_loudness():
    """Sources of huge peaks and little loudness: the peak rule comes first, the master gain has the last word."""

    def clicks(kind, rng):
        clip = tone(300, 2.0, 1) * np.float32(1e-3)
        clip[rng.integers(len(clip))] = 0.9
        return clip, kind

    mix = draw_scene(clicks, np.random.default_rng(0)).stems().sum(axis=0)
    assert abs(integrated_lufs(mix) - MASTER_LUFS) <= MASTER_SPREAD + 0.05


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # pyloudnorm averages no blocks at all
def test_silent_sources_are_an_error():
    with pytest.raises(ValueError, match="silent"):
        draw_scene(lambda kind, rng: (np.zeros(2 * SAMPLE_RATE), kind), np.random.default_rng(0))


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.39, 0.41, 2.0])
def test_loudness_of_anything_however_short(seconds):
    """A steady tone is as loud when it is short; -20 dBFS of a 997 Hz sine are -23 LUFS."""
    sine = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    assert integrated_lufs(sine.astype(np.float32)) == pytest.approx(-23.0, abs=0.3)


@pytest.mark.parametrize("length", [1, 2, 50, 5000])
def test_rumble_is_removed_from_clips_of_any_length(length):
    clip = np.ones(length, np.float32)
    clean = without_rumble(clip)
    assert clean.shape == clip.shape
    assert clean.dtype == np.float32
    assert np.isfinite(clean).all()
    music = chord(0, 1.0)
    np.testing.assert_allclose(without_rumble(music + np.float32(0.3))[9000:-9000], music[9000:-9000], atol=0.01)


# Files


def test_files_are_the_stems_and_their_exact_sum(tree, drawn):
    for folder, scene in zip(sorted(tree.iterdir()), drawn, strict=True):
        mix, stems, _ = read(folder)
        assert mix.shape == (SIZE,)
        assert np.array_equal(stems, scene.stems())
        assert np.array_equal(stems.sum(axis=0), mix)
        for path in folder.glob("*.wav"):
            facts = sf.info(path)
            assert (facts.samplerate, facts.channels, facts.subtype) == (SAMPLE_RATE, 1, "FLOAT")
        assert sorted(path.name for path in folder.iterdir()) == [
            "annots.csv", "mix.wav", "music.wav", "sfx.wav", "speech.wav",
        ]  # fmt: skip


def test_mixes_have_the_loudness_of_the_master(tree):
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    levels = [meter.integrated_loudness(read(folder)[0].astype(np.float64)) for folder in tree.iterdir()]
    assert all(abs(level - MASTER_LUFS) <= MASTER_SPREAD + 0.01 for level in levels)
    assert len(set(np.round(levels, 3))) == SCENES


def test_annotations_make_the_stems_again(tree, library):
    stem_of = {"music": 0, "speech": 1, "sfx": 2, "background": 2}
    for folder in tree.iterdir():
        _, stems, rows = read(folder)
        assert list(rows[0]) == [
            "file", "class", "mix start time", "mix end time", "clip start time", "clip end time", "clip gain",
            "annotation",
        ]  # fmt: skip
        again = np.zeros_like(stems)
        for row in rows:
            times = (float(row[name]) for name in ("mix start time", "clip start time", "clip end time"))
            at, begin, end = (t * SAMPLE_RATE for t in times)
            part = library.given[row["file"]][round(begin) : round(end)] * float(row["clip gain"])
            room = again[stem_of[row["class"]], int(at) : int(at) + len(part)]
            room += part[: len(room)]
        np.testing.assert_allclose(again, stems, atol=1e-4)


def test_the_command_builds_a_tree_from_packs(tmp_path, monkeypatch):
    packs = write_packs(tmp_path / "packs", ["validation"])
    command = ["build", tmp_path / "dnr", "--packs", packs, "--split", "validation", "--scenes", "1", "--seed", "7"]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    build.main()
    folder = tmp_path / "dnr" / FOLDERS["validation"] / "1000"
    mix, stems, rows = read(folder)
    assert np.array_equal(stems.sum(axis=0), mix)
    assert (np.abs(stems).max(axis=1) > 0).all()
    assert {row["class"] for row in rows} == set(EVENTS)
    assert len(stems) == len(STEMS)
    # a seed is a scene, from packs too
    scene = draw_scene(draw_from_packs(packs, "validation"), np.random.default_rng((7, 0)))
    assert np.array_equal(scene.stems(), stems)


def test_what_packs_give_fits_the_recipe(tmp_path):
    packs = write_packs(tmp_path, ["test"])
    draw, rng = draw_from_packs(packs, "test"), np.random.default_rng(0)
    for _ in range(20):
        speech, music, ambience = (len(draw(kind, rng)[0]) / SAMPLE_RATE for kind in ("speech", "music", "background"))
        assert 3 <= speech <= 12 + 2 + 0.4  # words are joined, none is cut
        assert music <= build.MUSIC_FILE_SECONDS
        assert ambience >= build.BACKGROUND_SECONDS
