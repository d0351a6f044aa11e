"""Give each stem what comes from its place between left and right: a multichannel Wiener filter on a network's stems.

A network that hears one channel at a time knows nothing of where sounds stand. Voices stand in the middle, music is
wide, an effect comes from one side: of what reaches two microphones or loudspeakers, a covariance of the two channels
in each bin tells how a stem is spread. With these, and the powers that the network found, the filter gives every bin
of the sum of the stems to them anew. See Duong, Vincent and Gribonval, "Under-determined reverberant audio source
separation using a full-rank spatial covariance model", IEEE TASLP 18 (2010), and, with powers from a network, Nugraha,
Liutkus and Vincent, "Multichannel audio source separation with deep neural networks", IEEE/ACM TASLP 24 (2016).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .crew import one_thread
from .outcome import mixed

Audio = NDArray[np.float32]

FRAME = 4096  # samples: 93 ms at 44.1 kHz, over which what reaches the channels by way of a room is mostly heard
HOP = FRAME // 2
LEAST_SAMPLES = 16 * HOP  # of less, a covariance of two channels would be of the few frames that it is used for
DIFFUSE = 0.01
"""Part of each covariance that comes from everywhere: what a place says is not believed beyond that. 0.001 gives voices
0.02 dB more, and takes away more where it fails."""
NEIGHBORS = 1  # bins on either side that share a covariance
EXPONENT = 0.5
"""Of the powers. With powers themselves (1) the louder stem takes all of a bin; the network's estimates are not as sure
as that. Music and effects lose 0.7 to 1 dB by it, and with 0.5 they gain."""
WIDE = 1e-3
"""Power of the side in that of the middle, or the other way round, under which there is but one channel."""
BINS = 64  # at a time, so that they stay in the cache
FLOOR = 1e-7  # of a determinant, in the square of the trace: float32 has no more


def refined(stems: Audio, mixing: Audio | None = None, device: str | torch.device = "cpu") -> Audio:
    """Return the stems of a window of several channels, each with what comes from its place. Their sum stays.

    Where the channels say nothing, the stems come back as they are: nearly equal or opposite ones, one that is silent,
    less than `LEAST_SAMPLES`.

    Args:
        stems: float32 `[S, C, N]`; not changed.
        mixing: float32 `[K, S]`, the weight of each stem in each sum that is wanted; None means the stems themselves.
        device: where to compute.

    Shape: `[S, C, N] -> [K, C, N]`

    >>> left = np.sin(np.arange(50_000, dtype=np.float32) / 9)
    >>> right = np.sin(np.arange(50_000, dtype=np.float32) / 5)
    >>> leaking = np.stack([[left, 0.2 * right], [0 * left, 0.8 * right]]).astype(np.float32)
    >>> found = refined(leaking)
    >>> bool(np.allclose(found.sum(0), leaking.sum(0), atol=1e-4)), bool(np.std(found[0, 1]) < np.std(leaking[0, 1]))
    (True, True)
    """
    if len(stems) < 2 or stems.shape[-1] < LEAST_SAMPLES or not _is_wide(stems):
        return stems if mixing is None else mixed(stems, mixing)
    count, channels, samples = stems.shape
    wanted = torch.eye(count) if mixing is None else torch.from_numpy(mixing)
    with one_thread(), torch.inference_mode():
        window = torch.hann_window(FRAME, device=device).sqrt()
        shape = count, channels, FRAME // 2 + 1, samples // HOP + 1
        spectra = torch.empty(shape, dtype=torch.complex64, device=device)
        # Stem by stem: the frames of all at once would take four times the memory of their spectra.
        for own, stem in zip(spectra, stems, strict=True):
            sound = torch.from_numpy(stem).to(device)
            own.copy_(torch.stft(sound, FRAME, HOP, window=window, pad_mode="constant", return_complex=True))
        _filter(spectra, wanted.to(spectra.device))
        found = np.empty((len(wanted), channels, samples), np.float32)
        for own, sum_ in zip(spectra, found, strict=False):
            sum_[:] = torch.istft(own, FRAME, HOP, window=window, length=samples).cpu().numpy()
    return found


def _is_wide(stems: Audio) -> bool:
    """Whether two channels `[S, 2, N]` hold more than one, their sum or their difference."""
    left, right = stems.sum(0)
    powers = np.vdot(left, left), np.vdot(right, right)
    both = float(sum(powers))
    middle = both / 2 + float(np.vdot(left, right))
    return min(*map(float, powers), middle, both - middle) > WIDE * both


def _filter(spectra: Tensor, mixing: Tensor) -> None:
    """Filter the spectra of stems, complex `[S, 2, bins, frames]`. The sums that are wanted take the first places."""
    amplitudes, (left, right, cross) = _places(spectra)
    count = len(mixing)
    shares, mixing = mixing.mean(1), mixing.to(spectra.dtype)  # shares: of what is in no stem
    for at in range(0, spectra.shape[2], BINS):
        bins = slice(at, at + BINS)
        one, own = spectra[:, :, bins], amplitudes[:, bins]
        a, b, c = (part[:, bins, None] for part in (left, right, cross))
        # the covariance of the sum in every bin, and the sum through its inverse
        whole_a, whole_b, whole_c = ((own * part).sum(0) for part in (a, b, c))
        trace = whole_a + whole_b
        inverse = (whole_a * whole_b - _power(whole_c) + FLOOR * trace.square()).clamp_min_(1e-30).reciprocal_()
        x, y = one.sum(0)
        u = (whole_b * x - whole_c * y) * inverse
        v = (whole_a * y - whole_c.conj() * x) * inverse
        for place, mixture, row in zip((0, 1), (x, y), ((a, c), (c.conj(), b)), strict=True):
            stems = own * (row[0] * u + row[1] * v)
            rest = mixture - stems.sum(0)  # by rounding alone, but where a covariance has no inverse
            one[:count, place] = torch.einsum("ks,sft->kft", mixing, stems)
            one[:count, place] += shares[:, None, None] * rest


def _places(spectra: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Return the amplitude of each bin `[S, bins, frames]`, and each stem's covariance in each bin.

    The covariance of a stem is `[[left, cross], [conj(cross), right]]`, of trace 2, `[S, bins]` each.
    """
    first, second = spectra[:, 0], spectra[:, 1]
    powers, other = _power(first), _power(second)
    cross = torch.einsum("sft,sft->sf", first, second.conj())
    left, right, real, imaginary = (_smoothed(one) for one in (powers.sum(-1), other.sum(-1), cross.real, cross.imag))
    scale = (1 - DIFFUSE) * 2 / (left + right).clamp_min(1e-20)
    covariance = left * scale + DIFFUSE, right * scale + DIFFUSE, torch.complex(real * scale, imaginary * scale)
    return powers.add_(other).pow_(EXPONENT), covariance


def _power(spectra: Tensor) -> Tensor:
    """Return the squares of magnitudes."""
    return spectra.real.square() + spectra.imag.square()


def _smoothed(values: Tensor) -> Tensor:
    """Return means over neighboring bins: `[S, bins] -> [S, bins]`."""
    padded = F.pad(values[:, None], (NEIGHBORS, NEIGHBORS), mode="replicate")
    return F.avg_pool1d(padded, 2 * NEIGHBORS + 1, 1)[:, 0]
