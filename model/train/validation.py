"""Validate a network in training on scenes that stay the same: SI-SDR improvement and loss."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..metrics.losses import si_sdr
from ..stems import STEMS

Criterion = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(estimates [..., stems, T], stems, mixture [..., T]) -> loss in dB [..., stems]"""

Figures = dict[str, list[float]]
"""Of each figure, one number for each scene that has it."""


def validate(
    network: nn.Module, scenes: Iterable[tuple[Tensor, Tensor]], device: torch.device, criterion: Criterion
) -> Figures:
    """Loss and SI-SDR improvement in dB of each stem and scene.

    A stem that does not sound in a scene, or sounds alone, has no improvement there.

    Shape: scenes are (mixture [T], stems [3, T])
    """
    found: Figures = {f"{kind}_{stem}": [] for kind in ("si_sdri", "loss") for stem in STEMS}
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for mixture, stems in scenes:
            mixture, stems = mixture.to(device), stems.to(device)
            estimates = network(mixture[None])[0].float()
            losses = criterion(estimates, stems, mixture)
            gains = si_sdr(estimates, stems) - si_sdr(mixture.expand_as(stems), stems)
            power = stems.square().sum(-1)
            for number, stem in enumerate(STEMS):
                found[f"loss_{stem}"].append(float(losses[number]))
                others = (stems.sum(0) - stems[number]).square().sum()
                if power[number] > 1e-3 * mixture.square().sum() and others > 0:
                    found[f"si_sdri_{stem}"].append(float(gains[number]))
    network.train(was_training)
    return found


def together_of(summaries: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any]:
    """The figures of the first kind of scenes, and under their names those of every other; `loss` is the mean of all.

    >>> both = together_of({"dnr": {"loss": -3.0, "loss_music": -1.0}, "film": {"loss": -2.0, "loss_music": 0.0}})
    >>> both["loss"], both["loss_music"], both["film"]["loss"]
    (-2.5, -1.0, -2.0)
    """
    (_, first), *others = summaries.items()
    losses = [loss for one in summaries.values() if (loss := one["loss"]) is not None]
    return {**first, **dict(others), "loss": round(statistics.fmean(losses), 4) if losses else None}


def summarize(parts: Sequence[Figures]) -> dict[str, float | None]:
    """Figures of several processes in one: `si_sdri_STEM` (median), `si_sdri_STEM_mean`, `loss_STEM` and `loss`
    (means); None where no scene has the figure."""
    together = {name: [value for part in parts for value in part[name]] for name in parts[0]}
    summary: dict[str, float | None] = {}
    for stem in STEMS:
        gains = together[f"si_sdri_{stem}"]
        summary[f"si_sdri_{stem}"] = statistics.median(gains) if gains else None
        summary[f"si_sdri_{stem}_mean"] = statistics.fmean(gains) if gains else None
    losses = [together[f"loss_{stem}"] for stem in STEMS]
    for stem, values in zip(STEMS, losses, strict=True):
        summary[f"loss_{stem}"] = statistics.fmean(values) if values else None
    summary["loss"] = statistics.fmean(value for values in losses for value in values) if losses[0] else None
    return {name: None if value is None else round(value, 4) for name, value in summary.items()}
