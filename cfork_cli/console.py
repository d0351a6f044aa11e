"""What people and machines see: progress and notes on stderr, results on stdout.

stdout is for data alone. With `--json` it gets exactly one JSON object (the result, the plan, or the error), and
stderr gets a JSON object a line for stages, progress and notes; where sound goes to stdout, all goes to stderr.
Otherwise stderr shows a progress bar with speed and time left, if it is a terminal; a log file gets no bar. Nobody
reading stderr is no reason to stop the work.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

REPORT_SECONDS = 1.0  # between two progress lines of --json


class PositionColumn(ProgressColumn):
    """How far a stage is, of how much: "1:07 / 1:30:00"; only the first where nobody knows the second."""

    def render(self, task: Task) -> Text:
        if not task.completed:
            return Text("")
        if task.fields["is_bytes"]:
            whole = f" / {task.total / 1e6:.1f}" if task.total else ""
            return Text(f"{task.completed / 1e6:.1f}{whole} MB", style="progress.download")
        write = clock if task.fields["is_sound"] else str
        whole = f" / {write(int(task.total))}" if task.total else ""
        return Text(write(int(task.completed)) + whole, style="progress.download")


SPOKEN_ORDER = ("dialogue", "music", "effects")
"""The stems as people name them; the network has an order of its own."""


class SpeedColumn(ProgressColumn):
    """Seconds of film a second: "12.3x"; of a download, "3.2 MB/s"."""

    def render(self, task: Task) -> Text:
        if task.fields["is_bytes"]:
            # of the last seconds: what an earlier attempt brought was not brought now
            return Text(f"{task.speed / 1e6:.1f} MB/s" if task.speed else "", style="progress.data.speed")
        pace = _pace(task.completed, task.elapsed or 0.0) if task.fields["is_sound"] else 0.0
        return Text((f"{pace:.1f}x" if pace < 100 else f"{pace:.0f}x") if pace else "", style="progress.data.speed")


class TimeLeftColumn(ProgressColumn):
    """Time left at the pace so far: "0:35 left"."""

    def render(self, task: Task) -> Text:
        if task.fields["is_bytes"]:
            left = task.time_remaining
        else:
            left = _seconds_left(task.completed, task.total, task.elapsed or 0.0)
        return Text("" if left is None else f"{clock(left)} left", style="progress.remaining")


def clock(seconds: float) -> str:
    """Seconds as people write them.

    >>> clock(7), clock(3725.4)
    ('0:07', '1:02:05')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def printable(text: str) -> str:
    """One line that every terminal can show: a file name may hold line breaks, escape codes, or broken characters.

    >>> printable("two\\nlines")
    'two lines'
    """
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


