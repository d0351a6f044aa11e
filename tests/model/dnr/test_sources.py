"""The importer, from a Debian package made on the spot to packs: nothing unverified, nothing lost, nothing mixed up."""

import csv
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from support.tiny_packs import chord, hiss, tone, voice

from cfork_cli.app import run
from model import SAMPLE_RATE
from model.dnr import decode, sources
from model.dnr.debian import Package, PackageError, extract, fetch_package
from model.dnr.decode import UTTERANCE_SECONDS, Source, active_spans, read_mono
from model.dnr.importer import Imported, write_packs
from model.dnr.scenes import load_pack
from model.dnr.sources import (
    CLASSES,
    HELD_OUT_SPEAKERS,
    SPLITS,
    SourcesError,
    check_licence,
    debian_sources,
    list_files,
    list_packages,
    list_speech,
    speech_sources,
    split_of,
)
from model.hub.download import DownloadError


def clips(source):
    """[(source, int16 [T], source rate)] of one file."""
    found = decode.decode("ffmpeg", source)
    return [(found.source, clip, found.rate) for clip in found.clips]


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


def tarred(files, suffix=".gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{suffix.lstrip('.')}") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def make_deb(path, files, suffix=".gz"):
    """A Debian package: an `ar` archive of a version, a control and a data tarball."""
    control = b"Package: tiny\nVersion: 1.0-1\nArchitecture: all\nMaintainer: nobody\nDescription: tiny\n"
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tarred({"control": control}),
        f"data.tar{suffix}": tarred(files, suffix if suffix != ".zst" else ""),
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
    names = [package.package for package in packages]
    assert len(set(names)) == len(names)  # so a package has one split
    assert set(files) <= set(names)
    for package in packages:
        assert package.split in SPLITS
        assert len(package.sha256) == 64
        assert set(package.sha256) <= set("0123456789abcdef")
        assert package.version
        assert package.bytes > 1000
        assert package.pool.startswith("pool/main/")  # of Debian's free part
        assert package.pool.endswith((f"/{package.package}_{package.version.rpartition(':')[2]}_all.deb", "_amd64.deb"))
    every = [(package, path) for package, listed in files.items() for _, path in listed]
    assert len(set(every)) == len(every)  # so a file has one class
    assert {kind for listed in files.values() for kind, _ in listed} == set(CLASSES)
    assert not any(path.startswith("/") or ".." in path.split("/") for _, path in every)
    for split in SPLITS:
        kinds = {kind for package in packages if package.split == split for kind, _ in files.get(package.package, [])}
        assert kinds == set(CLASSES)


def test_every_sound_has_a_licence_that_allows_it():
    for package in list_packages():
        check_licence(package.licence, package.package)
    for file, row in list_speech().items():
        check_licence(row["licence"], file)
        assert row["origin"]
        assert len(row["sha256"]) == 64
    for origin in sources.ORIGINS:
        check_licence(origin.licence, origin.repository)


@pytest.mark.parametrize(
    "licence",
    ["", " ", "CC-BY-NC-3.0", "CC-BY-ND-4.0", "non-commercial", "noncommercial use", "?", "keywords: GPL", "unknown"],
)
def test_licences_that_forbid_or_say_nothing(licence):
    with pytest.raises(SourcesError, match="licence"):
        check_licence(licence, "it")


def test_no_speaker_is_held_out_twice_and_all_are_known():
    groups = [group for split in HELD_OUT_SPEAKERS.values() for group in split]
    assert len(set(groups)) == len(groups)
    assert set(HELD_OUT_SPEAKERS) == {"validation", "test"}
    known = {row["group"] for row in list_speech().values()}
    assert {*groups, *sources.LEFT_OUT_GROUPS} <= known
    assert set(sources.LEFT_OUT_FILES) <= set(list_speech())
    assert split_of("gcompris_de") == "validation"
    assert split_of("kerstin_de") == "train"
    assert split_of("gcompris_hi") is None
    # battle cries are no dialogue
    assert not any(kind == "speech" for kind, _ in list_files()["hedgewars-data"])


# Packages


@pytest.fixture
def tiny(deb):
    """The package as the list has it."""
    return Package(
        "tiny", "1:1.0-1", sha256(deb), deb.stat().st_size, "validation", "MIT", "pool/main/t/tiny/tiny_1.0-1_all.deb"
    )


def test_a_package_that_is_there_is_not_fetched_again(deb, tiny, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert fetch_package(tiny, deb.parent) == deb


def test_a_package_of_another_checksum_is_refused(deb, tiny):
    with pytest.raises(PackageError, match=r"sha256 .*delete it"):
        fetch_package(replace(tiny, sha256="0" * 64), deb.parent)


def test_another_version_does_not_pass_for_this_one(deb, tiny, monkeypatch, tmp_path):
    fake_apt(tmp_path, monkeypatch, "echo E: Version not found >&2; exit 100")
    with pytest.raises(PackageError, match=r"tiny=2\.0.*Version not found.*--mirror"):
        fetch_package(replace(tiny, version="2.0"), deb.parent)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PackageError, match=r"no apt-get.*--mirror"):
        fetch_package(replace(tiny, version="2.0"), deb.parent)


