"""A track that changes its channels or its sample rate keeps its time, its loudness and its length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.changing import CHANNELS, CLICK_SECONDS, changing, onsets
from support.commands import Ran

from cfork_cli.input.decode import decode
from cfork_cli.input.live import StreamDecoder, listen
from cfork_cli.input.loudness import integrated_lufs, lufs_of
from cfork_cli.media.probe import probe
from cfork_cli.media.span import Span, samples_of

STEREO, SURROUND, MONO = ("stereo", 48_000), ("5.1", 48_000), ("mono", 48_000)


@pytest.mark.parametrize(
    ("route", "name", "codec", "parts"),
    [
        ("system", "a.ts", "ac3", (STEREO, SURROUND, STEREO)),
        ("wheels", "a.mkv", "ac3", (SURROUND, STEREO)),
        ("wheels", "a.ts", "aac", (STEREO, SURROUND, STEREO, SURROUND)),
        ("system", "a.ts", "aac", (STEREO, ("stereo", 44_100), STEREO, ("5.1", 44_100))),
        ("system", "a.ts", "latm", (STEREO, SURROUND, STEREO)),
        ("system", "a.mkv", "mp2", (STEREO, MONO, STEREO)),
        ("wheels", "a.ts", "mp2", (("mono", 44_100), STEREO, ("stereo", 32_000))),
    ],
    indirect=["route"],
)
def test_the_sound_stays_in_time(
    route: str, tmp_path: Path, name: str, codec: str, parts: tuple[tuple[str, int], ...]
) -> None:
    film = changing(tmp_path / name, codec, *parts)
    media = probe(film.path)
    track = media.audio[0]
    with decode(media, track) as blocks:
        found = np.concatenate(list(blocks), axis=1)
    rate = blocks.sample_rate
    heard = np.array(onsets(found[0], rate))
    assert heard[0] == pytest.approx(film.clicks[0], abs=0.015)  # not every demuxer hears the start-up of MP2
    np.testing.assert_allclose(heard - heard[0], np.subtract(film.clicks, film.clicks[0]), atol=0.001)
    assert found.shape[1] / rate == pytest.approx(film.seconds, abs=0.015)
    facts = blocks.losses.facts()
    mixed_down = facts.pop("mixed_down", None)
    assert facts == {}
    wide = [number for number, (layout, _) in enumerate(parts) if CHANNELS[layout] > (track.channels or 0)]
    assert (mixed_down is not None) == bool(wide)
    if mixed_down is not None:
        assert mixed_down["channels"] == CHANNELS[parts[wide[0]][0]]
        assert mixed_down["seconds"] == pytest.approx(film.clicks[wide[0]] - CLICK_SECONDS, abs=0.1)
        assert any(f"on, mixed down to {track.layout}" in note for note in blocks.notes)
    lufs = lufs_of([found], rate, blocks.channels, track.layout)
    assert integrated_lufs(media, track) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize(
    ("route", "name", "codec", "parts"),
    [
        ("system", "a.ts", "ac3", (STEREO, SURROUND)),
        ("wheels", "a.ac3", "ac3", (SURROUND, STEREO)),
        ("wheels", "a.ts", "aac", (STEREO, SURROUND, ("stereo", 44_100))),
        ("system", "a.adts", "aac", (STEREO, SURROUND)),
        ("system", "a.mkv", "mp2", (MONO, STEREO)),
        ("wheels", "a.ts", "mp2", (STEREO, MONO)),
    ],
    indirect=["route"],
)
def test_a_pipe_tells_that_channels_are_lost(
    route: str, tmp_path: Path, name: str, codec: str, parts: tuple[tuple[str, int], ...]
) -> None:
    """The head of a pipe, from which the layout is known, may end before the change: here it says what it is told."""
    film = changing(tmp_path / name, codec, *parts)
    layout = parts[0][0] if codec == "mp2" else "stereo"
    with film.path.open("rb") as pipe:
        head = listen(pipe.fileno(), Path("a pipe"), None)
        assert head.media is not None
        track = replace(head.media.audio[0], layout=layout, channels=CHANNELS[layout])
        with StreamDecoder(pipe.fileno(), head, track, None) as blocks:
            assert sum(block.shape[1] for block in blocks) / blocks.sample_rate == pytest.approx(film.seconds, abs=0.1)
    wide = [number for number, (layout, _) in enumerate(parts) if CHANNELS[layout] > (track.channels or 0)]
    if not wide:
        assert (blocks.losses.facts(), blocks.notes) == ({}, ())
        return
    found = blocks.losses.facts()["mixed_down"]
    assert (found["channels"], found["into"]) == (CHANNELS[parts[wide[0]][0]], layout)
    assert found["seconds"] == pytest.approx(wide[0], abs=0.1)
    assert f"has {found['channels']} channels from 0:0{wide[0]} on, mixed down to {layout}" in blocks.notes[0]


def test_a_piece_after_the_change_is_that_of_the_whole(tmp_path: Path) -> None:
    film = changing(tmp_path / "a.ts", "ac3", STEREO, SURROUND, STEREO, SURROUND, STEREO)
    media = probe(film.path)
    first, end = samples_of(media, 48_000, Span(2.3, 4.9))
    with decode(media, media.audio[0], begin=first, end=end) as blocks:
        found = np.concatenate(list(blocks), axis=1)
    assert found.shape[1] == round(2.6 * 48_000)
    inside = [click - 2.3 for click in film.clicks if 2.3 < click < 4.9]
    np.testing.assert_allclose(onsets(found[0], 48_000), inside, atol=0.001)


@pytest.mark.parametrize("parts", [(STEREO, SURROUND), (SURROUND, STEREO), (("stereo", 44_100), STEREO)])
def test_a_piece_is_written_with_the_layout_and_rate_of_the_whole(
    cfork: Callable[..., Ran], tiny_model: Path, tmp_path: Path, parts: tuple[tuple[str, int], ...]
) -> None:
    """Its own header says another, from which the output was planned."""
    film = changing(tmp_path / "a.ts", "ac3", *parts)
    ran = cfork("remix", film.path, "--start=1.3", "--music=-3", "-o", tmp_path / "b.ts", "--model", tiny_model)
    assert ran.code == 0, ran.err
    whole, track = probe(film.path).audio[0], probe(tmp_path / "b.ts").audio[0]
    assert (track.channels, track.sample_rate) == (whole.channels, whole.sample_rate)
    assert ("mixed down" in ran.err) == (CHANNELS[parts[1][0]] > (whole.channels or 0))
