"""docs/effects.md says what is: its examples run, its list of filters is the list, its TOML is a preset."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import ROOT, Ran
from support.films import Sound, make, noise

from cfork_cli.filters.chain import ALLOWED
from cfork_cli.presets.preset import read

TEXT = (ROOT / "docs" / "effects.md").read_text(encoding="utf-8")
EXAMPLES = [
    line for block in re.findall(r"<!-- examples -->\n```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]


def test_the_examples_run_one_after_the_other(
    cfork: Callable[..., Ran], place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Films are planned only, with every check that comes before the work."""
    monkeypatch.setenv("CFORK_CONFIG", str(tmp_path / "config"))
    make(place / "movie.mkv", Sound("flac", samples=noise(2, 48_000)), seconds=1)
    assert len(EXAMPLES) >= 14
    for line in EXAMPLES:
        program, *arguments = shlex.split(line)
        assert program == "cfork"
        ran = cfork(*arguments, *([] if arguments[0] == "presets" else ["--dry-run"]))
        assert ran.code == 0, f"{line}: {ran.err}"


@pytest.mark.parametrize("name", ["remix", "separate", "presets"])
def test_the_examples_of_the_help_run(
    cfork: Callable[..., Ran], place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("CFORK_CONFIG", str(tmp_path / "config"))
    make(place / "movie.mkv", Sound("flac", samples=noise(2, 48_000)), seconds=1)
    (place / "films" / "series").mkdir(parents=True)
    shutil.copy(place / "movie.mkv", place / "films" / "series")
    source = (ROOT / "cfork_cli" / "commands" / f"{name}.py").read_text(encoding="utf-8")
    examples = re.findall(r"^    Example: cfork (.*?)(?: >.*)?$", source, re.MULTILINE)
    assert examples
    for line in examples:
        ran = cfork(*shlex.split(line), *([] if name == "presets" else ["--dry-run"]))
        assert ran.code == 0, f"{line}: {ran.err}"


def test_the_list_of_filters_is_the_list() -> None:
    listed = re.search(r"<!-- allowed -->(.*?)<!-- /allowed -->", TEXT, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"\w+", listed[1])) == ALLOWED


def test_the_preset_is_one() -> None:
    toml = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert toml is not None
    preset = read(toml[1], "mine", "docs")
    facts = preset.facts()
    assert (facts["speech_boost_lu"], facts["duck_db"], facts["night"]) == (7, {"music": 6, "effects": 3}, True)
    assert len(facts["effects"]["dialogue"]["bands"]) == 2
