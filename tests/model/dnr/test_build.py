"""Scenes as sound and as files: levels and sums as the recipe has them, complete or not there, made again at will."""

import csv
import json
import math
import os
from itertools import pairwise

import numpy as np
import pyloudnorm
import pytest
import soundfile as sf
from support.tiny_packs import chord, hiss, tone, voice, write_packs

from cfork_cli.app import run
from model import SAMPLE_RATE, STEMS
from model.dnr import build
from model.dnr.annotations import COLUMNS, Event, read_events, write_events
from model.dnr.packs import PackLibrary, without_rumble
from model.dnr.recipe import (
    BACKGROUND_SECONDS,
    CLASS_SPREAD,
    EVENT_SPREAD,
    EVENTS,
    LUFS,
    MASTER_LUFS,
    MASTER_SPREAD,
    MUSIC_FILE_SECONDS,
    PEAK,
    SECONDS,
    Clip,
)
from model.dnr.render import draw_scene, render_events, write_scene
from model.dnr.sounds import WriteError
from model.dnr.workers import parallel
from model.loudness import integrated_lufs

SCENES = 2
SIZE = round(SECONDS * SAMPLE_RATE)
SPREAD = CLASS_SPREAD + EVENT_SPREAD
NAMES = ("mix", "music", "speech", "sfx")


class Library:
    """A source of clips that remembers what it gave, by name."""

    def __init__(self):
        self.given = {}

    def draw(self, kind, rng):
        seconds = {"speech": (1, 7), "music": (10, 30), "sfx": (0.05, 5), "background": (4, 12)}[kind]
        sound = {"speech": voice, "music": chord, "sfx": hiss, "background": hiss}[kind]
        clip = sound(int(rng.integers(5)), rng.uniform(*seconds)) * np.float32(rng.uniform(0.01, 1))
        name = f"{kind}/{len(self.given)}"
        self.given[name] = clip
        return Clip(name, len(clip), annotation=f"a {kind}")

    def read(self, clip):
        return self.given[clip.file]

    def find(self, kind, file):
        if file not in self.given:
            raise FileNotFoundError(f"'{file}' is gone")
        return Clip(file, len(self.given[file]))


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
    """mix [T], stems [3, T], events"""
    files = {name: sf.read(folder / f"{name}.wav", dtype="float32")[0] for name in NAMES}
    return files["mix"], np.stack([files[name] for name in NAMES[1:]]), read_events(folder / "annots.csv")


# Scenes


def test_events_of_a_class_do_not_overlap(drawn):
    for scene in drawn:
        for kind in EVENTS:
            found = [event for event in scene.events if event.kind == kind]
            assert found
            for one, after in pairwise(found):
                assert after.mix_start_time >= math.ceil(one.mix_end_time)
        starts = [event.mix_start_time for event in scene.events]
        assert starts == sorted(starts)


def test_utterances_are_whole(drawn, library):
    for scene in drawn:
        for event in (event for event in scene.events if event.kind == "speech"):
            clip = library.given[event.file]
            assert event.clip_start_time == 0
            first = int(event.mix_start_time * SAMPLE_RATE)
            part = scene.submixes["speech"][first : first + len(clip)]
            np.testing.assert_allclose(part, clip * event.clip_gain, rtol=1e-6, atol=1e-9)


def test_events_have_the_loudness_of_their_class(drawn, library):
    """After the master gain, which is common to a scene, each event lies within its class' and its own spread."""
    for scene in drawn:
        above = {}
        for event in scene.events:
            begin, end = (round(t * SAMPLE_RATE) for t in (event.clip_start_time, event.clip_end_time))
            level = integrated_lufs(library.given[event.file][begin:end] * event.clip_gain, SAMPLE_RATE)
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


class Clicks:
    """Sources of huge peaks and little loudness."""

    def draw(self, kind, rng):
        return Clip(kind, 2 * SAMPLE_RATE)

    def read(self, clip):
        sound = tone(300, 2.0, 1) * np.float32(1e-3)
        sound[100] = 0.9
        return sound


