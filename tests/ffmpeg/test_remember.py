"""Answers of ffmpeg are remembered, but only those of the very same ffmpeg, and no failure that may pass."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.processes import script

from cfork_cli.errors import FfmpegError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.complaints import may_pass
from cfork_cli.ffmpeg.remember import Passing, fingerprint, remembered


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in ffmpeg's place."""
    path = script(tmp_path / "ffmpeg", "print('one')")
    monkeypatch.setenv("CFORK_FFMPEG", str(path))
    return path


def test_equal_questions_are_asked_once(program: Path) -> None:
    asked = []

    @remembered(8)
    def double(number: int, *, plus: int = 0) -> int:
        asked.append(number)
        return 2 * number + plus

    assert [double(1), double(2), double(1), double(1, plus=1), double(1, plus=1)] == [2, 4, 2, 3, 3]
    assert asked == [1, 2, 1]


def test_another_version_under_the_same_name_is_asked_again(program: Path, tmp_path: Path) -> None:
    @remembered(8)
    def answer() -> str:
        return process.answer("-version").strip()

    assert answer() == "one"
    script(program, "print('another')")
    assert answer() == "another"
    before = program.stat()
    script(program, "print('the last')")
    os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))  # its size is another one
    assert answer() == "the last"


def test_another_ffprobe_is_asked_again(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    @remembered(8)
    def answer() -> None:
        asked.append(os.environ.get("CFORK_FFPROBE"))

    answer()
    monkeypatch.setenv("CFORK_FFPROBE", str(script(tmp_path / "probe", "")))
    answer()
    answer()
    assert len(asked) == 2


def test_failures_that_may_pass_are_not_remembered(program: Path) -> None:
    answers = iter([Passing("the disk is full"), FfmpegError("it does not run"), "good"])

    @remembered(8)
    def answer() -> str:
        one = next(answers)
        if isinstance(one, Exception):
            raise one
        return one

    assert answer() == "the disk is full"
    with pytest.raises(FfmpegError, match="does not run"):
        answer()
    assert [answer(), answer()] == ["good", "good"]


def test_only_so_many_are_kept(program: Path) -> None:
    asked = []

    @remembered(2)
    def same(number: int) -> int:
        asked.append(number)
        return number

    for number in (1, 2, 3, 3, 1):
        same(number)
    assert asked == [1, 2, 3, 1]


def test_threads_get_one_another_s_answers(program: Path) -> None:
    @remembered(1000)
    def square(number: int) -> int:
        return number * number

    found: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: found.append([square(number) for number in range(200)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[number * number for number in range(200)]] * 4


@pytest.mark.parametrize(
    ("status", "log", "expected"),
    [
        (-9, "", True), (127, "error while loading shared libraries", True), (1, "Cannot allocate memory", True),
        (228, "[x] Error: No space left on device", True), (1, "Unknown encoder 'x'", False), (234, "", False),
    ],
)  # fmt: skip
def test_which_failures_may_pass(status: int, log: str, expected: bool) -> None:
    assert may_pass(status, log) == expected


def test_a_broken_ffmpeg_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not "this ffmpeg can write no sound": nothing that it did not say is known."""
    text = "import sys\nprint('ffmpeg: error while loading libx.so', file=sys.stderr)\nsys.exit(127)"
    monkeypatch.setenv("CFORK_FFMPEG", str(script(tmp_path / "ffmpeg", text)))
    with pytest.raises(FfmpegError, match=r"does not run \(ffmpeg: error while loading libx.so\): repair it"):
        process.answer("-encoders")


def test_what_is_gone_has_a_fingerprint(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "gone") == (str(tmp_path / "gone"), None, None)
    assert fingerprint(None) is None
