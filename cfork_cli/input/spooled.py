"""Sound that was kept in a file of bare samples, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cfork_cli.errors import OutputError
from cfork_cli.input.blocks import Blocks


class SpooledBlocks(Blocks):
    """Bare float32 samples in a file, in blocks of a second."""

    def __init__(self, path: Path, channels: int, sample_rate: int) -> None:
        super().__init__(channels, sample_rate)
        self._path = path

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the blocks, `[channels, samples]`.

        Raises:
            OutputError: the file cannot be read again.
        """
        try:
            with self._path.open("rb") as file:
                while data := file.read(4 * self.channels * self.sample_rate):
                    block = np.frombuffer(data, "<f4").reshape(-1, self.channels).T
                    self.samples += block.shape[1]
                    yield np.ascontiguousarray(block)
        except OSError as error:
            raise OutputError(
                f"the new sound could not be read again ({error.strerror}): is the disk healthy?"
            ) from error
