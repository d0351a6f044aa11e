"""Many films in this process, with a network that is there at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from support.commands import echo_network

from cfork_cli.batch.engine import Here
from cfork_cli.batch.film import Do, Event, Film, Finished, Outcome
from cfork_cli.flows import network as networks


class InThisProcess(Here):
    """Stands in for workers."""

    def __init__(self, threads: int | None = None) -> None:
        super().__init__()

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Breaks(InThisProcess):
    """Does a film, and is gone, or interrupted, before it tells.

    Args:
        told: what is known of the film then, of what became of it.
    """

    def __init__(self, told: Callable[[Outcome], Outcome], *, interrupted: bool) -> None:
        super().__init__()
        self._told, self._interrupted = told, interrupted
        self._late: list[Finished] = []

    @property
    def late(self) -> list[Finished]:  # type: ignore[override]
        return self._late

    def run(self, films: Sequence[Film], do: Do, jobs: int = 1) -> Iterator[Event]:
        for event in super().run(films, do, jobs):
            if not isinstance(event, Finished):
                yield event
                continue
            told = replace(event, outcome=self._told(event.outcome))
            if self._interrupted:
                self._late.append(told)
                raise KeyboardInterrupt
            yield told


class Interrupted(Breaks):
    """A signal ends the work when a film is complete, and before anybody has heard of it."""

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(lambda outcome: replace(outcome, notes=("it was cut off",)), interrupted=True)


def use_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands for many films do them here."""
    network = echo_network()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    monkeypatch.setattr(networks, "_kept", {})
    monkeypatch.setattr("cfork_cli.batch.engine.Workers", InThisProcess)
