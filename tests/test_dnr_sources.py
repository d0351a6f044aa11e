"""The importer, from a Debian package made on the spot to packs: nothing unverified, nothing lost, nothing mixed up."""

import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import soundfile as sf
from tiny_packs import chord, hiss, tone, voice

from model import SAMPLE_RATE
from model.dnr import sources
from model.dnr.scenes import load_pack
from model.dnr.sources import (
    CLASSES,
    HELD_OUT_SPEAKERS,
    SPLITS,
    UTTERANCE_SECONDS,
    Source,
    active_spans,
    clips,
    debian_sources,
    extract,
    fetch_package,
    list_files,
    list_packages,
    read_mono,
    speech_sources,
    write_packs,
)


def wav(audio, rate=SAMPLE_RATE, subtype="PCM_16"):
    """The bytes of a WAV file."""
    buffer = io.BytesIO()
    sf.write(buffer, audio, rate, subtype, format="WAV")
    return buffer.getvalue()


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def make_deb(path, files):
    """A Debian package: an `ar` archive of a version, a control and a data tarball."""
    control = b"Package: tiny\nVersion: 1.0-1\nArchitecture: all\nMaintainer: nobody\nDescription: tiny\n"
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tarred({"control": control}),
        "data.tar.gz": tarred(files),
    }
    with path.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, data in members.items():
            out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            out.write(data + b"\n" * (len(data) % 2))
    return path


SOUNDS = {
    "usr/share/tiny/music/song.wav": wav(chord(0, 3.0)),
    "usr/share/tiny/sounds/bang.wav": wav(hiss(0, 0.8)),
    "usr/share/tiny/sounds/unwanted.wav": wav(hiss(1, 0.8)),
    "usr/share/tiny/data.pk3": zipped({"voice/hello.wav": wav(voice(0, 1.5)), "voice/other.wav": wav(voice(1, 1.0))}),
}
WANTED = {
    "usr/share/tiny/music/song.wav": "music",
    "usr/share/tiny/sounds/bang.wav": "effects",
    "_unpacked/data.pk3/voice/hello.wav": "speech",
}


@pytest.fixture
def deb(tmp_path):
    folder = tmp_path / "debs"
    folder.mkdir()
    return make_deb(folder / "tiny_1%3a1.0-1_all.deb", SOUNDS)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# The lists


def test_the_lists_are_sound():
    packages, files = list_packages(), list_files()
    names = [row["package"] for row in packages]
    assert len(set(names)) == len(names)  # so a package has one split
    assert set(files) <= set(names)
    for row in packages:
        assert row["split"] in SPLITS
        assert len(row["sha256"]) == 64
        assert set(row["sha256"]) <= set("0123456789abcdef")
        assert row["version"]
        assert row["licence"]
    every = [(package, path) for package, listed in files.items() for _, path in listed]
    assert len(set(every)) == len(every)  # so a file has one class
    assert {kind for listed in files.values() for kind, _ in listed} == set(CLASSES)
    assert not any(path.startswith("/") or ".." in path.split("/") for _, path in every)
    for split in SPLITS:
        kinds = {kind for row in packages if row["split"] == split for kind, _ in files.get(row["package"], [])}
        assert kinds == set(CLASSES)


def test_no_speaker_is_held_out_twice():
    groups = [group for split in HELD_OUT_SPEAKERS.values() for group in split]
    assert len(set(groups)) == len(groups)
    assert set(HELD_OUT_SPEAKERS) == {"validation", "test"}


# Packages


