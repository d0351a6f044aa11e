"""Dub films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cfork_cli.api.progress import Event, Progress, report_to
from cfork_cli.text import moment

if TYPE_CHECKING:
    import os

    from cfork_cli.api.separator import Separator
    from cfork_cli.flows.report import Result

    Name = str | os.PathLike[str]


def dub(
    input: Name,
    voices: Name | Sequence[Name | tuple[Name, float | str]] = (),
    *,
    language: str | None = None,
    output: Name | None = None,
    level: float = 0.0,
    title: str | None = None,
    default: bool = False,
    track: int | str | None = None,
    codec: str | None = None,
    bitrate: int | str | None = None,
    model: str = "cfork",
    device: str = "auto",
    precision: str = "auto",
    input_lufs: float | None = None,
    overwrite: bool = False,
    separator: Separator | None = None,
    progress: Callable[[Progress], object] | None = None,
    cancel: Event | None = None,
) -> Result:
    """Add a track of a film's music and effects with other voices; see `cfork dub --help`.

    Args:
        voices: sound files, each alone or with the time at which it begins ("line.wav", 62.5); none adds music and
            effects alone.
        language: such as "spa" or "Spanish".
        output: the new film; an .mka file holds the new track alone. None is `movie.cfork.mkv` beside `movie.mkv`.
        level: of the voices over the loudness of the old dialogue, in dB.
        track, codec, bitrate, model, ..., cancel: see `remix`.

    Raises:
        CforkError: whatever went wrong; no output exists then, or it is what it was before.
    """
    from cfork_cli.flows import dub as dubs
    from cfork_cli.flows import run

    given = [voices] if isinstance(voices, str) or not isinstance(voices, Sequence) else list(voices)
    placed = [(Path(one[0]), moment(one[1]) or 0.0) if isinstance(one, tuple) else (Path(one), 0.0) for one in given]
    film = dubs.film_job(
        Path(input), None if output is None else Path(output), language=language, title=title, default=default,
        track=None if track is None else str(track), codec=codec, bitrate=None if bitrate is None else str(bitrate),
        model=model if separator is None else separator.network.model, device=device, precision=precision,
        input_lufs=input_lufs, force=overwrite, with_voices=bool(placed),
    )  # fmt: skip
    report, loaded = report_to(progress, cancel), None if separator is None else separator.network
    if not placed:
        return run.remix(film, report=report, loaded=loaded)
    return dubs.dub(dubs.DubJob(film, tuple(placed), level), report, loaded=loaded)
