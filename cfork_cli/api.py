"""cfork as a library: films remixed and separated without a terminal. `import cfork` hands these names on.

Sound is float32 `[channels, samples]`, full scale 1.0. Every error is a `CforkError` whose message is one line. Nothing
here prints, and importing this costs neither torch nor NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cfork_cli.errors import UsageError
from cfork_cli.text import SPOKEN_ORDER

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

    from cfork_cli.flows.jobs import RemixJob
    from cfork_cli.flows.network import LoadedNetwork
    from cfork_cli.flows.report import Report, Result
    from cfork_cli.media.types import Media, Stream

    Name = str | os.PathLike[str]
    Audio = NDArray[np.float32]

Gain = float | str
"""dB as a number, or "mute", or any text that `--dialog` takes."""


class Event(Protocol):
    """Anything that can say that the work is to end, such as `threading.Event`."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True)
class Progress:
    """How far a flow has come.

    Attributes:
        stage: "load", "measure", "remix", "separate", "finish", ...
        done: seconds of sound in "measure", "remix" and "separate"; 0 at the beginning of a stage.
        total: the same for the whole stage; None where nobody knows.
    """

    stage: str
    done: float
    total: float | None

    @property
    def fraction(self) -> float | None:
        """The part that is done, from 0 to 1; None where nobody knows."""
        return min(self.done / self.total, 1.0) if self.total else None


@dataclass(frozen=True)
class Plan:
    """What a remix would do; nothing has been written.

    Attributes:
        lines: in words.
        facts: as JSON can hold it.
        notes: what the user should know: what cannot come along, another codec than before.
    """

    lines: tuple[str, ...]
    facts: dict[str, Any]
    notes: tuple[str, ...]


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


def probe(input: Name) -> Media:
    """Return what is in a media file: its streams, tags, length.

    Raises:
        InputError: it is missing, or nothing that ffmpeg can read. FfmpegError: ffprobe and PyAV are missing.
    """
    from cfork_cli.media.probe import probe as look

    return look(Path(input))


def remix(
    input: Name,
    *,
    dialogue: Gain = 0.0,
    music: Gain = 0.0,
    effects: Gain = 0.0,
    output: Name | None = None,
    track: int | str | Sequence[int | str] = (),
    codec: str | None = None,
    bitrate: int | str | None = None,
    downmix: bool = False,
    keep_original: bool = False,
    sidecar: bool = False,
    title: str | None = None,
    default: bool = True,
    start: float | str | None = None,
    end: float | str | None = None,
    model: str = "cfork",
    device: str = "auto",
    precision: str = "auto",
    input_lufs: float | None = None,
    overwrite: bool = False,
    separator: Separator | None = None,
    progress: Callable[[Progress], object] | None = None,
    cancel: Event | None = None,
) -> Result:
    """Give a film new levels of dialogue, music and effects; see `cfork remix --help`.

    Args:
        input: a film or sound, never changed.
        dialogue, music, effects: gains in dB, from -inf (or "mute") to +24; 0 leaves a part as it is.
        output: its suffix says the kind of file; None is `movie.cfork.mkv` beside `movie.mkv`.
        track: numbers from 1, languages, or "all"; none is the track that a player would play.
        bitrate: bits a second, or text such as "320k".
        start, end: seconds or "h:mm:ss": only this piece of the film; see `Result.facts["piece"]` for where the
            picture really begins.
        overwrite: whether an output that exists is replaced.
        separator: a network that was loaded before, for many films; `model`, `device` and `precision` are its own then.
        progress: called in this thread, several times a second.
        cancel: once it is set, the work ends with `Interrupted`, and nothing is left behind.

    Returns:
        What was written, with notes and speed.

    Raises:
        CforkError: whatever went wrong; no output exists then, or each is what it was before.
    """
    from cfork_cli.flows import run

    job = _job(
        input, (dialogue, music, effects), output, track, codec, bitrate, downmix=downmix, keep_original=keep_original,
        sidecar=sidecar, title=title, default=default, start=_seconds(start), end=_seconds(end), model=model,
        device=device, precision=precision, input_lufs=input_lufs, force=overwrite,
    )  # fmt: skip
    return run.remix(job, report=_report(progress, cancel), loaded=None if separator is None else separator.network)


def plan(
    input: Name,
    *,
    dialogue: Gain = 0.0,
    music: Gain = 0.0,
    effects: Gain = 0.0,
    output: Name | None = None,
    track: int | str | Sequence[int | str] = (),
    codec: str | None = None,
    bitrate: int | str | None = None,
    downmix: bool = False,
    keep_original: bool = False,
    sidecar: bool = False,
    title: str | None = None,
    default: bool = True,
    start: float | str | None = None,
    end: float | str | None = None,
    model: str = "cfork",
    overwrite: bool = False,
) -> Plan:
    """Do every check of a remix and return what it would do; see `remix`.

    Raises:
        CforkError: what `remix` would raise before its work.
    """
    from cfork_cli.flows import run
    from cfork_cli.flows.jobs import PipeOptions

    job = _job(
        input, (dialogue, music, effects), output, track, codec, bitrate, downmix=downmix, keep_original=keep_original,
        sidecar=sidecar, title=title, default=default, start=_seconds(start), end=_seconds(end), model=model,
        force=overwrite,
    )  # fmt: skip
    with run.planned_remix(job, PipeOptions(), _report(None, None)) as planned:
        return Plan(tuple(planned.describe()), planned.facts(), planned.notes)


