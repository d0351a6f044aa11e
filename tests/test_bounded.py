"""Small files of others: what is no regular file is refused, and never waited for."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cfork_cli import bounded
from cfork_cli.batch.find import find
from cfork_cli.batch.journal import Journal
from cfork_cli.batch.refused import Refused
from cfork_cli.commands.models import _read_card
from cfork_cli.errors import InputError, OutputError, UsageError
from cfork_cli.flows.kept import SUFFIX, KeptBatches, KeptPieces
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


def array_file(shape: str, data: bytes, kind: str = "<f4") -> bytes:
    """A file of NumPy's with this in its header."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize(
    "content",
    [
        array_file("(4611686018427387904,)", bytes(16)),  # 16 EiB
        array_file("(1000000000, 4)", bytes(16)),  # 16 GB: with room for it, they were taken
        array_file("(1, 4)", bytes(17)),
        array_file("(-1, -4)", bytes(16)),
        array_file("(2,)", bytes(16), "|O"),
        array_file("((" * 400, b""),
        array_file("(0,)", b"")[:-9],
        b"",
    ],
)
def test_an_array_takes_no_more_memory_than_its_file(tmp_path: Path, content: bytes) -> None:
    sequences = [np.zeros(8, np.float32)]
    pieces = KeptPieces(tmp_path)
    kept = KeptBatches(pieces, b"key")
    good = np.arange(24, dtype=np.float32).reshape(1, 3, 8)
    kept.put(sequences, good)
    found = kept.get(sequences)
    assert found is not None
    assert np.array_equal(found, good)
    folder = StemStore(tmp_path / "player", "a", 1, 10**6).folder
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"array|magic|header|EOF|[Rr]eading"):
            bounded.array(content)
        pieces.write(kept._name(sequences), content)  # with a checksum that is right
        assert kept.get(sequences) is None
        pieces.write(kept._name(sequences), array_file("(3, 8)", bytes(96)))
        assert kept.get(sequences) is None
        (folder / "levels.npy").write_bytes(content)
        assert np.isnan(StemStore(tmp_path / "player", "a", 1, 10**6).levels).all()
        assert tracemalloc.get_traced_memory()[1] < 20 * bounded.MIB
    finally:
        tracemalloc.stop()


def test_a_list_may_come_from_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"film")
    os.mkfifo(tmp_path / "list")
    writer = threading.Thread(target=(tmp_path / "list").write_text, args=(f"{tmp_path / 'a.mkv'}\n",))
    writer.start()
    found = find([f"@{tmp_path / 'list'}"])
    writer.join()
    assert [one.path for one in found] == [tmp_path / "a.mkv"]
