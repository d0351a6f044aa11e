"""Both ends of the command's pipes, in this process: threads that feed standard input and collect standard output."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.commands import PATIENCE

from cfork_cli.app import run


@dataclass
class Piped:
    """What a command left. fed: whether it read all its input."""

    code: int = -1
    out: bytes = b""
    fed: bool = False

    def floats(self, channels: int, skip: int = 0) -> np.ndarray:
        """Samples of bare f32le output, `[channels, samples]`; skip: bytes of a header."""
        return np.frombuffer(self.out[skip:], "<f4").reshape(-1, channels).T


def piped(
    arguments: Iterable[str | Path],
    data: bytes | Iterable[bytes],
    *,
    stop_after: int | None = None,
    arrived: Callable[[int], None] | None = None,
) -> Piped:
    """Run a command between two pipes.

    Args:
        data: its standard input; an iterable is asked for more as it is read.
        stop_after: bytes after which the reader of its output goes away.
        arrived: called with the number of bytes so far whenever output comes.
    """
    left = Piped()
    kept = os.dup(0), os.dup(1)
    (source, feed), (take, sink) = os.pipe(), os.pipe()
    os.dup2(source, 0)
    os.dup2(sink, 1)
    os.close(source)
    os.close(sink)

    def feeding() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(feed, "wb", buffering=0) as pipe:
            for part in [data] if isinstance(data, bytes) else data:
                view = memoryview(part)
                while view:
                    view = view[pipe.write(view) :]
            left.fed = True

    def taking() -> None:
        parts, count = [], 0
        with os.fdopen(take, "rb", buffering=0) as pipe:
            while (stop_after is None or count < stop_after) and (part := pipe.read(1 << 16)):
                parts.append(part)
                count += len(part)
                if arrived is not None:
                    arrived(count)
        left.out = b"".join(parts)

    threads = [threading.Thread(target=feeding, daemon=True), threading.Thread(target=taking, daemon=True)]
    try:
        for thread in threads:
            thread.start()
        left.code = run([os.fspath(argument) for argument in arguments])
    finally:
        for place, descriptor in enumerate(kept):
            os.dup2(descriptor, place)
            os.close(descriptor)
        for thread in threads:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "a pipe was left open"
    return left
