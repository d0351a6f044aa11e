"""MRX for inference on a CPU: the same sums in another order, within 1e-5 of the largest sample in float32.

Frames pass in pieces that stay in the cache, from the sound to
the encodings, and after the LSTMs from the features to the sound of the stems; a spectrum is computed twice, because
that takes less time than writing it to memory and reading it back, and no spectrum or mask of all frames ever exists.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.mrx import MRX, check
from ..stems import positions
from .fold import affine, folded
from .prepared import Prepared
from .transform import Transform, power

ROWS = 512  # frames times sequences in a matrix product: enough for its full rate, and its output stays in the cache
# Sequences that LSTMs rather read one by one, because a product with a single row is made in another way.
ALONE = {torch.float32: 4, torch.bfloat16: 2}
ALIGNMENT = 16  # floats in a cache line: products with rows of another length are a third slower


class FastMRX(Prepared):
    """Computes what an `MRX` does, in evaluation mode and without gradients; the weights are copies.

    Args:
        network: on the CPU.
        dtype: of matrix products and LSTMs, float32 or bfloat16; transforms, masks and sums are float32.
    """

    batch_size = 16  # eight for each of two cores: with four, the LSTMs take half as long again

    def __init__(self, network: MRX, dtype: torch.dtype) -> None:
        super().__init__(network, dtype)
        network = folded(network)
        self._transforms = [
            Transform(network.get_buffer(f"_hann_{window}"), network.hop, "reflect") for window in network.windows
        ]
        self._encoders = []  # scale and shift of the magnitudes, weight and bias
        for encoder in network._encoders:
            norm, linear = cast(tuple[nn.BatchNorm1d, nn.Linear], cast(nn.Sequential, encoder.layer)[:2])
            moments = [one.float() for one in affine(norm)]
            self._encoders.append((*moments, *self._cast(linear.weight, linear.bias)))
        self.lstm = nn.ModuleList(copy.deepcopy(lstm).to(dtype) for lstm in network._cross_net.lstm)
        for lstm in self.lstm:
            cast(nn.LSTM, lstm).batch_first = False
        self._decoders = []  # by resolution and stem: weight and bias of the first layer, and of the second
        for number in range(len(network.windows)):
            layers = []
            for decoders in network._decoders:
                block = cast(nn.Sequential, cast(nn.ModuleList, decoders)[number].block)
                first, second = cast(nn.Linear, block[0]), cast(nn.Linear, block[3])
                weight = first.weight.detach().clone()
                weight[:, weight.shape[1] // 2 :] /= len(self.lstm)  # the sum of the LSTMs becomes their mean
                layers.append(self._cast(weight, first.bias, _aligned(second.weight), _aligned(second.bias)))
            self._decoders.append(layers)
        self.freeze()

    def forward(self, x: Tensor, stems: Sequence[str] | None = None) -> Tensor:
        """As `MRX.forward`."""
        chosen = positions(stems, self.stems)
        return self._run(x, [{index: 1.0} for index in chosen])

    def mix(self, x: Tensor, weights: Mapping[str, float]) -> Tensor:
        """As `MRX.mix`."""
        positions(tuple(weights), self.stems)
        factors = {self.stems.index(stem): weight for stem, weight in weights.items() if weight}
        return self._run(x, [factors])[:, 0]

    def _run(self, x: Tensor, outputs: Sequence[Mapping[int, float]]) -> Tensor:
        """Weighted sums of stems, given by their numbers: `[B, T]` -> `[B, outputs, T]`."""
        check(x)
        batch, samples = x.shape
        out = torch.zeros(batch, len(outputs), samples)
        if not any(outputs):
            return out
        # Reflection needs more samples than half the longest window: silence lengthens a shorter sequence.
        x = F.pad(x, (0, max(0, max(t.length for t in self._transforms) // 2 + 1 - samples)))
        padded = [transform.pad(x) for transform in self._transforms]
        frames = self._transforms[0].frames(x.shape[-1])
        mean = self._encode(padded, frames)
        read = self._read(mean)
        for number, transform in enumerate(self._transforms):
            for place, total in enumerate(self._decode(number, padded[number], mean, read, outputs)):
                out[:, place] += transform.finish(total, samples)
        return out

    def _encode(self, padded: Sequence[Tensor], frames: int) -> Tensor:
        """The mean of the encodings of all resolutions: `[frames, B, hidden]`."""
        batch = len(padded[0])
        step = -(-ROWS // batch)
        mean = torch.zeros(frames, batch, self._encoders[0][2].shape[0])
        for transform, sound, (scale, shift, weight, bias) in zip(
            self._transforms, padded, self._encoders, strict=True
        ):
            magnitudes = torch.empty(min(step, frames), batch, transform.bins, dtype=self.dtype)
            for at in range(0, frames, step):
                end = min(at + step, frames)
                for first in range(at, end, transform.chunk(batch)):
                    last = min(first + transform.chunk(batch), end)
                    found = power(transform.spectra(sound, first, last)).sqrt_()
                    magnitudes[first - at : last - at] = torch.addcmul(shift, found, scale)
                mean[at:end] += torch.tanh(F.linear(magnitudes[: end - at], weight, bias))
        return mean.div_(len(padded)).to(self.dtype)

    def _read(self, mean: Tensor) -> Tensor:
        """The sum of what the LSTMs read in the mean: `[frames, B, hidden]`."""
        if 1 < mean.shape[1] <= ALONE[self.dtype]:
            return torch.cat([self._read(row) for row in torch.split(mean, 1, dim=1)], dim=1)
        first, *others = self.lstm
        total: Tensor = first(mean)[0]
        for lstm in others:
            total += lstm(mean)[0]
        return total

    def _decode(
        self, number: int, padded: Tensor, mean: Tensor, read: Tensor, outputs: Sequence[Mapping[int, float]]
    ) -> list[Tensor]:
        """One resolution of all outputs, each overlapped and added, but not yet finished."""
        transform = self._transforms[number]
        frames, batch = mean.shape[:2]
        totals = [transform.silence(batch, frames) for _ in outputs]
        step, small = -(-ROWS // batch), transform.chunk(batch)
        for at in range(0, frames, step):
            end = min(at + step, frames)
            features = torch.cat([mean[at:end], read[at:end]], dim=-1)
            masks = [self._mask(number, features, factors)[..., : transform.bins] for factors in outputs]
            for first in range(at, end, small):
                last = min(first + small, end)
                spectrum = transform.spectra(padded, first, last)
                for mask, total in zip(masks, totals, strict=True):
                    transform.add(total, spectrum * mask[first - at : last - at], first)
        return totals

    def _mask(self, number: int, features: Tensor, factors: Mapping[int, float]) -> Tensor:
        """The weighted sum of the masks of some stems, float32 `[frames, B, bins and some more]`."""
        total: Tensor | None = None
        for index, factor in factors.items():
            first, first_bias, second, second_bias = self._decoders[number][index]
            mask = F.linear(F.linear(features, first, first_bias).relu_(), second, second_bias).relu_()
            if total is None:
                total = mask.float().mul_(factor) if factor != 1 else mask.float()
            else:
                total.add_(mask, alpha=factor)
        assert total is not None
        return total


def _aligned(tensor: Tensor) -> Tensor:
    """The rows filled up with zeros to a multiple of `ALIGNMENT`."""
    missing = -len(tensor) % ALIGNMENT
    return torch.cat([tensor.detach(), tensor.new_zeros(missing, *tensor.shape[1:])])
