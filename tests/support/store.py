"""Made films, remembered by what they are made of: no test waits for a film that another one has made."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

FOLDER = "CFORK_TEST_FILMS"
"""The variable that names the folder of this session, which all its processes share; without it all films are new."""


def remembered(path: Path, key: object, make: Callable[[Path], object]) -> Path:
    """Put a film at a path: a copy of the one that was made for an equal key, or else a new one.

    Args:
        key: all that the film depends on, in a form whose `repr` tells it completely.
        make: writes the film to a path with the suffix of the wanted one.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        make(path)
        return path
    kept = Path(folder) / (hashlib.sha256(repr(key).encode()).hexdigest() + path.suffix)
    if not kept.exists():
        part = kept.with_name(f"{os.getpid()}-{threading.get_ident()}-{kept.name}")
        make(part)
        part.replace(kept)  # where another process made the same meanwhile, either will do
    shutil.copyfile(kept, path)  # never a link: tests damage their films
    return path


def program_key(program: str) -> tuple[str, int, int]:
    """Return what tells a program from others, also from one of the same name before it."""
    facts = os.stat(program)
    return program, facts.st_size, facts.st_mtime_ns