def separate(
    input: Name,
    output: Name,
    *,
    stems: Sequence[str] = (),
    format: str | None = None,
    bits: int | None = None,
    codec: str | None = None,
    template: str = "{stem}",
    mixture: bool = False,
    residual: str = "none",
    track: int | str | None = None,
    start: float | str | None = None,
    end: float | str | None = None,
    model: str = "cfork",
    device: str = "auto",
    precision: str = "auto",
    input_lufs: float | None = None,
    overwrite: bool = False,
    separator: Separator | None = None,
    progress: Callable[[Progress], object] | None = None,
    cancel: Event | None = None,
) -> Result:
    """Write dialogue, music and effects as sounds of their own; see `cfork separate --help`.

    For arrays in memory, see `Separator`.

    Args:
        output: a folder, or a file with a track for each stem, such as stems.mka.
        stems: "dialogue", "music", "effects"; none means all.
        residual: "none", "all", "file", or stems with commas: who gets what is missing from the sum.
        start, end, overwrite, separator, progress, cancel: see `remix`.

    Raises:
        CforkError: whatever went wrong; none of the files exists then, or each is what it was before.
    """
    from cfork_cli.flows import run
    from cfork_cli.flows.jobs import SeparateJob

    job = SeparateJob(
        Path(input), Path(output), tuple(stems), format, bits, codec, template, mixture, residual,
        None if track is None else str(track), model, device, precision, input_lufs, overwrite,
        start=_seconds(start), end=_seconds(end),
    )  # fmt: skip
    return run.separate(job, report=_report(progress, cancel), loaded=None if separator is None else separator.network)


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
            progress, cancel: see `remix`; the stage is "separate".

        Shape:
            `[channels, samples]` -> each stem `[channels, samples]`; `[samples]` -> `[samples]`.

        Raises:
            UsageError: the sound has another shape, or there is no such stem.
        """
        import numpy as np

        audio = _channels_first(sound)
        total = audio.shape[1] / sample_rate if sample_rate > 0 else 0.0
        second = max(sample_rate, 1)
        blocks = (audio[:, at : at + second] for at in range(0, audio.shape[1], second))
        names, report = _stem_names(stems), _report(progress, cancel)
        found = np.empty((len(names), *audio.shape), np.float32)
        if lufs is None:
            from cfork_cli.input.loudness import lufs_of

            report.stage("measure", total)
            lufs = lufs_of([audio], sample_rate, audio.shape[0], layout)
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
        from cfork_cli.flows.separator import TrackSeparator

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

        names, report = _stem_names(stems), _report(progress, cancel)
        job = SeparateJob(Path(input), Path(), model=self.network.model)
        source = Source(Path(input))
        media = source.media
        span = span_of(_seconds(start), _seconds(end), media)
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


def _job(
    input: Name,
    gains: tuple[Gain, Gain, Gain],
    output: Name | None,
    track: int | str | Sequence[int | str],
    codec: str | None,
    bitrate: int | str | None,
    **more: Any,
) -> RemixJob:
    """Return the job of a remix, its arguments checked."""
    from cfork_cli.codecs.bit_rate import parse_bit_rate
    from cfork_cli.flows.jobs import RemixJob
    from cfork_cli.mix.gains import check_gain_db, parse_gain_db

    gains_db = {
        stem: parse_gain_db(gain) if isinstance(gain, str) else check_gain_db(float(gain))
        for stem, gain in zip(SPOKEN_ORDER, gains, strict=True)
    }
    tracks = (track,) if isinstance(track, int | str) else tuple(track)
    return RemixJob(
        Path(input), None if output is None else Path(output), gains_db, tuple(map(str, tracks)), codec,
        None if bitrate is None else parse_bit_rate(str(bitrate)), **more,
    )  # fmt: skip


def _seconds(time: float | str | None) -> float | None:
    from cfork_cli.text import parse_time

    return time if time is None else parse_time(str(time))


def _stem_names(stems: Sequence[str]) -> tuple[str, ...]:
    from cfork_cli.flows.stem_names import stem_names

    return stem_names((stems,) if isinstance(stems, str) else stems)


def _stream(sample_rate: int, channels: int, layout: str | None) -> Stream:
    from cfork_cli.media.types import Stream

    layout = layout or {1: "mono", 2: "stereo"}.get(channels)
    return Stream(0, "audio", 0, "pcm_f32le", channels=channels, layout=layout, sample_rate=sample_rate)


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


def _report(progress: Callable[[Progress], object] | None, cancel: Event | None) -> Report:
    from cfork_cli.flows.report import Callbacks, cancellable

    def listener(stage: str, done: float, total: float | None) -> None:
        if progress is not None:
            progress(Progress(stage, done, total))

    return cancellable(Callbacks(listener, None if cancel is None else cancel.is_set))


__all__ = ["Gain", "Plan", "Progress", "Separator", "Stems", "plan", "probe", "remix", "separate"]
