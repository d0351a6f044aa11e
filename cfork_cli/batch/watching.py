"""The films of a folder that have come, are complete, and were not done yet; what came of each is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cfork_cli.batch.arrivals import Arrivals, Identity
from cfork_cli.batch.film import Event, Film, Finished, Outcome, Status
from cfork_cli.batch.find import Found
from cfork_cli.batch.refused import Refused
from cfork_cli.batch.run import Batch, Decision


class Watching:
    """What is known of the films of a folder.

    Args:
        film: makes a film to do of one that was found.
        settle: seconds for which nothing about a film may change before it counts as complete.
        failures: the folder where failures are remembered; None for that of each film.
        retry: whether films are tried anew that failed before this began.
    """

    def __init__(
        self, film: Callable[[Found], Film], *, settle: float, failures: Path | None = None, retry: bool = False
    ) -> None:
        self._film, self._failures, self._retry = film, failures, retry
        self._arrivals = Arrivals(settle)
        self._settled: dict[Path, Identity] = {}
        self._identities: dict[Path, Identity] = {}
        self._refused: dict[Path, Refused] = {}
        self._tried: set[Path] = set()

    @property
    def waiting(self) -> tuple[Path, ...]:
        """Films that are there and not complete yet."""
        return self._arrivals.waiting

    def ready(self, found: Sequence[Found], now: float, wall: float) -> Batch | None:
        """Return the films that are to be done now; None if there are none.

        Args:
            found: all films of the folder.
            now: seconds, of a clock that only goes forward.
            wall: seconds since the epoch.
        """
        self._identities = self._arrivals.complete([one.path for one in found], now)
        gone = self._settled.keys() - self._identities.keys()
        for path in gone:
            del self._settled[path]
        new = [
            one for one in found
            if one.path in self._identities and self._settled.get(one.path) != self._identities[one.path]
        ]  # fmt: skip
        if not new:
            return None
        batch = Batch([self._film(one) for one in new])
        wanted = [one for one, decision in zip(new, batch.decisions, strict=True) if self._wanted(decision, wall)]
        if not wanted:
            return None
        return batch if len(wanted) == len(new) else Batch([self._film(one) for one in wanted])

    def finished(self, batch: Batch, event: Event) -> tuple[Outcome | None, str]:
        """Take note of an event; returns what is to be told of a film that is finished, and what is added to it.

        A film that is gone, or that was done before, is told no more.
        """
        if not isinstance(event, Finished):
            return None, ""
        outcome, decision = event.outcome, batch.decisions[event.number]
        path = outcome.film.input
        refused = self._of(outcome.film)
        if outcome.status is Status.interrupted:
            return None, ""
        if outcome.status is not Status.failed:
            self._settle(path)
            refused.forget(outcome.film)
            return (outcome, "") if outcome.status is Status.done else (None, "")
        if not path.exists():
            return None, ""
        if decision.source is None:  # it could not even be looked at
            self._settle(path)
            return outcome, "not tried again until it changes"
        self._tried.add(path)
        failure = refused.add(outcome.film, decision.signature, decision.source, outcome)
        if failure.is_final:
            self._settle(path)
            return outcome, "not tried again until it changes"
        return (outcome, "tried again later") if failure.tries == 1 else (None, "")

    def _wanted(self, decision: Decision, wall: float) -> bool:
        """Return whether a film is to be done, or to be told of; one that failed waits for its time."""
        film = decision.film
        if decision.source is None:
            return True
        refused = self._of(film)
        failure = refused.failure(film, decision.signature, decision.source)
        if failure is None or failure.is_due(wall):
            return True
        if self._retry and film.input not in self._tried:
            refused.forget(film)
            return True
        if failure.is_final:
            self._settle(film.input)
        return False

    def _settle(self, path: Path) -> None:
        if path in self._identities:
            self._settled[path] = self._identities[path]

    def _of(self, film: Film) -> Refused:
        folder = self._failures or film.input.parent
        if folder not in self._refused:
            self._refused[folder] = Refused(folder)
        return self._refused[folder]
