"""MRX, the multi-resolution CrossNet of the Cocktail Fork paper (Petermann et al. 2022, arXiv 2110.09958).

Three short-time Fourier transforms of one hop see the mixture at once: short windows place a consonant in
time, long ones part the partials of a chord. Every resolution is encoded to the same width, and because the
hop is shared the three encodings can be averaged frame by frame. Parallel LSTMs read that mean in both
directions; from their mean and their input every stem gets one mask for every resolution, and the three
masked spectra of a stem are inverted and added up.

The state dict has the names and shapes of the authors' release (merlresearch/cocktail-fork-separation), so
that their checkpoints load unchanged; the code is our own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..stems import SAMPLE_RATE, STEMS, positions
from .recurrent import run_lstm

DROPOUT = 0.4  # between the layers of each LSTM, in training only


class MRX(nn.Module):
    """Separate mono sequences into stems.

    Channels of a film are so many sequences of the batch: the network never mixes them.

    Args:
        stems: names of the outputs, in order. There are as many parallel LSTMs as stems.
        windows: lengths of the Hann windows in samples, even.
        hop: common hop of all transforms in samples.
        hidden: width of the encodings, even; each LSTM has half of it in each direction.
        layers: layers of each LSTM.
        level_matched: whether stems come at the level they have in the mixture (trained with SNR) or at any
            level (trained with scale-invariant SNR). A remix needs the former.

    Shape:
        - Input: `[B, T]`, any `T >= 1`
        - Output: `[B, S, T]`, S being the stems asked for

    >>> network = MRX(windows=(64, 128), hop=32, hidden=8, layers=2).eval()
    >>> network(torch.zeros(2, 1000)).shape
    torch.Size([2, 3, 1000])
    >>> network(torch.zeros(2, 1000), stems=["dialogue"]).shape
    torch.Size([2, 1, 1000])
    """

    sample_rate = SAMPLE_RATE
    input_lufs = -27.0  # mean integrated loudness of Divide and Remaster's mixtures
    window_seconds = 12.0
    context_seconds = 1.0
    crossfade_seconds = 0.5
    batch_size = 4  # sequences; each takes some 30 MB of memory per second of window

    def __init__(
        self,
        stems: Sequence[str] = STEMS,
        windows: Sequence[int] = (1024, 2048, 8192),
        hop: int = 256,
        hidden: int = 512,
        layers: int = 3,
        level_matched: bool = True,
    ) -> None:
        super().__init__()
        if hidden % 2 or any(window % 2 for window in windows):
            raise ValueError(f"window lengths and width must be even, not {tuple(windows)} and {hidden}")
        self.stems = tuple(stems)
        self.windows = tuple(windows)
        self.hop = hop
        self.level_matched = level_matched
        self.config: dict[str, Any] = {
            "stems": list(stems),
            "windows": list(windows),
            "hop": hop,
            "hidden": hidden,
            "layers": layers,
            "level_matched": level_matched,
        }
        bins = [window // 2 + 1 for window in windows]
        self._encoders = nn.ModuleList(_Encoder(count, hidden) for count in bins)
        self._cross_net = _CrossNet(len(self.stems), hidden, layers)
        self._decoders = nn.ModuleList(nn.ModuleList(_Decoder(count, hidden) for count in bins) for _ in self.stems)
        for window in self.windows:
            # Not persistent: the authors' state dict has no windows.
            self.register_buffer(f"_hann_{window}", torch.hann_window(window, device="cpu"), persistent=False)

    def forward(self, x: Tensor, stems: Sequence[str] | None = None) -> Tensor:
        """Separate; decoders of stems that are not asked for are not run.

        Args:
            x: float tensor `[B, T]`.
            stems: names in the order wanted; None means all.

        Returns:
            float32 tensor `[B, S, T]`.

        Raises:
            ValueError: wrong number of dimensions, no samples, or an unknown stem.
        """
        chosen = positions(stems, self.stems)
        spectra, features, padded = self._hear(x)
        out = x.new_empty((x.shape[0], len(chosen), x.shape[-1]), dtype=torch.float32)
        for place, index in enumerate(chosen):
            masks = self._masks(index, features)
            parts = [
                self._istft(mask * spectrum, window, padded)
                for mask, spectrum, window in zip(masks, spectra, self.windows, strict=True)
            ]
            out[:, place] = torch.stack(parts).sum(dim=0)[:, : x.shape[-1]]
        return out

    def mix(self, x: Tensor, weights: Mapping[str, float]) -> Tensor:
        """Weighted sum of the stems, `[B, T]` -> float32 `[B, T]`: the masks are summed, then inverted once.

        Equal to the sum of `weights[stem] * forward(x, [stem])` but for rounding. Only stems with a weight are decoded.

        Raises:
            ValueError: as `forward`.
        """
        positions(tuple(weights), self.stems)
        factors = {self.stems.index(stem): weight for stem, weight in weights.items() if weight}
        if not factors:
            check(x)
            return torch.zeros_like(x, dtype=torch.float32)
        spectra, features, padded = self._hear(x)
        masks = [[weight * mask for mask in self._masks(index, features)] for index, weight in factors.items()]
        summed = [torch.stack(one).sum(dim=0) for one in zip(*masks, strict=True)]
        parts = [
            self._istft(mask * spectrum, window, padded)
            for mask, spectrum, window in zip(summed, spectra, self.windows, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)[:, : x.shape[-1]].float()

    def _hear(self, x: Tensor) -> tuple[list[Tensor], Tensor, int]:
        """Spectra, complex `[B, frames, bins]`; features `[B, frames, 2 * hidden]`; the length that they stand for."""
        check(x)
        # Reflection needs more samples than half the longest window: silence lengthens a shorter sequence.
        x = nn.functional.pad(x, (0, max(0, max(self.windows) // 2 + 1 - x.shape[-1])))
        spectra = [self._stft(x, window) for window in self.windows]
        encodings = [encode(spectrum.abs()) for encode, spectrum in zip(self._encoders, spectra, strict=True)]
        return spectra, self._cross_net(torch.stack(encodings).mean(dim=0)), x.shape[-1]

    def _masks(self, index: int, features: Tensor) -> list[Tensor]:
        """Masks of the stem of that number for every resolution, float32 `[B, frames, bins]`."""
        return [decoder(features).float() for decoder in cast(nn.ModuleList, self._decoders[index])]

    def _stft(self, x: Tensor, window: int) -> Tensor:
        """`[B, T]` -> complex `[B, frames, bins]`, divided by sqrt(window) as the authors do."""
        spectrum = torch.stft(
            x,
            window,
            self.hop,
            window=self.get_buffer(f"_hann_{window}").to(x.dtype),
            center=True,
            pad_mode="reflect",
            normalized=True,
            return_complex=True,
        )
        return spectrum.transpose(1, 2)

    def _istft(self, spectrum: Tensor, window: int, samples: int) -> Tensor:
        """Complex `[B, frames, bins]` -> `[B, samples]`."""
        return torch.istft(
            spectrum.transpose(1, 2),
            window,
            self.hop,
            window=self.get_buffer(f"_hann_{window}").to(spectrum.real.dtype),
            center=True,
            normalized=True,
            length=samples,
        )


def check(x: Tensor) -> None:
    if x.ndim != 2 or x.shape[-1] == 0:
        raise ValueError(f"MRX takes [sequences, samples] with at least one sample, not {tuple(x.shape)}")


class _Encoder(nn.Module):
    """Magnitudes `[B, frames, bins]` -> `[B, frames, hidden]`, between -1 and 1.

    The first normalization stands for the mean and variance of the data that the paper takes from the
    training set.
    """

    def __init__(self, bins: int, hidden: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.BatchNorm1d(bins),
            nn.Linear(bins, hidden, bias=False),
            nn.BatchNorm1d(hidden),
        )

    def forward(self, magnitudes: Tensor) -> Tensor:
        encoded: Tensor = self.layer(magnitudes.flatten(0, 1))
        return torch.tanh(encoded).view(*magnitudes.shape[:2], -1)


class _CrossNet(nn.Module):
    """The mean of parallel LSTMs behind their input: `[B, frames, hidden]` -> `[B, frames, 2 * hidden]`."""

    def __init__(self, branches: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.ModuleList(
            nn.LSTM(
                hidden,
                hidden // 2,
                layers,
                batch_first=True,
                bidirectional=True,
                dropout=DROPOUT if layers > 1 else 0.0,
            )
            for _ in range(branches)
        )

    def forward(self, mean: Tensor) -> Tensor:
        read = torch.stack([run_lstm(lstm, mean) for lstm in self.lstm]).mean(dim=0)
        return torch.cat([mean, read], dim=-1)


class _Decoder(nn.Module):
    """`[B, frames, 2 * hidden]` -> real mask `[B, frames, bins]`, from 0 upward and not limited to 1."""

    def __init__(self, bins: int, hidden: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Linear(2 * hidden, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, bins, bias=False),
            nn.BatchNorm1d(bins),
            nn.ReLU(),
        )

    def forward(self, features: Tensor) -> Tensor:
        mask: Tensor = self.block(features.flatten(0, 1))
        return mask.view(*features.shape[:2], -1)
