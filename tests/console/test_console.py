"""What is shown: the bar on a terminal, JSON lines for machines, single clean lines for people."""

from __future__ import annotations

import fcntl
import io
import json
import math
import os
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from rich.table import Table
from support.commands import ROOT

from cfork_cli.console.console import Console
from cfork_cli.text import clock, printable

SCRIPT = """
import sys, time
from cfork_cli.console.console import Console
total = {total}
with Console() as console:
    console.stage("load")
    time.sleep(0.15)
    console.stage("remix", total)
    for second in range(1, 31):
        console.at(float(second))
        time.sleep(0.02)
    console.end()
    console.say("done")
"""


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def on_a_terminal(total: float | None, columns: int = 80, term: str = "xterm-256color") -> list[str]:
    """Lines as a terminal of that width shows them, one after the other, without colors."""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": term}
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        environment.pop(name, None)
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(total=total)], env=environment, stderr=follower, stdout=subprocess.PIPE
    )
    os.close(follower)
    shown = b""
    timer = threading.Timer(250, child.kill)
    timer.start()
    while True:
        try:
            data = os.read(leader, 65_536)
        except OSError:  # Linux says EIO when nobody has the other end any more
            break
        if not data:
            break
        shown += data
    os.close(leader)
    assert child.stdout is not None
    assert child.stdout.read() == b""
    child.stdout.close()
    assert child.wait() == 0
    timer.cancel()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", shown.decode())
    return [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]


def joined(lines: list[str]) -> str:
    return re.sub(r"\s+", " ", " ".join(lines))


def test_a_terminal_sees_stage_bar_position_speed_and_time_left() -> None:
    text = joined(on_a_terminal(60.0))
    assert "load" in text
    assert re.search(r"remix [━╸╺ ]+ 0:\d\d / 1:00 [\d.]+x 0:\d\d left", text)
    assert text.endswith("done")


def test_an_unknown_length_still_shows_position_and_speed() -> None:
    text = joined(on_a_terminal(None))
    assert re.search(r"remix [━╸╺ ]+ 0:\d\d [\d.]+x", text)
    assert "left" not in text
    assert "None" not in text


def test_a_narrow_terminal_keeps_the_numbers() -> None:
    text = joined(on_a_terminal(60.0, columns=45))
    assert re.search(r"0:\d\d / 1:00 [\d.]+x 0:\d\d left", text)


def test_a_dumb_terminal_gets_no_bar() -> None:
    assert on_a_terminal(60.0, term="dumb") == ["done"]


def test_a_log_gets_no_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Console() as console:
        console.stage("remix", 10.0)
        console.at(5.0)
        console.stage("finish")
    assert capsys.readouterr() == ("", "")


def test_json_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("cfork_cli.console.console.time.monotonic", lambda: now)
    with Console(as_json=True) as console:
        console.stage("remix", 60.0)
        for seconds in (1.0, 2.0, 20.0):
            now += 0.6
            console.at(seconds)
        console.stage("finish")
        console.note("something\nodd \udce9")
        console.say("not for machines")
        console.result(output=os.fsdecode(b"\xe9.mkv"), gain=-math.inf, scores=[{"snr": math.nan}])
    out, err = capsys.readouterr()
    assert json.loads(out) == {"output": "\udce9.mkv", "gain": None, "scores": [{"snr": None}]}
    assert out.isascii()
    assert err.isascii()
    assert [json.loads(line) for line in err.splitlines()] == [
        {"event": "stage", "stage": "remix"},
        {"event": "progress", "stage": "remix", "done": 1.0, "total": 60.0, "speed": 1.67, "eta_seconds": 35.4},
        {"event": "progress", "stage": "remix", "done": 20.0, "total": 60.0, "speed": 11.11, "eta_seconds": 3.6},
        {"event": "stage", "stage": "finish"},
        {"event": "note", "message": "something\nodd \udce9"},
    ]


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        with Console(quiet=True, as_json=as_json) as console:
            console.stage("remix", 60.0)
            console.at(1.0)
            console.note("a note")
            console.say("a line")
    assert capsys.readouterr() == ("", "")


def test_messages_are_single_clean_lines(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.error("'\x1b]0;x\x07[red]\nlast \udce9' :smile: " + 200 * " long", 3)
    console.note("a\tb")
    console.say("1", "2")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "cfork: '\ufffd]0;x\ufffd[red] last \ufffd' :smile: " + 200 * " long",
        "note: a b",
        "1",
        "2",
    ]


def test_a_piped_table_is_not_cut(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    table = Table("name", "words")
    table.add_row("cfork", "a long text that fits into no narrow terminal at all")
    Console(as_json=True).table(table)
    assert capsys.readouterr() == ("", "")
    Console().table(table)
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 3
    assert "a long text that fits into no narrow terminal at all" in lines[2]
    assert all(line == line.rstrip() for line in lines)


def test_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for gone in (Gone(), None):
        monkeypatch.setattr(sys, "stderr", gone)
        for as_json in (False, True):
            with Console(as_json=as_json) as console:
                console.stage("remix")
                console.note("nobody hears this")
                console.say("nor this")
                console.at(1.0)
                console.error("nor even this", 3)
    monkeypatch.setattr(sys, "stdout", Gone())
    with Console(as_json=True) as console:
        console.result(output="film.mkv")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.99, "0:59"), (60, "1:00"), (3599, "59:59"), (36_000, "10:00:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_printable() -> None:
    assert printable("d\u00e9j\u00e0 \N{CLAPPER BOARD}") == "d\u00e9j\u00e0 \N{CLAPPER BOARD}"
    assert printable("a\u2028b\x00") == "a b\ufffd"


def test_console_is_on_standard_error_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Console().say(str(Path("film.mkv")))
    assert capsys.readouterr() == ("", "film.mkv\n")