def test_the_peak_rule_comes_before_the_master_gain():
    """One gain for all submixes: the loudest peak to -0.5 dBFS at most; the master gain has the last word."""
    scene = draw_scene(Clicks(), np.random.default_rng(0))
    mix = scene.stems().sum(axis=0)
    assert abs(integrated_lufs(mix, SAMPLE_RATE) - MASTER_LUFS) <= MASTER_SPREAD + 0.05
    gains = [event.clip_gain for event in scene.events]
    levels = [20 * math.log10(gain) - LUFS[event.kind] for gain, event in zip(gains, scene.events, strict=True)]
    assert max(levels) - min(levels) <= 2 * SPREAD + 0.01  # the clicks are alike, so gains follow the classes


def test_peaks_of_usual_scenes_stay_below_full_scale(drawn):
    assert all(np.abs(stem).max() <= PEAK for scene in drawn for stem in scene.stems())


class Silence:
    def draw(self, kind, rng):
        return Clip(kind, 2 * SAMPLE_RATE)

    def read(self, clip):
        return np.zeros(clip.samples, np.float32)


def test_silent_sources_are_an_error():
    with pytest.raises(ValueError, match="silent"):
        draw_scene(Silence(), np.random.default_rng(0))


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
        assert {path.name for path in folder.iterdir()} == build.FILES


def test_mixes_have_the_loudness_of_the_master(tree):
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    levels = [meter.integrated_loudness(read(folder)[0].astype(np.float64)) for folder in tree.iterdir()]
    assert all(abs(level - MASTER_LUFS) <= MASTER_SPREAD + 0.01 for level in levels)
    assert len(set(np.round(levels, 3))) == SCENES


def test_annotations_have_the_published_columns(tree, drawn):
    for folder, scene in zip(sorted(tree.iterdir()), drawn, strict=True):
        with (folder / "annots.csv").open(newline="") as file:
            assert tuple(next(csv.reader(file))) == COLUMNS
        assert read_events(folder / "annots.csv") == scene.events
    assert COLUMNS[:4] == ("file", "class", "mix start time", "mix end time")


def test_annotations_make_the_scene_again(tree, library, drawn):
    for folder, scene in zip(sorted(tree.iterdir()), drawn, strict=True):
        again = render_events(library, read_events(folder / "annots.csv"))
        np.testing.assert_allclose(again.stems(), scene.stems(), atol=1e-6)


def test_published_tables_are_read_in_all_their_forms(tmp_path):
    """With row numbers, with "sample" for time, with samples indeed, with underscores."""
    event = Event("a/b/1-2-3.wav", "speech", 1.5, 4.5, 0.25, 3.25, 0.5, "HELLO, WORLD")
    plain = tmp_path / "plain.csv"
    write_events([event], plain)
    assert read_events(plain) == [event]
    text = plain.read_text()
    numbered = ",file,class,mix start time,mix end time,clip start sample,clip end sample,clip gain,annotation\n0,"
    (tmp_path / "numbered.csv").write_text(numbered + text.splitlines()[1] + "\n")
    assert read_events(tmp_path / "numbered.csv") == [event]
    row = '"a/b/1-2-3.wav",speech,1.5,4.5,11025,143325,0.5,"HELLO, WORLD"\n'
    (tmp_path / "samples.csv").write_text(",".join(COLUMNS).replace(" ", "_") + "\n" + row)
    assert read_events(tmp_path / "samples.csv") == [event]


