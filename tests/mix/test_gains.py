"""Gains are what they say; 0 dB is nothing at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cfork_cli.errors import UsageError
from cfork_cli.mix.gains import check_gain_db, parse_gain_db, remix, weight

RNG = np.random.default_rng(0)
STEMS = RNG.standard_normal((3, 2, 1000)).astype(np.float32) * 0.1
MIXTURE = STEMS.sum(axis=0) + RNG.standard_normal((2, 1000)).astype(np.float32) * 0.01


@pytest.mark.parametrize(
    ("text", "gain_db"),
    [
        ("6", 6), ("+6", 6), ("-10", -10), ("0", 0), ("-0", 0), ("24", 24), ("2.5 dB", 2.5), ("-3db", -3),
        ("mute", -math.inf), ("MUTE", -math.inf), ("-inf", -math.inf), ("-infinity", -math.inf), ("\u221210", -10),
        (" 1e1 ", 10), ("-120", -120), ("100%", 0), ("10%", -20), ("1000%", 20), ("0%", -math.inf),
    ],
)  # fmt: skip
def test_gains_that_are_read(text: str, gain_db: float) -> None:
    assert parse_gain_db(text) == gain_db
    assert math.copysign(1, parse_gain_db("-0")) == 1


@pytest.mark.parametrize(
    "text", ["24.01", "-1%", "2000%", "%", "inf", "+inf", "nan", "loud", "", "6 7", "--6", "1e999", "dB", "0x10"]
)
def test_gains_that_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"from -inf \(mute\) to \+24"):
        parse_gain_db(text)


@pytest.mark.parametrize("gain_db", [24.5, math.inf, math.nan])
def test_numbers_that_are_refused(gain_db: float) -> None:
    with pytest.raises(UsageError):
        check_gain_db(gain_db)


def test_nothing_to_add_is_bit_exact() -> None:
    remixed = remix(MIXTURE, np.zeros((0, *MIXTURE.shape), np.float32))
    assert remixed.tobytes() == MIXTURE.tobytes()
    assert remixed is not MIXTURE


def test_the_formula() -> None:
    gains_db = [6.0, -10.0, -math.inf]
    factors = np.array([10 ** (gain / 20) - 1 for gain in gains_db])
    change = np.tensordot([weight(gain_db) for gain_db in gains_db], STEMS.astype(np.float64), 1)[None]
    remixed = remix(MIXTURE, change.astype(np.float32))
    assert remixed.dtype == np.float32
    expected = MIXTURE.astype(np.float64) + np.tensordot(factors, STEMS.astype(np.float64), 1)
    np.testing.assert_allclose(remixed, expected, atol=1e-6)


def test_weights() -> None:
    """The gain of a stem is its own part in the mixture, and what is added to it."""
    for gain_db in (-60.0, -10.0, -0.5, 0.25, 6.0, 24.0):
        assert 20 * math.log10(1 + weight(gain_db)) == pytest.approx(gain_db, abs=1e-9)
    assert (weight(0.0), weight(-0.0), weight(-math.inf)) == (0, 0, -1)
    with pytest.raises(UsageError):
        weight(30)


def test_the_arguments_stay_as_they_were() -> None:
    mixture, change = MIXTURE.copy(), STEMS[:1].copy()
    remix(mixture, change)
    np.testing.assert_array_equal(mixture, MIXTURE)
    np.testing.assert_array_equal(change, STEMS[:1])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        remix(MIXTURE, STEMS)  # not summed
    with pytest.raises(ValueError, match="do not fit"):
        remix(MIXTURE[:, 1:], STEMS[:1])


def test_no_samples() -> None:
    assert remix(MIXTURE[:, :0], STEMS[:1, :, :0]).shape == (2, 0)
