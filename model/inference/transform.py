"""Short-time Fourier transforms in chunks that stay in the cache, equal to `torch.stft` and `torch.istft`.

`torch.stft` of an hour's window writes every sample `window / hop` times before the first Fourier transform is taken;
at 8192 samples and a hop of 256 that is 32 copies of the sound, and as much again on the way back. Here a few frames
at a time are cut, transformed, changed and added up again before the next ones are touched.

Frames come first in all shapes, because recurrent layers read `[frames, batch, ...]` without a copy.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK_BYTES = 1 << 19  # of frames at a time; their spectra take as much, and a core's cache is 1 MB or so


def power(spectrum: Tensor) -> Tensor:
    """Squared magnitudes of complex numbers; their root takes less than half of the time of `abs`, which minds numbers
    whose squares would overflow."""
    parts = torch.view_as_real(spectrum)
    real, imaginary = parts[..., 0], parts[..., 1]
    return (real * real).addcmul_(imaginary, imaginary)


class Transform:
    """A centred STFT, divided by sqrt(window), and its least-squares inverse.

    Definition: `torch.stft(x, W, hop, window=window, center=True, pad_mode=..., normalized=True)`, and `torch.istft` of
    the same settings with `length`.

    Args:
        window: float32 `[W]`, W even.
        hop: samples, W / 2 at most.
        pad_mode: "reflect" (takes more than W / 2 samples) or "constant".

    Shape: x `[B, T]` <-> complex `[frames, B, W / 2 + 1]` with `frames = T // hop + 1`

    >>> transform = Transform(torch.hann_window(8), 4, "constant")
    >>> x = torch.randn(2, 99)
    >>> spectrum = transform.forward(x)
    >>> spectrum.shape
    torch.Size([25, 2, 5])
    >>> torch.allclose(transform.inverse(spectrum, 99), x, atol=1e-5)
    True
    """

    def __init__(self, window: Tensor, hop: int, pad_mode: str) -> None:
        self.length = len(window)
        if self.length % 2 or not 0 < hop <= self.length // 2:
            raise ValueError(f"a window of {self.length} samples must be even, with a hop of half of it at most: {hop}")
        self.hop = hop
        self.pad_mode = pad_mode
        self.bins = self.length // 2 + 1
        scale = self.length**0.5
        self._analysis = window.detach().float() / scale
        self._synthesis = window.detach().float() * scale
        self._square = window.detach().float().square()
        self._last_envelope: tuple[int, Tensor] | None = None

    def frames(self, samples: int) -> int:
        """Number of frames of so many samples."""
        return samples // self.hop + 1

    def chunk(self, batch: int) -> int:
        """Frames at a time that stay in the cache."""
        return max(1, CHUNK_BYTES // (4 * self.length * batch))

    def pad(self, x: Tensor) -> Tensor:
        """`[B, T]` -> `[B, T + W]`, what `spectra` takes."""
        half = self.length // 2
        return F.pad(x[:, None].float(), (half, half), mode=self.pad_mode)[:, 0].contiguous()

    def spectra(self, padded: Tensor, first: int, last: int) -> Tensor:
        """Frames `first` to `last` (not included) of a padded sound: complex `[last - first, B, bins]`."""
        batch, row = padded.shape
        start = padded.storage_offset() + first * self.hop
        frames = padded.as_strided((last - first, batch, self.length), (self.hop, row, 1), start)
        found: Tensor = torch.fft.rfft(frames * self._analysis)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """`[B, T]` -> complex `[frames, B, bins]`."""
        padded, count, step = self.pad(x), self.frames(x.shape[-1]), self.chunk(len(x))
        return torch.cat([self.spectra(padded, at, min(at + step, count)) for at in range(0, count, step)])

    def silence(self, batch: int, frames: int) -> Tensor:
        """Return zeros to which `add` adds the frames: `[B, (frames - 1) * hop + W]`."""
        return torch.zeros(batch, (frames - 1) * self.hop + self.length, device=self._square.device)

    def add(self, total: Tensor, spectrum: Tensor, first: int) -> None:
        """Add frames to the sum, in place.

        Args:
            total: from `silence`.
            spectrum: complex `[n, B, bins]`; bins that are missing at the upper end are zero.
            first: number of the first of these frames.
        """
        sound = torch.fft.irfft(spectrum, n=self.length).mul_(self._synthesis)
        self._overlap(total, sound, first)

    def _overlap(self, total: Tensor, sound: Tensor, first: int) -> None:
        """Add `[n, B, W]` to the sum: hop by hop, or frame by frame, whichever takes fewer steps."""
        hops = self.length // self.hop
        if self.length % self.hop == 0 and hops < len(sound):
            rows = total.view(len(total), -1, self.hop)
            for number, part in enumerate(torch.split(sound.transpose(0, 1), self.hop, dim=-1)):
                rows[:, first + number : first + number + len(sound)] += part
        else:
            for number, frame in enumerate(sound, first):
                total[:, number * self.hop : number * self.hop + self.length] += frame

    def finish(self, total: Tensor, samples: int) -> Tensor:
        """The sum, divided by that of the squared windows: `[B, samples]`, which is a view into `total`."""
        half = self.length // 2
        frames = (total.shape[-1] - self.length) // self.hop + 1
        kept = total[:, half : half + samples]
        return kept.mul_(self._reciprocal(frames)[half : half + samples])

    def inverse(self, spectrum: Tensor, samples: int) -> Tensor:
        """Complex `[frames, B, bins]` -> `[B, samples]`."""
        count, batch = spectrum.shape[:2]
        total, step = self.silence(batch, count), self.chunk(batch)
        for at in range(0, count, step):
            self.add(total, spectrum[at : at + step], at)
        return self.finish(total, samples)

    def _reciprocal(self, frames: int) -> Tensor:
        """1 / the sum of the squared windows of so many frames. Kept, because windows of a film are equally long."""
        last = self._last_envelope
        if last is None or last[0] != frames:
            total = self.silence(1, frames)
            # a frame at a time is slow, but that of a chunk is shared by all of its frames
            for at in range(0, frames, 64):
                count = min(64, frames - at)
                self._overlap(total, self._square.expand(count, 1, -1), at)
            last = frames, total[0].clamp_min_(1e-11).reciprocal_()
            self._last_envelope = last
        return last[1]
