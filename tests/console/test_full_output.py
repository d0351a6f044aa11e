"""Standard output that takes nothing, or not every name, and folders that have gone, are called by their names."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import pytest
from support.commands import finish, start

from cfork_cli import app, signals
from cfork_cli.console.console import Console
from cfork_cli.errors import OutputError
from cfork_cli.ffmpeg.complaints import write_failure


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_behind_standard_output_says_what_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(signals, "_published", {Path("new.mkv"): None})
    with Console(as_json=True) as console:
        with pytest.raises(OutputError, match=r"cannot be written \(No space .*\): 'new.mkv' was complete") as caught:
            console.result(output="new.mkv")
        console.error(str(caught.value), caught.value.exit_code)
    assert capsys.readouterr().err == f"cfork: {caught.value}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [["--help"], ["presets", "list", "--json"]])
def test_what_is_printed_in_vain_is_told(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = finish(start(*arguments, stdout=full))
    assert (ran.code, len(ran.lines)) == (4, 1), ran.err
    assert "No space left on device" in ran.err


def test_a_name_that_the_encoding_does_not_have_is_no_failure(tmp_path: Path) -> None:
    name = tmp_path / "\u65e5\u672c.mkv"
    ran = finish(start("info", name, "--json", env={"PYTHONIOENCODING": "latin-1"}))
    assert (ran.code, name.name in ran.result["error"]) == (3, True)
    ran = finish(start("info", name, env={"PYTHONIOENCODING": "latin-1"}))
    assert (ran.code, len(ran.lines)) == (3, 1), ran.err
    assert r"\u65e5\u672c.mkv" in ran.err


def test_a_folder_that_has_gone_is_an_unusable_output(tmp_path: Path) -> None:
    log = "Error writing trailer of file:x: No such file or directory"
    gone = write_failure(tmp_path / "gone" / "new.mkv", 254, log)
    assert (type(gone), "has gone" in str(gone)) == (OutputError, True)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "not enough memory"),
        (OSError(errno.EMFILE, "Too many open files"), 1, "too many files are open"),
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), 1, "could be started"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, "nobody reads"),
        (MemoryError(), 1, "not enough memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), 1, "not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: not enough memory"),
            1,
            "not enough memory",
        ),
        (ValueError("odd"), 1, "cfork itself failed"),
    ],
)
def test_what_the_system_refuses_is_called_by_its_name(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, words: str
) -> None:
    def fails(_arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(app, "_call", fails)
    found, told = app._outcome([])
    assert (found, words in str(told)) == (code, True)
