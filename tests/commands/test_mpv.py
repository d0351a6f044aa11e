"""The script for mpv, in a real mpv without picture and sound: a key makes the sidecar of what plays, and plays it."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.commands import PATIENCE, ROOT, listing, wait_until
from support.films import Sound, make

SCRIPT = ROOT / "examples" / "mpv" / "cfork.lua"

pytestmark = [
    pytest.mark.mpv,
    pytest.mark.skipif(shutil.which("mpv") is None, reason="no mpv on PATH: apt install mpv"),
]


class Mpv:
    """An mpv that plays a film, and what it answers."""

    def __init__(self, film: Path, **options: str) -> None:
        program = film.parent / "program"
        line = f'exec {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "tests/support/commands.py"))} "$@"'
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
        told = {"cfork-program": str(program), **{f"cfork-{name}": value for name, value in options.items()}}
        self._place = film.parent / "ipc"
        self.process = subprocess.Popen(
            ["mpv", "--no-config", "--vo=null", "--ao=null", "--pause", "--keep-open=always", f"--script={SCRIPT}",
             f"--input-ipc-server={self._place}", f"--script-opts={','.join(f'{k}={v}' for k, v in told.items())}",
             str(film)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        assert wait_until(self._connected)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        assert wait_until(lambda: bool(self.tracks()))

    def _connected(self) -> bool:
        try:
            self._socket.connect(str(self._place))
        except OSError:
            return False
        return True

    def ask(self, *command: str) -> Any:
        """What it answers; None where there is no such property now."""
        self._socket.sendall(json.dumps({"command": command, "request_id": 1}).encode() + b"\n")
        for line in self._lines:
            answer = json.loads(line)
            if answer.get("request_id") == 1:
                return answer.get("data")
        raise AssertionError("it has ended")

    def tracks(self) -> list[dict[str, Any]]:
        """Its sound tracks."""
        return [track for track in self.ask("get_property", "track-list") or [] if track["type"] == "audio"]

    def press(self) -> None:
        """Press the key."""
        self.ask("keypress", "Alt+c")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make(tmp_path / "film.mkv", Sound(codec="flac", language="eng"), seconds=1)


@pytest.fixture
def mpv(film: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Mpv]:
    monkeypatch.setenv("CFORK_TEST_SECONDS_EACH", str(request.param[0]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    player = Mpv(film, options=request.param[1])
    yield player
    player.close()


@pytest.mark.parametrize("mpv", [(0, "--dialog -6 --title Quieter")], indirect=True)
def test_the_key_makes_and_plays_the_new_sound(mpv: Mpv, film: Path) -> None:
    before = listing(film.parent)["film.mkv"]
    mpv.press()
    assert wait_until(lambda: len(mpv.tracks()) == 2)
    assert wait_until(lambda: mpv.tracks()[1]["selected"])
    new = mpv.tracks()[1]
    assert Path(new["external-filename"]).name == "film.eng.cfork.mka"
    assert (new["title"], new["lang"]) == ("Quieter", "eng")
    assert listing(film.parent)["film.mkv"] == before


@pytest.mark.parametrize("mpv", [(600, "--dialog -6")], indirect=True)
def test_a_second_press_stops_it_and_leaves_nothing(mpv: Mpv, film: Path) -> None:
    before = {*listing(film.parent)}
    mpv.press()
    assert wait_until(lambda: {*listing(film.parent)} > before)  # something is being written
    mpv.press()
    assert wait_until(lambda: {*listing(film.parent)} == before)
    assert len(mpv.tracks()) == 1
