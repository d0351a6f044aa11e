"""Batch normalizations as scales and shifts, and linear layers that have taken them in."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from ..networks.mrx import MRX


def affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Scale and shift, float64, of a normalization in evaluation mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach().double() * (norm.running_var.double() + norm.eps).rsqrt()
    return scale, norm.bias.detach().double() - norm.running_mean.double() * scale


def fold(linear: nn.Linear, norm: nn.BatchNorm1d) -> nn.Linear:
    """A layer that does what the layer without a bias and the normalization behind it did."""
    scale, shift = affine(norm)
    made = nn.Linear(linear.in_features, linear.out_features, device=linear.weight.device)
    with torch.no_grad():
        made.weight.copy_(linear.weight.double() * scale[:, None])
        made.bias.copy_(shift)
    return made


def folded(network: MRX) -> MRX:
    """A copy in evaluation mode, whose linear layers do what the normalizations behind them did.

    The first normalization of an encoder stays. It takes the mean away from magnitudes that are never negative; in a
    product of bfloat16 the small difference would drown in the rounding of both.
    """
    made = copy.deepcopy(network).eval()
    blocks = [encoder.layer for encoder in made._encoders]
    blocks += [decoder.block for decoders in made._decoders for decoder in cast(nn.ModuleList, decoders)]
    for block in cast(list[nn.Sequential], blocks):
        for place in range(len(block) - 1):
            linear, norm = block[place], block[place + 1]
            if isinstance(linear, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                block[place], block[place + 1] = fold(linear, norm), nn.Identity()
    return made
