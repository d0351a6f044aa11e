"""Small disks of memory, where they may be mounted."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path


def mount(folder: Path, *options: str) -> bool:
    """Mount a small disk of memory there; False where that is not allowed."""
    line = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    with contextlib.suppress(OSError):
        return subprocess.run(line, capture_output=True).returncode == 0
    return False


def unmount(folder: Path) -> None:
    """Take it away again."""
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
