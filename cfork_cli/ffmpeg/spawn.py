"""Start a program so that it cannot outlive us: on Linux the kernel kills it when we die, even by `kill -9`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Runs between fork and ffmpeg. A `preexec_fn` would run Python in a forked copy of a program with threads (torch has
# many), which can deadlock; a fresh interpreter cannot, and costs 10 ms. 1 is PR_SET_PDEATHSIG, 9 is SIGKILL; the
# kernel keeps the setting over exec. The test after it is for a parent that died before that.
_DIE_WITH_PARENT = (
    "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,9);"
    "os.getppid()==int(sys.argv[1]) or os._exit(1);os.execv(sys.argv[2],sys.argv[2:])"
)


_CREATION_FLAGS = 0x0200 | 0x0800_0000 if sys.platform == "win32" else 0
"""On Windows a group of its own, which does not hear Ctrl-C (CREATE_NEW_PROCESS_GROUP), and no console window."""


def start(arguments: Sequence[str], **options: Any) -> Future[subprocess.Popen[bytes]]:
    """Start a program in a session of its own, from a thread that lives as long as we do.

    Args:
        arguments: the program (an absolute path) and its arguments.
        options: further ones of `subprocess.Popen`.

    Returns:
        The process to come; or the OSError that kept it from starting.
    """
    # Ctrl-C reaches us alone; we then end ffmpeg. On its own it would finish a "good" short file.
    options |= {
        "start_new_session": True,
        "creationflags": _CREATION_FLAGS,
        "env": {**os.environ, "AV_LOG_FORCE_NOCOLOR": "1"},
    }

    def popen() -> subprocess.Popen[bytes]:
        return subprocess.Popen(_with_launcher(arguments), **options)

    return _spawner().submit(popen)


_spawn_thread: ThreadPoolExecutor | None = None


def _spawner() -> ThreadPoolExecutor:
    """One thread that starts all children and lives as long as we do.

    "Parent" means the *thread* to the kernel's death signal: a child started from a worker thread would be killed when
    that thread ends.
    """
    global _spawn_thread
    if _spawn_thread is None:
        _spawn_thread = ThreadPoolExecutor(1, thread_name_prefix="cfork-spawner")
    return _spawn_thread


def _forget_spawner() -> None:
    global _spawn_thread
    _spawn_thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_spawner)  # threads do not survive a fork


def _with_launcher(arguments: Sequence[str]) -> list[str]:
    if sys.platform != "linux" or not sys.executable:
        return list(arguments)
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *arguments]
