"""What workers of a Ray cluster say of films, on its way to whoever waits for them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from cfork_cli.batch.film import Event
from cfork_cli.batch.ray_cluster import ray_itself, remote
from cfork_cli.batch.ray_slots import on
from cfork_cli.batch.worker import PATIENCE_SECONDS

WAIT_SECONDS = 10.0
"""How long nothing begins before it is told; a worker takes some seconds to start on a machine that is busy."""


@dataclass(frozen=True)
class Wants:
    """A piece of work of a film was given to the cluster. key: of the piece."""

    number: int
    key: str


@dataclass(frozen=True)
class Has:
    """A worker has begun with a piece of work. key: see `Wants`."""

    number: int
    key: str


Message = Event | Wants | Has


class Mailbox:
    """Lies on the machine of whoever waits, which reads it; workers put in what happens."""

    def __init__(self) -> None:
        self._events: list[Message] = []

    def put(self, event: Message) -> None:
        """Add an event."""
        self._events.append(event)

    def take(self) -> list[Message]:
        """Return the events since the last time."""
        events, self._events = self._events, []
        return events


def opened() -> Any:
    """Return a mailbox on this machine."""
    here = on(ray_itself().get_runtime_context().get_node_id())
    return remote(Mailbox).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()


def told(mailbox: Any) -> Iterator[Message]:
    """Yield what workers said; nothing while the mailbox is begun anew, as when memory was short."""
    ray = ray_itself()
    with contextlib.suppress(ray.exceptions.RayError):
        yield from ray.get(mailbox.take.remote(), timeout=PATIENCE_SECONDS)


class Waits:
    """Which films have work that no worker has begun with."""

    def __init__(self) -> None:
        self._open: dict[int, dict[str, int]] = {}  # what was wanted less what was begun: either may be heard of first
        self._heard: dict[int, float] = {}

    def note(self, message: Message) -> None:
        """Take notice of a sign of life, or of new work."""
        of_film = self._open.setdefault(message.number, {})
        self._heard.setdefault(message.number, time.monotonic())
        if isinstance(message, Wants | Has):
            of_film[message.key] = of_film.get(message.key, 0) + (1 if isinstance(message, Wants) else -1)
            if not of_film[message.key]:
                del of_film[message.key]
        if not isinstance(message, Wants):
            self._heard[message.number] = time.monotonic()

    def forget(self, number: int) -> None:
        """A film waits for nothing any more."""
        self._open.pop(number, None)
        self._heard.pop(number, None)

    def all_of(self, numbers: Collection[int]) -> bool:
        """Return whether all of these films have been waiting for a while."""
        until = time.monotonic() - WAIT_SECONDS
        return bool(numbers) and all(
            any(count > 0 for count in self._open.get(number, {}).values()) and self._heard[number] <= until
            for number in numbers
        )
