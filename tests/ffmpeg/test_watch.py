"""An ffmpeg that has stopped is noticed, one that works or waits for us is left alone, and none leaves children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.films import Sound, make
from support.processes import gone, script, wait_until

from cfork_cli.errors import FfmpegError
from cfork_cli.ffmpeg import process, watch
from cfork_cli.input import loudness
from cfork_cli.media.probe import probe

STOPS_ITSELF = "import os,signal,sys; os.kill(os.getpid(), signal.SIGSTOP); sys.stdin.read()"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process does is read from /proc")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(watch.VARIABLE, "0.4")


def python(code: str, **options: object) -> process.Child:
    return process.Child([sys.executable, "-c", code], **options)  # type: ignore[arg-type]


def test_one_that_stops_is_not_read_from_for_ever() -> None:
    with python(STOPS_ITSELF, stdin=True, stdout=True) as child:
        assert child.stdout.read() == b""
        with pytest.raises(FfmpegError, match=r"did nothing for 0\.4 s: is a disk .* hanging"):
            child.wait()


def test_one_that_stops_is_not_written_to_for_ever() -> None:
    with python(STOPS_ITSELF, stdin=True) as child:
        with pytest.raises(BrokenPipeError):
            child.stdin.write(bytes(1 << 24))
        with pytest.raises(FfmpegError, match="did nothing"):
            child.last_status()


def test_one_that_stops_at_its_end_is_not_waited_for() -> None:
    with python(STOPS_ITSELF) as child, pytest.raises(FfmpegError, match="did nothing"):
        child.wait()


def test_one_that_should_answer_soon_and_stops_is_not_waited_for_to_its_usual_end() -> None:
    with pytest.raises(FfmpegError, match="did nothing"):
        process.run([sys.executable, "-c", STOPS_ITSELF], stdin=b"", timeout=600)


def test_one_that_computes_is_waited_for() -> None:
    with python("import time\nend = time.process_time() + 1.2\nwhile time.process_time() < end: pass") as child:
        assert child.wait() == 0


def test_one_that_rests_while_another_works_for_it_is_waited_for() -> None:
    """A file may have its sound at the beginning, and hours after it: who measures the sound waits for who reads."""
    with (
        python("import sys; sys.stdin.read()", stdin=True, stdout=True) as source,
        python("import sys; sys.stdin.read()", stdin=source.stdout.fileno(), stdout=True, source=source) as child,
    ):
        child.at_pipe = True
        state = watch._state(child)
        assert isinstance(state, tuple)
        numbers = {int(used.split()[0]) for _, used, _ in state}
        assert {child.pid, source.pid} <= numbers


def test_who_measures_loudness_is_known_to_rest_while_the_film_is_read(tmp_path: Path) -> None:
    media = probe(make(tmp_path / "a.mka", Sound("flac"), picture=None))
    with loudness._metered(media, media.audio[0], False, None) as (reader, meter):
        assert meter.source is reader


def test_one_that_waits_for_us_is_left_alone() -> None:
    with python("import sys; print(len(sys.stdin.read()))", stdin=True, stdout=True) as child:
        time.sleep(1.2)
        child.stdin.write(b"abc")
        child.stdin.close()
        assert child.stdout.read() == b"3\n"
        assert child.wait() == 0


def test_one_that_waits_for_the_pipe_of_somebody_else_is_left_alone_unless_it_is_stopped() -> None:
    reader, writer = os.pipe()
    try:
        code = "import sys; sys.stdout.buffer.write(bytes(1 << 20)); sys.stdin.read()"
        with python(code, stdin=True, stdout=writer, patient=True) as child:
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(1.5)
            os.kill(child.pid, signal.SIGSTOP)
            with pytest.raises(FfmpegError, match="did nothing"):
                child.wait()
    finally:
        os.close(reader)
        os.close(writer)


def test_no_limit_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(watch.VARIABLE, "0")
    with python("import time; time.sleep(600)") as child, pytest.raises(subprocess.TimeoutExpired):
        child.wait(1.0)


@pytest.mark.parametrize("ends", [False, True])
def test_what_a_wrapper_started_ends_with_it(tmp_path: Path, ends: bool) -> None:
    told = tmp_path / "pid"
    wrapper = script(
        tmp_path / "ffmpeg",
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(told)!r} + '.new', 'w').write(str(child.pid))\n"
        f"import os; os.rename({str(told)!r} + '.new', {str(told)!r})\n"
        f"time.sleep({0 if ends else 600})\n",
    )
    with process.Child([str(wrapper)]) as child:
        child.waiting = False  # a sleeping wrapper is not what this is about
        assert wait_until(told.exists)
        if ends:
            child.waiting = False
            assert wait_until(lambda: not child.running())
    assert wait_until(lambda: gone(int(told.read_text())))


@pytest.mark.parametrize("limit", ["0.4", "0"])
@pytest.mark.parametrize("closes", [True, False])
def test_one_that_complains_without_end_is_ended(monkeypatch: pytest.MonkeyPatch, limit: str, closes: bool) -> None:
    monkeypatch.setenv(watch.VARIABLE, limit)
    monkeypatch.setattr(watch, "MOST_SAID_BYTES", 1 << 20)
    code = f"import os\n{'os.close(1)' * closes}\nwhile True: os.write(2, b'bad packet\\n' * 1000)"
    with python(code, stdout=True) as child:
        assert child.stdout.read() == b""
        with pytest.raises(FfmpegError, match=r"was ended, since its complaints take more than 1 MiB \(the last: b"):
            child.wait()
    with pytest.raises(FfmpegError, match="complaints take more"):
        process.run([sys.executable, "-c", code], timeout=600)
