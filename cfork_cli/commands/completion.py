"""What a shell may complete the word at the cursor to: models, stems, tracks of the film, presets, codecs, files.

A shell asks at every press of the key, so that nothing here imports torch, fails, prints, or takes long; an empty
answer leaves the word to the shell, which then offers files. zsh runs what it is answered, and bash takes it as it is:
names with characters that mean something to a shell are left to the shell too.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

PATIENCE_SECONDS = 2.0
"""After that, a file that is asked for its tracks is left alone: a sleeping disk, a share far away. The variable
`CFORK_COMPLETION_SECONDS` gives another limit."""

_HARMLESS = re.compile(r"[\w./+,@%-]+")
_DEEP = 3
"""Folders in folders that are opened for somebody who typed the name of the first."""

_WEIGHTS = {".safetensors", ".pth", ".pt", ".ckpt"}
_LAYOUTS = ("mono", "stereo", "2.1", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_GAINS = ("+3", "+6", "+10", "-3", "-6", "-10", "mute")

Answer = list[tuple[str, str]]
"""What can be chosen, each with a few words about it, which bash does not show."""


def _safely(look: Callable[..., Iterable[str | tuple[str, str]]]) -> Callable[..., Answer]:
    """Decorate a look so that it cannot fail, and answers with harmless words that begin as the user's does."""

    def answer(context: typer.Context, incomplete: str) -> Answer:
        try:
            found = [(one, "") if isinstance(one, str) else one for one in look(context, incomplete)]
        except Exception:  # nobody who presses a key wants to read about it
            return []
        return [(word, about) for word, about in found if word.startswith(incomplete) and _HARMLESS.fullmatch(word)]

    answer.__doc__ = look.__doc__
    return answer


def choices(*words: str) -> Callable[..., Answer]:
    """Return a look that always offers these words."""
    return _safely(lambda _context, _incomplete: words)


gains = choices(*_GAINS)
layouts = choices(*_LAYOUTS)


@_safely
def stems(_context: typer.Context, incomplete: str) -> Iterator[str]:
    """The stems; several with commas between them."""
    from cfork_cli.text import SPOKEN_ORDER

    return _several(SPOKEN_ORDER, incomplete)


@_safely
def residuals(_context: typer.Context, incomplete: str) -> Iterator[str]:
    """Where sound goes that was assigned to no stem."""
    from cfork_cli.text import SPOKEN_ORDER

    if "," not in incomplete:
        yield from ("none", "all", "file")
    yield from _several(SPOKEN_ORDER, incomplete)


@_safely
def models(_context: typer.Context, incomplete: str) -> Iterator[str | tuple[str, str]]:
    """The models that are here; then files of weights."""
    from model.hub.inventory import entries

    yield from _models_or_files([one.name for one in entries() if one.state in ("bundled", "in cache")], incomplete)


@_safely
def all_models(_context: typer.Context, incomplete: str) -> Iterator[str | tuple[str, str]]:
    """All models, also those that are not pulled yet."""
    from model.hub.inventory import entries

    yield from _models_or_files([(one.name, one.state) for one in entries()], incomplete)


@_safely
def models_to_pull(_context: typer.Context, _incomplete: str) -> Iterator[tuple[str, str]]:
    """The models that can be downloaded."""
    from model.hub.inventory import entries

    yield from ((one.name, one.state) for one in entries() if one.state != "bundled" and one.aliases)


@_safely
def presets(_context: typer.Context, incomplete: str) -> Iterator[str]:
    """The presets, ours and the user's; then files of them."""
    from cfork_cli.presets.store import names

    found = [name for name in names() if name.startswith(incomplete)]
    yield from found or files(incomplete, {".toml"})


@_safely
def codecs(_context: typer.Context, _incomplete: str) -> Iterable[str]:
    """The codecs that new tracks may get by themselves."""
    from cfork_cli.codecs.candidates import usual

    return usual()


@_safely
def stem_formats(_context: typer.Context, _incomplete: str) -> Iterable[str]:
    """Kinds of files for stems."""
    from cfork_cli.codecs.stem_format import usual

    return usual()


@_safely
def bare_samples(_context: typer.Context, _incomplete: str) -> Iterable[str]:
    """Formats of bare samples."""
    from cfork_cli.media.pipes import RAW_INPUTS

    return sorted(RAW_INPUTS)


@_safely
def languages(_context: typer.Context, _incomplete: str) -> Iterable[tuple[str, str]]:
    """Languages that we know by name."""
    from cfork_cli.media.languages import codes

    return codes().items()


@_safely
def films(_context: typer.Context, incomplete: str) -> Iterable[str]:
    """Films and sound files."""
    from cfork_cli.media.containers import readable_suffixes

    return files(incomplete, readable_suffixes())


