"""A network on one track: the gain that brings it to its level, and what the network is asked for."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.diaries import ReportDiary

from cfork_cli.errors import CforkError, ModelError
from cfork_cli.flows import separator as separators
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.separator import TrackSeparator, elsewhere, no_memory
from cfork_cli.media.span import Span
from cfork_cli.media.types import Media, Stream
from model import STEMS
from model.streaming import separator as streaming

SURROUND = Stream(1, "audio", 0, "flac", channels=6, layout="5.1", sample_rate=48_000)
MONO = Stream(2, "audio", 1, "flac", channels=1, layout="mono", sample_rate=8_000)
FILM = Media(Path("film.mkv"), "matroska,webm", 60.0, 0.0, {}, 0, (SURROUND, MONO))


def network(**facts: Any) -> LoadedNetwork:
    usual = {
        "input_lufs": -27.0, "level_matched": True, "window_seconds": 24.0, "context_seconds": 2.0,
        "crossfade_seconds": 1.0, "sample_rate": 44_100, "precision": "bfloat16", "stems": STEMS,
    }  # fmt: skip
    return LoadedNetwork(SimpleNamespace(**(usual | facts)), "cpu", "small")


@pytest.mark.parametrize("lufs", [-27.0, -47.0, -7.0])
def test_the_gain_brings_a_track_to_the_level_of_the_network(lufs: float) -> None:
    """Channels are heard one at a time: each of several has less than all together."""
    mono = TrackSeparator.of(network(), MONO, lufs)
    assert 20 * math.log10(mono.input_gain) == pytest.approx(-27.0 - lufs)
    for several in (SURROUND, replace(SURROUND, channels=2, layout="stereo")):
        surround = TrackSeparator.of(network(), several, lufs)
        assert surround.lufs == lufs
        assert 20 * math.log10(surround.input_gain) == pytest.approx(-27.0 - lufs + 10 * math.log10(2), abs=0.02)
    assert (mono.lufs, mono.pieces) == (lufs, None)


def test_silence_and_unknown_channels_need_no_gain_of_their_own() -> None:
    assert TrackSeparator.of(network(), SURROUND, -math.inf).input_gain == 1.0
    assert TrackSeparator.of(network(), replace(MONO, channels=None), -27.0).input_gain == 1.0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the network's own loop is asked for; it gives back what comes, and no stems."""
    found: dict[str, Any] = {}

    def separate(blocks: Iterator[np.ndarray], network: Any, **options: Any) -> Iterator[Any]:
        found.clear()
        found.update(options)
        for block in blocks:
            yield block, np.zeros((0, *block.shape))

    monkeypatch.setattr(streaming, "separate", separate)
    return found


def run(separator: TrackSeparator, *, live: bool = False, weights: Any = None) -> list[Any]:
    return list(separator.run(iter([np.ones((1, 5))]), ("music", "dialogue"), live=live, weights=weights))


def test_the_network_is_asked_for_what_the_track_has(asked: dict[str, Any]) -> None:
    ((mixture, _),) = run(TrackSeparator(network(), SURROUND, 0.25), weights=(1.0, 2.0))
    assert mixture.shape == (1, 5)
    assert asked == {
        "sample_rate": 48_000, "channels": 6, "stems": ("music", "dialogue"), "weights": (1.0, 2.0),
        "input_gain": 0.25, "device": "cpu", "untouched": (3,), "pairs": (),
    }  # fmt: skip
    run(TrackSeparator(network(), replace(SURROUND, channels=2, layout="stereo"), 1.0))
    assert (asked["weights"], asked["untouched"], asked["pairs"]) == (None, (), ((0, 1),))
    run(TrackSeparator(network(), replace(MONO, channels=None, sample_rate=None), 1.0))
    assert (asked["channels"], asked["sample_rate"]) == (0, 0)


def test_live_sound_is_computed_at_once_in_short_windows(asked: dict[str, Any]) -> None:
    run(TrackSeparator(network(), MONO, 1.0), live=True)
    assert (asked["batch_size"], asked["window_seconds"], asked["context_seconds"]) == (1, 12.0, 1.5)
    run(TrackSeparator(network(window_seconds=12.0), MONO, 1.0), live=True)
    assert asked["batch_size"] == 1
    assert "window_seconds" not in asked


@dataclass(frozen=True)
class Known:
    """Finished pieces of a separation, or those who compute them."""

    workers: int | None
    each: int = 4

    def of(self, asked: Any) -> Any:
        return ("known", asked)


def test_finished_pieces_are_known_again_by_all_that_was_asked(asked: dict[str, Any]) -> None:
    here: Any = Known(None)
    separator = TrackSeparator(network(), MONO, 0.5, pieces=here)
    run(separator, weights=[1.0, 2.0])
    kind, what = asked["known"]
    assert kind == "known"
    assert (what.model, what.precision, what.device) == ("small", "bfloat16", "cpu")
    assert (what.stems, what.weights, what.input_gain) == (("music", "dialogue"), (1.0, 2.0), 0.5)
    assert "workers" not in asked
    assert "batch_size" not in asked
    run(separator)
    assert asked["known"][1].weights is None
    run(replace(separator, track=replace(MONO, channels=2, layout="stereo")), weights=[1.0, 2.0])
    assert (asked["known"][1].stems, asked["known"][1].weights) == (STEMS, None)  # the filter by place needs all
    run(separator, live=True)
    assert "known" not in asked


