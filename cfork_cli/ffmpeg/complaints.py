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

_CONSEQUENCES = re.compile(
    r"Conversion failed!|Could not write header|Error initializing output stream|Error while opening encoder"
    r"|Error (while )?opening (output|input)|Error reinitializing filters|Failed to inject frame into filter"
    r"|Error while (decoding|filtering|processing)|Error (submitting|processing|muxing|writing|sending|marking|closing)"
    r"|av_interleaved_write_frame\(\)|Decode error rate|Task finished with error|Terminating (\w+ )?thread"
    r"|Nothing was written into output|Invalid data found when processing input$|Invalid argument$"
    r"|Cannot determine format of input stream|.*: Invalid data found when processing input$|.*: Invalid argument$"
    r"|Last message repeated|To ignore this"
    r"|Error parsing options|Failed to set value|Error initializing the muxer"
    r"|Could not open encoder|Finishing stream .* without any data"
)
"""What ffmpeg says because of what it said before."""


_NO_COMPLAINT = re.compile(r"[a-z0-9_]+= *\S*|-?(\d+\.\d+|nan)")
"""Progress, and what a filter prints: see `media.timeline.MARK`."""


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
    if not output.parent.is_dir():
        return OutputError(f"the folder '{output.parent}' has gone, and '{output.name}' with it: is its disk there?")
    if why in ("No space left on device", "Disk quota exceeded"):
        return OutputError(f"the disk is full: '{output}' was not written; free some space or choose another place")
    if why == "File too large":
        return OutputError(f"'{output}' became larger than this disk allows: choose another place with -o")
    if why is not None:
        return OutputError(f"'{output}' could not be written ({why}): choose another place with -o")
    said = complaint(log) or (f"killed by signal {-status}" if status < 0 else f"it ended with status {status}")
    return FfmpegError(f"ffmpeg could not write '{output}' ({said}): nothing was written")


def complaint(log: str) -> str:
    """Return the line of a failed ffmpeg's standard error that says what went wrong, without addresses: the last one
    that is no mere consequence of another. It may be empty.

    Where the lines begin with their level (`-loglevel level+info`), only errors count.

    >>> complaint("[h264 @ 0x5] no frame!\\n[mp4 @ 0x6] codec not supported\\nConversion failed!")
    'codec not supported'
    """
    lines = _lines(log)
    causes = [line for line in lines if not _CONSEQUENCES.match(line)]
    return causes[-1] if causes else lines[0] if lines else ""


def first_complaint(log: str) -> str:
    """Return the first of the complaints of an ffmpeg that went on in spite of them. It may be empty."""
    lines = _lines(log)
    return lines[0] if lines else ""


def _lines(log: str) -> list[str]:
    lines = [re.sub(r"^(\[[^\]]* @ 0x[0-9a-f]+\] ?)+", "", line).strip() for line in log.splitlines()]
    leveled = [match for line in lines if (match := re.match(r"\[(panic|fatal|error|warning|info)\] (.*)", line))]
    if leveled:
        lines = [match[2] for match in leveled if match[1] not in ("warning", "info")]
    return [line for line in lines if line and not _NO_COMPLAINT.fullmatch(line)]
