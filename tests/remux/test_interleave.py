"""Several tracks through one pipe: ffmpeg takes them apart again, sample by sample."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
from support.films import ffmpeg

from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.remux.interleave import RawTrack, header, in_step, packet


def stream(tracks: list[RawTrack], sounds: list[np.ndarray], block: int) -> bytes:
    blocks = [[sound[:, at : at + block] for at in range(0, sound.shape[1], block)] for sound in sounds]
    data, done = [header(tracks)], [0] * len(tracks)
    timed = [(one, track.sample_rate, 0) for one, track in zip(blocks, tracks, strict=True)]
    for place, samples in in_step(timed):
        data.append(packet(place, tracks[place], done[place], samples))
        done[place] += samples.shape[1]
    return b"".join(data)


def test_every_sample_arrives_in_its_track(route: str, tmp_path: Path) -> None:
    tracks = [RawTrack(48_000, 6), RawTrack(44_100, 2), RawTrack(11_025, 1, 64)]
    random = np.random.default_rng(0)
    sounds = [
        random.standard_normal((track.channels, track.sample_rate)).astype(f"f{track.bits // 8}") for track in tracks
    ]
    data = stream(tracks, sounds, 777)
    command = [find_ffmpeg(), "-nostdin", "-loglevel", "error", "-y", "-i", "pipe:0"]
    for number, track in enumerate(tracks):
        form = f"f{track.bits}le"
        command += ["-map", f"0:a:{number}", "-c:a", f"pcm_{form}", "-f", form, os.fspath(tmp_path / str(number))]
    done = subprocess.run(command, input=data, capture_output=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    for number, track in enumerate(tracks):
        found = np.frombuffer((tmp_path / str(number)).read_bytes(), f"<f{track.bits // 8}")
        np.testing.assert_array_equal(found.reshape(-1, track.channels).T, sounds[number])


def test_time_stamps_are_exact_to_the_sample(tmp_path: Path) -> None:
    track = RawTrack(44_100, 1)
    (tmp_path / "a.mkv").write_bytes(stream([track], [np.zeros((1, 44_100), np.float32)], 1000))
    text = ffmpeg("-i", tmp_path / "a.mkv", "-af", "ashowinfo", "-f", "null", "-", "-f", "framemd5", "-").decode()
    starts = [int(line.split(",")[2]) for line in text.splitlines() if not line.startswith("#")]
    assert starts == list(range(0, 44_100, 1000))


def test_the_one_that_is_behind_comes_next() -> None:
    def blocks(count: int, samples: int) -> list[np.ndarray]:
        return [np.zeros((1, samples))] * count

    order = [place for place, _ in in_step([(blocks(4, 100), 100, 0), (blocks(2, 400), 200, 0)])]
    assert order == [0, 1, 0, 0, 1, 0]
    late = [place for place, _ in in_step([(blocks(3, 100), 100, 0), (blocks(2, 100), 100, 200)])]
    assert late == [0, 0, 0, 1, 1]  # the second begins two seconds later
