"""`--resume`: an interrupted run goes on from finished pieces, and the result cannot be told from that of one run."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.commands import Ran, echo_network, finish, listing, start_slowly, wait_until
from support.films import Sound, make
from support.readings import samples

from cfork_cli.flows import kept
from cfork_cli.flows import network as networks
from cfork_cli.flows.kept import KeptBatches, KeptPieces, folder_beside
from cfork_cli.flows.separator import Asked

Command = Callable[..., Ran]
SECONDS = 6.0
CHANNELS = {"stereo": 2, "5.1": 6}


class Power:
    """A network whose power fails after so many batches, if it is told so."""

    def __init__(self) -> None:
        self.network = echo_network((0.5, 0.25, 0.25))
        self.batches, self.left, self.kept = 0, 10**9, 0
        inner = self.network.forward

        def forward(x: Any, stems: Any = None) -> Any:
            if self.left <= 0:
                # another worker may have one in hand: what is found is kept first
                wait_until(lambda: self.kept >= self.batches)
                raise KeyboardInterrupt
            self.left -= 1
            self.batches += 1
            return inner(x, stems)

        self.network.forward = forward

    def run(self, command: Command, *arguments: str, fails_after: int = 10**9) -> Ran:
        self.batches, self.left, self.kept = 0, fails_after, 0
        return command(*arguments, "--json")


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    found = Power()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (found.network, "cpu"))
    put = KeptBatches.put

    def kept(batches: KeptBatches, sequences: Any, stems: Any) -> None:
        put(batches, sequences, stems)
        found.kept += 1

    monkeypatch.setattr(KeptBatches, "put", kept)
    return found


def film(place: Path, layout: str = "stereo") -> str:
    make(place / "movie.mkv", Sound("flac", layout), seconds=SECONDS)
    return "movie.mkv"


@pytest.mark.parametrize(
    ("layout", "options"),
    [
        ("stereo", ["--music", "-12"]),
        ("5.1", ["--dialog", "+9", "--loudness", "-20"]),
        ("stereo", ["--duck", "music:6", "--night", "--dialog-fx", "highpass=f=200,acompressor", "--loudness=keep"]),
    ],
    ids=["gains", "loudness-5.1", "desk"],
)
def test_the_seam_cannot_be_told(cfork: Command, place: Path, power: Power, layout: str, options: list[str]) -> None:
    name = film(place, layout)
    whole = power.run(cfork, "remix", name, *options, "-o", "whole.mkv")
    assert whole.code == 0, whole.out
    batches = power.batches
    for _ in range(2):  # and once more: what was found is not lost by the second failure
        stopped = power.run(cfork, "remix", name, *options, "-o", "new.mkv", "--resume", fails_after=1)
        assert stopped.code == 130, stopped.out
        assert "stay in" in stopped.err
        assert not (place / "new.mkv").exists()
    done = power.run(cfork, "remix", name, *options, "-o", "new.mkv", "--resume")
    assert done.code == 0, done.out
    assert 0 < power.batches == batches - 2
    np.testing.assert_array_equal(
        samples(place / "new.mkv", channels=CHANNELS[layout]), samples(place / "whole.mkv", channels=CHANNELS[layout])
    )
    assert set(listing(place)) == {"movie.mkv", "whole.mkv", "new.mkv"}


def test_stems_resume_too(cfork: Command, place: Path, power: Power) -> None:
    name = film(place)
    assert power.run(cfork, "separate", name, "-o", "whole").code == 0
    assert power.run(cfork, "separate", name, "-o", "new", "--resume", fails_after=2).code == 130
    assert not (place / "new").exists()
    assert power.run(cfork, "separate", name, "-o", "new", "--resume").code == 0
    assert listing(place / "new") == listing(place / "whole")
    assert set(os.listdir(place)) == {"movie.mkv", "new", "whole"}


def test_sigkill_loses_no_finished_piece(cfork: Command, place: Path, power: Power) -> None:
    name = film(place)
    power.network = echo_network()  # that of the process that is killed
    folder = folder_beside(place / "new.mkv")
    child = start_slowly("remix", name, "--music", "-12", "-o", "new.mkv", "--resume", "--json", seconds_each=1.0)
    assert wait_until(lambda: len(list(folder.glob("*.piece"))) >= 2 or child.poll() is not None)
    os.killpg(child.pid, signal.SIGKILL)
    finish(child)
    assert len(list(folder.glob("*.piece"))) >= 2
    (folder / "0123.part").write_bytes(b"half")  # as a run leaves it that dies while it writes
    done = power.run(cfork, "remix", name, "--music", "-12", "-o", "new.mkv", "--resume")
    assert done.code == 0, done.out
    assert any("from an earlier run" in event.get("message", "") for event in done.events)
    assert not folder.exists()
    assert power.run(cfork, "remix", name, "--music", "-12", "-o", "whole.mkv").code == 0
    np.testing.assert_array_equal(samples(place / "new.mkv"), samples(place / "whole.mkv"))


class Place(NamedTuple):
    """What `shutil.disk_usage` tells."""

    total: int
    used: int
    free: int


def test_pieces_that_do_not_fit_are_not_used(cfork: Command, place: Path, power: Power) -> None:
    """Other levels of a stereo film take the same pieces, of all stems; one that went bad on the disk is none."""
    name = film(place)
    assert power.run(cfork, "remix", name, "--music=-12", "-o", "whole.mkv").code == 0
    batches = power.batches
    assert power.run(cfork, "remix", name, "--music=-6", "-o", "new.mkv", "--resume", fails_after=1).code == 130
    folder = folder_beside(place / "new.mkv")
    kept_ones = sorted(folder.glob("*.piece"))
    stopped = power.run(cfork, "remix", name, "--music=-12", "-o", "new.mkv", "--resume", fails_after=1)
    assert stopped.code == 130
    for path in set(folder.glob("*.piece")) - set(kept_ones):
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
    assert power.run(cfork, "remix", name, "--music=-12", "-o", "new.mkv", "--resume").code == 0
    assert power.batches == batches - len(kept_ones)
    assert kept_ones
    np.testing.assert_array_equal(samples(place / "new.mkv"), samples(place / "whole.mkv"))


def test_the_key_tells_everything_apart(tmp_path: Path) -> None:
    sound = [np.arange(8, dtype=np.float32)]
    usual = Asked("cfork", "float32", "cpu", ("music",), (0.5,), 1.0)
    others = [
        Asked("cfork", "bfloat16", "cpu", ("music",), (0.5,), 1.0),
        Asked("cfork", "float32", "cuda", ("music",), (0.5,), 1.0),
        Asked("cfork", "float32", "cpu", ("effects",), (0.5,), 1.0),
        Asked("cfork", "float32", "cpu", ("music",), None, 1.0),
        Asked("cfork", "float32", "cpu", ("music",), (0.5,), 2.0),
    ]
    pieces = KeptPieces(tmp_path)
    stems = np.ones((1, 1, 8), np.float32)
    pieces.of(usual).put(sound, stems)
    found = pieces.of(usual).get(sound)
    assert found is not None
    np.testing.assert_array_equal(found, stems)
    assert all(pieces.of(other).get(sound) is None for other in others)
    assert pieces.of(usual).get([sound[0] + 1]) is None
    assert pieces.of(usual).get([sound[0][:4], sound[0][4:]]) is None


def test_a_piece_under_the_name_of_another_is_no_piece(tmp_path: Path) -> None:
    """Whole as it is: as after a repair of the disk, or where folders were mixed up by hand."""
    asked = Asked("cfork", "float32", "cpu", ("music",), (0.5,), 1.0)
    sounds = [[np.full(8, level, np.float32)] for level in (0.1, 0.2)]
    kept = KeptPieces(tmp_path).of(asked)
    for number, sound in enumerate(sounds):
        kept.put(sound, np.full((1, 1, 8), number, np.float32))
    one, other = sorted(tmp_path.glob("*.piece"))
    other.write_bytes(one.read_bytes())
    assert sum(kept.get(sound) is not None for sound in sounds) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("odd", ["pipe", "endless", "huge", "folder"])
def test_what_is_no_file_of_ours_is_no_piece(tmp_path: Path, odd: str) -> None:
    """It is neither waited for nor taken into memory."""
    asked = Asked("cfork", "float32", "cpu", ("music",), (0.5,), 1.0)
    sound = [np.ones(8, np.float32)]
    kept = KeptPieces(tmp_path).of(asked)
    kept.put(sound, np.ones((1, 1, 8), np.float32))
    [path] = tmp_path.glob("*.piece")
    path.unlink()
    if odd == "pipe":
        os.mkfifo(path)
    elif odd == "endless":
        path.symlink_to("/dev/zero")
    elif odd == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.mkdir()
    assert kept.get(sound) is None


def test_no_room_and_no_folder_are_told_before_the_work(
    cfork: Command, place: Path, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = film(place)
    with monkeypatch.context() as patch:
        patch.setattr(kept.shutil, "disk_usage", lambda path: Place(10**6, 10**6, 10**6))
        full = power.run(cfork, "remix", name, "--music=-12", "-o", "new.mkv", "--resume")
    assert full.code == 4
    assert "1.0 MB are free" in full.result["error"]
    assert power.batches == 0
    piped = power.run(cfork, "remix", name, "--music=-12", "-o", "-", "--resume")
    assert piped.code == 2
    assert set(os.listdir(place)) == {"movie.mkv"}


def test_two_runs_do_not_share_a_folder(cfork: Command, place: Path, power: Power) -> None:
    name = film(place)
    told: list[str] = []

    class Listener:
        def note(self, text: str) -> None:
            told.append(text)

    listener: Any = Listener()
    with kept.kept_beside(place / "new.mkv", 10, listener):
        second = power.run(cfork, "remix", name, "--music=-12", "-o", "new.mkv", "--resume")
    assert second.code == 4
    assert "another run" in second.result["error"]
    assert len(told) == 1
    assert not folder_beside(place / "new.mkv").exists()


def test_a_disk_that_fills_up_costs_only_the_resuming(
    cfork: Command, place: Path, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = film(place)
    real = os.replace

    def replaces(source: Any, target: Any) -> None:
        if str(target).endswith(kept.SUFFIX):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replaces)
    done = power.run(cfork, "remix", name, "--music=-12", "-o", "new.mkv", "--resume")
    assert done.code == 0, done.out
    assert "no more pieces can be kept" in done.err
    assert shutil.disk_usage(place).free > 0
    assert set(os.listdir(place)) == {"movie.mkv", "new.mkv"}
