"""Remember what an ffmpeg answered, for as long as it is the same ffmpeg.

What a version can do, and what becomes of sound in one of its containers, is found out by starting it. Nothing of that
changes from film to film, so that a folder of films needs to ask once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar, cast

from cfork_cli.ffmpeg.find import find_ffmpeg, find_ffprobe

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Passing(Exception):
    """Raised by a function that is `remembered`: return this answer, but ask again next time.

    For failures that say nothing about ffmpeg, such as a full disk.
    """

    def __init__(self, answer: object) -> None:
        super().__init__(answer)
        self.answer = answer


def fingerprint(path: str | os.PathLike[str] | None) -> Hashable:
    """Return what identifies a file and its version: path, time of its last change, size in bytes."""
    if path is None:
        return None
    try:
        facts = os.stat(path)
    except OSError:
        return os.fspath(path), None, None
    return os.fspath(path), facts.st_mtime_ns, facts.st_size


def remembered(most: int) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer]]:
    """Decorate a function that asks ffmpeg: equal arguments get the same answer without starting it again.

    Answers belong to the ffmpeg and the ffprobe that gave them (path, time of the last change, size). What raises,
    also `Passing`, is asked again. Threads may share the function; answers must not be changed by whoever gets them.

    Args:
        most: answers to keep; those that nobody asked for longest go first.
    """

    def decorate(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
        @lru_cache(maxsize=most)
        def answer(programs: Hashable, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
            return function(*args, **kwargs)

        @wraps(function)
        def ask(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
            programs = fingerprint(find_ffmpeg()), fingerprint(find_ffprobe())
            try:
                return answer(programs, *args, **kwargs)  # type: ignore[arg-type]
            except Passing as once:
                return cast("Answer", once.answer)

        return ask

    return decorate
