"""Numbers and names as people read them."""

from __future__ import annotations

import math
import re
from pathlib import Path

from cfork_cli.errors import UsageError

SPOKEN_ORDER = ("dialogue", "music", "effects")
"""The stems as people name them; networks have an order of their own."""


def clock(seconds: float) -> str:
    """Seconds as people write them.

    >>> clock(7), clock(3725.4)
    ('0:07', '1:02:05')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def parse_time(text: str) -> float:
    """Read a moment or a length: seconds, "m:ss" or "h:mm:ss", with a fraction or not.

    Raises:
        UsageError: it is anything else.

    >>> parse_time("90"), parse_time("1:30.5"), parse_time("1:02:03")
    (90.0, 90.5, 3723.0)
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)s?", text.strip())
    if match is None:
        raise UsageError(f"'{text}' is not a time: give seconds, such as 90, or h:mm:ss, such as 0:01:30")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def moment(time: float | str | None) -> float | None:
    """Return a time as seconds, whatever it was given as; None stays None.

    Raises:
        UsageError: see `parse_time`.
    """
    if time is None or isinstance(time, str):
        return None if time is None else parse_time(time)
    if not 0 <= time < math.inf:  # also true of NaN
        raise UsageError(f"{time} is not a time: give seconds from the film's start")
    return float(time)


def plain(value: float) -> str:
    """Return a number as it is read back to the last bit, without an exponent.

    >>> plain(-12.0), plain(6.0206), plain(1e-7)
    ('-12', '6.0206', '0.0000001')
    """
    from decimal import Decimal  # only where presets are written

    text = f"{Decimal(repr(float(value))):f}"
    return text.removesuffix(".0")


def megabytes(size: int) -> str:
    """A size as people read it.

    >>> megabytes(18_300_000), megabytes(1_234)
    ('18.3 MB', '1.2 kB')
    """
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def parse_size(text: str) -> int:
    """Read a size: "2GB", "500 MB", "0", with powers of ten, or "1GiB".

    Returns:
        Bytes.

    Raises:
        UsageError: it is anything else.

    >>> parse_size("2GB"), parse_size("1.5 mb"), parse_size("1KiB"), parse_size("0")
    (2000000000, 1500000, 1024, 0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*(?:([kmgt]?)(i?)b?)?", text.strip().lower())
    if match is None or (match[3] and not match[2]):
        raise UsageError(f"'{text}' is not a size: give bytes, such as 500MB or 2GB")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2] or " "))


def printable(text: str) -> str:
    """One line that every terminal can show: a file name may hold line breaks, escape codes, or broken characters.

    >>> printable("two\\nlines")
    'two lines'
    """
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def printable_lines(text: str) -> str:
    """Text of several lines, each as `printable` has it.

    >>> printable_lines("a\\n\\x1b[2Jb") == "a\\n\\N{REPLACEMENT CHARACTER}[2Jb"
    True
    """
    return "\n".join(printable(line) for line in text.split("\n"))


def pace(done: float, elapsed: float) -> float:
    """Seconds of sound a second, since the stage began."""
    return done / elapsed if elapsed > 0 else 0.0


def seconds_left(done: float, total: float | None, elapsed: float) -> float | None:
    """Time until `total` at the pace so far; None where nothing can be said."""
    speed = pace(done, elapsed)
    return max(total - done, 0.0) / speed if total and speed > 0 else None


def size(bytes_: float) -> str:
    """Bytes as people read them.

    >>> size(1_234_567), size(999)
    ('1.2 MB', '999 B')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if bytes_ < 1000:
            return f"{bytes_:.0f} B" if unit == "B" else f"{bytes_:.1f} {unit}"
        bytes_ /= 1000
    return f"{bytes_:.1f} TB"


def address(path: Path) -> str | None:
    """Return the URL that somebody gave for a file's name; None if it is none.

    >>> address(Path("https://example.org/film.mkv")), address(Path("a/film.mkv"))
    ('https://example.org/film.mkv', None)
    """
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/+(?=[^/])", path.as_posix())
    return None if match is None else f"{match[1]}://{path.as_posix()[match.end() :]}"
