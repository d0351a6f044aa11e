"""Which codec a new track gets, and what the user is told about it."""

from __future__ import annotations

import re

import pytest
from support.films import CHANNELS

from cfork_cli.codecs import choose as codecs
from cfork_cli.codecs.candidates import candidates, is_lossless, is_wide
from cfork_cli.codecs.choose import choose_codec
from cfork_cli.errors import UsageError
from cfork_cli.media.types import Stream


def sound(codec: str, layout: str | None = "stereo", rate: int = 48_000, **more: object) -> Stream:
    channels = CHANNELS[layout] if layout else 6
    return Stream(1, "audio", 0, codec, channels=channels, layout=layout, sample_rate=rate, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("track", "container", "expected", "said"),
    [
        # lossless stays lossless wherever the container has room for it
        (sound("pcm_s16le", bits=16), "mp4", "alac", "the new track is alac"),
        (sound("pcm_s24le", bits=24), "ipod", "alac", "the new track is alac"),
        (sound("flac", bits=16), "mov", "pcm_s24le", "the new track is pcm_s24le"),
        (sound("flac", bits=16), "wav", "pcm_s24le", "the new track is pcm_s24le"),
        (sound("truehd", "7.1", bits=24), "matroska", "flac", "the new track is flac"),
        (sound("pcm_s32le", bits=32), "matroska", "pcm_s32le", None),
        (sound("pcm_f32le", sample_format="flt"), "flac", "flac", "its samples get 24 bits"),
        (sound("pcm_s24le", bits=24), "mxf", "pcm_s24le", None),
        # containers of one codec
        (sound("flac", bits=16), "opus", "opus", "the new track is opus"),
        (sound("aac"), "ac3", "ac3", "the new track is ac3"),
        (sound("pcm_s16le", "mono", 8_000, bits=16), "ac3", "ac3", "the sample rate becomes 32000 Hz"),
        (sound("flac", rate=96_000, bits=24), "mp3", "mp3", "the sample rate becomes 48000 Hz"),
        # no folding, whatever the old codec was
        (sound("eac3", "7.1"), "mp4", "aac", "the new track is aac"),
        (sound("ac3", "5.1(side)"), "mpegts", "ac3", None),
        (sound("aac", "5.1"), "mp4", "aac", None),
    ],
)
def test_the_best_for_the_container(track: Stream, container: str, expected: str, said: str | None) -> None:
    chosen = choose_codec(track, container)
    assert chosen.codec_name == expected
    assert (chosen.note is None) == (said is None), chosen.note
    assert said is None or said in (chosen.note or "")


def test_integers_of_32_bits_go_into_flac_as_far_as_this_ffmpeg_can() -> None:
    """From 6.0 on it writes all of them; before, 24 bits, and that is told."""
    chosen = choose_codec(sound("pcm_s32le", bits=32), "flac")
    assert chosen.codec_name == "flac"
    assert chosen.bits in (24, 32)
    assert ("its samples get 24 bits" in (chosen.note or "")) == (chosen.bits == 24)


def test_eight_channels_stay_eight_in_mpeg_ts() -> None:
    """As AAC, whose headers there ffmpeg 9 refuses to write for 7.1: then as Opus."""
    chosen = choose_codec(sound("eac3", "7.1"), "mpegts")
    assert chosen.codec_name in ("aac", "opus")
    assert chosen.note == f"sound track 1: eac3 cannot be written as it was, so the new track is {chosen.codec_name}"


def test_a_codec_that_folds_is_taken_only_when_asked_for() -> None:
    """Into 5.1, or, by ffmpeg 6.0, into 5.0."""
    track = sound("eac3", "7.1")
    note = choose_codec(track, "matroska", wanted="ac3").note or ""
    assert re.search(r"carries [56] of the 8 channels: the others are folded", note)
    assert choose_codec(track, "matroska").codec_name == "flac"


def test_a_lower_bit_rate_is_told() -> None:
    track = sound("mp3", rate=44_100, bit_rate=512_000)
    assert choose_codec(track, "matroska").note == "sound track 1: its bit rate becomes 320 kbit/s, from 512"


@pytest.mark.parametrize(
    ("layout", "rate", "bit_rate", "is_fast"),
    [("stereo", 48_000, None, True), ("mono", 44_100, None, True), ("5.1", 48_000, None, False),
     ("stereo", 44_100, 96_000, False), ("stereo", 44_100, 128_000, True), ("stereo", 48_000, 128_000, False),
     ("stereo", 48_000, 320_000, False), ("mono", 22_050, None, False), ("mono", 96_000, 64_000, False)],
)  # fmt: skip
def test_aac_of_usual_rates_takes_the_quantizers_that_are_closer(
    layout: str, rate: int, bit_rate: int | None, is_fast: bool
) -> None:
    chosen = choose_codec(sound("aac", layout, rate), "matroska", bit_rate=bit_rate)
    assert (chosen.codec_name, chosen.options.get("aac_coder")) == ("aac", "fast" if is_fast else None)


def test_an_ffmpeg_without_these_quantizers_keeps_the_bit_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = codecs.trial

    def refuse(track: Stream, container: str, encoder: str, options: dict, *more: object) -> object:
        return None if "aac_coder" in options else tried(track, container, encoder, options, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(codecs, "trial", refuse)
    assert choose_codec(sound("aac"), "matroska").options == {"b": "256k"}


def test_asking_for_what_the_container_does_not_hold() -> None:
    with pytest.raises(UsageError, match="'flac' sound with 1 channel does not go into a 'opus' file"):
        choose_codec(sound("aac", "mono"), "opus", wanted="flac")


def test_flags_and_tags_that_a_container_loses() -> None:
    kept, lost = choose_codec(sound("ac3"), "matroska"), choose_codec(sound("ac3"), "avi")
    assert (kept.loses, kept.loses_flags) == ((), ())
    assert lost.loses == ("language",)
    assert {"comment", "hearing_impaired", "visual_impaired"} <= set(lost.loses_flags)


def test_what_is_lossless_and_what_is_finer_than_floats() -> None:
    assert is_lossless(sound("dts", profile="DTS-HD MA"))
    assert not is_lossless(sound("dts", profile="DTS"))
    assert is_wide(sound("pcm_s32le", bits=32))
    assert is_wide(sound("pcm_f64le", sample_format="dbl"))
    assert not is_wide(sound("pcm_s24le", bits=24))
    assert not is_wide(sound("aac", sample_format="fltp"))


def test_the_old_codec_comes_first_but_for_what_no_player_reads() -> None:
    assert next(iter(candidates(sound("vorbis"), "matroska"))) == "vorbis"
    assert next(iter(candidates(sound("pcm_s16le", bits=16), "mp4"))) == "alac"
    assert not any(codec.startswith("pcm_") for codec in candidates(sound("pcm_s16le", bits=16), "ipod"))


@pytest.mark.parametrize("route", ["wheels"], indirect=True)
def test_flac_of_32_bits_where_ffmpeg_can(route: str) -> None:
    chosen = choose_codec(sound("flac", bits=32, sample_format="s32"), "matroska")
    assert (chosen.codec_name, chosen.bits, chosen.raw_bits, chosen.note) == ("flac", 32, 64, None)
