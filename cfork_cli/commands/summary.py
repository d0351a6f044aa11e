"""What came of many films: the table at the end, and the report of --json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from cfork_cli.batch.film import Outcome, Status
from cfork_cli.batch.run import Batch
from cfork_cli.console.console import Console
from cfork_cli.errors import Interrupted
from cfork_cli.text import clock, printable


def summary(
    batch: Batch, outcomes: dict[int, Outcome], console: Console, elapsed: float, jobs: int, interrupted: bool
) -> Counter[str]:
    """Print the table of what came of the films, or the report; returns how many came to what."""
    told = [
        outcomes.get(number) or Outcome(decision.film, Status.interrupted, "not done", Interrupted.exit_code)
        for number, decision in enumerate(batch.decisions)
    ]
    counts = Counter(str(outcome.status) for outcome in told)
    seconds = sum(outcome.seconds for outcome in told)
    code = Interrupted.exit_code if interrupted else int(bool(counts["failed"]))
    console.result(
        films=[outcome.as_json() for outcome in told], **{str(status): counts[status] for status in Status},
        jobs=jobs or None, processed_seconds=round(seconds, 3), elapsed_seconds=round(elapsed, 3),
        speed=round(seconds / elapsed, 2) if elapsed else 0.0, exit_code=code,
    )  # fmt: skip
    if not console.quiet:
        rows = [_row(outcome) for outcome in told if outcome.status is not Status.unchanged]
        if len(rows) > 1:
            table(console, ("film", "", "sound", "took", "speed", "what"), rows)
        words = [f"{counts[status]} {status}" for status in Status if counts[status]]
        speed = f", {seconds / elapsed:.1f} times real time" if seconds else ""
        console.say(f"{', '.join(words)}: {clock(seconds)} of sound in {clock(elapsed)}{speed}")
        if interrupted:
            console.say("interrupted: what is done stays, and the same command goes on from here")
    return counts


def _row(outcome: Outcome) -> tuple[str, ...]:
    if outcome.status is not Status.done:
        return str(outcome.film.input), str(outcome.status), "", "", "", outcome.reason
    speed = f"{outcome.seconds / outcome.elapsed:.1f}x" if outcome.elapsed and outcome.seconds else ""
    return (
        str(outcome.film.input), "done", clock(outcome.seconds), clock(outcome.elapsed), speed, written(outcome)
    )  # fmt: skip


def table(console: Console, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*names)
    for row in rows:
        table.add_row(*map(printable, row))
    console.table(table)


def written(outcome: Outcome) -> str:
    """Return the files that were written, those of a folder by the folder."""
    folders = {path.parent for path in outcome.outputs}
    if len(outcome.outputs) > 1 and len(folders) == 1:
        return f"{len(outcome.outputs)} files in {folders.pop()}"
    return ", ".join(map(str, outcome.outputs))


def how_fast(outcome: Outcome) -> str:
    speed = f", {outcome.seconds / outcome.elapsed:.1f} times real time" if outcome.elapsed and outcome.seconds else ""
    return f"{clock(outcome.seconds)} of sound in {clock(outcome.elapsed)}{speed}"
