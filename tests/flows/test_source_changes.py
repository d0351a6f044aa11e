"""A film that changes while it is read is what an error is about, and not the output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cfork_cli.errors import CforkError, FfmpegError, InputError, Interrupted, OutputError
from cfork_cli.flows.source import blaming_changes


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mkv"
    path.write_bytes(bytes(1000))
    return path


def removed(film: Path) -> None:
    film.unlink()


def replaced(film: Path) -> None:
    other = film.with_name("other")
    other.write_bytes(bytes(1000))
    other.replace(film)


def cut(film: Path) -> None:
    film.write_bytes(bytes(500))


def grown(film: Path) -> None:
    with film.open("ab") as file:
        file.write(bytes(500))


def fail(film: Path, change: Callable[[Path], None], error: CforkError) -> None:
    """Read a film that changes, and fail."""
    with blaming_changes(film):
        change(film)
        raise error


@pytest.mark.parametrize("error", [OutputError, FfmpegError])
@pytest.mark.parametrize("change", [removed, replaced, cut])
def test_what_happened_to_the_film_is_told(film: Path, change: Callable[[Path], None], error: type[CforkError]) -> None:
    with pytest.raises(InputError, match="while it was read"):
        fail(film, change, error("the picture does not go into such a file"))


def test_other_errors_stay_what_they_are(film: Path) -> None:
    with pytest.raises(OutputError, match="disk full"):
        fail(film, grown, OutputError("disk full"))
    with pytest.raises(Interrupted):
        fail(film, removed, Interrupted("interrupted"))


def test_a_film_that_was_never_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"), blaming_changes(tmp_path / "none.mkv"):
        raise InputError("does not exist")