def test_those_who_compute_elsewhere_get_batches_for_all(asked: dict[str, Any]) -> None:
    there: Any = Known(3)
    token = elsewhere.set(there)
    try:
        run(TrackSeparator.of(network(), MONO, -27.0))
    finally:
        elsewhere.reset(token)
    assert (asked["workers"], asked["batch_size"]) == (3, 12)


def test_a_device_without_memory_is_told_and_other_errors_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(error: Exception) -> Any:
        def separate(*_: Any, **__: Any) -> Iterator[Any]:
            raise error
            yield

        return separate

    for error in (MemoryError(), RuntimeError("CUDA out of memory")):
        monkeypatch.setattr(streaming, "separate", failing(error))
        with pytest.raises(CforkError, match="too little free memory"):
            run(TrackSeparator(network(), MONO, 1.0))
    monkeypatch.setattr(streaming, "separate", failing(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        run(TrackSeparator(network(), MONO, 1.0))
    assert "--device cpu" in str(no_memory("cuda"))
    assert "--device" not in str(no_memory("cpu"))


def job(**changed: Any) -> RemixJob:
    return RemixJob(Path("film.mkv"), None, {}, **changed)


def test_a_loudness_that_is_given_is_not_measured() -> None:
    report = ReportDiary()
    found = TrackSeparator.open_all(job(input_lufs=-20.0), FILM, [SURROUND, MONO], report, loaded=network())
    assert report.said == [("load", None)]
    assert {index: (one.track, one.lufs) for index, one in found.items()} == {1: (SURROUND, -20.0), 2: (MONO, -20.0)}


def test_a_loudness_is_measured_of_the_piece_that_is_wanted() -> None:
    def measure(progress: Any) -> float:
        progress(1.0)
        return -30.0

    for span, total in ((None, 60.0), (Span(10.0, 25.0), 15.0)):
        report = ReportDiary()
        found = TrackSeparator.open(job(), FILM, MONO, report, loaded=network(), measure=measure, span=span)
        assert (found.lufs, found.input_gain) == (-30.0, pytest.approx(10 ** (3 / 20)))
        assert report.said == [("measure", total), 1.0, ("load", None)]
    report = ReportDiary()
    TrackSeparator.open(
        job(), FILM, replace(MONO, duration_seconds=50.0), report, loaded=network(), measure=lambda _: 0.0
    )
    assert report.said[0] == ("measure", 50.0)


def test_a_network_of_another_level_cannot_mix_back() -> None:
    other = network(level_matched=False)
    with pytest.raises(ModelError, match="do not keep the film's level"):
        TrackSeparator.open(job(input_lufs=-20.0), FILM, MONO, ReportDiary(), loaded=other)
    with pytest.raises(ModelError, match="do not keep the film's level"):
        TrackSeparator.open_all(job(input_lufs=-20.0), FILM, [MONO], ReportDiary(), loaded=other)
    opened = TrackSeparator.open(job(input_lufs=-20.0), FILM, MONO, ReportDiary(), loaded=other, mixes_back=False)
    assert opened.loaded is other


def test_what_is_kept_is_never_more_than_was_said() -> None:
    """Windows of 24 s come every 19 s; their samples are floats of 4 bytes at the network's rate."""
    surround, mono = TrackSeparator(network(), SURROUND, 1.0), TrackSeparator(network(), MONO, 1.0)
    assert mono.kept_bytes(1, 19.0) == 4 * 44_100 * 24
    assert mono.kept_bytes(3, 190.0) == 30 * mono.kept_bytes(1, 19.0)
    stereo = TrackSeparator(network(), replace(MONO, channels=2, layout="stereo"), 1.0)
    assert stereo.kept_bytes(1, 19.0) == 6 * mono.kept_bytes(1, 19.0)  # all stems, for the filter by place
    assert surround.kept_bytes(1, 19.0) == 5 * mono.kept_bytes(1, 19.0)  # the network does not hear the LFE
    assert TrackSeparator(network(), replace(MONO, channels=None), 1.0).kept_bytes(1, 19.0) == 0


def test_a_given_loudness_goes_before_a_measure() -> None:
    def measure(_: Any) -> float:
        raise AssertionError("measured in vain")

    found = TrackSeparator.open(job(input_lufs=-20.0), FILM, MONO, ReportDiary(), loaded=network(), measure=measure)
    assert found.lufs == -20.0


def test_every_track_is_measured_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first is measured, the network is loaded."""
    report, asked = ReportDiary(), list[Any]()

    @contextlib.contextmanager
    def measuring(media: Media, track: Stream, span: Any, *, accept_damaged: bool) -> Iterator[Any]:
        asked.append((track, span, accept_damaged))
        report.said.append("begun")
        yield lambda progress: -20.0

    def measured(media: Media, track: Stream, progress: Any, *, span: Any, accept_damaged: bool) -> float:
        asked.append((track, span, accept_damaged))
        return -40.0

    monkeypatch.setattr(separators, "measuring_lufs", measuring)
    monkeypatch.setattr(separators, "integrated_lufs", measured)
    span, wanted = Span(1.0, 3.0), job(accept_damaged=True)
    found = TrackSeparator.open_all(wanted, FILM, [SURROUND, MONO], report, loaded=network(), span=span)
    assert asked == [(SURROUND, span, True), (MONO, span, True)]
    assert report.said == ["begun", ("load", None), ("measure", 2.0), ("measure", 2.0)]
    assert {index: one.lufs for index, one in found.items()} == {1: -20.0, 2: -40.0}
