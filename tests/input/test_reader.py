"""Sound read from anywhere is that of a run over the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.films import Sound, make, noise

from cfork_cli.input.decode import decode
from cfork_cli.input.excerpts import frames, nearly_integrated_lufs, sound_seconds
from cfork_cli.input.loudness import integrated_lufs
from cfork_cli.input.reader import Reader
from cfork_cli.media import timeline
from cfork_cli.media.probe import probe

SECONDS = 12.0
FILMS = {
    "aac.mp4": Sound("aac"),
    "aac.mkv": Sound("aac"),
    "opus.mkv": Sound("libopus"),
    "mp3.mkv": Sound("libmp3lame"),
    "flac.mkv": Sound("flac", "5.1", 44_100),
    "late.mkv": Sound("flac", delay=1.5),
    "aac.ts": Sound("aac"),
    "pcm.wav": Sound("pcm_s16le", sample_rate=44_100),
}


@pytest.mark.parametrize("name", FILMS)
def test_any_place_is_as_in_the_whole(name: str, tmp_path: Path, route: str) -> None:
    picture = None if name.endswith("wav") else "mpeg4"
    media = probe(make(tmp_path / name, FILMS[name], seconds=SECONDS, picture=picture))
    track = media.default_audio()
    rate = track.sample_rate or 0
    with decode(media, track) as blocks:
        whole = np.concatenate(list(blocks), axis=1)
    zero = timeline.film_begin(media, rate)
    with Reader(media, track, frames=frames(media, track)) as reader:
        for seconds in (7.3, 7.9, 2.0, 9.4, 0.0):
            begin = zero + round(seconds * rate)
            found = reader.read(begin, begin + rate)
            true = whole[:, begin - zero :][:, :rate]
            assert found.shape == true.shape
            error = np.sqrt(np.mean(np.square(found - true)) / np.mean(np.square(true) + 1e-12))
            assert error < (0.1 if track.codec == "aac" else 1e-4), (seconds, error)  # AAC fills in noise of its own
        assert reader.read(zero + whole.shape[1] - 100, zero + whole.shape[1] + 900).shape[1] == 100
        assert reader.read(zero + 99 * rate, zero + 100 * rate).shape[1] == 0


def test_what_follows_comes_from_the_same_decoder(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.mkv", Sound("flac"), seconds=SECONDS, picture=None))
    with Reader(media, media.default_audio()) as reader:
        for seconds in (4, 5, 6, 4.5, 9):
            reader.read(round(seconds * 48_000), round((seconds + 1) * 48_000))
        assert reader.starts == 1
        reader.read(0, 10)
        assert reader.starts == 2


def test_the_loudness_of_excerpts_is_near_that_of_the_whole(tmp_path: Path) -> None:
    sound = noise(2, 200 * 8000, level=0.2)
    media = probe(make(tmp_path / "a.mka", Sound("flac", sample_rate=8000, samples=sound), seconds=200, picture=None))
    track = media.default_audio()
    assert abs(nearly_integrated_lufs(media, track, 200.0) - integrated_lufs(media, track)) < 0.5
    assert nearly_integrated_lufs(media, track, None) == integrated_lufs(media, track)
    assert abs(sound_seconds(media, track) - 200) < 0.1
