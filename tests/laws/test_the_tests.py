"""Laws of the tests themselves: who imports whom, what is remembered, and that the looks at films can be trusted."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from support import store
from support.cores import scope
from support.films import Sound, ffmpeg, make, noise
from support.readings import packets, samples, times

TESTS = Path(__file__).parents[1]


def test_no_test_imports_a_module_of_tests() -> None:
    """What several of them need is in support/."""
    wrong = []
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{path.name} imports {name}" for name in names if name.rpartition(".")[2].startswith("test_")]
    assert not wrong


def test_a_film_is_made_once_and_every_copy_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").mkdir()
    monkeypatch.setenv(store.FOLDER, str(tmp_path / "kept"))
    made = []

    def write(path: Path) -> None:
        made.append(path.suffix)
        path.write_text("a film")

    for name in ("one.mkv", "two.mkv"):
        film = store.remembered(tmp_path / name, ("film", 1), write)
        assert film.read_text() == "a film"
        film.write_text("damaged")
    store.remembered(tmp_path / "three.mkv", ("film", 2), write)
    store.remembered(tmp_path / "four.mp4", ("film", 1), write)
    assert made == [".mkv", ".mkv", ".mp4"]


def test_films_of_other_sound_are_other_films(tmp_path: Path) -> None:
    """Arrays that look alike in print are told apart."""
    for number, changed in enumerate((0.0, 0.5)):
        told = noise(1, 48_000, bits=16)
        told[0, 24_000] = changed
        path = make(tmp_path / f"{number}.wav", Sound(layout="mono", samples=told), picture=None)
        np.testing.assert_array_equal(samples(path, channels=1), told)


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4"])
def test_pyav_reads_what_ffmpeg_reads(tmp_path: Path, name: str) -> None:
    codec = {"film.mkv": "flac", "film.mp4": "alac"}[name]
    subtitles = {"film.mkv": "subrip", "film.mp4": "mov_text"}[name]
    path = make(tmp_path / name, Sound(codec, delay=0.2), Sound("aac"), subtitles=subtitles, chapters=True)
    for stream in ("v:0", "a:0", "a:1", "s:0"):
        form = ("-map", f"0:{stream}", "-c", "copy", "-f", "framemd5", "pipe:1")
        lines = ffmpeg("-copyts", "-i", path, *form).decode().splitlines()
        top, bottom = map(int, next(line for line in lines if line.startswith("#tb")).split()[-1].split("/"))
        rows = [[word.strip() for word in line.split(",")] for line in lines if not line.startswith("#")]
        assert packets(path, stream) == [f"{row[4]} {row[5]}" for row in rows]
        assert times(path, stream) == pytest.approx([int(row[2]) * top / bottom for row in rows], abs=1e-9)
    decoded = np.frombuffer(ffmpeg("-i", path, "-map", "0:a:0", "-f", "f32le", "pipe:1"), np.float32)
    np.testing.assert_array_equal(samples(path), decoded.reshape(-1, 2).T)


def test_files_go_to_one_worker_and_the_corpus_film_by_film() -> None:
    corpus = "tests/corpus/test_corpus.py"
    assert scope("tests/mix/test_gains.py::test_a[1]") == scope("tests/mix/test_gains.py::test_b") != scope(corpus)
    films = [f"{corpus}::test_the_promises[{name}]" for name in ("a.mkv s s", "a.mkv s w", "b.mkv s s")]
    assert scope(films[0]) == scope(films[1]) != scope(films[2]) != scope(f"{corpus}::test_the_measure_itself")
