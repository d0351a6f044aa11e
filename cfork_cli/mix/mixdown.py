"""One sound track on its way from the separator to the sink: levels, stereo if wanted, peaks held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from cfork_cli.mix.gains import remix
from cfork_cli.mix.limiter import PeakGuard, guard_peaks


def mixdown(
    pieces: Iterable[tuple[np.ndarray, np.ndarray]],
    matrix: np.ndarray | None,
    guard: PeakGuard | None,
) -> Iterator[np.ndarray]:
    """Blocks for the sink.

    Args:
        pieces: mixture and change, as `mix.remix` takes them.
        matrix: `[new channels, channels]`, from `downmix`; None keeps the channels.
        guard: holds peaks; it tells afterwards what it did. None where nothing clips.

    Yields:
        `[channels, samples]`, together as long as the mixture.
    """
    blocks = ((mixture, remix(mixture, change)) for mixture, change in pieces)
    if matrix is not None:
        # folded together, the film's own channels may go over full scale as well: nothing may then stay as loud
        folded = (matrix @ remixed for _, remixed in blocks)
        blocks = ((np.zeros_like(block), block) for block in folded)
    if guard is None:
        return (block for _, block in blocks)
    return guard_peaks(blocks, guard)
