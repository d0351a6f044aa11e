"""`cfork train`: options and how it ends."""

from __future__ import annotations

import inspect
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from cfork_cli.commands.options import Json, Quiet
from cfork_cli.console.console import Console
from cfork_cli.errors import Interrupted
from cfork_cli.training.run import plot, run_training
from model.train.config import RECIPES, TrainConfig, flag

KINDS = {"str": str, "int": int, "float": float, "bool": bool}


def train(**given: Any) -> None:
    """Train a network, on scenes mixed on the fly or on a Divide-and-Remaster tree.

    DATA holds packs of free audio (cfork dnr sources) or tr and cv folders (cfork dnr build). OUT gets state.pt,
    best.pt, metrics.jsonl and metrics.png. Ctrl-C saves the state; the same command goes on from there, and options
    that are left out are those of the run in OUT, or of the recipe.

    Example: cfork train packs runs/mine --minutes 90 --processes 2
    """
    recipe, processes, plot_only = (given.pop(name) for name in ("recipe", "processes", "plot_only"))
    as_json, quiet = given.pop("as_json"), given.pop("quiet")
    given = {name: value for name, value in given.items() if value is not None}
    data, out = Path(given["data"]), Path(given["out"])
    with Console(quiet=quiet, as_json=as_json) as console:
        if plot_only:
            picture = plot(out)
            console.say(f"drawn: {picture}")
            console.result(picture=str(picture))
            return
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
            f"make a model of it: python -m model.train.package {shlex.quote(str(best))} mine.safetensors",
        )
        names = {"metrics": "metrics.jsonl", "picture": "metrics.png", "best": "best.pt"}
        files = {key: str(out / name) for key, name in names.items() if (out / name).exists()}
        console.result(**result, **files)


def _signature() -> inspect.Signature:
    """The parameters of `train`: the fields of the config, and what is not part of a run."""
    parameters: list[tuple[str, Any, Any]] = []
    words = {"data": "Packs, or a folder with tr and cv.", "out": "Folder of the run; a run that is there goes on."}
    for name, help in words.items():
        argument = typer.Argument(metavar=name.upper(), help=help, show_default=False)
        parameters.append((name, Annotated[str, argument], inspect.Parameter.empty))
    recipes = "|".join(RECIPES)
    parameters.append((
        "recipe",
        Annotated[str | None, typer.Option(metavar=recipes, show_default=False, help="Where options are left out: "
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
    processes = typer.Option(metavar="N", min=1, help="Processes that train together: one a core, or one a GPU.")
    plot = typer.Option("--plot-only", help="Draw OUT/metrics.png again, and leave.")
    parameters += [("processes", Annotated[int, processes], 1), ("plot_only", Annotated[bool, plot], False)]
    parameters += [("as_json", Json, False), ("quiet", Quiet, False)]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([
        inspect.Parameter(name, keyword, annotation=annotation, default=default)
        for name, annotation, default in parameters
    ])  # fmt: skip


train.__signature__ = _signature()  # type: ignore[attr-defined]
