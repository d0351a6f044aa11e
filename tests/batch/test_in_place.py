"""A film is replaced only where it can be, and only by one that can be read to its end."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.commands import listing
from support.films import Sound, make

from cfork_cli.batch import in_place
from cfork_cli.batch.film import Film, InPlace
from cfork_cli.batch.in_place import check_replaceable, remix_in_place
from cfork_cli.errors import CforkError, DamagedInputError, FfmpegError, InputError, OutputError
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.flows.report import Silent

LEVEL = RemixJob(Path(), None, {"music": 0.0, "dialogue": 0.0, "effects": 0.0}, title="New")
"""A remix that needs no network."""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make(tmp_path / "film.mkv", Sound("flac"), seconds=1)


def asked(path: Path) -> Film:
    return Film(replace(LEVEL, input=path), InPlace())


def test_what_is_no_film_to_replace_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    loop = tmp_path / "loop.mkv"
    loop.symlink_to(loop)
    for name, words in (("none.mkv", "is it there"), ("loop.mkv", "is it there"), ("folder", "is not a file")):
        with pytest.raises(InputError, match=words):
            check_replaceable(asked(tmp_path / name))
    kept = tmp_path / "kept.mkv"
    kept.write_bytes(b"x")
    assert check_replaceable(asked(kept)) == kept.resolve()
    (tmp_path / "kept.mkv.bak").write_bytes(b"of others")
    with pytest.raises(OutputError, match="exists already"):
        check_replaceable(asked(kept))
    kept.chmod(0o444)
    with pytest.raises(OutputError, match="read-only"):
        check_replaceable(asked(kept))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (DamagedInputError("it ends at 0.5 s"), FfmpegError, r"cannot be read back \(it ends at 0\.5 s\): nothing"),
        (OutputError("no room"), OutputError, "^no room$"),
    ],
)
def test_a_new_film_that_cannot_be_read_back_replaces_nothing(
    film: Path, monkeypatch: pytest.MonkeyPatch, error: CforkError, kind: type[CforkError], words: str
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise error

    before, content = listing(film.parent), film.read_bytes()
    monkeypatch.setattr(in_place, "decode", failing)
    with pytest.raises(kind, match=words):
        remix_in_place(asked(film), asked(film).job, Silent(), None)  # type: ignore[arg-type]
    assert (listing(film.parent), film.read_bytes()) == (before, content)


@pytest.mark.parametrize("named", ["replace", "link"])
def test_a_folder_that_does_not_take_the_new_name_keeps_the_film(
    film: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    real = os.replace

    def refused(source: Any, target: Any) -> None:
        if Path(target).name == film.name:
            raise PermissionError(13, "Permission denied")
        real(source, target)

    content = film.read_bytes()
    monkeypatch.setattr(os, "replace", refused)
    if named == "link":  # a file system without second names

        def no_links(*_: Any, **__: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(OutputError, match=r"cannot be replaced \(Permission denied\): is its folder writable"):
        remix_in_place(asked(film), asked(film).job, Silent(), None)  # type: ignore[arg-type]
    assert film.read_bytes() == content
    assert not [name for name in listing(film.parent) if ".cfork-" in name and "journal" not in name]
