"""One sound track on its way from the mixer to the sink: stereo if wanted, peaks held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from cfork_cli.mix.limiter import PeakGuard, guard_peaks


def mixdown(
    pieces: Iterable[tuple[np.ndarray, np.ndarray]], matrix: np.ndarray | None, guard: PeakGuard | None
) -> Iterator[np.ndarray]:
    """Fold the channels and hold the peaks of a remix.

    Args:
        pieces: the film's own samples and the remixed ones, both `[channels, samples]`.
        matrix: `[new channels, channels]`, from `downmix`; None keeps the channels.
        guard: holds peaks; it says afterwards what it did. None where nothing clips.

    Yields:
        `[channels, samples]`, together as long as the pieces.
    """
    if matrix is not None:
        # folded together, the film's own channels may go over full scale as well: nothing may then stay as loud
        folded = (matrix @ remixed for _, remixed in pieces)
        pieces = ((np.zeros_like(block), block) for block in folded)
    if guard is None:
        return (block for _, block in pieces)
    return guard_peaks(pieces, guard)
