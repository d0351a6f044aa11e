"""Score models on scenes whose stems are known: find the scenes, run each model over them, sum up, print.

Every scene goes through the streaming separator that films go through. Several workers, each a process with one thread,
take several scenes at a time.
"""

from __future__ import annotations

import csv
import io
import json
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfork_cli import children
from cfork_cli.console.console import Console
from cfork_cli.errors import InputError, UsageError, found_already, translated
from cfork_cli.flows import network as networks
from cfork_cli.output.destination import check_destination, write_whole
from cfork_cli.training import scoreboard

if TYPE_CHECKING:
    from model.dnr.trees import Group
    from model.metrics.evaluate import SceneScores

FILES = (".json", ".csv", ".md")


@dataclass(frozen=True)
class ScoringJob:
    """Options of `cfork evaluate`. `gains_db` has an entry per stem; `scenes` counts in each group.

    The scores are those of the first of `levels_db`; the others are compared with it.
    """

    tree: Path
    models: tuple[str, ...]
    gains_db: dict[str, float]
    levels_db: tuple[float, ...] = (0.0,)
    split: str | None = None
    scenes: int | None = None
    workers: int = 1
    device: str = "auto"
    precision: str = "auto"
    output: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class _Task:
    """One scene for one model at one level; `group` and `scene` are numbers."""

    model: str
    group: int
    scene: int
    folder: Path
    precision: str = "auto"
    level_db: float = 0.0


def evaluate(job: ScoringJob, console: Console) -> None:
    """Score the models, print tables (or JSON), and write the file that was asked for.

    Raises:
        InputError: there are no scenes, or one cannot be scored. ModelError: the weights are missing or damaged.
        UsageError: options that make no sense, or a package that only scoring needs is not installed.
        OutputError: the file cannot be written.
    """
    _check(job)
    with translated("scoring"):
        from model.dnr.trees import find_scenes
    try:
        groups = find_scenes(job.tree, job.split)
    except FileNotFoundError as error:
        raise InputError(str(error)) from error
    except ValueError as error:
        raise InputError(f"{error} with --split") from error
    with translated("scoring"):
        import pyloudnorm  # noqa: F401  # before the work: it is needed at the first scene

        from model.metrics.by_level import by_hardship, by_level, by_voice
        from model.metrics.summary import compare, summarize
    began = time.monotonic()
    with translated("scoring"):
        at_levels = _score_all(job, groups, console)
    scored = at_levels[job.levels_db[0]]
    elapsed = time.monotonic() - began

    reports: list[dict[str, Any]] = []
    for model in job.models:
        per_group = scored[model]
        report: dict[str, Any] = {"model": model, "summary": summarize([s for scores in per_group for s in scores])}
        if voice := by_voice(s for scores in per_group for s in scores):
            report["voice"] = voice
        if hard := by_hardship(s for scores in per_group for s in scores):
            report["hard"] = hard
        if len(job.levels_db) > 1:
            report["levels"] = by_level(
                {level: [s for scores in found[model] for s in scores] for level, found in at_levels.items()}
            )
        if groups[0].name:
            report["cases"] = {
                group.name: summarize(scores) for group, scores in zip(groups, per_group, strict=True)
            }  # fmt: skip
        report["scenes"] = [
            {**({"case": group.name} if group.name else {}), **_rounded(vars(scene))}
            for found in at_levels.values()
            for group, scores in zip(groups, found[model], strict=True) for scene in scores
        ]  # fmt: skip
        reports.append(report)
    first = scored[job.models[0]]
    differences = [
        {
            "model": other,
            "than": job.models[0],
            **({"cases": {group.name: compare(a, b) for group, a, b in zip(groups, first, scored[other], strict=True)}}
               if groups[0].name else compare(first[0], scored[other][0])),
        }
        for other in job.models[1:]
    ]  # fmt: skip
    result = {
        "tree": str(job.tree), "split": job.split, "workers": job.workers,
        "gains_db": {stem: gain if math.isfinite(gain) else None for stem, gain in job.gains_db.items()},
        "levels_db": list(job.levels_db),
        "elapsed_seconds": round(elapsed, 2), "models": reports, "differences": differences,
    }  # fmt: skip
    for note in _notes(scored):
        console.note(note)
    if not console.as_json:
        scoreboard.show(result, console)
    if job.output is not None:
        with found_already(**result):
            write_whole(job.output, _text(result, job.output.suffix), force=job.force)
        console.say(f"wrote {job.output}")
    console.result(**result)


def _check(job: ScoringJob) -> None:
    """Check all that can be checked before the work."""
    if len(set(job.models)) != len(job.models):
        raise UsageError("a model is given twice: give each --model once")
    if not any(job.gains_db.values()):
        raise UsageError("all gains are 0 dB, so there is no remix to score: give --dialog, --music or --effects")
    if job.output is not None:
        if job.output.suffix not in FILES:
            raise UsageError(f"'{job.output.name}' is no file that can be written: end it in .json, .csv or .md")
        check_destination(job.output, force=job.force)


