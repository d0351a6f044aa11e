"""Importing torch takes more than a second; ffmpeg's answers before the work take as long. Both at the same time."""

from __future__ import annotations

import threading


class _Import(threading.Thread):
    """Imports torch. What goes wrong is kept for whoever needs torch.

    A daemon, because a command that fails meanwhile ends at once; see `running`.
    """

    def __init__(self) -> None:
        super().__init__(name="cfork-head-start", daemon=True)
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            import model.inference.device  # noqa: F401  # which brings torch
        except BaseException as error:
            self.error = error


_import: _Import | None = None


def begin() -> None:
    """Begin to import torch, unless that was done before."""
    global _import
    if _import is None:
        _import = _Import()
        _import.start()


def wait() -> None:
    """Wait until it is there, if it was begun; raises what the import raised."""
    if _import is not None:
        while _import.is_alive():
            _import.join(1.0)  # without a limit, Windows would not let Ctrl-C through
        if _import.error is not None:
            raise _import.error


def running() -> bool:
    """Return whether the import is still running: the interpreter cannot be torn down then."""
    return _import is not None and _import.is_alive()
