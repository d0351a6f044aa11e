"""Draw how training went: `metrics.jsonl` -> a picture of one run, or of several runs over each other.

    cfork train --plot run                                    # run/metrics.png
    cfork train --plot small --plot large -o curves.png       # the same stems side by side
    python -m model.train.curves small large -o curves.png --axis step --names A B

Losses are noisy (every report has other scenes), so a faint line shows what was reported and a strong one its local
mean. The mean is centered: it lags behind neither at the beginning nor at the end.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..stems import STEMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES = {"minutes": "minutes of training", "step": "steps", "audio_hours": "hours of training audio"}
STEM_COLORS = {"dialogue": "#d1495b", "music": "#2e6f9e", "effects": "#3c8d5a"}  # in the order people name them
RUN_COLORS = ("#2e6f9e", "#d1495b", "#3c8d5a", "#8e5ba6", "#d98e04", "#4d4d4d", "#17a2a2", "#b5651d")
VALIDATION_PREFIX = "si_sdri_"
SMOOTH_FRACTION = 1 / 40  # standard deviation of the local mean, of a whole run


@dataclass(frozen=True)
class Run:
    """One run's lines of metrics, in order: `reports` hold losses, `validations` figures in dB."""

    name: str
    reports: tuple[Mapping[str, Any], ...]
    validations: tuple[Mapping[str, Any], ...]

    def loss(self, stem: str, axis: str = "minutes") -> tuple[np.ndarray, np.ndarray]:
        """Positions on the axis and losses in dB of one stem, both [reports]."""
        found = [(line[axis], line["loss"][stem]) for line in self.reports if axis in line and stem in line["loss"]]
        return _columns(found)

    def of_reports(self, key: str, axis: str = "minutes") -> tuple[np.ndarray, np.ndarray]:
        """Positions and values of another number of the reports, such as `lr` or `norm`."""
        return _columns([(line[axis], line[key]) for line in self.reports if axis in line and key in line])

    def validation(self, key: str, axis: str = "minutes") -> tuple[np.ndarray, np.ndarray]:
        """Positions and values of one figure of the validations; where it was None there is no point."""
        found = [(line[axis], line["validation"].get(key)) for line in self.validations if axis in line]
        return _columns([(at, value) for at, value in found if value is not None])


def read_run(path: Path, name: str | None = None) -> Run:
    """The run of a metrics file, named after its folder. What a resumption did again replaces what was there.

    A last line that is cut off (training is writing it, or died there) is left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another line is not JSON, or none that training writes; or there is no loss in the file.
    """
    lines: list[dict[str, Any]] = []
    rows = path.read_text(encoding="utf-8").splitlines()
    for number, row in enumerate(rows, 1):
        try:
            line = json.loads(row)
        except json.JSONDecodeError as e:
            if number == len(rows):
                break
            raise ValueError(f"{path}, line {number} is not JSON: is it a metrics.jsonl of training?") from e
        if isinstance(line, dict) and "step" in line:
            if not _is_of_training(line):
                raise ValueError(
                    f"{path}, line {number} is none that training writes: is it a metrics.jsonl of training?"
                )
            while lines and lines[-1]["step"] > line["step"]:
                lines.pop()
            lines.append(line)
    reports = tuple(line for line in lines if "loss" in line)
    if not reports:
        raise ValueError(f"{path} has no losses yet: training reports every few steps")
    return Run(name or path.resolve().parent.name, reports, tuple(line for line in lines if "validation" in line))


