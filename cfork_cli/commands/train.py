"""`cfork train`: options and how it ends."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from cfork_cli.commands.options import Json, Quiet
from cfork_cli.console.console import Console
from cfork_cli.errors import Interrupted, UsageError
from model.train.config import RECIPES, TrainConfig, flag

KINDS = {"str": str, "int": int, "float": float, "bool": bool}


def train(**given: Any) -> None:
    """Train a network, on scenes mixed on the fly or on a Divide-and-Remaster tree.

    DATA holds packs of free audio (cfork dnr sources) or tr and cv folders (cfork dnr build). OUT gets state.pt,
    best.pt, metrics.jsonl and metrics.png. Ctrl-C saves the state; the same command resumes it, and options
    that are left out are those of the run in OUT, or of the recipe.

    Example: cfork train packs runs/mine --minutes 90 --processes 2

    Example: cfork train --plot runs/mine --plot runs/tuned -o curves.png
    """
    recipe, processes, plot_only = (given.pop(name) for name in ("recipe", "processes", "plot_only"))
    runs, output = given.pop("plot") or [], given.pop("output")
    as_json, quiet = given.pop("as_json"), given.pop("quiet")
    given = {name: value for name, value in given.items() if value is not None}
    _check_arguments(given, runs, output, plot_only)
    from cfork_cli.training.run import plot, run_training

    with Console(quiet=quiet, as_json=as_json) as console:
        if runs or plot_only:
            picture = plot(runs or [Path(given["out"])], output)
            console.say(f"drawn: {picture}")
            console.result(picture=str(picture))
            return
        data, out = Path(given["data"]), Path(given["out"])
        result = run_training(given, recipe, processes, console)
        again = shlex.join(["cfork", "train", str(data), str(out)])
        if processes > 1:
            again += f" --processes {processes}"
        if not result["finished"]:
            raise Interrupted(f"stopped after step {result['step']:,}, which is saved; go on with: {again}")
        best = out / "best.pt"
        if not best.exists():  # never validated, or never with a figure
            best = Path(result["state"])
        console.say(
            f"trained {result['step']:,} steps in {result['minutes']:.1f} minutes: {result['state']}",
            f"make a model of it: cfork models package {shlex.quote(str(best))} mine.safetensors",
        )
        names = {"metrics": "metrics.jsonl", "picture": "metrics.png", "best": "best.pt"}
        files = {key: str(out / name) for key, name in names.items() if (out / name).exists()}
        console.result(**result, **files)


def _check_arguments(given: Mapping[str, Any], runs: Sequence[Path], output: Path | None, plot_only: bool) -> None:
    """Raise UsageError where arguments are missing, or do not go together."""
    if runs and (given.keys() & {"data", "out"} or plot_only):
        raise UsageError("--plot draws the runs that it names: leave DATA, OUT and --plot-only away")
    if output is not None and not runs:
        raise UsageError("-o names the picture of --plot: give the runs to draw with --plot RUN")
    for name in ("data", "out") if not runs else ():
        if name not in given:
            raise UsageError(f"missing argument '{name.upper()}': see 'cfork train --help'")


def _signature() -> inspect.Signature:
    """The parameters of `train`: the fields of the config, and what is not part of a run."""
    parameters: list[tuple[str, Any, Any]] = []
    words = {"data": "Packs, or a folder with tr and cv.", "out": "Folder of the run; one that is there is resumed."}
    for name, help in words.items():
        argument = typer.Argument(metavar=name.upper(), help=help, show_default=False)
        parameters.append((name, Annotated[str | None, argument], None))  # not with --plot
    recipes = "|".join(RECIPES)
    parameters.append((
        "recipe",
        Annotated[str | None, typer.Option(metavar=recipes, show_default=False, help="Defaults of the other options: "
                  "ours, the published training of MRX, or that with the paper's loss. [default: cfork]")],
        None,
    ))  # fmt: skip
    for field in fields(TrainConfig)[2:]:
        default = "" if field.default in ("", "{}") or not field.default else f" [default: {field.default}]"
        names = (f"{flag(field.name)}/--no-{field.name}",) if field.type == "bool" else (flag(field.name),)
        option = typer.Option(
            *names, metavar=field.metadata["metavar"], help=field.metadata["help"] + default, show_default=False
        )
        kind: Any = KINDS[str(field.type)]
        parameters.append((field.name, Annotated[kind | None, option], None))
    processes = typer.Option(metavar="N", min=1, help="Processes that train together: one per core, or one per GPU.")
    plot_only = typer.Option("--plot-only", help="Only draw OUT/metrics.png again.")
    plot = typer.Option(metavar="RUN", show_default=False, help="Draw this run instead of training, without "
                        "DATA and OUT; repeat to draw several over each other.")  # fmt: skip
    picture = typer.Option("--output", "-o", metavar="FILE", show_default=False,
                           help="Picture of --plot: .png, .svg or .pdf. [default: RUN/metrics.png]")  # fmt: skip
    parameters += [("processes", Annotated[int, processes], 1), ("plot_only", Annotated[bool, plot_only], False)]
    parameters.append(("plot", Annotated[list[Path] | None, plot], None))
    parameters.append(("output", Annotated[Path | None, picture], None))
    parameters += [("as_json", Json, False), ("quiet", Quiet, False)]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([
        inspect.Parameter(name, keyword, annotation=annotation, default=default)
        for name, annotation, default in parameters
    ])  # fmt: skip


train.__signature__ = _signature()  # type: ignore[attr-defined]
