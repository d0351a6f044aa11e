"""Scenes from any folders of sound, and from the datasets of DnR: whose files, which parts of them, which split."""

import json

import numpy as np
import pytest
import soundfile as sf
from support.tiny_packs import chord, hiss, tone, voice

from cfork_cli.app import run
from model import SAMPLE_RATE
from model.dnr import published
from model.dnr.annotations import read_events
from model.dnr.folders import SHARES, Entry, FileLibrary, deal, open_folders, sound_files, trim
from model.dnr.published import ground, open_published
from model.dnr.recipe import UnreadableError

SPLITS = ("train", "validation", "test")


def write(path, sound, rate=SAMPLE_RATE, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, sound, rate, **how)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six groups of each class, in several kinds of files and rates."""
    root = tmp_path_factory.mktemp("sources")
    for number in range(6):
        write(root / f"speech/anna{number}/a.wav", voice(number, 1.5), 22_050)
        write(root / f"speech/anna{number}/b.flac", voice(number, 2.0))
        write(root / f"music/band{number}.ogg", chord(number, 12.0))
        write(root / f"effects/box{number}/bang.wav", hiss(number, 0.7), 48_000)
        write(root / f"effects/box{number}/rain.mp3", hiss(number, 6.0))
    (root / "speech/notes.txt").write_text("no sound")
    (root / "speech/.hidden").mkdir()
    write(root / "speech/.hidden/x.wav", voice(0, 1.0))
    return {"speech": root / "speech", "music": root / "music", "sfx": root / "effects"}


def names(library, kind):
    return {entry.name for entry in library.entries[kind]}


# Splits


def test_whole_groups_are_dealt_to_the_splits(folders):
    opened = open_folders(folders, SPLITS, by="folder", seed=0)
    assert list(opened) == ["tr", "cv", "tt"]
    for kind, folder in folders.items():
        parts = [names(library, kind) for library in opened.values()]
        assert set.union(*parts) == {path.relative_to(folder).as_posix() for path in sound_files(folder)}
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert all(parts)
        if kind != "music":
            groups = [{name.partition("/")[0] for name in part} for part in parts]
            assert sum(map(len, groups)) == 6
    assert not any("hidden" in name for library in opened.values() for name in names(library, "speech"))
    again = open_folders(folders, ["test"], by="folder", seed=0)["tt"]
    assert names(again, "speech") == names(opened["tt"], "speech")  # whichever splits are asked for


@pytest.mark.parametrize("groups", [3, 10, 200])
def test_splits_have_about_their_shares(groups):
    files = [Entry(None, f"{number % groups}/{number}.wav") for number in range(600)]
    dealt = deal(files, list(SHARES), "folder", 0)
    for split, share in SHARES.items():
        assert len(dealt[split]) == pytest.approx(600 * share, abs=600 / groups * (2 if groups > 3 else 1.5))
        assert dealt[split]


def test_files_are_grouped_as_told():
    files = [Entry(None, name) for name in ("84-1-2.flac", "84-9-9.flac", "7-1-1.flac", "5_x.flac", "x/84-0.flac")]
    by_prefix = deal(files, list(SHARES), "prefix", 0)
    (where,) = [split for split, found in by_prefix.items() if any(e.name == "84-1-2.flac" for e in found)]
    assert {e.name for e in by_prefix[where]} >= {"84-1-2.flac", "84-9-9.flac", "x/84-0.flac"}
    assert all(deal(files, list(SHARES), "none", 0)[split] == files for split in SHARES)
    told = [
        Entry(None, name) for name in ("train/a/1.wav", "Validation/b/1.wav", "test/1.wav", "eval/2.wav", "else/3.wav")
    ]
    split = deal(told, list(SHARES), "folder", 0)
    assert [[e.name for e in split[name]] for name in SHARES] == [
        ["train/a/1.wav"], ["Validation/b/1.wav"], ["test/1.wav", "eval/2.wav"],
    ]  # fmt: skip


def test_too_few_groups_are_told(folders, tmp_path):
    write(tmp_path / "speech/only/a.wav", voice(0, 1.0))
    with pytest.raises(ValueError, match="--split-by"):
        open_folders({**folders, "speech": tmp_path / "speech"}, ["test"], by="folder", seed=0)
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=path.name):
            open_folders({**folders, "speech": path}, ["test"], by="none", seed=0)


# Clips


def test_clips_are_what_the_files_hold(folders):
    library, rng = open_folders(folders, ["train"], by="folder", seed=0)["tr"], np.random.default_rng(0)
    for kind in ("speech", "music", "sfx", "background"):
        for _ in range(4):
            clip = library.draw(kind, rng)
            sound = library.read(clip)
            assert sound.dtype == np.float32
            assert len(sound) == pytest.approx(clip.samples, abs=2)
            assert np.abs(sound).max() > 0.01
            assert library.find(kind, f"anywhere/{clip.file}").samples >= clip.samples
            if kind == "background":
                assert clip.file.endswith("rain.mp3")  # effects of 4 s and more


def test_of_long_files_an_excerpt_is_taken(tmp_path):
    ramp = np.linspace(0, 1, 100 * SAMPLE_RATE, dtype=np.float32)
    write(tmp_path / "long.wav", ramp, subtype="FLOAT")
    entry = Entry(tmp_path / "long.wav", "long.wav")
    library = FileLibrary({"music": [entry], "sfx": [entry]})
    rng = np.random.default_rng(0)
    offsets = set()
    for kind, seconds in (("music", 30), ("sfx", 60), ("music", 30)):
        clip = library.draw(kind, rng)
        assert clip.samples == seconds * SAMPLE_RATE
        np.testing.assert_allclose(library.read(clip), ramp[clip.offset :][: clip.samples], atol=1e-6)
        offsets.add(clip.offset)
    assert len(offsets) == 3


def test_of_long_recordings_of_speech_one_utterance_is_taken(tmp_path):
    pause = np.zeros(SAMPLE_RATE, np.float32)
    words = [tone(200 + 10 * number, 3.0) for number in range(12)]
    write(tmp_path / "talk.wav", np.concatenate([part for word in words for part in (word, pause)]), subtype="FLOAT")
    library = FileLibrary({"speech": [Entry(tmp_path / "talk.wav", "talk.wav")]})
    for seed in range(3):
        clip = library.draw("speech", np.random.default_rng(seed))
        assert clip.samples / SAMPLE_RATE == pytest.approx(3.1, abs=0.15)
        sound = np.abs(library.read(clip))
        assert sound[len(sound) // 2 :][:2000].max() > 0.1
        assert sound[:1000].max() < 0.01


@pytest.mark.parametrize("trimmed", [False, True])
def test_sound_that_is_no_number_is_told(tmp_path, trimmed):
    sound = voice(0, 3.0)
    sound[70_000] = np.nan
    write(tmp_path / "bad.wav", sound, subtype="FLOAT")
    library = FileLibrary({"sfx": [Entry(tmp_path / "bad.wav", "bad.wav", trim=trimmed)]})
    clip = library.find("sfx", "bad")
    with pytest.raises(UnreadableError, match=r"bad\.wav' holds samples that are no numbers"):
        library.read(clip)
    assert library.broken == {tmp_path / "bad.wav"}


def test_files_that_cannot_be_read_are_passed_over(folders, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFF and nothing else")
    write(tmp_path / "good.wav", voice(0, 1.0))
    library = FileLibrary({"speech": [Entry(tmp_path / name, name) for name in ("bad.wav", "good.wav")]})
    rng = np.random.default_rng(0)
    assert {library.draw("speech", rng).file for _ in range(10)} == {"good.wav"}
    assert library.broken == {tmp_path / "bad.wav"}
    damaged = (tmp_path / "good.wav").read_bytes()
    write(tmp_path / "cut.flac", voice(0, 3.0))
    (tmp_path / "cut.flac").write_bytes((tmp_path / "cut.flac").read_bytes()[:3000] + damaged[100:9000])
    cut = FileLibrary({"speech": [Entry(tmp_path / "cut.flac", "cut.flac")]})
    clip = cut.draw("speech", rng)  # its head says how long it is
    with pytest.raises(UnreadableError, match=r"cut\.flac"):
        cut.read(clip)
    assert cut.broken == {tmp_path / "cut.flac"}
    with pytest.raises(ValueError, match="can be used"):
        FileLibrary({"speech": [Entry(tmp_path / "bad.wav", "bad.wav")]}).draw("speech", rng)
    with pytest.raises(ValueError, match="music"):
        library.draw("music", rng)


def test_names_that_could_be_several_files(tmp_path):
    entries = [Entry(tmp_path / name, name) for name in ("a/x.wav", "b/x.wav")]
    for entry in entries:
        write(entry.path, voice(0, 1.0))
    library = FileLibrary({"speech": entries})
    assert library.find("speech", "old/a/x.flac").key == entries[0]
    for name in ("x.wav", "c/x.wav"):
        with pytest.raises(FileNotFoundError, match="could be"):
            library.find("speech", name)
    with pytest.raises(FileNotFoundError, match="not among"):
        library.find("speech", "y.wav")


def test_silence_at_both_ends_is_trimmed():
    sound = np.concatenate([np.zeros(9000), tone(300, 1.0), 1e-4 * np.ones(9000)]).astype(np.float32)
    assert SAMPLE_RATE <= len(trim(sound)) <= 1.07 * SAMPLE_RATE
    assert len(trim(np.zeros(9000, np.float32))) == 9000
    assert len(trim(np.ones(10, np.float32))) == 10


# The command


def test_scenes_of_three_folders(folders, tmp_path, capsys):
    out = tmp_path / "dnr"
    command = ["dnr", "build", out, "--speech", folders["speech"], "--music", folders["music"], "--effects",
               folders["sfx"], "--workers", "1"]  # fmt: skip
    code = run([*map(str, command), "--scenes", "cv=1", "--picture", str(tmp_path / "stats.png"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (code, told["built"], told["unreadable"]) == (0, 1, [])
    assert told["statistics"]["scenes"] == 1
    assert (tmp_path / "stats.png").read_bytes().startswith(b"\x89PNG")
    held_out = open_folders(folders, ["validation"], by="folder", seed=0)["cv"]
    events = read_events(out / "cv/1000/annots.csv")
    for event in events:
        assert event.file in names(held_out, "sfx" if event.kind == "background" else event.kind)

    # the same scene again, from its annots.csv and the folders
    code = run(
        [*map(str, command[:2]), str(tmp_path / "again"), *map(str, command[3:]), "--annots", str(out / "cv"), "--json"]
    )
    assert (code, json.loads(capsys.readouterr().out)["built"]) == (0, 1)
    for name in ("mix", "music", "speech", "sfx"):
        one, again = (sf.read(root / f"cv/1000/{name}.wav", dtype="float32")[0] for root in (out, tmp_path / "again"))
        np.testing.assert_allclose(again, one, atol=2e-3)


# The datasets of DnR


@pytest.fixture
def root(tmp_path):
    """All four datasets, very small."""
    for number, part in enumerate(("train-clean-100", "dev-clean", "test-clean")):
        speaker, chapter = str(10 + number), str(200 + number)
        folder = tmp_path / "librispeech" / part / speaker / chapter
        folder.mkdir(parents=True)
        utterance = f"{speaker}-{chapter}-0000"
        (folder / f"{speaker}-{chapter}.trans.txt").write_text(f"{utterance} HELLO THERE\n{utterance[:-1]}1 GONE\n")
        write(folder / f"{utterance}.flac", voice(number, 1.0), 16_000)
        original = tmp_path / "librivox" / speaker
        write(
            original / chapter / f"{chapter}.mp3", np.concatenate([hiss(0, 2.0), hiss(number + 5, 1.5), hiss(1, 2.0)])
        )
        (original / "utterance_map.txt").write_text(
            f"# sentences only: {'False' if number else 'True'}\n# comment\n{utterance} {utterance[:-4]}0007\n"
        )
        kind = "seg" if number else "sents.seg"
        (original / chapter / f"{speaker}-{chapter}.{kind}.txt").write_text(f"{utterance[:-4]}0007 2.0 3.5\n")
    meta = tmp_path / "fma-medium/fma_metadata"
    meta.mkdir(parents=True)
    (meta / "genres.csv").write_text("genre_id,#tracks,parent,title,top_level\n21,1,0,Hip-Hop,21\n12,1,0,Rock,12\n")
    head = ",set,set,track,track\n,split,subset,genres,genres_all\ntrack_id,,,,\n"
    rows = [
        '2,training,small,[21],"[21, 12]"',
        "1001,validation,medium,[12],[12]",
        "5,test,medium,[],[]",
        "6,test,large,[],[]",
    ]
    (meta / "tracks.csv").write_text(head + "\n".join(rows) + "\n")
    for number in (2, 1001, 5, 6):
        write(tmp_path / f"fma-medium/{number // 1000:03}/{number:06}.mp3", chord(number % 5, 3.0))
    truth = tmp_path / "fsd50k/FSD50K.ground_truth"
    truth.mkdir(parents=True)
    dev = [
        '1,"Bark,Dog",m,train',
        '2,"Rain,Water,Raindrop",m,train',
        '3,"Music",m,train',
        '4,"Bark",m,val',
        '5,"Wind",m,val',
    ]
    (truth / "dev.csv").write_text("fname,labels,mids,split\n" + "\n".join(dev) + "\n")
    (truth / "eval.csv").write_text('fname,labels,mids\n6,"Door",m\n7,"Engine",m\n')
    for number in range(1, 8):
        part = "dev" if number < 6 else "eval"
        quiet = np.zeros(20_000, np.float32)
        write(tmp_path / f"fsd50k/FSD50K.{part}_audio/{number}.wav", np.concatenate([quiet, tone(300, 1.0), quiet]))
    return tmp_path


def test_the_splits_and_classes_are_the_published_ones(root):
    opened = open_published(root, SPLITS)
    found = {
        split: {kind: sorted(names(library, kind)) for kind in library.entries} for split, library in opened.items()
    }
    assert found == {
        "tr": {"speech": ["librispeech/10/200/10-200-0000.wav"], "music": ["fma/000/000002.wav"],
               "sfx": ["fsd50k/1.wav"], "background": ["fsd50k/2.wav"]},
        "cv": {"speech": ["librispeech/11/201/11-201-0000.wav"], "music": ["fma/001/001001.wav"],
               "sfx": ["fsd50k/4.wav"], "background": ["fsd50k/5.wav"]},
        "tt": {"speech": ["librispeech/12/202/12-202-0000.wav"], "music": ["fma/000/000005.wav"],
               "sfx": ["fsd50k/6.wav"], "background": ["fsd50k/7.wav"]},
    }  # fmt: skip
    notes = {kind: entries[0].annotation for kind, entries in opened["tr"].entries.items()}
    assert notes == {
        "speech": "HELLO THERE",
        "music": "Hip-Hop,Rock",
        "sfx": "Bark,Dog",
        "background": "Rain,Water,Raindrop",
    }


def test_utterances_are_cut_out_of_the_originals_and_effects_are_trimmed(root):
    rng = np.random.default_rng(0)
    library = open_published(root, ["train"])["tr"]
    clip = library.draw("speech", rng)
    assert clip.samples == round(1.5 * SAMPLE_RATE)
    sound, wanted = library.read(clip), hiss(5, 1.5)
    lag = np.argmax(np.correlate(sound, wanted[8000:20_000], "valid")) - 8000
    assert abs(lag) < 0.06 * SAMPLE_RATE  # an MP3 begins a little late
    clip = library.draw("sfx", rng)
    assert 1.0 <= clip.samples / SAMPLE_RATE < 1.08
    assert len(library.read(clip)) == clip.samples
    # annots.csv of the published set names files of its own preparation
    assert library.find("speech", "dest/LibriSpeech/train/10/200/10-200-0000.wav").samples == round(1.5 * SAMPLE_RATE)
    assert library.find("sfx", "FSD50K/foreground/train/1.wav").key.name == "fsd50k/1.wav"


def test_without_the_originals_librispeech_itself_is_read(root):
    (root / "librivox").rename(root / "elsewhere")
    library = open_published(root, ["test"])["tt"]
    assert [entry.path.suffix for entry in library.entries["speech"]] == [".flac", ".flac"]
    clip = library.draw("speech", np.random.default_rng(0))
    assert clip.file.endswith("-0000.wav")  # the other has no file
    assert clip.samples == len(voice(2, 1.0)) * SAMPLE_RATE // 16_000


@pytest.mark.parametrize(
    "gone", ["librispeech", "fsd50k/FSD50K.ground_truth/eval.csv", "fma-medium/fma_metadata/tracks.csv"]
)
def test_missing_datasets_are_told(root, gone):
    (root / gone).rename(root / "gone")
    with pytest.raises(FileNotFoundError, match=gone.rpartition("/")[2]):
        open_published(root, ["test"])


def test_the_labels_of_fsd50k(root):
    uses = published._uses()
    assert len(uses) == 136
    assert set(uses.values()) == {"sfx", "background"}
    assert ground(["Walk_and_footsteps"]) == "background"
    assert ground(["Music", "Musical_instrument", "Bark"]) is None
    assert ground([]) is None
