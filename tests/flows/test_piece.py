"""`--start` and `--end`: sound cut to the sample, and with a picture at a key frame, in sync."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from support.commands import ROOT, Ran, listing
from support.films import Sound, ffmpeg, make, noise
from support.readings import samples

from cfork_cli.flows.piece import span_of
from cfork_cli.media.keyframes import key_frame_before
from cfork_cli.media.probe import probe

Command = Callable[..., Ran]
RATE = 48_000
SECONDS, KEY_SECONDS = 12, 2


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of twelve seconds that flash and beep every second, with a key frame every two and reordered pictures."""
    folder = tmp_path_factory.mktemp("clocks")
    for name, codec in {"a.mkv": "aac", "a.mp4": "aac", "a.ts": "aac", "flac.mkv": "flac", "ac3.mkv": "ac3"}.items():
        flash = f"color=black:s=64x64:r=25:d={SECONDS},drawbox=c=white:t=fill:enable='lt(mod(t,1),0.04)'"
        beep = f"aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.02)':s={RATE}:d={SECONDS}"
        ffmpeg(
            "-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", beep, "-map", "0", "-map", "1", "-map", "1",
            "-c:v", "libx264", "-g", str(25 * KEY_SECONDS), "-bf", "3", "-pix_fmt", "yuv420p", "-c:a", codec,
            folder / name,
        )  # fmt: skip
    return folder


def onsets(path: Path) -> tuple[list[float], list[list[float]]]:
    """Moments of the flashes, and of the beeps in each sound track, in seconds."""
    with av.open(str(path)) as film:
        frames = film.decode(video=0)
        bright = [(float(frame.time or 0), frame.to_ndarray(format="gray").mean() > 128) for frame in frames]
        tracks = len(film.streams.audio)
    earlier = [(0.0, False), *bright]
    flashes = [now for (now, lit), (_, was) in zip(bright, earlier, strict=False) if lit and not was]
    beeps = []
    for track in range(tracks):
        found: list[float] = []
        with av.open(str(path)) as film:
            for frame in film.decode(audio=track):
                planes = frame.to_ndarray()
                loud = np.abs(planes.reshape(-1) if not frame.format.is_planar else planes[0]) > 0.12
                for sample in np.flatnonzero(loud):
                    moment = float(frame.time or 0) + float(sample) / frame.sample_rate
                    if not found or moment - found[-1] > 0.5:
                        found.append(moment)
        beeps.append(found)
    return flashes, beeps


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "flac.mkv", "ac3.mkv"])
def test_picture_and_sound_stay_together(cfork: Command, place: Path, clocks: Path, name: str) -> None:
    ran = cfork("remix", clocks / name, "--start", "5.3", "--end", "0:08.5", "-o", f"new{Path(name).suffix}", "--json")
    assert ran.code == 0, ran.err
    begin, end = ran.result["piece"]["start_seconds"], ran.result["piece"]["end_seconds"]
    assert begin == pytest.approx(4.0, abs=0.03)  # the key frame before
    assert end == 8.5
    (note,) = [note for note in ran.result["notes"] if "key frame" in note]
    assert "s before the time that was asked for" in note
    flashes, beeps = onsets(place / f"new{Path(name).suffix}")
    assert len(flashes) == 5
    new, copied = beeps
    np.testing.assert_allclose(new, flashes, atol=0.002)
    # what is copied beside the picture begins up to a sixth of a second later: ffmpeg seeks so much before it
    np.testing.assert_allclose(copied, flashes[-len(copied) :], atol=0.002)
    assert len(copied) in (4, 5)
    assert listing(place).keys() == {f"new{Path(name).suffix}"}


def test_a_piece_that_begins_at_a_key_frame_has_no_note(cfork: Command, place: Path, clocks: Path) -> None:
    ran = cfork("remix", clocks / "a.mp4", "--start", "6", "-t", "1", "-o", "new.mp4", "--json")
    assert (ran.code, ran.result["notes"]) == (0, [])
    assert ran.result["piece"] == {"start_seconds": 6.0, "end_seconds": 7.0}


def test_where_seeking_lands_elsewhere_the_sound_follows(cfork: Command, place: Path, clocks: Path) -> None:
    """The edit list of a trimmed MP4 moves its time stamps, and ffmpeg lands one key frame earlier than told."""
    ffmpeg("-ss", "0.7", "-i", clocks / "a.mp4", "-map", "0", "-c", "copy", place / "trimmed.mp4")
    was_flashes, (was, _) = onsets(place / "trimmed.mp4")
    own = was[-1] - was_flashes[-1]  # cutting left the sound of this film some milliseconds beside its picture
    for number, start in enumerate(("2.5", "1.5", "4.9")):
        ran = cfork("remix", "trimmed.mp4", "--start", start, "-t", "3", "-o", f"{number}.mp4", "--json")
        assert ran.code == 0, ran.err
        flashes, (new, _) = onsets(place / f"{number}.mp4")
        together = min(len(flashes), len(new))
        np.testing.assert_allclose(np.subtract(new[-together:], flashes[-together:]), own, atol=0.003)
        assert ran.result["piece"]["start_seconds"] <= float(start)


def test_what_ended_before_the_piece_leaves_no_gap(cfork: Command, place: Path, clocks: Path) -> None:
    (place / "early.srt").write_text("1\n00:00:00,500 --> 00:00:01,000\nearly\n")
    short = ["-map", "0:v", "-map", "0:a:0", "-map", "1:a", "-map", "2", "-c", "copy", "-c:s", "mov_text"]
    ffmpeg(
        "-i", clocks / "a.mp4", "-t", "1.5", "-i", clocks / "a.mp4", "-i", place / "early.srt", *short, place / "b.mp4"
    )
    assert cfork("remix", "b.mp4", "--start", "8.5", "--end", "10.5", "-o", "new.mp4").code == 0
    flashes, beeps = onsets(place / "new.mp4")
    assert flashes[0] < 0.2
    np.testing.assert_allclose(beeps[0], flashes, atol=0.002)
    assert (probe(place / "new.mp4").duration_seconds or 99) < 3


