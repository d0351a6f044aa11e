"""Which films are meant: files, folders, patterns and lists, without what is no film of its own."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from cfork_cli import bounded
from cfork_cli.batch.journal import known_outputs
from cfork_cli.errors import InputError, UsageError
from cfork_cli.media.containers import is_known, is_sound

_OWN = re.compile(r"\.cfork(-\d+)?(\.[^.]+)?$")
"""Names that cfork gives: movie.cfork.mkv, movie.eng.cfork.mka."""

MOST_LIST_BYTES = 64 * bounded.MIB
"""Of a list: half a million films."""

_STEMS = ".stems"
_SAMPLE = re.compile(r"(.*[-._ ])?sample|sample[-._ ].*", re.IGNORECASE)
_SAMPLE_FOLDERS = {"sample", "samples"}


@dataclass(frozen=True)
class Found:
    """A film that is meant. base: the folder below which the tree is mirrored in the output's."""

    path: Path
    base: Path

    def target(self, output: Path) -> Path:
        """Return the folder for what becomes of it, below the output's."""
        return output / self.path.parent.relative_to(self.base)


def is_many(words: Sequence[str]) -> bool:
    """Return whether words mean more than one film by their kind: several, a folder, a pattern, or a list.

    >>> is_many(["movie.mkv"]), is_many(["a.mkv", "b.mkv"]), is_many(["@films.txt"]), is_many(["*.mkv"])
    (False, True, True, True)
    """
    return len(words) > 1 or any(_is_list(word) or os.path.isdir(word) or _is_pattern(word) for word in words)


def is_film(path: Path) -> bool:
    """Return whether a name is that of a film or sound that somebody may want to have remixed: by its suffix; it is
    neither hidden, nor of our own making, nor a sample.

    >>> [is_film(Path(name)) for name in ("a/movie.mkv", "movie.cfork.mkv", "movie-sample.mkv", "movie.srt")]
    [True, False, False, False]
    """
    name = path.name
    if name.startswith(".") or not is_known(path.suffix) or _OWN.search(name):
        return False
    return not _SAMPLE.fullmatch(path.stem)


def find(
    words: Iterable[str],
    *,
    recursive: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    output: Path | None = None,
    repeated: bool = False,
) -> list[Found]:
    """Return the films that words mean, each once, in the order of the words, those of a folder in natural order.

    What is named by itself is always taken. Of folders, files are left out that are hidden, samples, sounds beside a
    film that begin with its name, of our own making, or below `output`.

    Args:
        words: files; folders; patterns such as "films/*.mkv"; "@films.txt", a list with one of these a line ("@-" is
            standard input).
        recursive: whether folders within folders are looked into.
        include: patterns of names, or of paths below the folder; only these are taken. They win over suffixes.
        exclude: patterns of those that are not.
        output: the folder for what is made.
        repeated: whether a film that is named twice comes twice.

    Raises:
        UsageError: a word means no film at all. InputError: a list or a folder cannot be read.
    """
    found: dict[str, Found] = {}
    for word in _words(words):
        for one in _expanded(word, recursive, include, exclude, output):
            found.setdefault(f"{len(found)}" if repeated else os.path.realpath(one.path), one)
    if not found:
        raise UsageError("the list names no film: write one a line")
    return list(found.values())


def _words(words: Iterable[str]) -> Iterator[str]:
    """Yield the words, with those of a list in its place."""
    for word in words:
        if not _is_list(word):
            yield word
            continue
        try:
            text = _list(word[1:])
        except OSError as error:
            raise InputError(f"the list '{word[1:]}' cannot be read: {error.strerror}") from error
        yield from (line for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _list(name: str) -> str:
    """Return the text of a list.

    Raises:
        OSError: it cannot be read, or has more than `MOST_LIST_BYTES`.
    """
    if name != "-":
        return bounded.read(Path(name), MOST_LIST_BYTES, pipe=True).decode("utf-8-sig", "surrogateescape")
    text = sys.stdin.read(MOST_LIST_BYTES + 1)
    if len(text) > MOST_LIST_BYTES:
        raise bounded.too_large(MOST_LIST_BYTES)
    return text


def _expanded(
    word: str, recursive: bool, include: Sequence[str], exclude: Sequence[str], output: Path | None
) -> Iterator[Found]:
    path = Path(word)
    if path.is_dir():
        films = _in_folder(path, recursive, include, exclude, output)
        if not films:
            deeper = (
                "" if recursive or not any(one.is_dir() for one in path.iterdir()) else "; --recursive looks deeper"
            )
            raise UsageError(f"there is no film in '{word}'{deeper}")
        yield from films
    elif _is_pattern(word):
        fixed = re.split(r"[*?\[]", word, maxsplit=1)[0]
        base = Path(fixed).parent if not fixed.endswith("/") else Path(fixed)
        named = sorted((Path(name) for name in glob.iglob(word, recursive=True)), key=_natural)
        known = known_outputs({one.parent for one in named})
        matching = [one for one in named if one.is_file() and is_film(one) and one not in known]
        matching = [one for one in matching if _wanted(one, base, include, exclude)]
        if not matching:
            raise UsageError(f"no film matches '{word}'")
        yield from (Found(one, base) for one in matching)
    else:
        yield Found(path, path.parent)


def _in_folder(
    folder: Path, recursive: bool, include: Sequence[str], exclude: Sequence[str], output: Path | None
) -> list[Found]:
    """Return the films of a folder."""
    found: list[Found] = []
    own = None if output is None else os.path.realpath(output)

    def unreadable(error: OSError) -> None:
        raise InputError(f"the folder '{error.filename}' cannot be read: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(place)
        folders[:] = [] if not recursive else [name for name in folders if _is_open(here / name, own)]
        films = [here / name for name in names if is_film(here / name) or (include and not name.startswith("."))]
        known = known_outputs([here])
        films = [one for one in films if one not in known and one.is_file() and _wanted(one, folder, include, exclude)]
        found += [Found(one, folder) for one in films if not _is_beside(one, films)]
    return sorted(found, key=lambda one: _natural(one.path))


def _is_open(folder: Path, own: str | None) -> bool:
    """Return whether to look for films in a folder."""
    name = folder.name.lower()
    hidden = name.startswith(".") or name.endswith(_STEMS) or name in _SAMPLE_FOLDERS
    return not hidden and os.path.realpath(folder) != own


def _is_beside(path: Path, films: Iterable[Path]) -> bool:
    """Return whether a sound belongs to a film beside it, as players see it."""
    if not is_sound(path.suffix):
        return False
    return any(path.name.startswith(f"{one.stem}.") for one in films if not is_sound(one.suffix))


def _wanted(path: Path, base: Path, include: Sequence[str], exclude: Sequence[str]) -> bool:
    relative = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()

    def matches(patterns: Sequence[str]) -> bool:
        texts = (relative.lower(), path.name.lower())
        return any(fnmatch(text, pattern.lower()) for text in texts for pattern in patterns)

    if _OWN.search(path.name):
        return False
    return (not include or matches(include)) and not matches(exclude)


def _is_list(word: str) -> bool:
    return word.startswith("@") and len(word) > 1 and not os.path.exists(word)


def _is_pattern(word: str) -> bool:
    return any(mark in word for mark in "*?[") and "://" not in word and not os.path.lexists(word)


def _natural(path: Path) -> tuple[tuple[int, int | str], ...]:
    """Return a key that puts film 2 before film 10."""
    parts = re.split(r"(\d+)", path.as_posix().lower())
    return tuple((0, int(part)) if part.isdecimal() and part.isascii() else (1, part) for part in parts)
