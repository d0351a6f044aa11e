"""Decoding keeps the film's time line and tells what is missing."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.films import CHANNELS, Sound, ffmpeg, make, noise

from cfork_cli.errors import DamagedInputError, FfmpegError, InputError
from cfork_cli.input.decode import check_length, check_status, decode
from cfork_cli.input.furthest import furthest_seconds
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media, Stream


def decoded(path: Path, track: int = 0, block_seconds: float = 1.0) -> np.ndarray:
    media = probe(path)
    with decode(media, media.audio_track(track), block_seconds=block_seconds) as blocks:
        return np.concatenate(list(blocks), axis=1)


def peak_seconds(samples: np.ndarray, sample_rate: int) -> float:
    return int(np.abs(samples).max(axis=0).argmax()) / sample_rate


def click(seconds: float, at: float, sample_rate: int = 48_000, channels: int = 2) -> np.ndarray:
    samples = np.zeros((channels, round(seconds * sample_rate)), np.float32)
    samples[:, round(at * sample_rate)] = 0.9
    return samples


@pytest.mark.parametrize(
    ("route", "layout", "bits"),
    [("system", "mono", 16), ("system", "7.1", 24), ("wheels", "stereo", 24), ("wheels", "5.1(side)", 16)],
    indirect=["route"],
)
def test_lossless_sound_comes_back_bit_for_bit(route: str, tmp_path: Path, layout: str, bits: int) -> None:
    samples = noise(CHANNELS[layout], 30_011, bits=bits)
    form = ["-sample_fmt", "s16" if bits == 16 else "s32"]
    path = make(tmp_path / "a.mkv", Sound("flac", layout, samples=samples, options=form), seconds=0.7)
    found = decoded(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, samples)


@pytest.mark.parametrize(
    ("name", "sample_rate"),
    [("a.wav", 22_050), ("a.mkv", 44_100), ("a.mov", 44_100), ("a.avi", 96_000)],
)
def test_rates_and_containers(tmp_path: Path, name: str, sample_rate: int) -> None:
    samples = noise(2, sample_rate // 2 + 7, bits=16)
    picture = None if name == "a.wav" else "mpeg4"
    path = make(tmp_path / name, Sound(sample_rate=sample_rate, samples=samples), picture=picture, seconds=0.5)
    np.testing.assert_array_equal(decoded(path), samples)


@pytest.mark.parametrize("block_seconds", [1e-9, 0.0371, 60.0])
def test_block_lengths_leave_no_trace(tmp_path: Path, block_seconds: float) -> None:
    samples = noise(2, 4801, bits=16)
    path = make(tmp_path / "a.wav", Sound(samples=samples), picture=None)
    media = probe(path)
    with decode(media, media.audio[0], block_seconds=block_seconds) as blocks:
        lengths = [(block.shape[1], block) for block in blocks]
        assert blocks.samples == 4801
    assert {length for length, _ in lengths[:-1]} <= {max(1, round(block_seconds * 48_000))}
    np.testing.assert_array_equal(np.concatenate([block for _, block in lengths], axis=1), samples)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_a_start_delay_is_kept(route: str, tmp_path: Path, name: str) -> None:
    codec = {"a.mkv": "flac", "a.mp4": "aac", "a.ts": "mp2"}[name]
    picture = "mpeg2video" if name == "a.ts" else "mpeg4"
    path = make(tmp_path / name, Sound(codec, samples=click(1.5, at=0.5), delay=0.5), picture=picture)
    found = decoded(path)
    assert peak_seconds(found, 48_000) == pytest.approx(1.0, abs=0.003)
    assert np.abs(found[:, :23_000]).max() < 1e-3


def test_a_gap_in_the_time_stamps_becomes_silence(tmp_path: Path) -> None:
    """Two halves, the second one a second later than it would follow."""
    whole = make(tmp_path / "whole.mkv", Sound("flac", samples=click(2, at=1.5)), picture=None)
    gap = tmp_path / "gap.mkv"
    ffmpeg("-i", whole, "-c", "copy", "-bsf:a", "setts=ts=TS+gte(TS*TB\\,1)/TB", gap)
    assert peak_seconds(decoded(gap), 48_000) == pytest.approx(2.5, abs=0.021)


def test_the_chosen_track_is_decoded(tmp_path: Path) -> None:
    sounds = [Sound("flac", samples=click(1, at=0.2 * n, channels=1), layout="mono") for n in (1, 2, 3)]
    path = make(tmp_path / "a.mkv", *sounds, seconds=1)
    for track in (0, 2):
        assert peak_seconds(decoded(path, track), 48_000) == pytest.approx(0.2 * (track + 1), abs=1e-4)


def test_a_change_of_layout_does_not_tear_the_stream(tmp_path: Path) -> None:
    """Broadcasts switch from stereo to 5.1 in mid-stream."""
    parts = []
    for layout, seed in (("stereo", 0), ("5.1", 1)):
        samples = noise(CHANNELS[layout], 48_000, seed=seed)
        part = make(tmp_path / f"{seed}.ts", Sound("ac3", layout, samples=samples), picture=None)
        parts.append(part.read_bytes())
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    media = probe(path)
    with decode(media, media.audio[0]) as blocks:
        shapes = {block.shape[0] for block in blocks}
    assert shapes == {media.audio[0].channels}


def test_float_sound_over_full_scale_is_not_cut(tmp_path: Path) -> None:
    samples = noise(2, 4800, level=2.0)
    path = make(tmp_path / "a.wav", Sound("pcm_f32le", samples=samples), picture=None)
    np.testing.assert_array_equal(decoded(path), samples)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "ac3"), ("a.mp4", "aac"), ("a.avi", "mp2"), ("a.wav", "pcm_s16le")]
)
def test_a_truncated_film_is_told_with_its_missing_seconds(route: str, tmp_path: Path, name: str, codec: str) -> None:
    picture = None if name == "a.wav" else "mpeg4"
    options = ["-movflags", "+faststart"] if name == "a.mp4" else []
    whole = make(tmp_path / name, Sound(codec, samples=noise(2, 240_000)), picture=picture, seconds=5, options=options)
    cut = tmp_path / f"cut{whole.suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DamagedInputError, match=r"([12]\.\d|3\.[0-4]) seconds of sound are missing"):
        decoded(cut)


def test_without_track_durations_the_whole_film_counts(tmp_path: Path) -> None:
    """Sound that ends before the picture is no damage, even where only the container tells a duration."""
    path = make(
        tmp_path / "a.flv", Sound("libmp3lame", samples=noise(2, 44_100), sample_rate=44_100), picture="flv", seconds=3
    )
    assert probe(path).duration_seconds == pytest.approx(3, abs=0.2)
    assert decoded(path).shape[1] / 44_100 == pytest.approx(1, abs=0.1)


def test_how_far_a_film_goes_is_not_left_to_ffmpegs_progress(tmp_path: Path) -> None:
    """Which of several streams that tells at the end depends on ffmpeg's version, from 6 on on chance."""
    path = make(
        tmp_path / "a.flv", Sound("libmp3lame", samples=noise(2, 44_100), sample_rate=44_100), picture="flv", seconds=3
    )
    media = probe(path)
    assert furthest_seconds(media) == pytest.approx(3, abs=0.1)
    assert check_length(media, media.audio[0], 1.0, 0.026) < 0.2
    cut = tmp_path / "cut.flv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedInputError, match="missing at its end"):
        check_length(replace(media, path=cut), media.audio[0], 1.0, None)
    assert furthest_seconds(replace(media, path=tmp_path / "gone.flv")) == 0


