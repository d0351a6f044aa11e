"""`cfork plot`: a film's sound at a glance, by a pass of the network."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cfork_cli.errors import UsageError, found_already
from cfork_cli.flows.checks import check_levels, check_model
from cfork_cli.flows.jobs import PipeOptions
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.piece import span_of
from cfork_cli.flows.plans import levels
from cfork_cli.flows.report import Report, Result, cancellable
from cfork_cli.flows.source import Piece, source_of
from cfork_cli.flows.stem_levels import ListenJob, stem_levels
from cfork_cli.media.pipes import is_output_pipe
from cfork_cli.mix.gains import weight
from cfork_cli.mix.spectrum import Spectrogram
from cfork_cli.output.destination import check_destination, write_whole_bytes
from cfork_cli.text import SPOKEN_ORDER

KINDS = (".png", ".svg", ".pdf")
COLUMNS = 900
THEMES = ("light", "dark")


@dataclass(frozen=True)
class PlotJob:
    """A picture of a film's sound.

    Attributes:
        output: None is `movie.sound.png` beside `movie.mkv`.
        gains_db: of the remix whose spectrogram is drawn below the film's; all 0: that of the dialogue is drawn.
        theme: "light" or "dark".
    """

    input: Path
    output: Path | None
    listen: ListenJob
    gains_db: dict[str, float]
    theme: str = "light"
    force: bool = False


def plot(job: PlotJob, report: Report | None = None, *, loaded: LoadedNetwork | None = None) -> Result:
    """Listen to a track, and draw what was heard.

    Raises:
        UsageError: the picture would be of another kind, or matplotlib is missing.
        CforkError: whatever else went wrong; there is no picture then.
    """
    began, listener = time.monotonic(), cancellable(report)
    output = job.output or job.input.with_name(f"{job.input.stem}.sound.png")
    _check(job, output)
    with source_of(job.input, output, PipeOptions(), listener) as whole:
        media = whole.media
        span = span_of(job.listen.start, job.listen.end, media)
        source = whole if span is None else replace(whole, piece=Piece(span))
        track = source.track(media, job.listen.track)
        seconds = source.seconds(media, track)
        rate = track.sample_rate or 0
        before, after = (Spectrogram(rate, (seconds or 600) / COLUMNS) for _ in range(2))
        changed = any(job.gains_db.values())
        weights = np.array([weight(job.gains_db[stem]) for stem in SPOKEN_ORDER], np.float32)

        def heard(sounds: np.ndarray) -> None:
            film = sounds[0] + sounds[-1]
            before.push(film)
            after.push(film + np.tensordot(weights, sounds[:3], 1) if changed else sounds[0])

        found = stem_levels(source, media, track, job.listen, listener, loaded=loaded, listeners=[heard])
    from cfork_cli.flows.picture import Drawn, draw

    title = f"{job.input.name}, track {track.number + 1}"
    name = f"remix: {levels(job.gains_db, changed_only=True)}" if changed else "dialogue alone"
    start = span.begin if span is not None else 0.0
    listener.stage("draw")
    facts = {"input": str(job.input), "theme": job.theme, **found.facts()}
    with found_already(**facts):
        write_whole_bytes(output, draw(Drawn(title, found, before, after, name, start), job.theme, output.suffix))
    listener.end()
    long = len(found.powers["dialogue"]) / 10
    return Result((output,), facts | {"output": str(output)}, (), long, time.monotonic() - began, str(output))


def _check(job: PlotJob, output: Path) -> None:
    if is_output_pipe(output):
        raise UsageError("a picture goes into a file: give -o film.png or film.svg")
    if output.suffix.lower() not in KINDS:
        raise UsageError(f"'{output.name}' is not a kind of picture: give {', '.join(KINDS)}")
    if job.theme not in THEMES:
        raise UsageError(f"'{job.theme}' is not a theme: choose {' or '.join(THEMES)}")
    try:
        import matplotlib  # noqa: F401  # before the work
    except ImportError as error:
        raise UsageError("pictures need the package 'matplotlib': pip install 'cfork[plot]'") from error
    check_model(job.listen.model)
    check_levels(job.listen.model, not any(job.gains_db.values()))
    check_destination(output, source=job.input, force=job.force)
