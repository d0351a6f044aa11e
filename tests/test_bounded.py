"""Small files of others: what is no regular file is refused, and never waited for."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cfork_cli import bounded
from cfork_cli.batch.find import find
from cfork_cli.batch.journal import Journal
from cfork_cli.batch.refused import Refused
from cfork_cli.commands.models import _read_card
from cfork_cli.errors import InputError, OutputError, UsageError
from cfork_cli.flows.kept import SUFFIX, KeptPieces
from cfork_cli.player.stem_store import StemStore
from cfork_cli.presets import store
from model.hub.cache import read_record
from model.hub.partial import Partial

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes have no names in folders there")

Use = Callable[[Path], object]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _folder(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket has a hundred bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


USES: dict[str, tuple[str, type[Exception] | None, Use]] = {
    "journal": (".cfork.jsonl", OutputError, lambda path: Journal(path.parent).names()),
    "failures": (".cfork.failed.json", None, lambda path: Refused(path.parent)._all),
    "preset": ("mine.toml", UsageError, lambda path: store.load(str(path))),
    "card": ("card.json", InputError, _read_card),
    "piece": (f"a{SUFFIX}", None, lambda path: KeptPieces(path.parent).read("a")),
    "record": ("a.safetensors.json", None, lambda path: read_record(path.with_suffix(""))),
    "download": ("a.part.json", None, lambda path: Partial(path.parent / "a", "https://a.example/a").validator),
}
"""Name of the file, what is raised (None: as if it were not there), and who reads it."""


@pytest.fixture
def patience() -> Iterator[None]:
    """Writes to no pipe, but lets go whoever waits at one for a minute: the test fails instead of hanging."""
    timer = threading.Timer(60, lambda: os._exit(99))
    timer.start()
    yield
    timer.cancel()
    timer.join()


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("make", [_pipe, _device, _folder, _socket])
@pytest.mark.parametrize("use", USES)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, use: str, make: Callable[[Path], None]) -> None:
    name, error, read = USES[use]
    make(tmp_path / name)
    if use == "download" and make is _folder:
        error = IsADirectoryError  # it cannot be thrown away; `models pull` says so
    if error is not None:
        with pytest.raises(error, match=r"cannot be read|Is a directory"):
            read(tmp_path / name)
    else:
        assert not read(tmp_path / name)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("make", [_pipe, _device, _folder, _socket])
def test_what_the_player_keeps_is_made_again(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = StemStore(tmp_path, "a", 4, 10**6).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("000001.flac", "000001.after.npy", "levels.npy", "facts.json"):
        make(folder / name)
    kept = StemStore(tmp_path, "a", 4, 10**6)
    assert (kept.get(1), kept.edge(1, "after"), kept.facts()) == (None, None, {})


def test_files_are_read_and_larger_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    assert bounded.read(path, 4) == b"1234"
    with pytest.raises(OSError, match="larger than"):
        bounded.read(path, 3)


def test_a_list_may_come_from_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"film")
    os.mkfifo(tmp_path / "list")
    writer = threading.Thread(target=(tmp_path / "list").write_text, args=(f"{tmp_path / 'a.mkv'}\n",))
    writer.start()
    found = find([f"@{tmp_path / 'list'}"])
    writer.join()
    assert [one.path for one in found] == [tmp_path / "a.mkv"]
