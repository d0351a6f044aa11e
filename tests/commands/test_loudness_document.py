"""docs/loudness.md says what is: its examples run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from support.commands import ROOT, Ran
from support.films import Sound, make, noise

TEXT = (ROOT / "docs" / "loudness.md").read_text(encoding="utf-8")
EXAMPLES = [
    line for block in re.findall(r"<!-- examples -->\n```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]


def test_the_examples_run(cfork: Callable[..., Ran], place: Path) -> None:
    """Films are planned only, with every check that comes before the work."""
    make(place / "movie.mkv", Sound("flac", samples=noise(2, 48_000)), seconds=1)
    for name in ("voice", "line1", "line2"):
        make(place / f"{name}.wav", Sound(layout="mono", samples=noise(1, 4800)), picture=None)
    assert len(EXAMPLES) == 7
    for line in EXAMPLES:
        program, *arguments = shlex.split(line)
        assert program == "cfork"
        ran = cfork(*arguments, "--dry-run")
        assert ran.code == 0, f"{line}: {ran.err}"


def test_the_wheel_of_pictures_is_named(cfork: Callable[..., Ran]) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "cfork[plot]" in TEXT
    assert re.search(r'^plot = \["matplotlib', project, re.MULTILINE)
