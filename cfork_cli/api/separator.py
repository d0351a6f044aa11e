"""A network for films and arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfork_cli.api.progress import Event, Progress, report_to
from cfork_cli.errors import UsageError
from cfork_cli.text import SPOKEN_ORDER, moment

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

    from cfork_cli.flows.network import LoadedNetwork
    from cfork_cli.media.types import Stream

    Name = str | os.PathLike[str]
    Audio = NDArray[np.float32]

MOST_RATE_HZ = 768_000


@dataclass(frozen=True)
class Stems:
    """A separated sound.

    Attributes:
        sample_rate: Hz.
        mixture: what was separated, `[channels, samples]`.
        stems: name -> the same shape.
    """

    sample_rate: int
    mixture: Audio
    stems: dict[str, Audio]


class Separator:
    """A network, loaded once, that separates films and arrays; also handed to `remix` and `separate`.

    >>> import cfork
    >>> separator = cfork.Separator()                                    # doctest: +SKIP
    >>> voices = separator.separate(sound, 48_000).stems["dialogue"]     # doctest: +SKIP

    Args:
        model: name or path of a model.
        device: "cpu", "cuda", or "auto".
        precision: "float32", "bfloat16", or "auto": bfloat16 where the processor has it.

    Raises:
        ModelError: the model is missing or damaged. UsageError: there is no such device.
    """

    def __init__(self, model: str = "cfork", *, device: str = "auto", precision: str = "auto") -> None:
        from cfork_cli.flows.network import LoadedNetwork, load_network

        self.network: LoadedNetwork = LoadedNetwork(*load_network(model, device, precision), model)

    def separate(
        self,
        sound: Any,
        sample_rate: int,
        *,
        stems: Sequence[str] = SPOKEN_ORDER,
        lufs: float | None = None,
        layout: str | None = None,
        progress: Callable[[Progress], object] | None = None,
        cancel: Event | None = None,
    ) -> Stems:
        """Separate samples that lie in memory.

        Args:
            sound: floats, or integers of 16 or 32 bits, `[channels, samples]` or `[samples]`.
            sample_rate: Hz.
            stems: which are wanted.
            lufs: integrated loudness of the whole that the sound belongs to; None measures it (BS.1770).
            layout: ffmpeg's name of the channels' places; None: two are left and right.
            progress, cancel: see `remix`; the stages are "measure", which is one step, and "separate".

        Shape:
            `[channels, samples]` -> each stem `[channels, samples]`; `[samples]` -> `[samples]`.

        Raises:
            UsageError: the sound has another shape, there is no such stem, or rate, layout or loudness make no sense.
        """
        import numpy as np

        audio = _channels_first(sound)
        track = _stream(sample_rate, audio.shape[0], layout)
        total, second = audio.shape[1] / sample_rate, sample_rate
        blocks = (audio[:, at : at + second] for at in range(0, audio.shape[1], second))
        names, report = _stem_names(stems), report_to(progress, cancel)
        found = np.empty((len(names), *audio.shape), np.float32)
        if lufs is None:
            from cfork_cli.input.loudness import lufs_of

            report.stage("measure", total)
            lufs = lufs_of([audio], sample_rate, audio.shape[0], track.layout)
        report.stage("separate", total)
        at = 0
        pieces = self.stream(blocks, sample_rate, channels=audio.shape[0], stems=names, lufs=lufs, layout=layout)
        for mixture, piece in pieces:
            for number, name in enumerate(names):
                found[number, :, at : at + mixture.shape[1]] = piece[name]
            at += mixture.shape[1]
            report.at(at / sample_rate)
        report.end()
        shape = np.shape(sound)
        return Stems(sample_rate, audio.reshape(shape), {n: found[i].reshape(shape) for i, n in enumerate(names)})

    def stream(
        self,
        blocks: Iterable[Audio],
        sample_rate: int,
        *,
        channels: int,
        lufs: float,
        stems: Sequence[str] = SPOKEN_ORDER,
        layout: str | None = None,
        live: bool = False,
    ) -> Iterator[tuple[Audio, dict[str, Audio]]]:
        """Separate blocks as they come, in bounded memory, whatever their number.

        Args:
            blocks: floats `[channels, any number of samples]`.
            channels: of every block.
            lufs: integrated loudness of the whole, in LUFS; one gain brings it to what the network expects.
            live: whether the stems are waited for: windows are shorter then, and a little worse.

        Yields:
            Pieces of the mixture `[channels, samples]` and of each stem, which together are as long as the blocks.
        """
        from cfork_cli.flows.checks import check_lufs
        from cfork_cli.flows.separator import TrackSeparator

        if lufs != -math.inf:  # which is silence
            check_lufs(lufs)
        names = _stem_names(stems)
        track = _stream(sample_rate, channels, layout)
        for mixture, piece in TrackSeparator.of(self.network, track, lufs).run(iter(blocks), names, live=live):
            yield mixture, dict(zip(names, piece, strict=True))

    def film(
        self,
        input: Name,
        *,
        track: int | str | None = None,
        stems: Sequence[str] = SPOKEN_ORDER,
        start: float | str | None = None,
        end: float | str | None = None,
        progress: Callable[[Progress], object] | None = None,
        cancel: Event | None = None,
    ) -> Iterator[tuple[int, Audio, dict[str, Audio]]]:
        """Separate a sound track of a film, piece by piece, in bounded memory.

        Yields:
            The sample rate in Hz, a piece of the mixture `[channels, samples]`, and the same piece of each stem.

        Raises:
            CforkError: the film cannot be read, or is damaged.
        """
        from cfork_cli.flows.jobs import SeparateJob
        from cfork_cli.flows.piece import span_of
        from cfork_cli.flows.separator import TrackSeparator
        from cfork_cli.flows.source import Piece, Source

        names, report = _stem_names(stems), report_to(progress, cancel)
        job = SeparateJob(Path(input), Path(), model=self.network.model)
        source = Source(Path(input))
        media = source.media
        span = span_of(moment(start), moment(end), media)
        source = Source(Path(input), piece=None if span is None else Piece(span))
        chosen = source.track(media, None if track is None else str(track))
        ready = TrackSeparator.open(
            job, media, chosen, report, loaded=self.network, mixes_back=False, span=span
        )  # fmt: skip
        rate, at = chosen.sample_rate or 0, 0
        report.stage("separate", source.seconds(media, chosen))
        with source.decoder(media, chosen) as blocks:
            for mixture, piece in ready.run(iter(blocks), names):
                at += mixture.shape[1]
                yield rate, mixture, dict(zip(names, piece, strict=True))
                report.at(at / rate)
        report.end()


def _stem_names(stems: Sequence[str]) -> tuple[str, ...]:
    from cfork_cli.flows.stem_names import stem_names

    return stem_names((stems,) if isinstance(stems, str) else stems)


def _stream(sample_rate: int, channels: int, layout: str | None) -> Stream:
    """Return the facts of samples in memory.

    Raises:
        UsageError: there is no such rate, or the layout has other channels.
    """
    from cfork_cli.media.layouts import speakers
    from cfork_cli.media.types import Stream

    if not isinstance(sample_rate, Integral) or not 0 < sample_rate <= MOST_RATE_HZ:
        raise UsageError(f"{sample_rate} is not a sample rate: give whole Hz, such as 48000")
    if layout is not None and len(speakers(layout) or ()) != channels:
        raise UsageError(f"'{layout}' is not a layout of {channels} channels, such as stereo or 5.1")
    layout = layout or {1: "mono", 2: "stereo"}.get(channels)
    return Stream(0, "audio", 0, "pcm_f32le", channels=channels, layout=layout, sample_rate=int(sample_rate))


def _channels_first(sound: Any) -> Audio:
    """Return a sound as float32 `[channels, samples]`."""
    import numpy as np

    audio = np.asarray(sound)
    if audio.ndim == 1:
        audio = audio[None]
    if audio.ndim != 2 or not audio.size:
        raise UsageError(f"a sound is an array [channels, samples] or [samples], not {list(np.shape(sound))}")
    if audio.shape[0] > 64 and audio.shape[0] > audio.shape[1]:
        raise UsageError(f"a sound is [channels, samples], not {list(audio.shape)}: transpose it")
    if audio.dtype.kind == "i":
        return (audio / -float(np.iinfo(audio.dtype).min)).astype(np.float32)
    if audio.dtype.kind != "f":
        raise UsageError(f"samples are floats or signed integers, not {audio.dtype}")
    return audio.astype(np.float32, copy=False)
