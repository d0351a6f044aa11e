"""A report and a sink that write down what they are told, step by step."""

from __future__ import annotations

from typing import Any

from cfork_cli.errors import OutputError
from cfork_cli.flows.report import Report
from cfork_cli.output.sink import Sink


class ReportDiary(Report):
    """said: stages with their totals, places, and "end"."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def stage(self, name: str, total: float | None = None, *, is_sound: bool = True, is_bytes: bool = False) -> None:
        self.said.append((name, total))

    def at(self, done: float) -> None:
        self.said.append(done)

    def end(self) -> None:
        self.said.append("end")


class SinkDiary(Sink):
    """A sink that writes nothing. said: its steps in order. fails: the steps that end with an `OutputError`."""

    def __init__(self, *fails: str) -> None:
        super().__init__()
        self.fails, self.said = fails, list[str]()

    def step(self, what: str) -> None:
        self.said.append(what)
        if what in self.fails:
            raise OutputError(f"no {what}")

    def withdraw(self) -> None:
        self.step("withdraw")

    def _complete(self) -> None:
        self.step("complete")

    def _appear(self) -> None:
        self.step("appear")

    def _stop(self) -> None:
        self.step("stop")

    def _discard(self) -> None:
        self.step("discard")
