"""Gains are what they say; 0 dB is nothing at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cfork_cli.errors import UsageError
from cfork_cli.mix import check_gain_db, parse_gain_db, remix

RNG = np.random.default_rng(0)
STEMS = RNG.standard_normal((3, 2, 1000)).astype(np.float32) * 0.1
MIXTURE = STEMS.sum(axis=0) + RNG.standard_normal((2, 1000)).astype(np.float32) * 0.01


@pytest.mark.parametrize(
    ("text", "gain_db"),
    [
        ("6", 6), ("+6", 6), ("-10", -10), ("0", 0), ("-0", 0), ("24", 24), ("2.5 dB", 2.5), ("-3db", -3),
        ("mute", -math.inf), ("MUTE", -math.inf), ("-inf", -math.inf), ("-infinity", -math.inf), ("\u221210", -10),
        (" 1e1 ", 10), ("-120", -120),
    ],
)  # fmt: skip
def test_gains_that_are_read(text: str, gain_db: float) -> None:
    assert parse_gain_db(text) == gain_db
    assert math.copysign(1, parse_gain_db("-0")) == 1


@pytest.mark.parametrize("text", ["24.01", "inf", "+inf", "nan", "loud", "", "6 7", "--6", "1e999", "dB", "0x10"])
def test_gains_that_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"from -inf \(mute\) to \+24"):
        parse_gain_db(text)


@pytest.mark.parametrize("gain_db", [24.5, math.inf, math.nan])
def test_numbers_that_are_refused(gain_db: float) -> None:
    with pytest.raises(UsageError):
        check_gain_db(gain_db)


def test_all_zero_is_bit_exact_whatever_the_stems() -> None:
    spoiled = STEMS.copy()
    spoiled[0] = np.nan
    spoiled[1] = np.inf
    remixed = remix(MIXTURE, spoiled, [0, 0, -0.0])
    assert remixed.tobytes() == MIXTURE.tobytes()
    assert remixed is not MIXTURE


def test_a_stem_at_0_db_contributes_nothing() -> None:
    spoiled = STEMS.copy()
    spoiled[1] = np.nan
    assert remix(MIXTURE, spoiled, [6, 0, -6]).tobytes() == remix(MIXTURE, STEMS, [6, 0, -6]).tobytes()


def test_the_formula() -> None:
    gains_db = [6.0, -10.0, -math.inf]
    factors = np.array([10 ** (gain / 20) - 1 for gain in gains_db])
    expected = MIXTURE.astype(np.float64) + np.tensordot(factors, STEMS.astype(np.float64), 1)
    remixed = remix(MIXTURE, STEMS, gains_db)
    assert remixed.dtype == np.float32
    np.testing.assert_allclose(remixed, expected, atol=1e-6)


def test_mute_takes_the_stem_away_and_keeps_the_rest() -> None:
    np.testing.assert_allclose(remix(MIXTURE, STEMS, [-math.inf] * 3), MIXTURE - STEMS.sum(axis=0), atol=1e-6)


def test_the_arguments_stay_as_they_were() -> None:
    mixture, stems = MIXTURE.copy(), STEMS.copy()
    remix(mixture, stems, [3, 3, 3])
    np.testing.assert_array_equal(mixture, MIXTURE)
    np.testing.assert_array_equal(stems, STEMS)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        remix(MIXTURE, STEMS, [0, 0])
    with pytest.raises(ValueError, match="do not fit"):
        remix(MIXTURE[:, 1:], STEMS, [0, 0, 0])
    with pytest.raises(UsageError):
        remix(MIXTURE, STEMS, [0, 0, 30])


def test_no_stems_and_no_samples() -> None:
    np.testing.assert_array_equal(remix(MIXTURE, STEMS[:0], []), MIXTURE)
    assert remix(MIXTURE[:, :0], STEMS[..., :0], [6, 6, 6]).shape == (2, 0)
