"""The one loop, without ffmpeg: what comes in at one end of a lane goes out at the other, and sinks end together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.diaries import ReportDiary, SinkDiary

from cfork_cli import signals
from cfork_cli.errors import OutputError
from cfork_cli.flows.render import Lane, losses, render
from cfork_cli.flows.report import Report, Silent
from cfork_cli.input.blocks import Blocks
from cfork_cli.input.losses import Losses
from cfork_cli.media.types import Stream
from cfork_cli.mix.mixer import GainMixer, StemMixer
from cfork_cli.output.sink import Sink

RATE = 1000
BOTH_COMPLETE, BOTH_WITHDRAWN = ("complete a", "complete b"), ("withdraw a", "withdraw b")
B_ENDED = ("stop b", "discard b")


class Film(Blocks):
    """A sound that is there already, in blocks of 100 samples."""

    def __init__(self, sound: np.ndarray, rate: int = RATE, *, number: int = 0) -> None:
        super().__init__(sound.shape[0], rate)
        self.sound = sound
        self.track = Stream(number, "audio", number, "pcm_f32le")

    def __iter__(self) -> Iterator[np.ndarray]:
        for first in range(0, self.sound.shape[1], 100):
            yield self.sound[:, first : first + 100]


class Thirds:
    """Stands in for a network: a stem is a third of the sound; it remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def run(self, blocks: Iterator[np.ndarray], stems: tuple[str, ...], *, weights: Any, live: bool) -> Iterator[Any]:
        self.asked = {"stems": stems, "weights": weights, "live": live}
        for block in blocks:
            whole = np.stack([block / 3 for _ in stems])
            yield block, whole if weights is None else np.tensordot(weights, whole, 1)[None].astype(np.float32)


class Kept(SinkDiary):
    """Keeps what it is given, and a diary; fails where it is told to."""

    def __init__(self, diary: list[str], name: str = "a", *, fails: str = "", found: tuple[str, ...] = ()) -> None:
        super().__init__(fails)
        self.diary, self.name, self.tells = diary, name, found
        self.blocks: dict[int, list[np.ndarray]] = {}

    def write(self, block: np.ndarray, number: int = 0) -> None:
        if "write" in self.fails:
            raise OutputError("no write")
        self.blocks.setdefault(number, []).append(block)

    def sound(self, number: int = 0) -> np.ndarray:
        return np.concatenate(self.blocks[number], axis=1)

    def step(self, what: str) -> None:
        self.diary.append(f"{what} {self.name}")
        super().step(what)

    def _complete(self) -> None:
        super()._complete()
        self.found = self.tells


def noise(channels: int, samples: int, seed: int = 0, loud: float = 0.1) -> np.ndarray:
    return (loud * np.random.default_rng(seed).standard_normal((channels, samples))).astype(np.float32)


def as_it_is(sound: np.ndarray, targets: list[tuple[Sink, int]], **options: Any) -> Lane:
    """A lane that changes no level and needs no network."""
    return Lane(Film(sound), GainMixer({}, ()), targets, **options)


def test_every_sample_arrives_in_its_track_of_its_sink() -> None:
    diary: list[str] = []
    one, two = Kept(diary), Kept(diary, "b")
    sounds = [noise(2, 950, 1, loud=2.0), noise(1, 1230, 2), noise(6, 20, 3)]
    lanes = [as_it_is(sound, [target]) for sound, target in zip(sounds, [(one, 0), (two, 0), (one, 1)], strict=True)]
    assert render(lanes, [one, two], Silent(), stage="remix", total=1.23) == ()
    for found, sound in zip([one.sound(), two.sound(), one.sound(1)], sounds, strict=True):
        np.testing.assert_array_equal(found, sound)
    assert [lane.seconds for lane in lanes] == pytest.approx([0.95, 1.23, 0.02])