def fake_apt(tmp_path, monkeypatch, script):
    """An `apt-get` of one line of shell, before the true one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_missing_package_is_downloaded_into_the_folder(deb, tiny, tmp_path, monkeypatch):
    elsewhere = deb.rename(tmp_path / deb.name)
    fake_apt(tmp_path, monkeypatch, f'echo "$@" > asked; cp "{elsewhere}" .')
    assert fetch_package(tiny, deb.parent) == deb
    assert (deb.parent / "asked").read_text().split() == ["download", "-q", "tiny=1:1.0-1"]


class Archive(http.server.BaseHTTPRequestHandler):
    """An archive of one package at its place in the pool; knows ranges, and drops the first connection half-way."""

    def do_GET(self):
        data, start = self.server.data, 0
        self.server.asked.append((self.path, self.headers.get("Range")))
        if not self.path.endswith("/tiny_1.0-1_all.deb"):
            self.send_error(404)
            return
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:] if start else data[: len(data) // 2])

    def log_message(self, *_):
        pass


@pytest.fixture
def archive(deb):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archive) as server:
        server.data, server.asked = deb.read_bytes(), []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        server.url = f"http://127.0.0.1:{server.server_port}/debian/"
        yield server
        server.shutdown()
        thread.join()


def test_a_mirror_serves_where_there_is_no_apt(deb, tiny, archive, monkeypatch):
    """Resumed where the connection broke, and verified."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    deb.unlink()
    said = []
    assert fetch_package(tiny, deb.parent, mirror=archive.url, note=said.append) == deb
    assert sha256(deb) == tiny.sha256
    assert [path for path, _ in archive.asked] == ["/debian/pool/main/t/tiny/tiny_1.0-1_all.deb"] * 2
    assert archive.asked[1][1] == f"bytes={len(archive.data) // 2}-"
    assert said
    with pytest.raises(DownloadError):
        fetch_package(replace(tiny, pool="pool/main/n/nothing_1_all.deb", version="2"), deb.parent, mirror=archive.url)


