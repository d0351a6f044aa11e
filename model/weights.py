"""From a name or a path to a network with its weights, and back.

Files of our own say for themselves what they are (`container`); the released checkpoints of MRX are
recognized (`released`). Only `load` and `save` import torch: listing the models does not.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import container, released
from .container import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_MODEL",
    "ModelInfo",
    "WeightsError",
    "describe",
    "list_models",
    "load",
    "resolve",
    "save",
]

DEFAULT_MODEL = "cfork"

# Name -> module and class, imported when a file asks for it. Every class keeps its arguments in `config`.
ARCHITECTURES: dict[str, tuple[str, str]] = {
    "mrx": (".mrx", "MRX"),
    "bandsplit": (".bandsplit", "BandSplit"),
}

BUNDLED = Path(__file__).parent / "weights"

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# PyTorch writes zip archives, or before its version 1.6 bare pickles; safetensors begin with a length.
_PYTORCH = (b"PK\x03\x04", b"\x80\x02")


@dataclass(frozen=True)
class ModelInfo:
    """What a file of weights says about itself."""

    name: str
    path: Path
    bytes: int
    architecture: str
    config: dict[str, Any]
    card: dict[str, Any]


def list_models() -> list[ModelInfo]:
    """The models bundled with the package, the default first; reads headers only.

    Raises:
        WeightsError: a bundled file is damaged.
    """
    paths = sorted(BUNDLED.glob("*.safetensors"), key=lambda path: (path.stem != DEFAULT_MODEL, path.stem))
    return [describe(path) for path in paths]


def describe(path: Path) -> ModelInfo:
    """What one of our files says about itself; the tensors are neither read nor verified.

    Raises:
        WeightsError: the file cannot be read, or is none of ours.
    """
    try:
        metadata, size = container.read_metadata(path), path.stat().st_size
    except OSError as e:
        raise WeightsError(f"cannot read the weights {path}: {e.strerror or e}") from e
    if metadata is None:
        raise WeightsError(f"{path} does not say what network it is for; load it, and save it again")
    return ModelInfo(
        name=path.stem,
        path=path,
        bytes=size,
        architecture=metadata["architecture"],
        config=container.json_object(metadata, "config", path),
        card=container.json_object(metadata, "card", path),
    )


def resolve(name_or_path: str | os.PathLike[str]) -> Path:
    """The file behind the name of a bundled model, or behind a path. A name wins: `./name` is the file.

    Raises:
        WeightsError: neither; the message names the bundled models.
    """
    text = os.fspath(name_or_path)
    bundled = BUNDLED / f"{text}.safetensors"
    if re.fullmatch(r"[\w.-]+", text) and bundled.is_file():
        return bundled
    path = Path(text).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise WeightsError(f"{path} is a directory; name a .safetensors or .pth file in it")
    if text == DEFAULT_MODEL:
        raise WeightsError(f"the bundled model {text!r} is missing; install cfork again, or name a file of weights")
    names = ", ".join(sorted(found.stem for found in BUNDLED.glob("*.safetensors")))
    hint = f"choose {names}, or give" if names else "give"
    raise WeightsError(f"no model and no file is called {text!r}; {hint} the path of a .safetensors or .pth file")


def load(name_or_path: str | os.PathLike[str], device: str | torch.device = "cpu") -> Any:
    """Build the network that a file describes, with its weights, in evaluation mode.

    Returns:
        An `nn.Module` that is a `separator.Network`, its parameters in float32, on the device.

    Raises:
        WeightsError: there is no such file, or it is truncated, damaged, or not a separation network.
    """
    path = resolve(name_or_path)
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS_POINTER))
        if start == _LFS_POINTER:
            raise WeightsError(f"{path} is a Git LFS pointer, not the weights; run `git lfs pull` in its repository")
        if start.startswith(_PYTORCH) or path.suffix in {".pth", ".pt", ".ckpt"}:
            metadata, tensors = None, released.read_state_dict(path)
        else:
            metadata, tensors = container.read(path)
        if metadata is None:
            network = _build("mrx", released.recognize(tensors, path), path)
        else:
            network = _build(metadata["architecture"], container.json_object(metadata, "config", path), path)
    except OSError as e:
        raise WeightsError(f"cannot read the weights {path}: {e.strerror or e}") from e
    try:
        # Half precision is only a way of storing: copying into the parameters brings them back to float32.
        network.load_state_dict(tensors)
    except RuntimeError as e:
        raise WeightsError(f"{path} does not fit its network ({container.first_line(e)}); get the file again") from e
    return network.eval().to(device)


def save(network: nn.Module, path: str | os.PathLike[str], card: Mapping[str, Any], *, half: bool = False) -> None:
    """Write a network as safetensors that `load` understands; the file appears only when it is complete.

    Args:
        network: of a class in `ARCHITECTURES`.
        path: where to; replaced if it exists.
        card: what people should know (data, license, hours, scores); anything that JSON can hold.
        half: store matrices in float16. Vectors stay in float32: they are few, and the running variances of
            quiet bins would become zero. So does a matrix with an entry too large for float16.

    Raises:
        WeightsError: the class of the network is not known.
        OSError: the file cannot be written.
    """
    metadata = {
        "architecture": _architecture_of(network),
        "config": json.dumps(network.config, sort_keys=True),
        "card": json.dumps(dict(card), sort_keys=True, ensure_ascii=False),
    }
    tensors = {name: _stored(tensor, half) for name, tensor in network.state_dict().items()}
    container.write(Path(path), metadata, tensors)


def _stored(tensor: Tensor, half: bool) -> Tensor:
    """A copy as it goes into the file, on the CPU."""
    import torch

    tensor = tensor.detach().to("cpu", copy=True).contiguous()
    if half and tensor.is_floating_point() and tensor.ndim > 1:
        small = tensor.to(torch.float16)
        if small.isfinite().all():
            return small
    return tensor


def _architecture_of(network: nn.Module) -> str:
    """The key of the network's class in `ARCHITECTURES`."""
    kind = type(network)
    for name, (module, attribute) in ARCHITECTURES.items():
        if kind.__module__ == f"{__package__}{module}" and kind.__qualname__ == attribute:
            return name
    raise WeightsError(f"{kind.__qualname__} is no known architecture; add it to ARCHITECTURES")


def _build(architecture: str, config: Mapping[str, Any], path: Path) -> nn.Module:
    """A network without its weights."""
    if architecture not in ARCHITECTURES:
        raise WeightsError(f"{path} is for a network {architecture!r} that this version does not know; update cfork")
    module, attribute = ARCHITECTURES[architecture]
    try:
        network: nn.Module = getattr(import_module(module, __package__), attribute)(**config)
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError) as e:
        raise WeightsError(f"cannot build the network {architecture!r} of {path} ({e}); update cfork") from e
    return network