@_safely
def track(context: typer.Context, _incomplete: str) -> Iterable[tuple[str, str]]:
    """The sound tracks of the film on the command line: numbers, then languages."""
    return _tracks_of(context)


@_safely
def tracks(context: typer.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """The same, where there can be several: with commas between them, or all."""
    found = _tracks_of(context)
    if not found or "," not in incomplete:
        return [*found, ("all", "every sound track")] if found else []
    about = dict(found)
    return [(word, about[word.rpartition(",")[2]]) for word in _several(list(about), incomplete)]


def files(incomplete: str, suffixes: Iterable[str], depth: int = 0) -> list[str]:
    """Return files of some suffixes, and folders, that begin with what was typed.

    A folder that is the only choice is opened, since bash sets a space after a word that is alone. Nothing at all is
    returned where the shell does better: it knows how to quote names.
    """
    folder, slash, start = incomplete.rpartition("/")
    here = folder + slash
    found = []
    with os.scandir(here or ".") as entries:
        for entry in entries:
            if entry.name.startswith(start) and (start.startswith(".") or not entry.name.startswith(".")):
                if entry.is_dir():
                    found.append(f"{here}{entry.name}/")
                elif os.path.splitext(entry.name)[1].lower() in suffixes:
                    found.append(f"{here}{entry.name}")
    if not all(map(_HARMLESS.fullmatch, found)):
        return []
    if len(found) == 1 and found[0].endswith("/"):
        return files(found[0], suffixes, depth + 1) if depth < _DEEP else []
    return sorted(found)


def film_of(context: typer.Context, words: Sequence[str]) -> Path | None:
    """Return the first file that a command line names as its input; None if there is none."""
    parameters: Sequence[Any] = context.command.params
    valued = {
        name for one in parameters if not getattr(one, "is_flag", False) for name in (*one.opts, *one.secondary_opts)
    }
    before = ""
    for word in words[len(context.command_path.split()) :]:
        if not word.startswith("-") and before not in valued:
            path = Path(word).expanduser()
            # opening a named pipe would wait for whoever writes to it
            if path.exists() and stat.S_ISREG(path.stat().st_mode):
                return path
        before = word
    return None


def _patience() -> float:
    return float(os.environ.get("CFORK_COMPLETION_SECONDS") or PATIENCE_SECONDS)


def _tracks_of(context: typer.Context) -> Answer:
    return _within(_patience(), lambda: _tracks(film_of(context, _words())), [])


def _tracks(film: Path | None) -> Answer:
    """The sound tracks of a film: what names each, and what it is. Nothing of it is text from the film."""
    from cfork_cli.ffmpeg.process import run
    from cfork_cli.media.answer import read
    from cfork_cli.media.languages import canonical
    from cfork_cli.media.probe import parse, probe_command

    if film is None:
        return []
    finished = run(probe_command(film), timeout=_patience())
    sounds = parse(read(finished.output), film).audio
    named: dict[str, str] = {}
    for sound in sounds:
        language = canonical(sound.language or "")
        language = language if re.fullmatch("[a-z]{2,3}", language) else ""
        facts = (language, f"{sound.channels} channels" if sound.channels else "", re.sub(r"\W", "", sound.codec))
        named[str(sound.number + 1)] = " ".join(filter(None, facts))
        if language:
            named.setdefault(language, f"track {sound.number + 1}")
    return sorted(named.items(), key=lambda one: (not one[0].isdigit(), one[0].zfill(3)))


def _words() -> list[str]:
    """The words of the command line, as the shell's script hands them on."""
    lexer = shlex.shlex(os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", ""), posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    if sys.platform == "win32":
        lexer.escape = ""  # there it parts the folders of a path
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # a quote that is still open, of the word at the cursor
        words.append(lexer.token)
    return words


def _several(words: Sequence[str], incomplete: str) -> Iterator[str]:
    """The words, after those that are there already, with a comma after each."""
    before, comma, _ = incomplete.rpartition(",")
    there = set(before.split(","))
    return (f"{before}{comma}{word}" for word in words if word not in there)


def _models_or_files(names: Iterable[str | tuple[str, str]], incomplete: str) -> list[str | tuple[str, str]]:
    found = [one for one in names if (one if isinstance(one, str) else one[0]).startswith(incomplete)]
    return found or [*files(incomplete, _WEIGHTS)]


def _within(seconds: float, look: Callable[[], Answer], otherwise: Answer) -> Answer:
    """Return the answer of a look, if it comes in time: no limit of our own ends a system call on a dead share."""
    answers: list[Answer] = []

    def run() -> None:
        try:
            answers.append(look())
        except Exception:  # see `_safely`
            answers.append(otherwise)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else otherwise