def test_stems_go_each_to_its_own_target_and_the_network_is_asked_for_them() -> None:
    sink, sound, network = Kept([]), noise(2, 250), Thirds()
    lane = as_it_is(sound, [(sink, 0), (sink, 1)], separator=network, live=True)
    lane.mixer = StemMixer(("dialogue", "music"))
    render([lane], [sink], Silent(), stage="separate", total=None)
    assert network.asked == {"stems": ("dialogue", "music"), "weights": None, "live": True}
    for number in (0, 1):
        np.testing.assert_allclose(sink.sound(number), sound / 3, atol=1e-7)


def test_new_levels_are_asked_for_as_weights() -> None:
    sink, sound, network = Kept([]), noise(1, 250), Thirds()
    lane = as_it_is(sound, [(sink, 0)], separator=network)
    lane.mixer = GainMixer({"dialogue": 20.0}, ("dialogue", "music"))
    render([lane], [sink], Silent(), stage="remix", total=None)
    assert network.asked == {"stems": ("dialogue",), "weights": (9.0,), "live": False}
    np.testing.assert_allclose(sink.sound(), sound * 4, rtol=1e-5)  # x + (10 - 1) * x / 3


def test_a_mixer_without_stems_gets_none() -> None:
    shapes = []

    class Looking(GainMixer):
        def mix(self, mixture: np.ndarray, stems: np.ndarray) -> np.ndarray:
            shapes.append(stems.shape)
            return super().mix(mixture, stems)

    lane = as_it_is(noise(2, 150), [])
    lane.mixer = Looking({}, ())
    assert len(list(lane.sounds())) == 2
    assert shapes == [(0, 2, 100), (0, 2, 50)]


def test_channels_are_folded_with_and_without_a_guard() -> None:
    sound, matrix = noise(3, 250), np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]], np.float32)
    for guarded in (False, True):
        sink = Kept([])
        lane = as_it_is(sound, [(sink, 0)], matrix=matrix, guarded=guarded)
        render([lane], [sink], Silent(), stage="remix", total=None)
        np.testing.assert_allclose(sink.sound(), matrix @ sound, atol=1e-6)
        assert lane.notes() == []


def test_stems_are_folded_one_by_one() -> None:
    sink, sound, matrix = Kept([]), noise(2, 150), np.array([[0.5, 0.5]], np.float32)
    lane = as_it_is(sound, [(sink, 0), (sink, 1)], separator=Thirds(), matrix=matrix)
    lane.mixer = StemMixer(("dialogue", "music"))
    render([lane], [sink], Silent(), stage="separate", total=None)
    for number in (0, 1):
        np.testing.assert_allclose(sink.sound(number), matrix @ sound / 3, atol=1e-7)


@pytest.mark.parametrize(("ceiling_dbtp", "most"), [(None, 1.0), (-1.0, 10 ** (-1 / 20))])
def test_peaks_of_new_levels_are_held_and_told(ceiling_dbtp: float | None, most: float) -> None:
    time = np.arange(3000) / 48_000
    sound = (0.9 * np.sin(2 * np.pi * 1000 * time))[None].astype(np.float32)
    sink = Kept([])
    mixer = GainMixer({"dialogue": 20.0}, ("dialogue",))
    lane = Lane(Film(sound, 48_000), mixer, [(sink, 0)], Thirds(), guarded=True, ceiling_dbtp=ceiling_dbtp)  # type: ignore[arg-type]
    notes = render([lane], [sink], Silent(), stage="remix", total=None)
    assert sink.sound().shape == sound.shape
    assert 0.8 * most < np.abs(sink.sound()).max() <= most * (1 + 1e-6)
    assert len(notes) == 1
    assert ("under -1 dBTP" if ceiling_dbtp else "new levels go over full scale") in notes[0]


def test_only_folded_channels_that_are_too_loud_are_told_as_such() -> None:
    sink = Kept([])
    lane = as_it_is(np.full((2, 3000), 0.9, np.float32), [(sink, 0)], matrix=np.ones((1, 2), np.float32), guarded=True)
    notes = render([lane], [sink], Silent(), stage="remix", total=None)
    assert np.abs(sink.sound()).max() <= 1
    assert [note.partition(" go")[0] for note in notes] == ["the channels folded together"]


