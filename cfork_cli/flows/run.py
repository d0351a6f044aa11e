"""Run a job, wherever the sound comes from and goes to: files, streams, pipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from cfork_cli.codecs.pipe_format import check_format, takes_picture
from cfork_cli.flows import early_torch
from cfork_cli.flows import remix as remixes
from cfork_cli.flows import separate as separations
from cfork_cli.flows.jobs import PipeOptions, RemixJob, SeparateJob
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.piece import cut_out
from cfork_cli.flows.plans import RemixPlan, SeparatePlan
from cfork_cli.flows.report import Report, Result, cancellable
from cfork_cli.flows.source import Source, source_of
from cfork_cli.media import pipes

Plan = TypeVar("Plan", RemixPlan, SeparatePlan)


@contextmanager
def planned_remix(
    job: RemixJob, options: PipeOptions, report: Report, *, only_plan: bool = True
) -> Iterator[RemixPlan]:
    """Plan a remix, all that can be checked before the work being checked; what came from a pipe is kept meanwhile.

    Args:
        only_plan: whether nothing will be written.

    Raises:
        InputError, OutputError, UsageError, FfmpegError, ModelError: see `cfork_cli.errors`.
    """
    if options.raw is not None and job.output is None:  # it is saved as a WAV, elsewhere, and that is remixed
        job = replace(job, output=job.input.with_name(f"{job.input.stem}.cfork{'.mka' if job.sidecar else '.wav'}"))
    if pipes.is_input_pipe(job.input):
        remixes.check_early(job)
    if not only_plan and job.changes:
        early_torch.begin()

    def plan(source: Source) -> RemixPlan:
        return remixes.plan_remix(replace(job, input=source.path), source, options)

    with ExitStack() as stack:
        source = stack.enter_context(source_of(job.input, job.output, options, report))
        source = replace(source, accept_damaged=job.accept_damaged)
        with_film = not pipes.is_output_pipe(job.output) or takes_picture(check_format(options.output_format))
        yield stack.enter_context(_planned(plan, job, source, report, with_film=with_film, only_plan=only_plan))


@contextmanager
def planned_separation(
    job: SeparateJob, options: PipeOptions, report: Report, *, only_plan: bool = True
) -> Iterator[SeparatePlan]:
    """Plan a separation into stems; see `planned_remix`."""
    if pipes.is_output_pipe(job.output):
        options = replace(options, output_format=job.format or "wav")
    if pipes.is_input_pipe(job.input):
        separations.check_early(job)
    if not only_plan:
        early_torch.begin()

    def plan(source: Source) -> SeparatePlan:
        return separations.plan_separate(replace(job, input=source.path), source, options)

    with ExitStack() as stack:
        source = stack.enter_context(source_of(job.input, job.output, options, report, sound_only=True))
        source = replace(source, accept_damaged=job.accept_damaged)
        with_film = separations.takes_film(job)
        yield stack.enter_context(_planned(plan, job, source, report, with_film=with_film, only_plan=only_plan))


@contextmanager
def _planned(
    plan: Callable[[Source], Plan],
    job: RemixJob | SeparateJob,
    source: Source,
    report: Report,
    *,
    with_film: bool,
    only_plan: bool,
) -> Iterator[Plan]:
    """Plan for the film, or for a piece of it, which is cut out when all else has been checked; report the notes."""

    def piece(*, only_plan: bool) -> AbstractContextManager[Source]:
        return cut_out(source, job.start, job.end, job.output, report, with_film=with_film, only_plan=only_plan)

    with ExitStack() as stack:
        if (job.start or job.end is not None) and not only_plan:
            with piece(only_plan=True) as whole:
                plan(whole)
        planned = plan(stack.enter_context(piece(only_plan=only_plan)))
        for note in planned.notes:
            report.note(note)
        yield planned


def remix(
    job: RemixJob,
    options: PipeOptions | None = None,
    report: Report | None = None,
    *,
    loaded: LoadedNetwork | None = None,
) -> Result:
    """Plan and carry out a remix.

    Args:
        loaded: a network that was loaded before, for many films.

    Raises:
        CforkError: whatever went wrong.
    """
    listener = cancellable(report)
    with planned_remix(job, options or PipeOptions(), listener, only_plan=False) as plan:
        return remixes.remix(plan, listener, loaded=loaded)


def separate(
    job: SeparateJob,
    options: PipeOptions | None = None,
    report: Report | None = None,
    *,
    loaded: LoadedNetwork | None = None,
) -> Result:
    """Plan and carry out a separation into stems; see `remix`."""
    listener = cancellable(report)
    with planned_separation(job, options or PipeOptions(), listener, only_plan=False) as plan:
        return separations.separate(plan, listener, loaded=loaded)
