"""Loudness as BS.1770 defines it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.films import Sound, make, noise
from support.processes import script

from cfork_cli.errors import DamagedInputError, FfmpegError
from cfork_cli.input.loudness import integrated_lufs, lufs_of, measure
from cfork_cli.media.probe import probe


def sine(level_dbfs: float, seconds: float = 3, channels: int = 2, sample_rate: int = 48_000) -> np.ndarray:
    wave = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * sample_rate)) / sample_rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


@pytest.mark.parametrize(("route", "level"), [("system", -23.0), ("wheels", -33.0)], indirect=["route"])
def test_a_stereo_kilohertz_sine_reads_its_level(route: str, tmp_path: Path, level: float) -> None:
    """EBU Tech 3341, cases 1 and 2: a 1 kHz sine at -23 dBFS in both channels reads -23 LUFS, within 0.1."""
    media = probe(make(tmp_path / "a.wav", Sound(samples=sine(level)), picture=None))
    seen: list[float] = []
    assert integrated_lufs(media, media.audio[0], seen.append) == pytest.approx(level, abs=0.11)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(3, abs=0.2)


def test_one_channel_is_3_lu_less(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.flac", Sound("flac", "mono", samples=sine(-23, channels=1)), picture=None))
    assert integrated_lufs(media, media.audio[0]) == pytest.approx(-26, abs=0.11)


@pytest.mark.parametrize(("route", "seconds"), [("system", 0.05), ("wheels", 2.0)], indirect=["route"])
def test_silence_is_minus_infinity(route: str, tmp_path: Path, seconds: float) -> None:
    silence = np.zeros((2, round(seconds * 48_000)), np.float32)
    media = probe(make(tmp_path / "a.wav", Sound(samples=silence), picture=None))
    assert integrated_lufs(media, media.audio[0]) == -math.inf


def test_the_chosen_track_is_measured(tmp_path: Path) -> None:
    sounds = [Sound("flac", samples=sine(level)) for level in (-20.0, -40.0)]
    media = probe(make(tmp_path / "a.mkv", *sounds, seconds=3))
    assert [round(integrated_lufs(media, track)) for track in media.audio] == [-20, -40]


def test_what_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.wav", Sound(samples=sine(-20)), picture=None))
    media.path.unlink()
    with pytest.raises(DamagedInputError, match=r"could not be decoded to its end \(.*No such file"):
        integrated_lufs(media, media.audio[0])


@pytest.mark.parametrize(("route", "name"), [("system", "a.mkv"), ("wheels", "a.flv")], indirect=["route"])
def test_a_truncated_film_is_told_before_the_long_work(route: str, tmp_path: Path, name: str) -> None:
    """Matroska tells each track's length, FLV only the film's. Sound that ends before the picture is no damage."""
    sound = Sound("libmp3lame", samples=noise(2, 4 * 44_100), sample_rate=44_100)
    picture = "flv" if name == "a.flv" else "mpeg4"
    path = make(tmp_path / name, sound, picture=picture, seconds=6)
    media = probe(path)
    assert math.isfinite(integrated_lufs(media, media.audio[0]))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(DamagedInputError, match=r"[2-5]\.\d seconds of sound are missing at its end"):
        integrated_lufs(media, media.audio[0])


def test_a_measuring_ffmpeg_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = probe(make(tmp_path / "a.wav", Sound(samples=sine(-20)), picture=None))
    monkeypatch.setenv("CFORK_FFMPEG", str(script(tmp_path / "ffmpeg", "import os\nos.kill(os.getpid(), 9)\n")))
    with pytest.raises(FfmpegError, match="killed by signal 9"):
        integrated_lufs(media, media.audio[0])


@pytest.mark.parametrize("level", [-110.0, -75.0, -60.0, 25.0])
def test_a_film_far_from_usual_levels_has_the_loudness_of_its_usual_self(tmp_path: Path, level: float) -> None:
    """Passages 30 dB apart: at the usual level, BS.1770's relative gate leaves the quiet one out, and the absolute gate
    at -70 LUFS must not decide in the place of it."""
    steps = np.concatenate([sine(0), sine(-9), sine(-30)], axis=1)
    usual, far = (
        probe(make(tmp_path / name, Sound("pcm_f32le", samples=steps * np.float32(10 ** (db / 20))), picture=None))
        for name, db in (("usual.wav", -23.0), ("far.wav", level))
    )
    moved = integrated_lufs(far, far.audio[0]) - integrated_lufs(usual, usual.audio[0])
    assert moved == pytest.approx(level + 23, abs=0.11)
    blocks = [steps[:, :100_000], steps[:, 100_000:]]
    held = [
        lufs_of([block * np.float32(10 ** (db / 20)) for block in blocks], 48_000, 2, "stereo") for db in (-23, level)
    ]
    assert held[1] - held[0] == pytest.approx(level + 23, abs=0.11)


def test_the_true_peak_is_that_of_the_film_itself(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.wav", Sound("pcm_f32le", samples=sine(-90.0)), picture=None))
    assert measure(media, media.audio[0], true_peak=True).true_peak_dbtp == pytest.approx(-90, abs=0.2)
