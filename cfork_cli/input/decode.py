"""Any film to blocks of float samples, on the film's own time line, and the truth about what was missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import ffmpeg
import numpy as np

from cfork_cli.errors import DamagedInputError, FfmpegError, InputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, url
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.demuxers import guarded
from cfork_cli.input import nut
from cfork_cli.input.blocks import Blocks, defects
from cfork_cli.input.furthest import furthest_seconds
from cfork_cli.input.losses import MISSING_SECONDS, TOLD_SECONDS, Losses, is_much
from cfork_cli.input.placing import Placer
from cfork_cli.input.wider import Wider, marks, wider
from cfork_cli.media import timeline, truncation
from cfork_cli.media.span import Reach, reach
from cfork_cli.media.timeline import Frames, clock_streams, tells_its_length, uniform
from cfork_cli.media.types import Media, Stream

_INTERRUPTED = 255  # the status of a ffmpeg that was asked to end (SIGTERM) and tidied up


class Decoder(Blocks):
    """The samples of one sound track, as a context manager to iterate over once.

    Blocks are float32 `[channels, samples]` (float64 if 64 bits are asked for), full scale 1.0, at the track's own rate
    and layout; all but the last have `block_seconds`. The first sample is that of the time line's `begin`, usually the
    film's start: a track that begins later starts with silence, a gap in the time stamps becomes silence, so that
    sound and picture keep together.

    Attributes:
        begin: the first sample's place on the time line (see `timeline`).
    """

    def __init__(
        self,
        media: Media,
        track: Stream,
        *,
        block_seconds: float = 1.0,
        begin: int | None = None,
        end: int | None = None,
        bits: int = 32,
        accept_damaged: bool = False,
        frames: Frames | None = None,
    ) -> None:
        if not track.channels or not track.sample_rate:
            raise InputError(
                f"'{media.path}': this ffmpeg cannot decode sound track {track.number + 1} ({track}): "
                "its channels and sample rate are not known, or make no sense"
            )
        super().__init__(track.channels, track.sample_rate)
        self.media = media
        self.track = track
        self.begin = timeline.film_begin(media, track.sample_rate) if begin is None else begin
        self.end = end
        self._block_seconds, self._bits = block_seconds, bits
        self._accept_damaged, self._frames = accept_damaged, frames
        self._whole = begin is None
        self._reach = reach(media, track.sample_rate, self.begin, end) if begin is not None else Reach(self.begin, end)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the blocks, then check that nothing was missing.

        Raises:
            DamagedInputError: decoding failed, or the film is shorter than it says.
            InputError: this ffmpeg has no decoder for it.
            FfmpegError: ffmpeg cannot be started, or was killed.
        """
        placer = Placer(
            self.sample_rate,
            self.channels,
            self._reach.begin,
            self._reach.end,
            _last_sample(self.media, self._reach, self.sample_rate),
        )
        self._child = child = process.Child(self._command(), stdout=True)
        try:
            for block in self._read(child, placer, self._block_seconds, self._bits):
                self.samples += block.shape[1]
                yield block
            status = child.wait()
            log = child.log()
        finally:
            child.close()
        self._check(status, log, placer)

    def _command(self) -> list[str]:
        media, track = self.media, self.track
        film = ffmpeg.input("FILM", **guarded(media.container), **self._reach.options)
        frames = self._frames if timeline.keeps_time_stamps(media) else None
        how = uniform(track, self._reach.end, frames=frames, marked=True)
        samples = ffmpeg.output(film[str(track.index)], "pipe:1", af=how, **nut.options(self._bits))
        # Reading all others into nothing anchors the time line, and shows at the end how far the film really went.
        clock = clock_streams(media)
        target, options = timeline.nowhere(clock)
        nothing = ffmpeg.output(*(film[str(stream.index)] for stream in clock), target, **options, **self._reach.limit)
        graph = ffmpeg.merge_outputs(nothing, samples).global_args(
            "-y", "-progress", "pipe:2", "-stats_period", "100000"
        )
        if timeline.keeps_time_stamps(media):
            graph = graph.global_args("-copyts")
        return compile_graph(graph, {"FILM": url(media.path)})

    def _check(self, status: int, log: str, placer: Placer) -> None:
        media, track = self.media, self.track
        try:
            check_status(media, track, status, log)
        except DamagedInputError:
            if not self._accept_damaged or not self.samples:
                raise
        # both from the film's start
        late = (self.begin - timeline.film_begin(media, self.sample_rate)) / self.sample_rate
        reached = last_seconds(log)
        if reached is not None and timeline.keeps_time_stamps(media):
            reached -= max(0.0, media.start_seconds)
        elif reached is not None:
            reached += self._reach.skipped
        missing = 0.0
        wanted = None if self.end is None else self.end - self.begin - MISSING_SECONDS * self.sample_rate
        if wanted is None or self.samples < wanted:  # else all of the piece is there
            seconds = late + self.samples / self.sample_rate
            if self._accept_damaged:
                missing = _missing_seconds(media, track, seconds, reached)
            else:
                missing = check_length(media, track, seconds, reached)
        if self.samples == 0:
            why = complaint(log) or "no samples in it"
            raise DamagedInputError(f"'{media.path}': sound track {track.number + 1} is empty ({why})")
        tally, rate = placer.tally, self.sample_rate
        self.losses = Losses(tally.filled / rate, tally.dropped / rate, missing, tally.stray, self._wider(log))
        found = defects(media.path, log)
        filled, whole = self.losses.filled_seconds, self.samples / self.sample_rate
        broken = found or not timeline.may_have_gaps(media)
        if broken and is_much(filled, whole) and not self._accept_damaged:
            why = f" ({complaint(log)})" if complaint(log) else ""
            raise DamagedInputError(
                f"'{media.path}' is damaged: {filled:.1f} of {whole:.1f} seconds of sound track {track.number + 1} "
                f"cannot be decoded{why}; copy or download it again, or take what is there with --accept-damaged"
            )
        self.notes = (*found, *self.losses.notes(media.path, track.number))
        if truncation.cut_off(media):
            self.notes += (f"'{media.path}' was cut off: its end is missing, and how much of it is unknown",)

    def _wider(self, log: str) -> Wider | None:
        """Return where the track has more channels than are read; one that never changes is as its header says."""
        media, times = self.media, marks(log)
        if self._whole and len(times) < 2:
            return None
        first = 0.0 if timeline.keeps_time_stamps(media) else media.start_seconds + self._reach.skipped
        begin = media.start_seconds + (self.begin - timeline.film_begin(media, self.sample_rate)) / self.sample_rate
        ends = [*(first + time for time in times[1:]), math.inf]
        return wider(media, self.track, [first + time for time, end in zip(times, ends, strict=True) if end > begin])


