"""The learning rate, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .config import TrainConfig

THRESHOLD = 1e-4  # what an improvement must exceed, relative to the best


def progress(config: TrainConfig, step: int, minutes: float, epoch_steps: int) -> float:
    """Return the part of the training that is done, 0 to 1: the limit that comes first counts."""
    done = [minutes / config.minutes] if config.minutes else []
    done += [step / limit for limit in (config.steps, config.epochs * epoch_steps) if limit]
    return min(max(done), 1.0)


def learning_rate(config: TrainConfig, step: int, done: float, factor: float = 1.0) -> float:
    """Linear warm-up over steps; then a cosine over what is done of the training, or what the plateau left."""
    warm = min((step + 1) / config.warmup_steps, 1.0) if config.warmup_steps else 1.0
    if config.schedule == "plateau":
        return config.learning_rate * warm * factor
    cosine = config.final_fraction + (1 - config.final_fraction) * 0.5 * (1 + math.cos(math.pi * done))
    return config.learning_rate * warm * cosine


@dataclass
class Plateau:
    """Halves its factor when the loss has not improved for more than `patience` validations, as PyTorch's
    ReduceLROnPlateau does with factor 0.5."""

    patience: int
    factor: float = 1.0
    best: float = field(default=math.inf)
    waited: int = 0

    def validated(self, loss: float) -> None:
        """Take note of a validation's loss."""
        # a loss in dB may be negative: multiplying, as PyTorch does, would count a little worse as better
        if loss < self.best - abs(self.best if math.isfinite(self.best) else 0.0) * THRESHOLD:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.factor, self.waited = self.factor / 2, 0
