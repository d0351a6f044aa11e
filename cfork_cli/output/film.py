"""Write a film with new sound tracks, through ffmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from cfork_cli.codecs.choose import AudioCodec, choose_codec, is_lossless
from cfork_cli.errors import CforkError, FfmpegError, OutputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.complaints import write_error, write_failure
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.media import timeline, truncation
from cfork_cli.media.containers import container_for, sound_container
from cfork_cli.media.probe import probe
from cfork_cli.media.timeline import tells_its_length
from cfork_cli.media.types import Media, Stream
from cfork_cli.output.file_sink import FileSink
from cfork_cli.remux import command as remux
from cfork_cli.remux import fit, interleave, losses, matroska
from cfork_cli.remux.plan import FilmPlan, NewTrack

DURATION_TOLERANCE_SECONDS = 1.0
"""A finished film may differ by this much from what it should be: muxers round, and codecs pad."""


class FilmSink(FileSink):
    """Writes the film with new sound tracks: `write` blocks, then `close`; or `abort`. A context manager.

    Attributes:
        samples: how many (of each channel of the first new track) were written.
        notes: what the user should know about the new film: a changed codec, streams that could not come along.
    """

    def __init__(
        self,
        media: Media,
        track: Stream,
        output: Path,
        *,
        codec: AudioCodec | None = None,
        plan: FilmPlan | None = None,
        force: bool = False,
        title: str | None = None,
        begin: Sequence[int] = (),
    ) -> None:
        """Check everything that can be checked, then start ffmpeg.

        Args:
            media: the film.
            track: the sound track to replace; blocks have its rate and channels.
            output: where the new film goes; its suffix says the kind of file.
            codec: from `choose_codec`; None chooses.
            plan: from `fit.plan_film`, for this output's kind of file, with its new tracks; None plans for this track.
            force: whether a file that exists may be replaced.
            title: a new title for the track; None keeps the old one.
            begin: for each new track, the place of its first sample on the time line (see `timeline`); none means the
                film's start.

        Raises:
            OutputError, UsageError, FfmpegError: see `check_destination` and `remux.fit`.
        """
        super().__init__(output, source=media.path, force=force)
        if plan is None:
            container = container_for(output, media)
            new = NewTrack(track, track, codec or choose_codec(track, sound_container(container, output.suffix)), title)
            plan = fit.plan_film(media, [new], container, suffix=output.suffix)
        self.plan, self.codec = plan, plan.codec
        self.notes = plan.all_notes
        self._raw = remux.raw_tracks(plan)
        self._written = [0] * len(self._raw)  # samples of each new track
        self._handed = [0] * len(self._raw)  # the same, as they went to ffmpeg: see `timeline.placed`
        begin = begin or [timeline.film_begin(media, raw.sample_rate) for raw in self._raw]
        places = [
            timeline.placed(first, new.codec.late, _shift(plan, new), _after_start_up(media, new, first))
            for first, new in zip(begin, plan.new, strict=True)
        ]
        self._skipped = [skipped for skipped, _ in places]
        starts = [start for _, start in places]
        self._folder = _temporary_folder()
        try:
            # made by us, with the permissions that the user's umask gives to any new file
            self._take_name().touch(exist_ok=False)
            files = remux.extract(self.plan, self._folder.path)
            arguments = remux.build(self.plan, self._temporary, files, starts=starts)
            self._child = process.Child(arguments, stdin=True)
        except BaseException as error:
            self._discard()
            self._folder.remove()
            if isinstance(error, OSError):
                raise OutputError(f"'{output}' cannot be written ({error.strerror}): choose another place") from error
            raise

    def write(self, block: np.ndarray, number: int = 0) -> None:
        """Hand over samples, floats `[channels, samples]`; waits while ffmpeg is busy.

        Args:
            number: which of the plan's new tracks they belong to. Several should be kept in step.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
            FfmpegError: ffmpeg ended early for another reason.
            ValueError: the block's shape is wrong, or the sink is closed.
        """
        if self._state != "open":
            raise ValueError("this sink is closed")
        raw = self._raw[number]
        if block.ndim != 2 or block.shape[0] != raw.channels:
            raise ValueError(f"a block must be [{raw.channels}, samples], not {block.shape}")
        skip = max(0, self._skipped[number] - self._written[number])
        samples = self.plan.new[number].codec.handed(block[:, skip:])
        try:
            if len(self._raw) == 1:
                self._child.stdin.write(np.ascontiguousarray(samples.T).data)
            elif samples.size:
                if not any(self._handed):
                    self._child.stdin.write(interleave.header(self._raw))
                self._child.stdin.write(interleave.packet(number, raw, self._handed[number], samples))
        except OSError as error:
            failure = self._failure(self._child.last_status())
            self.abort()
            raise failure from error
        self._written[number] += block.shape[1]
        self._handed[number] += samples.shape[1]
        self.samples = self._written[0]

    def written(self, number: int) -> tuple[Media, Stream]:
        """Return the finished film, under its temporary name, and one of its new tracks, to look at before it appears.

        Raises:
            ValueError: it is not finished, or is closed already.
        """
        if self._state != "finished":
            raise ValueError("a film can be looked at between finish and publish")
        film = probe(self._temporary)
        return film, film.audio[self._new_tracks()[number]]

    def _complete(self) -> None:
        try:
            self._child.stdin.close()
        except OSError as error:
            raise self._failure(self._child.last_status()) from error
        status = self._child.wait()
        if status != 0 or write_error(self._child.log()) is not None:
            raise self._failure(status)
        try:
            self.found = matroska.carry(self.plan, self._temporary)
        except OSError as error:
            raise OutputError(f"'{self.output}' cannot be written ({error.strerror}): choose another place") from error
        self._check()

    def _stop(self) -> None:
        self._child.close()
        self._folder.remove()

    def _failure(self, status: int) -> CforkError:
        return write_failure(self.output, status, self._child.log())

    def _check(self) -> None:
        """Read the new film's headers back: all streams there, and the right length."""
        if not self._temporary.exists():
            raise OutputError(f"the new film was removed before it was complete ('{self.output}'): nothing was written")
        try:
            new = probe(self._temporary)
        except CforkError as error:
            why = str(error).replace(str(self._temporary), self.output.name)
            raise FfmpegError(f"ffmpeg wrote a film that cannot be read back ({why}): nothing was written") from error
        planned = _shape([entry.stream for entry in self.plan.entries])
        if _shape(new.streams) != planned:
            there = ", ".join(str(stream) for stream in new.streams)
            raise FfmpegError(f"ffmpeg wrote other streams than planned ({there}): nothing was written")
        self.found += tuple(losses.found(self.plan, new))
        if not tells_its_length(new) and new.container not in ("mpegts", "ogg", "mp3"):
            return  # its length would be a guess
        wanted = self._stored_seconds()
        for number, place in enumerate(self._new_tracks()):
            written = self._written[number] / self._raw[number].sample_rate
            sound = new.audio[place].duration_seconds or new.duration_seconds
            if sound is not None and sound < written - DURATION_TOLERANCE_SECONDS:
                raise FfmpegError(
                    f"the new sound is {sound:.1f} s long, not {written:.1f} s: nothing was written; "
                    "is the disk healthy?"
                )
            wanted = max(wanted, written)
        whole = new.duration_seconds
        if whole is not None and whole < wanted - max(DURATION_TOLERANCE_SECONDS, 0.005 * wanted):
            raise FfmpegError(
                f"the new film is {whole:.1f} s long, not {wanted:.1f} s: nothing was written; is the input complete?"
            )

    def _stored_seconds(self) -> float:
        """Return how long the streams that come along are, as far as the film really stores it; else 0."""
        media = self.plan.media
        if media.duration_seconds is None or not tells_its_length(media):
            return 0.0
        if media.container == "asf" and truncation.is_whole(media):  # its length may count what comes before the start
            return 0.0
        kept = [entry.stream for entry in self.plan.entries]
        lengths = [s.duration_seconds for s in kept if s.kind in ("video", "audio") and not s.is_cover]
        known = [length for length in lengths if length is not None]
        if len(known) == len(lengths):
            longest = min(max(known), media.duration_seconds)
        else:
            # a stream that stays behind may have been the longest
            whole = {stream.index for stream in kept} == {stream.index for stream in media.streams}
            longest = media.duration_seconds if whole else 0.0
        # Matroska counts from zero, and the new film begins there
        return longest - max(0.0, media.start_seconds)

    def _new_tracks(self) -> list[int]:
        """Return the places of the new tracks among the sounds of the new film, in the order of the plan's."""
        sounds = [entry.new for entry in self.plan.entries if entry.stream.kind == "audio"]
        return [sounds.index(new) for new in self.plan.new]


