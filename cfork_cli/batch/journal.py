"""The journal of a folder: what was done there, so that it is not done again.

A file `.cfork.jsonl` beside the outputs; a line is appended when a film begins and when it is done. A tag in the
outputs would need no file, but not every container keeps one (WAV and bare streams do not), it would change the film
that is written, and it could not tell an edited film from an untouched one. Lines are appended whole; one that a crash
tore is ignored, and costs at most that one film is done again.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from cfork_cli import bounded
from cfork_cli.batch.film import Film
from cfork_cli.batch.prints import NOT_OURS, Print, fingerprint
from cfork_cli.errors import OutputError

NAME = ".cfork.jsonl"
MOST_LINE_BYTES = bounded.MIB
MOST_BYTES = 1024 * bounded.MIB
"""Of a journal: a million films. What is longer was not written by us."""


class State(StrEnum):
    """How the outputs of a film stand to what the journal says."""

    new = "new"
    """Nothing of it was done here; if an output exists, it is somebody else's."""
    unchanged = "unchanged"
    """All is done, and nothing has changed."""
    stale = "stale"
    """The film, the settings or the model are others now, or an output is gone; what is there is ours to replace."""
    edited = "edited"
    """An output was changed after it was written."""


@dataclass(frozen=True)
class Entry:
    """What the journal says about a piece of work.

    Attributes:
        signature: of the settings.
        source: fingerprint of the film that was read.
        outputs: name in the folder -> its fingerprint when it was written; None where it is not written yet: then
            `before` has what was there.
        done: whether the work ended.
        speed: seconds of sound a second of work; 0 where unknown.
    """

    signature: str
    source: Print
    outputs: Mapping[str, Print]
    before: Print | None = None
    began: float = 0.0
    done: bool = True
    speed: float = 0.0


