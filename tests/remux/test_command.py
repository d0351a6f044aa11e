"""The new film is the old one with one new sound track; nothing else is gone, moved or renamed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from support.films import CHANNELS, Sound, ffmpeg, make, noise, record
from support.readings import packets, samples, times
from support.rewritten import rewritten

from cfork_cli.codecs.choose import choose_codec, encoders
from cfork_cli.errors import OutputError, UsageError
from cfork_cli.input.decode import decode
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media, Stream
from cfork_cli.output.film import FilmSink
from cfork_cli.remux import fit
from cfork_cli.remux.command import build
from cfork_cli.remux.plan import NewTrack


def facts(stream: Stream) -> tuple[object, ...]:
    """What must be as it was."""
    return (
        stream.kind,
        stream.codec,
        stream.language,
        stream.title,
        stream.disposition,
        stream.channels,
        stream.sample_rate,
    )


@pytest.mark.parametrize(("route", "track"), [("system", 1), ("wheels", 0)], indirect=["route"])
def test_mkv_keeps_everything_in_its_place(route: str, tmp_path: Path, track: int) -> None:
    path = make(
        tmp_path / "film.mkv",
        Sound("aac", language="eng", title="Stereo = good"),
        Sound("ac3", "5.1(side)", language="deu", title="Ton", default=True),
        subtitles="srt",
        chapters=True,
        font=True,
        cover=True,
    )
    old, new, notes = rewritten(path, tmp_path / "new.mkv", track)
    assert notes == ()
    assert new.container == old.container
    assert [facts(stream) for stream in new.streams] == [facts(stream) for stream in old.streams]
    assert new.chapters == 2
    assert (new.tags["title"], new.tags["COMMENT"]) == ("The Film", "made for a test")
    for stream in old.streams:
        if stream.kind == "attachment":
            assert new.streams[stream.index].tags == stream.tags
        elif stream != old.audio[track]:
            assert packets(new.path, str(stream.index)) == packets(path, str(stream.index))
    assert new.audio[track].layout == old.audio[track].layout
    cover = new.streams[5]
    assert cover.is_cover
    assert cover.tags["filename"] == "cover.jpg"


@pytest.mark.parametrize("name", ["film.mov", "film.mp4"])
def test_what_phones_write_about_a_film_comes_along(tmp_path: Path, name: str) -> None:
    told = {
        "com.apple.quicktime.location.ISO6709": "+48.1000-011.2000/",
        "com.apple.quicktime.creationdate": "2024-01-02T03:04:05+0100",
        "com.android.version": "14",
        "title": "Holidays",
    }
    tags = [word for key, value in told.items() for word in ("-metadata", f"{key}={value}")]
    path = make(tmp_path / name, Sound("aac"), options=["-movflags", "use_metadata_tags", *tags], seconds=0.5)
    old, new, _ = rewritten(path, tmp_path / f"new.{name}")
    assert told.items() <= dict(old.tags).items()
    assert told.items() <= dict(new.tags).items()


@pytest.mark.parametrize("service", [{"service_name": "Das Erste", "service_provider": "ARD"}, {}])
def test_a_recording_keeps_the_name_of_its_channel(tmp_path: Path, service: dict[str, str]) -> None:
    tags = [word for key, value in service.items() for word in ("-metadata", f"{key}={value}")]
    path = make(tmp_path / "a.ts", Sound("mp2"), picture="mpeg2video", options=[*tags, "-mpegts_service_id", "28106"])
    old, new, _ = rewritten(path, tmp_path / "b.ts")
    assert {**service, "id": "28106"}.items() <= dict(old.service).items()
    assert new.service == old.service
    assert not rewritten(path, tmp_path / "b.mkv")[1].service


@pytest.mark.parametrize("tracks", [1, 2])
def test_ffmpeg_keeps_seconds_of_new_sound(tmp_path: Path, tracks: int) -> None:
    """Else it sleeps whenever its queue is empty, and takes no more than 50 seconds of sound a second."""
    media = probe(make(tmp_path / "film.mkv", *[Sound("flac")] * tracks))
    new = [NewTrack(track, track, choose_codec(track, "matroska"), None) for track in media.audio]
    film = fit.plan_film(media, new, "matroska", suffix=".mkv")
    command = build(film, tmp_path / "new.mkv", {})
    before = command[: command.index("pipe:0")]
    assert int(before[before.index("-thread_queue_size") + 1]) * 1024 > 5 * 48_000


@pytest.mark.parametrize(("route", "name"), [("system", "film.mp4"), ("wheels", "film.m4v")], indirect=["route"])
def test_mp4_keeps_cover_chapters_and_subtitles(route: str, tmp_path: Path, name: str) -> None:
    made = make(
        tmp_path / "made.mp4",
        Sound("aac", language="eng"),
        Sound("ac3", "5.1", language="deu", default=True),
        picture="libx264",
        subtitles="mov_text",
        chapters=True,
        cover=True,
    )
    path = shutil.copy(made, tmp_path / name)
    old, new, notes = rewritten(path, tmp_path / f"new{path.suffix}", 1)
    assert notes == ()
    kept = [facts(stream) for stream in new.streams if stream.kind != "data"]
    assert kept == [facts(stream) for stream in old.streams if stream.kind != "data"]
    assert new.chapters == 2
    assert new.tags["title"] == "The Film"
    assert packets(new.path, "v:0") == packets(path, "v:0")
    assert packets(new.path, "v:1") == packets(path, "v:1")
    assert packets(new.path, "a:0") == packets(path, "a:0")
    data = new.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it downloads


def test_mov_keeps_its_time_code_and_pcm(tmp_path: Path) -> None:
    options = ["-timecode", "01:00:00:00"]
    sound = Sound("pcm_s24le", samples=noise(2, 96_000, bits=24))
    path = make(tmp_path / "film.mov", sound, options=options)
    old, new, notes = rewritten(path, tmp_path / "new.mov")
    assert notes == ()
    assert [stream.codec for stream in new.audio] == ["pcm_s24le"]
    assert [s.kind for s in new.streams] == [s.kind for s in old.streams] == ["video", "audio", "data"]
    assert new.streams[2].tags["timecode"] == "01:00:00:00"
    assert packets(new.path, "a:0") == packets(path, "a:0")


KINDS = [
    ("film.ts", "aac", "libx264", "aac"),
    ("film.avi", "libmp3lame", "mpeg4", "mp3"),
    ("sound.m4a", "aac", None, "aac"),
    ("film.webm", "libopus", "libvpx", "opus"),
    ("film.mpg", "mp2", "mpeg2video", "mp2"),
    ("film.flv", "libmp3lame", "flv", "mp3"),
    ("film.wmv", "wmav2", "mpeg4", "wmav2"),
    ("sound.wav", "pcm_s16le", None, "pcm_s16le"),
    ("sound.flac", "flac", None, "flac"),
    ("sound.mp3", "libmp3lame", None, "mp3"),
    ("sound.opus", "libopus", None, "opus"),
]


def same_kind(tmp_path: Path, name: str, codec: str, picture: str | None, written: str) -> None:
    rate = 44_100 if name.endswith((".flv", ".mp3")) else 48_000
    path = make(tmp_path / name, Sound(codec, sample_rate=rate), picture=picture)
    old, new, notes = rewritten(path, tmp_path / f"new{path.suffix}")
    assert notes == ()
    assert new.container == old.container
    assert new.audio[0].codec == written
    assert [facts(stream) for stream in new.streams] == [facts(stream) for stream in old.streams]
    assert (new.audio[0].bit_rate or 1e9) >= 0.9 * (old.audio[0].bit_rate or 0)
    if picture is not None:
        assert packets(new.path, "v:0") == packets(path, "v:0")


@pytest.mark.parametrize(("name", "codec", "picture", "written"), KINDS)
def test_same_container_same_codec(tmp_path: Path, name: str, codec: str, picture: str | None, written: str) -> None:
    same_kind(tmp_path, name, codec, picture, written)


@pytest.mark.parametrize("route", ["wheels"], indirect=True)
@pytest.mark.parametrize(("name", "codec", "picture", "written"), KINDS[:3])
def test_same_container_same_codec_without_a_system_ffmpeg(
    route: str, tmp_path: Path, name: str, codec: str, picture: str | None, written: str
) -> None:
    same_kind(tmp_path, name, codec, picture, written)


@pytest.mark.parametrize(
    ("route", "name", "codec", "delay", "picture_delay"),
    [
        ("system", "a.ts", "mp2", 0.5, 0.0),
        ("wheels", "a.ts", "mp2", 0.5, 0.0),
        ("wheels", "a.mp4", "aac", 0.5, 0.0),
        ("system", "a.avi", "libmp3lame", 0.5, 0.0),
        ("system", "a.mkv", "flac", 0.0, 0.4),  # the sound begins first
        ("wheels", "a.mkv", "flac", 0.5, 0.4),  # nothing is there at zero
        ("system", "a.ts", "mp2", 0.5, 0.4),
    ],
    indirect=["route"],
)
def test_sound_and_picture_keep_together(
    route: str, tmp_path: Path, name: str, codec: str, delay: float, picture_delay: float
) -> None:
    """The distance from the first picture to a click is what it was, within 1 ms of what the codec itself can place."""
    picture = "mpeg2video" if name == "a.ts" else "mpeg4"
    later = [] if picture_delay == 0 else ["-filter:v:0", f"setpts=PTS+{picture_delay}/TB"]
    samples = np.zeros((2, 72_000), np.float32)
    samples[:, 24_000:24_010] = 0.9
    other = Sound(codec, samples=samples, delay=0.2)
    path = make(tmp_path / name, Sound(codec, samples=samples, delay=delay), other, picture=picture, options=later)
    new = rewritten(path, tmp_path / f"new{path.suffix}")[1]

    def distance(film: Media, track: int) -> float:
        with decode(film, film.audio[track]) as blocks:
            heard = np.concatenate(list(blocks), axis=1)
        first_picture = times(film.path, "v:0")[0] - film.start_seconds
        return int(np.abs(heard[0]).argmax()) / 48_000 - first_picture

    old = probe(path)
    for track in (0, 1):
        assert distance(new, track) == pytest.approx(distance(old, track), abs=0.0015)


def test_subtitles_stay_with_the_picture(tmp_path: Path) -> None:
    """An encoder's start-up delay may shift a Matroska film as a whole, never one stream against another."""
    path = make(tmp_path / "a.mkv", Sound("aac"), subtitles="srt")
    new = rewritten(path, tmp_path / "b.mkv")[1]
    shifts = [times(new.path, stream)[0] - times(path, stream)[0] for stream in ("v:0", "s:0")]
    assert shifts[0] == pytest.approx(shifts[1], abs=0.0011)


