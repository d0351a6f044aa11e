"""The bundled network for inference on a CPU: the same sums in another order, within 1e-5 of the largest sample.

One sequence at a time: its recurrent layers have 39 rows, one for each band, which fills the processor as a batch
would, and all that lies between them passes in pieces of some frames that stay in the cache. Each band reads and
writes its own slice of the bins, as wide as it is, instead of tables with room for the widest.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.bandsplit import COMPRESSION, HOP, BandSplit, Layer, StemDecoder
from ..networks.shares import before_sharing
from ..stems import positions
from .prepared import Prepared
from .transform import Transform, power

FRAMES = 64  # at a time within a layer; with 39 bands of 64 channels, 640 KB
OUTER_FRAMES = 128  # at a time before and after the layers, where products are small and calls count
QUIETEST = 1e-10  # square of the magnitude that `BandSplit.features` takes for silence


class FastBandSplit(Prepared):
    """Computes what a `BandSplit` does, without gradients; the weights are copies.

    Args:
        network: on the CPU.
        dtype: of matrix products and LSTMs of the layers, float32 or bfloat16; all else is float32.
    """

    batch_size = BandSplit.batch_size

    def __init__(self, network: BandSplit, dtype: torch.dtype) -> None:
        super().__init__(network, dtype)
        self.residual = dict(network.residual)
        windows = range(len(network.windows))
        self._transforms = [Transform(network.get_buffer(f"window{n}"), HOP, "constant") for n in windows]
        self._bins = list(network.bins)
        usual = [network.get_buffer(f"usual{number}") for number in windows]
        self._usual = [one.reciprocal() for one in usual]
        # bins of each band, for each resolution: first and last (not included), and where the padded ones begin
        self._slices: list[list[tuple[int, int]]] = []
        most = []
        for number, bins in enumerate(self._bins):
            gather = network.get_buffer(f"gather{number}")
            counts = (gather < bins).sum(1).tolist()
            starts = [sum(counts[:band]) for band in range(len(counts))]
            self._slices.append([(start, start + count) for start, count in zip(starts, counts, strict=True)])
            most.append(gather.shape[1])
        self._encoder = self._split_encoder(network, most)
        self._encoder_bias = network.encoder.bias.detach()[:, 0].float()
        self.layers = nn.ModuleList(_FastLayer(cast(Layer, layer), dtype) for layer in network.layers)
        self._decoders = {
            stem: self._read_decoder(cast(StemDecoder, network.decoders[stem]), most) for stem in self.stems
        }
        self.freeze()

    def _split_encoder(self, network: BandSplit, most: Sequence[int]) -> list[list[Tensor]]:
        """The rows of each band's encoder that belong to its own bins, for each resolution: `[3 * bins, width]`."""
        found, offset = [], 0
        for slices, size in zip(self._slices, most, strict=True):
            weights = network.encoder.weight.detach()
            found.append([
                weights[band, offset : offset + 3 * (last - first)].clone()
                for band, (first, last) in enumerate(slices)
            ])  # fmt: skip
            offset += 3 * size
        return found

    def _read_decoder(
        self, decoder: StemDecoder, most: Sequence[int]
    ) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """Inner weight and bias, the normalization's scales folded in; for each band and resolution, the outer ones."""
        norm, inner, outer = decoder.norm, decoder.inner, decoder.outer
        weight = inner.weight.detach().double()
        bias = inner.bias.detach().double() + (norm.bias.detach().double() @ weight)[:, None]
        weight = weight * norm.weight.detach().double()[:, None]
        parts, offset = [], 0
        for slices, size in zip(self._slices, most, strict=True):
            for band, (first, last) in enumerate(slices):
                kept = slice(offset, offset + 2 * (last - first))
                parts.append((outer.weight.detach()[band, :, kept].clone(), outer.bias.detach()[band, :, kept].clone()))
            offset += 2 * size
        return weight, bias, parts

    def forward(self, x: Tensor, stems: Sequence[str] | None = None) -> Tensor:
        """As `BandSplit.forward`."""
        wanted = tuple(self.stems[index] for index in positions(stems, self.stems))
        shared = any(self.residual[stem] for stem in wanted)
        chosen = self.stems if shared else wanted
        heads = [_Head([self._decoders[stem]], [1.0]) for stem in chosen]
        out = x.new_empty(len(x), len(wanted), x.shape[-1], dtype=torch.float32)
        places = [chosen.index(stem) for stem in wanted]
        factors = torch.tensor([self.residual[stem] for stem in wanted])
        for row, sound in zip(out, x, strict=True):
            found = self._run(sound, heads)
            torch.index_select(found, 0, torch.tensor(places), out=row)
            if shared:
                row.addcmul_(factors[:, None], sound - found.sum(0))
        return out

    def mix(self, x: Tensor, weights: Mapping[str, float]) -> Tensor:
        """As `BandSplit.mix`."""
        positions(tuple(weights), self.stems)
        own, whole = before_sharing(weights, self.residual)
        if not own:
            return whole * x.float()
        head = _Head([self._decoders[stem] for stem in own], list(own.values()))
        return torch.stack([self._run(sound, [head])[0].add_(sound, alpha=whole) for sound in x])

    def _run(self, x: Tensor, heads: Sequence[_Head]) -> Tensor:
        """Apply the masks of each head to one sequence: `[T]` -> `[heads, T]`."""
        samples = len(x)
        x = F.pad(x[None], (0, -samples % HOP))
        frames = x.shape[-1] // HOP + 1
        spectra, hidden = self._encode(x, frames)
        for layer in self.layers:
            cast(_FastLayer, layer)(hidden)
        return self._decode(spectra, hidden, heads)[:, :samples]

    def _encode(self, x: Tensor, frames: int) -> tuple[list[Tensor], Tensor]:
        """The spectra below the limits `[frames, bins]`, and `[frames, bands, width]`."""
        hidden = self._encoder_bias.expand(frames, -1, -1).contiguous()
        spectra = []
        for transform, bins, usual, slices, weights in zip(
            self._transforms, self._bins, self._usual, self._slices, self._encoder, strict=True
        ):
            padded = transform.pad(x)
            kept = torch.empty(frames, bins, dtype=torch.complex64)
            spectra.append(kept)
            for at in range(0, frames, OUTER_FRAMES):
                spectrum = kept[at : at + OUTER_FRAMES]
                spectrum.copy_(transform.spectra(padded, at, min(at + OUTER_FRAMES, frames))[:, 0, :bins])
                planes = _planes(spectrum, usual)
                for band, ((first, last), weight) in enumerate(zip(slices, weights, strict=True)):
                    if last > first:
                        hidden[at : at + OUTER_FRAMES, band] += planes[:, 3 * first : 3 * last] @ weight
        return spectra, hidden

    def _decode(self, spectra: Sequence[Tensor], hidden: Tensor, heads: Sequence[_Head]) -> Tensor:
        """`[heads, samples]`, a whole number of hops."""
        frames, bands, width = hidden.shape
        samples = (frames - 1) * HOP
        totals = [transform.silence(len(heads), frames) for transform in self._transforms]
        for at in range(0, frames, OUTER_FRAMES):
            x = F.layer_norm(hidden[at : at + OUTER_FRAMES], (width,)).transpose(0, 1)
            for place, head in enumerate(heads):
                inner = torch.tanh(torch.baddbmm(head.inner_bias, x, head.inner))
                for number, (transform, spectrum, total) in enumerate(
                    zip(self._transforms, spectra, totals, strict=True)
                ):
                    part = spectrum[at : at + OUTER_FRAMES]
                    mask = torch.empty(len(part), 2 * part.shape[1])
                    for band, (first, last) in enumerate(self._slices[number]):
                        if last > first:
                            weight, bias = head.outer[number * bands + band]
                            torch.addmm(bias, inner[band], weight, out=mask[:, 2 * first : 2 * last])
                    masked = torch.view_as_complex(mask.view(len(part), -1, 2)).mul_(part)
                    transform.add(total[place : place + 1], masked[:, None], at)
        return torch.stack([t.finish(total, samples) for t, total in zip(self._transforms, totals, strict=True)]).sum(0)