def _after_start_up(media: Media, new: NewTrack, begin: int) -> int:
    if new.codec.codec_name != new.source.codec or is_lossless(new.source):
        return begin
    return timeline.after_start_up(media, new.source, begin, new.codec.delay + min(0, new.codec.late))


def _shift(plan: FilmPlan, new: NewTrack) -> int:
    """Return by how many samples the film would move if the encoder began at its start: broadcasts know no time before
    zero, so where one begins there, ffmpeg would move all of it by the encoder's start-up."""
    if plan.container not in ("mpegts", "vob") or plan.alone or timeline.keeps_time_stamps(plan.media):
        return new.codec.shift
    room = timeline.clock_start(plan.media) * (new.delivered.sample_rate or 0)
    return max(new.codec.shift, new.codec.delay - round(room))


def _shape(streams: Iterable[Stream]) -> tuple[list[str], int]:
    """Kinds of the streams in order, and how many covers. Muxers place covers, and make data streams, as they like."""
    kept = [stream for stream in streams if stream.kind != "data"]
    return [stream.kind for stream in kept if not stream.is_cover], sum(stream.is_cover for stream in kept)


def _temporary_folder() -> TemporaryFolder:
    try:
        return TemporaryFolder()
    except OSError as error:
        raise OutputError(f"no temporary folder could be made ({error.strerror}): free some space") from error
