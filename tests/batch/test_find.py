"""Which films are meant by words."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfork_cli.batch.find import find, is_many
from cfork_cli.batch.journal import NAME
from cfork_cli.errors import InputError, UsageError

TREE = """a/film 2.mkv a/film 10.mkv a/film 10.cfork.mkv a/film 10.eng.cfork.mka a/film 10.eng.ac3 a/film 10.srt
a/sample.mkv a/film-sample.mkv a/Sample/x.mkv a/.hidden.mkv a/.trash/x.mkv a/film 2.mkv.bak a/b/film.MP4
a/b/film.stems/dialogue.wav a/b/song.mp3 a/b/readme.txt a/out/film.mkv""".replace("\n", " ")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in TREE.replace("film ", "film_").split():
        path = tmp_path / name.replace("film_", "film ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def names(*words: str, **options: object) -> list[str]:
    return [one.path.as_posix() for one in find(words, **options)]  # type: ignore[arg-type]


def test_a_folder_gives_films_in_natural_order_and_nothing_of_our_own(tree: Path) -> None:
    assert names("a") == ["a/film 2.mkv", "a/film 10.mkv"]
    deep = ["a/b/film.MP4", "a/b/song.mp3", "a/film 2.mkv", "a/film 10.mkv"]
    assert names("a", recursive=True, output=Path("a/out")) == deep
    assert names("a", recursive=True) == [*deep, "a/out/film.mkv"]


def test_patterns_choose_names_and_paths(tree: Path) -> None:
    assert names("a", recursive=True, include=["*.mp?"]) == ["a/b/film.MP4", "a/b/song.mp3"]
    assert names("a", recursive=True, exclude=["b/*", "OUT/*", "*10*"]) == ["a/film 2.mkv"]
    assert names("a", include=["*.srt"]) == ["a/film 10.srt"]
    assert names("a/*2.mkv") == ["a/film 2.mkv"]
    assert names("a/**/*.mkv", exclude=["out/*", "Sample/*", "*/x.mkv"]) == ["a/film 2.mkv", "a/film 10.mkv"]


def test_each_film_comes_once_however_often_it_is_meant(tree: Path) -> None:
    (tree / "link.mkv").symlink_to(tree / "a" / "film 2.mkv")
    assert names("a/film 2.mkv", "a", "link.mkv") == ["a/film 2.mkv", "a/film 10.mkv"]


def test_what_is_named_by_itself_is_taken(tree: Path) -> None:
    named = ["a/film 10.cfork.mkv", "a/sample.mkv", "missing.mkv"]
    assert names(*named) == named


def test_a_list_names_films_folders_and_patterns(tree: Path) -> None:
    (tree / "list.txt").write_text("# mine\n\na/b\na/film 2.mkv\r\na/*.mkv\n", encoding="utf-8-sig")
    assert names("@list.txt") == ["a/b/film.MP4", "a/b/song.mp3", "a/film 2.mkv", "a/film 10.mkv"]
    (tree / "empty.txt").write_text("# nothing\n")
    with pytest.raises(UsageError, match="names no film"):
        names("@empty.txt")
    with pytest.raises(InputError, match=r"'no.txt' cannot be read"):
        names("@no.txt")


def test_what_means_nothing_is_told(tree: Path) -> None:
    (tree / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"there is no film in 'empty'; --recursive looks deeper"):
        names("empty")
    with pytest.raises(UsageError, match="no film matches"):
        names("a/*.avi")


def test_outputs_by_other_names_are_known_by_the_journal(tree: Path) -> None:
    line = (
        '{"key": "KEY", "done": true, "signature": "s", "source": [1, 1, "x"], "outputs": {"film 2.mkv": [1, 1, "x"]}'
    )
    rest = ', "before": null, "began": 0, "speed": 0}\n'
    (tree / "a" / NAME).write_text(line.replace("KEY", "remix film 2.mkv") + rest)
    assert names("a") == ["a/film 10.mkv"]
    (tree / "a" / NAME).write_text(line.replace("KEY", "in-place film 2.mkv") + rest)
    assert names("a") == ["a/film 2.mkv", "a/film 10.mkv"]


def test_the_tree_is_mirrored(tree: Path) -> None:
    targets = {one.path.name: one.target(Path("o")).as_posix() for one in find(["a"], recursive=True)}
    assert targets["film.MP4"] == "o/b"
    assert targets["film 2.mkv"] == "o"
    assert [one.target(Path("o")).as_posix() for one in find(["a/*/film.MP4"])] == ["o/b"]


def test_a_file_of_an_odd_name_is_one_film(tree: Path) -> None:
    for name in ("@x.mkv", "film [1080p].mkv", "what?.mkv"):
        (tree / name).write_bytes(b"x")
        assert not is_many([name])
        assert names(name) == [name]
