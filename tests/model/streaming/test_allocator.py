"""Memory that is freed stays in the process."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from model.streaming import allocator

TOUCH = """
import resource, sys
import numpy as np
from model.streaming.allocator import keep_freed_memory

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
        _, first, again = touched("leave")
        assert again > 0.5 * first
    else:
        assert not sys.platform.startswith("linux") or not hasattr(allocator.ctypes.CDLL(None), "mallopt")


@pytest.mark.parametrize(
    ("takes", "told", "settings"),
    [(1 << 30, True, {-3: 1 << 30, -1: 2**31 - 1, -8: 1}), (1 << 25, True, {-3: 1 << 25, -1: 2**31 - 1, -8: 1}),
     (0, False, {})],
)  # fmt: skip
def test_what_a_c_library_refuses(monkeypatch, takes, told, settings):
    """Older ones take small thresholds only; without one, the others must stay as they are."""
    given = {}

    def mallopt(name, value):
        if name == allocator.M_MMAP_THRESHOLD and value > takes:
            return 0
        given[name] = value
        return 1

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=mallopt))
    monkeypatch.setattr(sys, "platform", "linux")
    assert allocator.keep_freed_memory() is told
    assert given == settings


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert allocator.keep_freed_memory() is False
