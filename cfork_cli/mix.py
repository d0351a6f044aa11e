"""The remix itself: gains in dB, and the sum that leaves alone whatever nobody asked to change."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from cfork_cli.errors import UsageError

MAX_GAIN_DB = 24.0
"""The largest gain. Beyond it one hears the separation's faults rather than the stem."""


def parse_gain_db(text: str) -> float:
    """Read a gain: "-10", "+6", "2.5 dB", "-inf" or "mute".

    Returns:
        dB, from -inf (mute) to `MAX_GAIN_DB`.

    Raises:
        UsageError: it is anything else.

    >>> parse_gain_db("+6"), parse_gain_db("mute")
    (6.0, -inf)
    """
    word = re.sub(r"\s*db$", "", text.strip().lower()).replace("\N{MINUS SIGN}", "-")
    try:
        gain_db = -math.inf if word in ("mute", "-infinity") else float(word)
    except ValueError:
        gain_db = math.nan
    return check_gain_db(gain_db, text)


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


def remix(mixture: np.ndarray, stems: np.ndarray, gains_db: Sequence[float]) -> np.ndarray:
    """`y = x + sum (g - 1) * stem`: move the stems, keep everything that the network missed.

    A stem at 0 dB contributes nothing at all, whatever is in it; with all gains at 0 the mixture comes back bit for
    bit.

    Shape:
        mixture `[channels, samples]`, stems `[stems, channels, samples]` -> `[channels, samples]`, float32.

    Args:
        gains_db: one per stem, -inf for mute.

    Raises:
        ValueError: the shapes or the number of gains do not fit.
        UsageError: a gain is out of range.
    """
    if len(gains_db) != len(stems) or stems.shape[1:] != mixture.shape:
        raise ValueError(f"{len(gains_db)} gains, stems {stems.shape} and mixture {mixture.shape} do not fit together")
    remixed = np.array(mixture, dtype=np.float32)
    for stem, gain_db in zip(stems, gains_db, strict=True):
        if check_gain_db(gain_db) != 0:
            remixed += np.float32(10 ** (gain_db / 20) - 1) * stem
    return remixed
