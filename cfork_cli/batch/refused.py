"""Films that failed: a file beside the journal remembers them, so that they are told once and not tried for ever."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfork_cli import bounded
from cfork_cli.batch.film import Film, Outcome
from cfork_cli.batch.prints import NOT_OURS, Print
from cfork_cli.errors import DamagedInputError, InputError, UsageError

NAME = ".cfork.failed.json"
MOST_BYTES = 64 * bounded.MIB

TRIES = 3
"""How often a film is tried whose failure may pass: a full disk, a share that was away, too little memory."""

WAIT_SECONDS = 600.0
"""Until the second try; twice that until the third."""

_FINAL = (InputError.exit_code, DamagedInputError.exit_code, UsageError.exit_code)


@dataclass(frozen=True)
class Failure:
    """How often a film failed with these settings, and when it did last, in seconds since the epoch."""

    signature: str
    source: Print
    tries: int
    exit_code: int
    at: float

    @property
    def is_final(self) -> bool:
        """True if another try would come to the same: the film itself is at fault, or it was tried often enough."""
        return self.exit_code in _FINAL or self.tries >= TRIES

    def is_due(self, now: float) -> bool:
        """Return whether it is time for another try."""
        return not self.is_final and not 0 <= now - self.at < WAIT_SECONDS * self.tries


class Refused:
    """Films that failed.

    Args:
        folder: where the file is kept; it is made when a film fails.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._all: dict[str, Failure] = {}
        with contextlib.suppress(OSError, *NOT_OURS):
            for key, told in json.loads(bounded.read_text(self.path, MOST_BYTES)).items():
                source = Print.of_json(told["source"])
                if source is not None:
                    self._all[key] = Failure(
                        str(told["signature"]), source, int(told["tries"]), int(told["exit_code"]), float(told["at"])
                    )

    def failure(self, film: Film, signature: str, source: Print) -> Failure | None:
        """Return how this very film failed with these very settings; None if it did not."""
        found = self._all.get(_key(film))
        return found if found is not None and (found.signature, found.source) == (signature, source) else None

    def add(self, film: Film, signature: str, source: Print, outcome: Outcome) -> Failure:
        """Remember that a film failed. Where nothing can be written, this is remembered until the process ends."""
        before = self.failure(film, signature, source)
        tries = 1 if before is None else before.tries + 1
        self._all[_key(film)] = Failure(signature, source, tries, outcome.exit_code, time.time())
        self._write()
        return self._all[_key(film)]

    def forget(self, film: Film) -> None:
        """Forget that a film failed."""
        if self._all.pop(_key(film), None) is not None:
            self._write()

    def _write(self) -> None:
        """Write the file anew, in one step; without a film it goes."""
        told: dict[str, Any] = {
            key: {
                "signature": one.signature, "source": one.source.as_json(), "tries": one.tries,
                "exit_code": one.exit_code, "at": one.at,
            } for key, one in self._all.items()
        }  # fmt: skip
        new = self.path.with_name(f"{NAME}.{os.getpid()}")
        try:
            if told:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                new.write_text(json.dumps(told, indent=1), encoding="utf-8")
                os.replace(new, self.path)
            else:
                self.path.unlink(missing_ok=True)
        except OSError:  # the folder is gone, or not ours to write: the film's own failure says so
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)


def _key(film: Film) -> str:
    return f"{film.input.absolute()} {film.key}"