def test_a_package_that_is_there_is_not_fetched_again(deb, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert fetch_package("tiny", "1:1.0-1", sha256(deb), deb.parent) == deb


def test_a_package_of_another_checksum_is_refused(deb):
    with pytest.raises(ValueError, match=r"sha256 is .*delete it"):
        fetch_package("tiny", "1:1.0-1", "0" * 64, deb.parent)


def test_another_version_does_not_pass_for_this_one(deb, monkeypatch, tmp_path):
    fake_apt(tmp_path, monkeypatch, "echo E: Version not found >&2; exit 100")
    with pytest.raises(RuntimeError, match=r"tiny=2\.0.*Version not found"):
        fetch_package("tiny", "2.0", sha256(deb), deb.parent)


def fake_apt(tmp_path, monkeypatch, script):
    """An `apt-get` of one line of shell, before the true one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_missing_package_is_downloaded_into_the_folder(deb, tmp_path, monkeypatch):
    elsewhere = deb.rename(tmp_path / deb.name)
    fake_apt(tmp_path, monkeypatch, f'echo "$@" > asked; cp "{elsewhere}" .')
    found = fetch_package("tiny", "1:1.0-1", sha256(elsewhere), deb.parent)
    assert found == deb
    assert (deb.parent / "asked").read_text().split() == ["download", "-q", "tiny=1:1.0-1"]


def test_only_what_is_wanted_is_extracted(deb, tmp_path):
    extract(deb, set(WANTED), tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == set(WANTED)
    assert (tmp_path / "out/usr/share/tiny/sounds/bang.wav").read_bytes() == SOUNDS["usr/share/tiny/sounds/bang.wav"]
    assert sf.info(tmp_path / "out/_unpacked/data.pk3/voice/hello.wav").duration == pytest.approx(1.5)


def test_a_damaged_package_is_an_error(tmp_path):
    (tmp_path / "bad.deb").write_bytes(b"no package at all")
    with pytest.raises((RuntimeError, tarfile.TarError)):
        extract(tmp_path / "bad.deb", {"x"}, tmp_path / "out")


@pytest.fixture
def listed(deb, monkeypatch):
    row = {"package": "tiny", "version": "1:1.0-1", "sha256": sha256(deb), "split": "validation", "licence": "MIT"}
    monkeypatch.setattr(sources, "list_packages", lambda: [row])
    monkeypatch.setattr(sources, "list_files", lambda: {"tiny": [(kind, path) for path, kind in WANTED.items()]})
    return deb.parent


def test_sources_of_packages(listed):
    found = list(debian_sources(listed))
    assert {(source.name, source.kind) for source in found} == set(WANTED.items())
    assert {source.split for source in found} == {"validation"}
    assert {source.group for source in found} == {
        "tiny/usr/share/tiny/music", "tiny/usr/share/tiny/sounds", "tiny/_unpacked/data.pk3/voice",
    }  # fmt: skip
    assert all(source.path.is_file() for source in found)
    # a second run needs neither the package nor dpkg
    for path in listed.glob("*.deb"):
        path.unlink()
    assert list(debian_sources(listed)) == found


def test_speakers_belong_to_one_split_and_some_files_to_none(tmp_path):
    rows = [("a.wav", "someone"), ("b.wav", "gcompris_fr"), ("c.wav", "gcompris_es"), (sources.LEFT_OUT_FILES[0], "x")]
    (tmp_path / "index.csv").write_text("file,group\n" + "".join(f"{file},{group}\n" for file, group in rows))
    found = {source.name: (source.split, source.group, source.kind) for source in speech_sources(tmp_path)}
    assert found == {
        "a.wav": ("train", "someone", "speech"),
        "b.wav": ("test", "gcompris_fr", "speech"),
        "c.wav": ("validation", "gcompris_es", "speech"),
    }


# Decoding


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_becomes_mono_at_ours(tmp_path, rate, channels):
    t = np.arange(rate) / rate
    tones = np.stack([np.sin(2 * np.pi * 440 * t) * level for level in (0.2, 0.6)[:channels]], axis=1)
    sf.write(tmp_path / "x.wav", tones, rate, subtype="FLOAT")
    audio, own = read_mono(tmp_path / "x.wav")
    assert own == rate
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert len(audio) == pytest.approx(SAMPLE_RATE, abs=2)
    wanted = np.mean((0.2, 0.6)[:channels]) * np.sin(2 * np.pi * 440 * np.arange(len(audio)) / SAMPLE_RATE)
    np.testing.assert_allclose(audio[2000:-2000], wanted[2000:-2000], atol=0.01)


def test_telephone_speech_is_read_through_ffmpeg(tmp_path, monkeypatch):
    if shutil.which("ffmpeg") is None:  # the wheel's, under its plain name
        import imageio_ffmpeg

        (tmp_path / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    sf.write(tmp_path / "x.wav", tone(440, 1.0, 1), SAMPLE_RATE)
    made = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-i", tmp_path / "x.wav", "-ar", "16000", tmp_path / "x.g722"],
        check=False,
    )
    assert made.returncode == 0
    audio, rate = read_mono(tmp_path / "x.g722")
    assert rate == 16_000
    assert len(audio) == pytest.approx(SAMPLE_RATE, abs=200)
    spectrum = np.abs(np.fft.rfft(audio))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(audio) == pytest.approx(440, abs=2)


def gap(seconds):
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_spans_hold_all_that_sounds_and_end_at_pauses(seed):
    rng = np.random.default_rng(seed)
    pauses, tones = rng.choice([0.1, 0.25, 0.6, 1.5], 6), rng.uniform(0.2, 1.0, 5)
    parts = [gap(pauses[0])]
    for pause, seconds in zip(pauses[1:], tones, strict=True):
        parts += [tone(300, seconds), gap(pause)]
    audio = np.concatenate(parts)
    spans = active_spans(audio)
    inside = np.zeros(len(audio), bool)
    last = 0
    for start, end in spans:
        assert last <= start < end <= len(audio)
        inside[start:end] = True
        last = end
    assert (np.abs(audio[~inside]) < 0.2).all()
    assert np.square(audio[~inside]).sum() < 1e-3 * np.square(audio).sum()
    assert len(spans) == 1 + sum(pause > 0.5 for pause in pauses[1:-1])
    # and little silence beyond the margins
    assert (~inside).sum() >= sum(max(pause - 0.2, 0) for pause in pauses if pause > 0.5) * SAMPLE_RATE


def test_silence_has_no_spans():
    assert active_spans(gap(2.0)) == []
    assert active_spans(gap(0.0)) == []
    assert active_spans(np.ones(100, np.float32)) == []  # shorter than a frame
    assert active_spans(np.full(SAMPLE_RATE, np.nan, np.float32)) == []


def source_of(tmp_path, audio, kind, rate=SAMPLE_RATE):
    sf.write(tmp_path / "x.wav", audio, rate, subtype="FLOAT")
    return Source(tmp_path / "x.wav", "train", kind, "someone", "x.wav")


def test_speech_becomes_utterances_of_bounded_length(tmp_path):
    audio = np.concatenate([tone(200, 0.1), gap(0.6), tone(200, 2.0), gap(0.6), tone(200, 33.0)])
    found = clips(source_of(tmp_path, audio, "speech"))
    shortest, longest = (round(seconds * SAMPLE_RATE) for seconds in UTTERANCE_SECONDS)
    seconds = [len(samples) / SAMPLE_RATE for _, samples, _ in found]
    assert all(shortest < len(samples) <= longest for _, samples, _ in found)
    assert seconds == pytest.approx([2.1, 15, 15, 3.06], abs=0.1)  # the word of 0.1 s is no utterance


def test_music_and_effects_are_trimmed_and_stay_whole(tmp_path, monkeypatch):
    audio = np.concatenate([gap(1.0), hiss(0, 0.5), gap(2.0), hiss(1, 0.5), gap(1.0)])
    ((_, samples, rate),) = clips(source_of(tmp_path, audio, "effects"))
    assert rate == SAMPLE_RATE
    assert 2.8 < len(samples) / SAMPLE_RATE < 3.2
    monkeypatch.setattr(sources, "MUSIC_SECONDS", 2.0)
    ((_, samples, _),) = clips(source_of(tmp_path, chord(0, 6.0), "music"))
    assert len(samples) == 2 * SAMPLE_RATE


@pytest.mark.parametrize("peak", [0.002, 0.1, 1.0, 3.0])
def test_clips_use_the_sixteen_bits_and_never_wrap(tmp_path, peak):
    audio = chord(0, 1.0)
    audio *= np.float32(peak) / np.abs(audio).max()
    ((_, samples, _),) = clips(source_of(tmp_path, audio, "music"))
    assert samples.dtype == np.int16
    wanted = 0.98 * 32767 * min(1.0, 8 * peak)
    assert np.abs(samples.astype(int)).max() == pytest.approx(wanted, abs=1)
    scaled = audio[: len(samples)] * wanted / peak
    np.testing.assert_allclose(samples, scaled, atol=0.6)


def test_silent_and_broken_files_give_nothing_and_broken_ones_say_so(tmp_path, capfd):
    assert clips(source_of(tmp_path, gap(1.0), "music")) == []
    assert clips(source_of(tmp_path, np.full(SAMPLE_RATE, np.nan, np.float32), "music")) == []
    assert capfd.readouterr().err == ""
    (tmp_path / "broken.ogg").write_bytes(b"OggS and then nothing of use")
    for path in (tmp_path / "broken.ogg", tmp_path / "missing.wav"):
        assert clips(Source(path, "train", "music", "g", path.name)) == []
        assert str(path) in capfd.readouterr().err


# The whole way


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_from_packages_to_packs(listed, tmp_path, capfd, monkeypatch):
    speech = tmp_path / "speech"
    speech.mkdir()
    for number, name in enumerate(("a.wav", "b.wav", "broken.wav")):
        sf.write(speech / name, voice(number, 1.0), 22_050)
    (speech / "broken.wav").write_bytes(b"RIFF")
    (speech / "index.csv").write_text("file,group\na.wav,anna\nb.wav,gcompris_fr\nbroken.wav,bob\n")
    out = tmp_path / "packs"
    arguments = [out, "--debs", listed, "--speech", speech, "--workers", "1"]
    monkeypatch.setattr(sys, "argv", ["sources", *map(str, arguments)])
    sources.main()
    assert "broken.wav" in capfd.readouterr().err
    assert not list(out.rglob("*.part"))

    rows = {}
    for split in SPLITS:
        for kind in CLASSES:
            with (out / split / f"{kind}.csv").open(newline="") as file:
                rows[split, kind] = list(csv.DictReader(file))
            size = (out / split / f"{kind}.i16").stat().st_size
            # clips lie end to end, and fill the file
            assert size == 2 * sum(int(row["length"]) for row in rows[split, kind])
            at = 0
            for row in rows[split, kind]:
                assert int(row["start"]) == at
                at += int(row["length"])
    counts = {key: len(found) for key, found in rows.items() if found}
    assert counts == {
        ("validation", "music"): 1, ("validation", "effects"): 1, ("validation", "speech"): 1,
        ("train", "speech"): 1, ("test", "speech"): 1,
    }  # fmt: skip
    (anna,) = rows["train", "speech"]
    assert (anna["group"], anna["file"], anna["source_rate"]) == ("anna", "a.wav", "22050")

    pack = load_pack(out / "validation", "music")
    stored, wanted = pack.clip(0), chord(0, 3.0)[: int(pack.lengths[0])]
    correlation = stored @ wanted / np.linalg.norm(stored) / np.linalg.norm(wanted)
    assert correlation > 0.9999


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_packs_appear_only_when_they_are_complete(tmp_path, monkeypatch):
    source = source_of(tmp_path, chord(0, 1.0), "music")
    write_packs([source], tmp_path / "packs", workers=1)
    before = (tmp_path / "packs/train/music.csv").read_text()

    def dies(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "tqdm", dies)
    with pytest.raises(KeyboardInterrupt):
        write_packs([source, source], tmp_path / "packs", workers=1)
    assert (tmp_path / "packs/train/music.csv").read_text() == before
    assert len(load_pack(tmp_path / "packs/train", "music").starts) == 1
