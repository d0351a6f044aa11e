"""Where what reads a film's headers fails itself, nothing is said about the film: it may be sound."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.films import Sound, make
from support.processes import script

from cfork_cli.errors import NO_MEMORY, CforkError, DamagedInputError, FfmpegError
from cfork_cli.media.keyframes import key_frame_before
from cfork_cli.media.probe import probe

LOGGING = """
import contextlib
WARNING = INFO = 0
def set_level(level): pass
@contextlib.contextmanager
def Capture(): yield []
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("fails") / "film.mkv", Sound("flac"), subtitles=None)


def other_pyav(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str, *, at_import: bool = False) -> None:
    """Let the process that asks PyAV find another one, which fails."""
    package = folder / "av"
    package.mkdir()
    (package / "logging.py").write_text(LOGGING)
    (package / "error.py").write_text("class FFmpegError(Exception): pass\n")
    said = f"raise {fails}" if at_import else f"def open(*_, **__): raise {fails}"
    (package / "__init__.py").write_text(f"__version__ = '18.5'\n{said}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def no_ffprobe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CFORK_FFPROBE", raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.mark.usefixtures("no_ffprobe")
@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("KeyError('id')", "PyAV 18.5: KeyError: 'id'"),
        ("ValueError('Invalid argument')", "PyAV 18.5: ValueError: Invalid argument"),
        ("AssertionError", "PyAV 18.5: AssertionError"),
        ("KeyError('a\\nb')", r"PyAV 18.5: KeyError: 'a\nb'"),
    ],
)
def test_a_fault_of_pyav_is_told_as_one(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, said: str
) -> None:
    other_pyav(tmp_path, monkeypatch, fails)
    with pytest.raises(FfmpegError) as told:
        probe(film)
    assert str(told.value) == (
        f"'{film}' was not read: there is no ffprobe, and PyAV itself failed ({said}): "
        "install ffmpeg with its ffprobe, or name one with CFORK_FFPROBE"
    )


@pytest.mark.usefixtures("no_ffprobe")
def test_a_pyav_that_is_not_whole_is_there_all_the_same(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_pyav(tmp_path, monkeypatch, "ImportError('undefined symbol: avformat_open_input')", at_import=True)
    with pytest.raises(FfmpegError, match=r"PyAV itself failed \(PyAV: undefined symbol: avformat_open_input\)"):
        probe(film)


@pytest.mark.usefixtures("no_ffprobe")
@pytest.mark.parametrize("at_import", [False, True])
def test_too_little_memory_is_told_as_such(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_import: bool
) -> None:
    fails = "ImportError('libavcodec.so: failed to map segment from shared object')" if at_import else "MemoryError"
    other_pyav(tmp_path, monkeypatch, fails, at_import=at_import)
    with pytest.raises(CforkError) as told:
        probe(film)
    assert (str(told.value), told.value.exit_code) == (NO_MEMORY, 1)


@pytest.mark.skipif(os.name != "posix", reason="the program is a script that is run by its name")
def test_where_ffprobe_gave_up_before_it_is_not_asked_for(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = script(tmp_path / "ffprobe", "import sys\nsys.exit('[error] Could not open codec for input stream 1')")
    monkeypatch.setenv("CFORK_FFPROBE", str(program))
    other_pyav(tmp_path, monkeypatch, "KeyError('id')")
    with pytest.raises(FfmpegError, match=r"ffprobe cannot open one of its codecs.* KeyError.*: take another version"):
        probe(film)


@pytest.mark.skipif(os.name != "posix", reason="the program is a script that is run by its name")
@pytest.mark.parametrize("number", [9, 11])
def test_an_ffprobe_that_is_killed_says_nothing_about_the_film(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    program = script(tmp_path / "ffprobe", f"import os\nos.kill(os.getpid(), {number})")
    monkeypatch.setenv("CFORK_FFPROBE", str(program))
    with pytest.raises(FfmpegError, match=f"ffprobe' was killed by signal {number} while it read the headers of"):
        probe(film)


def test_a_film_that_lost_its_picture_meanwhile_is_told_in_words_of_films(film: Path) -> None:
    media = probe(film)
    streams = tuple(replace(one, index=one.index + 7) for one in media.streams)
    with pytest.raises(DamagedInputError, match=r"cannot be read at 1\.0 s \(it has fewer streams now than before\)"):
        key_frame_before(replace(media, streams=streams), 1.0)
