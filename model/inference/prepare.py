"""A network made ready to separate: as fast as the device allows, equal to the original within a known tolerance."""

from __future__ import annotations

from typing import Any

import torch

from ..networks.bandsplit import BandSplit
from ..networks.mrx import MRX
from ..networks.protocol import Network
from .fast_bandsplit import FastBandSplit
from .fast_mrx import FastMRX
from .fold import folded
from .prepared import Autocast, Known

PRECISIONS = ("auto", "float32", "bfloat16")


def prepare(network: Network, *, device: str | torch.device = "cpu", precision: str = "auto") -> Any:
    """The network for inference on a device; copies of the weights, the original is not changed.

    On a CPU, in float32, its output differs from the original's by 1e-5 of the largest sample at most. In bfloat16 the
    power of the difference is about -50 dB of the mixture's; transforms, masks and sums stay in float32 then too, but
    for the masks of MRX on CUDA.
    In float32 on CUDA, this process's LSTMs no longer take TensorFloat-32, which is torch's own choice there.

    Args:
        network: of any kind. One that is not known here comes back as it is, in float32.
        device: "cpu" or a CUDA device. What is prepared for a CPU must stay there.
        precision: "float32", "bfloat16", or "auto": bfloat16 where the device multiplies in it.

    Returns:
        A `separator.Network` with `mix` (see `BandSplit.mix`; a network that is not known may have none) and with
        `precision`, "float32" or "bfloat16".

    Raises:
        ValueError: there is no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"there is no precision {precision!r}; choose from {', '.join(PRECISIONS)}")
    device = torch.device(device)
    if not isinstance(network, Known):
        network.eval()
        network.to(device)
        if not hasattr(network, "precision"):
            network.precision = "float32"  # type: ignore[attr-defined]
        return network
    half = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))
    dtype = torch.bfloat16 if half else torch.float32
    if device.type == "cpu" and isinstance(network, BandSplit):
        return FastBandSplit(network, dtype)
    if device.type == "cpu" and isinstance(network, MRX):
        return FastMRX(network, dtype)
    if device.type == "cuda" and not half:
        torch.backends.cudnn.allow_tf32 = False
    return Autocast(folded(network) if isinstance(network, MRX) else network, dtype, device)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether the device has instructions that multiply bfloat16; without them it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    # torch has no public question for it; a version without these answers no
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)
