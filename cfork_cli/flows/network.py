"""The network made ready to separate, loaded once for as many films as wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cfork_cli.errors import ModelError, UsageError
from cfork_cli.flows import early_torch
from cfork_cli.flows.jobs import NetworkOptions


@dataclass(frozen=True)
class LoadedNetwork:
    """A network ready to separate.

    Attributes:
        network: from `model.inference.prepare`.
        device: where it runs, "cpu" or "cuda".
        model: the name or path that it was loaded by.
    """

    network: Any
    device: str
    model: str

    @property
    def level_matched(self) -> bool:
        """True if its stems keep the film's level, so that they can be mixed back."""
        return bool(self.network.level_matched)


def load_network(model: str, device: str, precision: str = "auto") -> tuple[Any, str]:
    """Return the network made ready to separate, and where it runs ("cpu" or "cuda").

    Args:
        model: name or path.
        device: "cpu", "cuda" or "auto".
        precision: "float32", "bfloat16" or "auto"; see `model.inference.prepare`.

    Raises:
        ModelError: the weights are missing or damaged. UsageError: there is no CUDA device.
    """
    early_torch.wait()
    from model.hub.weights import WeightsError, load
    from model.inference.device import DeviceError, choose_device
    from model.inference.prepare import prepare
    from model.streaming.allocator import keep_freed_memory

    try:
        device = choose_device(device)
    except DeviceError as error:
        raise UsageError(str(error)) from error
    if device == "cpu":
        keep_freed_memory()
    try:
        return prepare(load(model), device=device, precision=precision), device
    except WeightsError as error:
        raise ModelError(str(error)) from error


def loaded(job: NetworkOptions) -> LoadedNetwork:
    """Load the network that a job asks for.

    Raises:
        ModelError, UsageError: see `load_network`.
    """
    network, device = load_network(job.model, job.device, job.precision)
    return LoadedNetwork(network, device, job.model)


def kept(model: str, device: str, precision: str, before: Callable[[], object] = lambda: None) -> LoadedNetwork:
    """Return a network, and keep it for the next that asks for the same; a process keeps one.

    Args:
        before: is called if it has to be loaded.

    Raises:
        ModelError, UsageError: see `load_network`.
    """
    key = (model, device, precision)
    if key not in _kept:
        before()
        _kept.clear()
        network, found = load_network(*key)
        _kept[key] = LoadedNetwork(network, found, model)
    return _kept[key]


def where() -> str | None:
    """Return where the network that is kept runs, "cpu" or "cuda"; None where there is none yet."""
    return next((loaded.device for loaded in _kept.values()), None)


_kept: dict[tuple[str, str, str], LoadedNetwork] = {}
"""The network that this process loaded last, by model, device and precision."""
