"""`cfork train`: the options of a training run, its progress on the screen, and how it ends."""

from __future__ import annotations

import inspect
import re
import shlex
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfork_cli.console import REPORT_SECONDS, SPOKEN_ORDER, Console, clock
from cfork_cli.errors import CforkError, InputError, Interrupted, ModelError, OutputError, UsageError
from cfork_cli.options import Json, Quiet
from model.config import RECIPES, TrainConfig, configure, flag
from model.weights import WeightsError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

KINDS = {"str": str, "int": int, "float": float, "bool": bool}
PARTS = ("step", "time", "loss", "speed", "left")  # of the progress bar


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
            picture = _plot(out)
            console.say(f"drawn: {picture}")
            console.result(picture=str(picture))
            return
        result = _train(given, recipe, processes, console)
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
            f"make a model of it: python -m model.package {shlex.quote(str(best))} mine.safetensors",
        )
        names = {"metrics": "metrics.jsonl", "picture": "metrics.png", "best": "best.pt"}
        files = {key: str(out / name) for key, name in names.items() if (out / name).exists()}
        console.result(**result, **files)


def _train(given: dict[str, Any], recipe: str | None, processes: int, console: Console) -> dict[str, Any]:
    """Check everything first, then train, here or in several processes."""
    out = Path(given["out"])
    try:
        from model.dnr.dataset import Batches
        from model.processes import launch
        from model.state import StateError, stored_config
        from model.train import train as work
    except ImportError as error:
        raise UsageError(f"training needs the package '{error.name}': pip install 'cfork[train]'") from error
    try:
        config = configure(given, recipe, stored_config(out))
        Batches(config.batch, 0, processes, config.accumulate)  # can the batch be shared?
    except WeightsError as error:
        raise ModelError(str(error)) from error
    except StateError as error:
        raise OutputError(str(error)) from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    try:
        with Screen(console) as screen:
            if processes > 1:
                return launch(work, config, processes, screen.show)
            return work(config, say=screen.show)
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted at once: what was saved last is in '{out}'") from error
    except StateError as error:
        raise OutputError(str(error)) from error
    except WeightsError as error:
        raise ModelError(str(error)) from error
    except (FileNotFoundError, ValueError) as error:
        # a process that reads scenes tells all of its traceback, and what went wrong at its end
        said = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise InputError(re.sub(r"^\w+Error: ", "", said[0])) from error
    except RuntimeError as error:
        raise CforkError(f"training failed ({error}): what was saved last is in '{out}'") from error


def _plot(out: Path) -> Path:
    """Draw the metrics of the run in `out` again."""
    from model.curves import draw_run, read_run, write_picture

    picture = out / "metrics.png"
    try:
        write_picture(draw_run(read_run(out / "metrics.jsonl")), picture)
    except ImportError as error:
        raise UsageError(f"drawing needs the package '{error.name}': pip install 'cfork[train]'") from error
    except FileNotFoundError as error:
        raise InputError(f"'{out}' has no metrics.jsonl: train into it first") from error
    except ValueError as error:
        raise InputError(str(error)) from error
    return picture


class Screen:
    """What `train` says, shown: a bar on a terminal, lines in a log file, JSON lines with --json."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.began, self.reported, self.first = time.monotonic(), 0.0, -1.0

    def __enter__(self) -> Screen:
        rich = self.console.rich
        if not self.console.quiet and not self.console.as_json and rich.is_terminal and not rich.is_dumb_terminal:
            from rich.progress import BarColumn, Progress, TextColumn

            columns = [TextColumn(f"{{task.fields[{name}]}}") for name in PARTS]
            self.bar = Progress(BarColumn(20), *columns, console=rich, transient=True)
            self.bar.start()
            empty: dict[str, Any] = dict.fromkeys(PARTS, "")
            self.task = self.bar.add_task("train", total=1.0, **empty)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def show(self, line: dict[str, Any]) -> None:
        """One line: a step (`done`), a report (`loss`) or a validation."""
        if "done" in line:
            self._step(line)
            return
        self.console.event(event="metrics", **line)
        if "loss" in line:
            words = f"loss {_stems(line['loss'], 2)} dB", f"{line['speed']:.1f} s of audio a second"
            if self.bar is not None and self.task is not None:
                self.bar.update(self.task, loss=words[0], speed=words[1])
            else:
                self.console.say(f"step {line['step']:,}, {line['minutes']:.1f} min: {', '.join(words)}")
        if "validation" in line:
            figures = line["validation"]
            said = [f"SI-SDR {_gains(figures)} dB", f"loss {_number(figures['loss'], 2)} dB"]
            if "film" in figures:
                said.insert(1, f"as in films {_gains(figures['film'])} dB")
            self.console.say(f"step {line['step']:,}, {line['minutes']:.1f} min: validation, {', '.join(said)}")

    def _step(self, line: dict[str, Any]) -> None:
        now = time.monotonic()
        if self.first < 0:
            self.first, self.began = line["done"], now
        new = line["done"] - self.first  # what an earlier run has done was not done now
        left = (now - self.began) * (1 - line["done"]) / new if new > 0 else None
        if self.bar is not None and self.task is not None:
            self.bar.update(
                self.task, completed=line["done"], step=f"step {line['step']:,}", time=clock(line["minutes"] * 60),
                left="" if left is None else f"{clock(left)} left",
            )  # fmt: skip
        elif now - self.reported >= REPORT_SECONDS:
            self.reported = now
            self.console.event(event="progress", stage="train", total=1.0, **line,
                               eta_seconds=None if left is None else round(left, 1))  # fmt: skip


def _stems(values: dict[str, float | None], digits: int, *, sign: bool = False) -> str:
    """ "dialogue -5.21, music -1.30, effects -1.12"."""
    return ", ".join(f"{stem} {_number(values.get(stem), digits, sign=sign)}" for stem in SPOKEN_ORDER)


def _gains(figures: dict[str, Any]) -> str:
    """ "dialogue +6.1, music +5.0, effects +4.2"."""
    return _stems({stem: figures.get(f"si_sdri_{stem}") for stem in SPOKEN_ORDER}, 1, sign=True)


def _number(value: float | None, digits: int, *, sign: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


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
