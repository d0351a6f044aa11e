"""Share out among the stems what no mask claims of the mixture; with shares that sum to 1 the stems sum to it.

`Sharing` is the base of networks with masks and such shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..stems import positions


def share_out(
    estimates: Mapping[str, Tensor], x: Tensor, shares: Mapping[str, float], wanted: Sequence[str]
) -> dict[str, Tensor]:
    """Each wanted estimate with its share of what is left of the mixture.

    Args:
        estimates: of all stems that have a name in `shares`.
        x: the mixture.

    Shape: all tensors `[..., T]`
    """
    left = x - sum(estimates.values())
    return {stem: estimates[stem] + shares[stem] * left for stem in wanted}


def before_sharing(weights: Mapping[str, float], shares: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """Weights of the estimates, and of the mixture, that give the weighted sum of the stems after `share_out`.

    With estimates e, shares r and weights w: `sum w (e + r (x - sum e)) = sum (w - R) e + R x` with `R = sum w r`.
    Estimates that contribute nothing are left out. The stems keep the order of `shares`.

    >>> before_sharing({"voice": 2.0}, {"voice": 0.25, "rest": 0.75})
    ({'voice': 1.5, 'rest': -0.5}, 0.5)
    >>> before_sharing({"voice": 2.0, "rest": 0.0}, {"voice": 0.0, "rest": 1.0})
    ({'voice': 2.0}, 0.0)
    """
    whole = sum(weight * shares[stem] for stem, weight in weights.items())
    own = {stem: weights.get(stem, 0.0) - whole for stem in shares}
    return {stem: weight for stem, weight in own.items() if weight}, whole


class Sharing(nn.Module):
    """A network that makes masks of spectra, and shares out what they leave. Mono sequences in, stems out.

    Subclasses implement what is below `mix`, and:
        stems: names of the outputs, in order.
        hop: sequences are filled up with silence to a multiple of it.
        residual: the share of each stem.
    """

    stems: tuple[str, ...]
    hop: int
    residual: dict[str, float]

    def forward(self, x: Tensor, stems: Sequence[str] | None = None) -> Tensor:
        samples = x.shape[-1]
        x = F.pad(x, (0, -samples % self.hop))
        spectra = self.spectra(x)
        hidden = self.hear(spectra)
        wanted = tuple(self.stems[index] for index in positions(stems, self.stems))
        shared = any(self.residual[stem] for stem in wanted)
        chosen = self.stems if shared else wanted
        found = {stem: self.invert(spectra, self.masks(stem, hidden), x.shape[-1]) for stem in chosen}
        if shared:
            found = share_out(found, x, self.residual, wanted)
        return torch.stack([found[stem][..., :samples] for stem in wanted], dim=1)

    def mix(self, x: Tensor, weights: Mapping[str, float]) -> Tensor:
        """Weighted sum of the stems, `[batch, samples]` -> the same: the masks are summed, then inverted once.

        Equal to the sum of `weights[stem] * forward(x, [stem])` but for rounding; stems without a weight add nothing.

        Raises:
            ValueError: an unknown stem.
        """
        positions(tuple(weights), self.stems)
        samples = x.shape[-1]
        own, whole = before_sharing(weights, self.residual)
        if not own:
            return whole * x
        padded = F.pad(x, (0, -samples % self.hop))
        spectra = self.spectra(padded)
        hidden = self.hear(spectra)
        masks = [[weight * mask for mask in self.masks(stem, hidden)] for stem, weight in own.items()]
        summed = [torch.stack(one).sum(0) for one in zip(*masks, strict=True)]
        return self.invert(spectra, summed, padded.shape[-1])[..., :samples] + whole * x

    def spectra(self, x: Tensor) -> list[Tensor]:
        """STFT of every resolution, complex `[batch, frames, bins]`, frame n centred on sample n * hop."""
        raise NotImplementedError

    def hear(self, spectra: Sequence[Tensor]) -> Tensor:
        """Encode the spectra into what the masks are made of."""
        raise NotImplementedError

    def masks(self, stem: str, hidden: Tensor) -> list[Tensor]:
        """Masks of one stem for every resolution."""
        raise NotImplementedError

    def invert(self, spectra: Sequence[Tensor], masks: Sequence[Tensor], samples: int) -> Tensor:
        """The masked spectra of all resolutions, inverted and summed: `[batch, samples]`."""
        raise NotImplementedError
