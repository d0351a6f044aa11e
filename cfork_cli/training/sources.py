"""Import the free training audio: what is missing, where it comes from, under which licenses; then packs of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from cfork_cli.console.console import Console
from cfork_cli.errors import InputError, Interrupted, ModelError, OutputError, UsageError, translated
from cfork_cli.ffmpeg.find import find_ffmpeg

if TYPE_CHECKING:
    from model.dnr.debian import Package
    from model.dnr.decode import Source
    from model.dnr.importer import Imported

HOURS_WORTH_TELLING = 0.05


@dataclass(frozen=True)
class ImportJob:
    """Options of `cfork dnr sources`. No packages means all of the list."""

    out: Path | None
    debs: Path | None = None
    speech: Path | None = None
    mirror: str | None = None
    packages: tuple[str, ...] = ()
    workers: int | None = None
    force: bool = False


def show_list(job: ImportJob, console: Console) -> None:
    """Print the packages, and the speech beside them: version, size, split, files of each class, license.

    Raises:
        UsageError: a package is not in the list.
    """
    from model.dnr.sources import CLASSES, list_files, list_speech, split_of

    files, rows = list_files(), []
    table = Table("package", "version", "MB", "split", *CLASSES, "license")
    for package in _chosen(job):
        counts = {kind: sum(one == kind for one, _ in files.get(package.package, [])) for kind in CLASSES}
        table.add_row(
            package.package, package.version, f"{package.bytes / 1e6:.1f}", package.split,
            *(str(counts[kind] or "") for kind in CLASSES), package.licence,
        )  # fmt: skip
        rows.append({**vars(package), "files": counts})
    speech: dict[tuple[str, str], float] = {}
    if not job.packages:
        for row in list_speech().values():
            if split_of(row["group"]) is not None:
                key = row["origin"], row["licence"]
                speech[key] = speech.get(key, 0.0) + float(row["seconds"])
    more = Table("speech beside them (--speech)", "hours", "license")
    for (origin, licence), seconds in speech.items():
        more.add_row(origin, f"{seconds / 3600:.1f}", licence)
    console.table(table)
    if speech:
        console.table(more)
    console.say(f"{len(rows)} packages, {sum(row['bytes'] for row in rows) / 1e9:.1f} GB to download")
    console.result(
        packages=rows, bytes=sum(row["bytes"] for row in rows),
        speech=[{"origin": o, "licence": licence, "seconds": s} for (o, licence), s in speech.items()],
    )  # fmt: skip


def import_sources(job: ImportJob, console: Console, *, dry_run: bool) -> None:
    """Download what is missing, verify, decode, and write the packs with their manifest.

    Raises:
        UsageError: no folder for the packs. InputError: sources cannot be had or are not what they should be.
        OutputError: packs are there already, or there is no room.
    """
    if job.out is None:
        raise UsageError("name a folder for the packs: cfork dnr sources OUT (or --list, to look only)")
    from model.dnr.importer import pack_files
    from model.hub.partial import shown

    debs = job.debs or job.out / "debs"
    if not job.force and any(path.exists() for path in pack_files(job.out)):
        raise OutputError(f"'{job.out}' holds packs already: choose another folder, or replace them with --force")
    chosen = _chosen(job)
    lacking = [package for package in chosen if not _is_here(package, debs)]
    size = sum(package.bytes for package in lacking)
    where = shown(job.mirror) if job.mirror else "apt-get"
    if dry_run:
        licences = sorted({package.licence for package in chosen})
        console.say(
            f"packages: {len(chosen)}; {len(lacking)} to download from {where} ({size / 1e9:.1f} GB) into {debs}",
            f"speech:   {job.speech or 'that of the packages only'}",
            f"output:   {job.out}",
            f"licenses: {'; '.join(licences)}",
        )
        console.result(
            dry_run=True, packages=len(chosen), to_download=len(lacking), bytes=size, mirror=job.mirror, debs=str(debs),
            out=str(job.out), licences=licences,
        )  # fmt: skip
        return
    with translated("importing", instead={ModelError: InputError}):
        sources = _gather(job, chosen, debs, size, console)
        imported = _pack(job, job.out, sources, console)
    for path, words in imported.errors.items():
        console.note(f"'{path}' cannot be decoded and was left out ({words})")
    hours = {f"{split}/{kind}": round(s / 3600, 3) for (split, kind), s in sorted(imported.seconds.items())}
    told = ", ".join(f"{name} {h:.1f} h" for name, h in hours.items() if h >= HOURS_WORTH_TELLING)
    console.say(f"{job.out}: {imported.files:,} files{f' ({told})' if told else ''}; see manifest.csv for licenses")
    console.result(
        out=str(job.out), files=imported.files, silent=imported.silent, errors=imported.errors, hours=hours,
        manifest=str(job.out / "manifest.csv"),
    )  # fmt: skip


def _chosen(job: ImportJob) -> list[Package]:
    """Return the packages that were asked for."""
    from model.dnr.sources import list_packages

    listed = list_packages()
    if unknown := set(job.packages) - {package.package for package in listed}:
        raise UsageError(f"the list has no package '{min(unknown)}': see 'cfork dnr sources --list'")
    return [package for package in listed if not job.packages or package.package in job.packages]


def _is_here(package: Package, debs: Path) -> bool:
    return (debs / package.file).is_file() or (debs / "extracted" / package.package).is_dir()


def _gather(job: ImportJob, chosen: list[Package], debs: Path, size: int, console: Console) -> list[Source]:
    """Download and extract all files to import, and return them."""
    from model.dnr.sources import debian_sources, speech_sources

    debs.mkdir(parents=True, exist_ok=True)
    if size > (free := shutil.disk_usage(debs).free):
        raise OutputError(f"the packages need {size / 1e9:.1f} GB, and '{debs}' has room for {free / 1e9:.1f} GB")
    found: list[Source] = []
    console.stage("packages", len(chosen), is_sound=False)
    try:
        for number, sources in enumerate(debian_sources(chosen, debs, mirror=job.mirror, note=console.note)):
            found += sources
            console.at(number + 1)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(
            "interrupted: what was downloaded is kept; the same command goes on from there"
        ) from interrupt
    if job.speech is not None:
        console.stage("speech", is_sound=False)
        for number, source in enumerate(speech_sources(job.speech)):
            found.append(source)
            console.at(number + 1)
    console.end()
    if not found:
        raise InputError("none of the packages has a file of the list: is the folder of packages a damaged one?")
    return found


def _pack(job: ImportJob, out: Path, sources: list[Source], console: Console) -> Imported:
    from model.cpus import available_cpus
    from model.dnr.importer import Imported, write_packs

    console.stage("decode", len(sources), is_sound=False)
    imported = Imported()
    steps = write_packs(sources, out, imported, workers=job.workers or available_cpus(), ffmpeg=find_ffmpeg())
    for done, _ in enumerate(steps, start=1):
        console.at(done)
    console.end()
    return imported