class Console:
    """Opened around one command; a stage at a time is shown.

    Args:
        quiet: nothing but errors (and the result of `--json`).
        as_json: one JSON object on stdout, progress as JSON lines on stderr.
        stdout_is_taken: sound or a film goes to stdout, so that the JSON object goes to stderr, last.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False, stdout_is_taken: bool = False) -> None:
        self.quiet, self.as_json, self._stdout_is_taken = quiet, as_json, stdout_is_taken
        self.rich = _Stderr(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage, self._began, self._reported = "", 0.0, 0.0
        self._total: float | None = None
        self._first: float | None = None

    def __enter__(self) -> Console:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def stage(self, name: str, total: float | None = None, *, is_sound: bool = True, is_bytes: bool = False) -> None:
        """Begin a stage of `total` seconds of sound, bytes, or things that are counted; None where nobody knows."""
        self.end()
        self._stage, self._total, self._began, self._reported = name, total, time.monotonic(), 0.0
        self._first = None if is_bytes else 0.0
        if self.quiet:
            return
        if self.as_json:
            self._line(event="stage", stage=name)
        elif self.rich.is_terminal and not self.rich.is_dumb_terminal and sys.stderr.isatty():
            # narrow terminals give up the bar's width first, and never break the numbers
            texts = [Column(no_wrap=True) for _ in range(4)]
            self._bar = Progress(
                TextColumn("{task.description:<8}", table_column=texts[0]), BarColumn(30),
                PositionColumn(texts[1]), SpeedColumn(texts[2]), TimeLeftColumn(texts[3]),
                console=self.rich, transient=True,
            )  # fmt: skip
            self._bar.start()
            self._task = self._bar.add_task(
                name, total=total or None, is_sound=is_sound and not is_bytes, is_bytes=is_bytes
            )

    def at(self, done: float) -> None:
        """The stage has come this far, in the unit of its total."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done)
        elif self.as_json and not self.quiet and (now := time.monotonic()) - self._reported >= REPORT_SECONDS:
            self._reported = now
            self._first = done if self._first is None else self._first  # what a download had before is not its speed
            new, elapsed = done - self._first, now - self._began
            left = _seconds_left(new, None if self._total is None else self._total - self._first, elapsed)
            self._line(
                event="progress", stage=self._stage, done=round(done, 3), total=self._total,
                speed=round(_pace(new, elapsed), 2), eta_seconds=None if left is None else round(left, 1),
            )  # fmt: skip

    def end(self) -> None:
        """End the stage; the bar disappears."""
        if self._bar is not None:
            with contextlib.suppress(OSError):  # the terminal has gone
                self._bar.stop()
            self._bar = self._task = None

    def event(self, **values: Any) -> None:
        """One JSON line on stderr, with --json only."""
        if self.as_json and not self.quiet:
            self._line(**values)

    def note(self, text: str) -> None:
        """Something the user should know although it went well."""
        if self.quiet:
            return
        if self.as_json:
            self._line(event="note", message=text)
        else:
            self._print(Text("note: ", style="yellow") + Text(printable(text)))

    def say(self, *lines: str) -> None:
        """Lines about what is or was done, for people."""
        if not self.quiet and not self.as_json:
            for line in lines:
                self._print(Text(printable(line)))

    def table(self, table: Table) -> None:
        """A table for people, on stdout because it is what was asked for."""
        if self.as_json:
            return
        table.box = box.SIMPLE_HEAD
        to_terminal = sys.stdout is not None and sys.stdout.isatty()
        # a file or a pipe has no width: nothing is cut off to fit it
        paper = RichConsole(highlight=False, width=None if to_terminal else 200)
        with paper.capture() as drawn:
            paper.print(table)
        self.out("\n".join(line.rstrip() for line in drawn.get().splitlines()).strip("\n"))

    def out(self, text: str) -> None:
        """Text on stdout, now. Whoever stopped reading has seen enough."""
        with contextlib.suppress(BrokenPipeError):
            print(text, flush=True, file=sys.stderr if self._stdout_is_taken else sys.stdout)

    def result(self, **values: Any) -> None:
        """The command's result: printed with --json only."""
        if self.as_json:
            self.out(_json(values))

    def error(self, message: str, exit_code: int) -> None:
        """The one line of a failure."""
        self.end()
        if self.as_json:
            with contextlib.suppress(OSError):  # the exit code says it too
                self.out(_json({"error": message, "exit_code": exit_code}))
        else:
            self._print(Text("cfork: ", style="bold red") + Text(printable(message)))

    def _print(self, text: Text) -> None:
        with contextlib.suppress(OSError):
            self.rich.print(text, soft_wrap=True)

    def _line(self, **values: Any) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError):
                print(_json(values), file=sys.stderr, flush=True)


class _Stderr(RichConsole):
    """Rich would end the program when nobody reads any more; the film is worth more than its progress bar."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def _json(values: Any) -> str:
    # ASCII: a file name may hold bytes that are no text, which standard output would refuse
    return json.dumps(_finite(values), allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with None for NaN and the infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pace(done: float, elapsed: float) -> float:
    """Seconds of sound a second, since the stage began."""
    return done / elapsed if elapsed > 0 else 0.0


def _seconds_left(done: float, total: float | None, elapsed: float) -> float | None:
    """Time until `total` at the pace so far; None where nothing can be said."""
    pace = _pace(done, elapsed)
    return max(total - done, 0.0) / pace if total and pace > 0 else None
