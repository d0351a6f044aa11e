"""What `foreign.py` found, in Markdown: counts, and an explanation of every difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def listing(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each difference and each message."""
    for row in rows:
        if "left_out" in row:
            yield f"{row['name']} [{row.get('kind', '')}] -- {row['left_out']}"
        for run, one in row.get("runs", {}).items():
            if one["code"] != 0:
                yield f"{row['name']} [{row['kind']}] {run}: code {one['code']}: {one['message']}"
            for what, why in one.get("differences", {}).items():
                yield f"{row['name']} [{row['kind']}] {run}: {what}: {why} | notes: {one['notes']}"


def document(rows: Iterable[dict[str, Any]]) -> str:
    """Return the document."""
    return "\n".join(["# Films of others", "", f"{len(list(rows))} files.", ""])
