"""What many films would take: which are to do, how long their sound is, how much disk they need."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cfork_cli.batch.film import Film, Outcome
from cfork_cli.batch.one import failure
from cfork_cli.errors import CforkError
from cfork_cli.flows import run
from cfork_cli.flows.jobs import PipeOptions, RemixJob
from cfork_cli.flows.plans import RemixPlan, SeparatePlan
from cfork_cli.flows.report import Silent
from cfork_cli.flows.source import existing
from cfork_cli.leftovers import Temporary
from cfork_cli.media.probe import probe


@dataclass(frozen=True)
class Forecast:
    """What one film would take.

    Attributes:
        seconds: of sound; None where the film does not tell.
        size: bytes that are written, about.
        outputs: the files.
        notes: what the user should know.
        refused: why it cannot be done; None if it can.
    """

    seconds: float | None = None
    size: float = 0.0
    outputs: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    refused: Outcome | None = None


def length_of(film: Film) -> float | None:
    """Return how many seconds a film has; None where it does not tell, or cannot be read."""
    try:
        return probe(film.input).duration_seconds
    except (CforkError, OSError):
        return None


def forecast(film: Film) -> Forecast:
    """Do every check of a film that needs no heavy work, and return what it would take."""
    try:
        job = film.job
        if isinstance(job, RemixJob):
            if film.in_place is not None:
                job = replace(job, input=film.in_place.original or job.input, output=_hidden(job.input))
            with _folders_made(film), run.planned_remix(job, PipeOptions(), Silent()) as remix:
                outputs = (film.input,) if film.in_place is not None else tuple(path for path, _ in remix.outputs)
                return Forecast(remix.media.duration_seconds, _remix_size(remix), outputs, remix.notes)
        with _folders_made(film), run.planned_separation(job, PipeOptions(), Silent()) as stems:
            return Forecast(stems.media.duration_seconds, _stems_size(stems), stems.paths, stems.notes)
    except (CforkError, OSError) as error:
        return Forecast(refused=failure(film, error))


def _hidden(film: Path) -> Path:
    """Return a name as that under which a film is made that takes the place of another."""
    with Temporary(film.parent, film.suffix) as temporary:
        return temporary.path


def room_left(films: Sequence[Film]) -> int | None:
    """Return the bytes that are free where the films go, on the fullest of the disks; None if that cannot be told."""
    try:
        return min(shutil.disk_usage(existing(film.folder / "x")).free for film in films)
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def _folders_made(film: Film) -> Iterator[None]:
    """Make the folder of an output while its place is checked; one that another puts something into stays."""
    missing = [one for one in (film.folder, *film.folder.parents) if not one.exists()]
    try:
        film.folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):  # somebody put something into it, or it could not be made
                folder.rmdir()


def _remix_size(plan: RemixPlan) -> float:
    """Return the bytes of new films: what is copied, and the new tracks at the bit rate that they are planned with."""
    whole, seconds = plan.media.path.stat().st_size, plan.media.duration_seconds or 0.0
    share = 1.0 if plan.source.span is None or not seconds else (plan.source.seconds(plan.media) or 0.0) / seconds
    size = 0.0
    for _, film in plan.outputs:
        new = sum((one.codec.bit_rate or one.source.bit_rate or 0) / 8 * seconds for one in film.new)
        old = sum((one.source.bit_rate or 0) / 8 * seconds for one in film.new if not one.beside)
        size += share * (new if film.alone else max(whole - old, 0.0) + new)
    return size


def _stems_size(plan: SeparatePlan) -> float:
    """Return the bytes of stems: of samples, or at the codec's bit rate; of those that are packed, the most."""
    track, form = plan.track, plan.format
    rate, channels = (16_000, 1) if plan.job.purpose else (track.sample_rate or 0, track.channels or 0)
    bits = form.bits if form is not None and form.bits else 32
    a_second = rate * channels * bits / 8
    if form is not None and form.codec is not None and form.codec.bit_rate:
        a_second = form.codec.bit_rate / 8
    size = a_second * (plan.source.seconds(plan.media, track) or 0.0) * len(plan.sounds)
    return size + (plan.media.path.stat().st_size if plan.picture else 0.0)
