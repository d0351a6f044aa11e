"""The machine in words: without it no figure of speed says anything."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from cfork_cli.ffmpeg import process
from cfork_cli.flows.resources import available_memory

TELLING = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8", "asimddp",
           "i8mm", "bf16", "sve")  # fmt: skip
"""Instruction sets that matrix products use, as Linux calls them."""


def machine() -> dict[str, Any]:
    """Return what decides the speed: processor, cores, instruction sets, memory, graphics card, versions.

    Raises:
        FfmpegError: there is no ffmpeg.
    """
    import torch

    found: dict[str, Any] = {
        "cpu": _cpu(),
        "cores": cores(),
        "instruction_sets": instruction_sets(),
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "ffmpeg": ffmpeg_version(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["gpu_memory_bytes"] = torch.cuda.get_device_properties(0).total_memory
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """Describe the machine and what runs on it, in lines for people.

    >>> lines({"cpu": "A", "cores": 2, "torch_threads": 1, "instruction_sets": ["avx2"], "memory_bytes": 16 * 10**9,
    ...        "system": "Linux x86_64", "python": "3.12", "torch": "2.9", "ffmpeg": "7.1"})
    ['A, 2 cores (avx2), 16 GB of memory', 'torch 2.9 with 1 thread, ffmpeg 7.1, Python 3.12, Linux x86_64']
    """
    sets = f" ({', '.join(found['instruction_sets'])})" if found["instruction_sets"] else ""
    memory = f", {found['memory_bytes'] / 1e9:.0f} GB of memory" if found["memory_bytes"] else ""
    gpu = f", {found['gpu']} ({found['gpu_memory_bytes'] / 1e9:.0f} GB)" if "gpu" in found else ""
    return [
        f"{found['cpu']}, {_count(found['cores'], 'core')}{sets}{memory}{gpu}",
        f"torch {found['torch']} with {_count(found['torch_threads'], 'thread')}, ffmpeg {found['ffmpeg']}, "
        f"Python {found['python']}, {found['system']}",
    ]


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ffmpeg_version() -> str:
    """Return the version of the ffmpeg that is used, such as "5.1.9".

    Raises:
        FfmpegError: there is none.
    """
    found = re.match(r"ffmpeg version (\d[\w.]*|\S+)", process.answer("-version"))
    return found[1] if found else "of no known version"


def instruction_sets() -> list[str]:
    """Return those of `TELLING` that the processor has; where the system does not list them, torch's own."""
    with contextlib.suppress(OSError):
        found = re.search(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            there = set(found[1].split())
            return [name for name in TELLING if name in there]
    import torch

    capability = str(torch.backends.cpu.get_cpu_capability()).lower()
    return [] if capability in ("default", "no avx") else [capability]


def available_bytes() -> int | None:
    """Return the bytes of memory that are free without swapping; None if unknown."""
    if (found := available_memory()) is not None:
        return found
    total = _memory_bytes()
    return total // 2 if total else None


def _cpu() -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=10, check=True
        )
        return answer.stdout.strip()
    return platform.processor() or platform.machine() or "a processor without a name"


def _memory_bytes() -> int | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
