"""`--dry-run` of many films: which would be done, how long it would take, and how much disk."""

from __future__ import annotations

from typing import Any

import typer

from cfork_cli.batch.film import Outcome, Status
from cfork_cli.batch.forecast import Forecast, forecast, room_left
from cfork_cli.batch.run import Batch
from cfork_cli.commands.summary import table, written
from cfork_cli.console.console import Console
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.flows.resources import network_speed
from cfork_cli.text import clock, size


def foretell(batch: Batch, console: Console) -> None:
    """Say what would be done: which films, how long it would take, and how much disk."""
    films = [decision.film for decision in batch.decisions]
    console.stage("plan", len(films), is_sound=False)
    found: dict[int, Forecast] = {}
    facts: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    for number, decision in enumerate(batch.decisions):
        settled: Outcome | None = decision.settled
        if settled is None:
            found[number] = forecast(decision.film)
            settled = found[number].refused
        console.at(number + 1)
        if settled is not None:
            word = "unchanged" if settled.status is Status.unchanged else "refused"
            facts.append({**settled.as_json(), "status": word})
            rows.append((str(decision.film.input), word, "", "", settled.reason))
            found.pop(number, None)
            continue
        one = found[number]
        length = "" if one.seconds is None else clock(one.seconds)
        facts.append({
            "input": str(decision.film.input), "status": "to do", "outputs": [str(path) for path in one.outputs],
            "duration_seconds": one.seconds, "size_bytes": round(one.size), "notes": list(one.notes),
        })  # fmt: skip
        outputs = Outcome(decision.film, Status.done, outputs=one.outputs)
        rows.append((str(decision.film.input), "to do", length, size(one.size), written(outputs)))
    seconds, needed = sum(one.seconds or 0.0 for one in found.values()), sum(one.size for one in found.values())
    job = films[next(iter(found))].job if found else None
    speed, how = batch.speed, "as such films were done here before"
    if job is not None and speed is None and (not isinstance(job, RemixJob) or job.changes):
        console.stage("try", is_sound=False)
        speed, how = network_speed(job), "as fast as the network is here by itself"
    console.end()
    free = room_left([films[number] for number in found]) if found else None
    refused = sum(fact["status"] == "refused" for fact in facts)
    console.result(
        dry_run=True, films=facts, duration_seconds=round(seconds, 3), size_bytes=round(needed), free_bytes=free,
        speed=speed and round(speed, 2), expected_seconds=round(seconds / speed, 3) if speed else None,
    )  # fmt: skip
    if not console.quiet:
        table(console, ("film", "", "length", "size", "what"), rows)
    time_needed = f" about {clock(seconds / speed)} ({speed:.1f} times real time, {how})" if speed else " little time"
    room = "" if free is None else f" of {size(free)} that are free"
    console.say(
        f"{len(found)} to do, {len(rows) - len(found) - refused} unchanged, {refused} refused: "
        f"{clock(seconds)} of sound,{time_needed}, about {size(needed)} of disk{room}"
    )
    if free is not None and needed > free:
        console.note(f"the disk has room for {size(free)}, and about {size(needed)} are needed")
    if refused:
        raise typer.Exit(1)