@pytest.mark.parametrize(
    ("route", "name", "layout", "bits"),
    [
        ("system", "film.mkv", "stereo", 16),
        ("system", "film.mkv", "5.1(side)", 24),
        ("wheels", "film.mkv", "7.1", 16),
        ("wheels", "sound.flac", "mono", 24),
    ],
    indirect=["route"],
)
def test_flac_is_bit_exact(route: str, tmp_path: Path, layout: str, bits: int, name: str) -> None:
    samples = noise(CHANNELS[layout], 30_001, level=0.4, bits=bits)
    samples[:, :2] = [-1, 1 - 2.0 ** (1 - bits)]  # both ends of the range
    form = ["-sample_fmt", "s16" if bits == 16 else "s32"]
    picture = "mpeg4" if name == "film.mkv" else None
    path = make(tmp_path / name, Sound("flac", layout, samples=samples, options=form), picture=picture, seconds=0.7)
    new = rewritten(path, tmp_path / f"new{path.suffix}")[1]
    assert (new.audio[0].bits, new.audio[0].channels) == (bits, CHANNELS[layout])
    with decode(new, new.audio[0]) as blocks:
        np.testing.assert_array_equal(np.concatenate(list(blocks), axis=1), samples)


@pytest.mark.parametrize(
    ("codec", "wanted", "name"),
    [
        ("pcm_s24le", "alac", "a.mov"), ("pcm_s16le", "alac", "a.m4a"), ("pcm_s24le", "wavpack", "a.mkv"),
        ("pcm_s24le", "pcm_s32le", "a.wav"), ("pcm_u8", "flac", "a.mkv"),
    ],
)  # fmt: skip
def test_every_lossless_codec_is_bit_exact(tmp_path: Path, codec: str, wanted: str, name: str) -> None:
    bits = 8 if codec == "pcm_u8" else int(codec[5:7])
    samples = noise(2, 24_000, level=0.4, bits=bits)
    path = make(tmp_path / "in.mkv", Sound(codec, samples=samples), picture=None)
    new = rewritten(path, tmp_path / name, wanted=wanted)[1]
    assert new.audio[0].codec == wanted
    with decode(new, new.audio[0]) as blocks:
        np.testing.assert_array_equal(np.concatenate(list(blocks), axis=1), samples)


