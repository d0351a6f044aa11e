"""Every command that writes a file, and a folder that takes none: one line, code 4, nothing half left, nothing lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from support.commands import Ran, listing

from cfork_cli.app import app

WRITES: dict[str, tuple[str, ...]] = {
    "remix": ("remix", "film.mkv", "--dialog", "0", "-o", "out/new.mkv"),
    "remix, many": ("remix", "film.mkv", "more.mkv", "--dialog", "0", "-o", "out"),
    "remix, sidecar": ("remix", "film.mkv", "--dialog", "0", "--sidecar", "-o", "out/new.mka"),
    "separate": ("separate", "film.mkv", "--model", "tiny.safetensors", "-o", "out/stems"),
    "dub": ("dub", "film.mkv", "voice.wav", "--model", "tiny.safetensors", "-o", "out/new.mkv"),
    "plot": ("plot", "film.mkv", "--model", "tiny.safetensors", "-o", "out/film.png"),
    "watch": ("watch", "in", "--once", "--settle", "0", "--dialog", "0", "-o", "out"),
    "train": ("train", "--plot", "run", "-o", "out/curves.png"),
    "models convert": ("models", "convert", "tiny.safetensors", "out/new.safetensors"),
    "presets save": ("presets", "save", "mine", "--dialog", "3"),
}
"""Command, with more about it after a comma -> a line that writes into `out`, or into the folder of presets there."""

ELSEWHERE = {
    "evaluate": "training/test_scoring.py", "bench": "bench/test_bench.py", "dnr build": "model/dnr/test_build.py",
    "dnr sources": "model/dnr/test_sources.py", "dnr stats": "model/dnr/test_statistics.py",
    "models pull": "model/hub/test_pull.py", "models package": "commands/test_models.py",
    "play": "player/test_stem_store.py",
}  # fmt: skip
"""Commands that need more than a second to come to what they write, or a server -> the tests of their
rooms. Not all of these try a disk that is full."""

READ_ONLY = {
    "info", "models list", "models info", "models verify", "dnr cases", "presets list", "presets show", "presets path",
}  # fmt: skip


def commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of all commands."""
    if not hasattr(command, "commands"):
        yield " ".join(name)
        return
    for word, inner in command.commands.items():
        yield from commands(inner, (*name, word))


def test_every_command_has_its_row() -> None:
    known = {name.partition(",")[0] for name in WRITES} | set(ELSEWHERE) | READ_ONLY
    assert set(commands(typer.main.get_command(app))) == known
    assert all((Path(__file__).parents[1] / file).is_file() for file in ELSEWHERE.values())


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a file system needs root")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


FOLDERS = {"full": "size=4k", "no inodes": "size=50m,nr_inodes=1", "read-only": "ro"}


@pytest.fixture
def things(place: Path, films_here: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the lines read."""
    shutil.copy(films_here / "plain.mkv", place / "film.mkv")
    shutil.copy(films_here / "plain.mkv", place / "more.mkv")
    shutil.copy(tiny_model, place / "tiny.safetensors")
    soundfile.write(place / "voice.wav", np.sin(np.arange(48_000) / 20) / 2, 48_000)
    (place / "in").mkdir()
    shutil.copy(films_here / "plain.mkv", place / "in" / "film.mkv")
    (place / "run").mkdir()
    losses = '"loss": {"music": -1.0, "dialogue": -1.0, "effects": -1.0}, "lr": 0.001'
    lines = [f'{{"step": {step}, "minutes": {step}, {losses}}}' for step in (1, 2)]
    (place / "run" / "metrics.jsonl").write_text("\n".join(lines))
    monkeypatch.setenv("CFORK_CONFIG", str(place / "out"))
    return place


MANY = ("remix, many", "watch")
"""Go on with other films, and say at the end what became of all."""

TRIED = [
    (name, state)
    for name in WRITES
    for state in (*FOLDERS, "a file")
    if state in ("full", "read-only") or name in ("remix", *MANY, "presets save")
]  # those that are refused before the work are much alike


@pytest.mark.parametrize(("name", "state"), TRIED)
def test_a_folder_that_takes_nothing(things: Path, cfork: Callable[..., Ran], name: str, state: str) -> None:
    with contextlib.ExitStack() as stack:
        if state == "a file":
            (things / "out").write_text("somebody else's")
        else:
            stack.enter_context(mounted(things / "out", FOLDERS[state]))
            if state == "full":
                with contextlib.suppress(OSError):
                    (things / "out" / "taken").write_bytes(bytes(4096))
        before = listing(things.parent)
        ran = cfork(*WRITES[name])
        assert not any("itself failed" in line or "Traceback" in line for line in ran.lines), ran.err
        if name in MANY:
            assert ran.code in ({2} if state == "a file" else {1, 4}), ran.err
            assert ran.lines
        else:
            assert (ran.code, len(ran.lines)) == (4, 1), ran.err
        assert listing(things.parent) == before
