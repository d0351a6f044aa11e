"""Fixtures shared by the tests of the media side and of the command."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Ran, listing
from films import Sound, make

from cfork_cli.app import run


@pytest.fixture(params=["system", "wheels"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Both ways to ffmpeg: the system's ffmpeg and ffprobe; or imageio-ffmpeg and PyAV, with nothing on PATH."""
    for variable in ("CFORK_FFMPEG", "CFORK_FFPROBE", "IMAGEIO_FFMPEG_EXE"):
        monkeypatch.delenv(variable, raising=False)
    if request.param == "system":
        if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
            pytest.skip("no ffmpeg and ffprobe on PATH")
    else:
        empty = tmp_path / "empty-path"
        empty.mkdir()
        monkeypatch.setenv("PATH", str(empty))
    return str(request.param)


# ---- the command ----


@pytest.fixture
def cfork(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line in this process."""

    def command(*arguments: str | Path) -> Ran:
        capfd.readouterr()
        code = run([os.fspath(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return command


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; temporary files go to `temporary` beside it."""
    folder, temporary = tmp_path / "films", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("CFORK_DEBUG", "1")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network in a file."""
    import torch

    from model.bandsplit import BandSplit
    from model.weights import save

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(BandSplit(width=8, hidden=8, layers=1, overview=8, mask_hidden=8), path, {"license": "MIT"})
    return path


@pytest.fixture(scope="session")
def films_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Films that tests read but never change: full.mkv, full.mp4, plain.mkv (16 bits, 44.1 kHz), mute.mkv."""
    folder = tmp_path_factory.mktemp("films")
    english = Sound("aac", language="eng", title="Main", default=True)
    make(
        folder / "full.mkv", english, Sound("ac3", "5.1(side)", language="deu", title="Deutsch"),
        subtitles="subrip", chapters=True, font=True, cover=True,
    )  # fmt: skip
    make(folder / "full.mp4", english, Sound("aac", language="fra"), subtitles="mov_text", chapters=True, cover=True)
    make(folder / "plain.mkv", Sound("pcm_s16le", sample_rate=44_100))
    make(folder / "mute.mkv")
    before = listing(folder)
    yield folder
    assert listing(folder) == before, "a test changed a film"
