"""One step of training: forward, loss, backward, update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..metrics.losses import training_loss
from .config import TrainConfig
from .state import Training
from .teacher import Teacher


class Stepper:
    """Takes steps with the network and the optimizers of a run, here and in all processes together.

    Attributes:
        criterion: the loss, `(estimates, stems, mixture) -> [batch, stems]` in dB.
    """

    def __init__(self, config: TrainConfig, run: Training, device: torch.device, rank: int, world: int) -> None:
        self._config, self._run, self._device, self._rank = config, run, device, rank
        self._together = DistributedDataParallel(run.network) if world > 1 else None
        self._weights = torch.tensor(config.weights(), device=device)
        self._statistics = [buffer for name, buffer in run.network.named_buffers() if "running_" in name]
        self.criterion = training_loss(config.loss, config.loss_floor)
        self._teacher = Teacher(config.teacher, config.teacher_share, device) if config.teacher else None

    def step(self, batches: Iterator[list[torch.Tensor]], rate: float) -> tuple[list[torch.Tensor], float]:
        """Take one step at a learning rate; a step whose gradient is not finite changes nothing but the count.

        Args:
            batches: mixture `[batch, samples]`, stems `[batch, stems, samples]` and whether a teacher counts `[batch]`,
                one for each of `accumulate` parts.

        Returns:
            The losses of the parts, `[stems]` in dB, and the gradient's norm.
        """
        config, run = self._config, self._run
        for optimizer in run.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        seed_step(config.seed, run.step, self._rank)
        run.network.zero_grad(set_to_none=True)
        kept = [one.clone() for one in self._statistics]
        losses = [self._part(next(batches), part == config.accumulate - 1) for part in range(config.accumulate)]
        norm = nn.utils.clip_grad_norm_(run.network.parameters(), config.clip_norm)
        if torch.isfinite(norm):
            for optimizer in run.optimizers:
                optimizer.step()
        else:  # what the normalizations have taken of it, they forget
            for one, before in zip(self._statistics, kept, strict=True):
                one.copy_(before)
        run.average(config.ema)
        run.step += 1
        return losses, float(norm)

    def _part(self, batch: list[torch.Tensor], is_last: bool) -> torch.Tensor:
        """Add the gradient of a part of the step's scenes; processes exchange gradients after the last one."""
        mixture, stems, held = [tensor.to(self._device, non_blocking=True) for tensor in batch]
        with nullcontext() if is_last or self._together is None else self._together.no_sync():
            with self._precision():
                estimates = (self._together or self._run.network)(mixture)
            estimates = estimates.float()
            losses = true = self.criterion(estimates, stems, mixture)
            if self._teacher is not None:
                losses = self._teacher.loss(self.criterion, true, estimates, mixture, held, self._config.bf16)
            mean = (losses.mean(0) * self._weights).mean()
            (mean / self._config.accumulate).backward()  # type: ignore[no-untyped-call]
        return true.mean(0).detach()

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, torch.bfloat16) if self._config.bf16 else nullcontext()


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed dropout by the step alone, so that it does not depend on interruptions."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1))
