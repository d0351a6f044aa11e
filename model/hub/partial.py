"""The part of a download that is here already, and how it becomes the file or nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from . import note
from .container import LFS_POINTER, WeightsError


class DownloadError(WeightsError):
    """The file could not be had; the message says why and what to do."""


class Dropped(Exception):
    """An attempt failed in a way that another may not.

    Args:
        reached: whether there was a server at all; nobody waits for a machine to go online.
        pause: seconds that the server asked for.
    """

    def __init__(self, words: str, *, reached: bool = True, pause: float | None = None) -> None:
        super().__init__(words)
        self.reached, self.pause = reached, pause


def shown(url: str) -> str:
    """An address without what may be secret in it: user, password and query.

    >>> shown("https://me:secret@example.org:8080/a/b.pth?token=1")
    'https://example.org:8080/a/b.pth'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _may_be_sent(value: object) -> bool:
    """Return whether a value read from a file can be that of a header."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


class Partial:
    """The file that grows, `<name>.part`, and a note of whose part it is.

    Attributes:
        size: bytes that are here.
        validator: what the server calls this version of the file; None if it says nothing that could be trusted.
        resumed: whether some of it was here before the last request.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.target = path
        self.path = path.with_name(f"{path.name}.part")
        self.resumed = False
        self.validator: str | None = None
        self._note = path.with_name(f"{path.name}.part.json")
        self._key = hashlib.sha256(url.encode()).hexdigest()  # the address may hold secrets
        self.size = self.path.stat().st_size if self.path.is_file() else 0
        try:
            said = note.read(self._note)
            self.validator = said["validator"]
            mine = said["url_sha256"] == self._key and (self.validator is None or _may_be_sent(self.validator))
        except (OSError, ValueError, KeyError):
            mine = False
        if not mine:
            self.discard()

    def restart(self, validator: str | None) -> None:
        """Begin with nothing; the validator is what the server calls this version of the file."""
        self.discard()
        self.validator = validator
        self._note.write_text(json.dumps({"url_sha256": self._key, "validator": validator}), encoding="utf-8")

    def discard(self) -> None:
        """Keep nothing."""
        self.size, self.resumed, self.validator = 0, False, None
        for path in (self.path, self._note):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def check(self, url: str, sha256: str | None, size: int | None, is_it: Callable[[Path], None]) -> str:
        """The SHA-256 of what came.

        Args:
            is_it: raises WeightsError if a file cannot be what was wanted.

        Raises:
            DownloadError: it is not what was due; nothing is kept. Dropped: perhaps the older part of it was bad.
        """
        with self.path.open("rb") as file:
            start = file.read(512)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest == sha256:
            return digest
        was_resumed, came = self.resumed, self.size
        if start.startswith(LFS_POINTER):
            self.discard()
            raise DownloadError(
                f"{shown(url)} gives a Git LFS pointer, not the file itself: use the address of GitHub's media host "
                "(https://media.githubusercontent.com/media/OWNER/REPOSITORY/BRANCH/PATH), or a mirror with the file"
            )
        if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
            self.discard()
            raise DownloadError(f"{shown(url)} gives a web page, not a file of weights: is a login page in between?")
        if sha256 is None and size in (None, came):
            try:
                is_it(self.path)
            except WeightsError as error:
                self.discard()
                raise DownloadError(
                    f"{shown(url)} gives no file of weights that cfork can read; it was removed"
                ) from error
            return digest
        self.discard()
        if was_resumed:
            raise Dropped(f"what was kept of {self.target.name} does not fit the rest, so it was thrown away")
        wrong = f"its sha256 is {digest}, not {sha256}" if sha256 else f"it has {came:,} bytes, not {size:,}"
        raise DownloadError(
            f"{shown(url)} gives another file than was due ({wrong}); it was removed: try again, or another mirror"
        )

    def publish(self) -> None:
        """Give the file its name."""
        os.replace(self.path, self.target)
        self.discard()
