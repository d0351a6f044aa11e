"""docs/recipes.md and the README's recipes: every command runs as it is written, on short films."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import PATIENCE, ROOT, Ran, echo_network
from support.films import Sound, make, noise
from support.readings import samples

from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.flows import network as networks

TEXT = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^<!-- tested(.*?) -->\n```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
README = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Five recipes\n\n```sh\n")[2].partition("```")[0]
LONG = "on a film of 95 seconds"
RECIPES = [("", README), *BLOCKS]
NEEDS_A_SHELL = re.compile(r"[|<>]")


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a film and a new voice, and a network that is there at once."""
    network = echo_network()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    monkeypatch.setenv("CFORK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("CFORK_TEST_SECONDS_EACH", "0")
    make(place / "voice.wav", Sound(layout="mono", samples=noise(1, 48_000)), picture=None)
    return place


def film(folder: Path, *, seconds: float) -> Path:
    """A film; of a long one, the sound is such that it is decoded soon."""
    rate, layout, channels = (48_000, "stereo", 2) if seconds < 10 else (8000, "mono", 1)
    sound = Sound("flac", layout, rate, samples=noise(channels, int(rate * seconds)), language="eng")
    make(folder / "movie.mkv", sound, seconds=seconds, subtitles="subrip")
    (folder / "films" / "series").mkdir(parents=True)
    shutil.copy(folder / "movie.mkv", folder / "films" / "series" / "one.mkv")
    return folder / "movie.mkv"


def shell_programs(folder: Path) -> Path:
    """Make a folder of programs: cfork with that network, ffmpeg, and stand-ins for what plays and fetches."""
    folder.mkdir()
    scripts = {
        "cfork": f'exec {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "tests/support/commands.py"))} "$@"',
        "ffmpeg": f'exec {shlex.quote(find_ffmpeg())} "$@"',
        "mpv": "exec cat > played.mkv",
        "yt-dlp": '[ "$*" = "-o - URL" ] && exec cat movie.mkv',
    }
    for name, line in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


def run_in_shell(block: str, programs: Path) -> None:
    environment = {
        **os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    }  # fmt: skip
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_there_are_recipes_for_what_people_ask() -> None:
    assert len(BLOCKS) >= 11
    assert README.count("cfork ") == 5
    for words in ("Subtitle Edit", "Jellyfin and Kodi", "LosslessCut", "hear badly", "Night", "yt-dlp", "--for asr"):
        assert words in TEXT


@pytest.mark.parametrize(
    ("where", "block"), RECIPES, ids=[block.split("\n")[0][:60] or "README" for _, block in RECIPES]
)
def test_a_recipe_runs_as_written(
    cfork: Callable[..., Ran], here: Path, tmp_path: Path, where: str, block: str
) -> None:
    film(here, seconds=95 if where.strip() == LONG else 2)
    before = set(here.rglob("*"))
    if NEEDS_A_SHELL.search(block):
        run_in_shell(block, shell_programs(tmp_path / "programs"))
    else:
        for line in block.splitlines():
            program, *arguments = shlex.split(line, comments=True)
            assert program == "cfork"
            ran = cfork(*arguments)
            assert ran.code == 0, f"{line}: {ran.err}"
    assert set(here.rglob("*")) > before


def test_the_time_left_is_where_the_recipe_says(here: Path) -> None:
    """The line that is shown has the fields of the lines that are printed."""
    from cfork_cli.console.console import Console

    shown = json.loads(re.search(r"```json\n(.*?)\n```", TEXT)[1])
    console = Console(as_json=True)
    printed: list[dict[str, object]] = []
    console._line = lambda **values: printed.append(values)  # type: ignore[method-assign]
    console.stage("remix", 5400.0)
    console.at(754.1)
    assert printed[-1].keys() == shown.keys()
    assert shown["eta_seconds"] == pytest.approx((shown["total"] - shown["done"]) / shown["speed"], abs=0.1)


def test_stems_and_residual_add_up_as_promised(cfork: Callable[..., Ran], here: Path) -> None:
    line = next(line for line in TEXT.splitlines() if "--residual file --bits 24" in line)
    make(here / "movie.mkv", Sound("pcm_s16le", samples=noise(2, 48_000)), seconds=1)
    assert cfork(*shlex.split(line)[1:]).code == 0
    whole = samples(here / "movie.mkv")
    parts = [samples(here / "adr" / f"{name}.wav") for name in ("dialogue", "residual")]
    assert (parts[0] + parts[1] == whole).all()
