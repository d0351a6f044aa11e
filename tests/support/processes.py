"""Scripts in place of programs, and processes that come and go."""

from __future__ import annotations

import sys
from pathlib import Path

from support.commands import wait_until

__all__ = ["SLOW", "gone", "script", "wait_until"]

SLOW = ["-re", "-f", "lavfi", "-i", "anullsrc=duration=600", "-f", "null", "-"]
"""Arguments with which ffmpeg reads a film at its own speed, for minutes."""


def script(path: Path, text: str) -> Path:
    """Write a Python program that can be run by its name."""
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return path


def gone(pid: int) -> bool:
    """Return whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True