@pytest.mark.parametrize("counted", [False, True])
def test_cut_samples_are_counted_where_integers_come_next(counted: bool) -> None:
    sound = np.array([[0.5, 1.5, -2.0, 1.0]], np.float32)
    sink = Kept([])
    notes = render([as_it_is(sound, [(sink, 0)], counted=counted)], [sink], Silent(), stage="remix", total=None)
    np.testing.assert_array_equal(sink.sound(), sound)  # the sink cuts, not the loop
    assert [note.partition(" over")[0] for note in notes] == (["2 samples were"] if counted else [])


def test_the_report_follows_the_track_that_is_furthest_behind() -> None:
    """And the track that is furthest behind comes next, where tracks begin at different times too."""
    diary: list[str] = []
    sink, report = Kept(diary), ReportDiary()
    lanes = [as_it_is(noise(1, 300), [(sink, 0)]), as_it_is(noise(1, 200), [(sink, 1)], begin=150)]
    render(lanes, [sink], report, stage="remix", total=0.3)
    assert report.said[0] == ("remix", 0.3)
    assert report.said[1:6] == pytest.approx([0.0, 0.0, 0.1, 0.1, 0.2])  # 0 to 0.2; 0.15 to 0.25; the rest of each
    assert report.said[6:] == [("finish", None), "end"]
    assert diary == ["complete a", "appear a", "stop a", "discard a"]


def test_what_is_not_published_is_finished() -> None:
    diary: list[str] = []
    sinks, report = [Kept(diary), Kept(diary, "b", found=("short",))], ReportDiary()
    lanes = [as_it_is(noise(1, 100), [(sink, 0)]) for sink in sinks]
    assert render(lanes, sinks, report, stage="encode", total=None, publish=False) == ("short",)
    assert diary == ["complete a", "complete b"]
    assert report.said[-1] == ("finish", None)


def test_notes_come_once_and_the_outputs_first() -> None:
    sinks = [Kept([], found=("z of the file", "same")), Kept([], found=("same",))]
    lanes = [as_it_is(noise(1, 100), [(sink, 0)]) for sink in sinks]
    lanes[0].blocks.notes, lanes[1].blocks.notes = ("a gap",), ("a gap", "another")
    found = render(lanes, sinks, Silent(), stage="remix", total=None)
    assert found == ("z of the file", "same", "a gap", "another")


@pytest.mark.parametrize(
    ("fails", "diary"),
    [
        ("write", []),
        ("complete", [*BOTH_COMPLETE, *B_ENDED]),
        (
            "appear",
            [*BOTH_COMPLETE, "appear a", "stop a", "discard a", "appear b", *B_ENDED, *BOTH_WITHDRAWN],
        ),
    ],
)
def test_all_outputs_appear_or_none(fails: str, diary: list[str]) -> None:
    said: list[str] = []
    sinks = [Kept(said), Kept(said, "b", fails=fails)]
    lanes = [as_it_is(noise(1, 300), [(sink, 0)]) for sink in sinks]
    with pytest.raises(OutputError, match=f"no {fails}"):
        render(lanes, sinks, Silent(), stage="remix", total=None)
    assert said == diary


def test_more_sounds_than_targets_are_a_fault_of_ours() -> None:
    lane = as_it_is(noise(1, 100), [])
    with pytest.raises(ValueError, match="zip"):
        render([lane], [], Silent(), stage="remix", total=None)


def test_new_work_can_be_interrupted_again() -> None:
    """What came before was published, and whatever came after it was too late; see `signals.held`."""
    with signals.interruptible():
        with signals.held():
            pass
        sink = Kept([])

        class Interrupting(Report):
            def at(self, done: float) -> None:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            render([as_it_is(noise(1, 200), [(sink, 0)])], [sink], Interrupting(), stage="remix", total=None)


def test_losses_name_the_track_as_people_count() -> None:
    lanes = [Lane(Film(noise(1, 1), number=number), GainMixer({}, ()), []) for number in (0, 3)]
    assert losses(lanes) == ()
    lanes[1].blocks.losses = Losses(filled_seconds=0.25, damaged_stamps=2)
    assert losses(lanes) == ({"track": 4, "filled_seconds": 0.25, "damaged_stamps": 2},)
