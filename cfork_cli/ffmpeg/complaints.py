"""Turn ffmpeg's log into a reason that a user understands."""

from __future__ import annotations

import re
from pathlib import Path

from cfork_cli.errors import CforkError, FfmpegError, OutputError

_WRITE_ERRORS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
    "Permission denied",
    "Stale file handle",
)


def write_error(log: str) -> str | None:
    """Return the system's reason, in ffmpeg's words, why it could not write; None if it gave none."""
    return next((reason for reason in _WRITE_ERRORS if reason in log), None)


def may_pass(status: int, log: str) -> bool:
    """Return whether a failure can be gone the next time: killed, no memory, a full disk, a library that is missing.

    Args:
        status: exit status, not 0.
        log: standard error.
    """
    short = ("Cannot allocate memory", "Too many open files", "Resource temporarily unavailable")
    return status < 0 or status in (126, 127) or write_error(log) is not None or any(why in log for why in short)


def write_failure(output: Path, status: int, log: str) -> CforkError:
    """Return the error about an ffmpeg that did not write a file, from its exit status and its standard error."""
    why = write_error(log)
    if why in ("No space left on device", "Disk quota exceeded"):
        return OutputError(f"the disk is full: '{output}' was not written; free some space or choose another place")
    if why == "File too large":
        return OutputError(f"'{output}' became larger than this disk allows: choose another place with -o")
    if why is not None:
        return OutputError(f"'{output}' could not be written ({why}): choose another place with -o")
    said = complaint(log) or (f"killed by signal {-status}" if status < 0 else f"it ended with status {status}")
    return FfmpegError(f"ffmpeg could not write '{output}' ({said}): nothing was written")


def complaint(log: str) -> str:
    """Return the line of ffmpeg's standard error that says what went wrong, without addresses. It may be empty.
    Where the lines begin with their level (`-loglevel level+info`), only errors count.
    """
    lines = [re.sub(r"^(\[[^\]]* @ 0x[0-9a-f]+\] ?)+", "", line).strip() for line in log.splitlines()]
    leveled = [match for line in lines if (match := re.match(r"\[(panic|fatal|error|warning|info)\] (.*)", line))]
    if leveled:
        lines = [match[2] for match in leveled if match[1] not in ("warning", "info")]
    said = [line for line in lines if line and not re.fullmatch(r"[a-z0-9_]+= *\S*", line)]
    return said[0] if said else ""
