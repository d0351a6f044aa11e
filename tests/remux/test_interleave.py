"""Several tracks through one pipe: ffmpeg takes them apart again, sample by sample."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
from support.films import ffmpeg

from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.media import ebml
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


def test_time_stamps_are_the_nearest_nanosecond_however_long_the_film_is() -> None:
    """ffmpeg counts on from where it was, so that only films of many hours would show it."""
    for rate, at in ((48_000, 1), (44_100, 9), (44_100, 44_100 * 3600 * 24 + 1), (192_000, 192_000 * 3600 * 99 + 5)):
        data = packet(126, RawTrack(rate, 1), at, np.zeros((1, 2), np.float32))
        cluster = next(ebml.children(data))[1]
        time = int.from_bytes(ebml.first(cluster, b"\xe7") or b"", "big")
        assert abs(Fraction(time, 10**9) - Fraction(at, rate)) <= Fraction(1, 2 * 10**9)
        assert (ebml.first(cluster, b"\xa3") or b"")[:4] == b"\xff\0\0\x80"  # the track in one byte


def test_the_header_is_that_of_a_stream() -> None:
    """Of no known size, so that it needs no end; nothing is laced, and readers of version 2 can read it."""
    data = header([RawTrack(48_000, 2)])
    name, length, begin = ebml.read_head(data)
    kind = data[begin : begin + (length or 0)]
    assert name == b"\x1a\x45\xdf\xa3"
    assert [int.from_bytes(ebml.first(kind, one) or b"", "big") for one in (b"\x42\x87", b"\x42\x85")] == [4, 2]
    rest = data[begin + len(kind) :]
    name, length, begin = ebml.read_head(rest)
    assert (name, length) == (b"\x18\x53\x80\x67", None)
    (information, _), (tracks, entries) = ebml.children(rest[begin:])
    assert (information, tracks) == (b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b")
    entry = ebml.first(entries, b"\xae") or b""
    assert ebml.first(entry, b"\x9c") == bytes(8)


def test_the_one_that_is_behind_comes_next() -> None:
    def blocks(count: int, samples: int) -> list[np.ndarray]:
        return [np.zeros((1, samples))] * count

    order = [place for place, _ in in_step([(blocks(4, 100), 100, 0), (blocks(2, 400), 200, 0)])]
    assert order == [0, 1, 0, 0, 1, 0]
    late = [place for place, _ in in_step([(blocks(3, 100), 100, 0), (blocks(2, 100), 100, 200)])]
    assert late == [0, 0, 0, 1, 1]  # the second begins two seconds later
    stems = [np.zeros((3, 2, 50))] * 4
    soon = [place for place, _ in in_step([(stems, 100, 0), ([np.zeros((3, 2, 10))] * 2, 10, 10)])]
    assert soon == [0, 0, 0, 1, 0, 1]  # a second later, and blocks have any shape
