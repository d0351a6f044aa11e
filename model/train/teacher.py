"""A teacher: another network, to whose stems the one in training is held where it should change little.

Knowledge distillation (Hinton et al., arXiv 1503.02531) against forgetting (Li and Hoiem, arXiv 1606.09282): a network
that learns new scenes keeps what the teacher does on the old ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..dnr.film import MixedScenes
from ..hub.weights import load
from .validation import Criterion


class Teacher:
    """A network that does not learn, and how much of the loss its stems are.

    Args:
        model: name or path.
        share: of the loss in scenes that are held, 0 to 1; the rest is that against the true stems.

    Raises:
        WeightsError: there is no such model.
    """

    def __init__(self, model: str, share: float, device: torch.device) -> None:
        self._network: nn.Module = load(model).to(device).eval().requires_grad_(False)
        self._share = share

    def loss(
        self, criterion: Criterion, true: Tensor, estimates: Tensor, mixture: Tensor, held: Tensor, bf16: bool
    ) -> Tensor:
        """Return the losses against the true stems, and in held scenes partly against the teacher's.

        Shape: true `[batch, stems]` in dB, estimates `[batch, stems, T]`, mixture `[batch, T]`, held `[batch]` of
        bool -> `[batch, stems]` in dB
        """
        if not held.any():
            return true
        heard = mixture[held]
        with torch.no_grad(), torch.autocast(mixture.device.type, torch.bfloat16, enabled=bf16):
            wanted = self._network(heard)
        loss = true.clone()
        loss[held] = torch.lerp(true[held], criterion(estimates[held], wanted.float(), heard), self._share)
        return loss


class HeldScenes(Dataset[tuple[Tensor, Tensor, bool]]):
    """Scenes with a third value: whether a teacher's stems count in them. Of scenes of both kinds by turns, those like
    Divide and Remaster's; else all."""

    def __init__(self, scenes: Dataset[tuple[Tensor, Tensor]]) -> None:
        self._scenes = scenes

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, bool]:
        mixture, stems = self._scenes[number]
        return mixture, stems, not (isinstance(self._scenes, MixedScenes) and self._scenes.is_of_film(number))
