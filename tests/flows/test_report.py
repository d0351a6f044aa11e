"""Reports and results: what a program that uses cfork is told, and by what numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cfork_cli.errors import Interrupted
from cfork_cli.flows.report import Callbacks, Cancellable, Report, Result, Silent, cancellable, peak_notes
from cfork_cli.mix.limiter import PeakGuard


def test_callbacks_tell_stage_place_and_total() -> None:
    heard: list[Any] = []
    report = Callbacks(lambda *told: heard.append(told))
    report.at(1.0)
    report.stage("measure", 12.0)
    report.at(3.5)
    report.stage("finish")
    report.at(0.5)
    assert heard == [
        ("", 1.0, None), ("measure", 0.0, 12.0), ("measure", 3.5, 12.0), ("finish", 0.0, None), ("finish", 0.5, None)
    ]  # fmt: skip
    assert not report.cancelled()


@pytest.mark.parametrize("answer", [False, True])
def test_callbacks_ask_whether_to_go_on(answer: bool) -> None:
    assert Callbacks(lambda *_: None, lambda: answer).cancelled() is answer


class Diary(Report):
    def __init__(self) -> None:
        self.said: list[Any] = []
        self.ends = False

    def stage(self, name: str, total: float | None = None, *, is_sound: bool = True, is_bytes: bool = False) -> None:
        self.said.append((name, total, is_sound, is_bytes))

    def at(self, done: float) -> None:
        self.said.append(done)

    def end(self) -> None:
        self.said.append("end")

    def note(self, text: str) -> None:
        self.said.append(text)

    def cancelled(self) -> bool:
        return self.ends


def test_a_cancellable_report_passes_everything_on_until_it_is_cancelled() -> None:
    inner = Diary()
    report = cancellable(inner)
    report.stage("pull", 9.0, is_sound=False, is_bytes=True)
    report.stage("remix")
    report.at(2.0)
    report.note("a note")
    report.end()
    everything = [("pull", 9.0, False, True), ("remix", None, True, False), 2.0, "a note", "end"]
    assert (inner.said, report.cancelled()) == (everything, False)
    inner.ends = True
    for cut_short in (lambda: report.stage("finish"), lambda: report.at(3.0), report.check):
        with pytest.raises(Interrupted, match="nothing was written"):
            cut_short()
    assert (inner.said, report.cancelled()) == (everything, True)


def test_a_report_that_can_be_cancelled_is_taken_as_it_is() -> None:
    report = Cancellable(Silent())
    assert cancellable(report) is report
    silent = cancellable(None)
    silent.stage("load")
    silent.at(1.0)
    silent.end()
    silent.note("")
    assert not silent.cancelled()


def test_a_result_adds_what_was_known_before_and_after() -> None:
    facts = {"gains": {"music": -6.0}, "notes": ["before"]}
    result = Result((Path("a"), Path("b")), facts, ("after",), 10.00049, 4.0004, "done", ({"track": 1},))
    assert result.output == Path("a")
    assert result.speed == pytest.approx(2.5, abs=0.01)
    assert result.as_json() == {
        "gains": {"music": -6.0}, "notes": ["before", "after"], "losses": [{"track": 1}],
        "processed_seconds": 10.0, "elapsed_seconds": 4.0, "speed": 2.5,
    }  # fmt: skip
    assert facts["notes"] == ["before"]


def test_a_result_of_a_pipe_has_no_output_and_no_speed_without_time() -> None:
    result = Result((), {}, (), 1.0, 0.0, "done")
    with pytest.raises(ValueError, match="pipe"):
        _ = result.output
    assert result.speed == 0
    assert result.as_json() == {"notes": [], "processed_seconds": 1.0, "elapsed_seconds": 0.0, "speed": 0.0}
    assert Result((), {}, (), 1.0, 0.5, "done").speed == 2


def guard(reduced: int, lowest: float) -> PeakGuard:
    made = PeakGuard(1000)
    made.reduced_samples, made.lowest_gain = reduced, lowest
    return made


def test_peaks_are_told_by_seconds_and_decibels() -> None:
    assert peak_notes(None, 1000) == peak_notes(guard(0, 1.0), 1000) == []
    turned = guard(1500, 0.1)
    told = "over full scale: for 1.5 s in all, the sound was turned down by up to 20.0 dB"
    assert peak_notes(turned, 1000) == [f"the new levels go {told}; lower gains avoid that"]
    assert peak_notes(turned, 1000, is_only_folded=True) == [f"the channels folded together go {told}"]
    for ceiling, words in ((-1.0, "-1"), (-0.5, "-1"), (0.0, "0")):
        (note,) = peak_notes(turned, 1000, ceiling_dbtp=ceiling)
        assert note == (
            f"to keep peaks under {words} dBTP, the sound was turned down by up to 20.0 dB, for 1.5 s in all"
        )
