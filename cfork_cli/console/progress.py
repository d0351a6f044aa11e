"""The progress bar of a terminal: the parts of `console` that need rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from cfork_cli.text import clock, pace, seconds_left

EMPTY, DONE, FINISHED, SPEED = "bright_black", "cyan", "green", "green"
"""Colors that are seen on dark and on light terminals, and are none of those of errors and notes."""


def progress_bar(console: RichConsole, fields: Sequence[str] = ()) -> Progress:
    """Return the one bar that every command shows: the stage's name, a bar, how far it is, how fast, and the time left.

    Args:
        fields: of the task, shown in place of position, speed and time left.
    """

    def column() -> Column:  # narrow terminals give up the bar's width first, and never break the numbers
        return Column(no_wrap=True)

    told: list[ProgressColumn] = [PositionColumn(column()), SpeedColumn(column()), TimeLeftColumn(column())]
    if fields:
        told = [TextColumn(f"{{task.fields[{name}]}}", table_column=column()) for name in fields]
    name = TextColumn("{task.description:<8}", table_column=column())
    bar = BarColumn(30, style=EMPTY, complete_style=DONE, finished_style=FINISHED, pulse_style=DONE)
    return Progress(name, bar, *told, console=console, transient=True)


class PositionColumn(ProgressColumn):
    """Shows how far a stage is, of how much: "1:07 / 1:30:00"; only the first where the second is unknown."""

    def render(self, task: Task) -> Text:
        if not task.completed:
            return Text("")
        if task.fields["is_bytes"]:
            whole = f" / {task.total / 1e6:.1f}" if task.total else ""
            return Text(f"{task.completed / 1e6:.1f}{whole} MB", style="progress.download")
        write = clock if task.fields["is_sound"] else str
        whole = f" / {write(int(task.total))}" if task.total else ""
        return Text(write(int(task.completed)) + whole, style="progress.download")


class SpeedColumn(ProgressColumn):
    """Seconds of film a second: "12.3x"; of a download, "3.2 MB/s"."""

    def render(self, task: Task) -> Text:
        if task.fields["is_bytes"]:
            # of the last seconds: what an earlier attempt brought was not brought now
            return Text(f"{task.speed / 1e6:.1f} MB/s" if task.speed else "", style=SPEED)
        speed = pace(task.completed, task.elapsed or 0.0) if task.fields["is_sound"] else 0.0
        return Text((f"{speed:.1f}x" if speed < 100 else f"{speed:.0f}x") if speed else "", style=SPEED)


class TimeLeftColumn(ProgressColumn):
    """Time left at the pace so far: "0:35 left"."""

    def render(self, task: Task) -> Text:
        if task.fields["is_bytes"]:
            left = task.time_remaining
        else:
            left = seconds_left(task.completed, task.total, task.elapsed or 0.0)
        return Text("" if left is None else f"{clock(left)} left", style="progress.remaining")


class Stderr(RichConsole):
    """Rich would end the program when nobody reads any more; the film is worth more than its progress bar."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
