"""What a film holds is told alike by ffprobe and by PyAV; what is no film is told in one line."""

from __future__ import annotations

import dataclasses
import errno
import math
import os
import shutil
from pathlib import Path

import pytest
from support.films import Sound, make, noise, record

from cfork_cli.errors import FfmpegError, InputError
from cfork_cli.input.decode import decode
from cfork_cli.input.loudness import integrated_lufs
from cfork_cli.media.probe import parse, probe
from cfork_cli.media.types import Media, Stream


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(
        tmp_path_factory.mktemp("probe") / "film.mkv",
        Sound("aac", language="eng", title="Stereo"),
        Sound("ac3", "5.1(side)", language="deu", title="Ton", default=True),
        subtitles="srt",
        chapters=True,
        font=True,
        cover=True,
    )


def test_everything_is_told(route: str, film: Path) -> None:
    media = probe(film)
    assert media.container == "matroska,webm"
    assert media.chapters == 2
    assert media.tags["title"] == "The Film"
    assert media.duration_seconds == pytest.approx(2, abs=0.1)
    assert [s.kind for s in media.streams] == ["video", "audio", "audio", "subtitle", "attachment", "video"]
    assert [s.number for s in media.streams] == [0, 0, 1, 0, 0, 1]
    assert [s.codec for s in media.streams] == ["mpeg4", "aac", "ac3", "subrip", "ttf", "mjpeg"]
    stereo, surround = media.audio
    assert (stereo.language, stereo.title, stereo.layout) == ("eng", "Stereo", "stereo")
    assert (surround.language, surround.title, surround.layout) == ("deu", "Ton", "5.1(side)")
    assert (surround.channels, surround.sample_rate, surround.bit_rate) == (6, 48_000, 448_000)
    assert surround.disposition == {"default"}
    assert surround.duration_seconds == pytest.approx(2, abs=0.1)
    assert media.default_audio() is surround
    assert media.audio_track(0) is stereo
    assert media.streams[3].disposition == {"forced"}
    assert [s.is_cover for s in media.streams] == [False] * 5 + [True]
    assert str(surround) == "ac3 5.1(side) deu 'Ton'"


@pytest.mark.parametrize(
    ("name", "codec", "picture"),
    [
        ("a.mkv", "flac", "mpeg4"),
        ("a.mp4", "aac", "libx264"),
        ("a.ts", "mp2", "mpeg2video"),
        ("a.avi", "libmp3lame", "mpeg4"),
        ("a.m4a", "alac", None),
        ("a.mp3", "libmp3lame", None),
    ],
)
def test_both_routes_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str, picture: str
) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe to compare with")
    layout = "5.1" if codec in ("flac", "aac") else "stereo"
    path = make(tmp_path / name, Sound(codec, layout), picture=picture, subtitles=None, cover=name == "a.mp4")
    one = probe(path)
    monkeypatch.setattr("cfork_cli.media.probe.find_ffprobe", lambda: None)
    other = probe(path)
    assert simple(other) == simple(one)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.avi", "aac"), ("a.avi", "flac"), ("a.avi", "ac3"), ("a.wmv", "aac"), ("a.mka", "g722"), ("a.wav", "adpcm_ms")],
)
def test_a_codec_by_number_is_read_like_one_by_letters(route: str, tmp_path: Path, name: str, codec: str) -> None:
    """Those that come from Windows number their codecs, and not each number is four letters: AAC is 0x00ff."""
    stereo = codec != "g722"
    sound = Sound(codec, "stereo" if stereo else "mono", 48_000 if stereo else 16_000)
    path = make(tmp_path / name, sound, picture=None if name.endswith("wav") else "mpeg4")
    track = probe(path).audio[0]
    assert track.codec in (codec, f"adpcm_{codec}")
    assert track.tag is None or track.tag.isascii()


def simple(media: Media) -> tuple[object, ...]:
    """Without what only one side tells, and with times rounded."""
    streams = [
        dataclasses.replace(
            stream,
            tags={},
            tag=None,
            # PyAV gives no rate where the container alone knows it
            bit_rate=None,
            profile=None,
            start_seconds=round(stream.start_seconds, 1),  # versions differ about codec delays
            duration_seconds=None if stream.duration_seconds is None else round(stream.duration_seconds, 1),
        )
        for stream in media.streams
    ]
    seconds = None if media.duration_seconds is None else round(media.duration_seconds, 1)
    return media.container, seconds, round(media.start_seconds, 1), media.chapters, streams


@pytest.mark.parametrize(("bits", "options"), [(16, ["-sample_fmt", "s16"]), (24, ["-sample_fmt", "s32"])])
def test_bits_of_lossless_sound(route: str, tmp_path: Path, bits: int, options: list[str]) -> None:
    path = make(tmp_path / "a.flac", Sound("flac", samples=noise(2, 4800), options=options), picture=None)
    assert probe(path).audio[0].bits == bits