@pytest.mark.parametrize(
    ("route", "codec"),
    [("system", "pcm_s32le"), ("wheels", "pcm_s24le"), ("wheels", "flac"), ("system", "aac")],
    indirect=["route"],
)
def test_what_is_over_full_scale_is_cut_and_does_not_wrap(route: str, tmp_path: Path, codec: str) -> None:
    media = probe(make(tmp_path / "in.wav", Sound(samples=noise(2, 48_000, bits=16)), picture=None))
    track = media.audio[0]
    loud = np.tile(np.repeat(np.float32([1.5, -1.5]), 480), (2, 50))
    chosen = choose_codec(track, "matroska", wanted=codec)
    with FilmSink(media, track, tmp_path / "out.mkv", codec=chosen) as sink:
        sink.write(loud)
    new = probe(tmp_path / "out.mkv")
    with decode(new, new.audio[0]) as blocks:
        heard = np.concatenate(list(blocks), axis=1)[:, : loud.shape[1]]
    middle = np.arange(4800 + 240, 40_000, 480)  # away from the edges, where lossy codecs ring
    assert (heard[:, middle] * loud[:, middle] > 0.9).all()


@pytest.mark.parametrize(
    ("route", "codec", "layout", "container", "expected", "said"),
    [
        ("system", "ac3", "5.1(side)", "matroska", "ac3", None),
        ("system", "opus", "5.1(side)", "webm", "opus", None),
        ("wheels", "opus", "5.1(side)", "webm", "opus", None),
        ("system", "eac3", "7.1", "matroska", "flac", "the new track is flac"),
        ("wheels", "eac3", "7.1", "mpegts", None, "channels"),
        ("system", "dts", "5.1(side)", "matroska", "flac", "sound track 1: dts cannot be written as it was"),
        ("wheels", "dts", "5.1(side)", "mp4", "aac", "the new track is aac"),
        ("system", "wmapro", "5.1", "avi", "ac3", "the new track is ac3"),
        ("system", "pcm_bluray", "stereo", "mpegts", "eac3", "pcm_bluray cannot be written as it was"),
    ],
    indirect=["route"],
)
def test_the_codec_is_chosen_by_asking(
    route: str, codec: str, layout: str, container: str, expected: str | None, said: str | None
) -> None:
    track = Stream(1, "audio", 0, codec, channels=CHANNELS[layout], layout=layout, sample_rate=48_000, bit_rate=384_000)
    chosen = choose_codec(track, container)
    if expected is not None:
        assert chosen.codec_name == expected
    assert (chosen.note is None) == (said is None) or (codec, container) == ("eac3", "mpegts")
    if said is not None and chosen.note is not None:
        assert said in chosen.note or "the new track is" in chosen.note


