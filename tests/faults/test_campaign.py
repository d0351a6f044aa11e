"""A little of the campaign: the same trials each time, a few of every kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_promise_is_broken_in_the_short_form() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.campaign", "--short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout.partition("## What came of it")[2] + done.stderr
    assert "Trials with a violation: 0." in done.stdout
