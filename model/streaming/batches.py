"""Sequences of sound through a network, a batch at a time, in worker threads.

Why threads, and one core each: a recurrent network is thousands of small steps, and OpenMP threads that share
a step wait for each other after every one. On idle cores that costs a little; beside other work it costs a
multiple, because those that wait spin. Workers that compute different sequences never wait for each other.
The number of OpenMP threads is a setting of each thread of the process, so other code keeps its own.

On CUDA two workers, each with its own stream, keep the device computing while sound is copied to and fro.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from math import ceil
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from .allocator import is_out_of_memory
from .crew import Crew, cores
from .input_level import InputLevel

Audio = NDArray[np.float32]

BATCH_SIZE = 8  # sequences at a time, of all workers together, for a network that does not say
CUDA_BATCH_SIZE = 64  # the steps of a recurrent network take a GPU as long for many sequences as for one
CUDA_WORKERS = 2
MOST_WORKERS = 8  # each takes the memory of a batch; more cores are shared among these


class Known(Protocol):
    """What became of batches before, or becomes of them elsewhere. Asked by several threads at once.

    What is known must be what the network gives for the very same batch: bits may depend on how many sequences are
    computed together.
    """

    def get(self, sequences: Sequence[Audio]) -> Audio | None:
        """Return the stems `[B, S, N]` of a batch of sequences `[N]`, as they came to `put`; None: not known."""

    def put(self, sequences: Sequence[Audio], stems: Audio) -> None:
        """Take the stems `[B, S, N]` of a batch that was just computed here."""


class Cancelled(Exception):
    """The work was given up meanwhile, by another thread."""


class Task:
    """A sequence on its way: `[N]`, and once it is done its stems, `[S, N]`."""

    def __init__(self, samples: Audio) -> None:
        self.samples = samples
        self.stems: Audio | None = None
        self.error: BaseException | None = None
        self.started = False
        self._done = threading.Event()

    @property
    def done(self) -> bool:
        """True once there are stems, or an error."""
        return self._done.is_set()

    def finish(self, stems: Audio | None, error: BaseException | None = None) -> None:
        """Leave the stems or the error, and wake whoever waits."""
        self.stems, self.error = stems, error
        self._done.set()

    def result(self) -> Audio:
        """The stems, when they are there; raises what went wrong in the worker, as it is."""
        while not self._done.wait(1.0):  # without a limit, Windows would not let Ctrl-C through
            pass
        if self.error is not None:
            raise self.error
        assert self.stems is not None
        return self.stems


class Batches:
    """Runs sequences through a network, several batches at once. A context manager: its threads end with it.

    Args:
        network: see `separator.Network`; it is moved to the device and set to evaluate.
        stems: names of the stems to compute.
        weights: one for each stem; then their weighted sum comes out as the only stem. None: each by itself.
        level: what is done to each sequence before the network, and divided out again after it; None is nothing.
        device: where to compute; None means where the network is.
        size: sequences at a time, of all workers together; None means the network's own.
        workers: threads that compute; 1 is the calling thread itself, with as many OpenMP threads as it has. None: one
            for each core, at most `MOST_WORKERS` (they share the cores), on CUDA `CUDA_WORKERS`.
        most: no more workers than that are of use. Only for the default.
        known: is asked for each batch before it is computed, and told afterwards; None is nobody.
    """

    def __init__(
        self,
        network: Any,
        stems: tuple[str, ...],
        *,
        weights: Sequence[float] | None = None,
        level: InputLevel | None = None,
        device: str | torch.device | None = None,
        size: int | None = None,
        workers: int | None = None,
        most: int = MOST_WORKERS,
        known: Known | None = None,
    ) -> None:
        if device is None:
            first = next(iter(network.parameters()), None)
            self.device = torch.device("cpu") if first is None else first.device
        else:
            self.device = torch.device(device)
            network.to(self.device)
        if network.training:
            network.eval()
        self.network = network
        self.stems = stems
        self.weights = None if weights is None else dict(zip(stems, weights, strict=True))
        self.level = level
        self.known = known
        cuda = self.device.type == "cuda"
        available = cores()
        asked = workers
        if workers is None:
            workers = CUDA_WORKERS if cuda else max(1, min(available, MOST_WORKERS, most))
        each = 1 if cuda else max(1, available // workers)
        self.workers = workers
        # Where a control group allows less than there is, the calling thread has too many OpenMP threads.
        self._here = workers == 1 and (asked == 1 or cuda or each == torch.get_num_threads())
        if size is None:
            size = CUDA_BATCH_SIZE if cuda else int(getattr(network, "batch_size", BATCH_SIZE))
        self.size = ceil(size / workers)  # of a batch
        self._waiting: list[Task] = []
        self._crew = Crew(self._do, workers, each, self._stream)
        self._room = threading.Semaphore(workers)  # held while computing
        self._alone = threading.Lock()
        self._gate = threading.Lock()  # held while work is handed over, or is given up
        self._given: weakref.WeakSet[Task] = weakref.WeakSet()
        self._cancelled = False

    @property
    def outputs(self) -> int:
        """Stems that come out."""
        return len(self.stems) if self.weights is None else 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, samples: Audio) -> Task:
        """A sequence that waits to be started; not to be changed any more."""
        task = Task(samples)
        self._waiting.append(task)
        return task

    def start(self, *, everything: bool) -> None:
        """Hand what waits to the workers: full batches only, or everything, shared out evenly.

        Where the calling thread is the worker, it is done on return.
        """
        waiting, self._waiting = self._waiting, []
        # Only a film's last window differs in length.
        for length in sorted({len(task.samples) for task in waiting}, reverse=True):
            tasks = [task for task in waiting if len(task.samples) == length]
            # Ten sequences for one worker in batches of at most eight are five and five, for two workers four
            # times two or three: even batches keep all cores busy to the end.
            rounds = ceil(len(tasks) / (self.size * self.workers))
            size = ceil(len(tasks) / (rounds * self.workers)) if everything else self.size
            for at in range(0, len(tasks), size):
                batch = tasks[at : at + size]
                if everything or len(batch) == size:
                    self._start(batch)
                else:
                    self._waiting.extend(batch)

    def close(self) -> None:
        """End the workers at once; what is not computed yet never is."""
        self._crew.end()

    def cancel(self) -> None:
        """Give everything up, for good: whoever waits for a result in another thread gets `Cancelled`."""
        with self._gate:
            self._cancelled = True
        self._crew.end()
        for task in list(self._given):
            if not task.done:
                task.finish(None, Cancelled())

    def _start(self, batch: list[Task]) -> None:
        for task in batch:
            task.started = True
        with self._gate:
            if self._cancelled:
                raise Cancelled
            if not self._here:
                self._given.update(batch)
                self._crew.put(batch)
        if self._here:
            self._do(batch)

    def _stream(self) -> AbstractContextManager[Any]:
        """A stream for each worker: what one copies overlaps with what another computes."""
        if self.device.type != "cuda":
            return nullcontext()
        torch.cuda.synchronize(self.device)  # a new stream would not wait for weights that are still on their way
        return torch.cuda.stream(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]

    def _do(self, batch: list[Task]) -> None:
        """Compute a batch, in parts if the device has not enough memory."""
        left = list(batch)
        try:
            while left:
                parts = ceil(len(left) / self.size)
                now = left[: ceil(len(left) / parts)]
                stems = self._found([task.samples for task in now])
                if stems is None:
                    self.size = min(self.size, max(1, len(now) // 2))
                    continue
                for task, own in zip(now, stems, strict=True):
                    task.finish(own)
                del left[: len(now)]
        except BaseException as error:
            for task in left:
                task.finish(None, error)
            if self._here:
                raise

    def compute(self, sequences: Sequence[Audio]) -> Audio:
        """Return the stems `[B, S, N]` of one batch of sequences `[N]` of equal length, in parts if memory is short.

        Raises:
            RuntimeError, MemoryError: not even a single sequence fits the device.
        """
        batch = [Task(samples) for samples in sequences]
        self._do(batch)
        return np.stack([task.result() for task in batch])

    def _found(self, sequences: list[Audio]) -> Audio | None:
        """One batch, `[B, S, N]`, known or computed; None if it was too large for the device."""
        stems = self.known.get(sequences) if self.known is not None else None
        if stems is not None:
            return stems
        stems = self._try(sequences)
        if stems is not None and self.known is not None:
            self.known.put(sequences, stems)
        return stems

    def _try(self, sequences: list[Audio]) -> Audio | None:
        """One batch, `[B, S, N]`, or None if it was too large for the device."""
        try:
            with self._room:
                return self._forward(sequences)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or (len(sequences) == 1 and self.workers == 1):
                raise
        # Out here, because inside the handler the exception still keeps the failed tensors alive.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(sequences) > 1:
            return None
        # It may fit when the others have ended theirs.
        with self._alone:
            for _ in range(self.workers):
                while not self._room.acquire(timeout=1.0):  # without a limit, nothing could interrupt it
                    pass
            try:
                return self._forward(sequences)
            finally:
                self._room.release(self.workers)

    def _forward(self, sequences: list[Audio]) -> Audio:
        # Entered and left for each batch: the mode belongs to the thread, and must not leak out of a
        # suspended generator.
        with torch.inference_mode():
            x, factors = self._batch(sequences)
            if self.weights is None:
                y = self.network(x, stems=self.stems)
            elif hasattr(self.network, "mix"):
                y = self.network.mix(x, self.weights)[:, None]
            else:
                each = self.network(x, stems=self.stems).float()
                shares = each.new_tensor([self.weights[stem] for stem in self.stems])
                y = (each * shares[:, None]).sum(dim=1, keepdim=True)
            expected = (len(sequences), self.outputs, len(sequences[0]))
            if tuple(y.shape) != expected:
                raise ValueError(f"the network gave {tuple(y.shape)} where {expected} was due")
            # A stem that is no number would spoil the film for good; without the stem the mixture just stays
            # as it is.
            y = self._undone(y.float(), factors).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
            result: Audio = self._host(y).numpy()
            return result

    def _batch(self, sequences: list[Audio]) -> tuple[torch.Tensor, list[Audio | float]]:
        """Sequences `[N]` -> a tensor `[B, N]` on the device, at the level that the network expects, and the factors
        that brought each there."""
        shape = len(sequences), len(sequences[0])
        factors: list[Audio | float] = []
        # Locked memory comes from torch's own store, which takes it back when the tensor is gone and the copy
        # is made, so that it is not locked anew each time.
        host = torch.empty(shape, pin_memory=self.device.type == "cuda")
        for row, sequence in zip(host.numpy(), sequences, strict=True):
            offset, factor = self.level.of(sequence) if self.level is not None else (0.0, 1.0)
            if offset:
                sequence = sequence - np.float32(offset)
            np.multiply(sequence, np.float32(factor) if isinstance(factor, float) else factor, out=row)
            factors.append(factor)
        return host.to(self.device, non_blocking=True), factors

    def _undone(self, y: torch.Tensor, factors: list[Audio | float]) -> torch.Tensor:
        """Stems `[B, S, N]` without the factors of their sequences."""
        for stems, factor in zip(y, factors, strict=True):
            stems /= factor if isinstance(factor, float) else torch.from_numpy(factor).to(self.device)
        return y

    def _host(self, y: torch.Tensor) -> torch.Tensor:
        """A tensor of the device in the memory of the host."""
        if self.device.type != "cuda":
            return y.cpu()
        host = torch.empty(y.shape, pin_memory=True)
        host.copy_(y, non_blocking=True)
        torch.cuda.current_stream(self.device).synchronize()  # lets the other threads go on meanwhile
        return host
