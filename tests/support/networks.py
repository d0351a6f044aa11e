"""Networks of one line, and sound to run through them."""

import itertools
import threading
import time

import numpy as np
import torch

from model import STEMS
from model.streaming.separator import separate

NATIVE = 44_100


class Fake(torch.nn.Module):
    """A network of one line: every stem is `law(x)`; keeps the shapes that it was called with."""

    stems = STEMS
    sample_rate = NATIVE
    input_lufs = -27.0
    level_matched = True

    def __init__(self, window=4096, context=512, crossfade=256, hop=64, law=None):
        super().__init__()
        self.hop = hop
        self.window_seconds = window / NATIVE
        self.context_seconds = context / NATIVE
        self.crossfade_seconds = crossfade / NATIVE
        self.law = law or (lambda x: x)
        self.calls = []
        self.callers = set()

    def forward(self, x, stems=None):
        names = self.stems if stems is None else stems
        self.calls.append((tuple(x.shape), tuple(names), torch.is_inference_mode_enabled()))
        self.callers.add((threading.get_ident(), torch.get_num_threads()))
        return torch.stack([self.law(x) * (1 + self.stems.index(name)) for name in names], dim=1)

    @property
    def sequences(self):
        return sum(shape[0] for shape, _, _ in self.calls)


class Cramped(Fake):
    """A device that has room for few sequences."""

    def __init__(self, room, error=None):
        super().__init__()
        self.room = room
        self.error = error or torch.OutOfMemoryError("no room")

    def forward(self, x, stems=None):
        out = super().forward(x, stems)
        if len(x) > self.room:
            raise self.error
        return out


def noise(channels, samples, seed=0):
    return (np.random.default_rng(seed).standard_normal((channels, samples)) * 0.3).astype(np.float32)


def split(x, sizes):
    """Blocks whose sizes repeat the given ones; a size of 0 gives an empty block."""
    at, sizes = 0, itertools.cycle(sizes)
    while at < x.shape[1]:
        size = next(sizes)
        yield x[:, at : at + size]
        at += size


def run(x, network, sizes=(1000,), **options):
    """Mixture and stems of the whole of x, separated block by block."""
    options = {"sample_rate": NATIVE, "channels": len(x), **options}
    pieces = list(separate(split(x, sizes), network, **options))
    stems = 1 if options.get("weights") is not None else len(options.get("stems", STEMS))
    mixture = np.concatenate([np.zeros((len(x), 0), np.float32), *(piece[0] for piece in pieces)], axis=-1)
    parts = np.concatenate([np.zeros((stems, len(x), 0), np.float32), *(piece[1] for piece in pieces)], axis=-1)
    for one, other in pieces:
        assert one.dtype == other.dtype == np.float32
        assert other.shape == (stems, len(x), one.shape[-1])
    return mixture, parts


def assert_identity(x, mixture, stems, atol=1e-6):
    assert mixture.shape == x.shape
    assert (mixture == x).all()
    np.testing.assert_allclose(stems / np.arange(1, 4).reshape(3, 1, 1), x[None].repeat(3, axis=0), atol=atol)


def alive():
    """Threads of crews; a thread that is being joined elsewhere counts too."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("separate-")]


def endless(started):
    """A law that computes for ever."""

    def law(x):
        started.set()
        while True:
            time.sleep(0.005)

    return law


def only_the_first(started):
    """A law that computes for ever, except where the sound is loud; and sound that is loud in its first window."""
    x = noise(1, 90_000)
    x[:, 0] = 100
    return (lambda y: y if y.max() > 50 else endless(started)(y)), x