def decode(
    media: Media,
    track: Stream,
    *,
    block_seconds: float = 1.0,
    begin: int | None = None,
    end: int | None = None,
    bits: int = 32,
    accept_damaged: bool = False,
    frames: Frames | None = None,
) -> Decoder:
    """Decode one sound track: `with decode(media, track) as blocks: for block in blocks: ...`.

    Args:
        begin: the first sample, on the time line of `timeline`; None is the film's start.
        end: the first sample that is not wanted; None is the track's end.
        bits: of the floats, 32 or 64; 32 hold integers of up to 25 bits exactly.
        accept_damaged: whether what is there is taken, however much is missing.
        frames: from `excerpts.frames`. A decoder that begins further on then counts from there, as a decoder of the
            whole does, where the container rounds its time stamps (Matroska: to ms).

    Raises:
        InputError: the track's rate or channels are unknown.
    """
    return Decoder(
        media, track, block_seconds=block_seconds, begin=begin, end=end, bits=bits, accept_damaged=accept_damaged,
        frames=frames,
    )  # fmt: skip


def check_status(media: Media, track: Stream, status: int, log: str) -> None:
    """Judge the end of a ffmpeg that read a sound track: its exit status, and the end of its standard error.

    Raises:
        DamagedInputError: decoding failed.
        InputError: this ffmpeg has no decoder for it.
        FfmpegError: it was killed.
    """
    if status == 0:
        return
    why = complaint(log)
    if status < 0 or (status == _INTERRUPTED and not why):
        how = f"killed by signal {-status}" if status < 0 else "asked to end"
        raise FfmpegError(f"ffmpeg was {how} while it read '{media.path}': try again; is there enough memory?")
    if re.search(
        r"decoder .*not found|no decoder found|codec none|unknown codec|error (while )?opening decoder",
        log,
        re.IGNORECASE,
    ):
        raise InputError(f"'{media.path}': this ffmpeg cannot decode sound track {track.number + 1} ({track}): {why}")
    raise DamagedInputError(
        f"'{media.path}' could not be decoded to its end ({why or f'ffmpeg ended with status {status}'})"
    )


