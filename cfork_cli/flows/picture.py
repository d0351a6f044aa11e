"""The picture of `cfork plot`: loudness of the stems, speech, spectrograms; drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cfork_cli.flows.stem_levels import StemLevels
from cfork_cli.mix.loudness import HOPS_A_SECOND, SHORT_TERM_HOPS, lufs, over
from cfork_cli.mix.spectrum import Spectrogram
from cfork_cli.text import SPOKEN_ORDER, clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLOOR_LUFS, RANGE_DB = -60.0, 75.0
MOST_POINTS = 2000

_COLORS = {
    "light": {"dialogue": "#c8384b", "music": "#2b6ca3", "effects": "#3a8a55", "speech": "#c8384b", "ink": "#222222",
              "faint": "#d8d8d8", "paper": "#ffffff", "map": "magma"},
    "dark": {"dialogue": "#ff7b86", "music": "#6db6ff", "effects": "#7fd69a", "speech": "#ff7b86", "ink": "#e6e6e6",
             "faint": "#3a3f46", "paper": "#15181c", "map": "magma"},
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """All that the picture shows.

    Attributes:
        name: of the sound in the second spectrogram.
        start: where the piece begins, in seconds from the film's start.
    """

    title: str
    levels: StemLevels
    before: Spectrogram
    after: Spectrogram
    name: str
    start: float = 0.0


def draw(drawn: Drawn, theme: str, suffix: str) -> bytes:
    """Return the picture as a file: PNG, SVG or PDF, by the suffix."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    colors = _COLORS[theme]
    seconds = len(drawn.levels.powers["dialogue"]) / HOPS_A_SECOND
    begin, end = drawn.start, drawn.start + max(seconds, 0.1)
    with rc_context(_style(colors)):
        figure = Figure(figsize=(12, 8.5), layout="constrained")
        loud, speech, before, after = figure.subplots(
            4, 1, sharex=True, gridspec_kw={"height_ratios": [3.2, 0.35, 2.4, 2.4]}
        )
        figure.suptitle(_headline(drawn), x=0.01, ha="left", fontsize=13)
        _loudness(loud, drawn, colors)
        _speech(speech, drawn, colors)
        shown = ((before, drawn.before, "film"), (after, drawn.after, drawn.name))
        images = [_spectrogram(axes, picture, drawn.start, colors, name) for axes, picture, name in shown]
        high = max(float(np.percentile(drawn.before.decibels(), 99.8, axis=None)), -100.0) if seconds else 0.0
        for image in images:
            image.set_clim(high - RANGE_DB, high)
        figure.colorbar(images[0], ax=[before, after], label="dB", pad=0.01, aspect=40)
        after.set_xlim(begin, end)
        after.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 1.5, 2, 3, 5, 6, 10]))
        after.xaxis.set_major_formatter(FuncFormatter(lambda at, _: clock(at) if at >= 0 else ""))
        after.set_xlabel("time")
        file = io.BytesIO()
        kind = suffix.lower().removeprefix(".")
        more: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
        figure.savefig(file, format=kind, dpi=130, **more)
    return file.getvalue()


def _headline(drawn: Drawn) -> str:
    facts = drawn.levels.facts()
    clear = facts["dialogue_over_rest_lu"]["median"]
    said = f"speech {facts['speech_share']:.0%} of the time"
    where = "" if clear is None else f", {abs(clear):.1f} LU {'over' if clear >= 0 else 'under'} the rest (median)"
    return f"{drawn.title}: {said}{where}"


def _loudness(axes: Axes, drawn: Drawn, colors: Mapping[str, str]) -> None:
    """Draw how loud each stem is: short-term (3 s), at the middle of its span."""
    spans = min(SHORT_TERM_HOPS, max(1, len(drawn.levels.powers["dialogue"]) // 4))
    told = drawn.levels.facts()["stems"]
    highest = FLOOR_LUFS + 10
    for stem in SPOKEN_ORDER:
        level = np.maximum(lufs(over(drawn.levels.powers[stem], spans)), FLOOR_LUFS - 5)
        at = drawn.start + (np.arange(len(level)) + spans / 2) / HOPS_A_SECOND
        at, level = _thinned(at), _thinned(level)
        whole = told[stem]["integrated_lufs"]
        label = f"{stem} ({'silent' if whole is None else f'{whole:.1f} LUFS'})"
        axes.plot(at, level, color=colors[stem], label=label, linewidth=1.8 if stem == "dialogue" else 1.2)
        highest = max(highest, float(level.max(initial=highest)))
    axes.set_ylim(FLOOR_LUFS, highest + 3)
    axes.set_ylabel(f"loudness, LUFS\n(over {spans / HOPS_A_SECOND:g} s)")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, borderaxespad=0.2)
    axes.grid(axis="y")


def _speech(axes: Axes, drawn: Drawn, colors: Mapping[str, str]) -> None:
    """Draw a bar where somebody speaks."""
    spoken = np.concatenate(([False], drawn.levels.speaking(), [False]))
    changes = np.flatnonzero(np.diff(spoken.astype(np.int8)))
    # a span of 400 ms counts from its middle
    spans = [(drawn.start + (first + 1.5) / HOPS_A_SECOND, (last - first) / HOPS_A_SECOND)
             for first, last in zip(changes[::2], changes[1::2], strict=True)]  # fmt: skip
    axes.broken_barh(spans, (0, 1), color=colors["speech"], linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_ylabel("speech", rotation=0, ha="right", va="center")


def _spectrogram(axes: Axes, picture: Spectrogram, start: float, colors: Mapping[str, str], name: str) -> Any:
    levels = picture.decibels()
    at = start + np.arange(levels.shape[1] + 1) * picture.column_seconds
    image = axes.pcolormesh(at, picture.edges_hz, levels, cmap=colors["map"], shading="flat", rasterized=True)
    axes.set_yscale("log")
    axes.set_ylim(picture.edges_hz[0], picture.edges_hz[-1])
    ticks = [hertz for hertz in (100, 300, 1000, 3000, 10_000) if hertz < picture.edges_hz[-1]]
    axes.set_yticks(ticks, [f"{hertz / 1000:g} k" if hertz >= 1000 else f"{hertz}" for hertz in ticks])
    axes.minorticks_off()
    axes.set_ylabel("Hz")
    axes.set_facecolor("black")
    axes.text(0.008, 0.94, name, transform=axes.transAxes, va="top", color="white", fontsize=11,
              bbox={"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 3})  # fmt: skip
    return image


def _thinned(values: np.ndarray) -> np.ndarray:
    """Return at most so many values that a picture can show, each the mean of its neighbours."""
    step = -(-len(values) // MOST_POINTS)
    if step < 2:
        return values
    whole = len(values) // step * step
    thin: np.ndarray = values[:whole].reshape(-1, step).mean(axis=1)
    return thin


def _style(colors: Mapping[str, str]) -> Any:
    ink, faint, paper = colors["ink"], colors["faint"], colors["paper"]
    return {
        "figure.facecolor": paper, "savefig.facecolor": paper, "axes.facecolor": paper, "text.color": ink,
        "axes.labelcolor": ink, "axes.edgecolor": faint, "xtick.color": ink, "ytick.color": ink, "grid.color": faint,
        "legend.facecolor": paper, "legend.edgecolor": faint, "legend.labelcolor": ink, "font.size": 10,
        "svg.fonttype": "none", "svg.hashsalt": "cfork",
    }  # fmt: skip