def _is_of_training(line: dict[str, Any]) -> bool:
    """Return whether all that is drawn of a line is of the kind that training writes."""

    def number(value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def figures(group: object) -> bool:
        return isinstance(group, dict) and all(one is None or number(one) or figures(one) for one in group.values())

    alone = [
        line.get("step"),
        line.get("minutes"),
        *(line[key] for key in ("lr", "norm", "audio_hours") if key in line),
    ]
    return all(map(number, alone)) and all(figures(line[key]) for key in ("loss", "validation") if key in line)


def smooth(values: np.ndarray, deviation: float) -> np.ndarray:
    """Mean of the neighbors, weighted by a Gaussian of `deviation` positions; [N] -> [N].

    At the ends it is the mean of those that are there.

    >>> smooth(np.full(5, 2.0), 1.5).round(6).tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0]
    """
    reach = min(int(np.ceil(3 * deviation)), len(values) - 1)
    if reach < 1:
        return values.copy()
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    middle = slice(reach, reach + len(values))
    total = np.convolve(values, kernel)[middle]
    weight = np.convolve(np.ones(len(values)), kernel)[middle]
    smoothed: np.ndarray = total / weight
    return smoothed


def draw_run(run: Run, axis: str = "minutes", smoothing: float | None = None) -> Figure:
    """One run: losses, validation, learning rate and gradient norm.

    Args:
        smoothing: standard deviation of the local mean in reports; None is a 40th of the run.
    """
    from matplotlib.ticker import LogFormatter

    figure, axes = _figure(2, 2, AXES[axis])
    losses, gains, rates, norms = axes.flat
    for stem, color in STEM_COLORS.items():
        _line(losses, *run.loss(stem, axis), color, stem, smoothing)
        at, value = run.validation(f"{VALIDATION_PREFIX}{stem}", axis)
        gains.plot(at, value, "o-", color=color, markersize=4)
        gains.plot(*run.validation(f"{VALIDATION_PREFIX}{stem}_mean", axis), "s--", color=color, markersize=3,
                   linewidth=1, alpha=0.7)  # fmt: skip
    losses.set(title="loss while training, dB")
    losses.legend(loc="upper right", ncols=3)
    gains.set(title="SI-SDR improvement in validation, dB (mean dashed)")
    if not run.validations:
        gains.text(0.5, 0.5, "not validated yet", transform=gains.transAxes, ha="center", color="0.5")
    at, value = run.of_reports("lr", axis)
    rates.plot(at, value, color="0.25")
    rates.set(title="learning rate")
    rates.set_ylim(bottom=0)
    rates.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    _line(norms, *run.of_reports("norm", axis), "0.25", None, smoothing)
    norms.set(title="gradient norm, before clipping", yscale="log")
    norms.yaxis.set_major_formatter("{x:g}")
    norms.yaxis.set_minor_formatter(LogFormatter())
    last = run.reports[-1]
    audio = f", {last['audio_hours']:.1f} h of audio" if "audio_hours" in last else ""
    figure.suptitle(f"{run.name}: {last['step']:,} steps, {last['minutes']:.0f} minutes{audio}")
    return figure


def draw_comparison(runs: Sequence[Run], axis: str = "minutes", smoothing: float | None = None) -> Figure:
    """Several runs: a column for each stem and one for their mean; losses above, validation below."""
    columns = (*STEM_COLORS, "mean of the stems")
    figure, axes = _figure(2, len(columns), AXES[axis], share_rows=True)
    for number, run in enumerate(runs):
        color = RUN_COLORS[number % len(RUN_COLORS)]
        marker = "os^DvP*X"[number // len(RUN_COLORS) % 8]
        for place, column in enumerate(columns):
            stems = (column,) if column in STEMS else STEMS
            at, value = _mean([run.loss(stem, axis) for stem in stems])
            _line(axes[0, place], at, value, color, run.name if place == 0 else None, smoothing)
            at, value = _mean([run.validation(f"{VALIDATION_PREFIX}{stem}", axis) for stem in stems])
            axes[1, place].plot(at, value, marker + "-", color=color, markersize=4)
    for place, column in enumerate(columns):
        axes[0, place].set(title=column)
    axes[0, 0].set(ylabel="loss while training, dB")
    axes[1, 0].set(ylabel="SI-SDR improvement, dB\n(median of validation scenes)")
    figure.legend(loc="outside upper center", ncols=min(len(runs), 5))
    return figure


def draw(
    paths: Sequence[Path], names: Sequence[str] | None = None, axis: str = "minutes", smoothing: float | None = None
) -> Figure:
    """Draw one run, or several over each other.

    Args:
        paths: metrics files.
        names: of the runs; None takes those of their folders.

    Raises:
        FileNotFoundError, ValueError: see `read_run`.
    """
    runs = [read_run(path, name) for path, name in zip(paths, names or _unlike(paths), strict=True)]
    return draw_run(runs[0], axis, smoothing) if len(runs) == 1 else draw_comparison(runs, axis, smoothing)


def write_picture(figure: Figure, path: Path) -> None:
    """Write the picture; the kind is that of the suffix (png, svg, pdf). It appears when it is complete.

    Raises:
        ValueError: the suffix is of no known kind. OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        figure.savefig(part, format=path.suffix.lower().removeprefix(".") or "png")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """[(x, y)] -> x [N], y [N]"""
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _mean(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The mean curve, at the positions that all have."""
    found = [dict(zip(at.tolist(), value.tolist(), strict=True)) for at, value in curves]
    common = sorted(set(found[0]).intersection(*found[1:]))
    return _columns([(at, float(np.mean([curve[at] for curve in found]))) for at in common])


def _line(panel: Axes, at: np.ndarray, value: np.ndarray, color: str, label: str | None, width: float | None) -> None:
    """Draw the reported values, faint, and their local mean."""
    panel.plot(at, value, color=color, linewidth=0.7, alpha=0.25)
    panel.plot(at, smooth(value, len(value) * SMOOTH_FRACTION if width is None else width), color=color, label=label)


def _figure(rows: int, columns: int, below: str, *, share_rows: bool = False) -> tuple[Figure, Any]:
    """An empty picture; its panels [rows, columns] share the axis below. No window system is asked for."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    look: Any = {
        "font.size": 9, "axes.titlesize": 10, "axes.grid": True, "grid.alpha": 0.3, "grid.linewidth": 0.6,
        "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    }  # fmt: skip
    with rc_context(look):
        figure = Figure(figsize=(11 if columns == 2 else 3.4 * columns, 3.3 * rows), dpi=130, layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey="row" if share_rows else False, squeeze=False)
    for panel in axes[-1]:
        panel.set_xlabel(below)
    return figure, axes


def _unlike(paths: Sequence[Path]) -> list[str]:
    """Names of the runs: their folders', with as many parents as tell all of them apart."""
    folders = [path.resolve().parent.parts for path in paths]
    for depth in range(1, max(map(len, folders)) + 1):
        names = ["/".join(parts[-depth:]) for parts in folders]
        if len(set(names)) == len(names):
            return names
    return [f"{path.resolve().parent.name}/{path.name}" for path in paths]


def main() -> None:
    """Command line: python -m model.train.curves METRICS... [-o PICTURE]."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("metrics", type=Path, nargs="+", help="metrics.jsonl of a run, or the folder it is in")
    parser.add_argument("-o", "--output", type=Path, help="the picture [default: metrics.png beside the only run]")
    parser.add_argument("--names", nargs="+", help="names of the runs [default: their folders']")
    parser.add_argument("--axis", choices=list(AXES), default="minutes")
    parser.add_argument("--smoothing", type=float, metavar="REPORTS", help="standard deviation of the local mean")
    args = parser.parse_args()
    paths = [path / "metrics.jsonl" if path.is_dir() else path for path in args.metrics]
    if args.names and len(args.names) != len(paths):
        parser.error(f"{len(args.names)} names for {len(paths)} runs")
    if len(paths) > 1 and args.output is None:
        parser.error("several runs need -o PICTURE")
    try:
        figure = draw(paths, args.names, args.axis, args.smoothing)
    except (OSError, ValueError) as e:
        parser.error(str(e))
    out = args.output or paths[0].with_name("metrics.png")
    write_picture(figure, out)
    print(out)


if __name__ == "__main__":
    main()
