"""The statistics of a set of scenes as one picture (PNG, PDF, SVG: what matplotlib can write)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from .recipe import EVENTS, MASTER_LUFS, MASTER_SPREAD, SECONDS
from .statistics import COMBINATIONS, PUBLISHED_SI_SDR, SceneFacts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {"music": "#2e6f9e", "speech": "#d1495b", "sfx": "#3c8d5a", "background": "#9bc4a5", "mix": "#555555"}
ORDER = ("speech", "music", "sfx", "background")  # as people name them, from the top
STEM_ORDER = ("speech", "music", "sfx")
BLENDS = {
    (): "#e6e6e6", ("music",): "#2e6f9e", ("speech",): "#d1495b", ("sfx",): "#3c8d5a", ("music", "speech"): "#80578a",
    ("music", "sfx"): "#2f8f9b", ("speech", "sfx"): "#a07a3c", ("music", "speech", "sfx"): "#3a3a3a",
}  # fmt: skip


def draw(facts: Sequence[SceneFacts], path: Path, title: str) -> None:
    """Write the picture.

    Raises:
        ImportError: matplotlib is not installed. ValueError: it cannot write this kind of file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # not pyplot: no display, no global state
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(15, 9), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 3)
    hours = sum(one.seconds for one in facts) / 3600
    scenes = "1 scene" if len(facts) == 1 else f"{len(facts):,} scenes"
    figure.suptitle(f"{title}: {scenes}, {hours:.1f} hours", fontsize=15, fontweight="bold")
    if told := [one for one in facts if one.counts]:
        _counts(panels[0, 0], told)
        _lengths(panels[0, 1], told)
        _shares(panels[0, 2], told)
        _timeline(panels[1, 2], told)
    else:
        for panel in (*panels[0], panels[1, 2]):
            panel.text(0.5, 0.5, "no annots.csv", ha="center", va="center")
            panel.set_axis_off()
    _loudness(panels[1, 0], facts)
    _difficulty(panels[1, 1], facts)
    for panel in panels.flat:
        panel.spines[["top", "right"]].set_visible(False)
        panel.title.set_fontweight("bold")
    part = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(part, dpi=120, format=path.suffix.lower().removeprefix("."))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _counts(axes: Axes, facts: Sequence[SceneFacts]) -> None:
    """Draw the number of events in a scene beside the recipe's distribution."""
    most = max(max(max(one.counts.values()) for one in facts), 20)
    numbers = np.arange(1, most + 1)
    for row, kind in enumerate(reversed(ORDER)):
        drawn = stats.poisson.pmf(numbers, EVENTS[kind]) / (1 - math.exp(-EVENTS[kind]))
        found = np.bincount([one.counts[kind] for one in facts], minlength=most + 1)[1 : most + 1] / len(facts)
        scale = 0.8 / max(drawn.max(), found.max(initial=0.0))
        axes.bar(numbers, found * scale, bottom=row, width=0.85, color=COLORS[kind], alpha=0.85)
        axes.plot(
            numbers,
            row + drawn * scale,
            color="#222222",
            lw=1.2,
            label="as drawn; some find no place" if row == 0 else "_",
        )
        mean = float(np.mean([one.counts[kind] for one in facts]))
        axes.text(most + 0.5, row + 0.55, f"mean {mean:.1f}", ha="right", fontsize=9, color="#222222")
    axes.set_yticks(np.arange(4) + 0.3, list(reversed(ORDER)))
    axes.set_xticks(range(0, most + 1, 5 if most <= 30 else 10))
    axes.set_ylim(-0.05, 4.3)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("events in a scene")
    axes.set_title("How many events")
    axes.legend(loc="upper right", frameon=False, fontsize=9)


def _lengths(axes: Axes, facts: Sequence[SceneFacts]) -> None:
    """Draw the lengths of the events."""
    edges = [float(edge) for edge in np.geomspace(0.1, SECONDS, 40)]
    for kind in ORDER:
        lengths = [length for one in facts for length in one.lengths[kind]]
        if lengths:
            label = f"{kind}, median {np.median(lengths):.1f} s"
            axes.hist(lengths, edges, histtype="step", lw=2, color=COLORS[kind], label=label)
    axes.set_xscale("log")
    axes.set_xticks([0.1, 1, 10, 60], ["0.1", "1", "10", "60"])
    axes.set_xlabel("seconds")
    axes.set_ylabel("events")
    axes.set_title("How long they are")
    if axes.has_data():
        axes.set_ylim(0, axes.get_ylim()[1] * 1.35)  # room for the legend
        axes.legend(loc="upper left", ncols=2, frameon=False, fontsize=8, columnspacing=1.0)


