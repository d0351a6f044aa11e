"""LSTMs under autocast: on CUDA in float32 while they learn.

Autocast casts the inputs and weights of cuDNN's LSTMs to float16, whatever its own precision is
(aten/src/ATen/cudnn/AutocastRNN.cpp). Gradients of a scene's loss are smaller than float16 can hold, and training in
bfloat16 scales no loss: two thirds of those at the last layers of the bundled network became zero. Inference loses
nothing that counts by it, and CPUs have no such cast.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def run_lstm(lstm: nn.Module, x: Tensor) -> Tensor:
    """Return an LSTM's output for each frame; shape as the LSTM's own, `[..., inputs]` -> `[..., outputs]`."""
    if x.is_cuda and torch.is_grad_enabled() and torch.is_autocast_enabled("cuda"):
        with torch.autocast("cuda", enabled=False):
            exact: Tensor = lstm(x.float())[0]
        return exact
    found: Tensor = lstm(x)[0]
    return found
