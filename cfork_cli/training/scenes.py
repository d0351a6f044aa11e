"""Build scenes and measure them: check what was asked for, open the sources, show progress, sum up."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cfork_cli.console.console import Console
from cfork_cli.errors import InputError, Interrupted, OutputError, UsageError, found_already, translated
from cfork_cli.output.destination import check_destination, written

if TYPE_CHECKING:
    from model.dnr.build import SceneTask
    from model.dnr.recipe import Library
    from model.dnr.statistics import SceneFacts

SPLITS = {"tr": "train", "cv": "validation", "tt": "test"}
DEFAULT_SCENES = 20
SCENE_BYTES = 4 * 60 * 44_100 * 4  # four float WAV files of a minute, or of half a minute in stereo
KINDS = (".png", ".svg", ".pdf")
NEEDED = ("speech", "music", "sfx")
RECIPES = {"dnr": "Divide and Remaster (arXiv 2110.09958)", "film": "films", "film-hard": "films, hard ones"}


@dataclass(frozen=True)
class BuildJob:
    """Options of `cfork dnr build`. `folders` maps classes (music, speech, sfx, background) to folders."""

    out: Path
    packs: Path | None = None
    folders: Mapping[str, Path] = field(default_factory=dict)
    published: Path | None = None
    annots: Path | None = None
    scenes: str | None = None
    split: str | None = None
    split_by: str = "folder"
    seed: int = 0
    recipe: str = "dnr"
    workers: int | None = None
    picture: Path | None = None
    force: bool = False
    dry_run: bool = False


def build(job: BuildJob, console: Console) -> None:
    """Build the scenes that are not there yet.

    Raises:
        UsageError: options that do not go together. InputError: sources cannot be used. OutputError: other scenes are
        in the way, or there is no room.
    """
    how = _sources_named(job)
    counts = parse_scenes(job.scenes, job.split)
    if job.picture is not None:
        check_picture(job.picture, job.force)
    with translated("building"):
        from model.cpus import available_cpus
        from model.dnr import build as tree

        with translated(values=InputError):
            if job.annots:
                made = tree.tasks_again(job.out, job.annots)
            else:
                made = tree.tasks(job.out, counts, job.seed, job.recipe)
            libraries = _open(job, how, list(dict.fromkeys(task.library for task in made)))
        if job.dry_run:
            _tell_plan(job, how, made, console)
            return
        done, broken = 0, set()
        with ExitStack() as stack:
            for split, library in libraries.items():
                description = _describe(job, how, library.fingerprint())
                try:
                    stack.enter_context(tree.prepared(job.out / split, description, force=job.force))
                except tree.OtherScenesError as error:
                    raise OutputError(f"{error}: choose another folder, or start over with --force") from error
            left = tree.missing(made)
            _check_room(job.out, len(left))
            console.stage("scenes", len(left), is_sound=False)
            try:
                with translated(values=InputError):
                    for scene in tree.build(libraries, left, job.workers or available_cpus()):
                        done += 1
                        broken |= set(scene.broken)
                        console.at(done)
            except KeyboardInterrupt as interrupt:
                here = len(made) - len(left) + done
                raise Interrupted(
                    f"interrupted: {here} of {len(made)} scenes are complete; the same command makes the rest"
                ) from interrupt
        console.end()
    for path in sorted(broken):
        console.note(f"'{path}' cannot be read and was skipped")
    before = f", {len(made) - len(left)} were there already" if len(left) < len(made) else ""
    console.say(f"{job.out}: {done} {'scene' if done == 1 else 'scenes'} built{before}")
    facts: dict[str, Any] = {"built": done, "there_already": len(made) - len(left), "out": str(job.out)}
    facts["unreadable"] = [str(path) for path in sorted(broken)]
    if job.picture is not None:
        _measure_and_draw([task.folder for task in made], job, job.picture, facts, console)
    console.result(**facts)


def stats(tree: Path, output: Path | None, workers: int | None, force: bool, console: Console) -> None:
    """Measure the scenes of a set; a table on stdout, and a picture if one is asked for.

    Raises:
        InputError: there are no scenes, or one cannot be read. OutputError: the picture cannot be written.
    """
    if output is not None:
        check_picture(output, force)
    with translated("statistics"):
        from model.dnr import statistics

        with translated(values=InputError):
            facts = _measure(statistics.folders_of(tree), workers, console)
        summary = statistics.summarize(facts)
        _show(summary, console)
        if output is not None:
            with found_already(tree=str(tree), **summary):
                _draw(facts, output, tree.absolute().name)
    _say_how_many(summary, console)
    console.result(tree=str(tree), **summary, picture=None if output is None else str(output))


def parse_scenes(text: str | None, split: str | None) -> dict[str, int]:
    """Numbers of scenes by split.

    >>> parse_scenes("tr=100, cv=20", None), parse_scenes("5", "cv"), parse_scenes(None, None)
    ({'tr': 100, 'cv': 20}, {'cv': 5}, {'tt': 20})

    Raises:
        UsageError: it is neither a number nor a list of them.
    """
    names = {**{name: name for name in SPLITS}, **{long: short for short, long in SPLITS.items()}}
    if text is None or "=" not in text:
        counts = {split or "tt": str(DEFAULT_SCENES) if text is None else text.strip()}
    else:
        if split is not None:
            raise UsageError("--split is for one number of scenes: leave it out, or say --scenes N")
        pairs = [part.partition("=") for part in text.split(",")]
        counts = {name.strip(): number.strip() for name, _, number in pairs}
        if len(counts) < len(pairs):
            raise UsageError(f"--scenes names a split twice: '{text}'")
    for name, number in counts.items():
        if name not in names or not number.isdecimal():
            raise UsageError(f"--scenes takes a number, or tr=N,cv=N,tt=N, not '{text}'")
    if not any(int(number) for number in counts.values()):
        raise UsageError("--scenes asks for no scene at all")
    return {names[name]: int(number) for name, number in counts.items() if int(number)}


def _sources_named(job: BuildJob) -> str:
    """Return the kind of the sources: packs, folders or published."""
    named = [name for name, there in (("packs", job.packs), ("folders", job.folders), ("published", job.published))
             if there]  # fmt: skip
    if len(named) != 1:
        raise UsageError("name the sources once: --packs, or --speech with --music and --effects, or --published")
    if named == ["folders"] and (missing := [kind for kind in NEEDED if kind not in job.folders]):
        option = {"sfx": "effects"}.get(missing[0], missing[0])
        raise UsageError(f"scenes need speech, music and effects: name a folder with --{option}")
    if job.annots and (job.scenes or job.split):
        raise UsageError("--annots says which scenes to make: leave out --scenes and --split")
    if job.annots and job.recipe != "dnr":
        raise UsageError("--annots describes scenes of Divide and Remaster: leave out --recipe")
    return named[0]


def _open(job: BuildJob, how: str, splits: Sequence[str]) -> dict[str, Library]:
    """Open the library of each split."""
    from model.dnr import folders, packs, published

    if how == "folders":
        by = "none" if job.annots else job.split_by  # the annotations say what was held out
        names = [SPLITS.get(split, "test") for split in splits]
        opened = folders.open_folders(job.folders, names, by=by, seed=job.seed)
        return {split: opened[split or "tt"] for split in splits}
    if "" in splits:
        raise ValueError(f"'{job.annots}' does not say which split its scenes are of: put them in tr, cv or tt")
    names = [SPLITS[split] for split in splits]
    if how == "packs" and job.packs is not None:
        return dict(packs.open_packs(job.packs, names))
    return dict(published.open_published(job.published or Path(), names))


def _describe(job: BuildJob, how: str, fingerprint: str) -> dict[str, Any]:
    """Return the content of build.json: as much as distinguishes this build from others."""
    named = {"packs": {"packs": job.packs}, "published": {"published": job.published}}.get(how, dict(job.folders))
    facts: dict[str, Any] = {"recipe": RECIPES[job.recipe], "sources": how}
    facts["folders"] = {kind: path.name for kind, path in named.items() if path is not None}
    facts["fingerprint"] = fingerprint
    if job.annots:
        return facts | {"annotations": job.annots.name}
    return facts | {"seed": job.seed} | ({"split_by": job.split_by} if how == "folders" else {})


def _tell_plan(job: BuildJob, how: str, made: Sequence[SceneTask], console: Console) -> None:
    counts: dict[str, int] = {}
    for task in made:
        counts[task.library or "no split"] = counts.get(task.library or "no split", 0) + 1
    there = sum(task.folder.exists() for task in made)
    size = (len(made) - there) * SCENE_BYTES
    console.say(
        f"sources: {how}",
        f"scenes:  {', '.join(f'{n} in {split}' for split, n in counts.items())}; {there} of them are there already",
        f"output:  {job.out} ({size / 1e9:.1f} GB to write)",
    )
    console.result(dry_run=True, sources=how, scenes=counts, there_already=there, bytes=size, out=str(job.out))


def _check_room(out: Path, scenes: int) -> None:
    free = shutil.disk_usage(out).free
    if scenes * SCENE_BYTES > free:
        raise OutputError(
            f"{scenes} scenes need {scenes * SCENE_BYTES / 1e9:.1f} GB, and '{out}' has room for {free / 1e9:.1f} GB: "
            "make room, or build fewer"
        )


def check_picture(path: Path, force: bool) -> None:
    """Find out, before the work, whether a picture can be drawn there.

    Raises:
        UsageError: its kind is not one of `KINDS`. OutputError: see `check_destination`.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"'{path.name}' is no picture that can be drawn: it must end in {', '.join(KINDS)}")
    check_destination(path, force=force)


