"""The network alone: the very batches that the separator makes of a film, run again without anything around them."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cfork_cli.bench.cost import timed as whole_time
from cfork_cli.bench.flops import count_flops

if TYPE_CHECKING:
    import torch

    from model.streaming.windows import Grid

TRANSFORM = "transform (STFT)"
LSTM, PRODUCTS, REST = "network: LSTMs", "network: products", "network: the rest"
INVERSE = "inverse transform"
PARTS = (TRANSFORM, LSTM, PRODUCTS, REST, INVERSE)

_KINDS = {
    TRANSFORM: ("stft", "fft_rfft", "fft_fft"),
    INVERSE: ("istft", "fft_irfft", "fft_ifft", "fold", "col2im"),
    LSTM: ("lstm", "lstm_cell", "gru", "mkldnn_rnn_layer"),
    PRODUCTS: ("linear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm", "addbmm", "einsum",
               "conv1d", "conv2d", "tensordot"),
}  # fmt: skip
ROUNDS = 3
"""Full rounds of batches that are recorded at least, each one batch for each worker."""

_METHODS = {TRANSFORM: ("pad", "spectra", "forward"), INVERSE: ("silence", "add", "finish", "inverse")}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}


@dataclass(frozen=True)
class Call:
    """One batch as the network got it: `[B, T]`, and the stems, or the weights of their sum."""

    x: torch.Tensor
    stems: tuple[str, ...] | None
    weights: Mapping[str, float] | None

    def run(self, network: Any) -> torch.Tensor:
        """Run the network on the batch, and return its stems or their sum."""
        mixes = self.weights is not None
        result: torch.Tensor = network.mix(self.x, self.weights) if mixes else network(self.x, stems=self.stems)
        return result

    def first(self) -> Call:
        """Return only its first sequence."""
        return Call(self.x[:1], self.stems, self.weights)


@dataclass(frozen=True)
class Recording:
    """All batches of a film, and how they were run: in how many threads, each with so many threads of torch's own."""

    calls: tuple[Call, ...]
    workers: int
    torch_threads: int

    @property
    def sequences(self) -> int:
        """Windows of channels that were computed."""
        return sum(call.x.shape[0] for call in self.calls)

    @property
    def is_on_gpu(self) -> bool:
        """True if the batches are on a CUDA device."""
        return bool(self.calls and self.calls[0].x.is_cuda)

    @property
    def samples(self) -> int:
        """Samples of all sequences together."""
        return sum(call.x.numel() for call in self.calls)


