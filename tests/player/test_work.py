"""What is heard is what a run over the whole film would give."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from support.films import CHANNELS, Sound, ffmpeg, make
from support.players import fake, samples_of, session_of, uneven

from cfork_cli.flows.separator import TrackSeparator
from cfork_cli.input.decode import decode
from cfork_cli.media.probe import probe
from cfork_cli.mix.downmix import stereo_matrix
from cfork_cli.player.flac_track import FRAGMENT
from cfork_cli.player.folding import folded, levels_db, matrix
from cfork_cli.player.session import Session
from cfork_cli.text import SPOKEN_ORDER


def steady(x: torch.Tensor) -> torch.Tensor:
    """A law that every window agrees on."""
    return 0.3 * torch.tanh(3 * x)


def whole_of(session: Session) -> np.ndarray:
    """Return mixture and stems of the whole film, `[8, samples]`, as `cfork separate` makes them."""
    work = session.work
    assert work.loudness is not None
    separator = TrackSeparator.of(session.network(), work.track, work.loudness)
    with decode(session.media, work.track) as blocks:
        pieces = list(separator.run(iter(blocks), SPOKEN_ORDER))
    fold = matrix(work.track)
    return np.concatenate([folded(fold, mixture, stems) for mixture, stems in pieces], axis=1)


def fragment(session: Session, index: int) -> np.ndarray:
    """Go there, and wait for the fragment."""
    session.at("page", index * 1.024, True)
    data = session.work.fragment(index, 250)
    assert data is not None, session.state(0)
    return samples_of(data)


def likeness_db(true: np.ndarray, other: np.ndarray) -> float:
    difference = np.mean(np.square(true[:, : other.shape[1]] - other[:, : true.shape[1]]))
    return float(10 * np.log10(np.mean(np.square(true)) / max(difference, 1e-30)))


def test_ahead_it_is_the_whole_run_window_by_window(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mka", Sound("flac"), seconds=44, picture=None)
    with session_of(path, tmp_path / "cache") as session:
        fragment(session, 0)
        while len(session.work.store.done()) < session.work.count:
            assert session.work.fragment(session.work.count - 1, 5) is not None or session.work.error is None
        whole = whole_of(session)
        found = np.concatenate(
            [samples_of(session.work.store.get(n) or b"") for n in range(session.work.count)], axis=1
        )
        assert found.shape[1] >= whole.shape[1]
        assert not found[:, whole.shape[1] :].any()
        cut = [slice(index * FRAGMENT, (index + 1) * FRAGMENT) for index in range(session.work.count - 1)]
        places = [index for index, one in enumerate(cut) if likeness_db(whole[:, one], found[:, one]) > 80]
        assert len(places) > 0.3 * session.work.count, "much of it is of the windows that a whole run has"
        assert set(range(26, session.work.count - 1)) <= set(places), "and all that is ahead"
        assert np.abs(found[:2, : whole.shape[1]] - whole[:2]).max() < 1e-6, "the mixture is the film everywhere"


def test_wherever_one_jumps_the_sound_is_in_its_place_and_joints_are_not_heard(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mka", Sound("flac", "5.1"), seconds=40, picture=None)
    with session_of(path, tmp_path / "cache", network=fake(steady)) as session:
        for index in (20, 8, 31, 0, 21, 38):
            fragment(session, index)
        for index in range(session.work.count):
            if not session.work.store.has(index):
                fragment(session, index)
        whole = whole_of(session)
        found = np.concatenate(
            [samples_of(session.work.store.get(n) or b"") for n in range(session.work.count)], axis=1
        )
        assert likeness_db(whole, found) > 60
        assert np.abs(whole - found[:, : whole.shape[1]]).max() < 0.02
        levels = session.work.store.levels
        assert np.abs(levels[5] - levels_db(found[:, 5 * FRAGMENT : 6 * FRAGMENT])).max() < 0.1


def test_the_next_run_finds_the_fragments_and_needs_no_network(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mka", Sound("flac"), seconds=4, picture=None)
    with session_of(path, tmp_path / "cache") as session:
        first = fragment(session, 0)
        while len(session.work.store.done()) < session.work.count:
            session.work.fragment(3, 1)
        loudness = session.work.loudness
    with session_of(path, tmp_path / "cache", network=fake(lambda x: x / 0)) as session:
        assert session.state(0)["done"] == [[0, 4]] or session.state(0)["done"] == [(0, 4)]
        assert np.array_equal(samples_of(session.work.fragment(0) or b""), first)
        assert session.state(0)["levels"][0]["dialogue"][0] is not None
        assert session.work.store.facts()["lufs"] == loudness


def test_a_cache_of_a_few_fragments_is_enough_to_play(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mka", Sound("flac"), seconds=12, picture=None)
    with session_of(path, tmp_path / "cache", cache_bytes=1_000_000) as session:
        while len(session.work.store.done()) < session.work.count:
            assert session.work.fragment(session.work.count - 1, 5) is not None or session.work.error is None
        assert all(session.work.fragment(index) is not None for index in range(session.work.count))
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()) <= 1_000_000


def test_plain_sound_comes_before_any_stem(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mka", Sound("flac", "5.1"), seconds=6, picture=None)

    def never(x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.2)
        raise ValueError("no stems")

    with session_of(path, tmp_path / "cache", network=fake(never)) as session:
        found = samples_of(session.work.plain(2))
        with decode(session.media, session.work.track) as blocks:
            whole = np.concatenate(list(blocks), axis=1)
        fold = stereo_matrix(session.work.track, ("FL", "FR", "FC", "LFE", "BL", "BR"))
        assert fold is not None
        assert np.abs(found[:2] - (fold @ whole)[:, 2 * FRAGMENT : 3 * FRAGMENT]).max() < 1e-5
        assert not found[2:].any()
        assert session.state(0)["levels"][0]["first"] == 2


@pytest.mark.parametrize(
    ("layout", "rate", "delay"), [("mono", 22_050, 0.0), ("stereo", 44_100, 1.5), ("7.1", 96_000, 0.0)]
)
def test_sound_of_every_kind_is_eight_channels_at_48_khz(layout: str, rate: int, delay: float, tmp_path: Path) -> None:
    times = np.arange(round((5 - delay) * rate)) / rate
    tones = [0.2 * np.sin(2 * np.pi * 300 * (number + 1) * times) for number in range(CHANNELS[layout])]
    sound = Sound("flac", layout, rate, samples=np.stack(tones).astype(np.float32), delay=delay)
    path = make(tmp_path / "a.mkv", sound, seconds=5)
    with session_of(path, tmp_path / "cache", network=fake(lambda x: 0.5 * x)) as session:
        for index in (2, 3):
            found, plain = fragment(session, index), samples_of(session.work.plain(index))
            assert np.abs(found[:2] - plain[:2]).max() < 1e-3
        assert np.abs(found[2:4]).max() > 0.05
        assert not samples_of(session.work.plain(0))[:, : max(0, round((delay - 0.1) * 48_000))].any()


def test_what_goes_wrong_is_told_and_the_mixture_plays_on(tmp_path: Path) -> None:
    def broken(x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("this network is broken")

    path = make(tmp_path / "a.mka", Sound("flac"), seconds=3, picture=None)
    with session_of(path, tmp_path / "cache", network=fake(broken)) as session:
        assert session.work.fragment(0, 250) is None
        assert "this network is broken" in session.state(0)["error"]
        assert samples_of(session.work.plain(0))[:2].any()


@pytest.mark.parametrize("codec", ["aac", "libmp3lame"])
def test_a_bare_stream_is_as_long_as_it_is(codec: str, tmp_path: Path) -> None:
    """Its bit rate at the begin, by which ffmpeg guesses, is not that of the rest."""
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 48_000 * 12)).astype(np.float32)
    sound[:, : 48_000 * 4] = 0
    whole = make(tmp_path / "a.mka", Sound("flac", samples=sound), seconds=12, picture=None)
    path = tmp_path / ("a.mp3" if codec == "libmp3lame" else "a.aac")
    how = ("-q:a", "2", "-write_xing", "0") if codec == "libmp3lame" else ()
    ffmpeg("-i", whole, "-c:a", codec, *how, path)
    assert abs((probe(path).duration_seconds or 0) - 12) > 5, "ffmpeg is wrong"
    with session_of(path, tmp_path / "cache", network=fake(uneven)) as session:
        assert session.seconds == pytest.approx(12, abs=0.15)


def test_a_film_longer_than_its_sound_ends_in_silence(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Sound("flac", samples=np.full((2, 48_000 * 3), 0.1, np.float32)), seconds=8)
    with session_of(path, tmp_path / "cache", network=fake(uneven)) as session:
        assert fragment(session, 2)[0, 100] == pytest.approx(0.1, abs=1e-4)
        assert not fragment(session, 6).any()
        assert not samples_of(session.work.plain(6)).any()
