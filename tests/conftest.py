"""Fixtures shared by the tests of the media side and of the command."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer.main
from support import store
from support.commands import Ran, listing
from support.cores import pytest_cmdline_main, pytest_xdist_make_scheduler  # noqa: F401  (hooks)
from support.file_server import FileServer, serving
from support.films import Sound, make

from cfork_cli.app import run

collect_ignore = ["api/script_of_a_user.py"]  # for mypy alone; looking for doctests would run it


def pytest_configure(config: pytest.Config) -> None:
    """Let compiled modules be kept; make a folder for the films of this session, which workers share.

    Hundreds of commands and workers start in the tests. Where the environment forbids to keep what was compiled, each
    would compile all of cfork again, and every session all of the tests.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if store.FOLDER not in os.environ:
        os.environ[store.FOLDER] = tempfile.mkdtemp(prefix="cfork-films-")
        config.add_cleanup(_forget_films)


def _forget_films() -> None:
    shutil.rmtree(os.environ.pop(store.FOLDER), ignore_errors=True)


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


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the models that whoever runs it has pulled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CFORK_CACHE", str(tmp_path_factory.getbasetemp() / "no-cache"))
        yield


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard() -> Iterator[None]:
    """Whoever starts the tests in the background ignores some signals, and all children would inherit that."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if hasattr(signal, "SIGHUP"):
        usual[signal.SIGHUP] = signal.SIG_DFL
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# ---- the command ----


@pytest.fixture(scope="session", autouse=True)
def one_parser() -> Iterator[None]:
    """Build the parser once for all command lines of this process: it takes twenty times as long as to parse one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


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

    from model.hub.weights import save
    from model.networks.bandsplit import BandSplit

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(BandSplit(width=8, hidden=8, layers=1, overview=8, mask_hidden=8), path, {"license": "MIT"})
    return path


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small MRX checkpoints of our own making, as the authors save theirs, by the names of two releases."""
    import torch

    from model.networks.mrx import MRX

    found = {}
    for seed, key in enumerate(("default", "paper")):
        torch.manual_seed(seed)
        path = tmp_path_factory.mktemp("checkpoint") / "weights.pth"
        torch.save(MRX(windows=(512, 1024), hidden=32, layers=2).state_dict(), path)
        found[key] = path.read_bytes()
    return found


@pytest.fixture(scope="session")
def checkpoint(checkpoints: dict[str, bytes]) -> bytes:
    """The first of them."""
    return checkpoints["default"]


@pytest.fixture
def mirror(checkpoints: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server that has the small checkpoints where the releases should be, and an empty cache."""
    from model.hub import pull, released

    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    with serving() as server:
        for key, data in checkpoints.items():
            server.files[f"/{released.file_name(key)}"] = data
            small = replace(released.RELEASES[key], sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
            monkeypatch.setitem(released.RELEASES, key, small)
        monkeypatch.setenv("CFORK_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv(pull.MIRROR, server.url)
        yield server


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