def check_length(media: Media, track: Stream, seconds: float, reached: float | None) -> float:
    """Compare how much was decoded with what the container says. Exit codes do not help: a cut film ends with status 0.

    Args:
        seconds: of decoded sound. reached: how far the furthest stream came, None if that is not known.

    Returns:
        How many seconds are missing, 0 if the container does not say.

    Raises:
        DamagedInputError: more than `MISSING_SECONDS` are missing.
    """
    missing = _missing_seconds(media, track, seconds, reached)
    if missing > MISSING_SECONDS:
        raise DamagedInputError(
            f"'{media.path}' is damaged or was cut off: {missing:.1f} seconds of sound are missing at its end; "
            "copy or download it again, or take what is there with --accept-damaged"
        )
    return missing


def _last_sample(media: Media, reach: Reach, sample_rate: int) -> int | None:
    """Return where the film ends, on the time line of ffmpeg's output; None if nobody knows."""
    if not tells_its_length(media) or media.duration_seconds is None:
        return None
    begin = max(0.0, media.start_seconds) if timeline.keeps_time_stamps(media) else -reach.skipped
    return round((begin + media.duration_seconds) * sample_rate)


def last_seconds(log: str) -> float | None:
    """Return how far ffmpeg came in the film, from the last report of `-progress`."""
    found: list[str] = re.findall(r"^out_time_us=(\d+)$", log, re.MULTILINE)
    return int(found[-1]) / 1e6 if found else None


def _missing_seconds(media: Media, track: Stream, decoded: float, reached: float | None) -> float:
    """Seconds by which the sound is shorter than the container says, 0 if it is not or does not say.

    A track may rightly end before the picture does. So where the container stores the track's own length, that counts;
    where it stores only its own, the furthest stream counts.
    """
    if media.duration_seconds is None:
        return 0.0
    cut = truncation.missing_share(media)
    if cut > 0:
        # ffmpeg takes the frames that an MP3 promises for its length
        whole = media.duration_seconds if media.container == "mp3" else media.duration_seconds / (1 - cut)
        return whole * cut
    if not tells_its_length(media):
        return 0.0
    own = track.duration_seconds
    if truncation.is_whole(media):
        names = media.container.split(",")
        if "asf" in names or (own is None and any(one.kind in ("subtitle", "data") for one in media.streams)):
            return 0.0
    if own is not None:
        # Matroska counts a track's length from zero, not from the film's first time stamp
        return min(own, media.duration_seconds) - max(0.0, media.start_seconds) - decoded
    missing = media.duration_seconds - max(decoded, reached or 0.0)
    if missing < TOLD_SECONDS:
        return missing
    return media.duration_seconds - max(decoded, reached or 0.0, furthest_seconds(media))
