"""A network ready for any stretch of one track, for players."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cfork_cli.errors import Interrupted
from cfork_cli.flows.checks import check_levels, check_model
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.flows.separator import TrackSeparator, no_memory
from cfork_cli.media.layouts import low_frequency, pairs
from cfork_cli.media.types import Stream
from cfork_cli.text import SPOKEN_ORDER

if TYPE_CHECKING:
    from model.streaming.excerpts import Excerpt, Excerpts, Stretch


def check(model: str, *, force: bool = False) -> tuple[str, ...]:
    """Find a missing or an unfit model before the work; return the warnings about it.

    Raises:
        ModelError: there is none of that name, or its stems cannot be mixed back.
    """
    check_model(model)
    return check_levels(model, force)


def cache_folder() -> Path:
    """Return the folder of all that cfork keeps from one run to the next; it need not exist."""
    from model.hub import cache

    return cache.folder().parent


@contextmanager
def excerpts(loaded: LoadedNetwork, track: Stream, lufs: float, *, output_rate: int) -> Iterator[Excerpts]:
    """Open the network for stretches of one track: see `model.streaming.excerpts`. The stems are as `SPOKEN_ORDER`.

    Args:
        lufs: loudness of the track; see `TrackSeparator.of`.
        output_rate: of what comes out, in Hz.
    """
    from model.streaming.excerpts import Excerpts

    ready = TrackSeparator.of(loaded, track, lufs)
    with Excerpts(
        loaded.network, sample_rate=track.sample_rate or 0, channels=track.channels or 0, output_rate=output_rate,
        stems=SPOKEN_ORDER, input_gain=ready.input_gain, device=loaded.device,
        untouched=low_frequency(track.layout), pairs=pairs(track.layout, track.channels),
    ) as opened:  # fmt: skip
        yield opened


def separated(excerpts: Excerpts, stretch: Stretch, sound: np.ndarray, device: str) -> Excerpt | None:
    """Separate one stretch; None where the film ends before it.

    Args:
        device: "cpu" or "cuda", for the words of an error.

    Raises:
        Interrupted: another thread called `excerpts.cancel`.
        CforkError: the device has not enough memory.
    """
    from model.streaming.allocator import is_out_of_memory
    from model.streaming.batches import Cancelled
    from model.streaming.excerpts import EndsBefore

    try:
        return excerpts.separate(stretch, sound)
    except (Cancelled, SystemExit) as error:
        raise Interrupted("the separation was given up") from error
    except EndsBefore:  # no other ValueError: a fault of ours would look like the film's end
        return None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise no_memory(device) from error