@pytest.mark.parametrize(("codec", "bit_rate"), [("aac", 400_000), ("ac3", 448_000), ("mp2", 384_000)])
def test_the_rate_is_at_least_the_old_one(codec: str, bit_rate: int) -> None:
    track = Stream(1, "audio", 0, codec, channels=2, layout="stereo", sample_rate=48_000, bit_rate=bit_rate)
    assert int(choose_codec(track, "matroska").options["b"].rstrip("k")) * 1000 >= bit_rate


def test_a_codec_of_the_users_choice() -> None:
    track = Stream(1, "audio", 0, "aac", channels=2, layout="stereo", sample_rate=48_000)
    assert choose_codec(track, "matroska", wanted="flac").codec_name == "flac"
    assert choose_codec(track, "matroska", wanted="libopus").codec_name == "opus"
    assert choose_codec(track, "matroska", wanted="opus").encoder == "libopus"
    with pytest.raises(UsageError, match="cannot write 'dts' sound"):
        choose_codec(track, "matroska", wanted="dts")
    with pytest.raises(UsageError, match="does not go into a 'webm' file"):
        choose_codec(track, "webm", wanted="flac")


def test_encoders_are_those_of_this_ffmpeg(route: str) -> None:
    have = encoders()
    assert have["aac"][0] == "aac"
    assert have["mp3"][0] == "libmp3lame"
    assert "dts" not in have  # experimental


