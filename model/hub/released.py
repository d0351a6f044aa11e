"""The checkpoints that the authors of MRX released (merlresearch/cocktail-fork-separation, MIT license).

They are plain state dicts in PyTorch's own format. Nothing in them says which network they are for, so
they are recognized by the names of their tensors, and the network's sizes are read from the tensors'
shapes.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..stems import STEMS
from .container import WeightsError, check_largest, first_line

if TYPE_CHECKING:
    from torch import Tensor


REPOSITORY = "https://github.com/merlresearch/cocktail-fork-separation"
COMMIT = "19b3de827ebc4bfb014570cf92dd32b4ee3b6921"  # release 1.2.0 of that repository

# The files are in Git LFS: github.com's "raw" addresses lead here, while raw.githubusercontent.com has only pointers.
# commit rather than a branch, because the digests below belong to these very files.
BASE_URL = f"https://media.githubusercontent.com/media/merlresearch/cocktail-fork-separation/{COMMIT}/checkpoints"

_FILE = "{}_mrx_pre_trained_weights.pth"


@dataclass(frozen=True)
class Release:
    """One released file, `<name>_mrx_pre_trained_weights.pth`."""

    sha256: str
    bytes: int
    level_matched: bool  # trained with SNR (True) or with scale-invariant SNR, which leaves the level open
    description: str = ""


# The authors' name -> file. Digests and sizes: the Git LFS pointers of the authors' repository.
RELEASES: dict[str, Release] = {
    "default": Release(
        sha256="9cecc071c9e58afda34d1a98609a1540f61320e718bafecc4c9c1c5e3ed20a0c",
        bytes=122_317_463,
        level_matched=True,
        description="MRX trained on DnR with the SNR loss: stems keep the mixture's level, so it can remix.",
    ),
    "paper": Release(
        sha256="e206fe97739a1fd5ba66d2a4a1e3f68c16f0e3eb8cb7b25ec93d53e7b429f58f",
        bytes=122_316_769,
        level_matched=False,
        description="MRX as in the paper, trained on DnR with the scale-invariant loss: stems have their own levels.",
    ),
    "adapted_loudness": Release(
        sha256="4bc4eabf554cf980d3328a2c45452c47beca1ca76324d75583e7587377dce409",
        bytes=122_317_657,
        level_matched=True,
        description="MRX trained with the SNR loss on DnR with the stems' loudness brought to that of real films.",
    ),
    "adapted_eq": Release(
        sha256="e49928fce323b6da017373b7c833dde13c957abd4dbfd002c556ed0a64f29b55",
        bytes=122_317_657,
        level_matched=True,
        description="MRX trained with the SNR loss on DnR with the stems' equalization brought to that of real films.",
    ),
}


def public_name(key: str) -> str:
    """Return the name of a release for users.

    >>> [public_name(key) for key in RELEASES]
    ['mrx', 'mrx-paper', 'mrx-adapted-loudness', 'mrx-adapted-eq']
    """
    return "mrx" if key == "default" else f"mrx-{key.replace('_', '-')}"


def find_release(name: str) -> str | None:
    """The authors' name for any name of a release: ours, theirs, or that of the file; None if it is none.

    >>> [find_release(name) for name in ("mrx", "adapted_eq", "paper_mrx_pre_trained_weights.pth", "other")]
    ['default', 'adapted_eq', 'paper', None]
    """
    for key in RELEASES:
        if name in (public_name(key), key, file_name(key), file_name(key).removesuffix(".pth")):
            return key
    return None


def file_name(key: str) -> str:
    """The file of a release, as the authors call it."""
    return _FILE.format(key)


def card_of(key: str) -> dict[str, Any]:
    """Return the card of a release, in the form that our own files carry."""
    release = RELEASES[key]
    card: dict[str, Any] = {
        "description": release.description,
        "license": "MIT",
        "authors": "Mitsubishi Electric Research Laboratories (MERL)",
        "source": f"{REPOSITORY}/tree/{COMMIT}/checkpoints/{file_name(key)}",
        "paper": "https://arxiv.org/abs/2110.09958",
        "data": "Divide and Remaster (DnR)",
        "sha256": release.sha256,
    }
    if key.startswith("adapted"):
        card["adaptation"] = "https://arxiv.org/abs/2308.06981, section 5"
    if key == "paper":
        # their README: SI-SDR 12.5 / 4.2 / 5.7 dB (speech / music / sfx), unprocessed 1.0 / -6.8 / -5.0 dB
        card["si_sdr_improvement_db"] = {"dialogue": 11.5, "music": 11.0, "effects": 10.7}
        card["evaluation"] = {"set": "DnR", "scenes": "the test set of DnR; published by the authors"}
    return card


def which_release(path: Path) -> str | None:
    """The release whose very bytes a file holds, None if none; files of another size are not read.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    if all(release.bytes != size for release in RELEASES.values()):
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return next((key for key, release in RELEASES.items() if release.sha256 == digest), None)


def read_state_dict(path: Path, *, lazily: bool = False) -> dict[str, Tensor]:
    """A plain state dict in PyTorch's format, on the CPU; what else a pickle may want to run is never run.

    Args:
        lazily: map the file into memory where its format allows that, for those who only want to know shapes.
            The archive's own checksums are not looked at then.

    Raises:
        WeightsError: damaged, or it holds anything but tensors.
    """
    import torch

    size = path.stat().st_size
    check_largest(path)
    _check_archive(path, size)
    try:
        mapped = lazily and zipfile.is_zipfile(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
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
    # a few bytes may call themselves a large tensor, whose numbers are all the same one
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > size:
        raise WeightsError(f"{path} is damaged: its tensors have more numbers than the file can hold")
    return tensors


def _check_archive(path: Path, size: int) -> None:
    """WeightsError if an archive would need more memory than it has bytes: PyTorch compresses nothing."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as e:
        raise _damaged(path, e) from e
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > size:
        raise WeightsError(f"{path} holds compressed data, as PyTorch never writes it, so it was refused")


def recognize(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """Return arguments of the `MRX` that these tensors belong to. No tensor shows the hop: it is the published one.

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
    """Return whether a checkpoint keeps the mixture's level: by its digest, else by its name, else yes."""
    key = which_release(path)
    if key is not None:
        return RELEASES[key].level_matched
    for name, release in RELEASES.items():
        if path.name.startswith((f"{name}_mrx", f"{name}.", f"{public_name(name)}.")):
            return release.level_matched
    return True


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """Return how many different numbers the pattern's group has among the names."""
    found = (re.fullmatch(pattern, name) for name in tensors if isinstance(name, str))
    return len({match[1] for match in found if match})


def _damaged(path: Path, cause: Exception) -> WeightsError:
    return WeightsError(f"{path} is damaged or truncated ({first_line(cause)}); get the file again")