@pytest.mark.parametrize(
    ("text", "words"),
    [("file,class\na,speech\n", "no column 'mix start time'"), (",".join(COLUMNS) + "\na,speech,x,1,0,1,1,\n", "row"),
     (",".join(COLUMNS) + "\na,speech,nan,1,0,1,1,\n", "no number")],
)  # fmt: skip
def test_broken_tables_are_told(tmp_path, text, words):
    (tmp_path / "annots.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_events(tmp_path / "annots.csv")


# From packs


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    return write_packs(tmp_path_factory.mktemp("packs"), ["validation", "test"])


def test_what_packs_give_fits_the_recipe(packs):
    library, rng = PackLibrary(packs, "test"), np.random.default_rng(0)
    for _ in range(20):
        clips = {kind: library.draw(kind, rng) for kind in EVENTS}
        assert 3 <= clips["speech"].samples / SAMPLE_RATE <= 12 + 2 + 0.4  # words are joined, none is cut
        assert clips["music"].samples / SAMPLE_RATE <= MUSIC_FILE_SECONDS
        assert clips["background"].samples / SAMPLE_RATE >= BACKGROUND_SECONDS
        for kind, clip in clips.items():
            assert library.read(clip).shape == (clip.samples,)
            found = library.find(kind, clip.file)
            assert found.samples >= clip.samples
            np.testing.assert_allclose(
                library.read(found)[clip.offset :][: clip.samples], library.read(clip), atol=2e-2
            )


@pytest.mark.parametrize(
    ("kind", "file"),
    [("music", "test/music/99"), ("music", "validation/music/0"), ("sfx", "test/music/0"), ("speech", "test/speech/a"),
     ("speech", "test/speech/0+5"), ("music", "somewhere/song.wav"), ("nothing", "test/music/0")],
)  # fmt: skip
def test_names_that_packs_do_not_know(packs, kind, file):
    with pytest.raises(FileNotFoundError, match=file.rpartition("/")[0] or file):
        PackLibrary(packs, "test").find(kind, file)


# Trees, and the command


def cfork(capsys, *arguments):
    """Exit code, the JSON of stdout, stderr."""
    code = run([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def scenes_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_a_tree_from_packs_goes_on_where_it_was_interrupted(packs, tmp_path, capsys, monkeypatch):
    out = tmp_path / "dnr"
    command = ["dnr", "build", out, "--packs", packs, "--split", "cv", "--seed", "7", "--workers", "1"]

    class Interrupts(PackLibrary):
        left = 60

        def draw(self, kind, rng):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().draw(kind, rng)

    with monkeypatch.context() as patch:
        patch.setattr("model.dnr.packs.PackLibrary", Interrupts)
        code, told, _ = cfork(capsys, *command, "--scenes", "2")
    assert code == 130
    assert "1 of 2 scenes are complete" in told["error"]
    assert scenes_in(out / "cv") == ["1000"]
    first = (out / "cv/1000/mix.wav").read_bytes()

    code, told, _ = cfork(capsys, *command, "--scenes", "2")
    assert (code, told["built"], told["there_already"]) == (0, 1, 1)
    assert scenes_in(out / "cv") == ["1000", "1001"]
    assert (out / "cv/1000/mix.wav").read_bytes() == first
    # a seed is a scene, from packs too
    scene = draw_scene(PackLibrary(packs, "validation"), np.random.default_rng((7, 1)))
    mix, stems, events = read(out / "cv/1001")
    assert np.array_equal(scene.stems(), stems)
    assert np.array_equal(stems.sum(axis=0), mix)
    assert len(stems) == len(STEMS)
    assert {event.kind for event in events} == set(EVENTS)

    # scenes of another seed are in the way, and stay unless told otherwise
    other = [*command, "--scenes", "1"]
    other[other.index("7")] = "8"
    code, told, _ = cfork(capsys, *other)
    assert code == 4
    assert "--force" in told["error"]
    assert (out / "cv/1000/mix.wav").read_bytes() == first
    code, told, _ = cfork(capsys, *other, "--force")
    assert (code, told["built"]) == (0, 1)
    assert scenes_in(out / "cv") == ["1000"]
    assert (out / "cv/1000/mix.wav").read_bytes() != first

    # and all can be made again from what annots.csv says
    code, told, _ = cfork(
        capsys, "dnr", "build", tmp_path / "again", "--packs", packs, "--annots", out, "--workers", "1"
    )
    assert (code, told["built"]) == (0, 1)
    np.testing.assert_allclose(read(tmp_path / "again/cv/1000")[1], read(out / "cv/1000")[1], atol=3e-3)
    assert read(tmp_path / "again/cv/1000")[2] == read(out / "cv/1000")[2]


def test_force_removes_nothing_that_no_build_made(tmp_path):
    folder = tmp_path / "tt"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine/mix.wav").touch()
    (folder / "mine/diary.txt").touch()
    for force in (False, True):
        with pytest.raises(build.OtherScenesError):
            with build.prepared(folder, {"seed": 1}, force=force):
                pass
    assert (folder / "mine/diary.txt").exists()
    (folder / "mine/diary.txt").unlink()
    with build.prepared(folder, {"seed": 1}, force=True):
        pass
    assert not (folder / "mine").exists()
    assert json.loads((folder / "build.json").read_text()) == {"seed": 1}


def test_a_scene_that_cannot_be_written_is_not_there(packs, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    (tmp_path / "tt").mkdir()
    task = build.SceneTask("tt", tmp_path / "tt/1000", (0, 0))
    monkeypatch.setattr("model.dnr.render.write_events", full)
    with pytest.raises(WriteError, match="No space"):
        list(build.build({"tt": PackLibrary(packs, "test")}, [task], 1))
    assert list((tmp_path / "tt").iterdir()) == []


def test_dry_runs_write_nothing(packs, tmp_path, capsys):
    code, told, _ = cfork(
        capsys, "dnr", "build", tmp_path / "x", "--packs", packs, "--scenes", "cv=3,test=2", "--dry-run"
    )
    assert (code, told["scenes"], told["there_already"]) == (0, {"cv": 3, "tt": 2}, 0)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "name the sources once"),
        (["--packs", "a", "--speech", "b"], 2, "name the sources once"),
        (["--speech", "a", "--music", "b"], 2, "--effects"),
        (["--packs", "nowhere"], 3, "no packs"),
        (["--packs", "nowhere", "--scenes", "many"], 2, "--scenes takes"),
        (["--packs", "nowhere", "--scenes", "tr=1,train=2,zz=3"], 2, "--scenes takes"),
        (["--packs", "nowhere", "--scenes", "0"], 2, "no scene at all"),
        (["--packs", "nowhere", "--scenes", "tr=1", "--split", "tr"], 2, "--split is for one number"),
        (["--packs", "nowhere", "--annots", "x", "--scenes", "3"], 2, "leave out --scenes"),
        (["--packs", "nowhere", "--annots", "x"], 3, "no annots.csv"),
        (["--packs", "nowhere", "--picture", "x.gif"], 2, ".png"),
        (["--published", "nowhere"], 3, "librispeech"),
        (["--split", "middle"], 2, "cfork dnr build --help"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(tmp_path, capsys, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    got, told, _ = cfork(capsys, "dnr", "build", "out", *arguments)
    assert got == code
    assert words in told["error"]
    assert not (tmp_path / "out").exists()


# Workers


def double(state, item):
    if item == "die":
        os._exit(3)
    return state, item, os.getpid()


def test_workers_do_the_same_work_in_order():
    alone = list(parallel(double, 5, range(4), 1))
    assert alone == [(5, item, os.getpid()) for item in range(4)]
    together = list(parallel(double, 5, range(7), 2))
    assert [found[:2] for found in together] == [(5, item) for item in range(7)]
    assert os.getpid() not in {found[2] for found in together}


def test_workers_end_with_whoever_started_them():
    work = parallel(double, None, range(1000), 2)
    pid = next(work)[2]
    work.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_workers_build_the_scenes_of_their_seeds(tmp_path):
    (tmp_path / "tt").mkdir()
    made = list(build.build({"tt": Clicks()}, build.tasks(tmp_path, {"tt": 2}, 3), 2))
    assert [scene.folder.name for scene in made] == ["1000", "1001"]
    for number, scene in enumerate(made):
        alone = draw_scene(Clicks(), np.random.default_rng((3, number)))
        assert np.array_equal(read(scene.folder)[1], alone.stems())
        assert read(scene.folder)[2] == alone.events