def test_another_container_takes_what_it_can_and_the_rest_is_told(tmp_path: Path) -> None:
    sounds = (Sound("aac", language="eng", title="Main"), Sound("flac", language="fra", title="Commentary"))
    path = make(tmp_path / "a.mkv", *sounds, subtitles="srt", chapters=True, font=True, cover=True)
    new, notes = rewritten(path, tmp_path / "b.mp4")[1:]
    assert [s.codec for s in new.streams if s.kind != "data"] == ["mpeg4", "aac", "flac", "mov_text", "mjpeg"]
    assert new.chapters == 2
    assert [stream.language for stream in new.audio] == ["eng", "fra"]
    assert [stream.title for stream in new.audio] == ["Main", "Commentary"]
    assert len(notes) == 2
    assert "subrip becomes mov_text" in notes[0]
    assert "attachment (ttf), stream 4, cannot come along" in notes[1]
    back, notes = rewritten(new.path, tmp_path / "c.mkv", 1)[1:]
    assert [s.codec for s in back.streams] == ["mpeg4", "aac", "flac", "subrip", "mjpeg"]
    assert back.streams[4].is_cover
    assert notes == (f"subtitles (stream {new.streams[3].index}): mov_text becomes subrip",)


def test_data_streams_that_cannot_come_along_are_told(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mov", Sound("pcm_s16le"), options=["-timecode", "01:00:00:00"])
    new, notes = rewritten(path, tmp_path / "b.mkv")[1:]
    assert [s.kind for s in new.streams] == ["video", "audio"]
    assert notes == ("the time code track (stream 2) cannot come along",)


def test_a_track_that_is_announced_and_never_comes(route: str, tmp_path: Path) -> None:
    """Broadcasts have such tracks; ffmpeg knows no rate of them and refuses to copy them, even into nothing."""
    whole = make(tmp_path / "whole.ts", Sound("ac3"), Sound("ac3"), picture="mpeg2video")
    ffmpeg("-i", whole, "-map", "0", "-c", "copy", "-bsf:a:1", "noise=drop=1", tmp_path / "film.ts")
    old, new, notes = rewritten(tmp_path / "film.ts", tmp_path / "new.ts")
    assert [sound.sample_rate for sound in old.audio] == [48_000, None]
    assert [stream.kind for stream in new.streams] == ["video", "audio"]
    assert notes == ("audio (ac3), stream 2, cannot come along: 'mpegts' files do not take it",)
    assert packets(new.path, "v:0") == packets(old.path, "v:0")


def test_a_picture_that_does_not_fit_is_refused_before_any_work(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Sound("aac"), picture="mpeg4")
    with pytest.raises(OutputError, match=r"mpeg4 picture of .* does not go into a 'webm' file"):
        rewritten(path, tmp_path / "b.webm")
    with pytest.raises(OutputError, match="has a picture, which does not go into a 'wav' file"):
        rewritten(path, tmp_path / "b.wav")
    with pytest.raises(OutputError, match="has a picture, which does not go into a 'mka' file"):
        rewritten(path, tmp_path / "b.mka")
    assert os.listdir(tmp_path) == ["a.mkv"]


def test_a_recording_of_unknown_length_becomes_a_whole_film(tmp_path: Path) -> None:
    path = record(tmp_path / "live.mkv", "pcm_s16le")
    old, new, notes = rewritten(path, tmp_path / "new.mkv")
    assert (old.duration_seconds, notes) == (None, ())
    assert new.duration_seconds == pytest.approx(2, abs=0.05)
    assert packets(new.path, "v:0") == packets(path, "v:0")
    np.testing.assert_array_equal(samples(new.path, channels=1), samples(path, channels=1))


def test_hevc_in_mp4_is_tagged_for_apple(tmp_path: Path) -> None:
    encoders_text = ffmpeg("-encoders").decode()
    if "libx265" not in encoders_text:
        pytest.skip("this ffmpeg has no HEVC encoder")
    path = make(tmp_path / "a.mkv", Sound("aac"), picture="libx265", options=["-x265-params", "log-level=error"])
    assert rewritten(path, tmp_path / "b.mp4")[1].streams[0].tag in ("hvc1", None)


@pytest.mark.parametrize(
    ("route", "name"),
    [("system", '-a:b %d %03d it\'s "q" a\nb.mkv'), ("wheels", b"-%d http:\xff\xfe.mkv")],
    indirect=["route"],
)
def test_odd_names(route: str, tmp_path: Path, name: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform in ("win32", "darwin"):
        pytest.skip("this system does not allow the names")
    plain = make(tmp_path / "plain.mkv", Sound("flac"), seconds=0.3, cover=True)
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    path = folder / os.fsdecode(name)
    shutil.move(plain, path)
    monkeypatch.chdir(folder)
    new = rewritten(Path(path.name), Path("new" + path.name))[1]
    assert [s.kind for s in new.streams] == ["video", "audio", "video"]


def test_hidden_fonts_after_a_cover_keep_their_order(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Sound("flac"), font=True, cover=True)
    swapped = tmp_path / "b.mkv"
    ffmpeg("-dump_attachment:t:0", tmp_path / "f.ttf", "-i", path, "-frames:v", "1", "-f", "null", "-")
    ffmpeg("-i", path, "-map", "0:v:1", "-c", "copy", "-f", "image2", "-update", "1", tmp_path / "c.jpg")
    ffmpeg(
        *("-i", path, "-map", "0:v:0", "-map", "0:a", "-c", "copy", "-attach", tmp_path / "c.jpg"),
        *(
            "-metadata:s:2",
            "mimetype=image/jpeg",
            "-metadata:s:2",
            "filename=poster.jpg",
            "-attach",
            tmp_path / "f.ttf",
        ),
        *("-metadata:s:3", "mimetype=application/x-truetype-font", "-metadata:s:3", "filename=x.ttf", swapped),
    )
    old, new, _ = rewritten(swapped, tmp_path / "c.mkv")
    assert [s.codec for s in old.streams] == ["mpeg4", "flac", "mjpeg", "ttf"]
    assert [(s.codec, s.tags.get("filename")) for s in new.streams] == [
        (s.codec, s.tags.get("filename")) for s in old.streams
    ]
