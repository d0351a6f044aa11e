"""Run a flow and print what it did, or with --dry-run what it would do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cfork_cli.console.console import Console
from cfork_cli.text import clock

if TYPE_CHECKING:
    from cfork_cli.flows.plans import RemixPlan, SeparatePlan
    from cfork_cli.flows.report import Result


def run_or_describe(
    console: Console,
    dry_run: bool,
    planned: Callable[[], AbstractContextManager[RemixPlan | SeparatePlan]],
    run: Callable[[], Result],
) -> None:
    """Carry a job out and print the result, or only plan it and print the plan.

    Raises:
        CforkError: whatever went wrong.
    """
    if not dry_run:
        show(run(), console)
        return
    with planned() as plan:
        console.end()
        console.say(*plan.describe())
        console.result(dry_run=True, **plan.facts())


def show(result: Result, console: Console) -> None:
    """Print what was done, and how fast."""
    for note in result.notes:
        console.note(note)
    seconds, elapsed = clock(result.seconds), clock(result.elapsed)
    console.say(f"wrote {result.done} ({seconds} of sound in {elapsed}, {result.speed:.1f} times real time)")
    console.result(**result.as_json())
