"""`cfork watch`: its options and help, and one line for each film."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfork_cli.commands.desk import (
    DialogFilters,
    DialogGain,
    DialogReverb,
    Duck,
    EffectsFilters,
    EffectsGain,
    EffectsReverb,
    MusicFilters,
    MusicGain,
    MusicReverb,
    Night,
    PresetName,
    SpeechBoost,
)
from cfork_cli.commands.many import Exclude, Include, Jobs, Recursive
from cfork_cli.commands.options import (
    AcceptDamaged,
    Device,
    DeviceOption,
    InputLufs,
    Json,
    Model,
    Precision,
    PrecisionOption,
    Quiet,
    Tracks,
)
from cfork_cli.commands.sound import BitRate, Codec, Fold, LoudnessGoalOption, Title
from cfork_cli.console.console import Console

if TYPE_CHECKING:
    from cfork_cli.batch.film import Event, Outcome
    from cfork_cli.batch.find import Found
    from cfork_cli.batch.run import Batch
    from cfork_cli.batch.watching import Watching

POLL_SECONDS = {True: 60.0, False: 10.0}
"""How often to look where events come, and where they do not."""


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that films come into.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            show_default=False,
            help="A folder for whole new films, in the same tree. [default: only the sound, beside the film, "
            "for players to find: movie.eng.cfork.mka]",
        ),
    ] = None,
    dialog: DialogGain = None,
    music: MusicGain = None,
    effects: EffectsGain = None,
    preset: PresetName = None,
    dialog_fx: DialogFilters = None,
    music_fx: MusicFilters = None,
    effects_fx: EffectsFilters = None,
    dialog_reverb: DialogReverb = None,
    music_reverb: MusicReverb = None,
    effects_reverb: EffectsReverb = None,
    speech_boost: SpeechBoost = None,
    duck: Duck = None,
    night: Night = None,
    track: Tracks = None,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="With -o: add the new track beside the old one.")
    ] = False,
    title: Title = None,
    codec: Codec = None,
    bitrate: BitRate = None,
    downmix: Fold = None,
    loudness: LoudnessGoalOption = None,
    recursive: Recursive = False,
    include: Include = None,
    exclude: Exclude = None,
    jobs: Jobs = 1,
    settle: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="A film is complete when nothing about it has changed for so "
            "long, no process writes it, and no .part or .aria2 stands beside it.",
        ),
    ] = 20.0,
    poll: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            show_default=False,
            help="How often to look where no events come, as "
            "on network shares. [default: 60; 10 without the extra 'watch']",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Do the films that are complete now, and leave: for cron and timers.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Begin with films that failed before.")] = False,
    model: Model = "cfork",
    device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.auto,
    input_lufs: InputLufs = None,
    accept_damaged: AcceptDamaged = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Wait for new films in a folder, and give each new levels when it is complete.

    Films are never written: the new sound comes beside them, as media servers and players find it, or whole new films
    go to another folder. What is done is not done again. A film that fails is told once, and tried again only when it
    changes; after a full disk or a lost share three times. --json prints a JSON object for each film on stdout.

    Example: cfork watch /srv/films -r --preset clear-speech

    Example: cfork watch incoming/ --dialog +6 -o louder/ --once
    """
    from cfork_cli.api.films import job_of, settings
    from cfork_cli.batch.watching import Watching
    from cfork_cli.commands.remix import film_of
    from cfork_cli.errors import InputError, Told, UsageError
    from cfork_cli.flows.remix import check_early

    with Console(quiet=quiet, as_json=as_json) as console:
        effects_asked = (preset, dialog_fx, music_fx, effects_fx, dialog_reverb, music_reverb, effects_reverb)
        words = (dialog, music, effects, *effects_asked, speech_boost, duck or None, night, downmix, loudness)
        if all(word is None for word in words):
            raise UsageError("nothing to change: give new levels, such as --dialog +6 --music -10")
        if not folder.is_dir():
            raise InputError(f"'{folder}' is no folder: name the one that films come into")
        if output is not None and output.exists() and not output.is_dir():
            raise UsageError(f"'{output}' is a file: give a folder, such as -o OUT/")
        if keep_original and output is None:
            raise UsageError("--keep-original goes with -o: without it, only the new sound is written, beside the film")
        made = settings(
            preset, (dialog, music, effects), (dialog_fx, music_fx, effects_fx),
            (dialog_reverb, music_reverb, effects_reverb), speech_boost, duck or None, night, loudness, codec, bitrate,
        )  # fmt: skip
        job = job_of(
            folder, made, preset, None, track or (), downmix=downmix is not None, keep_original=keep_original,
            sidecar=output is None, title=title, model=model, device=device.value, precision=precision.value,
            input_lufs=input_lufs, accept_damaged=accept_damaged,
        )  # fmt: skip
        check_early(job)
        watching = Watching(
            lambda found: film_of(job, found, None if output is None else found.target(output), None),
            settle=settle, failures=output, retry=retry,
        )  # fmt: skip
        loop = _Loop(folder, output, recursive, include or (), exclude or (), jobs, watching, console)
        try:
            if once:
                loop.once()
            else:
                loop.forever(poll)
        except KeyboardInterrupt:
            console.end()
            console.say("stopped: what is done stays, and the next start goes on from here")
            raise Told("interrupted") from None


