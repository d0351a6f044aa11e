"""Memory that is freed stays in the process."""

import subprocess
import sys

from model import allocator

TOUCH = """
import resource, sys
import numpy as np
from model.allocator import keep_freed_memory

asked = sys.argv[1] == "keep" and keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def touch():
    before = faults()
    blocks = [np.ones(40_000_000, np.uint8) for _ in range(3)]
    return faults() - before

first, again = touch(), touch()
print(int(asked), first, again)
"""


def touched(how):
    """Whether the C library could be asked, and the page faults of the first and of the second time."""
    done = subprocess.run([sys.executable, "-c", TOUCH, how], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_blocks_are_used_again_without_page_faults():
    asked, first, again = touched("keep")
    if asked:  # glibc
        assert again < 0.05 * first
    else:
        assert not sys.platform.startswith("linux") or not hasattr(allocator.ctypes.CDLL(None), "mallopt")


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert allocator.keep_freed_memory() is False
