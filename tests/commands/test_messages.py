"""Messages name the real reason, and the way on is new to the user."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from support.films import Sound, make, noise

from cfork_cli.app import run
from cfork_cli.codecs.choose import choose_codec
from cfork_cli.errors import FfmpegError, InputError, OutputError, UsageError
from cfork_cli.ffmpeg.complaints import complaint, first_complaint
from cfork_cli.input.decode import decode
from cfork_cli.media.containers import container_for, elsewhere
from cfork_cli.media.probe import probe
from cfork_cli.media.timeline import nowhere
from cfork_cli.media.types import Stream
from cfork_cli.output.destination import check_destination


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Exit code and error of `cfork remix`."""
    code = run(["remix", *map(str, arguments), "--json"])
    return code, str(json.loads(capsys.readouterr().out).get("error"))


@pytest.mark.parametrize(
    ("film", "codec", "picture", "fitting"),
    [("a.mkv", "flac", "mpeg4", ".mkv"), ("a.mka", "flac", None, ".flac"), ("a.mp3", "libmp3lame", None, ".mka")],
)
def test_kinds_of_files_that_cannot_be_written(
    tmp_path: Path, film: str, codec: str, picture: str | None, fitting: str
) -> None:
    media = probe(make(tmp_path / film, Sound(codec), picture=picture, seconds=0.3))
    reasons = {".ape": "cannot write", ".rm": "cannot write", ".amr": "cannot write", ".xyz": "no kind of film"}
    for suffix, why in reasons.items():
        with pytest.raises(UsageError, match=why) as caught:
            container_for(Path(f"new{suffix}"), media)
        assert f"-o new{fitting}" in str(caught.value)


def test_nobody_who_asked_for_mkv_is_sent_to_mkv() -> None:
    assert ".mkv" in elsewhere("mp4")
    assert ".mkv" not in elsewhere("matroska")
    track = Stream(0, "audio", 0, "flac", channels=2, layout="stereo", sample_rate=48_000, sample_format="s16", bits=16)
    with pytest.raises(UsageError, match="does not go into") as caught:
        choose_codec(track, "matroska", wanted="g723_1")
    assert ".mkv" not in str(caught.value)


def test_the_real_cause_is_quoted_and_no_consequence() -> None:
    old = (
        "[h264 @ 0x1] non-existing PPS 0 referenced\n    Last message repeated 1 times\n[h264 @ 0x1] no frame!\n"
        "[webm @ 0x2] Only VP8 or VP9 or AV1 video and Vorbis or Opus audio are supported for WebM.\n"
        "Could not write header for output file #0 (incorrect codec parameters ?): Invalid argument\n"
        "Error initializing output stream 0:0 -- \nConversion failed!\n"
    )
    new = (
        "[dec:aac @ 0x1] Error submitting packet to decoder: Invalid data found when processing input\n"
        "[libopus @ 0x2] Invalid channel layout 5.1(side) for specified mapping family -1.\n"
        "[aost#0:0/libopus @ 0x3] [enc:libopus @ 0x4] Error while opening encoder - maybe incorrect parameters.\n"
        "[af#0:0 @ 0x5] Task finished with error code: -22 (Invalid argument)\n"
        "[aost#0:0/libopus @ 0x3] Terminating thread with return code -22 (Invalid argument)\n"
        "[out#0/opus @ 0x6] Nothing was written into output file, because its streams received no packets.\n"
    )
    assert complaint(old) == "Only VP8 or VP9 or AV1 video and Vorbis or Opus audio are supported for WebM."
    assert complaint(new) == "Invalid channel layout 5.1(side) for specified mapping family -1."
    assert complaint("[in#0 @ 0x1] Error opening input: Invalid data found when processing input\n")
    assert first_complaint(old) == "non-existing PPS 0 referenced"


def test_a_url_is_called_a_url(capsys: pytest.CaptureFixture[str]) -> None:
    code, error = said(capsys, "https://example.org/film.mkv", "--codec", "flac")
    assert code == InputError.exit_code
    assert "'https://example.org/film.mkv' is a URL" in error
    with pytest.raises(OutputError, match="is a URL"):
        check_destination(Path("rtmp://example.org/live/film.mkv"))


@pytest.mark.skipif(os.name == "nt", reason="a script is no program there")
def test_a_broken_ffprobe_is_no_fault_of_the_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.mkv", Sound("flac"), picture=None, seconds=0.3)
    broken = tmp_path / "ffprobe"
    broken.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('error while loading shared libraries: libx.so.5')\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CFORK_FFPROBE", str(broken))
    with pytest.raises(FfmpegError, match=r"does not run .*libx.so.5.*CFORK_FFPROBE"):
        probe(path)


def test_a_slash_at_the_end_means_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(tmp_path / "a.flac", Sound("flac"), picture=None, seconds=0.3)
    folder = tmp_path / "new"
    assert said(capsys, path, "-o", f"{folder}/", "--dry-run")[0] == 0
    assert not folder.exists()
    assert said(capsys, path, "-o", f"{folder}/", "--codec", "nonsense")[0] == UsageError.exit_code
    assert not folder.exists()
    assert said(capsys, path, "-o", f"{folder}/")[0] == 0
    assert [one.name for one in folder.iterdir()] == ["a.cfork.flac"]
    assert said(capsys, path, "-o", f"{folder}/")[0] == OutputError.exit_code
    assert said(capsys, path, "-o", f"{path}/")[0] == OutputError.exit_code
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("route", ["system", "wheels"], indirect=True)
def test_packets_shorter_than_a_millisecond_are_no_defects(route: str, tmp_path: Path) -> None:
    """TrueHD in Matroska: several packets begin in the same millisecond, and nothing is wrong with that."""
    sound = Sound("truehd", samples=noise(2, 24_000, bits=16), options=["-strict", "experimental"])
    media = probe(make(tmp_path / "a.mkv", sound, Sound("ac3"), seconds=0.5))
    for track in media.audio:
        with decode(media, track) as blocks:
            length = sum(block.shape[1] for block in blocks)
        assert blocks.notes == ()
        assert abs(length - 24_000) < 2_000
    assert nowhere(media.streams)[1]["f"] == "hash"
    assert nowhere(media.streams[:1])[1]["f"] == "null"
