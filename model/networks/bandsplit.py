"""The bundled network: two resolutions, one hop, bands of growing width, recurrent in time, mixed over all bands.

It keeps two ideas of MRX (arXiv 2110.09958): several STFT resolutions with a common hop, each with its own masks
whose estimates are summed; and recurrent layers that see the whole spectrum. It adds the band splitting of
BSRNN (Luo and Yu, arXiv 2209.15174): one small LSTM, shared by all bands, runs along time inside each band. Every
frame costs a tenth of MRX's because the hop is 1024 samples instead of 256.

Why two resolutions: 8192 samples (5.4 Hz a bin) separate the partials of music below 2.5 kHz, where most of the
energy is; 2048 samples (46 ms) keep consonants and impacts sharp over the whole band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import SAMPLE_RATE, STEMS
from .recurrent import run_lstm
from .shares import Sharing

HOP = 1024
WINDOWS = (2048, 8192)
COARSE_LIMIT_HZ = 2500.0  # the long window is used below this frequency
BAND_SUMMARY = 12  # numbers of each band that all bands see
COMPRESSION = 0.3  # exponent of the magnitudes that the network sees, close to loudness


def band_edges(narrowest_hz: float = 86.2, ratio: float = 8.0, widest_hz: float = 1400.0) -> list[float]:
    """Edges in Hz from 0 to the Nyquist frequency; a band is max(narrowest, f / ratio) wide, widest at most.

    >>> edges = band_edges()
    >>> len(edges) - 1, edges[0], edges[-1]
    (39, 0.0, 22050.0)
    """
    edges, nyquist = [0.0], SAMPLE_RATE / 2
    while edges[-1] < nyquist:
        width = min(max(narrowest_hz, edges[-1] / ratio), widest_hz)
        edges.append(edges[-1] + width)
    edges[-1] = nyquist
    if edges[-1] - edges[-2] < widest_hz / 2:
        del edges[-2]
    return edges


def bins_of_bands(edges: Sequence[float], window: int, limit_hz: float) -> tuple[Tensor, Tensor, int]:
    """Find the bins of an STFT that belong to each band.

    Returns:
        gather `[bands, most]`: bin indices, padded with the number of bins (one past the last);
        scatter `[bins]`: position of each bin in the flattened `[bands * most]`; and the number of bins.

    Shape: every bin below `limit_hz` (every bin, if that is the Nyquist frequency) belongs to exactly one band.
    """
    step = SAMPLE_RATE / window
    bins = window // 2 + 1 if limit_hz >= SAMPLE_RATE / 2 else int(limit_hz / step)
    band_of = np.searchsorted(np.asarray(edges[1:-1]), (np.arange(bins) + 0.5) * step, side="right")
    members = [np.flatnonzero(band_of == band) for band in range(len(edges) - 1)]
    most = max(map(len, members))
    gather = np.full((len(members), most), bins, dtype=np.int64)
    scatter = np.zeros(bins, dtype=np.int64)
    for band, found in enumerate(members):
        gather[band, : len(found)] = found
        scatter[found] = band * most + np.arange(len(found))
    return torch.from_numpy(gather), torch.from_numpy(scatter), bins


def usual_magnitude(bins: int, window: int) -> Tensor:
    """Mean of the compressed magnitudes of each bin in scenes at -27 LUFS, fitted to measured ones within 20 %."""
    hz = torch.arange(bins, device="cpu") * (SAMPLE_RATE / window)
    return 0.4 * (1 + hz / 350) ** -0.3 * (1 + (hz / 14_000) ** 2) ** -0.8


class BandLinear(nn.Module):
    """A linear layer of its own for every band.

    Shape: `[..., bands, inputs]` -> `[..., bands, outputs]`
    """

    def __init__(self, bands: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(bands, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(bands, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[:-2]
        x = x.reshape(-1, *x.shape[-2:]).transpose(0, 1)
        y = torch.baddbmm(self.bias.to(x.dtype), x, self.weight.to(x.dtype)).transpose(0, 1)
        return y.reshape(*lead, *y.shape[-2:])


class Layer(nn.Module):
    """Time within each band, then the channels of each band, then all bands: along time in a summary of them, or,
    without an overview, along frequency as in BSRNN.

    Shape: `[frames, batch, bands, width]` -> the same. Frames come first because LSTMs want them so: in any other order
    every layer would copy its input four times.
    """

    def __init__(self, bands: int, width: int, hidden: int, overview: int) -> None:
        super().__init__()
        self.time_norm = nn.LayerNorm(width)
        self.time = nn.LSTM(width, hidden, bidirectional=True)
        self.time_out = nn.Linear(2 * hidden, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.has_overview = overview > 0
        if not self.has_overview:
            self.band_norm = nn.LayerNorm(width)
            self.band = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
            self.band_out = nn.Linear(2 * hidden, width)
            with torch.no_grad():
                for out in cast(tuple[nn.Linear, ...], (self.time_out, self.mlp[-1], self.band_out)):
                    out.weight.mul_(0.2)
            return
        self.overview_norm = nn.LayerNorm(width)
        # Each band says its part in a few numbers: a single layer over all bands and channels has so many inputs
        # that one step of Adam throws its output about.
        self.overview_band = BandLinear(bands, width, BAND_SUMMARY)
        self.overview_in = nn.Linear(bands * BAND_SUMMARY, overview)
        self.overview_mid = nn.LayerNorm(overview)  # or GELU would die
        self.overview = nn.LSTM(overview, overview // 2, bidirectional=True)
        self.overview_out = nn.Linear(2 * overview, bands * width)
        with torch.no_grad():  # begin close to the identity
            for out in cast(tuple[nn.Linear, ...], (self.time_out, self.mlp[-1], self.overview_out)):
                out.weight.mul_(0.2)

    def forward(self, x: Tensor) -> Tensor:
        frames, batch, bands, width = x.shape
        rows = self.time_norm(x).reshape(frames, batch * bands, width)
        x = x + self.time_out(run_lstm(self.time, rows)).reshape(x.shape)
        x = x + self.mlp(x)
        if not self.has_overview:
            rows = self.band_norm(x).reshape(frames * batch, bands, width)
            across: Tensor = self.band_out(run_lstm(self.band, rows))
            return x + across.reshape(x.shape)
        seen = F.gelu(self.overview_mid(self.overview_in(self.overview_band(self.overview_norm(x)).flatten(2))))
        seen = torch.cat([run_lstm(self.overview, seen), seen], dim=-1)
        mixed: Tensor = self.overview_out(seen)
        return x + mixed.reshape(x.shape)

    def begin_as_identity(self) -> None:
        """Add nothing, until training changes that."""
        with torch.no_grad():
            for out in (self.time_out, self.mlp[-1], self.overview_out if self.has_overview else self.band_out):
                for parameter in cast(nn.Linear, out).parameters():
                    parameter.zero_()


class StemDecoder(nn.Module):
    """Complex masks of one stem for every resolution, band by band.

    Shape: `[batch, frames, bands, width]` -> per resolution `[batch, frames, bins, 2]`
    """

    def __init__(self, bands: int, width: int, hidden: int, bins: Sequence[int]) -> None:
        super().__init__()
        self.sizes = [2 * size for size in bins]
        self.norm = nn.LayerNorm(width)
        self.inner = BandLinear(bands, width, hidden)
        self.outer = BandLinear(bands, hidden, sum(self.sizes))
        with torch.no_grad():  # begin with a third of the mixture, taken from the short window
            self.outer.weight.mul_(0.3)
            self.outer.bias[..., 0 : self.sizes[0] : 2] = 1 / 3

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        masks: Tensor = self.outer(torch.tanh(self.inner(self.norm(x))))
        return torch.split(masks.float(), self.sizes, dim=-1)


class BandSplit(Sharing):
    """Splits mono audio at 44.1 kHz into music, dialogue and effects.

    Shape: `[batch, samples]` -> `[batch, stems, samples]`; any number of samples from 1 on.

    Channels are rows of the batch. `stems` names the stems to compute; the others cost nothing.
    """

    stems: tuple[str, ...] = STEMS
    sample_rate = SAMPLE_RATE
    hop = HOP
    level_matched = True
    input_lufs = -27.0
    window_seconds = 24.0
    context_seconds = 0.75
    crossfade_seconds = 0.25
    batch_size = 2  # channels of windows at a time; 4 are no faster and take 300 MB more

    def __init__(
        self,
        width: int = 64,
        hidden: int = 64,
        layers: int = 4,
        overview: int | Sequence[int] = 160,
        mask_hidden: int = 80,
        residual: Sequence[float] = (0.0, 0.0, 0.0),
        windows: Sequence[int] = WINDOWS,
    ) -> None:
        """The sizes, the windows (a second one works below COARSE_LIMIT_HZ), and the shares of the stems (in `stems`
        order) in what all three masks leave of the mixture.

        With shares that sum to 1 the stems sum to the mixture. What no mask has claimed is mostly effects: they are
        the class without a common sound. Without an overview (0), an LSTM along frequency connects the bands; one
        number is for all layers, or each has its own.

        Raises:
            ValueError: the number of overviews is not that of the layers.
        """
        super().__init__()
        overviews = [overview] * layers if isinstance(overview, int) else list(overview)
        if len(overviews) != layers:
            raise ValueError(f"{layers} layers take {layers} overviews, not {len(overviews)}")
        self.residual = dict(zip(self.stems, residual, strict=True))
        self.config: dict[str, Any] = {
            "width": width, "hidden": hidden, "layers": layers,
            "overview": overview if isinstance(overview, int) else overviews, "mask_hidden": mask_hidden,
            "residual": list(residual), "windows": list(windows),
        }  # fmt: skip
        self.windows = tuple(windows)
        edges = band_edges()
        bands = len(edges) - 1
        self.bins: list[int] = []
        most = []
        for number, window in enumerate(self.windows):
            limit = SAMPLE_RATE / 2 if number == 0 else COARSE_LIMIT_HZ
            gather, scatter, bins = bins_of_bands(edges, window, limit)
            self.register_buffer(f"gather{number}", gather, persistent=False)
            self.register_buffer(f"scatter{number}", scatter, persistent=False)
            self.register_buffer(f"usual{number}", usual_magnitude(bins, window), persistent=False)
            self.register_buffer(f"window{number}", torch.hann_window(window, device="cpu").sqrt(), persistent=False)
            self.bins.append(bins)
            most.append(gather.shape[1])
        self.encoder = BandLinear(bands, 3 * sum(most), width)
        with torch.no_grad():  # most bands fill only some of the inputs
            for band in range(bands):
                filled = sum(int((getattr(self, f"gather{n}")[band] < b).sum()) for n, b in enumerate(self.bins))
                self.encoder.weight[band] *= (sum(most) / filled) ** 0.5
        self.layers = nn.ModuleList(Layer(bands, width, hidden, one) for one in overviews)
        self.decoders = nn.ModuleDict({stem: StemDecoder(bands, width, mask_hidden, most) for stem in self.stems})

    def spectra(self, x: Tensor) -> list[Tensor]:
        """STFT of every resolution, `[batch, frames, bins]` complex, frame n centred on sample n * hop."""
        found = []
        for number, window in enumerate(self.windows):
            shape: Tensor = getattr(self, f"window{number}")
            spectrum = torch.stft(
                x, window, HOP, window=shape, center=True, pad_mode="constant", normalized=True, return_complex=True
            )
            found.append(spectrum.transpose(1, 2))
        return found

    def features(self, spectra: Sequence[Tensor]) -> Tensor:
        """Compressed real part, imaginary part and magnitude of every bin, by band: `[batch, frames, bands, n]`."""
        parts = []
        for number, spectrum in enumerate(spectra):
            kept = spectrum[..., : self.bins[number]]
            usual: Tensor = getattr(self, f"usual{number}")
            magnitude = kept.abs().clamp_min(1e-5)
            compressed = magnitude**COMPRESSION / usual
            unit = 1.25 * compressed / magnitude
            # about zero mean and unit variance at -27 LUFS
            planes = torch.stack([kept.real * unit, kept.imag * unit, 1.8 * (compressed - 1)], dim=-1)
            planes = F.pad(planes, (0, 0, 0, 1))  # a bin of nothing pads the bands
            gather: Tensor = getattr(self, f"gather{number}")
            parts.append(planes[:, :, gather].flatten(-2))
        return torch.cat(parts, dim=-1)

    def hear(self, spectra: Sequence[Tensor]) -> Tensor:
        """Encode the spectra into what the masks are made of, `[batch, frames, bands, width]`."""
        hidden: Tensor = self.encoder(self.features(spectra)).transpose(0, 1).contiguous()
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden.transpose(0, 1).contiguous()

    def masks(self, stem: str, hidden: Tensor) -> list[Tensor]:
        """Complex masks of one stem for every resolution, `[batch, frames, bins]`."""
        found = []
        for number, masks in enumerate(self.decoders[stem](hidden)):
            scatter: Tensor = getattr(self, f"scatter{number}")
            found.append(torch.view_as_complex(masks.unflatten(-1, (-1, 2)).contiguous()).flatten(2)[..., scatter])
        return found

    def invert(self, spectra: Sequence[Tensor], masks: Sequence[Tensor], samples: int) -> Tensor:
        """The masked spectra of all resolutions, inverted and summed: `[batch, samples]`."""
        total = spectra[0].real.new_zeros((len(spectra[0]), samples))
        for number, (full, mask) in enumerate(zip(spectra, masks, strict=True)):
            bins = self.bins[number]
            masked = F.pad(full[..., :bins] * mask, (0, full.shape[-1] - bins)).transpose(1, 2)
            window: Tensor = getattr(self, f"window{number}")
            total = total + torch.istft(
                masked, self.windows[number], HOP, window=window, center=True, normalized=True, length=samples
            )
        return total
