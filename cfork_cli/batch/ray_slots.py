"""What the machines of a Ray cluster have, and which of them may take a film."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cfork_cli.batch.film import Waiting
from cfork_cli.batch.ray_cluster import ray_itself
from cfork_cli.errors import UsageError


@dataclass(frozen=True)
class Slots:
    """How many films a cluster can take at a time: GPUs, and cores of the machines that have none."""

    gpus: int
    cores: int

    def __add__(self, other: Slots) -> Slots:
        return Slots(self.gpus + other.gpus, self.cores + other.cores)


def slots_of(resources: dict[str, float], device: str) -> Slots:
    """Return what one machine can take.

    Args:
        resources: of the machine, as Ray names them. device: that was asked for.

    >>> slots_of({"CPU": 16.0, "GPU": 2.0}, "auto"), slots_of({"CPU": 4.0}, "auto"), slots_of({"CPU": 4.0}, "cuda")
    (Slots(gpus=2, cores=0), Slots(gpus=0, cores=4), Slots(gpus=0, cores=0))
    """
    gpus = 0 if device == "cpu" else int(resources.get("GPU", 0))
    return Slots(gpus, 0 if gpus or device == "cuda" else int(resources.get("CPU", 0)))


def slots(device: str) -> Slots:
    """Return what the cluster can take now.

    Raises:
        UsageError: nothing of the kind.
    """
    found = Slots(0, 0)
    for node in _alive():
        found += slots_of(node["Resources"], device)
    if not found.gpus and not found.cores:
        what = "GPU" if device == "cuda" else "core"
        raise UsageError(f"the cluster has no {what} for this: see 'ray status', or choose another --device")
    return found


def another(unfit: Collection[str], takes: Mapping[str, float], busy: Iterable[str]) -> str | None:
    """Return a machine that has what a piece of work takes, by Ray's name of it; None if there is no other.

    Args:
        unfit: machines that cannot do it. takes: by Ray's names. busy: the machines of what was placed so before.
    """
    taken = Counter(busy)
    fit = [
        node["NodeID"]
        for node in _alive()
        if node["NodeID"] not in unfit
        and all(node["Resources"].get(kind, 0.0) >= much for kind, much in takes.items() if much)
    ]
    return min(fit, key=lambda node: taken[node], default=None)


def on(node: str | None) -> Any:
    """Return the strategy that places work on a machine; None: spread over all."""
    if node is None:
        return "SPREAD"
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def node_at(address: str) -> str | None:
    """Return the only machine with a network address; None where there are several, or none."""
    found = [node["NodeID"] for node in _alive() if node["NodeManagerAddress"] == address]
    return found[0] if len(found) == 1 else None


def shortage(number: int, asks: Mapping[str, float], *, only: bool) -> Waiting | None:
    """Return what a film waits for; None where the cluster has it free.

    Args:
        asks: by Ray's names. only: it waits for one machine, so what is free on others is no matter.
    """
    ray = ray_itself()
    free, whole = ray.available_resources(), ray.cluster_resources()
    names = list(asks)
    told = Waiting(
        number,
        asks,
        {name: free.get(name, 0.0) for name in names},
        {name: whole.get(name, 0.0) for name in names},
        only,
    )
    return told if only or any(told.free[kind] < much for kind, much in asks.items()) else None


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray_itself().nodes() if node["Alive"]]
