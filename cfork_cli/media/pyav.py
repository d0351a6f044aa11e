"""Open films with PyAV, whose versions differ in how they are told that tags may be in any encoding; and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def open_film(url: str, options: Mapping[str, str]) -> Any:
    """Return a film as an open container of PyAV, to be closed. Bytes of tags that are no UTF-8 are replaced.

    Args:
        url: "file:" and the path.
        options: of libavformat.

    Raises:
        av.error.FFmpegError: it cannot be opened.
    """
    import av

    # from version 19 on it replaces them by itself, and knows no such word any more
    told: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
    return av.open(url, options=dict(options), **told)


def why(error: Exception) -> str:
    """Return what went wrong while a film was read, without numbers of errors, addresses and words of Python.

    >>> why(IndexError("tuple index out of range"))
    'it has fewer streams now than before'
    """
    if isinstance(error, IndexError):  # `container.streams[index]`, of what the probe has seen
        return "it has fewer streams now than before"
    return str(getattr(error, "strerror", None) or error)
