"""Which code a trial was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EARLIER = "earlier"
"""Of rows that do not say it."""


@cache
def version() -> str:
    """Return ten digits that change with any file of the command's source, whatever is committed."""
    digest = hashlib.sha256()
    for room in ("cfork", "cfork_cli", "model"):
        for path in sorted((ROOT / room).rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:10]


def of(row: Mapping[str, Any]) -> str:
    """Return the version that a row is of."""
    return str(row.get("version", EARLIER))