def test_covers_come_along_and_move_nothing(cfork: Command, place: Path, clocks: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", place / "cover.png")
    for name in ("song.m4a", "song.flac", "song.mp3"):
        codec = {".m4a": "aac", ".flac": "flac", ".mp3": "libmp3lame"}[Path(name).suffix]
        ffmpeg(
            "-i", clocks / "flac.mkv", "-i", place / "cover.png", "-map", "0:a:0", "-map", "1", "-c:a", codec, "-c:v",
            "copy", "-disposition:v:0", "attached_pic", place / name,
        )  # fmt: skip
        ran = cfork("remix", name, "--start", "3.5", "--end", "6.5", "-o", f"new.{name}")
        assert ran.code == 0, ran.err
        new = probe(place / f"new.{name}")
        assert [stream.is_cover for stream in new.streams] == [False, True]
        assert new.start_seconds == pytest.approx(0.0, abs=0.06)
        assert new.duration_seconds == pytest.approx(3.0, abs=0.1)


def test_nothing_is_cut_before_the_checks(cfork: Command, place: Path, clocks: Path) -> None:
    (place / "there.mkv").write_text("mine")
    for options, code in ((["-o", "there.mkv"], 4), (["-o", "new.mkv", "--music", "-3", "--model", "none"], 7)):
        ran = cfork("remix", clocks / "a.mkv", "--start", "5", *options, "--json")
        assert ran.code == code
        assert [event["stage"] for event in ran.events if event["event"] == "stage"] == []
    ran = cfork("remix", clocks / "a.mkv", "--start", "5", "-t", "1", "-o", "new.flac")
    assert (ran.code, ".cfork-" in ran.err) == (4, False)


def test_into_a_pipe_without_picture_sound_is_cut_to_the_sample(place: Path, clocks: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cfork", "remix", clocks / "flac.mkv", "--start", "5", "-t", "1", "-o", "-",
         "--output-format", "s16le"],
        cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=250, check=True,
    )  # fmt: skip
    told = samples(clocks / "flac.mkv", channels=1)[:, 5 * RATE : 6 * RATE]
    np.testing.assert_allclose(np.frombuffer(done.stdout, "<i2") / 32768, told[0], atol=2**-15)
    assert b"key frame" not in done.stderr


def test_sound_alone_is_cut_to_the_sample(cfork: Command, place: Path, tiny_model: Path) -> None:
    told = noise(2, 4 * RATE, bits=16)
    film = make(place / "film.flac", Sound("flac", samples=told, sample_rate=RATE), picture=None)
    assert cfork("remix", film, "--start", "1.25", "--end", "2.75", "-o", "piece.flac").code == 0
    assert np.array_equal(samples(place / "piece.flac"), told[:, RATE * 5 // 4 : RATE * 11 // 4].astype(np.float32))
    ran = cfork("separate", film, "-o", "stems", "--mixture", "--start", "3.5", "--model", tiny_model)
    assert ran.code == 0, ran.err
    np.testing.assert_allclose(samples(place / "stems/mixture.wav"), told[:, RATE * 7 // 2 :], atol=1e-7)


def test_stems_of_a_piece_with_its_picture(cfork: Command, place: Path, clocks: Path, tiny_model: Path) -> None:
    piece = ["--start", "5", "--end", "6.5"]
    ran = cfork("separate", clocks / "flac.mkv", "-o", "stems.mkv", "--mixture", *piece, "--model", tiny_model)
    assert ran.code == 0, ran.err
    flashes, beeps = onsets(place / "stems.mkv")
    np.testing.assert_allclose(beeps[0], flashes, atol=0.002)
    assert len(flashes) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "99"], "so nothing begins at 1:39"),
        (["--start", "3", "--end", "2"], "is empty: give --end after --start"),
        (["--start", "soon"], "'soon' is not a time: give seconds"),
        (["--end", "3", "--duration", "3"], "both say where the piece ends"),
        (["--start", "-1"], "is not a time"),
        (["--start", "3", "--sidecar"], "beside the whole film"),
    ],
)
def test_pieces_that_are_refused(cfork: Command, place: Path, clocks: Path, options: list[str], words: str) -> None:
    ran = cfork("remix", clocks / "a.mkv", "--music", "-3", *options)
    assert (ran.code, ran.out, len(ran.lines)) == (2, "", 1)
    assert words in ran.err
    assert listing(place) == {}


def test_a_dry_run_cuts_nothing(cfork: Command, place: Path, clocks: Path) -> None:
    ran = cfork("remix", clocks / "a.mkv", "--start", "5.3", "--dry-run", "--json", "-o", "new.mkv")
    assert ran.code == 0
    assert ran.result["piece"]["start_seconds"] == pytest.approx(4.0, abs=0.03)
    assert listing(place) == {}


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_key_frames(clocks: Path, name: str) -> None:
    media = probe(clocks / name)
    for asked, expected in {0.0: 0.0, 1.9: 0.0, 2.1: 2.0, 7.99: 6.0, 11.9: 10.0}.items():
        found = key_frame_before(media, asked)
        assert found is not None
        assert found.seconds == pytest.approx(expected, abs=0.03)


def test_the_whole_film_is_no_piece(clocks: Path) -> None:
    assert span_of(None, None, probe(clocks / "a.mkv")) is None