class _Head:
    """The decoders of some stems side by side, whose weighted masks come out summed."""

    def __init__(
        self, decoders: Sequence[tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]], weights: Sequence[float]
    ) -> None:
        inner, bias, outer = zip(*decoders, strict=True)
        self.inner = torch.cat(inner, dim=-1).float()
        self.inner_bias = torch.cat(bias, dim=-1).float()
        self.outer = []
        for parts in zip(*outer, strict=True):
            weight = torch.cat([one * factor for (one, _), factor in zip(parts, weights, strict=True)])
            shift = torch.stack([one * factor for (_, one), factor in zip(parts, weights, strict=True)]).sum(0)
            self.outer.append((weight, shift))


def _planes(spectrum: Tensor, reciprocal: Tensor) -> Tensor:
    """As `BandSplit.features` before it is cut into bands: complex `[frames, bins]` -> `[frames, 3 * bins]`."""
    parts = torch.view_as_real(spectrum)
    energy = power(spectrum).clamp_min_(QUIETEST)
    compressed = energy.pow(COMPRESSION / 2).mul_(reciprocal)
    planes = torch.empty(*spectrum.shape, 3)
    torch.mul(parts, energy.rsqrt_().mul_(compressed).mul_(1.25)[..., None], out=planes[..., :2])
    torch.sub(compressed, 1, out=planes[..., 2])
    planes[..., 2] *= 1.8
    return planes.flatten(1)


