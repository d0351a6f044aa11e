"""Processes of Python that work for this one: when it is gone they end without a word, from their first moment."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import context, process, spawn
from multiprocessing.connection import wait
from typing import Any

_BEGIN = """\
import os
try:
    import pickle, time
    from multiprocessing.spawn import spawn_main
    spawn_main({words})
except KeyboardInterrupt:
    os._exit(130)
except (EOFError, pickle.UnpicklingError):
    os._exit(1)
except Exception:
    time.sleep(0.2)
    if os.name != 'nt' and os.getppid() != {parent}:
        os._exit(1)
    raise
"""
"""What a child runs. Until it has read from its pipe what it is to do, nothing of ours could answer for it: then its
parent may end in the middle of a sentence, or take along the locks that it was to share. A system gives orphans to
another process a moment after their pipes have closed. Whoever interrupts is answered by the parent."""

_starting = threading.Lock()


class _Process(context.SpawnProcess):
    """A process that is started so."""

    @staticmethod
    def _Popen(process_obj: process.BaseProcess) -> Any:
        with quietly():
            return context.SpawnProcess._Popen(process_obj)


class Quiet(context.SpawnContext):
    """The context of `multiprocessing` whose children begin quietly; like "spawn" in all else."""

    Process = _Process

    def __init__(self) -> None:
        super().__init__()
        if os.name != "nt":  # who clears away shared locks of the dead is a process too, and would tell of each
            from multiprocessing import resource_tracker

            with quietly():
                resource_tracker.ensure_running()


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Let all children that others start with `multiprocessing` meanwhile begin quietly too."""
    with _starting, _own_words():
        yield


def end_with_parent(end: Callable[[], None]) -> None:
    """Call this when the process that started this one is gone, by SIGKILL too: from a thread, at most once."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        end()

    threading.Thread(target=watch, name="cfork-parent", daemon=True).start()


def orphaned() -> bool:
    """Return whether the process that started this one is gone."""
    parent = multiprocessing.parent_process()
    return parent is not None and bool(wait([parent.sentinel], 0.2))


@contextlib.contextmanager
def _own_words() -> Iterator[None]:
    """Let `multiprocessing` start its next child with our words."""
    usual = spawn.get_command_line

    def ours(**words: Any) -> list[str]:
        line: list[str] = usual(**words)
        if "-c" in line:  # a program that was frozen into one file has a way of its own
            told = ", ".join(f"{name}={value!r}" for name, value in words.items())
            line[line.index("-c") + 1] = _BEGIN.format(words=told, parent=os.getpid())
        return line

    spawn.get_command_line = ours
    sys.warnoptions.append("ignore")  # what is started hears of it
    try:
        yield
    finally:
        spawn.get_command_line = usual
        sys.warnoptions.pop()
