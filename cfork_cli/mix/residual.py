"""Stems that add up to the film exactly: where that goes which no stem took."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cfork_cli.media.samples import from_integers, to_integers


def settle(mixture: np.ndarray, stems: np.ndarray, takers: Sequence[int], bits: int | None) -> np.ndarray:
    """Stems that sum to the mixture in the very samples that are going to be written.

    In integers the sum is exact by construction, sample by sample: it equals the mixture rounded to as many bits (and
    cut at their full scale). What a stem cannot take, being at full scale already, the others take. In floats the sum
    differs from the mixture by at most half a unit in the last place of the stem that takes the rest (2^-24 of it).

    Shape:
        mixture `[channels, samples]`, stems `[stems, channels, samples]` -> the same as stems, float32

    Args:
        takers: the stems that take what is missing, by number; the last takes it first.
        bits: of the integers; None for floats.

    Raises:
        ValueError: there is no taker, or the shapes do not fit.

    >>> x = np.array([[0.7, 0.2]])
    >>> settle(x, np.array([[[0.5, 0.0]], [[0.1, 0.1]]]), [1], 16).sum(axis=0) * 2**15
    array([[22938.,  6554.]], dtype=float32)
    """
    if not takers or stems.shape[1:] != mixture.shape:
        raise ValueError(f"stems {stems.shape}, mixture {mixture.shape} and takers {list(takers)} do not fit together")
    if bits is None:
        settled = np.array(stems, np.float32)
        settled[takers[-1]] = 0.0
        settled[takers[-1]] = mixture.astype(np.float64) - settled.sum(axis=0, dtype=np.float64)
        return settled
    whole = to_integers(stems, bits)
    missing = to_integers(mixture, bits) - whole.sum(axis=0)
    full = 2 ** (bits - 1)
    order = [*reversed(takers), *(place for place in range(len(stems)) if place not in takers)]
    for place in order:
        if not missing.any():
            break
        taken = np.clip(whole[place] + missing, -full, full - 1)
        missing -= taken - whole[place]
        whole[place] = taken
    return from_integers(whole, bits)
