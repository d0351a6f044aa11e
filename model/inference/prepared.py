"""Base of the networks that are prepared for separation."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..networks.bandsplit import BandSplit
from ..networks.mrx import MRX
from ..networks.multirate import MultiRateMRX

FACTS = (
    "stems", "sample_rate", "hop", "input_lufs", "level_matched", "window_seconds", "context_seconds",
    "crossfade_seconds", "config",
)  # fmt: skip


Known = BandSplit | MRX | MultiRateMRX


class Prepared(nn.Module):
    """A network for inference that carries the facts of the original.

    Attributes:
        precision: "float32" or "bfloat16", that of matrix products and recurrent layers (on CUDA, autocast
            computes the latter in float16: see `recurrent`).
    """

    stems: tuple[str, ...]
    batch_size: int

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        for name in FACTS:
            if hasattr(network, name):
                setattr(self, name, getattr(network, name))
        self.dtype = dtype
        self.precision = str(dtype).removeprefix("torch.")

    def freeze(self) -> None:
        """Switch to evaluation mode without gradients: the last step of every constructor."""
        self.eval().requires_grad_(False)

    def _cast(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return copies in the precision of the network, each contiguous."""
        return tuple(tensor.detach().to(self.dtype, copy=True).contiguous() for tensor in tensors)


class Exact(nn.Module):
    """A part of a network that stays in float32 under autocast."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Any:
        """As the part's."""
        with torch.autocast(x.device.type, enabled=False):
            return self.part(x.float())


class Autocast(Prepared):
    """A copy of a network with a `mix`, as it is or under autocast; for devices that have no faster form of it."""

    def __init__(self, network: Known, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(network, dtype)
        self.batch_size = network.batch_size
        self.network: Any = copy.deepcopy(network).to(device)
        inner: Any = self.network
        if isinstance(network, BandSplit):  # few of the products, and most of what a quiet stem would lose
            inner.encoder = Exact(inner.encoder)
            inner.decoders = nn.ModuleDict({stem: Exact(one) for stem, one in inner.decoders.items()})
        self.freeze()

    def forward(self, x: Tensor, stems: Sequence[str] | None = None) -> Tensor:
        """As the network's."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            found: Tensor = self.network(x, stems=stems)
        return found.float()

    def mix(self, x: Tensor, weights: Mapping[str, float]) -> Tensor:
        """As the network's."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            found: Tensor = self.network.mix(x, weights)
        return found.float()
