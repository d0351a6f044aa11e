"""Output for people and machines: progress and notes on stderr, results on stdout.

stdout is for data alone. With `--json` it gets exactly one JSON object (the result, the plan, or the error), and
stderr gets a JSON object a line for stages, progress and notes; where sound goes to stdout, all goes to stderr.
Otherwise stderr shows a progress bar with speed and time left, if it is a terminal; a log file gets no bar. Nobody
reading stderr is no reason to stop the work.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sys
import time
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cfork_cli.errors import OutputError, nobody_reads
from cfork_cli.signals import NOTHING, what_was_written
from cfork_cli.text import pace, printable, printable_lines, seconds_left

if TYPE_CHECKING:  # rich takes as long to import as all the rest, and `--help` needs none of it
    from rich.console import Console as RichConsole
    from rich.progress import Progress, TaskID
    from rich.table import Table

REPORT_SECONDS = 1.0  # between two progress lines of --json


class Console:
    """Opened around one command; a stage at a time is shown.

    Args:
        quiet: nothing but errors (and the result of `--json`).
        as_json: one JSON object on stdout, progress as JSON lines on stderr.
        stdout_is_taken: sound or a film goes to stdout, so that the JSON object goes to stderr, last.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False, stdout_is_taken: bool = False) -> None:
        self.quiet, self.as_json, self._stdout_is_taken = quiet, as_json, stdout_is_taken
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage, self._began, self._reported = "", 0.0, 0.0
        self._total: float | None = None
        self._first: float | None = None

    @cached_property
    def rich(self) -> RichConsole:
        """Standard error, for what people see."""
        from cfork_cli.console.progress import Stderr

        return Stderr(stderr=True, highlight=False)

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
        elif _is_terminal() and self.rich.is_terminal and not self.rich.is_dumb_terminal:
            from cfork_cli.console.progress import progress_bar

            self._bar = progress_bar(self.rich)
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
            left = seconds_left(new, None if self._total is None else self._total - self._first, elapsed)
            self._line(
                event="progress", stage=self._stage, done=round(done, 3), total=self._total,
                speed=round(pace(new, elapsed), 2), eta_seconds=None if left is None else round(left, 1),
            )  # fmt: skip

    def rename(self, name: str, total: float | None) -> None:
        """Let the stage go on under another name and with another total."""
        self._stage, self._total = name, total
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=name, total=total or None)

    def end(self) -> None:
        """End the stage; the bar disappears."""
        if self._bar is not None:
            with contextlib.suppress(OSError):  # the terminal has gone
                self._bar.stop()
            self._bar = self._task = None

    def cancelled(self) -> bool:
        """Return False: a command is interrupted by a signal."""
        return False

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
            self._print(text, "note: ", "yellow")

    def failed(self, text: str) -> None:
        """One of several things went wrong; the others go on."""
        if not self.as_json:
            self._print(text, "failed: ", "bold red")

    def say(self, *lines: str) -> None:
        """Lines about what is or was done, for people."""
        if not self.quiet and not self.as_json:
            for line in lines:
                self._print(line)

    def table(self, table: Table) -> None:
        """A table for people, on stdout because it is what was asked for."""
        if self.as_json:
            return
        from cfork_cli.console.tables import drawn

        for column in table.columns:
            column._cells = [printable_lines(str(cell)) for cell in column.cells]
        place = sys.stderr if self._stdout_is_taken else sys.stdout
        terminal = place is not None and place.isatty()
        # a file or a pipe has no width: nothing is folded to fit it
        width = shutil.get_terminal_size().columns if terminal else None
        bold = terminal and os.environ.get("TERM") not in ("dumb", "unknown") and "NO_COLOR" not in os.environ
        unicode = (getattr(place, "encoding", None) or "ascii").lower().startswith("utf")
        self._put(drawn(table, width, bold=bold, unicode=unicode))

    def out(self, text: str) -> None:
        """Text on stdout, now. Whoever stopped reading has seen enough.

        Raises:
            OutputError: a full disk is behind it.
        """
        self._put(printable_lines(text))

    def _put(self, text: str) -> None:
        try:
            print(text, flush=True, file=sys.stderr if self._stdout_is_taken else sys.stdout)
        except OSError as error:
            if not nobody_reads(error):
                kept = what_was_written()
                words = f"standard output cannot be written ({error.strerror or error})"
                raise OutputError(words if kept == NOTHING else f"{words}: {kept}") from error

    def result(self, **values: Any) -> None:
        """The command's result: printed with --json only."""
        if self.as_json:
            self.out(_json(values))

    def error(self, message: str, exit_code: int, **found: Any) -> None:
        """The one line of a failure; with --json also what was found out all the same."""
        self.end()
        if self.as_json:
            try:
                self.out(_json({**found, "error": message, "exit_code": exit_code}))
            except OutputError:  # a full disk: somebody may read the other stream
                self._print(message, "cfork: ", "bold red")
        else:
            self._print(message, "cfork: ", "bold red")

    def _print(self, line: str, before: str = "", style: str = "") -> None:
        from rich.text import Text

        text = Text(before, style=style) + Text(printable(line).rstrip())
        with contextlib.suppress(OSError):
            self.rich.print(text, soft_wrap=True)

    def _line(self, **values: Any) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError):
                print(_json(values), file=sys.stderr, flush=True)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _json(values: Any) -> str:
    # ASCII: a file name may hold bytes that are no text, which standard output would refuse
    return json.dumps(_finite(values), allow_nan=False)


def _finite(value: Any) -> Any:
    """Return a value with None for NaN and the infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
