"""The checkpoints that the authors of MRX released (merlresearch/cocktail-fork-separation, MIT license).

They are plain state dicts in PyTorch's own format. Nothing in them says which network they are for, so
they are recognized by the names of their tensors, and the network's sizes are read from the tensors'
shapes.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .container import WeightsError, first_line
from .stems import STEMS

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Release:
    """One released file, `<name>_mrx_pre_trained_weights.pth`."""

    sha256: str
    bytes: int
    level_matched: bool  # trained with SNR (True) or with scale-invariant SNR, which leaves the level open


# Digests and sizes: the Git LFS pointers of the authors' repository.
RELEASES: dict[str, Release] = {
    "default": Release(
        sha256="9cecc071c9e58afda34d1a98609a1540f61320e718bafecc4c9c1c5e3ed20a0c",
        bytes=122_317_463,
        level_matched=True,
    ),
    "paper": Release(
        sha256="e206fe97739a1fd5ba66d2a4a1e3f68c16f0e3eb8cb7b25ec93d53e7b429f58f",
        bytes=122_316_769,
        level_matched=False,
    ),
    "adapted_loudness": Release(
        sha256="4bc4eabf554cf980d3328a2c45452c47beca1ca76324d75583e7587377dce409",
        bytes=122_317_657,
        level_matched=True,
    ),
    "adapted_eq": Release(
        sha256="e49928fce323b6da017373b7c833dde13c957abd4dbfd002c556ed0a64f29b55",
        bytes=122_317_657,
        level_matched=True,
    ),
}


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """A plain state dict in PyTorch's format, on the CPU; what else a pickle may want to run is never run.

    Raises:
        WeightsError: damaged, or it holds anything but tensors.
    """
    import torch

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        if "global" in str(e).lower():
            raise WeightsError(
                f"{path} holds more than tensors, and loading it could run a program, so it was refused; "
                "save its state dict alone"
            ) from e
        raise _damaged(path, e) from e
    except Exception as e:  # a damaged archive can fail in any way at all, OSError too
        raise _damaged(path, e) from e
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise WeightsError(f"{path} is not a plain state dict; save its state dict alone")
    return tensors


def recognize(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """Arguments of the `MRX` that these tensors belong to. No tensor tells the hop: it is the published one.

    Raises:
        WeightsError: they are not those of an MRX for our stems.
    """
    encoders = _count(tensors, r"_encoders\.(\d+)\.layer\.1\.weight")
    matrices = [tensors.get(f"_encoders.{index}.layer.1.weight") for index in range(encoders)]
    layers = _count(tensors, r"_cross_net\.lstm\.0\.weight_ih_l(\d+)")
    if not encoders or not layers or any(matrix is None or matrix.ndim != 2 for matrix in matrices):
        raise WeightsError(
            f"{path} is not a separation network that cfork knows; "
            "give a .safetensors file that cfork has made, or an MRX checkpoint"
        )
    decoders = _count(tensors, r"_decoders\.(\d+)\.0\.block\.0\.weight")
    if decoders != len(STEMS):
        raise WeightsError(f"{path} is an MRX for {decoders} stems; cfork needs one for {', '.join(STEMS)}")
    shapes = [tuple(matrix.shape) for matrix in matrices if matrix is not None]
    return {
        "windows": [2 * (bins - 1) for _, bins in shapes],
        "hidden": shapes[0][0],
        "layers": layers,
        "level_matched": is_level_matched(path),
    }


def is_level_matched(path: Path) -> bool:
    """Whether a checkpoint keeps the mixture's level: by its digest, else by its name, else yes."""
    size = path.stat().st_size
    if any(release.bytes == size for release in RELEASES.values()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        for release in RELEASES.values():
            if release.sha256 == digest:
                return release.level_matched
    for name, release in RELEASES.items():
        if path.name.startswith((f"{name}_mrx", f"{name}.")):
            return release.level_matched
    return True


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """How many different numbers the pattern's group takes among the names."""
    found = (re.fullmatch(pattern, name) for name in tensors if isinstance(name, str))
    return len({match[1] for match in found if match})


def _damaged(path: Path, cause: Exception) -> WeightsError:
    return WeightsError(f"{path} is damaged or truncated ({first_line(cause)}); get the file again")