def test_only_what_is_wanted_is_extracted(deb, tmp_path):
    extract(deb, set(WANTED), tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == set(WANTED)
    assert (tmp_path / "out/usr/share/tiny/sounds/bang.wav").read_bytes() == SOUNDS["usr/share/tiny/sounds/bang.wav"]
    assert sf.info(tmp_path / "out/_unpacked/data.pk3/voice/hello.wav").duration == pytest.approx(1.5)


@pytest.mark.parametrize("data", [b"no package at all", b"!<arch>\n", b"", None])
def test_a_damaged_package_is_an_error(deb, tmp_path, data):
    (tmp_path / "bad.deb").write_bytes(deb.read_bytes()[: deb.stat().st_size // 2] if data is None else data)
    with pytest.raises(PackageError, match=r"bad\.deb.*(damaged|no Debian package)"):
        extract(tmp_path / "bad.deb", set(WANTED), tmp_path / "out")


def test_nothing_is_extracted_outside_the_folder(tmp_path):
    bad = make_deb(
        tmp_path / "bad.deb", {"../evil.wav": b"x", "usr/a.zip": zipped({"../../evil.wav": b"x", "b.wav": b"y"})}
    )
    wanted = {"../evil.wav", "_unpacked/a.zip/../../evil.wav", "_unpacked/a.zip/b.wav"}
    extract(bad, wanted, tmp_path / "in/out")
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"bad.deb", "b.wav"}


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_packages_of_any_compression(tmp_path, suffix):
    deb = make_deb(tmp_path / "x.deb", SOUNDS, suffix)
    if suffix == ".zst":
        with pytest.raises(PackageError, match=r"data\.tar\.zst"):
            extract(deb, set(WANTED), tmp_path / "out")
    else:
        extract(deb, set(WANTED), tmp_path / "out")
        assert (tmp_path / "out/usr/share/tiny/music/song.wav").is_file()


@pytest.fixture
def listed(deb, tiny, monkeypatch):
    monkeypatch.setattr(sources, "list_packages", lambda: [tiny])
    monkeypatch.setattr(sources, "list_files", lambda: {"tiny": [(kind, path) for path, kind in WANTED.items()]})
    return deb.parent


def gathered(debs):
    return [source for found in debian_sources(sources.list_packages(), debs) for source in found]


def test_sources_of_packages(listed):
    found = gathered(listed)
    assert {(source.name, source.kind) for source in found} == set(WANTED.items())
    assert {source.split for source in found} == {"validation"}
    assert {source.group for source in found} == {
        "tiny/usr/share/tiny/music", "tiny/usr/share/tiny/sounds", "tiny/_unpacked/data.pk3/voice",
    }  # fmt: skip
    assert all(source.path.is_file() for source in found)
    assert {(source.package, source.version, source.licence) for source in found} == {("tiny", "1:1.0-1", "MIT")}
    # a second run does not need the package
    for path in listed.glob("*.deb"):
        path.unlink()
    assert gathered(listed) == found


def speech_folder(folder, rows, columns="file,group,licence"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, *_ in rows:
        sf.write(folder / name, voice(0, 1.0), 22_050, format="WAV")
    (folder / "index.csv").write_text("\n".join([columns, *(",".join(row) for row in rows)]) + "\n")
    return folder


def test_speakers_belong_to_one_split_and_some_files_to_none(tmp_path):
    left_out = [(sources.LEFT_OUT_FILES[0], "x", "CC0"), ("d.wav", "gcompris_hi", "CC0")]
    rows = [("a.wav", "someone", "CC0"), ("b.wav", "gcompris_fr", "GPL"), ("c.wav", "gcompris_ro", "GPL"), *left_out]
    found = {source.name: source for source in speech_sources(speech_folder(tmp_path, rows))}
    assert {name: (source.split, source.group, source.kind, source.licence) for name, source in found.items()} == {
        "a.wav": ("train", "someone", "speech", "CC0"),
        "b.wav": ("test", "gcompris_fr", "speech", "GPL"),
        "c.wav": ("validation", "gcompris_ro", "speech", "GPL"),
    }
    assert found["a.wav"].sha256 == sha256(tmp_path / "a.wav")


def test_speech_needs_a_licence_and_listed_files_their_checksum(tmp_path):
    with pytest.raises(SourcesError, match="licence"):
        list(speech_sources(speech_folder(tmp_path / "a", [("a.wav", "someone")], "file,group")))
    known = next(name for name, row in list_speech().items() if row["group"] == "gcompris_it")
    with pytest.raises(SourcesError, match=r"speech\.csv says"):
        list(speech_sources(speech_folder(tmp_path / "b", [(known, "gcompris_it")], "file,group")))
    with pytest.raises(SourcesError, match="a file and a group"):
        list(speech_sources(speech_folder(tmp_path / "c", [("a.wav", "CC0")], "file,licence")))
    (tmp_path / "c/index.csv").write_text("file,group,licence\nnone.wav,x,CC0\n")
    with pytest.raises(SourcesError, match="missing"):
        list(speech_sources(tmp_path / "c"))
    (tmp_path / "d").mkdir()
    with pytest.raises(SourcesError, match="clone"):
        list(speech_sources(tmp_path / "d"))


def test_speech_from_clones_of_the_public_repositories(tmp_path):
    names = [
        "GCompris-voices/de/alphabet/a.ogg", "GCompris-voices/pt_BR/misc/b.ogg", "GCompris-voices/hi/misc/c.ogg",
        "GCompris-voices/README.ogg", "audio-cmn/96k/hsk/x.mp3", "audio-cmn/18k-abr/hsk/x.mp3",
        "dataset-voice-kerstin/verified/de_rhasspy-0004.flac",
        "dataset-voice-kerstin/audio/de_rhasspy-0004.webm",
        "dataset-voice-kerstin/verified/de_rhasspy-1317.flac",
        "Resemblyzer/audio_data/librispeech_train-clean-100/1-2-0000.flac",
        "Resemblyzer/audio_data/other.mp3",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = {source.name: (source.group, source.split) for source in speech_sources(tmp_path)}
    assert found == {
        "GCompris-voices/de/alphabet/a.ogg": ("gcompris_de", "validation"),
        "GCompris-voices/pt_BR/misc/b.ogg": ("gcompris_pt_BR", "train"),
        "audio-cmn/96k/hsk/x.mp3": ("audio_cmn_zh", "train"),
        "dataset-voice-kerstin/verified/de_rhasspy-0004.flac": ("kerstin_de", "train"),
        "Resemblyzer/audio_data/librispeech_train-clean-100/1-2-0000.flac": (
            "librispeech_librispeech_train-clean-100", "test",
        ),
    }  # fmt: skip


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
    monkeypatch.setattr(decode, "MUSIC_SECONDS", 2.0)
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


def test_silent_and_broken_files_give_nothing_and_broken_ones_say_so(tmp_path):
    assert clips(source_of(tmp_path, gap(1.0), "music")) == []
    assert clips(source_of(tmp_path, np.full(SAMPLE_RATE, np.nan, np.float32), "music")) == []
    (tmp_path / "broken.ogg").write_bytes(b"OggS and then nothing of use")
    for path in (tmp_path / "broken.ogg", tmp_path / "missing.wav", tmp_path / "missing.g722"):
        found = decode.decode("ffmpeg", Source(path, "train", "music", "g", path.name))
        assert found.clips == ()
        assert found.error
    no_ffmpeg = decode.decode(str(tmp_path / "no-ffmpeg"), Source(tmp_path / "x.g722", "train", "speech", "g", "x"))
    assert "ffmpeg" in no_ffmpeg.error


# The whole way


def cfork(capsys, *arguments):
    """Exit code, the JSON of stdout, stderr."""
    code = run([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_from_packages_to_packs(listed, tmp_path, capsys):
    rows = [("a.wav", "anna", "CC0"), ("b.wav", "gcompris_fr", "GPL"), ("broken.wav", "bob", "CC0")]
    speech = speech_folder(tmp_path / "speech", rows)
    (speech / "broken.wav").write_bytes(b"RIFF")
    out = tmp_path / "packs"
    command = ["dnr", "sources", out, "--debs", listed, "--speech", speech, "--workers", "1"]
    code, told, _ = cfork(capsys, *command, "--dry-run")
    assert (code, told["packages"], told["to_download"], told["licences"]) == (0, 1, 0, ["MIT"])
    assert not out.exists()
    code, told, err = cfork(capsys, *command)
    assert code == 0
    assert list(told["errors"]) == [str(speech / "broken.wav")]
    assert "broken.wav" in err
    assert told["files"] == 5
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

    with (out / "manifest.csv").open(newline="") as file:
        manifest = {row["file"]: row for row in csv.DictReader(file)}
    assert set(manifest) == {*WANTED, "a.wav", "b.wav"}
    song = manifest["usr/share/tiny/music/song.wav"]
    assert {key: song[key] for key in ("class", "split", "package", "version", "sha256", "licence", "source_rate")} == {
        "class": "music", "split": "validation", "package": "tiny", "version": "1:1.0-1", "licence": "MIT",
        "sha256": sha256(next(listed.glob("*.deb"))), "source_rate": "44100",
    }  # fmt: skip
    assert float(song["seconds"]) == pytest.approx(len(stored) / SAMPLE_RATE, abs=0.01)
    assert all(row["licence"] and row["group"] and row["sha256"] for row in manifest.values())

    # packs are not replaced by accident
    code, told, _ = cfork(capsys, *command)
    assert code == 4
    assert "--force" in told["error"]
    assert cfork(capsys, *command, "--force")[0] == 0


def test_sources_that_are_not_allowed_make_no_packs(listed, tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sources, "list_packages", lambda: [replace(tiny, licence="CC-BY-NC-4.0")])
    code, told, _ = cfork(capsys, "dnr", "sources", tmp_path / "packs", "--debs", listed, "--workers", "1")
    assert code == 3
    assert "CC-BY-NC-4.0" in told["error"]
    assert not list(tmp_path.glob("packs/*/*"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [([], 2, "name a folder"), (["x", "--package", "no-such"], 2, "--list"),
     (["x", "--package", "tiny", "--mirror", "http://127.0.0.1:9/debian"], 3, "127.0.0.1")],
)  # fmt: skip
def test_what_cannot_be_imported_is_told_in_one_line(listed, tmp_path, capsys, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    got, told, _ = cfork(capsys, "dnr", "sources", *arguments)
    assert got == code
    assert words in told["error"]


def test_the_list_tells_sizes_and_licences(capsys):
    code, told, _ = cfork(capsys, "dnr", "sources", "--list")
    assert code == 0
    assert len(told["packages"]) == len(list_packages())
    assert told["bytes"] > 10e9
    assert all(row["licence"] and row["bytes"] and row["version"] for row in told["packages"])
    assert {row["origin"] for row in told["speech"]} >= {"gcompris/GCompris-voices", "rhasspy/dataset-voice-kerstin"}
    assert run(["dnr", "sources", "--list", "--package", "0ad-data"]) == 0
    assert "1377.6" in capsys.readouterr().out


def test_packs_appear_only_when_they_are_complete(tmp_path):
    source = replace(source_of(tmp_path, chord(0, 1.0), "music"), licence="CC0")
    assert len(list(write_packs([source], tmp_path / "packs", Imported(), workers=1))) == 1
    before = (tmp_path / "packs/train/music.csv").read_text()
    work = write_packs([source, source], tmp_path / "packs", Imported(), workers=1)
    next(work)
    work.close()
    assert (tmp_path / "packs/train/music.csv").read_text() == before
    assert len(load_pack(tmp_path / "packs/train", "music").starts) == 1
    assert not list((tmp_path / "packs").rglob("*.part"))