class _FastLayer(nn.Module):
    """A `Layer` of one sequence, in place: `[frames, bands, width]`."""

    def __init__(self, layer: Layer, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.layer = copy.deepcopy(layer)
        for part in self.layer.modules():
            if isinstance(part, nn.LSTM):
                part.batch_first = False
        if dtype != torch.float32:
            for part in self.layer.modules():
                if not isinstance(part, nn.LayerNorm):
                    for name, parameter in list(part.named_parameters(recurse=False)):
                        setattr(part, name, nn.Parameter(parameter.to(dtype), requires_grad=False))

    def forward(self, x: Tensor) -> None:
        layer, dtype = self.layer, self.dtype
        frames, bands, width = x.shape
        rows = torch.empty(x.shape, dtype=dtype)
        for at in range(0, frames, FRAMES):
            rows[at : at + FRAMES] = layer.time_norm(x[at : at + FRAMES])
        read = layer.time(rows)[0]
        seen = []
        for at in range(0, frames, FRAMES):
            part = x[at : at + FRAMES]
            part += layer.time_out(read[at : at + FRAMES])
            norm, wide, gelu, narrow = layer.mlp
            part += narrow(gelu(wide(norm(part).to(dtype))))
            if layer.has_overview:
                summary = layer.overview_in(layer.overview_band(layer.overview_norm(part).to(dtype)).flatten(1))
                seen.append(F.gelu(layer.overview_mid(summary.float())))
            else:
                across = layer.band(layer.band_norm(part).to(dtype).transpose(0, 1))[0]
                part += layer.band_out(across).transpose(0, 1)
        if layer.has_overview:
            whole = torch.cat(seen)[:, None].to(dtype)
            whole = torch.cat([layer.overview(whole)[0], whole], dim=-1)[:, 0]
            for at in range(0, frames, FRAMES):
                x[at : at + FRAMES] += layer.overview_out(whole[at : at + FRAMES]).view(-1, bands, width)
