"""Do one film, in any process, with a network that stays loaded for the next."""

from __future__ import annotations

import time
from dataclasses import replace

from cfork_cli.batch.film import Film, Outcome, Status
from cfork_cli.batch.in_place import remix_in_place
from cfork_cli.batch.prints import fingerprint
from cfork_cli.errors import NO_MEMORY, CforkError, Interrupted, of_any
from cfork_cli.flows import network, run
from cfork_cli.flows.jobs import NetworkOptions, RemixJob
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.report import Cancellable, Report, Result, Silent
from cfork_cli.media.probe import probe


def do_film(film: Film, report: Report | None = None) -> Outcome:
    """Do a film, and return what came of it; what goes wrong with it is told there, and never raised."""
    began = time.monotonic()
    told = _Noting(report or Silent())
    try:
        result = _result(film, told)
        prints = {path: found for path in result.outputs if (found := fingerprint(path)) is not None}
        notes = tuple(dict.fromkeys((*told.notes, *result.as_json()["notes"])))
    except Exception as error:
        return replace(failure(film, error, elapsed=time.monotonic() - began), notes=tuple(dict.fromkeys(told.notes)))
    return Outcome(
        film, Status.done, outputs=result.outputs, notes=notes, seconds=result.seconds, elapsed=result.elapsed,
        facts=result.facts, prints=prints,
    )  # fmt: skip


class _Noting(Cancellable):
    """Passes everything on, and keeps the notes."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
        super().note(text)


def failure(film: Film, error: Exception, *, elapsed: float = 0.0) -> Outcome:
    """Return what came of a film that went wrong."""
    told = error if isinstance(error, CforkError) else _as_ours(error)
    status = Status.interrupted if isinstance(told, Interrupted) else Status.failed
    return Outcome(film, status, str(told), told.exit_code, elapsed=elapsed)


def _as_ours(error: Exception) -> CforkError:
    told = of_any(error)
    if str(told) == NO_MEMORY:
        return CforkError("there was not enough memory for this film: try fewer --jobs")
    return told


def _result(film: Film, listener: Report) -> Result:
    job = film.job
    if isinstance(job, RemixJob):
        loaded = _loaded(film, job, listener) if job.changes else None
        if film.in_place is not None:
            return remix_in_place(film, job, listener, loaded)
        return run.remix(job, report=listener, loaded=loaded)
    return run.separate(job, report=listener, loaded=_loaded(film, job, listener))


def _loaded(film: Film, job: NetworkOptions, report: Report) -> LoadedNetwork:
    """Return the network that a job asks for; a process keeps one."""

    def before() -> None:
        probe(film.input)  # to load a network takes longer than to find out that this is no film
        report.stage("load")

    return network.kept(job.model, job.device, job.precision, before)
