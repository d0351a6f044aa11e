"""What comes along into another kind of film, what has to change for it, and what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.films import Sound, ffmpeg, ffmpeg_of, make, noise
from support.readings import samples
from support.rewritten import rewritten

from cfork_cli.codecs.choose import choose_codec
from cfork_cli.errors import OutputError
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Stream
from cfork_cli.remux import fit
from cfork_cli.remux.fit import plan_film, plan_sidecar
from cfork_cli.remux.plan import Entry, NewTrack


def test_samples_of_other_tracks_become_what_mp4_can_hold_without_a_loss(tmp_path: Path) -> None:
    told = noise(2, 24_000, bits=24)
    path = make(tmp_path / "a.mkv", Sound("aac"), Sound("pcm_s24le", samples=told, language="deu"), seconds=0.5)
    new, notes = rewritten(path, tmp_path / "b.mov")[1:]
    assert [stream.codec for stream in new.audio] == ["aac", "pcm_s24le"]
    assert notes == ()
    new, notes = rewritten(make(tmp_path / "c.mkv", Sound("aac"), Sound("flac", samples=told)), tmp_path / "d.mov")[1:]
    assert [stream.codec for stream in new.audio] == ["aac", "alac"]
    assert notes == ("sound track 2: flac becomes alac, without a loss",)
    np.testing.assert_array_equal(samples(new.path, 1)[:, :24_000], told)


def test_avi_takes_neither_cover_nor_subtitles_nor_flags(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Sound("ac3", language="eng"), Sound("ac3"), subtitles="srt", font=True, cover=True)
    commented = tmp_path / "b.mkv"
    ffmpeg("-i", path, "-map", "0:v:0", "-map", "0:a", "-map", "0:s", "-map", "0:t", "-c", "copy",
           "-disposition:a:1", "comment", commented)  # fmt: skip
    new, notes = rewritten(commented, tmp_path / "c.avi")[1:]
    assert [stream.kind for stream in new.streams] == ["video", "audio", "audio"]
    assert notes == (
        "subtitles (subrip), stream 3, cannot come along: 'avi' files do not take it",
        "attachment (ttf), stream 4, cannot come along: 'avi' files do not take it",
        "'avi' files keep no language of a stream: 'eng' cannot come along",
        "'avi' files keep no flag 'comment' of a sound track (2)",
    )


def test_quicktime_has_words_of_its_own_for_some_languages(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Sound("aac", language="fre"), Sound("aac", language="deu"), seconds=0.5)
    assert [stream.language for stream in rewritten(path, tmp_path / "b.mov")[1].audio] == ["fra", "ger"]


def test_several_new_tracks_that_do_not_fit(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.mka", Sound("flac"), Sound("flac"), picture=None, seconds=0.3))
    new = [NewTrack(track, track, choose_codec(track, "flac")) for track in media.audio]
    with pytest.raises(OutputError, match=r"2 sound tracks of .* cannot be written as a 'flac' file"):
        plan_film(media, new, "flac", suffix=".flac")


@pytest.mark.parametrize("route", ["system", "wheels"], indirect=True)
def test_the_trial_of_a_stream_that_is_converted_ends(route: str, tmp_path: Path) -> None:
    """With `-t 0`, ffmpeg 9 waited for itself in one of four; a plan was refused after a minute."""
    media = probe(make(tmp_path / "a.mkv", Sound("aac"), Sound("flac"), seconds=0.5))
    new = NewTrack(media.audio[0], media.audio[0], choose_codec(media.audio[0], "mov"))
    film = plan_film(media, [new], "mov", suffix=".mov")
    assert [entry.action for entry in film.entries] == ["copy", "encode", "convert"]
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert fit._write_headers(film, folder).status == 0


def test_a_sidecar_holds_nothing_else(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.mkv", Sound("flac"), chapters=True, font=True, seconds=0.3))
    film = plan_sidecar(media, NewTrack(media.audio[0], media.audio[0], choose_codec(media.audio[0], "matroska")))
    assert [entry.action for entry in film.entries] == ["encode"]
    assert film.notes == ()


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="nothing tells how much a process read")
@pytest.mark.parametrize("route", ["system", "wheels"], indirect=True)
def test_planning_reads_no_more_of_a_large_film(route: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ffmpeg reads on until every subtitle track has a packet; of a forced one that can be an hour away."""
    (tmp_path / "late.srt").write_text("1\n00:00:09,000 --> 00:00:09,500\nOnly one\n")
    film = tmp_path / "large.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=10", "-f", "lavfi", "-i", "sine=r=48000:d=10",
           "-i", tmp_path / "late.srt", "-map", "0", "-map", "1", "-map", "2", "-c:v", "rawvideo",
           "-pix_fmt", "yuv420p", "-c:a", "aac", "-c:s", "srt", film)  # fmt: skip
    wrapper, log = tmp_path / "ffmpeg.sh", tmp_path / "read"
    wrapper.write_text(
        f'#!/bin/sh\n"{find_ffmpeg()}" "$@"\nstatus=$?\nwhile read name count; do\n'
        f'[ "$name" = rchar: ] && echo "$count" >> "{log}"\ndone < /proc/$$/io\nexit $status\n'
    )
    wrapper.chmod(0o755)
    media = probe(film)
    track = media.audio[0]
    new = NewTrack(track, track, choose_codec(track, "matroska"))
    monkeypatch.setenv("CFORK_FFMPEG", str(wrapper))
    whole = plan_film(media, [new], "matroska", suffix=".mkv")
    assert [entry.stream.kind for entry in whole.entries] == ["video", "audio", "subtitle"]
    most = max(map(int, log.read_text().split()))
    assert film.stat().st_size > 25_000_000
    assert most < film.stat().st_size / 3


def test_flags_of_an_entry() -> None:
    stream = Stream(1, "audio", 0, "aac", disposition=frozenset({"default", "comment", "unheard_of"}))
    assert Entry(stream, "copy").flags() == "default+comment"
    assert Entry(stream, "copy", default=False).flags() == "comment"
    assert Entry(Stream(1, "audio", 0, "aac"), "copy", default=True).flags() == "default"
    assert Entry(Stream(1, "audio", 0, "aac"), "copy").flags() == "0"


@pytest.mark.parametrize("route", ["system", "wheels"], indirect=True)
@pytest.mark.parametrize("name", ["new.mp4", "new.mov"])
def test_dolby_visions_tag_stays_or_the_user_is_told(route: str, tmp_path: Path, name: str) -> None:
    """Players go by it: under the usual tag they would show the picture in wrong colours, without a word."""
    quiet = ["-x265-params", "log-level=0"]
    made = make(tmp_path / "made.mp4", Sound("aac"), picture="libx265", seconds=0.4, options=quiet)
    path = tmp_path / "film.mp4"
    ffmpeg_of("wheels", "-i", made, "-map", "0", "-c", "copy", "-strict", "experimental", "-tag:v", "dvh1", path)
    old, new, notes = rewritten(path, tmp_path / name)
    assert old.streams[0].tag == "dvh1"
    told = any("dvh1 becomes hvc1" in note for note in notes)
    assert new.streams[0].tag == ("hvc1" if told else "dvh1")
    assert told == (not _copies(path, tmp_path / f"copy{Path(name).suffix}", "dvh1"))


def _copies(path: Path, target: Path, tag: str) -> bool:
    """Whether this ffmpeg by itself writes pictures under these four letters, which depends on its version."""
    try:
        ffmpeg("-i", path, "-map", "0:v:0", "-c", "copy", "-strict", "unofficial", "-tag:v", tag, target)
    except AssertionError:
        return False
    return probe(target).streams[0].tag == tag
