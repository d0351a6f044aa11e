"""Read what ffprobe answers, or PyAV in its place: a foreign program, which may be broken, or a wrapper of any kind.

What it says about a stream that is no such fact becomes "not known"; what makes all else doubtful is refused: a stream
taken for another would be a wrong film.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

MOST_STREAMS = 1000
"""ffmpeg takes no more by itself (its option `max_streams`)."""

MOST_SECONDS = 1e10
"""Times beyond are no times, but what a damaged header says; clocks that count from 1970 stand at 2e9."""

_LISTS = ("streams", "chapters", "programs")
_KINDS = ("codec_type", "codec_name", "sample_fmt", "channel_layout", "profile", "codec_tag_string", "format_name")
_NOT_TOLD = ("", "unknown", "N/A", None)


def read(answer: bytes) -> dict[str, Any]:
    """Return ffprobe's JSON with every part of the kind that it should be of.

    Raises:
        ValueError: it is no such JSON; with too many streams, or streams that are not told one after the other.
    """
    try:
        facts = json.loads(answer.decode("utf-8", errors="replace"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(facts, dict):
        raise ValueError("it is no object")
    checked = {**facts, "format": _texts(_object(facts.get("format", {}), "format"))}
    for name in _LISTS:
        entries = facts.get(name, [])
        if not isinstance(entries, list):
            raise ValueError(f"{name} is no list")
        checked[name] = [_texts(_object(entry, name)) for entry in entries]
    if len(checked["streams"]) > MOST_STREAMS:
        raise ValueError(f"it tells of more than {MOST_STREAMS} streams")
    if [entry.get("index") for entry in checked["streams"]] != list(range(len(checked["streams"]))):
        raise ValueError("its streams are not numbered one after the other")
    return checked


def number(value: Any) -> float | None:
    """Return a number, also one that is written as text; None if it is not told, endless, or no number at all."""
    if value in _NOT_TOLD or not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def seconds(value: Any) -> float | None:
    """Return a time in seconds; None if it is not told, or is none."""
    found = number(value)
    return found if found is not None and abs(found) <= MOST_SECONDS else None


def whole(value: Any, most: int) -> int | None:
    """Return a positive whole number up to so many; None for others: ffprobe says 0 for "unknown"."""
    found = number(value)
    return int(found) if found is not None and 1 <= found <= most else None


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} has what is no object")
    return value


def _texts(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry whose words are text, whose tags are texts with names, and whose flags are numbers."""
    found = dict(entry)
    for name in _KINDS:
        if name in found and not isinstance(found[name], str):
            found[name] = ""
    tags, flags = found.get("tags"), found.get("disposition")
    found["tags"] = {
        key: value if isinstance(value, str) else str(value)
        for key, value in (tags.items() if isinstance(tags, dict) else ())
        if isinstance(value, str | int | float)
    }
    found["disposition"] = {
        key: value for key, value in (flags.items() if isinstance(flags, dict) else ()) if isinstance(value, int)
    }
    for name in ("side_data_list", "streams"):
        inner = found.get(name, [])
        found[name] = [one for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []
    return found
