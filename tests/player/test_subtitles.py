"""Text subtitles become WebVTT, at the film's own seconds, in every container that has them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.films import Sound, ffmpeg, make

from cfork_cli.errors import FfmpegError
from cfork_cli.media.probe import probe
from cfork_cli.player import subtitles


def cues(text: bytes) -> list[tuple[float, float, str]]:
    found = re.findall(r"(\d+):(\d\d\.\d+) --> (\d+):(\d\d\.\d+)[^\n]*\n([^\n]+)", text.decode())
    return [(60 * int(a) + float(b), 60 * int(c) + float(d), words) for a, b, c, d, words in found]


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "subrip"), ("a.mkv", "ass"), ("a.mp4", "mov_text")])
def test_words_keep_their_times(name: str, codec: str, tmp_path: Path) -> None:
    media = probe(make(tmp_path / name, Sound("aac"), subtitles=codec))
    (track,) = subtitles.text_tracks(media)
    text = subtitles.webvtt(media, track)
    assert text.startswith(b"WEBVTT")
    assert cues(text) == [
        (pytest.approx(0.2, abs=0.03), pytest.approx(0.9, abs=0.03), "Hello there"),
        (pytest.approx(1.2, abs=0.03), pytest.approx(1.7, abs=0.03), "Good-bye"),
    ]


def test_times_count_from_the_films_start(tmp_path: Path) -> None:
    early = make(tmp_path / "early.mkv", Sound(), subtitles="subrip")
    ffmpeg("-i", early, "-map", "0", "-c", "copy", "-output_ts_offset", "7", tmp_path / "late.mkv")
    media = probe(tmp_path / "late.mkv")
    assert media.start_seconds == pytest.approx(7, abs=0.05)
    first = cues(subtitles.webvtt(media, subtitles.text_tracks(media)[0]))[0]
    assert first[0] == pytest.approx(0.2, abs=0.05)


def test_pictures_of_words_are_left_out(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.mkv", Sound(), subtitles="subrip"))
    (words,) = subtitles.text_tracks(media)
    drawn = replace(words, codec="hdmv_pgs_subtitle")
    assert subtitles.text_tracks(replace(media, streams=(*media.streams, drawn))) == [words]


def test_what_is_no_subtitle_is_an_error(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.mkv", Sound()))
    with pytest.raises(FfmpegError, match="subtitles could not be read"):
        subtitles.webvtt(media, media.audio[0])
