"""ffmpeg is found as documented, cannot block us, and does not outlive us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import ffmpeg
import pytest
from support.processes import SLOW, gone, script, wait_until

from cfork_cli.errors import CforkError, FfmpegError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import QUIET, compile_graph
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.find import find_ffmpeg, find_ffprobe


def test_errors_are_one_line() -> None:
    assert str(CforkError("two\nlines: 'a\n b'")) == "two lines: 'a b'"


def test_the_variable_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = script(tmp_path / "my ffmpeg", "")
    monkeypatch.setenv("CFORK_FFMPEG", str(mine))
    monkeypatch.setenv("CFORK_FFPROBE", str(mine))
    assert find_ffmpeg() == str(mine)
    assert find_ffprobe() == str(mine)


def test_the_ffprobe_beside_the_named_ffmpeg_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CFORK_FFPROBE", raising=False)
    monkeypatch.setenv("CFORK_FFMPEG", str(script(tmp_path / "ffmpeg", "")))
    beside = script(tmp_path / "ffprobe", "")
    assert find_ffprobe() == str(beside)


@pytest.mark.parametrize("find", [find_ffmpeg, find_ffprobe])
def test_a_wrong_variable_is_told(monkeypatch: pytest.MonkeyPatch, find: object) -> None:
    monkeypatch.setenv("CFORK_FFMPEG", "/no/such/ffmpeg")
    monkeypatch.setenv("CFORK_FFPROBE", "/no/such/ffprobe")
    assert callable(find)
    with pytest.raises(FfmpegError, match="is set to '/no/such"):
        find()


def test_both_routes_find_an_ffmpeg_that_runs(route: str) -> None:
    finished = process.run([find_ffmpeg(), "-version"])
    assert finished.status == 0
    assert finished.output.startswith(b"ffmpeg version")
    assert (find_ffprobe() is None) == (route == "wheels")
    assert ("imageio_ffmpeg" in find_ffmpeg()) == (route == "wheels")


def test_no_ffmpeg_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CFORK_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(FfmpegError, match="pip install imageio-ffmpeg"):
        find_ffmpeg()


def test_a_program_that_cannot_run_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("")
    finished_or_error: object
    try:
        finished_or_error = process.run([str(broken)]).status
    except FfmpegError as error:
        finished_or_error = error
    assert finished_or_error != 0


def test_command_repeats_an_option_for_each_value_and_keeps_odd_names() -> None:
    odd = os.fsdecode(b"file:caf\xe9 %d.mkv")
    graph = ffmpeg.input("IN").output("OUT", metadata="M", c="copy")
    built = compile_graph(graph, {"IN": odd, "OUT": "file:o", "M": ["a=1", "b=IN"]})
    assert built == [
        *(find_ffmpeg(), *QUIET, "-i", odd),
        *("-c", "copy", "-metadata", "a=1", "-metadata", "b=IN", "file:o"),
    ]


def test_a_flood_on_standard_error_blocks_nobody(tmp_path: Path) -> None:
    loud = script(
        tmp_path / "loud", "import sys\nfor i in range(100_000): print('noise', i, file=sys.stderr)\nprint('out')"
    )
    finished = process.run([str(loud)], timeout=250)
    assert finished.output == b"out\n"
    assert finished.log.endswith("noise 99999\n")
    assert process.LOG_BYTES - 20 < len(finished.log) <= process.LOG_BYTES
    assert finished.log.startswith("noise ")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems give their pipes no size")
def test_pipes_hold_a_second_of_sound() -> None:
    import fcntl

    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    with process.Child([sys.executable, "-c", code], stdin=True, stdout=True) as child:
        assert fcntl.fcntl(child.stdin.fileno(), fcntl.F_GETPIPE_SZ) >= 384_000
        child.stdin.write(b"x" * 300_000)  # nobody reads yet
        child.stdin.close()
        assert child.stdout.read() == b"x" * 300_000


def test_a_pipe_that_cannot_grow_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PIPE_BYTES", -1)
    with process.Child([sys.executable, "-c", "print(input())"], stdin=True, stdout=True) as child:
        child.stdin.write(b"here\n")
        child.stdin.close()
        assert child.stdout.read().strip() == b"here"


def test_several_answer_in_their_order() -> None:
    """The first takes longest, and more than a pipe holds comes out of it."""
    words = ["import time; time.sleep(0.3); print('a' * 200_000)", "print('b')", "import sys; sys.exit('no')"]
    found = process.run_together([[sys.executable, "-c", one] for one in words])
    assert [one.output.strip() for one in found] == [b"a" * 200_000, b"b", b""]
    assert [one.status for one in found] == [0, 0, 1]
    assert complaint(found[2].log) == "no"


def test_one_of_several_that_does_not_answer_ends_all() -> None:
    slow = [find_ffmpeg(), *SLOW]
    children: list[process.Child] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            process, "Child", lambda *a, child=process.Child, **k: children.append(child(*a, **k)) or children[-1]
        )
        with pytest.raises(FfmpegError, match="did not answer within"):
            process.run_together([slow, slow], timeout=0.5)
    assert len(children) == 2
    assert not any(child.running() for child in children)


def test_what_does_not_answer_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[process.Child] = []
    monkeypatch.setattr(
        process, "Child", lambda *a, child=process.Child, **k: children.append(child(*a, **k)) or children[-1]
    )
    with pytest.raises(FfmpegError, match="did not answer within"):
        process.run([find_ffmpeg(), *SLOW], timeout=0.5)
    assert [child.wait() for child in children] == [-signal.SIGKILL]


def test_leaving_the_context_kills() -> None:
    with process.Child([find_ffmpeg(), *QUIET, *SLOW]) as child:
        assert child.running()
    assert not child.running()


def test_a_child_lives_on_when_the_thread_that_started_it_ends() -> None:
    children = []
    thread = threading.Thread(target=lambda: children.append(process.Child([find_ffmpeg(), *QUIET, *SLOW])))
    thread.start()
    thread.join()
    with children[0] as child:
        time.sleep(0.3)
        assert child.running()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_no_ffmpeg_survives_a_parent_that_is_killed() -> None:
    code = (
        "from cfork_cli.ffmpeg import process\nimport time\n"
        f"child = process.Child([{find_ffmpeg()!r}, *{QUIET!r}, *{SLOW!r}])\n"
        "print(child.pid, flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert wait_until(lambda: b"anullsrc" in Path(f"/proc/{pid}/cmdline").read_bytes())
        assert not gone(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert wait_until(lambda: gone(pid))


def test_ctrl_c_does_not_reach_ffmpeg() -> None:
    """A ffmpeg that gets the terminal's SIGINT finishes its file as if it were complete."""
    with process.Child([find_ffmpeg(), *QUIET, *SLOW]) as child:
        assert os.getpgid(child.pid) != os.getpgrp()


def test_words_are_the_first_complaint_without_addresses() -> None:
    log = "frame=1\nspeed= 206x\n[matroska,webm @ 0x55e8] File ended prematurely\nConversion failed!\nprogress=end\n"
    assert complaint(log) == "File ended prematurely"
    assert complaint("out_time_us=12\n") == ""


def test_words_that_tell_their_level_are_errors_alone() -> None:
    log = (
        "[info] Input #0, wav, from 'a.wav':\n[info]   Duration: 1\n[wav @ 0x55] [warning] corrupt\n"
        "[mp3 @ 0x55] [error] Header missing\n[ebur128 @ 0x55] [info] Summary:\n\n  I: -23.0 LUFS\n"
    )
    assert complaint(log) == "Header missing"
    assert complaint("[info] Stream mapping:\n  #0 -> #0\n") == ""
