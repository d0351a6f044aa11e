"""Kinds of files, by suffix and by content."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.films import Sound, ffmpeg, make

from cfork_cli.errors import UsageError
from cfork_cli.media.containers import container_for, muxer_options, sound_only
from cfork_cli.media.types import Media

MOV = "mov,mp4,m4a,3gp,3g2,mj2"
MKV = "matroska,webm"


def media(name: str, container: str, **tags: str) -> Media:
    return Media(Path(name), container, None, 0.0, tags, 0, ())


@pytest.mark.parametrize(
    ("output", "film", "container", "tags", "expected"),
    [
        ("new.MKV", "film.mp4", MOV, {}, "matroska"),
        ("new.m2ts", "film.mkv", MKV, {}, "mpegts"),
        ("new.rf64", "film.mkv", MKV, {}, "wav"),
        ("new", "film.mov", MOV, {"major_brand": "qt  "}, "mov"),
        ("new", "film", MOV, {"major_brand": "isom"}, "mp4"),
        ("new", "film", MOV, {"major_brand": "M4A "}, "ipod"),
        ("film.cfork.mp4", "film.mp4", MOV, {"major_brand": "isom"}, "mp4"),
        ("film.cfork.m4a", "film.m4a", MOV, {"major_brand": "isom"}, "ipod"),
        ("film.cfork.webm", "film.webm", MKV, {}, "webm"),
        ("film.cfork.mp4", "film.mp4", MKV, {}, "matroska"),  # the suffix is wrong, the film's kind stays
        ("film.cfork.xyz", "film.xyz", MKV, {}, "matroska"),
        ("film.cfork", "film", "avi", {}, "avi"),
        ("film.cfork.ogv", "film.ogv", "ogg", {}, "ogg"),
        ("film.cfork.opus", "film.opus", "ogg", {}, "opus"),
        ("film.cfork.mp2", "film.mp2", "mp3", {}, "mp2"),
        ("film.cfork.vob", "film.vob", "mpeg", {}, "vob"),
        ("film.cfork.mxf", "film.mxf", "mxf", {}, "mxf"),
        ("film.cfork.w64", "film.w64", "w64", {}, "w64"),
        ("film.cfork.aac", "film.aac", "aac", {}, "adts"),
    ],
)
def test_kinds_of_files(output: str, film: str, container: str, tags: dict[str, str], expected: str) -> None:
    assert container_for(Path(output), media(film, container, **tags)) == expected


@pytest.mark.parametrize(
    ("output", "container"), [("x.txt", MKV), ("x.mkvv", MKV), ("x.srt", MOV), ("a.xyz", "bink"), ("a", "bink")]
)
def test_a_suffix_that_says_nothing(output: str, container: str) -> None:
    with pytest.raises(UsageError, match=f"'{output}'.* (kind of|cannot write).*give it the suffix .mk"):
        container_for(Path(output), media("film.mkv", container))


def test_which_files_hold_sound_alone() -> None:
    assert sound_only("matroska", ".mka")
    assert sound_only("wav", ".wav")
    assert not sound_only("matroska", ".mkv")
    assert not sound_only("ogg", ".ogv")


def test_packets_of_blu_ray_and_cameras() -> None:
    film = media("film.ts", "mpegts")
    assert muxer_options("mpegts", ".m2ts", film)["mpegts_m2ts_mode"] == 1
    assert muxer_options("mpegts", ".MTS", film)["mpegts_m2ts_mode"] == 1
    assert muxer_options("mpegts", ".ts", film)["mpegts_m2ts_mode"] == 0


def test_rf64_stays_rf64(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain.wav", Sound(), picture=None, seconds=0.1)
    large = tmp_path / "large.wav"
    ffmpeg("-i", plain, "-c", "copy", "-rf64", "always", large)
    assert muxer_options("wav", ".wav", media(str(plain), "wav"))["rf64"] == "auto"
    assert muxer_options("wav", ".wav", media(str(large), "wav"))["rf64"] == "always"
    assert muxer_options("wav", ".rf64", media(str(plain), "wav"))["rf64"] == "always"


def test_broadcast_wave_keeps_its_chunk() -> None:
    assert muxer_options("wav", ".wav", media("a.wav", "wav", time_reference="4800"))["write_bext"] == 1
    assert "write_bext" not in muxer_options("wav", ".wav", media("a.wav", "wav", title="A"))
