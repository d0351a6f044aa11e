"""The state of a training run in one file: networks, optimizer, schedule, and how far it has come."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ..hub.container import first_line
from ..hub.weights import ARCHITECTURES, load
from .config import TrainConfig
from .schedule import Plateau

if TYPE_CHECKING:
    from ..networks.bandsplit import Layer

STATE_FILE, BEST_FILE = "state.pt", "best.pt"


class StateError(ValueError):
    """A state file that is damaged, or of another network; the message says what to do."""


def new_network(config: TrainConfig) -> nn.Module:
    """An untrained network of the configured architecture.

    Raises:
        ValueError: the network does not take these arguments.
    """
    module, kind = ARCHITECTURES[config.architecture]
    try:
        network: nn.Module = getattr(import_module(module, __package__), kind)(**json.loads(config.network))
    except (TypeError, ArithmeticError, LookupError, RuntimeError, ValueError) as e:
        raise ValueError(
            f"the network {config.architecture!r} cannot be made with {config.network}: {first_line(e)}"
        ) from e
    return network


def read_state(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The file as it is; on a CPU, tensors are read when they are used.

    Raises:
        StateError: it is damaged, or no state file.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True, mmap=str(device) == "cpu")
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, KeyError) as e:
        first = (str(e).splitlines() or [type(e).__name__])[0]
        raise StateError(f"{path} is damaged, or no state of training ({first}); train into another folder") from e
    if not isinstance(state, dict) or not {"averaged", "step", "minutes", "config"} <= state.keys():
        raise StateError(f"{path} is no state of training; train into another folder")
    return state


def stored_config(out: Path) -> dict[str, Any] | None:
    """The config of the run in this folder, None if there is none yet.

    Raises:
        StateError: the state file is damaged.
    """
    path = out / STATE_FILE
    return dict(read_state(path)["config"]) if path.exists() else None


def fill(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network the weights of another one, which may have fewer layers; what it lacks begins as the identity.

    Raises:
        RuntimeError: the weights are of another network.
    """
    layers = getattr(network, "layers", nn.ModuleList())
    lacking = [
        number for number in range(len(layers)) if not any(key.startswith(f"layers.{number}.") for key in weights)
    ]
    deeper = {
        f"layers.{number}.{key}": value for number in lacking for key, value in layers[number].state_dict().items()
    }
    network.load_state_dict({**deeper, **weights})
    for number in lacking:
        cast("Layer", layers[number]).begin_as_identity()


def new_optimizers(config: TrainConfig, network: nn.Module) -> list[torch.optim.Optimizer]:
    """AdamW for all parameters; or Muon for the matrices, and AdamW for what is left.

    Muon (Jordan et al. 2024) moves a matrix by as much in every direction. Its steps are scaled to those of AdamW
    (arXiv 2502.16982), so that one learning rate serves both. Weights with an axis for bands are no matrices:
    with them the first and last layers of `BandSplit` stay with AdamW.

    Raises:
        ValueError: this torch has no Muon.
    """
    if config.optimizer == "muon" and not hasattr(torch.optim, "Muon"):
        raise ValueError(f"--optimizer muon takes torch 2.9 or later, and this is {torch.__version__}")
    matrices = [one for one in network.parameters() if one.ndim == 2] if config.optimizer == "muon" else []
    chosen = {id(one) for one in matrices}
    rest = [one for one in network.parameters() if id(one) not in chosen]
    adamw = torch.optim.AdamW(
        rest, lr=config.learning_rate, betas=(0.9, config.beta2), weight_decay=config.weight_decay, fused=True
    )
    if not matrices:
        return [adamw]
    muon = torch.optim.Muon(
        matrices, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, adamw]


def write(content: Mapping[str, Any], path: Path) -> None:
    """Write a file that appears when it is complete.

    Raises:
        OSError: it cannot be written. torch, writing to the disk itself, raises a RuntimeError that hides why.
    """
    part, whole = path.with_suffix(".part"), io.BytesIO()
    torch.save(dict(content), whole)
    try:
        part.write_bytes(whole.getvalue())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@dataclass
class Training:
    """Everything that goes on from one run to the next.

    Attributes:
        averaged: the moving average of the network's weights, which is the result.
        best: the lowest validation loss so far.
    """

    network: nn.Module
    averaged: nn.Module
    optimizers: list[torch.optim.Optimizer]
    plateau: Plateau
    step: int = 0
    minutes: float = 0.0
    resumptions: int = 0
    best: float = math.inf

    @classmethod
    def begin(cls, config: TrainConfig, device: torch.device) -> Training:
        """From the seed, or from the weights of `config.init`; the state file, if there is one, takes its place.

        Raises:
            StateError: the state file is damaged, or of another network.
            WeightsError: there are no such weights. ValueError: they are of another network.
        """
        torch.manual_seed(config.seed)
        network, averaged = new_network(config).to(device).train(), new_network(config).to(device)
        self = cls(network, averaged, new_optimizers(config, network), Plateau(config.patience))
        path = Path(config.out) / STATE_FILE
        if path.exists():
            self._restore(path, device)
            return self
        if config.init:
            try:
                fill(network, load(config.init).state_dict())
            except RuntimeError as e:
                raise ValueError(
                    f"the weights {config.init!r} are of another network than --network: {first_line(e)}"
                ) from e
        averaged.load_state_dict(network.state_dict())
        return self

    def _restore(self, path: Path, device: torch.device) -> None:
        state = read_state(path, device)
        try:
            self.network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            # until version 0.1 there was one
            stored = state["optimizers"] if "optimizers" in state else [state["optimizer"]]
            for optimizer, content in zip(self.optimizers, stored, strict=True):
                optimizer.load_state_dict(content)
            for group in self.optimizers[-1].param_groups:
                group["fused"] = True  # states of version 0.1 say how they were made
        except (RuntimeError, ValueError) as e:
            raise StateError(
                f"{path} is of another network or optimizer (size mismatch): train into another folder"
            ) from e
        self.step, self.minutes, self.resumptions = state["step"], state["minutes"], state["resumptions"] + 1
        self.best = state.get("best", math.inf)  # states of version 0.1 have neither
        known = {one.name for one in fields(Plateau)} - {"patience"}
        for name, value in state.get("plateau", {}).items():
            if name in known:
                setattr(self.plateau, name, value)

    def save(self, config: TrainConfig) -> None:
        """Write the state file."""
        write(
            {
                "network": self.network.state_dict(), "averaged": self.averaged.state_dict(),
                "optimizers": [one.state_dict() for one in self.optimizers],
                "plateau": asdict(self.plateau), "best": self.best,
                "step": self.step, "minutes": self.minutes, "resumptions": self.resumptions,
                "config": config.options(),
            },
            Path(config.out) / STATE_FILE,
        )  # fmt: skip

    def save_best(self, config: TrainConfig) -> None:
        """Write what `model.train.package` needs, beside the state."""
        write(
            {"averaged": self.averaged.state_dict(), "step": self.step, "minutes": self.minutes,
             "validation_loss": self.best, "config": config.options()},
            Path(config.out) / BEST_FILE,
        )  # fmt: skip

    def average(self, memory: float) -> None:
        """Let the averaged network follow; quickly at the beginning."""
        memory = min(memory, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), list(self.network.parameters()), 1 - memory)
            for kept, new in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
                kept.copy_(new)  # statistics of normalizations are averages already
