"""Files that appear under their names when they are complete and checked; what was there before stays until then."""

from __future__ import annotations

import contextlib
from pathlib import Path

from cfork_cli import signals
from cfork_cli.errors import OutputError
from cfork_cli.leftovers import Temporary
from cfork_cli.output.destination import check_destination, give_name, real_place
from cfork_cli.output.sink import Sink


class FileSink(Sink):
    """A temporary file that becomes the output, or disappears.

    Args:
        output: the file's name.
        source: the film that is read; it is never overwritten.
        force: whether a file that exists may be replaced.

    Raises:
        OutputError: see `check_destination`.
    """

    def __init__(self, output: Path, *, source: Path | None, force: bool) -> None:
        super().__init__()
        check_destination(output, source=source, force=force)
        self.output = output
        self._force = force
        self._replaces = output.exists()
        self._appeared = False
        self._place = real_place(output)
        self._hidden: Temporary | None = None

    def _take_name(self) -> Path:
        """Take the hidden name. To be called where a failure discards it: until then, nothing is in the folder.

        Raises:
            OutputError: nothing can be written there.
        """
        try:
            self._hidden = Temporary(self._place.parent, self.output.suffix)
        except OSError as error:
            raise OutputError(f"'{self.output}' cannot be written ({error.strerror}): choose another place") from error
        return self._hidden.path

    @property
    def _temporary(self) -> Path:
        """The hidden name, once it is taken."""
        if self._hidden is None:
            raise ValueError("this sink has no file yet")
        return self._hidden.path

    def withdraw(self) -> None:
        if self._appeared and not self._replaces:
            with contextlib.suppress(OSError):
                self.output.unlink(missing_ok=True)
            signals.withdrawn(self.output)

    def _appear(self) -> None:
        try:
            if not self._force and self.output.exists():
                raise OutputError(f"'{self.output}' appeared while we worked: replace it with --force")
            give_name(self._temporary, self._place)
            self._appeared = True
            signals.published(self.output)
        except OSError as error:
            raise OutputError(f"'{self.output}' cannot be written ({error.strerror}): choose another place") from error

    def _discard(self) -> None:
        if self._hidden is not None:
            self._hidden.remove()
