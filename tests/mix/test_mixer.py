"""Mixers say what they need, and do what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from cfork_cli.mix.mixer import GainMixer, Mixer, StemMixer

ORDER = ("music", "dialogue", "effects")
RNG = np.random.default_rng(3)
STEMS = (RNG.standard_normal((3, 2, 500)) * 0.1).astype(np.float32)
MIXTURE = (STEMS.sum(axis=0) + RNG.standard_normal((2, 500)) * 0.01).astype(np.float32)


def given(mixer: Mixer) -> np.ndarray:
    """What the separator hands to a mixer: the stems it needs, or their weighted sum."""
    stems = STEMS[[ORDER.index(stem) for stem in mixer.stems]]
    if mixer.weights is None:
        return stems
    weighted = np.tensordot(np.array(mixer.weights, np.float32), stems, 1)
    return weighted[None] if mixer.stems else np.zeros((0, *MIXTURE.shape), np.float32)


@pytest.mark.parametrize(
    "gains_db",
    [{"music": -10.0, "dialogue": 6.0, "effects": 0.0}, {"music": -math.inf, "dialogue": 0.0, "effects": 3.0}],
)
def test_new_levels(gains_db: dict[str, float]) -> None:
    mixer = GainMixer(gains_db, ORDER)
    assert mixer.stems == tuple(stem for stem in ORDER if gains_db[stem])
    factors = np.array([10 ** (gains_db[stem] / 20) - 1 for stem in ORDER])
    (found,) = mixer.mix(MIXTURE, given(mixer))
    np.testing.assert_allclose(found, MIXTURE + np.tensordot(factors, STEMS.astype(np.float64), 1), atol=1e-6)


def test_all_at_0_db_is_the_films_own_memory() -> None:
    """No network, no copy, and whatever precision the film has: 64 bits pass."""
    mixer = GainMixer(dict.fromkeys(ORDER, 0.0), ORDER)
    assert (mixer.stems, mixer.weights) == ((), ())
    wide = MIXTURE.astype(np.float64) * 1.000000001
    (found,) = mixer.mix(wide, np.zeros((0, *wide.shape), np.float32))
    assert np.shares_memory(found, wide)
    assert found.dtype == np.float64


def test_stems_as_they_are() -> None:
    mixer = StemMixer(("dialogue", "music"))
    assert (mixer.stems, mixer.weights) == (("dialogue", "music"), None)
    assert np.array_equal(mixer.mix(MIXTURE, given(mixer)), STEMS[[1, 0]])


def share(mixture: np.ndarray, stems: np.ndarray, takers: Sequence[int]) -> np.ndarray:
    shared = stems.copy()
    shared[list(takers)] += (mixture - stems.sum(axis=0)) / len(takers)
    return shared


@pytest.mark.parametrize("bits", [None, 16, 24])
@pytest.mark.parametrize("takers", [(0,), (0, 2), (3,)])
def test_sounds_add_up_to_the_mixture(bits: int | None, takers: tuple[int, ...]) -> None:
    mixer = StemMixer(ORDER, mixture=True, takers=takers, bits=bits, share=share)
    sounds = mixer.mix(MIXTURE, STEMS)
    assert len(sounds) == 1 + 3 + (3 in takers)
    assert np.array_equal(sounds[0], MIXTURE)
    full = 2.0 ** ((bits or 24) - 1)
    whole = MIXTURE if bits is None else np.rint(MIXTURE.astype(np.float64) * full) / full
    np.testing.assert_allclose(sounds[1:].sum(axis=0, dtype=np.float64), whole, atol=1e-7 if bits is None else 1e-12)
    for number in set(range(3)) - set(takers):
        np.testing.assert_allclose(sounds[1 + number], STEMS[number], atol=0.5 / full)


def test_what_is_cut_is_counted() -> None:
    mixer = StemMixer(ORDER, cuts=True)
    loud = STEMS.copy()
    loud[1, 0, :3] = 1.5
    mixer.mix(MIXTURE, loud)
    mixer.mix(MIXTURE, loud)
    assert mixer.notes() == ("6 samples were over full scale and were cut: use float32 WAV",)
    silent = StemMixer(ORDER)
    silent.mix(MIXTURE, loud)
    assert silent.notes() == ()
