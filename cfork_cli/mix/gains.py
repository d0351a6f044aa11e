"""The remix itself: gains in dB, and a sum that changes nothing but what was asked for."""

from __future__ import annotations

import math
import re

import numpy as np

from cfork_cli.errors import UsageError

MAX_GAIN_DB = 24.0
"""The largest gain. Beyond it one hears the separation's faults rather than the stem."""


def parse_gain_db(text: str) -> float:
    """Read a gain: "-10", "+6", "2.5 dB", "50%", "-inf", "mute" or "off".

    Returns:
        dB, from -inf (mute) to `MAX_GAIN_DB`.

    Raises:
        UsageError: it is anything else.

    >>> parse_gain_db("+6"), parse_gain_db("mute"), round(parse_gain_db("50%"), 2)
    (6.0, -inf, -6.02)
    """
    word = re.sub(r"\s*db$", "", text.strip().lower()).replace("\N{MINUS SIGN}", "-")
    try:
        if word.endswith("%"):
            share = float(word.removesuffix("%")) / 100
            gain_db = 20 * math.log10(share) if share > 0 else -math.inf if share == 0 else math.nan
        else:
            gain_db = -math.inf if word in ("mute", "muted", "off", "none", "-infinity") else float(word)
    except ValueError:
        gain_db = math.nan
    return check_gain_db(gain_db, text)


def parse_gains_db(**texts: str) -> dict[str, float]:
    """Read the gain of every stem: stem -> dB; see `parse_gain_db`.

    >>> parse_gains_db(music="-10", dialogue="0")
    {'music': -10.0, 'dialogue': 0.0}
    """
    return {stem: parse_gain_db(text) for stem, text in texts.items()}


def check_gain_db(gain_db: float, text: str | None = None) -> float:
    """Return the gain if it is one, from -inf to `MAX_GAIN_DB`.

    Args:
        gain_db: dB.
        text: what the user wrote, for the message.

    Raises:
        UsageError: it is larger, or not a number.
    """
    if not gain_db <= MAX_GAIN_DB:  # also true of NaN
        raise UsageError(
            f"'{gain_db if text is None else text}' is not a gain: "
            f"give decibels from -inf (mute) to +{MAX_GAIN_DB:.0f}, for example -10"
        )
    return gain_db + 0.0  # no negative zero, which would be shown as "-0"


def weight(gain_db: float) -> float:
    """Return how much of a stem is added to the mixture so that it gets this gain: `g - 1`. Nothing at 0 dB.

    >>> weight(0.0), weight(-math.inf), round(weight(6.0), 3)
    (0.0, -1.0, 0.995)
    """
    return float(10 ** (check_gain_db(gain_db) / 20) - 1)


def remix(mixture: np.ndarray, change: np.ndarray) -> np.ndarray:
    """`y = x + sum (g - 1) * stem`: move the stems, keep everything that the network missed.

    Where there is nothing to add, the mixture comes back bit for bit.

    Shape:
        mixture `[channels, samples]`, change `[1, channels, samples]` -> `[channels, samples]`, float32.

    Args:
        change: the sum of the stems, each times its `weight`, as the separator makes it; `[0, channels, samples]` where
            no stem is moved.

    Raises:
        ValueError: the shapes do not fit.
    """
    if len(change) > 1 or change.shape[1:] != mixture.shape:
        raise ValueError(f"a change {change.shape} and a mixture {mixture.shape} do not fit together")
    if not len(change):
        return np.array(mixture, dtype=np.float32)
    remixed: np.ndarray = np.add(mixture, change[0], dtype=np.float32)
    return remixed
