"""From a name or a path to a network with its weights, and back.

Files of our own say for themselves what they are (`container`); the released checkpoints of MRX are
recognized (`released`). Only `load` and `save` import torch: listing the models does not.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import cache, container, released
from .container import LFS_POINTER, WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_MODEL",
    "ModelInfo",
    "WeightsError",
    "bundled_digests",
    "describe",
    "is_level_matched",
    "list_models",
    "load",
    "resolve",
    "save",
]

DEFAULT_MODEL = "cfork"

# Name -> module and class, imported when a file asks for it. Every class keeps its arguments in `config`.
ARCHITECTURES: dict[str, tuple[str, str]] = {
    "mrx": ("..networks.mrx", "MRX"),
    "bandsplit": ("..networks.bandsplit", "BandSplit"),
    "multirate": ("..networks.multirate", "MultiRateMRX"),
}

BUNDLED = Path(__file__).parents[1] / "weights"
DIGESTS = "SHA256SUMS"  # beside the bundled files: `sha256sum *.safetensors > SHA256SUMS`

# PyTorch writes zip archives, or before its version 1.6 bare pickles; safetensors begin with a length.
PYTORCH_STARTS = (b"PK\x03\x04", b"\x80\x02")


@dataclass(frozen=True)
class ModelInfo:
    """Facts that a file of weights carries about itself."""

    name: str
    path: Path
    bytes: int
    architecture: str
    config: dict[str, Any]
    card: dict[str, Any]


def list_models() -> list[ModelInfo]:
    """List the models bundled with the package, the default first; reads headers only.

    Raises:
        WeightsError: a bundled file is damaged.
    """
    paths = sorted(BUNDLED.glob("*.safetensors"), key=lambda path: (path.stem != DEFAULT_MODEL, path.stem))
    return [describe(path) for path in paths]


def describe(path: Path) -> ModelInfo:
    """Return the facts that one of our files carries; the tensors are neither read nor verified.

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
    """The file behind the name of a bundled or pulled model, or behind a path. A name wins: `./name` is the file.

    Raises:
        WeightsError: neither; the message names the models, or the command that pulls the one that was meant.
    """
    text = os.fspath(name_or_path)
    path = Path(os.path.expanduser(text))  # a user whom nobody knows stays as it is
    is_name = re.fullmatch(r"[\w.-]+", text) is not None
    # os.path answers no to what cannot be a file's name, such as one that is too long
    if is_name and os.path.isfile(bundled := BUNDLED / f"{text}.safetensors"):
        return bundled
    # a file name, suffix and all, means the file in this folder before the one in the cache
    if is_name and not (path.suffix in cache.SUFFIXES and os.path.isfile(path)):
        found = cache.find(text)
        if found is not None:
            return found
        key = released.find_release(text)
        if key is not None:
            name = released.public_name(key)
            raise WeightsError(f"the model {name!r} is not on this machine yet; run: cfork models pull {name}")
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        raise WeightsError(f"{path} is a directory; name a .safetensors or .pth file in it")
    if text == DEFAULT_MODEL:
        raise WeightsError(f"the bundled model {text!r} is missing; install cfork again, or name a file of weights")
    names = ", ".join(sorted({found.stem for found in BUNDLED.glob("*.safetensors")} | set(_other_names())))
    raise WeightsError(
        f"no model and no file is called {text!r}; choose {names}, or give the path of a .safetensors or .pth file"
    )


def is_level_matched(name_or_path: str | os.PathLike[str]) -> bool:
    """Return whether a model's stems have the level that they have in the mixture, so that they can be mixed back.

    Reads the header of our own files, and at most the digest of others; needs no torch.

    Raises:
        WeightsError: there is no such file, or it is none of weights.
    """
    path = resolve(name_or_path)
    try:
        if is_pytorch(path):
            return released.is_level_matched(path)
        metadata = container.read_metadata(path)
        if metadata is None:
            return released.is_level_matched(path)
    except OSError as e:
        raise WeightsError(f"cannot read the weights {path}: {e.strerror or e}") from e
    return bool(container.json_object(metadata, "config", path).get("level_matched", True))


def is_pytorch(path: Path) -> bool:
    """Return whether a file is in PyTorch's own format, by its first bytes or else its suffix.

    Raises:
        WeightsError: it is a Git LFS pointer. OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(len(LFS_POINTER))
    if start == LFS_POINTER:
        raise WeightsError(f"{path} is a Git LFS pointer, not the weights; run `git lfs pull` in its repository")
    return start.startswith(PYTORCH_STARTS) or path.suffix in {".pth", ".pt", ".ckpt"}


def is_cut_zip(path: Path) -> bool:
    """Return whether a file begins as PyTorch's ZIP and does not end as one: its table of contents comes last.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(2)
    return start == b"PK" and not zipfile.is_zipfile(path)