class Journal:
    """The journal of one folder; read when it is made, kept in step by `begin` and `finish`.

    Args:
        folder: of the outputs; it need not exist yet.

    Raises:
        OutputError: it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / NAME
        self.entries: dict[str, Entry] = {}
        self._earlier: dict[str, Entry] = {}
        try:
            with bounded.opened(self.path) as file:
                if os.fstat(file.fileno()).st_size > MOST_BYTES:
                    raise bounded.too_large(MOST_BYTES)
                whole, read = True, 0
                while line := file.readline(MOST_LINE_BYTES):
                    read += len(line)
                    if read > MOST_BYTES:
                        raise bounded.too_large(MOST_BYTES)
                    ends = line.endswith(b"\n")
                    if ends and whole:
                        self._read(line)
                    whole = ends  # the rest of a line that is too long is none of its own
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise OutputError(f"'{self.path}' cannot be read ({error.strerror}): move it away") from error

    def names(self) -> set[str]:
        """Return the names of all outputs in this folder that the journal knows, besides films remixed in place."""
        known = (*self.entries.items(), *self._earlier.items())
        return {name for key, entry in known if not key.startswith("in-place ") for name in entry.outputs}

    def state(self, film: Film, signature: str, source: Print | None) -> State:
        """Say whether a film has to be done.

        Args:
            source: fingerprint of the film to read.
        """
        entry = self._settled(film)
        if self._broken_off(film):
            return State.stale
        if entry is None or not entry.outputs:
            return State.new
        found = {name: fingerprint(self.folder / name) for name in entry.outputs}
        if any(now is not None and now != entry.outputs[name] for name, now in found.items()):
            return State.new if film.in_place is not None else State.edited  # another film has taken its place
        same = entry.signature == signature and (entry.source == source or film.in_place is not None)
        return State.unchanged if same and all(found.values()) else State.stale

    def outputs(self, film: Film) -> tuple[Path, ...]:
        """Return the outputs of a film that was done."""
        entry = self.entries.get(film.key)
        return tuple(self.folder / name for name in entry.outputs) if entry is not None else ()

    def source(self, film: Film) -> Print | None:
        """Return the fingerprint of the film that was read when it was done last; None where it never was."""
        entry = self._settled(film)
        return None if entry is None else entry.source

    def came(self, film: Film, signature: str, source: Print) -> bool:
        """Return whether work that was begun is done, though nobody told so: its worker ended just after that.

        Raises:
            OutputError: the journal cannot be read, or written.
        """
        begun = self.entries.get(film.key)
        if begun is None or begun.done:
            return False
        found = Journal(self.folder)  # workers write into it too
        state, entry = found.state(film, signature, source), found.entries.get(film.key, begun)
        if state is not State.unchanged or not entry.done or entry.began != begun.began:
            return False  # or it is what an earlier run made
        self._remember(film.key, entry)
        return True

    def begin(self, film: Film, signature: str, source: Print) -> None:
        """Write down that a film is begun.

        Raises:
            OutputError: the journal cannot be written.
        """
        self._append(film.key, Entry(signature, source, {}, standing(film), time.time(), done=False))

    def forget(self, film: Film) -> None:
        """Write down that nothing came of a film that was begun: what was known before holds again.

        Raises:
            OutputError: the journal cannot be written.
        """
        begun, earlier = self.entries.get(film.key), self._earlier.get(film.key)
        if begun is not None and not begun.done:
            self._append(film.key, earlier or replace(begun, outputs={}, before=None, done=True))

    def give_up(self, film: Film) -> None:
        """Forget a film that was begun and got lost, unless outputs stand there that are ours to replace.

        Raises:
            OutputError: the journal cannot be written.
        """
        if not self._broken_off(film):
            self.forget(film)

    def ready(self, film: Film, prints: Mapping[Path, Print]) -> None:
        """Write down how an output will look, before it takes its name: whoever finds it there knows that it is ours.

        Raises:
            OutputError: the journal cannot be written.
        """
        begun = self.entries.get(film.key)
        if begun is not None:
            self._append(film.key, replace(begun, outputs=self._named(prints)))

    def finish(self, film: Film, prints: Mapping[Path, Print], *, speed: float = 0.0) -> None:
        """Write down that a film is done.

        Raises:
            OutputError: the journal cannot be written.
        """
        begun = self.entries.get(film.key)
        if begun is not None:
            self._append(film.key, replace(begun, outputs=self._named(prints), before=None, done=True, speed=speed))

    def _settled(self, film: Film) -> Entry | None:
        """Return what is known of the work that ended last; of work that a crash broke off, what came of it."""
        entry = self.entries.get(film.key)
        if entry is None or entry.done:
            return entry
        if entry.outputs:  # told before it took its name
            found = {name: fingerprint(self.folder / name) for name in entry.outputs}
            if found == dict(entry.outputs):
                self.finish(film, {self.folder / name: now for name, now in found.items() if now is not None})
                return self.entries[film.key]
        elif film.output is not None and film.in_place is None:
            # An output takes its name in one step, when it is complete: one that came since then is whole, and ours.
            now = fingerprint(film.output)
            if now is not None and now != entry.before and now.mtime_ns >= (entry.began - 2) * 1e9:
                self.finish(film, {film.output: now})
                return self.entries[film.key]
        return self._earlier.get(film.key)

    def _broken_off(self, film: Film) -> bool:
        """Return whether a crash left outputs of ours that are perhaps not all there."""
        entry = self.entries.get(film.key)
        if entry is None or entry.done or film.in_place is not None:
            return False
        return standing(film) not in (None, entry.before)

    def _named(self, prints: Mapping[Path, Print]) -> dict[str, Print]:
        return {os.path.relpath(path, self.folder): found for path, found in prints.items()}

    def _read(self, line: bytes) -> None:
        with contextlib.suppress(*NOT_OURS):
            told = json.loads(line)
            outputs = {str(name): Print.of_json(found) for name, found in told["outputs"].items()}
            source = Print.of_json(told["source"])
            known = {name: found for name, found in outputs.items() if found is not None and "\0" not in name}
            if source is not None and len(known) == len(outputs):
                entry = Entry(
                    str(told["signature"]), source, known, Print.of_json(told["before"]), float(told["began"]),
                    bool(told["done"]), float(told["speed"]),
                )  # fmt: skip
                self._remember(str(told["key"]), entry)

    def _remember(self, key: str, entry: Entry) -> None:
        old = self.entries.get(key)
        if old is not None and old.done and not entry.done:
            self._earlier[key] = old
        elif entry.done:
            self._earlier.pop(key, None)
        self.entries[key] = entry

    def _append(self, key: str, entry: Entry) -> None:
        line = json.dumps(
            {
                "key": key, "done": entry.done, "signature": entry.signature, "source": entry.source.as_json(),
                "outputs": {name: found.as_json() for name, found in entry.outputs.items()},
                "before": entry.before and entry.before.as_json(), "began": entry.began, "speed": entry.speed,
            }
        )  # fmt: skip
        try:
            before = 0
            try:
                with self.path.open("ab") as file:
                    before = file.tell()
                    # one that a crash tore must not swallow this one
                    torn = before and not _ends_a_line(self.path)
                    file.write(b"\n" * bool(torn) + line.encode() + b"\n")
            except OSError:
                if not before:
                    _remove_if_empty(self.path)
                raise
        except OSError as error:
            raise OutputError(
                f"'{self.path}' cannot be written ({error.strerror}), so nobody would know what is done: "
                "choose another place with -o"
            ) from error
        self._remember(key, entry)


def standing(film: Film) -> Print | None:
    """Return the fingerprint of what stands where a film's outputs go; None where nothing does.

    Of a folder of stems, and of sidecars, whose names tell the language, it is one of names, sizes and times.
    """
    if film.output is not None and not film.output.is_dir():
        return fingerprint(film.output)
    if film.output is not None:
        found = [path for path in film.output.iterdir() if not path.name.startswith(".")]
    else:
        found = list(film.folder.glob(f"{glob.escape(film.input.stem)}.*cfork*.mka"))
    stats = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in found)
    return Print(len(stats), 0, hashlib.sha256(repr(stats).encode()).hexdigest()) if stats else None


def _remove_if_empty(path: Path) -> None:
    """Remove a journal of which a full disk took no line."""
    with contextlib.suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()


def _ends_a_line(path: Path) -> bool:
    with bounded.opened(path) as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def known_outputs(folders: Iterable[Path]) -> set[Path]:
    """Return all outputs that the journals of some folders know."""
    return {folder / name for folder in folders for name in Journal(folder).names()}
