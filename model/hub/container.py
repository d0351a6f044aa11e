"""A file of weights that says what it is and whether it is whole: safetensors with four strings more.

`architecture` names the network, `config` (JSON) holds the arguments of its class, `card` (JSON) what
people should know, and `sha256` covers those three, the table of tensors and the tensors themselves, so
that a flipped bit anywhere is found before a network is built. The header is eight bytes of length and
then JSON: whoever only wants to know what a file is needs neither torch nor safetensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

LFS_POINTER = b"version https://git-lfs.github.com/spec/"  # how a file begins that Git LFS put in place of another

LARGEST_BYTES = 2_000_000_000
"""The largest file of weights that is opened; the largest network that is known needs a sixteenth of it."""

LONGEST_HEADER_BYTES = 4_000_000
"""The longest header that is read. The format allows 100 MB, which as JSON fills gigabytes; ours have 0.1."""


class WeightsError(ValueError):
    """Weights that are missing, damaged or of an unknown kind; the message says what to do."""


def read_metadata(path: Path) -> dict[str, str] | None:
    """The strings of the header, None if the file is not one of ours; nothing is verified.

    Raises:
        WeightsError: not safetensors, or the header is damaged.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        length = _header_length(file.read(8), path.stat().st_size, path)
        return _parse(file.read(length), path)[0]


def read(path: Path) -> tuple[dict[str, str] | None, dict[str, Tensor]]:
    """The strings of the header (None if the file is not one of ours) and the tensors, verified.

    Raises:
        WeightsError: not safetensors, truncated, or the digest does not match.
        OSError: the file cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as deserialize

    data = _whole(path)
    metadata = _verified(data, path)
    try:
        return metadata, deserialize(data)
    except (SafetensorError, ValueError, KeyError) as e:
        raise WeightsError(f"{path} is damaged or truncated ({first_line(e)}); get the file again") from e


def check(path: Path) -> None:
    """Find out whether it is safetensors and, if it is one of ours, whether it is whole; needs no torch.

    Raises:
        WeightsError: not safetensors, truncated, or the digest does not match.
        OSError: the file cannot be read.
    """
    _verified(_whole(path), path)


def check_largest(path: Path) -> None:
    """WeightsError if a file is larger than any file of weights; nothing is read. OSError: it is not there."""
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise WeightsError(f"{path} is no file of weights: it has {size:,} bytes, and {LARGEST_BYTES:,} are the most")


def _whole(path: Path) -> bytes:
    """All of a file, if it is as long as its header says: memory goes to nothing that could not be right."""
    check_largest(path)
    check_size(path)
    return path.read_bytes()


def check_size(path: Path) -> None:
    """Find out from its header alone whether a safetensors file is as long as it should be.

    Raises:
        WeightsError: not safetensors, truncated, or the header is damaged.
        OSError: the file cannot be read.
    """
    length, entries = _table(path)
    try:
        ends = [int(entry["data_offsets"][1]) for entry in entries.values()]
    except (KeyError, TypeError, ValueError, IndexError) as e:
        raise WeightsError(f"{path} is damaged: its table of tensors cannot be read; get the file again") from e
    if path.stat().st_size != 8 + length + max(ends, default=0):
        raise WeightsError(f"{path} is damaged or was cut off; get the file again")


def _table(path: Path) -> tuple[int, dict[str, Any]]:
    """Bytes of the header, and what it says of each tensor."""
    with path.open("rb") as file:
        length = _header_length(file.read(8), path.stat().st_size, path)
        return length, _parse(file.read(length), path)[1]


def read_tensor_table(path: Path) -> dict[str, tuple[str, list[int]]]:
    """Name -> type (such as "F16") and shape of each tensor, from the header alone.

    Raises:
        WeightsError: not safetensors, or the header is damaged.
        OSError: the file cannot be read.
    """
    entries = _table(path)[1]
    try:
        return {name: (str(entry["dtype"]), list(map(int, entry["shape"]))) for name, entry in entries.items()}
    except (KeyError, TypeError, ValueError) as e:
        raise WeightsError(f"{path} is damaged: its table of tensors cannot be read; get the file again") from e


def write(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Write such a file, under a temporary name first, so that no half file ever has the final name.

    Raises:
        OSError: the file cannot be written; nothing is left of it.
    """
    from safetensors.torch import save as serialize

    data = serialize(dict(tensors))
    end = 8 + int.from_bytes(data[:8], "little")
    _, entries = _parse(data[8:end], path)
    # The library writes the strings in a random order; here the same network is always the same bytes.
    strings = {**metadata, "sha256": _digest(metadata, entries, memoryview(data)[end:])}
    header = json.dumps({"__metadata__": dict(sorted(strings.items())), **entries}, separators=(",", ":"))
    text = header.encode()
    text += b" " * (-len(text) % 8)  # who maps the file into memory wants the tensors on multiples of 8
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            file.write(memoryview(data)[end:])
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def json_object(metadata: Mapping[str, str], key: str, path: Path) -> dict[str, Any]:
    """A JSON object that the metadata holds as a string; WeightsError if it is none."""
    try:
        value = json.loads(metadata[key])
    except (KeyError, ValueError, RecursionError) as e:
        raise WeightsError(f"{path} is damaged: its {key} cannot be read; get the file again") from e
    if not isinstance(value, dict):
        raise WeightsError(f"{path} is damaged: its {key} is not an object; get the file again")
    return value


def first_line(cause: Exception) -> str:
    """Return an error's message in one line of at most 120 characters."""
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    # The first line of load_state_dict's error only names the class; the second says which tensor.
    line = lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else lines[0]
    return line[:120]


def _verified(data: bytes, path: Path) -> dict[str, str] | None:
    """The strings of the header of a whole file (None if it is not one of ours), without its digest, which matches."""
    header = 8 + _header_length(data[:8], len(data), path)
    metadata, entries = _parse(data[8:header], path)
    if metadata is not None:
        stated = metadata.pop("sha256", "")
        if stated != _digest(metadata, entries, memoryview(data)[header:]):
            raise WeightsError(f"{path} is damaged: its checksum does not match; get the file again")
    return metadata


def _header_length(length: bytes, size: int, path: Path) -> int:
    """Length of the header in bytes, from the first eight bytes of the file."""
    header = int.from_bytes(length, "little")
    if len(length) < 8 or not 2 <= header <= LONGEST_HEADER_BYTES:
        raise WeightsError(f"{path} is not a file of weights (safetensors or .pth), or its start is damaged")
    if 8 + header > size:
        raise WeightsError(f"{path} is truncated, or not a file of weights at all; get the file again")
    return header


def _parse(text: bytes, path: Path) -> tuple[dict[str, str] | None, dict[str, Any]]:
    """Header -> our metadata (None if it is not ours) and the table of tensors."""
    try:
        entries = json.loads(text)
        metadata = entries.pop("__metadata__", None)
    except (ValueError, AttributeError, TypeError, RecursionError) as e:
        raise WeightsError(f"{path} is not a file of weights, or its header is damaged; get the file again") from e
    if not isinstance(metadata, dict) or "architecture" not in metadata:
        return None, entries
    if not all(isinstance(value, str) for value in metadata.values()):
        raise WeightsError(f"{path} is damaged: its header holds more than strings; get the file again")
    return metadata, entries


def _digest(metadata: Mapping[str, str], entries: Mapping[str, Any], data: bytes | memoryview) -> str:
    """SHA-256 over everything that the file says: what it is, the table of tensors, and the tensors."""
    digest = hashlib.sha256(json.dumps([dict(metadata), entries], sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()