def _measure(folders: Sequence[Path], workers: int | None, console: Console) -> list[SceneFacts]:
    from model.cpus import available_cpus
    from model.dnr.statistics import measure

    console.stage("measure", len(folders), is_sound=False)
    facts: list[SceneFacts] = []
    for one in measure(folders, workers or available_cpus()):
        facts.append(one)
        console.at(len(facts))
    console.end()
    return facts


def _draw(facts: Sequence[SceneFacts], path: Path, title: str) -> None:
    from model.dnr.picture import draw

    with written(path):
        draw(facts, path, title)


def _measure_and_draw(
    folders: Sequence[Path], job: BuildJob, picture: Path, facts: dict[str, Any], console: Console
) -> None:
    """Draw the scenes that were built; what is known of them comes to the other facts."""
    with translated("the picture"):
        from model.dnr.statistics import summarize

        measured = _measure(folders, job.workers, console)
        facts["statistics"] = summarize(measured)
        with found_already(**facts):
            _draw(measured, picture, job.out.absolute().name)
        facts["picture"] = str(picture)


def _show(summary: Mapping[str, Any], console: Console) -> None:
    """Print the figures as tables."""
    classes = Table("class", "events in a scene", "recipe", "seconds of an event")
    for kind, found in summary["events"].items():
        lengths = summary["event_seconds"][kind]
        long = f"{_pair(lengths)}, median {lengths['median']:.1f}" if lengths["count"] else "-"
        classes.add_row(kind, _pair(found), f"{found['recipe']:.2f}", long)
    stems = Table("stem", "LUFS", "SI-SDR of the mixture", "published")
    for name, found in summary["lufs"].items():
        hard = summary["mixture_si_sdr_db"].get(name)
        stems.add_row(
            name, _pair(found), *([f"{_pair(hard)} dB", f"{hard['published']:+.1f} dB"] if hard else ["", ""])
        )
    shares = Table("at once", "of the time")
    for names, found in sorted(summary["share_of_time"].items(), key=lambda item: -item[1]["mean"]):
        shares.add_row(names, f"{100 * found['mean']:.1f} %")
    for table in (classes, stems, shares) if summary["annotated"] else (stems,):
        console.table(table)


def _say_how_many(summary: Mapping[str, Any], console: Console) -> None:
    console.say(f"{summary['scenes']} scenes, {summary['seconds'] / 3600:.1f} hours")
    if lacking := summary["scenes"] - summary["annotated"]:
        console.note(f"{lacking} of {summary['scenes']} scenes have no annots.csv: nothing is known of their events")


def _pair(found: Mapping[str, float]) -> str:
    return "-" if math.isnan(found["mean"]) else f"{found['mean']:.2f} ± {found['std']:.2f}"
