"""`cfork watch`."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfork_cli.commands import completion
from cfork_cli.commands.desk import DialogGain, Duck, EffectsGain, MusicGain, Night, PresetName, SpeechBoost
from cfork_cli.commands.many import Exclude, Include, Jobs, Recursive
from cfork_cli.commands.options import (
    AcceptDamaged,
    Device,
    DeviceOption,
    Force,
    Json,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Tracks,
)
from cfork_cli.console.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cfork_cli.batch.arrivals import Arrivals
    from cfork_cli.batch.film import Film, Outcome
    from cfork_cli.batch.find import Found
    from cfork_cli.flows.jobs import RemixJob


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to watch.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write new films into this folder, in folders as in the one that is watched. "
            "[default: only the sound, beside each film, for players to find]",
            show_default=False,
        ),
    ] = None,
    dialog: DialogGain = None,
    music: MusicGain = None,
    effects: EffectsGain = None,
    preset: PresetName = None,
    speech_boost: SpeechBoost = None,
    duck: Duck = None,
    night: Night = None,
    loudness: Annotated[
        str | None,
        typer.Option(metavar="LUFS|keep|dialogue:LUFS", help="Loudness of the new sound.", show_default=False),
    ] = None,
    track: Tracks = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Codec of the new sound. [default: that of the old one]",
            show_default=False,
            autocompletion=completion.codecs,
        ),
    ] = None,
    bitrate: Annotated[
        str | None, typer.Option(metavar="RATE", help="Bit rate of the new sound, such as 320k.", show_default=False)
    ] = None,
    recursive: Recursive = False,
    include: Include = None,
    exclude: Exclude = None,
    once: Annotated[bool, typer.Option("--once", help="Do what is complete now or soon, and end: for cron.")] = False,
    settle: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="How long a film must stay unchanged before it is taken."),
    ] = 10.0,
    poll: Annotated[
        bool,
        typer.Option("--poll", help="Look every few seconds: for network shares, whose changes nobody tells."),
    ] = False,
    jobs: Jobs = 1,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    force: Force = False,
    accept_damaged: AcceptDamaged = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remix every film that arrives in a folder.

    A film is taken when it is complete: its size has not changed for --settle seconds, and nobody writes to it. Beside
    it comes its new sound alone (movie.eng.cfork.mka), which Jellyfin, Kodi, Plex and mpv offer as one more track; the
    films are never touched. What is done is not done again, after a restart neither. A film that fails is reported
    once, and tried again when it changes. Ctrl-C or SIGTERM ends it.

    Example: cfork watch /media/films --recursive --preset clear-speech
    """
    from cfork_cli.api.films import settings
    from cfork_cli.batch.arrivals import Arrivals
    from cfork_cli.codecs.bit_rate import parse_bit_rate
    from cfork_cli.errors import InputError, OutputError, Told, UsageError
    from cfork_cli.flows.jobs import RemixJob
    from cfork_cli.flows.remix import check_early
    from cfork_cli.mix.normalize import parse_loudness

    with Console(quiet=quiet, as_json=as_json) as console:
        if not folder.is_dir():
            raise InputError(f"'{folder}' is not a folder: name the one to watch")
        if output is not None and output.exists() and not output.is_dir():
            raise OutputError(f"'{output}' is a file: give a folder with -o")
        words = (dialog, music, effects, preset, speech_boost, duck or None, night, loudness)
        if all(word is None for word in words):
            raise UsageError("nothing to change: give new levels, such as --dialog +6 --music -10")
        made = settings(
            preset, (dialog, music, effects), (None, None, None), (None, None, None), speech_boost, duck or None, night,
            loudness, codec, bitrate,
        )  # fmt: skip
        job = RemixJob(
            input=folder, output=None, gains_db=made.all_gains_db, tracks=tuple(track or ()), codec=made.codec,
            bit_rate=None if made.bitrate is None else parse_bit_rate(made.bitrate), sidecar=output is None,
            model=model, device=device.value, precision=precision.value, force=force, accept_damaged=accept_damaged,
            loudness=parse_loudness(made.loudness), processing=made.processing, preset=preset,
        )  # fmt: skip
        check_early(job)
        arrivals = Arrivals(
            folder, recursive=recursive, include=include or (), exclude=exclude or (), output=output,
            settle_seconds=settle,
        )  # fmt: skip
        counts: Counter[str] = Counter()
        try:
            _watch(arrivals, folder, job, output, console, counts, jobs=jobs, once=once, poll=poll, settle=settle)
        except KeyboardInterrupt:
            console.say(f"stopped: {counts['done']} done, {counts['failed']} failed; what is done stays")
            console.result(**{name: counts[name] for name in ("done", "unchanged", "failed")})
            raise Told("stopped") from None
        console.result(**{name: counts[name] for name in ("done", "unchanged", "failed")})
        if counts["failed"]:
            raise typer.Exit(1)


