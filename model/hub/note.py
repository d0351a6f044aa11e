"""The small files beside files of weights: what is known of one, or of a part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20
"""A note of ours has a few hundred; one of somebody else is read no further."""


def read(path: Path) -> dict[str, Any]:
    """Return what a note says.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no note: no regular file (a pipe would be waited for), too large, or no JSON object.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no regular file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path} has more than {MOST_BYTES:,} bytes")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as e:  # the latter of brackets without end
        raise ValueError(f"{path} has no JSON") from e
    if not isinstance(said, dict):
        raise ValueError(f"{path} has no JSON object")
    return said
