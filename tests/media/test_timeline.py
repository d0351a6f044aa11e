"""Where sound lies on the film's time line, and what the ends of files tell."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support.films import Sound, ffmpeg, make, noise
from support.readings import times

from cfork_cli.errors import DamagedInputError
from cfork_cli.input.decode import decode
from cfork_cli.media import timeline, truncation
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media, Stream
from cfork_cli.output.film import FilmSink

RATE = 48_000


def media(container: str, start: float = 0.0) -> Media:
    return Media(Path("x"), container, 10.0, start, {}, 0, ())


def track(start: float) -> Stream:
    return Stream(1, "audio", 0, "aac", channels=2, sample_rate=RATE, start_seconds=start)


@pytest.mark.parametrize(
    ("container", "film", "sound", "muxer", "begin"),
    [
        ("matroska,webm", 0.0, 0.5, "matroska", 24_000),
        ("matroska,webm", -0.021, -0.021, "matroska", 0),  # an encoder's start-up, never played
        ("matroska,webm", 0.7, 0.7, "matroska", 33_600),
        ("mpegts", 20.0, 20.5, "mpegts", 24_000),  # counts from the film's first moment
        ("mov,mp4,m4a,3gp,3g2,mj2", 0.0, 0.5, "avi", 0),  # cannot tell
        ("matroska,webm", 0.2, 0.5, "wav", 9_600),
    ],
)
def test_where_the_new_track_begins(container: str, film: float, sound: float, muxer: str, begin: int) -> None:
    assert timeline.track_begin(media(container, film), track(sound), muxer) == begin


def test_decoding_from_a_place_on_the_time_line(tmp_path: Path) -> None:
    told = noise(2, RATE, bits=16)
    path = make(tmp_path / "a.mkv", Sound("flac", samples=told, delay=0.5), seconds=1.5)
    film = probe(path)
    for begin, silence in ((None, 24_000), (24_000, 0), (20_000, 4_000)):
        with decode(film, film.audio[0], begin=begin) as blocks:
            found = np.concatenate(list(blocks), axis=1)
        assert not found[:, :silence].any()
        assert np.array_equal(found[:, silence:], told)


def test_wide_samples_are_exact_in_64_bits(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-(2**31), 2**31, (2, 4000))
    raw = tmp_path / "a.s32"
    raw.write_bytes(np.ascontiguousarray(values.T, "<i4").tobytes())
    ffmpeg("-f", "s32le", "-ar", "48000", "-ac", "2", "-i", raw, "-c:a", "pcm_s32le", tmp_path / "a.wav")
    film = probe(tmp_path / "a.wav")
    with decode(film, film.audio[0], bits=64) as blocks:
        found = np.concatenate(list(blocks), axis=1)
    assert found.dtype == np.float64
    assert np.array_equal(found * 2.0**31, values)


def test_the_picture_stays_where_it_was_under_any_encoder(route: str, tmp_path: Path) -> None:
    """ffmpeg 5.1 would move a Matroska film by the encoder's start-up, once more at every remix."""
    path = make(tmp_path / "a.mkv", Sound("pcm_s16le"), seconds=0.5)
    before = times(path, "v:0")
    for encoder in ("aac", "ac3", "libopus", "libmp3lame"):
        film = probe(path)
        from cfork_cli.codecs.choose import choose_codec

        codec = choose_codec(film.audio[0], "matroska", wanted=encoder)
        output = tmp_path / f"{encoder}.mkv"
        with FilmSink(film, film.audio[0], output, codec=codec) as sink, decode(film, film.audio[0]) as blocks:
            for block in blocks:
                sink.write(block)
        assert times(output, "v:0") == before, encoder


# ---- ends ----


