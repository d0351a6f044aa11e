"""What is packed and published: the facts of pyproject.toml agree with the files and the documents."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.commands import PATIENCE, ROOT

import cfork_cli

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REQUIRED = [re.match(r"[A-Za-z0-9_-]+", one)[0] for one in PROJECT["project"]["dependencies"]]
EXTRAS = PROJECT["project"]["optional-dependencies"]


def test_the_version_is_written_once() -> None:
    assert "version" not in PROJECT["project"]
    source = ROOT / PROJECT["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{cfork_cli.__version__}"' in source.read_text(encoding="utf-8")
    others = [path for path in sorted(ROOT.glob("*.md")) if f"cfork {cfork_cli.__version__}" in path.read_text("utf-8")]
    assert others == []


def test_what_belongs_into_the_package_is_there() -> None:
    build = PROJECT["tool"]["hatch"]["build"]["targets"]
    for name in build["wheel"]["packages"]:
        assert (ROOT / name / "py.typed").is_file(), f"{name} has types, and says so to those who check them"
    for name in build["sdist"]["include"]:
        assert (ROOT / name.removeprefix("/")).exists(), name
    assert {f"/{name}" for name in build["wheel"]["packages"]} <= {*build["sdist"]["include"]}
    for name in PROJECT["project"]["license-files"]:
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", REQUIRED)
def test_every_dependency_is_credited_and_its_bound_explained(name: str) -> None:
    assert re.search(rf"\b{name}\b", (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8"))
    bounds = next(one for one in PROJECT["project"]["dependencies"] if one.startswith(name))
    row = re.search(rf"^\| {name} \| (\S*) \|", (ROOT / "docs" / "dependencies.md").read_text("utf-8"), re.MULTILINE)
    assert row is not None
    assert row[1] == bounds.removeprefix(name)


def test_actions_are_pinned_and_may_do_little() -> None:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert files
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "\npermissions: {}\n" in text, "each job asks for what it needs"
        used = re.findall(r"uses: (\S+)(.*)", text)
        assert used
        for action, comment in used:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_a_file_test_py_in_the_folder_is_not_run(tmp_path: Path) -> None:
    """CVE-2025-50817 of `future`, which ffmpeg-python needs: its module that does so is never imported."""
    (tmp_path / "test.py").write_text("print('run')\n")
    code = (
        "import ffmpeg, sys; ffmpeg.input('a').output('b').compile(); print('future.standard_library' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("False\n", "")