def bundled_digests() -> dict[str, str]:
    """Name of each bundled file -> its SHA-256, from the list beside them (written by sha256sum).

    Raises:
        WeightsError: the list is missing.
    """
    try:
        lines = (BUNDLED / DIGESTS).read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as e:
        raise WeightsError(
            f"the list of the bundled models' checksums, {DIGESTS}, is missing; install cfork again"
        ) from e
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}


def load(name_or_path: str | os.PathLike[str], device: str | torch.device = "cpu") -> Any:
    """Build the network that a file describes, with its weights, in evaluation mode.

    Returns:
        An `nn.Module` that is a `separator.Network`, its parameters in float32, on the device.

    Raises:
        WeightsError: there is no such file, or it is truncated, damaged, or not a separation network.
    """
    path = resolve(name_or_path)
    try:
        if is_pytorch(path):
            metadata, tensors = None, released.read_state_dict(path)
        else:
            metadata, tensors = container.read(path)
        if metadata is None:
            architecture, config = "mrx", released.recognize(tensors, path)
        else:
            architecture, config = metadata["architecture"], container.json_object(metadata, "config", path)
        outline(architecture, config, path, {name: tensor.shape for name, tensor in tensors.items()})
        network = build(architecture, config, path)
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
    container.write(Path(path), metadata, tensors_of(network, half=half))


def tensors_of(network: nn.Module, *, half: bool = False) -> dict[str, Tensor]:
    """Copies of the network's tensors on the CPU as they go into a file; `half` as in `save`."""
    return {name: _stored(tensor, half) for name, tensor in network.state_dict().items()}


def _other_names() -> list[str]:
    """Names of the models that are not bundled: pulled, or to be pulled."""
    return [*map(released.public_name, released.RELEASES), *map(cache.name_of, cache.pulled())]


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
    """Return the key of the network's class in `ARCHITECTURES`."""
    kind = type(network)
    for name, (module, attribute) in ARCHITECTURES.items():
        if kind.__module__ == resolve_name(module, __package__) and kind.__qualname__ == attribute:
            return name
    raise WeightsError(f"{kind.__qualname__} is no known architecture; add it to ARCHITECTURES")


LARGEST_NUMBER = 1 << 20
MOST_LAYERS = 256
"""The largest number in a configuration, and the most that a list in it, or a count of layers, can have."""


def outline(
    architecture: str, config: Mapping[str, Any], path: Path, shapes: Mapping[str, Sequence[int]] | None = None
) -> nn.Module:
    """Build a network of which only the shapes are there: however large it is, it takes no memory.

    Args:
        shapes: of the tensors of its file, by name; None: nobody knows them.

    Raises:
        WeightsError: it asks for what no network has, or its file has other tensors; or see `build`.
    """
    import torch

    _check_numbers(config, path)
    with torch.device("meta"):
        network = build(architecture, config, path)
    if shapes is None:
        return network
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    for name in sorted(shapes.keys() | wanted.keys()):
        if name not in wanted or name not in shapes:
            what = "unexpected" if name not in wanted else "missing"
        elif tuple(wanted[name]) != tuple(shapes[name]):
            what = "size mismatch for"
        else:
            continue
        raise WeightsError(f"{path} does not fit its network ({what} {name[:80]}); get the file again")
    return network


def _check_numbers(config: Mapping[str, Any], path: Path) -> None:
    """WeightsError if a configuration asks for what no network has."""
    todo: list[Any] = [value for key, value in config.items() if key != "layers"]
    if isinstance(layers := config.get("layers", 1), (int, float)) and layers > MOST_LAYERS:
        todo.append(LARGEST_NUMBER + 1)
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            todo += value
        if (isinstance(value, list) and len(value) > MOST_LAYERS) or (
            isinstance(value, (int, float)) and not abs(value) <= LARGEST_NUMBER
        ):
            raise WeightsError(f"{path} asks for a network that is larger than any; get the file again")


def build(architecture: str, config: Mapping[str, Any], path: Path) -> nn.Module:
    """Build a network without its weights; messages name `path`.

    Raises:
        WeightsError: the architecture is not known, or does not take that configuration.
    """
    if architecture not in ARCHITECTURES:
        raise WeightsError(f"{path} is for a network {architecture!r} that this version does not know; update cfork")
    module, attribute = ARCHITECTURES[architecture]
    try:
        network: nn.Module = getattr(import_module(module, __package__), attribute)(**config)
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError) as e:
        raise WeightsError(f"cannot build the network {architecture!r} of {path} ({e}); update cfork") from e
    return network