def cut(path: Path, share: float, by: int = 1) -> Path:
    """The first part of a file; not a multiple of anything."""
    data = path.read_bytes()
    short = path.with_name(f"cut{path.suffix}")
    short.write_bytes(data[: int(len(data) * share) // by * by + 50])
    return short


@pytest.mark.parametrize(
    ("name", "codec", "picture"),
    [("a.ts", "mp2", "mpeg2video"), ("a.ogg", "libvorbis", None), ("a.opus", "libopus", None)],
)
def test_a_cut_end_is_noted(tmp_path: Path, name: str, codec: str, picture: str | None) -> None:
    whole = probe(make(tmp_path / name, Sound(codec), picture=picture))
    assert not truncation.cut_off(whole)
    short = probe(cut(whole.path, 0.6, by=188))
    assert truncation.cut_off(short)
    with decode(short, short.audio[0]) as blocks:
        list(blocks)
    assert any("was cut off" in note for note in blocks.notes)


def test_a_cut_mp3_is_told_with_its_missing_seconds(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp3", Sound("libmp3lame", samples=noise(2, 5 * RATE)), picture=None, cover=True)
    whole = probe(path)
    assert truncation.missing_share(whole) < 0.01
    short = probe(cut(path, 0.5))
    assert truncation.missing_share(short) == pytest.approx(0.5, abs=0.02)
    with decode(short, short.audio[0]) as blocks, pytest.raises(DamagedInputError, match=r"2\.\d seconds of sound"):
        list(blocks)


# ---- titles ----


def test_titles_of_quicktime_tracks(route: str, tmp_path: Path) -> None:
    sounds = (Sound("aac", title="Main"), Sound("aac"), Sound("aac", title="Zweite Spur"))
    film = probe(make(tmp_path / "a.mp4", *sounds, seconds=0.3, chapters=True, cover=True))
    assert [stream.title for stream in film.audio] == ["Main", None, "Zweite Spur"]
    assert film.streams[0].title is None
    (tmp_path / "b.mp4").write_bytes(film.path.read_bytes()[:-200])  # the index at its end is cut
    from cfork_cli.media.mov_titles import track_names

    assert len(track_names(tmp_path / "b.mp4")) in (0, 4, 5)


@pytest.mark.parametrize("kind", ["wmv", "wma"])
def test_a_cut_asf_is_told(tmp_path: Path, kind: str) -> None:
    """ffmpeg believes its length no more, so that nothing seemed to be missing."""
    whole = make(tmp_path / f"a.{kind}", Sound("wmav2"), picture="wmv2" if kind == "wmv" else None, seconds=3)
    data = whole.read_bytes()
    assert not truncation.cut_off(probe(whole))
    cut = tmp_path / f"b.{kind}"
    cut.write_bytes(data[: len(data) * 6 // 10])
    media = probe(cut)
    assert media.duration_seconds is None
    with decode(media, media.audio[0]) as blocks:
        assert sum(block.shape[1] for block in blocks) < 2.5 * blocks.sample_rate
    assert any("was cut off: its end is missing, and how much of it is unknown" in note for note in blocks.notes)
    at = data.index(truncation._ASF_PROPERTIES) + 88  # flags: a broadcast knows no size
    cut.write_bytes(data[:at] + b"\3" + data[at + 1 : len(data) * 6 // 10])
    assert truncation.cut_off(probe(cut))  # it ends within a packet


# ---- written into a pipe ----


def joints(kind: str, data: bytes) -> set[int]:
    """Where a piece of the file ends and the next begins: a cut there leaves nothing that tells of more."""
    places, place = set(), 0
    if kind in ("wmv", "wma"):
        at = data.index(truncation._ASF_PROPERTIES)
        packet = int.from_bytes(data[at + 92 : at + 96], "little")
        # what may follow the index, 12 bytes, is ffmpeg's alone: nothing lacks without it
        return {len(data) - 12} | set(range(int.from_bytes(data[16:24], "little") + 50, len(data), packet))
    if kind == "flv":
        place = 13
        while place < len(data):
            places.add(place := place + 15 + int.from_bytes(data[place + 1 : place + 4], "big"))
        return places
    place = data.index(b"movi") + 4
    while place < len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        places |= {place + 8 + length, place := place + 8 + length + length % 2}
    return places


@pytest.mark.parametrize(
    ("kind", "codec", "picture"),
    [("flv", "libmp3lame", "flv"), ("flv", "aac", None), ("avi", "pcm_s16le", "mpeg4"), ("avi", "ac3", None),
     ("wmv", "wmav2", "wmv2"), ("wma", "wmav2", None)],
)  # fmt: skip
def test_what_was_written_into_a_pipe_and_cut_is_told_wherever_the_cut_is(
    tmp_path: Path, kind: str, codec: str, picture: str | None
) -> None:
    """But between two pieces. Nothing that is whole is called cut."""
    sound = Sound(codec, samples=noise(2, RATE), sample_rate=44_100)
    film = make(tmp_path / f"film.{kind}", sound, picture=picture, seconds=1)
    data = ffmpeg("-i", film, "-map", "0", "-c", "copy", "-f", {"wmv": "asf", "wma": "asf"}.get(kind, kind), "pipe:1")
    path = tmp_path / f"piped.{kind}"
    path.write_bytes(data)
    media = probe(path)
    assert not truncation.cut_off(media)
    with decode(media, media.audio[0]) as blocks:
        whole = sum(block.shape[1] for block in blocks)
    assert not any("cut off" in note for note in blocks.notes)
    ends = joints(kind, data)
    anywhere = np.random.default_rng(1).integers(len(data) // 2, len(data), 300)
    places = sorted({*range(len(data) - 700, len(data)), *map(int, anywhere)})
    for place in reversed(places):
        os.truncate(path, place)
        assert truncation.cut_off(media) == (place not in ends), place
    path.write_bytes(data[: next(place for place in places if place not in ends)])
    media = probe(path)
    with decode(media, media.audio[0]) as blocks:
        assert sum(block.shape[1] for block in blocks) < whole
    assert any("was cut off: its end is missing, and how much of it is unknown" in note for note in blocks.notes)


def test_a_cut_flv_that_knew_no_length_is_not_empty(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.flv", Sound("aac"), picture="flv", seconds=3)
    path = tmp_path / "b.flv"
    path.write_bytes(ffmpeg("-i", whole, "-c", "copy", "-f", "flv", "pipe:1"))
    os.truncate(path, path.stat().st_size * 6 // 10)
    assert probe(path).duration_seconds is None