class _Recorder:
    """A stand-in for the network that keeps its inputs and answers with silence; all else is the network's."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._lock = threading.Lock()
        self.calls: list[Call] = []
        self.threads: dict[int, int] = {}
        if hasattr(network, "mix"):
            self.mix = self._mix

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def __call__(self, x: torch.Tensor, stems: Sequence[str] | None = None) -> torch.Tensor:
        names = tuple(self._network.stems if stems is None else stems)
        self._keep(Call(x.clone(), names, None))
        return x.new_zeros((x.shape[0], len(names), x.shape[-1]))

    def _mix(self, x: torch.Tensor, weights: Mapping[str, float]) -> torch.Tensor:
        self._keep(Call(x.clone(), None, dict(weights)))
        return x.new_zeros(x.shape)

    def to(self, *_: Any) -> _Recorder:
        return self

    def _keep(self, call: Call) -> None:
        import torch

        with self._lock:
            self.calls.append(call)
            self.threads[threading.get_ident()] = torch.get_num_threads()
        time.sleep(0.02)  # long enough for every worker to get its share


def windows_of(network: Any, seconds: float) -> int:
    """Windows that the separator makes of so much sound."""
    grid = _grid(network)
    beyond: int = round(seconds * network.sample_rate) - grid.window
    return 1 + max(0, math.ceil(beyond / grid.stride))


def enough_seconds(network: Any, channels: int, device: str) -> float:
    """Sound that keeps all workers busy as a film of hours does: some rounds of batches, and the last one full.

    Args:
        network: as `load_network` gives it.
        channels: that it hears.
    """
    from model.streaming.batches import Batches

    batches = Batches(network, tuple(network.stems), device=device)
    one_round = batches.size * batches.workers
    least = math.ceil(ROUNDS * one_round / channels)
    # of so many windows, those whose sequences leave the least of the last round empty
    windows = min(range(least, least + one_round), key=lambda number: (-number * channels % one_round) / number)
    grid = _grid(network)
    return (grid.window + (windows - 1) * grid.stride) / int(network.sample_rate)


def _grid(network: Any) -> Grid:
    from model.streaming.windows import make_grid

    return make_grid(
        network.window_seconds, network.context_seconds, network.crossfade_seconds,
        sample_rate=network.sample_rate, hop=network.hop,
    )  # fmt: skip


def record(network: Any, blocks: Iterable[np.ndarray], **asked: Any) -> Recording:
    """Run the separator with a stand-in for the network.

    Args:
        network: as `load_network` gives it.
        blocks, asked: see `model.streaming.separator.separate`.
    """
    from model.streaming.separator import separate

    recorder = _Recorder(network)
    for _ in separate(blocks, recorder, **asked):
        pass
    threads = max(recorder.threads.values(), default=1)
    return Recording(tuple(recorder.calls), max(1, len(recorder.threads)), threads)


def replay(network: Any, recording: Recording) -> None:
    """Run all batches, by as many threads as the separator did, and nothing else."""
    import torch

    before = torch.get_num_threads()

    def run(call: Call) -> None:
        with torch.inference_mode():
            call.run(network)

    def begin() -> None:
        torch.set_num_threads(recording.torch_threads)
        if recording.is_on_gpu:  # of its own, as each worker of the separator has
            torch.cuda.set_stream(torch.cuda.Stream())  # type: ignore[no-untyped-call]

    _wait(recording)
    try:
        with ThreadPoolExecutor(recording.workers, initializer=begin) as pool:
            for _ in pool.map(run, recording.calls):
                pass
        _wait(recording)
    finally:
        torch.set_num_threads(before)


def parts(network: Any, recording: Recording) -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds of the parts of the network (`PARTS`), the batches one after another as one of the
    separator's workers would run them.

    Distinguished are calls of torch's own functions and of `model.inference.transform`; all else is the rest.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    found = {part: [0.0, 0.0] for part in PARTS}
    inside = False

    def timed(kind: str | None, function: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        if kind is None or inside:  # what another part is made of belongs to that
            return function(*args, **kwargs)
        _wait(recording)
        inside, cpu, wall = True, time.process_time(), time.perf_counter()
        try:
            result = function(*args, **kwargs)
            _wait(recording)
        finally:
            inside = False
        found[kind][0] += time.perf_counter() - wall
        found[kind][1] += time.process_time() - cpu
        return result

    class Stopwatch(TorchFunctionMode):
        def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
            return timed(_KIND_OF.get(getattr(function, "__name__", "")), function, *args, **(kwargs or {}))

    def work() -> None:
        with torch.inference_mode(), Stopwatch(), _transforms(timed):
            for call in recording.calls:
                call.run(network)
        _wait(recording)

    before = torch.get_num_threads()
    torch.set_num_threads(recording.torch_threads)
    try:
        whole = whole_time(work)
    finally:
        torch.set_num_threads(before)
    for n in (0, 1):
        found[REST][n] = max(0.0, whole[n] - sum(found[part][n] for part in PARTS if part != REST))
    return {part: (wall, cpu) for part, (wall, cpu) in found.items()}


@contextlib.contextmanager
def _transforms(timed: Callable[..., Any]) -> Iterator[None]:
    """While this is open, the methods of `Transform` are timed: they do more than the FFT itself."""
    from model.inference.transform import Transform

    def watched(kind: str, method: Any) -> Any:
        return lambda self, *args, **kwargs: timed(kind, method, self, *args, **kwargs)

    plain = {name: (kind, vars(Transform)[name]) for kind, names in _METHODS.items() for name in names}
    try:
        for name, (kind, method) in plain.items():
            setattr(Transform, name, watched(kind, method))
        yield
    finally:
        for name, (_, method) in plain.items():
            setattr(Transform, name, method)


def flops(plain: Any, recording: Recording) -> dict[str, int]:
    """Operations of all batches, counted with the plain network (float32, as it was loaded) on its device.

    Every sequence of one length costs the same, so one of each length is counted.
    """
    found = {"products": 0, "lstm": 0, "transforms": 0}
    of_one: dict[int, dict[str, int]] = {}
    for call in recording.calls:
        length = call.x.shape[-1]
        if length not in of_one:
            of_one[length] = count_flops(partial(call.first().run, plain))
        for kind in found:
            found[kind] += call.x.shape[0] * of_one[length][kind]
    return found


def _wait(recording: Recording) -> None:
    """Wait until a GPU has done its work."""
    if recording.is_on_gpu:
        import torch

        torch.cuda.synchronize()
