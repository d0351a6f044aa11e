"""Progress of a flow, and the way to cancel it, as plain callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cfork_cli.flows.report import Report


class Event(Protocol):
    """Anything that can say that the work is to end, such as `threading.Event`."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True)
class Progress:
    """Progress of a flow.

    Attributes:
        stage: "load", "measure", "remix", "separate", "finish", ...
        done: seconds of sound in "measure", "remix" and "separate"; 0 at the beginning of a stage.
        total: the same for the whole stage; None where nobody knows.
    """

    stage: str
    done: float
    total: float | None

    @property
    def fraction(self) -> float | None:
        """The part that is done, from 0 to 1; None where nobody knows."""
        return min(self.done / self.total, 1.0) if self.total else None


def report_to(progress: Callable[[Progress], object] | None, cancel: Event | None) -> Report:
    """Return a report that calls back, and raises once the event is set."""
    from cfork_cli.flows.report import Callbacks, cancellable

    def listener(stage: str, done: float, total: float | None) -> None:
        if progress is not None:
            progress(Progress(stage, done, total))

    return cancellable(Callbacks(listener, None if cancel is None else cancel.is_set))
