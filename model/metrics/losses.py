"""Objectives and figures of merit: negative SNR, bounded SNR, SI-SDR.

Signals are `[..., samples]`; every function returns `[...]` in dB.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EPSILON = 1e-8
TINY = 1e-20  # a power far below that of any sound, and far above the smallest float32


def _power(x: Tensor) -> Tensor:
    return x.square().sum(-1)


def snr(estimate: Tensor, target: Tensor) -> Tensor:
    """Signal-to-noise ratio: 10 log10(|s|^2 / |e - s|^2). It rewards the right level.

    >>> round(float(snr(torch.full((100,), 0.9), torch.ones(100))), 3)
    20.0
    """
    return 10 * torch.log10((_power(target) + EPSILON) / (_power(estimate - target) + EPSILON))


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant SDR (Le Roux et al., ICASSP 2019), without removing means: the published MRX figure.

    The target is scaled to the orthogonal projection of the estimate on it, so the level does not count. Figures
    stay within +-80 dB: an estimate that holds nothing of the target, such as silence, has -80 dB, and not the
    0 dB of an absolute floor, which would pass for an improvement.

    >>> t = torch.arange(4000) * (2 * torch.pi / 1000)
    >>> round(float(si_sdr(3 * (torch.sin(t) + 0.1 * torch.cos(t)), torch.sin(t))), 1)
    20.0
    """
    scale = (estimate * target).sum(-1, keepdim=True) / (_power(target).unsqueeze(-1) + TINY)
    projection = scale * target
    floor = EPSILON * _power(estimate)
    good, bad = _power(projection) + floor + EPSILON * TINY, _power(estimate - projection) + floor + TINY
    return 10 * torch.log10(good / bad)


def bounded_snr_loss(estimate: Tensor, target: Tensor, mixture: Tensor, floor: float = 0.01) -> Tensor:
    """Negative SNR with both powers raised by `floor` times the mixture's.

    10 log10((|e - s|^2 + floor |x|^2) / (|s|^2 + floor |x|^2)). On a silent target the plain SNR has no bound and
    teaches silence; here such a stem weighs as much as any other.

    Shape: estimate, target `[..., stems, samples]`, mixture `[..., samples]` -> `[..., stems]`
    """
    bound = floor * _power(mixture).unsqueeze(-1) + EPSILON
    return 10 * torch.log10((_power(estimate - target) + bound) / (_power(target) + bound))


def published_loss(estimate: Tensor, target: Tensor, *, scale_invariant: bool) -> Tensor:
    """The loss of the published MRX: negative SNR, or negative SI-SNR of signals without their means.

    On a silent target it is a constant 80 dB without a gradient: such a stem teaches nothing.

    >>> t, zero = torch.ones(100), torch.zeros(100)
    >>> [round(float(published_loss(0.9 * t, s, scale_invariant=False)), 3) for s in (t, zero)]
    [-20.0, 80.0]
    """
    if scale_invariant:
        estimate, target = (signal - signal.mean(-1, keepdim=True) for signal in (estimate, target))
        target = target * ((estimate * target).sum(-1, keepdim=True) / (_power(target).unsqueeze(-1) + 1e-12))
    return -10 * torch.log10(_power(target) / (_power(estimate - target) + EPSILON) + EPSILON)


def training_loss(name: str, floor: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """(estimate `[..., stems, samples]`, target, mixture `[..., samples]`) -> dB `[..., stems]`, by its name.

    Raises:
        KeyError: it is none of bounded, snr, si_snr.
    """
    return {
        "bounded": lambda estimate, target, mixture: bounded_snr_loss(estimate, target, mixture, floor),
        "snr": lambda estimate, target, mixture: published_loss(estimate, target, scale_invariant=False),
        "si_snr": lambda estimate, target, mixture: published_loss(estimate, target, scale_invariant=True),
    }[name]
