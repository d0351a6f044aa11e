"""Examine a file of weights, and verify that it is sound."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..stems import SAMPLE_RATE
from . import cache, container, inventory, released, weights
from .container import WeightsError

TRIAL_SECONDS = 2.0
LOUDNESS = 0.05  # RMS of the noise that is separated; about -27 LUFS


@dataclass(frozen=True)
class Facts:
    """Everything known about a model. `path` is None if it is not pulled: its sha256 is the expected one then.

    Attributes:
        sha256_due: what the digest must be, None if nobody says.
        parameters: how many numbers were trained.
        precision: type of the tensors in the file -> how many numbers have it; empty if the file is not here.
        window_seconds, context_seconds, crossfade_seconds: how much the network hears at a time; how much of it, on
            either side, only for its memory; how far neighboring windows overlap.
        input_lufs: loudness that the network is used to.
        level_matched: whether its stems have the mixture's level, so that they can be mixed back.
    """

    name: str
    state: inventory.State
    path: Path | None
    bytes: int
    sha256: str
    sha256_due: str | None
    architecture: str
    config: dict[str, Any]
    parameters: int
    precision: dict[str, int]
    stems: tuple[str, ...]
    sample_rate: int
    window_seconds: float
    context_seconds: float
    crossfade_seconds: float
    input_lufs: float
    level_matched: bool
    card: dict[str, Any]


@dataclass(frozen=True)
class Check:
    """Something that was found to be right."""

    what: str
    found: str


def examine(name_or_path: str | os.PathLike[str]) -> Facts:
    """Return everything known about a model; its tensors are not read where the format allows that, nor verified.

    Raises:
        WeightsError: there is no such model, its header is damaged, or its tensors are not those of its network.
    """
    try:
        path = weights.resolve(name_or_path)
    except WeightsError:
        key = released.find_release(os.fspath(name_or_path))
        if key is None:
            raise
        entry, digest = inventory.entry_of_release(key), released.RELEASES[key].sha256
        config = {"level_matched": released.RELEASES[key].level_matched}
        return _facts(entry.name, "not pulled", None, entry.bytes, digest, digest, "mrx", config, {}, entry.card)
    architecture, config, precision, card, shapes = _read(path)
    due = inventory.digest_due(path)
    state = inventory.state_of(path)
    name = cache.name_of(path) if state == "in cache" else path.stem
    return _facts(
        name, state, path, path.stat().st_size, inventory.digest_of(path), due[0] if due else None,
        architecture, config, precision, card, shapes,
    )  # fmt: skip


def card_of(path: Path) -> dict[str, Any]:
    """The card of a file: its own, or that of the release whose very bytes it holds, or an empty one.

    Raises:
        WeightsError: the file is damaged. OSError: it cannot be read.
    """
    if not weights.is_pytorch(path) and container.read_metadata(path) is not None:
        return weights.describe(path).card
    key = released.which_release(path)
    return {} if key is None else released.card_of(key)


def verify(name_or_path: str | os.PathLike[str]) -> Iterator[Check]:
    """Look at a model from all sides: digest, structure, numbers, and a short separation.

    Yields:
        each thing that is right, as it is found.

    Raises:
        WeightsError: the first thing that is wrong.
    """
    path = weights.resolve(name_or_path)
    weights.is_pytorch(path)  # a pointer of Git LFS is reported as such, not as a wrong checksum
    due = inventory.digest_due(path)
    known = weights.load(path) if due is None else None  # its header is looked at before gigabytes are read for nothing
    digest = inventory.digest_of(path)
    if due is not None and digest != due[0]:
        raise WeightsError(
            f"{path} is not the file it should be: its sha256 is {digest}, but {due[1]} says {due[0]}; "
            "get the file again"
        )
    yield Check("sha256", f"{digest} ({f'as {due[1]} says' if due else 'nothing to compare it with'})")
    network = known or weights.load(path)
    yield Check("network", f"{type(network).__name__}, {_count(network):,} parameters")
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"{path} is of no use: {name} has numbers that are not finite; get the file again")
    yield Check("numbers", "all finite")
    began = time.monotonic()
    stems = trial(network)
    if not torch.isfinite(stems).all():
        raise WeightsError(
            f"{path} is of no use: a trial separation gave numbers that are not finite; get another model"
        )
    if not stems.any():
        raise WeightsError(f"{path} is of no use: a trial separation gave silence; get another model")
    yield Check("separation", f"{len(network.stems)} stems of {TRIAL_SECONDS:g} s in {time.monotonic() - began:.1f} s")


def trial(network: Any) -> torch.Tensor:
    """Stems `[1, S, N]` of the same `TRIAL_SECONDS` of noise, whatever the network."""
    noise = torch.randn(1, round(TRIAL_SECONDS * SAMPLE_RATE), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        stems: torch.Tensor = network(LOUDNESS * noise)
    return stems


def _read(path: Path) -> tuple[str, dict[str, Any], dict[str, int], dict[str, Any], dict[str, Sequence[int]]]:
    """Architecture, configuration, precision and card of a file, and the shapes of its tensors."""
    try:
        if not weights.is_pytorch(path) and container.read_metadata(path) is not None:
            info = weights.describe(path)
            precision: dict[str, int] = {}
            shapes: dict[str, Sequence[int]] = {}
            for tensor_name, (kind, shape) in container.read_tensor_table(path).items():
                shapes[tensor_name] = shape
                name = _KINDS.get(kind, kind.lower())
                precision[name] = precision.get(name, 0) + int(torch.Size(shape).numel())
            return info.architecture, info.config, precision, info.card, shapes
        tensors = released.read_state_dict(path, lazily=True) if weights.is_pytorch(path) else container.read(path)[1]
        precision = {}
        for tensor in tensors.values():
            name = str(tensor.dtype).removeprefix("torch.")
            precision[name] = precision.get(name, 0) + tensor.numel()
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        return "mrx", released.recognize(tensors, path), precision, card_of(path), shapes
    except OSError as e:
        raise WeightsError(f"cannot read the weights {path}: {e.strerror or e}") from e


_KINDS = {"F16": "float16", "F32": "float32", "BF16": "bfloat16", "F64": "float64", "I64": "int64"}


def _facts(
    name: str, state: inventory.State, path: Path | None, size: int, sha256: str, due: str | None,
    architecture: str, config: dict[str, Any], precision: dict[str, int], card: dict[str, Any],
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Facts:  # fmt: skip
    network: Any = weights.outline(architecture, config, path or Path(name), shapes)
    return Facts(
        name=name, state=state, path=path, bytes=size, sha256=sha256, sha256_due=due,
        architecture=architecture, config=dict(network.config), parameters=_count(network), precision=precision,
        stems=tuple(network.stems), sample_rate=network.sample_rate, window_seconds=network.window_seconds,
        context_seconds=network.context_seconds, crossfade_seconds=network.crossfade_seconds,
        input_lufs=network.input_lufs, level_matched=network.level_matched, card=card,
    )  # fmt: skip


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