def _watch(
    arrivals: Arrivals, folder: Path, job: RemixJob, output: Path | None, console: Console,
    counts: Counter[str], *, jobs: int, once: bool, poll: bool, settle: float,
) -> None:  # fmt: skip
    """Take films as they come; with `once`, until none is left that is not complete."""
    from cfork_cli.errors import InputError

    console.say(f"watching '{folder}'" if not once else f"looking into '{folder}'")
    gone = False
    for _ in _moments(folder, settle, poll=poll or once):
        try:
            found = arrivals.look()
        except InputError as error:
            if once:
                raise
            if not gone:
                console.note(f"{error}: waiting for it")
            gone = True
            continue
        gone = False
        for outcome in _done(found, job, output, console, jobs):
            counts[str(outcome.status)] += 1
        if once and not arrivals.waiting:
            return


def _moments(folder: Path, settle: float, *, poll: bool) -> Iterator[None]:
    """Yield whenever it is worth to look: at once, when something has changed, and every few seconds."""
    pause = min(max(settle / 2, 0.2), 5.0)
    if not poll:
        yield from _changes(folder, pause)
    while True:
        yield
        time.sleep(pause)


def _changes(folder: Path, pause: float) -> Iterator[None]:
    """Yield as the system tells of changes; end where it cannot."""
    from watchfiles import watch as changes

    yield
    try:
        # a film that is complete changes no more, so time passing counts too
        for _ in changes(folder, rust_timeout=round(pause * 1000), yield_on_timeout=True, watch_filter=None):
            yield
    except (OSError, RuntimeError):  # no more watches are to be had, or the folder has gone
        return


def _done(found: Sequence[Found], job: RemixJob, output: Path | None, console: Console, jobs: int) -> Iterator[Outcome]:
    """Do films, and print a line about each."""
    from contextlib import closing

    from cfork_cli.batch.engine import Workers
    from cfork_cli.batch.film import Finished
    from cfork_cli.batch.run import Batch
    from cfork_cli.commands.many import tell
    from cfork_cli.flows.resources import cores, free_memory, possible_jobs

    if not found:
        return
    films = [_film(one, job, output) for one in found]
    batch = Batch(films)
    possible = possible_jobs(min(jobs, max(len(batch.to_do), 1)), free_memory())
    with (
        Workers(None if possible == 1 else max(1, cores() // possible)) as engine,
        closing(batch.run(engine, possible)) as events,  # type: ignore[type-var]
    ):
        for event in events:
            if isinstance(event, Finished):
                tell(event.outcome, console)
                yield event.outcome


def _film(found: Found, job: RemixJob, output: Path | None) -> Film:
    from dataclasses import replace

    from cfork_cli.batch.film import Film
    from cfork_cli.output.destination import beside

    target = None if output is None else beside(found.target(output) / found.path.name, f".cfork{found.path.suffix}")
    return Film(replace(job, input=found.path, output=target))
