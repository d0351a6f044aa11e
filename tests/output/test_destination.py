"""Where outputs go: through links, not over other names of a file, and not in vain."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cfork_cli.errors import OutputError
from cfork_cli.output.destination import check_destination, write_whole, write_whole_bytes
from cfork_cli.output.sound_file import SoundFileSink


def write(output: Path) -> None:
    with SoundFileSink(output, sample_rate=8000, channels=1, force=True) as sink:
        sink.write(np.zeros((1, 80), np.float32))


@pytest.mark.parametrize("writer", [write, lambda path: write_whole(path, "new", force=True),
                                    lambda path: write_whole_bytes(path, b"new")])  # fmt: skip
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, writer: object) -> None:
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "film.wav", tmp_path / "link.wav"
    real.write_text("old")
    link.symlink_to(Path("there") / "film.wav")
    writer(link)  # type: ignore[operator]
    assert link.is_symlink()
    assert real.read_bytes() != b"old"
    assert sorted(os.listdir(tmp_path / "there")) == ["film.wav"]
    assert sorted(os.listdir(tmp_path)) == ["link.wav", "there"]


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link.wav"
    link.symlink_to(tmp_path / "not mounted" / "film.wav")
    with pytest.raises(OutputError, match=r"is a link to '.*not mounted/film.wav', which is not there"):
        check_destination(link, force=True)


def test_other_names_of_a_replaced_file_keep_what_they_had(tmp_path: Path) -> None:
    first, second = tmp_path / "seeded.wav", tmp_path / "library.wav"
    first.write_text("old")
    os.link(first, second)
    write(second)
    assert first.read_text() == "old"
    assert second.read_bytes() != b"old"


@pytest.mark.parametrize("link", ["hard", "symbolic"])
def test_no_link_hides_that_the_output_is_the_input(tmp_path: Path, link: str) -> None:
    film, other = tmp_path / "film.wav", tmp_path / "other.wav"
    film.write_text("film")
    (os.link if link == "hard" else os.symlink)(film, other)
    with pytest.raises(OutputError, match="is the input itself"):
        check_destination(other, source=film, force=True)


def test_what_only_its_owner_may_replace_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "film.wav").write_text("of another user")
    check_destination(tmp_path / "film.wav", force=True)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(OutputError, match="belongs to another user"):
        check_destination(tmp_path / "film.wav", force=True)
