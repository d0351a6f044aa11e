"""One batch through a network, by itself: what a worker on another machine does for a film that is read elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfork_cli.flows import network as networks
from cfork_cli.flows.separator import Asked

_kept: dict[Asked, Any] = {}
"""What this process opened last."""


def compute(asked: Asked, sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Return the stems `[B, S, N]` of a batch of sequences `[N]`, as `model.streaming.separator` would compute them.

    Raises:
        ModelError, UsageError: see `network.load_network`.
        RuntimeError, MemoryError: not even one sequence fits the device.
    """
    batches = _kept.get(asked)
    if batches is None:
        batches = _opened(asked)
        _kept.clear()
        _kept[asked] = batches
    found: np.ndarray = batches.compute(sequences)
    return found


def _opened(asked: Asked) -> Any:
    """Return the network, ready for batches of this kind; a process keeps one network."""
    ready = networks.kept(asked.model, asked.device, asked.precision)
    from model.streaming.batches import Batches
    from model.streaming.input_level import InputLevel

    network = ready.network
    level = InputLevel(asked.input_gain, network.input_lufs, network.sample_rate)
    return Batches(network, asked.stems, weights=asked.weights, level=level, device=ready.device, workers=1)
