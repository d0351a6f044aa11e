"""From one file of weights to another: the authors' checkpoints to safetensors with a card, and back."""

from __future__ import annotations

import copy
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from . import container, examine, inventory, released, weights
from .container import WeightsError

KINDS = (".safetensors", ".pth", ".pt")


@dataclass(frozen=True)
class Conversion:
    """Result of a conversion.

    Attributes:
        bytes_before, bytes_after: sizes of the files.
        difference: largest difference of any sample of any stem, of the same noise, before and after.
        difference_db: this difference against the largest sample; -inf if there is none.
        notes: facts that the new file cannot carry.
    """

    source: Path
    out: Path
    bytes_before: int
    bytes_after: int
    difference: float
    difference_db: float
    notes: tuple[str, ...]


def convert(
    source: str | os.PathLike[str], out: Path, *, half: bool = False, card: Mapping[str, Any] | None = None
) -> Conversion:
    """Write a model in another form. The file appears when it was read back and separates as the old one does.

    Args:
        source: name or path.
        out: replaced if it exists. `.safetensors` says what it is; `.pth` and `.pt` are a plain state dict, which for
            MRX has the names of the authors' release.
        half: store matrices in float16.
        card: is added to the card of the source (safetensors only).

    Raises:
        WeightsError: the source cannot be loaded, or the result is not sound. OSError: `out` cannot be written.
        ValueError: the suffix of `out` is of no kind known.
    """
    if out.suffix not in KINDS:
        raise ValueError(f"{out} must end in {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    path = weights.resolve(source)
    network = weights.load(path)
    before = examine.trial(network)
    temporary = out.with_name(f".{out.stem}.{secrets.token_hex(4)}.tmp{out.suffix}")
    try:
        if out.suffix == ".safetensors":
            weights.save(network, temporary, {**_card(path), **(card or {})}, half=half)
            again = weights.load(temporary)
        else:
            with temporary.open("xb") as file:
                torch.save(weights.tensors_of(network, half=half), file)
                file.flush()
                os.fsync(file.fileno())
            again = copy.deepcopy(network)
            again.load_state_dict(released.read_state_dict(temporary))
        after = examine.trial(again)
        if not torch.isfinite(after).all():
            raise WeightsError(f"{path} does not survive the conversion: its stems are not finite; try without --half")
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    difference, loudest = float((after - before).abs().max()), float(before.abs().max())
    decibels = 20 * math.log10(difference / loudest) if difference and loudest else -math.inf
    sizes = path.stat().st_size, out.stat().st_size
    notes = _left_unsaid(network, out) if out.suffix != ".safetensors" else ()
    return Conversion(path, out, *sizes, difference, decibels, notes)


def _card(path: Path) -> dict[str, Any]:
    """The card of the source; of a file without one, at least where it comes from."""
    try:
        card = examine.card_of(path)
        if not weights.is_pytorch(path) and container.read_metadata(path) is not None:
            return card
    except OSError as e:
        raise WeightsError(f"cannot read the weights {path}: {e.strerror or e}") from e
    return {**card, "converted_from": {"file": path.name, "sha256": inventory.digest_of(path)}}


def _left_unsaid(network: Any, out: Path) -> tuple[str, ...]:
    """Return notes on what cfork would get wrong about a plain state dict, which carries no description of itself."""
    try:
        known = released.recognize(network.state_dict(), out)
    except WeightsError:
        return ("a plain state dict does not say what network it is for, so cfork itself cannot load this one",)
    told = {**type(network)(**known).config}
    wrong = [key for key, value in network.config.items() if told.get(key) != value]
    return (
        (f"a plain state dict does not store {' and '.join(wrong)}: cfork would take the published MRX's",)
        if wrong
        else ()
    )
