"""Build a tree of scenes like those of Divide and Remaster or of films: in parallel, each scene complete or not there,
resumed after a break.

A tree is `tr`, `cv` and `tt`, in each a folder per scene with mix.wav, music.wav, speech.wav, sfx.wav and annots.csv
(scenes of films have scene.json in its place), and `build.json`, which says what the scenes were made of. A scene
depends on the seed, its split and its number alone.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..new_folder import made
from .annotations import read_events
from .film_scenes import FilmScene, draw_film_scene, write_film_scene
from .folders import SPLIT_NAMES, FileLibrary
from .recipe import Library, UnreadableError
from .render import STEM_FILES, draw_scene, render_events, write_scene
from .sounds import writing
from .trees import FACTS
from .workers import parallel

FIRST_ID = 1000
DESCRIPTION = "build.json"
FILM_RECIPES = {"film": False, "film-hard": True}  # whether each scene has one thing more
UNFINISHED = ".unfinished"  # folder of scenes that are being written
FILES = frozenset({"annots.csv", "mix.wav", *(f"{name}.wav" for name in STEM_FILES)})


@dataclass(frozen=True)
class SceneTask:
    """One scene to make: by chance from its seed, or as an annots.csv says."""

    library: str
    folder: Path
    seed: tuple[int, int] | None = None
    annotations: Path | None = None
    recipe: str = "dnr"


@dataclass(frozen=True)
class BuiltScene:
    """A scene that is there now, and source files that could not be read on the way."""

    folder: Path
    broken: tuple[Path, ...] = ()


class OtherScenesError(Exception):
    """A folder holds scenes that this build would not make, or something else."""


def tasks(out: Path, counts: Mapping[str, int], seed: int, recipe: str = "dnr") -> list[SceneTask]:
    """The scenes of a set: `counts` maps tr, cv, tt to numbers of scenes; the recipe is dnr, film or film-hard."""
    return [
        SceneTask(split, out / split / str(FIRST_ID + number), (seed, number), recipe=recipe)
        for split, count in counts.items()
        for number in range(count)
    ]


def tasks_again(out: Path, annotations: Path) -> list[SceneTask]:
    """The scenes of annots.csv files: one file, or all below a folder, which keep their places.

    The library of a scene is that of its split; "" where the folders do not tell.

    Raises:
        FileNotFoundError: there are none.
    """
    found = [annotations] if annotations.is_file() else sorted(annotations.rglob("annots.csv"))
    if not found:
        raise FileNotFoundError(f"no annots.csv in '{annotations}'")
    made = []
    for path in found:
        inside = path.parent.absolute().parts[-2:]
        split = SPLIT_NAMES.get(inside[0].lower(), "") if len(inside) > 1 else ""
        made.append(SceneTask(split, out / split / inside[-1], annotations=path))
    if len({task.folder for task in made}) < len(made):
        raise ValueError(f"'{annotations}' holds scenes of the same name: build its parts one by one")
    return made


@contextmanager
def prepared(folder: Path, description: dict[str, Any], *, force: bool) -> Iterator[None]:
    """Have the folder of a split ready: scenes of the same description stay, others are in the way.

    Where the work fails before the first scene is there, the folder is as it was.

    Args:
        force: start over; scenes that are there are removed, and nothing else.

    Raises:
        OtherScenesError: it holds scenes of another description, or what is no scene. WriteError: it cannot be
            written.
    """
    with ExitStack() as stack:
        with writing(folder):
            stack.enter_context(made(folder))
            is_new = _prepare(folder, description, force=force)
        try:
            yield
        except BaseException:
            with suppress(OSError):
                if is_new and not _scenes(folder):
                    (folder / DESCRIPTION).unlink(missing_ok=True)
            raise


def _scenes(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and (path / "mix.wav").exists()]


def _prepare(folder: Path, description: dict[str, Any], *, force: bool) -> bool:
    """Return whether the description is new."""
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    described = folder / DESCRIPTION
    scenes = _scenes(folder)
    if described.is_file() and not force:
        try:
            before = json.loads(described.read_text(encoding="utf-8"))
        except ValueError:
            before = None
        if before == description:
            return False
        raise OtherScenesError(f"'{folder}' holds scenes of another build (see {DESCRIPTION}, which says of what)")
    if scenes and not force:
        raise OtherScenesError(f"'{folder}' holds scenes already")
    for scene in scenes:
        if strange := {path.name for path in scene.iterdir()} - FILES - {FACTS}:
            raise OtherScenesError(f"'{scene}' holds '{min(strange)}', which no build made, so it is not removed")
    for scene in scenes:
        shutil.rmtree(scene)
    part = described.with_name(f".{DESCRIPTION}")
    try:
        part.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        os.replace(part, described)
    finally:
        part.unlink(missing_ok=True)
    return True


def missing(made: list[SceneTask]) -> list[SceneTask]:
    """Those that are not there yet."""
    return [task for task in made if not task.folder.exists()]


def build(libraries: Mapping[str, Library], made: list[SceneTask], workers: int) -> Iterator[BuiltScene]:
    """Make the scenes, in order.

    Raises:
        ValueError: the sources hold no sound. FileNotFoundError: a source that annots.csv names is missing.
        WriteError: a scene cannot be written. BrokenProcessPool: a worker died.
    """
    try:
        yield from parallel(_make, dict(libraries), made, workers)
    finally:
        for parent in {task.folder.parent for task in made}:
            shutil.rmtree(parent / UNFINISHED, ignore_errors=True)


def _make(libraries: dict[str, Library], task: SceneTask) -> BuiltScene:
    """One scene, under its name when it is complete."""
    library = libraries[task.library]
    part = task.folder.parent / UNFINISHED / task.folder.name
    shutil.rmtree(part, ignore_errors=True)
    scene: Any
    if task.annotations is not None:
        try:
            scene = render_events(library, read_events(task.annotations))
        except (FileNotFoundError, UnreadableError) as error:
            raise FileNotFoundError(f"{error}; '{task.annotations}' needs it") from error
    elif task.recipe in FILM_RECIPES and task.seed is not None:
        rng, hard = np.random.default_rng(task.seed), FILM_RECIPES[task.recipe]
        scene = draw_film_scene(library, rng, task.seed[1], hard=hard)
    else:
        scene = draw_scene(library, np.random.default_rng(task.seed))
    with writing(task.folder):
        part.parent.mkdir(exist_ok=True)  # a set that has gone meanwhile is not made again
        (write_film_scene if isinstance(scene, FilmScene) else write_scene)(scene, part)
        os.replace(part, task.folder)
    broken = tuple(sorted(library.broken)) if isinstance(library, FileLibrary) else ()
    return BuiltScene(task.folder, broken)
