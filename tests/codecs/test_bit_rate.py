"""Bit rates that the container does not tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.films import Sound, make

from cfork_cli.codecs.bit_rate import parse_bit_rate, with_bit_rate
from cfork_cli.codecs.choose import choose_codec
from cfork_cli.errors import UsageError
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Stream


def test_matroska_does_not_tell_so_it_is_looked_at(tmp_path: Path) -> None:
    film = probe(make(tmp_path / "a.mkv", Sound("aac", options=["-b:a", "320k"]), seconds=1.5))
    track = film.audio[0]
    assert track.bit_rate is None
    found = with_bit_rate(film, track)
    assert found.bit_rate == pytest.approx(320_000, rel=0.1)
    assert int(choose_codec(found, "matroska").options["b"].rstrip("k")) * 1000 >= found.bit_rate


def test_what_is_told_or_lossless_is_left(tmp_path: Path) -> None:
    film = probe(make(tmp_path / "a.mkv", Sound("flac"), Sound("ac3"), seconds=0.5))
    assert all(with_bit_rate(film, track) is track for track in film.audio)


@pytest.mark.parametrize("text", ["3 20", "fast", "-1k", "0", "90M", "k", "1e5"])
def test_what_is_no_bit_rate(text: str) -> None:
    with pytest.raises(UsageError, match="is not a bit rate of sound"):
        parse_bit_rate(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("128k", 128_000), ("1.5M", 1_500_000), ("96000", 96_000), ("64 kbit/s", 64_000)]
)
def test_bit_rates(text: str, rate: int) -> None:
    assert parse_bit_rate(text) == rate


def test_the_users_rate() -> None:
    track = Stream(1, "audio", 0, "aac", channels=2, layout="stereo", sample_rate=48_000, bit_rate=400_000)
    assert choose_codec(track, "matroska", bit_rate=96_000).bit_rate == 96_000
    assert choose_codec(track, "matroska", wanted="opus", bit_rate=64_000).bit_rate == 64_000
    with pytest.raises(UsageError, match="leave --bitrate away"):
        choose_codec(track, "matroska", wanted="flac", bit_rate=64_000)


@pytest.mark.parametrize(
    ("codec", "rate", "taken"), [("mp3", 32, 32), ("mp3", 60, 64), ("ac3", 56, 56), ("mp2", 64, 64)]
)
def test_low_rates_are_taken_as_asked_or_the_next_that_there_is(codec: str, rate: int, taken: int) -> None:
    track = Stream(1, "audio", 0, codec, channels=1, layout="mono", sample_rate=48_000, bit_rate=128_000)
    assert choose_codec(track, "matroska", bit_rate=rate * 1000).bit_rate == taken * 1000


def test_a_rate_for_sound_that_had_none() -> None:
    track = Stream(1, "audio", 0, "flac", channels=2, layout="stereo", sample_rate=48_000, bits=16)
    chosen = choose_codec(track, "matroska", bit_rate=192_000)
    assert (chosen.codec_name, chosen.bit_rate) == ("aac", 192_000)
    assert chosen.note == "sound track 1: flac has no bit rate to choose, so the new track is aac"
