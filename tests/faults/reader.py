"""Look at films by another reader than cfork uses, in a process of its own: damaged films may hang or crash it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path

LIMIT_SECONDS = 30.0


def heard(path: Path) -> dict[str, float | str | int]:
    """Return seconds of the sound tracks of a file as a decoder that goes on after errors finds them.

    Returns:
        "seconds": of the longest track; "tracks": how many; "errors": packets that it refuses; "error": it cannot be
        opened at all, or the reader did not end.
    """
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.close(readable)
            os.write(writable, json.dumps(_heard(path)).encode())
        os._exit(0)
    os.close(writable)
    end = time.monotonic() + LIMIT_SECONDS
    while not (done := os.waitpid(pid, os.WNOHANG)[0]) and time.monotonic() < end:
        time.sleep(0.005)
    if not done:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with os.fdopen(readable, "rb") as answer:
        data = answer.read()
    return json.loads(data) if data else {"error": "the reader itself failed"}


def _heard(path: Path) -> dict[str, float | str | int]:
    import av

    from cfork_cli.media.pyav import open_film

    av.logging.set_level(None)
    try:
        with open_film(f"file:{path}", {}) as file:
            tracks = list(file.streams.audio)
            errors, lengths = 0, dict.fromkeys((one.index for one in tracks), 0.0)
            for packet in file.demux(tracks):
                try:
                    for frame in packet.decode():
                        lengths[packet.stream.index] += frame.samples / (frame.sample_rate or 1)
                except (av.error.FFmpegError, ValueError):
                    errors += 1
    except (av.error.FFmpegError, ValueError, AttributeError, LookupError, TypeError, RuntimeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"seconds": max(lengths.values(), default=0.0), "tracks": len(tracks), "errors": errors}
