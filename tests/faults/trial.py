"""One run of the command: what is asked, under which conditions, and what was seen of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.running import Running

STOPPED = frozenset({129, 130, 141, 143})
"""Exit codes of a run that a signal or the end of a pipe's reader stopped."""
DOCUMENTED = frozenset(range(8)) | STOPPED
"""Exit codes that `cfork --help` explains."""

Law = Callable[["Seen"], "Iterator[str]"]
"""Yields what a trial of its kind promises besides, and was not kept."""
Act = Callable[["Running"], bool]
"""Done to a run on its way; False is "not yet": it is tried again soon."""


@dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
        about: what is special, in a few words; with the seed and the number it tells the trial completely.
        arguments: of the command line.
        folder: its working directory; all that is new in there must be one of the outputs, complete.
        real: whether it is a process of its own from the start, and not a fork of one that has imported everything.
        inputs: files that must be the same afterwards.
        outputs: files that appear where the exit code is 0, and at no other time.
        codes: those that may be the answer.
        acts: seconds after the start, and what is done then.
        stdin: a file that it reads as its standard input, or bytes that come through a pipe.
        closed: standard descriptors that are closed.
        stdout: a file for standard output, such as /dev/full; else it is kept.
        limits: of `resource.setrlimit`, by name.
        free: files and folders that the trial itself changes, so that what becomes of them proves nothing.
        may_leave: whether hidden files may be left, as after a kill; the next run must remove them.
        film_seconds: of sound that the undamaged film has, where a header of it tells them; else None.
        limit_seconds: by then it must have ended.
        prefix: a program before it, such as `nice`.
        second_after: another one with the same arguments is started so many seconds later.
        patch: called in a fork before the command, to make limits smaller; a real process is not patched.
        laws: what is promised besides.
        secrets: files that nobody may open.
        several: whether films fail one by one, each with a line of its own.
    """

    about: str
    arguments: Sequence[str]
    folder: Path
    real: bool = False
    inputs: Sequence[Path] = ()
    outputs: Sequence[Path] = ()
    codes: frozenset[int] = DOCUMENTED
    acts: Sequence[tuple[float, Act]] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: Path | bytes | None = None
    closed: Sequence[int] = ()
    stdout: Path | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    free: Sequence[Path] = ()
    may_leave: bool = False
    film_seconds: float | None = None
    limit_seconds: float = 150.0
    prefix: Sequence[str] = ()
    second_after: float | None = None
    patch: Callable[[], None] | None = None
    laws: Sequence[Law] = ()
    secrets: Sequence[Path] = ()
    several: bool = False

    @property
    def command(self) -> str:
        """The command's name."""
        return next((word for word in self.arguments if not word.startswith("-")), "")


@dataclass(frozen=True)
class Seen:
    """What was seen.

    Attributes:
        codes: exit codes, of the second command too where there were two; negative ones are signals.
        out, err: what was printed.
        seconds: from start to end. cpu_seconds: of it and its children. peak_bytes: resident memory.
        before, after: the folder, path -> checksum; temporary files too, under "TMP/".
        left: command lines of processes that outlived it.
        ended: whether it ended by itself in time.
        acts: how many of the acts found their moment.
        heard: connections that came to the listening counter.
        opened: names of files that nobody may open, and that were.
        facts: of the films, by another reader: seconds of sound in "input" and in each output; errors of it.
    """

    codes: tuple[int, ...]
    out: bytes
    err: bytes
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    before: Mapping[str, str]
    after: Mapping[str, str]
    left: tuple[str, ...] = ()
    ended: bool = True
    acts: int = 0
    heard: int = 0
    opened: tuple[str, ...] = ()
    facts: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The exit code of the (first) command."""
        return self.codes[0]


def listing(folder: Path) -> dict[str, str]:
    """Return everything in a folder, hidden files too: path -> checksum, or what else it is."""
    found: dict[str, str] = {}
    for root, folders, files in os.walk(os.fsencode(folder)):
        for name in (*folders, *files):
            path = os.path.join(root, name)
            key = os.fsdecode(os.path.relpath(path, os.fsencode(folder)))
            try:
                if os.path.islink(path):
                    found[key] = "link"
                elif os.path.isdir(path):
                    found[key] = "folder"
                elif os.path.isfile(path):
                    with open(path, "rb") as file:
                        found[key] = hashlib.sha256(file.read()).hexdigest()
                else:
                    found[key] = "special"
            except FileNotFoundError:
                continue
    return found
