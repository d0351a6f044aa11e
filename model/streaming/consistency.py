"""Give what the stems leave out of the mixture back to the stems, so that they sum to it.

A network with a mask for each stem is free to lose sound, or to count it twice. Sharing the residual among
the stems makes the three faders add up: all of them at 0 dB are the film again. See Wisdom et al.,
"Differentiable consistency constraints for improved deep speech enhancement", ICASSP 2019, arXiv 1811.08521.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]


def share_residual(
    mixture: Audio,
    stems: Audio,
    *,
    by: Literal["equal", "power"] = "equal",
    among: Sequence[int] | None = None,
) -> Audio:
    """Add `mixture - sum(stems)` to the stems, each taking its share.

    Afterwards `sum(stems)` is the mixture but for the rounding of the sum itself. The arguments are not
    changed.

    Args:
        by: "equal" shares alike, so that a silent stem becomes a part of the residual; "power" shares in
            proportion to the mean square over the last axis, so that a silent stem stays silent (but if all
            are, they share alike). Power is taken over the array that is given: for a stream, give whole
            scenes rather than short blocks.
        among: the stems that take part, by number; None means all. `[0, 2]` leaves dialogue alone.

    Shape:
        - Input: mixture `[..., N]`, stems `[S, ..., N]`
        - Output: `[S, ..., N]`, float32

    Raises:
        ValueError: shapes that do not fit, an unknown way of sharing, or nobody to share.

    >>> mixture = np.array([1.0, 2.0], np.float32)
    >>> stems = np.array([[0.5, 0.5], [0.0, 0.0]], np.float32)
    >>> share_residual(mixture, stems).tolist()
    [[0.75, 1.25], [0.25, 0.75]]
    >>> share_residual(mixture, stems, by="power").tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """
    if stems.ndim < 2 or stems.shape[1:] != mixture.shape or not len(stems):
        raise ValueError(f"stems {stems.shape} do not fit the mixture {mixture.shape}")
    sharing = np.zeros((len(stems), *(1 for _ in mixture.shape)))
    sharing[list(range(len(stems)) if among is None else among)] = 1.0
    if not sharing.any():
        raise ValueError("at least one stem has to take the residual")
    exact = stems.astype(np.float64)
    if by == "power":
        power = sharing * np.mean(exact**2, axis=-1, keepdims=True)
        shares = np.where(power.sum(axis=0) > 0, power, sharing)
    elif by == "equal":
        shares = sharing
    else:
        raise ValueError(f"the residual is shared 'equal' or by 'power', not {by!r}")
    shares = shares / shares.sum(axis=0)
    shared: Audio = (exact + shares * (mixture - exact.sum(axis=0))).astype(np.float32)
    return shared
