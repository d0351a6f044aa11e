"""The arithmetic of a network, counted, and how fast this machine multiplies: together a limit that nothing beats.

Counted are matrix products, LSTMs and Fourier transforms, a multiplication and an addition being two operations. What
goes element by element (masks, activations, normalization) is not: it costs memory traffic, not arithmetic.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SIZE = 2048
"""Rows and columns of the matrices whose product is timed; four times as many on CUDA."""

_SECONDS = 0.6


def count_flops(work: Callable[[], object]) -> dict[str, int]:
    """Floating-point operations of what `work` computes with torch in this thread.

    Returns:
        `{"products": ..., "lstm": ..., "transforms": ...}`.

    >>> import torch
    >>> count_flops(lambda: torch.ones(2, 3) @ torch.ones(3, 5))["products"]
    60
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    aten = torch.ops.aten
    kinds = {
        aten.mkldnn_rnn_layer: ("lstm", _mkldnn_lstm),
        aten._cudnn_rnn: ("lstm", _cudnn_lstm),
        aten._fft_r2c: ("transforms", lambda x, dims, *_, **__: transform_flops(x, dims)),
        aten._fft_c2r: ("transforms", _inverse),
        aten._fft_c2c: ("transforms", lambda x, dims, *_, **__: 2 * transform_flops(x, dims)),
    }
    # without gradients but not in inference mode: there the counter sees whole layers, and not what they are made of
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping={op: f for op, (_, f) in kinds.items()}) as c:
        work()
    found = {"products": 0, "lstm": 0, "transforms": 0}
    for operation, flops in c.get_flop_counts().get("Global", {}).items():
        found[kinds[operation][0] if operation in kinds else "products"] += int(flops)
    return found


def lstm_flops(weights: Sequence[Sequence[int]], steps: int) -> int:
    """Return those of an LSTM: each of its matrices (shapes) times one vector in each step of each sequence.

    >>> lstm_flops([(20, 4), (20, 5)], steps=7)  # four inputs, five units, seven steps
    2520
    """
    return 2 * steps * sum(math.prod(shape) for shape in weights if len(shape) == 2)


def transform_flops(shape: Sequence[int], dims: Sequence[int], length: int | None = None) -> int:
    """Return those of real transforms over `dims` of an array: 2.5 N log2 N each, half of what complex ones take.

    Args:
        length: of the last transformed dimension, where the array holds only its half.

    >>> transform_flops((3, 1024), (1,))
    76800
    """
    lengths = [shape[dim] for dim in dims]
    if length is not None:
        lengths[-1] = length
    size = math.prod(lengths)
    others = math.prod(shape) // math.prod(shape[dim] for dim in dims)
    return round(others * 2.5 * size * math.log2(size)) if size > 1 else 0


def _mkldnn_lstm(x: Sequence[int], w_input: Sequence[int], w_hidden: Sequence[int], *_: Any, **__: Any) -> int:
    return lstm_flops([w_input, w_hidden], math.prod(x[:-1]))


def _cudnn_lstm(x: Sequence[int], weights: Sequence[Sequence[int]], *_: Any, **__: Any) -> int:
    return lstm_flops(weights, math.prod(x[:-1]))


def _inverse(x: Sequence[int], dims: Sequence[int], _norm: int, length: int, **_: Any) -> int:
    return transform_flops(x, dims, length)


def product_rate(device: str, precision: str) -> float:
    """Floating-point operations a second of the best `torch.mm`, on all cores that torch uses, or on the GPU.

    Args:
        precision: "float32" or "bfloat16".
    """
    import torch

    size = SIZE * (4 if device == "cuda" else 1)
    kind: torch.dtype = getattr(torch, precision)
    a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    best, spent = math.inf, 0.0
    with torch.inference_mode():
        torch.mm(a, b)  # the first one pays for memory and threads
        while spent < _SECONDS or best == math.inf:
            _wait(device)
            began = time.perf_counter()
            torch.mm(a, b)
            _wait(device)
            seconds = time.perf_counter() - began
            best, spent = min(best, seconds), spent + seconds
    return 2 * size**3 / best


def limit_seconds(flops: Mapping[str, int], rates: Mapping[str, float], precision: str) -> float:
    """The time that so many operations take at those rates; transforms are in float32 whatever the network is in.

    >>> limit_seconds({"products": 8, "lstm": 2, "transforms": 4}, {"float32": 2.0, "bfloat16": 5.0}, "bfloat16")
    4.0
    """
    return (flops["products"] + flops["lstm"]) / rates[precision] + flops["transforms"] / rates["float32"]


def _wait(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