class _Loop:
    """Looks at the folder, and does what is ready."""

    def __init__(
        self,
        folder: Path,
        output: Path | None,
        recursive: bool,
        include: list[str] | tuple[()],
        exclude: list[str] | tuple[()],
        jobs: int,
        watching: Watching,
        console: Console,
    ) -> None:
        self._folder, self._output, self._recursive = folder, output, recursive
        self._include, self._exclude, self._jobs = include, exclude, jobs
        self._watching, self._console = watching, console
        self._failed = 0
        self._lost = False

    def once(self) -> None:
        """Do the films that are complete now.

        Raises:
            typer.Exit: with 1, where a film failed.
        """
        self._look()
        for path in self._watching.waiting:
            self._console.note(f"{path}: not complete yet, left for the next time")
        if self._failed:
            raise typer.Exit(1)

    def forever(self, poll: float | None) -> None:
        """Do films as they come, until an interruption."""
        from cfork_cli.batch.changes import TICK_SECONDS, Changes, has_events

        every = poll or POLL_SECONDS[has_events()]
        how = "by events, and a look" if has_events() else "by a look"
        self._console.say(f"watching {self._folder} ({how} every {every:g} s)")
        changes = Changes(self._folder, recursive=self._recursive)
        while True:
            self._look()
            due = time.monotonic() + every
            while time.monotonic() < due:
                if changes.wait(min(TICK_SECONDS, every)) or self._watching.waiting:
                    break

    def _look(self) -> None:
        """Do the films that are ready."""
        found = self._found()
        if found is None:
            return
        batch = self._watching.ready(found, time.monotonic(), time.time())
        if batch is not None:
            self._do(batch)

    def _found(self) -> list[Found] | None:
        """Return the films that are there; None where the folder is not."""
        from cfork_cli.batch.find import find
        from cfork_cli.errors import CforkError, UsageError
        from cfork_cli.media.containers import is_sound

        try:
            found = find(
                [str(self._folder)] if self._folder.is_dir() else [], recursive=self._recursive,
                include=self._include, exclude=self._exclude, output=self._output,
            )  # fmt: skip
        except UsageError:  # there is none
            found = []
        except (CforkError, OSError) as error:
            self._lose(str(error))
            return None
        if not self._folder.is_dir():
            self._lose(f"'{self._folder}' is gone")
            return None
        if self._lost:
            self._console.note(f"'{self._folder}' is there again")
            self._lost = False
        return [one for one in found if self._include or not is_sound(one.path.suffix)]

    def _lose(self, why: str) -> None:
        if not self._lost:
            self._console.note(f"{why}: waiting until it is there again")
        self._lost = True

    def _do(self, batch: Batch) -> None:
        """Do films, and say a line about each."""
        from cfork_cli.batch.engine import sharing
        from cfork_cli.batch.film import Finished, Moved, Started

        jobs = batch.possible_jobs(self._jobs)
        with sharing(jobs) as engine:  # what is idle keeps no memory
            told: set[int] = set()
            try:
                with closing(batch.run(engine, jobs)) as events:  # type: ignore[type-var]
                    for event in events:
                        if isinstance(event, Started):
                            self._console.stage(batch.decisions[event.number].film.input.name)
                        elif isinstance(event, Moved) and event.total:
                            self._console.rename(batch.decisions[event.number].film.input.name, event.total)
                            self._console.at(event.done)
                        self._note(batch, event)
                        told.update([event.number] if isinstance(event, Finished) else ())
            finally:
                for late in batch.late:
                    if late.number not in told:
                        self._note(batch, late)

    def _note(self, batch: Batch, event: Event) -> None:
        """Take note of an event, and say what there is to say."""
        outcome, more = self._watching.finished(batch, event)
        if outcome is not None:
            self._console.end()
            self._tell(outcome, more)

    def _tell(self, outcome: Outcome, more: str) -> None:
        from cfork_cli.batch.film import Status
        from cfork_cli.commands.summary import how_fast, written

        self._console.result(event="film", **outcome.as_json(), **({"then": more} if more else {}))
        if outcome.status is Status.failed:
            self._failed += 1
            self._console.failed(f"{outcome.film.input}: {outcome.reason} ({more})")
        else:
            notes = "".join(f"; {note}" for note in outcome.notes)
            self._console.say(f"done: {outcome.film.input}: wrote {written(outcome)} ({how_fast(outcome)}){notes}")