def _shares(axes: Axes, facts: Sequence[SceneFacts]) -> None:
    """Draw the shares of time in which classes sound together."""
    shares = {names: float(np.mean([one.shares[names] for one in facts])) for names in COMBINATIONS}
    order = sorted(shares, key=lambda names: shares[names])
    for row, names in enumerate(order):
        axes.barh(row, 100 * shares[names], color=BLENDS[names], height=0.7)
        axes.text(100 * shares[names] + 0.7, row, f"{100 * shares[names]:.0f} %", va="center", fontsize=9)
    axes.set_yticks(
        range(len(order)), [" + ".join(n for n in STEM_ORDER if n in names) or "nothing" for names in order]
    )
    axes.set_xlim(0, max(100 * max(shares.values()) * 1.15, 1))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("percent of the time")
    axes.set_title("What is heard at once")


def _loudness(axes: Axes, facts: Sequence[SceneFacts]) -> None:
    """Loudness of stems and mixes."""
    names = (*STEM_ORDER, "mix")
    axes.axhspan(MASTER_LUFS - MASTER_SPREAD, MASTER_LUFS + MASTER_SPREAD, color="#555555", alpha=0.12, lw=0)
    axes.text(1.05, MASTER_LUFS + MASTER_SPREAD - 0.15, "recipe, of mixes", fontsize=9, color="#555555", va="top")
    _strips(axes, [[one.lufs[name] for one in facts] for name in names], names, "{:.1f}")
    axes.set_ylabel("integrated loudness, LUFS")
    axes.set_title("How loud")


def _difficulty(axes: Axes, facts: Sequence[SceneFacts]) -> None:
    """SI-SDR of the mixture for each stem."""
    _strips(axes, [[one.si_sdr[name] for one in facts] for name in STEM_ORDER], STEM_ORDER, "{:+.1f}")
    for column, name in enumerate(STEM_ORDER):
        axes.hlines(PUBLISHED_SI_SDR[name], column - 0.38, column + 0.38, color="#222222", ls="--", lw=1.3,
                    label="mean of the published test set" if column == 0 else "_")  # fmt: skip
    axes.set_ylabel("SI-SDR of the mixture, dB")
    axes.set_title("How hard to separate")
    axes.legend(loc="upper right", frameon=False, fontsize=9)


def _strips(axes: Axes, columns: Sequence[Sequence[float]], names: Sequence[str], form: str) -> None:
    """A point a scene, spread sideways so that they can be told apart, with the mean of each column."""
    rng = np.random.default_rng(0)
    for column, (values, name) in enumerate(zip(columns, names, strict=True)):
        found = np.array([value for value in values if math.isfinite(value)])
        if not len(found):
            continue
        sideways = column + rng.uniform(-0.22, 0.22, len(found))
        axes.scatter(sideways, found, s=18, color=COLORS[name], alpha=max(0.15, min(0.7, 40 / len(found))), lw=0)
        mean = float(found.mean())
        axes.hlines(mean, column - 0.3, column + 0.3, color=COLORS[name], lw=3)
        axes.text(
            column + 0.33, mean, form.format(mean), va="center", fontsize=10, fontweight="bold", color=COLORS[name]
        )
    axes.set_xticks(range(len(names)), list(names))
    axes.set_xlim(-0.5, len(names) - 0.05)
    axes.grid(axis="y", alpha=0.25)


def _timeline(axes: Axes, facts: Sequence[SceneFacts]) -> None:
    """The events of one scene, that with a middling number of them."""
    one = sorted(facts, key=lambda fact: (sum(fact.counts.values()), fact.scene))[len(facts) // 2]
    for event in one.events:
        if event.kind in ORDER:
            row = len(ORDER) - 1 - ORDER.index(event.kind)
            width = event.mix_end_time - event.mix_start_time
            axes.barh(row, width, left=event.mix_start_time, height=0.6, color=COLORS[event.kind], ec="white", lw=0.8)
    axes.set_yticks(range(len(ORDER)), list(reversed(ORDER)))
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, one.seconds)
    axes.set_ylim(-0.6, len(ORDER) - 0.4)
    axes.set_xlabel("seconds")
    axes.set_title(f"One of them: {one.scene}")