def test_damage_in_the_middle_is_noted(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Sound("flac", samples=noise(2, 96_000)), picture=None)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    media = probe(path)
    with decode(media, media.audio[0]) as blocks:
        total = sum(block.shape[1] for block in blocks)
    assert total / 48_000 == pytest.approx(2, abs=0.2)
    assert "defects" in blocks.notes[0]


def test_a_decoder_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = probe(make(tmp_path / "a.wav", Sound(samples=noise(2, 480_000)), picture=None))
    with decode(media, media.audio[0], block_seconds=0.1) as blocks:
        stream = iter(blocks)
        next(stream)
        assert blocks._child is not None
        os.kill(blocks._child.pid, signal.SIGKILL)
        with pytest.raises(FfmpegError, match=r"killed by signal 9 while it read .*a\.wav"):
            list(stream)


def test_ends_are_told_apart() -> None:
    """A film that is broken, a decoder that is not there, a ffmpeg that was killed: each has its own exit code."""
    media = Media(Path("a.mkv"), "matroska,webm", 60.0, 0.0, {}, 0, ())
    track = Stream(1, "audio", 0, "ac3", channels=2, sample_rate=48_000)
    check_status(media, track, 0, "[ac3 @ 0x55] expacc 127 is out-of-range\n")
    with pytest.raises(DamagedInputError, match=r"could not be decoded to its end \(Invalid data found\)"):
        check_status(media, track, 183, "[matroska @ 0x55] Invalid data found\n")
    with pytest.raises(InputError, match="cannot decode sound track 1 "):
        check_status(media, track, 1, "Decoder (codec xyz) not found for input stream #0:1\n")
    with pytest.raises(FfmpegError, match="killed by signal 15"):
        check_status(media, track, -15, "whatever it said before\n")
    with pytest.raises(FfmpegError, match="asked to end"):
        check_status(media, track, 255, "out_time_us=1000\n")


def test_stopping_early_is_no_error_and_leaves_no_process(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.wav", Sound(samples=noise(2, 480_000)), picture=None))
    with decode(media, media.audio[0], block_seconds=0.1) as blocks:
        for _ in blocks:
            break
    assert blocks._child is not None
    assert not blocks._child.running()
    assert blocks._child.wait() == -signal.SIGKILL  # nobody waited for its end


def test_an_unknown_codec_is_told(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.mkv", Sound("ac3"), seconds=0.5))
    data = media.path.read_bytes().replace(b"A_AC3", b"A_XYZ")
    path = tmp_path / "b.mkv"
    path.write_bytes(data)
    unknown = probe(path)
    with pytest.raises(InputError, match="this ffmpeg cannot decode sound track 1 "):
        list(decode(unknown, unknown.audio[0]))
