"""Settings of the memory allocators, and their words when there is no memory left.

Memory that is freed and taken again at once should stay in the process.

glibc gives large blocks back to the system when they are freed. The next one is then made of pages that the system
zeroes one by one, at the first touch of each. A training step takes and frees about a gigabyte in blocks of some
megabytes: kept, it was a quarter shorter (0.87 against 0.64 CPU seconds for 8 s of sound, the bundled network of four
layers on one core).
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h
LARGEST_BLOCKS = (1 << 30, 1 << 25)  # bytes; larger ones still come from the system each time. Older glibc takes 32 MiB
MOST_KEPT = 0x7FFF_FFFF  # bytes that may lie free at the end of the heap

NO_MEMORY = ("out of memory", "alloc_failed", "can't allocate memory", "not enough memory")
"""torch's words where memory is missing and the error is not its own class for that: CUDA (beside its allocator, such
as for locked memory), cuBLAS and cuDNN (for their handles), and the two allocators of the CPU (POSIX, Windows)."""


def keep_freed_memory() -> bool:
    """Ask the C library of this process not to give freed memory back, and return whether it could be asked.

    Only glibc has these settings: elsewhere nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl
        return False
    if not any(mallopt(M_MMAP_THRESHOLD, most) for most in LARGEST_BLOCKS):
        return False  # and the next one alone would make it worse: it ends the threshold's own growth
    # One arena: each thread would have one of its own, where the other settings hold only in part.
    return bool(mallopt(M_TRIM_THRESHOLD, MOST_KEPT)) and bool(mallopt(M_ARENA_MAX, 1))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a device, or this computer, has no memory left.

    >>> [is_out_of_memory(RuntimeError(text)) for text in ("CUDA error: out of memory", "shapes differ")]
    [True, False]
    """
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)