@pytest.mark.parametrize(
    ("name", "codec", "form", "bits"),
    [
        ("a.wv", "wavpack", "u8p", 8), ("a.wv", "wavpack", "s16p", 16), ("a.mka", "wavpack", "s32p", 32),
        ("a.wv", "wavpack", "fltp", None),
        ("a.tta", "tta", "u8", 8), ("a.tta", "tta", "s16", 16), ("a.mka", "tta", "s32", 24),
        ("a.vob", "pcm_dvd", "s16", 16), ("a.vob", "pcm_dvd", "s32", 24), ("a.m2ts", "pcm_bluray", "s32", 24),
        ("a.ts", "s302m", "s16", 16), ("a.ts", "s302m", "s32", 24), ("a.mka", "mlp", "", 24),
        ("a.mka", "truehd", "", 24), ("a.mka", "mp2", "s16", None),
    ],
)  # fmt: skip
def test_bits_are_told_by_every_lossless_codec(
    route: str, tmp_path: Path, name: str, codec: str, form: str, bits: int | None
) -> None:
    named = ("-sample_fmt", form) if form else ()  # ffmpeg's versions differ in what they call it
    sound = Sound(codec, samples=noise(2, 9600), options=(*named, "-strict", "-2"))
    assert probe(make(tmp_path / name, sound, picture=None)).audio[0].bits == bits


@pytest.mark.parametrize("name", ['-a:b %d it\'s "quoted" line\nbreak.mkv', b"http:caf\xe9.mkv", " .mkv"])
def test_odd_names(route: str, film: Path, tmp_path: Path, name: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name))
    try:
        shutil.copy(film, path)
    except OSError:
        pytest.skip("this file system does not allow the name")
    assert len(probe(path).streams) == 6


def test_what_is_no_film(route: str, tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            probe(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "does not exist" in said(tmp_path / "no.mkv")
    assert "does not exist" in said(tmp_path / "no" / "such.mkv")
    assert "is a directory" in said(tmp_path)
    (tmp_path / "text.mkv").write_text("This is no film. " * 1000)
    assert "is not a film" in said(tmp_path / "text.mkv")
    (tmp_path / "empty.mkv").touch()
    assert "is empty" in said(tmp_path / "empty.mkv")
    assert "possible file name" in said(Path("a\0b"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mkv")
        assert "not a file" in said(tmp_path / "pipe.mkv")


def test_a_playlist_is_refused(route: str, film: Path, tmp_path: Path) -> None:
    for name, text in (
        ("a.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{film}\n#EXT-X-ENDLIST\n"),
        ("a.ffconcat", f"ffconcat version 1.0\nfile '{film}'\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="is a playlist"):
            probe(tmp_path / name)


def test_a_forbidden_file(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.copy(film, tmp_path / "film.mkv"))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything: the refusal has to be played

        def refuse(self: Path, *_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="may not be read"):
        probe(path)


def test_tracks_that_are_not_there(film: Path, tmp_path: Path) -> None:
    """The method counts from 0, people count from 1."""
    media = probe(film)
    with pytest.raises(InputError, match=r"no sound track 3: choose one of 1 \(aac stereo eng 'Stereo'\), 2 \(ac3"):
        media.audio_track(2)
    with pytest.raises(InputError, match="no sound track 0"):
        media.audio_track(-1)
    silent = probe(make(tmp_path / "silent.mkv"))
    for look in (silent.default_audio, lambda: silent.audio_track(0)):
        with pytest.raises(InputError, match="has no sound track"):
            look()


def test_neither_ffprobe_nor_pyav(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without PyAV in PyAV's place."""
    import subprocess
    import sys

    (tmp_path / "av.py").write_text("raise ModuleNotFoundError('no av here')")
    code = (
        "from pathlib import Path; import sys; from cfork_cli.media import probe\n"
        "probe.find_ffprobe = lambda: None\n"
        f"try: probe.probe(Path({str(film)!r}))\nexcept probe.FfmpegError as error: sys.exit(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert "pip install av" in done.stderr
    assert issubclass(FfmpegError, Exception)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.wmv", "wmav2"), ("a.avi", "pcm_s16le")])
def test_a_recording_of_unknown_length_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str
) -> None:
    """What ffmpeg guesses is no promise."""
    path = record(tmp_path / name, codec)
    media = probe(path)
    assert media.duration_seconds is None
    assert [stream.duration_seconds for stream in media.streams] == [None, None]
    with decode(media, media.audio[0]) as blocks:
        assert sum(block.shape[1] for block in blocks) / 48_000 == pytest.approx(2, abs=0.1)
    assert math.isfinite(integrated_lufs(media, media.audio[0]))
    monkeypatch.setattr("cfork_cli.media.probe.find_ffprobe", lambda: None)
    assert probe(path).duration_seconds is None


def test_a_guess_counts_where_there_is_nothing_but_sound() -> None:
    """An MP3's length follows from its bit rate; a Matroska's does not, but a length in its own tags does count."""
    sound = {"index": 0, "codec_type": "audio", "duration": "9", "tags": {}}
    facts = {"format": {"format_name": "mp3", "duration": "9"}, "streams": [sound], "duration_guessed": True}
    assert (parse(facts, Path("x")).duration_seconds, parse(facts, Path("x")).audio[0].duration_seconds) == (9, 9)
    facts["format"] = {"format_name": "matroska,webm", "duration": "9"}
    assert (parse(facts, Path("x")).duration_seconds, parse(facts, Path("x")).audio[0].duration_seconds) == (None, None)
    sound["tags"] = {"DURATION": "00:00:05.0"}
    assert parse(facts, Path("x")).audio[0].duration_seconds == 5


def test_clock_tags_are_durations() -> None:
    entry = {"index": 0, "codec_type": "audio", "codec_name": "aac", "tags": {"DURATION": "01:02:03.500000000"}}
    stream: Stream = parse({"streams": [entry]}, Path("x")).streams[0]
    assert stream.duration_seconds == 3723.5
