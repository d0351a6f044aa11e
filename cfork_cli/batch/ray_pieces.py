"""The pieces of a long film: batches of its sound, which workers of a Ray cluster compute for the one that reads it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cfork_cli.batch.ray_cluster import ray_itself, remote
from cfork_cli.batch.ray_mailbox import Wants
from cfork_cli.batch.ray_slots import another, on
from cfork_cli.batch.ray_worker import Answer, Caller, compute_there, of_the_worker
from cfork_cli.flows.separator import Asked

ATTEMPTS = 3
"""How often a film, or a batch of it, is given out before its workers are believed to end because of it."""

LOOK_SECONDS = 0.2
GPU_BATCH, GPU_AHEAD = 32, 2
"""Sequences of a batch for a GPU, and batches on their way to each, as of a run on the GPU's own machine."""


@dataclass(frozen=True)
class RayPieces:
    """Batches of a film that other workers compute; see `flows.separator.Pieces`.

    Attributes:
        precision: that was asked for. on_gpu: whether GPUs compute. machines: how many workers.
        number: the film's place. mailbox: where it is told that a batch is given out, and begun.
    """

    precision: str
    on_gpu: bool
    machines: int
    number: int = 0
    mailbox: Any = None

    @property
    def takes(self) -> dict[str, float]:
        """What a batch takes, by Ray's names: two share a GPU, so that one computes while the other travels."""
        return {"GPU": 1 / GPU_AHEAD} if self.on_gpu else {"CPU": 1.0}

    @property
    def workers(self) -> int:
        """Batches that are on their way at a time."""
        return max(2, self.machines * (GPU_AHEAD if self.on_gpu else 1))

    @property
    def each(self) -> int:
        """Sequences of a batch: a core takes one after the other anyway, and a GPU many at a time."""
        return GPU_BATCH if self.on_gpu else 1

    def seen(self, asked: Asked) -> Asked:
        """Return what the workers are asked for."""
        return replace(asked, precision=self.precision, device="cuda" if self.on_gpu else "cpu")

    def of(self, asked: Asked) -> RayBatches:
        """Return those who compute batches of one track."""
        return RayBatches(self, self.seen(asked))


class RayBatches:
    """See `model.streaming.batches.Known`."""

    def __init__(self, pieces: RayPieces, asked: Asked) -> None:
        self._pieces, self._asked = pieces, asked
        self._unfit: set[str] = set()
        self._placed: list[str] = []

    def get(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Let a worker compute a batch; lost ones are replaced, and one that lacks something is passed over.

        Raises:
            CforkError: no worker can, or one told why not.
        """
        node = None
        while True:
            if self._unfit:
                node = another(self._unfit, self._pieces.takes, self._placed)
                if node is not None:
                    self._placed.append(node)
            answer = self._answer(sequences, node)
            if answer.lacks is None:
                found: np.ndarray = answer.found
                return found
            self._unfit.add(answer.node)
            if another(self._unfit, self._pieces.takes, ()) is None:
                raise answer.lacks

    def put(self, sequences: Sequence[np.ndarray], stems: np.ndarray) -> None:
        """Nothing is computed here, so there is nothing to take."""

    def _answer(self, sequences: Sequence[np.ndarray], node: str | None) -> Answer:
        ray, takes, key = ray_itself(), self._pieces.takes, secrets.token_hex(8)
        task = remote(compute_there).options(
            num_cpus=takes.get("CPU", 0), num_gpus=takes.get("GPU", 0), max_retries=ATTEMPTS - 1,
            scheduling_strategy=on(node),
        )  # fmt: skip
        self._pieces.mailbox.put.remote(Wants(self._pieces.number, key))
        reference = task.remote(
            self._asked, Caller(), self._pieces.number, self._pieces.mailbox, key, list(sequences)
        )  # fmt: skip
        while not ray.wait([reference], timeout=LOOK_SECONDS)[0]:
            pass  # a limit, so that this thread can be interrupted
        try:
            found: Answer = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, MemoryError | RuntimeError):  # whoever asked knows what to say of memory
                raise error.cause from None
            raise of_the_worker(error) from error
        return found
