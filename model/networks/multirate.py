"""Multi-rate MRX: the published network's plan, every resolution at a hop of its own, spectra in bands.

Like MRX (arXiv 2110.09958, figure 2; `mrx`): one encoder for each STFT resolution, the mean of their features into
parallel recurrent layers, a real mask for each stem and resolution, estimates summed over the resolutions. Unlike
it: a hop of a quarter window, not shorter than 512 samples, instead of 256 for all, so that the long window does not
take most of the time; masks and features of bands instead of bins; LayerNorm instead of BatchNorm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import SAMPLE_RATE, STEMS
from .bandsplit import COMPRESSION, usual_magnitude
from .recurrent import run_lstm
from .shares import Sharing

HOP = 512  # the common rate of the recurrent layers; the hop of all windows up to four times it


def bands_of_bins(window: int, ratio: float) -> Tensor:
    """The band of each bin of an STFT; a band is a bin wide, or `1 / ratio` of its frequency.

    Shape: -> int64 `[window // 2 + 1]`, ascending from 0 without gaps

    >>> bands_of_bins(1024, 24)[[0, 1, 24, 512]].tolist()
    [0, 1, 24, 89]
    """
    band, first, found = 0, 0, []
    for index in range(window // 2 + 1):
        if index - first >= max(1.0, first / ratio):
            band, first = band + 1, index
        found.append(band)
    return torch.tensor(found, device="cpu")  # also where a network without memory is built, on "meta"


class Encoder(nn.Module):
    """Compressed magnitudes of bands -> features between -1 and 1: `[batch, frames, bands]` -> `[..., hidden]`."""

    def __init__(self, bands: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(bands, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, bands: Tensor) -> Tensor:
        return torch.tanh(self.norm(self.inner(bands)))


class MultiRateMRX(Sharing):
    """Splits mono audio at 44.1 kHz into music, dialogue and effects.

    Shape: `[batch, samples]` -> `[batch, stems, samples]`; any number of samples from 1 on.
    """

    stems: tuple[str, ...] = STEMS
    sample_rate = SAMPLE_RATE
    level_matched = True
    input_lufs = -27.0
    window_seconds = 12.0
    context_seconds = 1.5
    crossfade_seconds = 0.25
    batch_size = 2

    def __init__(
        self,
        hidden: int = 256,
        layers: int = 3,
        windows: Sequence[int] = (1024, 2048, 8192),
        ratio: float = 24.0,
        residual: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "hidden": hidden, "layers": layers, "windows": list(windows), "ratio": ratio, "residual": list(residual),
        }  # fmt: skip
        self.residual = dict(zip(self.stems, residual, strict=True))
        self.windows = tuple(windows)
        self.hops = tuple(max(window // 4, HOP) for window in windows)
        self.hop = max(self.hops)  # windows of a stream must start on every grid
        counts = []
        for number, window in enumerate(self.windows):
            band_of = bands_of_bins(window, ratio)
            counts.append(int(band_of[-1]) + 1)
            self.register_buffer(f"band{number}", band_of, persistent=False)
            self.register_buffer(f"width{number}", torch.bincount(band_of).float(), persistent=False)
            self.register_buffer(f"window{number}", torch.hann_window(window, device="cpu").sqrt(), persistent=False)
            self.register_buffer(f"usual{number}", usual_magnitude(window // 2 + 1, window), persistent=False)
        self.encoders = nn.ModuleList(Encoder(count, hidden) for count in counts)
        self.recurrent = nn.ModuleList(
            nn.LSTM(hidden, hidden // 2, layers, batch_first=True, bidirectional=True) for _ in self.stems
        )
        self.decoders = nn.ModuleDict({
            stem: nn.ModuleList(
                nn.Sequential(
                    nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, count),
                    nn.Softplus(),
                )
                for count in counts
            )
            for stem in self.stems
        })  # fmt: skip
        with torch.no_grad():  # begin with a third of the mixture
            for decoder in self.decoders.values():
                for block in cast(nn.ModuleList, decoder):
                    cast(nn.Linear, cast(nn.Sequential, block)[3]).bias.fill_(math.log(math.exp(1 / 3) - 1))

    def spectra(self, x: Tensor) -> list[Tensor]:
        """STFT of every resolution, complex `[batch, own frames, bins]`."""
        return [
            torch.stft(x, window, hop, window=self.get_buffer(f"window{n}"), center=True, pad_mode="constant",
                       normalized=True, return_complex=True).transpose(1, 2)
            for n, (window, hop) in enumerate(zip(self.windows, self.hops, strict=True))
        ]  # fmt: skip

    def hear(self, spectra: Sequence[Tensor]) -> Tensor:
        """Encode the spectra into what the masks are made of, at the common rate: `[batch, frames, 2 * hidden]`."""
        frames = (spectra[0].shape[1] - 1) * self.hops[0] // HOP + 1
        encoded = [self.encode(number, spectrum, frames) for number, spectrum in enumerate(spectra)]
        mean = torch.stack(encoded).mean(0)
        read = torch.stack([run_lstm(lstm, mean) for lstm in self.recurrent]).mean(0)
        return torch.cat([mean, read], dim=-1)

    def encode(self, number: int, spectrum: Tensor, frames: int) -> Tensor:
        """Features of one resolution at the common rate: complex `[batch, own frames, bins]` -> `[..., hidden]`."""
        band, width = self.get_buffer(f"band{number}"), self.get_buffer(f"width{number}")
        level = spectrum.abs().clamp_min(1e-5) ** COMPRESSION / self.get_buffer(f"usual{number}")
        pooled = level.new_zeros(*level.shape[:2], len(width)).index_add_(2, band, level) / width
        encoded: Tensor = cast(Encoder, self.encoders[number])(1.8 * (pooled - 1))
        ratio = self.hops[number] // HOP
        nearest = (torch.arange(frames, device=encoded.device) + ratio // 2) // ratio
        return encoded[:, nearest]

    def masks(self, stem: str, features: Tensor) -> list[Tensor]:
        """Masks of the bands of one stem, for every resolution at its own rate: `[batch, own frames, bands]`."""
        found = []
        for number, hop in enumerate(self.hops):
            ratio = hop // HOP
            own = features.transpose(1, 2)
            if ratio > 1:  # the mean of the common frames around each frame of this resolution
                own = F.avg_pool1d(own, ratio, ratio, padding=ratio // 2, count_include_pad=False)
            found.append(cast(nn.ModuleList, self.decoders[stem])[number](own.transpose(1, 2)).float())
        return found

    def invert(self, spectra: Sequence[Tensor], masks: Sequence[Tensor], samples: int) -> Tensor:
        """Spectra masked band by band, inverted and summed: `[batch, samples]`."""
        total = spectra[0].real.new_zeros((len(spectra[0]), samples))
        for number, (spectrum, mask) in enumerate(zip(spectra, masks, strict=True)):
            masked = spectrum * mask[..., self.get_buffer(f"band{number}")] / len(self.windows)
            total = total + torch.istft(
                masked.transpose(1, 2), self.windows[number], self.hops[number],
                window=self.get_buffer(f"window{number}"), center=True, normalized=True, length=samples,
            )  # fmt: skip
        return total
