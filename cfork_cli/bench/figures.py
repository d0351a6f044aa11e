"""Figures of repeated runs: a median with its extremes, and ratios of runs that belong together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Spread = dict[str, Any]
"""`median`, `min`, `max`, and `runs`, the single values in the order in which they were measured."""


def spread(values: Sequence[float]) -> Spread:
    """Median and range of several runs.

    Raises:
        ValueError: there are none.

    >>> spread([3.0, 1.0, 2.0])
    {'median': 2.0, 'min': 1.0, 'max': 3.0, 'runs': [3.0, 1.0, 2.0]}
    """
    if not values:
        raise ValueError("a spread needs at least one value")
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": list(values)}


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """`over / under` of each pair of runs: both of a pair were measured close together, so slow moments cancel.

    Raises:
        ValueError: not as many of one as of the other, or none.

    >>> ratio([2.0, 9.0], [1.0, 3.0])["runs"]
    [2.0, 3.0]
    """
    return spread([a / b for a, b in zip(over, under, strict=True)])


def scaled(found: Spread, factor: float) -> Spread:
    """Return a spread times a number.

    >>> scaled(spread([1.0, 2.0]), -2.0)
    {'median': -3.0, 'min': -4.0, 'max': -2.0, 'runs': [-2.0, -4.0]}
    """
    return spread([value * factor for value in found["runs"]])


def inverse(found: Spread) -> Spread:
    """The ratio the other way round.

    >>> inverse(spread([2.0, 4.0]))
    {'median': 0.375, 'min': 0.25, 'max': 0.5, 'runs': [0.5, 0.25]}
    """
    return spread([1 / value for value in found["runs"]])


def words(found: Spread, digits: int = 1, unit: str = "") -> str:
    """For people: the median, and the extremes in brackets where there are several runs.

    >>> words(spread([3.04, 1.0, 2.0])), words(spread([0.5]), 2, " s")
    ('2.0 (1.0..3.0)', '0.50 s')
    """
    median = f"{found['median']:.{digits}f}{unit}"
    if len(found["runs"]) < 2:
        return median
    return f"{median} ({found['min']:.{digits}f}..{found['max']:.{digits}f})"


def rounded(value: Any, digits: int = 4) -> Any:
    """Return a value with every float in it rounded to so many significant digits: clocks are no finer.

    >>> rounded({"seconds": [1.23456, 1], "name": "x"})
    {'seconds': [1.235, 1], 'name': 'x'}
    """
    if isinstance(value, dict):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one, digits) for one in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