def _score_all(
    job: ScoringJob, groups: Sequence[Group], console: Console
) -> dict[float, dict[str, list[list[SceneScores]]]]:
    """Scores by level, model, group and scene, in their order."""
    console.stage("load")
    ready: dict[str, Any] = {}
    place = "cpu"
    for model in job.models:  # all of them before the work: a missing one fails at once
        ready[model], place = networks.load_network(model, job.device, job.precision)
        if not ready[model].level_matched:
            console.note(f"the stems of '{model}' do not keep the level: its SNR and its remix suffer from that")
    if job.workers > 1 and place != "cpu":
        raise UsageError("--workers is for the CPU: leave it away, or use --device cpu")
    tasks = [
        _Task(model, number, scene, folder, job.precision, level)
        for number, group in enumerate(groups)
        for scene, folder in enumerate(group.folders[: job.scenes])
        for model in job.models
        for level in job.levels_db
    ]
    if job.workers > 1:
        ready.clear()
        results = _in_processes(tasks, min(job.workers, len(tasks)), job.gains_db)
    else:
        results = _here(tasks, ready, place, job.gains_db)
    found: dict[_Task, SceneScores] = {}
    console.stage("evaluate", len(tasks), is_sound=False)
    for task, scores in results:
        found[task] = scores
        console.at(len(found))
    console.end()
    return {
        level: {
            model: [
                [found[one] for one in tasks if (one.model, one.group, one.level_db) == (model, number, level)]
                for number in range(len(groups))
            ]
            for model in job.models
        }
        for level in job.levels_db
    }


def _here(
    tasks: Sequence[_Task], networks: dict[str, Any], device: str, gains_db: dict[str, float]
) -> Iterator[tuple[_Task, SceneScores]]:
    """Score in this process."""
    from model.metrics.evaluate import evaluate_scene

    for task in tasks:
        try:
            scores = evaluate_scene(
                networks[task.model], task.folder, gains_db=gains_db, device=device, level_db=task.level_db
            )
        except ValueError as error:
            raise InputError(f"a scene cannot be scored: {error}") from error
        yield task, scores


def _in_processes(
    tasks: Sequence[_Task], workers: int, gains_db: dict[str, float]
) -> Iterator[tuple[_Task, SceneScores]]:
    """Score in processes of one thread each; they end with this one's interest in them."""
    before = set(multiprocessing.active_children())
    # spawned, not forked: the threads of torch do not survive a fork
    pool = ProcessPoolExecutor(workers, mp_context=children.Quiet(), initializer=_begin_worker)
    try:
        pending = {pool.submit(_score_in_worker, task, gains_db): task for task in tasks}
        for done in as_completed(pending):
            yield pending[done], done.result()
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()  # nobody waits for the scene that it is working on
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_worker_networks: dict[str, Any] = {}


def _begin_worker() -> None:
    """Prepare a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C too, and ends us
    children.end_with_parent(lambda: os._exit(1))  # a pool's worker would wait for work for ever
    os.environ["OMP_NUM_THREADS"] = "1"
    from model.inference.device import use_one_thread

    use_one_thread()


def _score_in_worker(task: _Task, gains_db: dict[str, float]) -> SceneScores:
    """Score one scene, with a network that stays loaded for the next."""
    if task.model not in _worker_networks:
        _worker_networks[task.model] = networks.load_network(task.model, "cpu", task.precision)[0]
    ((_, scores),) = _here([task], _worker_networks, "cpu", gains_db)
    return scores


def _notes(scored: dict[str, list[list[SceneScores]]]) -> Iterator[str]:
    """Yield notes about the scenes."""
    scenes = [scene for scores in next(iter(scored.values())) for scene in scores]
    if restored := sum(bool(scene.restored) for scene in scenes):
        yield (
            f"{restored} of {len(scenes)} scenes have no file for a stem: taken as what the mix holds beyond the others"
        )


def _rounded(value: Any) -> Any:
    """Return a value with every float in it rounded to three decimals."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def _text(result: dict[str, Any], suffix: str) -> str:
    """Return the text of the file that was asked for."""
    if suffix == ".json":
        return json.dumps(result, indent=1) + "\n"
    return _csv(result["models"]) if suffix == ".csv" else scoreboard.markdown(result)


def _csv(reports: Sequence[dict[str, Any]]) -> str:
    """Return CSV: a line per model, scene and stem, and one per remix."""
    from model.metrics.summary import is_changed

    figures = ("si_sdr", "si_sdri", "snr", "snri")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["model", "case", "scene", "stem", *(f"{name}_db" for name in figures), "leakage_db",
                    "level_db", "voice_db"])  # fmt: skip

    def cell(value: float | None) -> str:
        return "" if value is None or not math.isfinite(value) else f"{value:.3f}"

    for report in reports:
        for scene in report["scenes"]:
            where = [report["model"], scene.get("case", ""), scene["scene"]]
            levels = [cell(scene["level_db"]), cell(scene["voice_db"])]
            for stem, of_stem in scene["stems"].items():
                table.writerow([*where, stem, *(cell(of_stem.get(name)) for name in figures), "", *levels])
            for stem, leakage in scene["leakage"].items():
                table.writerow([*where, stem, "", "", "", "", cell(leakage), *levels])
            made, before = scene["remix_snr"], scene["mixture_remix_snr"]
            cells = [cell(made), cell(made - before)] if is_changed(before) else ["", ""]
            table.writerow([*where, "remix", "", "", *cells, "", *levels])
    return text.getvalue()
