"""`cfork train`: the options of a training run, its progress on the screen, and how it ends."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfork_cli import children
from cfork_cli.console.console import REPORT_SECONDS, Console
from cfork_cli.errors import CforkError, InputError, Interrupted, UsageError, translated
from cfork_cli.output.destination import written
from cfork_cli.text import SPOKEN_ORDER, clock
from cfork_cli.training.run_folder import run_folder
from model.train.config import configure

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PARTS = ("step", "time", "loss", "speed", "left")  # of the progress bar


def run_training(given: dict[str, Any], recipe: str | None, processes: int, console: Console) -> dict[str, Any]:
    """Check everything first, then train, here or in several processes."""
    out = Path(given["out"])
    with translated("training", values=UsageError):
        from model.dnr.dataset import Batches
        from model.train.loop import train as work
        from model.train.processes import launch
        from model.train.state import stored_config

        config = configure(given, recipe, stored_config(out))
        Batches(config.batch, 0, processes, config.accumulate)  # can the batch be shared?
    try:
        with run_folder(config), translated("training"), Screen(console) as screen:
            if processes > 1:
                return launch(work, config, processes, screen.show, starting=children.quietly)
            return work(config, say=screen.show)
    except KeyboardInterrupt as error:
        kept = f"what was saved last is in '{out}'" if (out / "state.pt").exists() else "nothing was saved yet"
        raise Interrupted(f"interrupted at once: {kept}") from error
    except (FileNotFoundError, ValueError) as error:
        # a process that reads scenes sends its whole traceback; the reason is its last line
        said = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise InputError(re.sub(r"^\w+Error: ", "", said[0])) from error
    except RuntimeError as error:
        raise CforkError(f"training failed ({error}): what was saved last is in '{out}'") from error


def plot(runs: Sequence[Path], output: Path | None = None) -> Path:
    """Draw the metrics of one run, or of several over each other; a picture that is there is replaced.

    Args:
        runs: folders of runs, or their metrics.jsonl.
        output: .png, .svg or .pdf; None is metrics.png beside the metrics of the only run.

    Returns:
        The picture.

    Raises:
        InputError: a run has no metrics, or damaged ones. OutputError: the picture cannot be written.
        UsageError: several runs and no output, a picture of another kind, or matplotlib is missing.
    """
    metrics = [path if path.suffix == ".jsonl" else path / "metrics.jsonl" for path in runs]
    if output is None and len(metrics) > 1:
        raise UsageError("several runs need a name for the picture: give one with -o, such as curves.png")
    picture = output or metrics[0].with_name("metrics.png")
    for run, path in zip(runs, metrics, strict=True):
        if not path.is_file():
            raise InputError(f"'{run}' has no metrics.jsonl: train into it first")
    from cfork_cli.training.scenes import check_picture

    check_picture(picture, force=True)
    with translated("drawing", values=InputError):
        from model.train.curves import draw, write_picture

        figure = draw(metrics)
    with written(picture):
        write_picture(figure, picture)
    return picture


class Screen:
    """Shows the reports of `train`: a bar on a terminal, lines in a log file, JSON lines with --json."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.began, self.reported, self.first = time.monotonic(), 0.0, -1.0

    def __enter__(self) -> Screen:
        rich = self.console.rich
        if not self.console.quiet and not self.console.as_json and rich.is_terminal and not rich.is_dumb_terminal:
            from cfork_cli.console.progress import progress_bar

            self.bar = progress_bar(rich, PARTS)
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
            parts = [f"SI-SDR {_gains(figures)} dB", f"loss {_number(figures['loss'], 2)} dB"]
            if "film" in figures:
                parts.insert(1, f"as in films {_gains(figures['film'])} dB")
            self.console.say(f"step {line['step']:,}, {line['minutes']:.1f} min: validation, {', '.join(parts)}")

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
    """Return the gains of a validation: "dialogue +6.1, music +5.0, effects +4.2"."""
    return _stems({stem: figures.get(f"si_sdri_{stem}") for stem in SPOKEN_ORDER}, 1, sign=True)


def _number(value: float | None, digits: int, *, sign: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"
