"""Measure each stage of a remix by itself: on the same film, with nothing else at the same time.

In a real remix most stages run at the same time, so their wall times do not add up to the command's; CPU times nearly
do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cfork_cli.bench.cost import timed
from cfork_cli.bench.films import Film
from cfork_cli.bench.network import INVERSE, LSTM, PRODUCTS, REST, TRANSFORM, Recording, parts
from cfork_cli.codecs.choose import AudioCodec, choose_codec, raw_input_options
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import QUIET, url
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.input.decode import decode
from cfork_cli.input.loudness import integrated_lufs
from cfork_cli.media.containers import container_for
from cfork_cli.mix.gains import remix
from cfork_cli.mix.limiter import PeakGuard
from cfork_cli.mix.mixdown import mixdown

STAGES = ("decode", "loudness", "resample", TRANSFORM, LSTM, PRODUCTS, REST, INVERSE, "mix", "encode", "mux")
"""Stages, in the order in which sound passes them."""

Cost = tuple[float, float]
"""Wall seconds and CPU seconds."""


def measure_stages(
    film: Film,
    blocks: Sequence[np.ndarray],
    network: Any,
    recording: Recording,
    factor: float,
    codec: AudioCodec,
    folder: Path,
) -> dict[str, Cost]:
    """Run every stage once.

    Args:
        blocks: the beginning of the film, decoded; the stages from resampling to encoding are measured on it.
        network, recording: the network, and what it gets of these blocks.
        factor: how many times more windows the whole film has.
        codec: see `codec_of`.
        folder: for temporary files.

    Returns:
        Stage -> seconds, for the whole film: those that were measured on its beginning are scaled.
    """
    longer = film.seconds * film.track.sample_rate / max(1, sum(block.shape[1] for block in blocks))  # type: ignore[operator]
    of_part = {
        "resample": timed(lambda: _resample(film, blocks, network)),
        "mix": timed(lambda: _mix(film, blocks)),
        "encode": timed(lambda: _encode(film, blocks, codec)),
    }
    found = {name: _scaled(cost, max(1.0, longer)) for name, cost in of_part.items()}
    found |= {name: _scaled(cost, factor) for name, cost in parts(network, recording).items()}
    found["decode"] = timed(lambda: decoded(film, None))
    found["loudness"] = timed(lambda: integrated_lufs(film.media, film.track))
    found["mux"] = timed(lambda: _mux(film, folder))
    return {stage: found[stage] for stage in STAGES}


def _scaled(cost: Cost, factor: float) -> Cost:
    return cost[0] * factor, cost[1] * factor


def decoded(film: Film, seconds: float | None) -> list[np.ndarray]:
    """Its first seconds as blocks; with None all is decoded and nothing kept."""
    kept: list[np.ndarray] = []
    with decode(film.media, film.track) as blocks:
        for block in blocks:
            if seconds is None:
                continue
            left = round(seconds * blocks.sample_rate) - sum(one.shape[1] for one in kept)
            if left <= 0:
                break
            kept.append(block[:, :left])
    return kept


def codec_of(film: Film) -> AudioCodec:
    """Return the codec that a remix into a film of the same kind chooses."""
    return choose_codec(film.track, container_for(film.path, film.media))


def _resample(film: Film, blocks: Sequence[np.ndarray], network: Any) -> None:
    """Resample to the network's rate and back."""
    from model.streaming.resample import resample

    rate, channels = film.track.sample_rate or 0, film.track.channels or 0
    there = resample(blocks, rate, network.sample_rate, channels)
    for _ in resample(there, network.sample_rate, rate, channels):
        pass


def _mix(film: Film, blocks: Sequence[np.ndarray]) -> None:
    """Sum up, and guard against clipping."""
    pieces = ((block, remix(block, -0.3 * block[None])) for block in blocks)
    for _ in mixdown(pieces, None, PeakGuard(film.track.sample_rate or 0)):
        pass


def _encode(film: Film, blocks: Sequence[np.ndarray], codec: AudioCodec) -> None:
    """Encode with ffmpeg, and throw the result away."""
    rate, channels = film.track.sample_rate or 0, film.track.channels or 0
    source = [part for name, value in raw_input_options(rate, channels, codec.layout).items()
              for part in (f"-{name}", value)]  # fmt: skip
    options = [part for name, value in codec.options.items() for part in (f"-{name}", str(value))]
    command = [find_ffmpeg(), *QUIET, *source, "-i", "pipe:0", "-c:a", codec.encoder, *options,
               "-strict", "experimental", "-f", "null", "-"]  # fmt: skip
    with process.Child(command, stdin=True) as child, contextlib.suppress(OSError):
        for block in blocks:
            child.stdin.write(np.ascontiguousarray(block.T, "<f4").data)
        child.stdin.close()
        child.wait()


def _mux(film: Film, folder: Path) -> None:
    """Write all packets of picture and sound into a new film of the same kind, and throw it away."""
    container = container_for(film.path, film.media)
    # a file, because the muxers of MP4 and its like go back at the end
    target = folder / f"mux{film.path.suffix}"
    try:
        command = [find_ffmpeg(), *QUIET, "-i", url(film.path), "-map", "0:V?", "-map", "0:a",
                   "-c", "copy", "-strict", "experimental", "-f", container, "-y", url(target)]  # fmt: skip
        process.run(command, timeout=3600)
    finally:
        target.unlink(missing_ok=True)
