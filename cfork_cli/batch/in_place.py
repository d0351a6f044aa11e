"""A remix in place: the new film takes the old one's name, when it is complete and has been read back.

The old film stays as movie.mkv.bak, unless told otherwise. At every moment its name names a whole film: the old one
gets its second name first (a hard link: both names are one file; a copy where the disk has no links), then the new film
takes the first one in one step.

Other hard links of a film keep the old one. A symbolic link stays, and the film that it points to is replaced. A film
that may not be written is left alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

from cfork_cli.batch.film import Film
from cfork_cli.batch.journal import Journal
from cfork_cli.batch.prints import Print, fingerprint
from cfork_cli.errors import CforkError, FfmpegError, InputError, OutputError
from cfork_cli.flows import remix as remixes
from cfork_cli.flows.jobs import PipeOptions, RemixJob
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.plans import RemixPlan
from cfork_cli.flows.report import Report, Result
from cfork_cli.flows.run import planned_remix
from cfork_cli.input.decode import decode
from cfork_cli.leftovers import Temporary
from cfork_cli.media.probe import probe
from cfork_cli.signals import held


def backup_of(path: Path) -> Path:
    """Return the name of the old film: movie.mkv.bak."""
    return path.with_name(f"{path.name}.bak")


def check_replaceable(film: Film) -> Path:
    """Find out whether a film can be replaced, and return the file that is: where a symbolic link points to.

    Raises:
        InputError: it is missing, or no file. OutputError: it is read-only, or its backup's name is taken.
    """
    try:
        path = film.input.resolve(strict=True)
        found = path.stat()
    except (OSError, RuntimeError) as error:
        raise InputError(f"'{film.input}' cannot be read: is it there?") from error
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"'{film.input}' is not a file, so nothing can take its place")
    if not found.st_mode & stat.S_IWUSR:
        raise OutputError(f"'{film.input}' is read-only, so it is not replaced: make it writable, or give -o")
    backup, settings = backup_of(path), film.in_place
    needs_name = settings is not None and settings.backup and settings.original is None
    # the same film under both names: a crash came between the two
    if needs_name and backup.exists() and fingerprint(backup) != fingerprint(path):
        raise OutputError(f"'{backup}' exists already: move it away, or give --no-backup")
    return path


def remix_in_place(film: Film, job: RemixJob, report: Report, loaded: LoadedNetwork | None) -> Result:
    """Remix a film, read the new one back, and let it take the old one's name.

    Raises:
        CforkError: whatever went wrong; the film is what it was then.
    """
    path, settings = check_replaceable(film), film.in_place
    try:
        hidden = Temporary(path.parent, path.suffix)
    except OSError as error:
        raise OutputError(f"'{film.input}' cannot be replaced ({error.strerror}): is its folder writable?") from error
    new = hidden.path
    source = path if settings is None or settings.original is None else settings.original
    before = fingerprint(path)
    job = replace(job, input=source, output=new, force=False)
    try:
        with planned_remix(job, PipeOptions(), report, only_plan=False) as plan:
            _check_whole(film, plan)
            result = remixes.remix(plan, report, loaded=loaded)
            report.stage("verify", result.seconds)
            _read_back(plan, new, report)
        _look_alike(path, new)
        made = fingerprint(new)
        if made is None or fingerprint(path) != before:
            raise OutputError(f"'{film.input}' was changed meanwhile, so it is not replaced: try again")
        with held():
            _swap(film, path, new, made)
    except CforkError as error:
        raise type(error)(str(error).replace(str(new), str(film.input))) from error
    finally:
        hidden.remove()
    facts = {**result.facts, "input": str(film.input), "output": str(film.input)}
    return replace(result, outputs=(path,), facts=facts, done=result.done.replace(str(new), str(film.input)))


def _check_whole(film: Film, plan: RemixPlan) -> None:
    """Refuse to throw away a film whose streams do not all come along."""
    kept = {entry.stream.index for _, one in plan.outputs for entry in one.entries}
    left = [stream for stream in plan.media.streams if stream.index not in kept]
    if left and film.in_place is not None and not film.in_place.backup:
        raise OutputError(
            f"not all of '{film.input}' can come along ({', '.join(map(str, left))}): leave --no-backup away"
        )


def _read_back(plan: RemixPlan, new: Path, report: Report) -> None:
    """Decode the new sound to its end. What streams there are, and how long, was looked at when it was written.

    Raises:
        FfmpegError: it is not what was written.
    """
    media = probe(new)
    for _, film in plan.outputs:
        places = [entry for entry in film.entries if entry.stream.kind == "audio"]
        for place, entry in enumerate(places):
            if entry.action != "encode":
                continue
            done = 0
            try:
                with decode(media, media.audio[place]) as blocks:
                    for block in blocks:
                        done += block.shape[-1]
                        report.at(done / blocks.sample_rate)
            except OutputError:  # no room to read it back: nothing is known of the film
                raise
            except CforkError as error:
                raise FfmpegError(
                    f"the new sound of '{new}' cannot be read back ({error}): nothing was changed"
                ) from error


def _look_alike(path: Path, new: Path) -> None:
    """Give the new film mode and owner of the old one, as far as that is allowed, and let it reach the disk."""
    with contextlib.suppress(OSError):
        shutil.copymode(path, new)
        found = path.stat()
        if hasattr(os, "chown"):
            os.chown(new, found.st_uid, found.st_gid)
    with new.open("rb+") as file:
        os.fsync(file.fileno())


def _swap(film: Film, path: Path, new: Path, made: Print) -> None:
    """Give the old film its second name, and the new film the first."""
    journal = Journal(film.folder)
    journal.ready(film, {film.folder / film.input.name: made})
    backup, settings = backup_of(path), film.in_place
    try:
        if settings is not None and settings.backup and settings.original is None and not backup.exists():
            _keep(path, backup)
        os.replace(new, path)
    except OSError as error:
        raise OutputError(f"'{film.input}' cannot be replaced ({error.strerror}): is its folder writable?") from error


def _keep(path: Path, backup: Path) -> None:
    """Give a film a second name."""
    try:
        os.link(path, backup)
    except OSError:  # a disk without hard links
        with Temporary(backup.parent, backup.suffix) as copy:
            shutil.copy2(path, copy.path)
            with copy.path.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(copy.path, backup)
