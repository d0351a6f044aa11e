"""Where samples go: into a film (through ffmpeg, here) or into a sound file (`SoundFileSink`). Both are `Sink`s."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cfork_cli import process, remux
from cfork_cli.decode import tells_its_length
from cfork_cli.destination import Sink, check_destination
from cfork_cli.errors import CforkError, FfmpegError, OutputError
from cfork_cli.probe import Media, Stream, probe
from cfork_cli.sound_file import SoundFileSink, Subtype

__all__ = ["FilmSink", "Sink", "SoundFileSink", "Subtype", "check_destination"]

DURATION_TOLERANCE_SECONDS = 1.0
"""A finished film may differ by this much from what it should be: muxers round, and codecs pad."""

_LAST_WORDS_SECONDS = 30.0


class FilmSink(Sink):
    """Writes the film with a new sound track: `write` blocks, then `close`; or `abort`. A context manager.

    Attributes:
        samples: how many (of each channel) were written.
        notes: what the user should know about the new film: a changed codec, streams that could not come along.
    """

    def __init__(
        self,
        media: Media,
        track: Stream,
        output: Path,
        *,
        codec: remux.AudioCodec | None = None,
        force: bool = False,
        title: str | None = None,
    ) -> None:
        """Check everything that can be checked, then start ffmpeg.

        Args:
            media: the film.
            track: the sound track to replace; blocks have its rate and channels.
            output: where the new film goes; its suffix says the kind of file.
            codec: from `remux.choose_codec`; None chooses.
            force: whether a file that exists may be replaced.
            title: a new title for the track; None keeps the old one.

        Raises:
            OutputError, UsageError, FfmpegError: see `check_destination` and `remux`.
        """
        super().__init__(output, source=media.path, force=force)
        program = process.find_ffmpeg()
        container = remux.container_for(output, media)
        self.codec = codec or remux.choose_codec(track, container, program)
        self.plan = remux.plan(media, track, self.codec, container, program)
        self.notes = (*([self.codec.note] if self.codec.note else []), *self.plan.notes)
        self._channels = track.channels or 0
        self._sample_rate = track.sample_rate or 0
        self._folder = _temporary_folder()
        try:
            # made by us, with the permissions that the user's umask gives to any new file
            self._temporary.touch(exist_ok=False)
            files = remux.extract(program, self.plan, Path(self._folder.name))
            self._child = process.Child(
                remux.build(program, self.plan, self._temporary, files, title=title), stdin=True
            )
        except BaseException as error:
            self._discard()
            self._folder.cleanup()
            if isinstance(error, OSError):
                raise OutputError(f"'{output}' cannot be written ({error.strerror}): choose another place") from error
            raise

    def write(self, block: np.ndarray) -> None:
        """Hand over samples, float32 `[channels, samples]`; waits while ffmpeg is busy.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
            FfmpegError: ffmpeg ended early for another reason.
            ValueError: the block's shape is wrong, or the sink is closed.
        """
        if self._state != "open":
            raise ValueError("this sink is closed")
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(f"a block must be [{self._channels}, samples], not {block.shape}")
        skip = max(0, self.codec.late - self.samples)
        samples = np.asarray(block[:, skip:], dtype="<f4").T
        if self.codec.bits == 24:
            # ffmpeg cuts off what is under 24 bits; rounding has no bias, and leaves 24-bit samples as they are
            samples = np.rint(samples * np.float32(2**23)) * np.float32(2**-23)
        try:
            self._child.stdin.write(np.ascontiguousarray(samples).data)
        except OSError as error:
            failure = self._failure(self._last_status())
            self.abort()
            raise failure from error
        self.samples += block.shape[1]

    def _complete(self) -> None:
        try:
            self._child.stdin.close()
        except OSError as error:
            raise self._failure(self._last_status()) from error
        status = self._child.wait()
        if status != 0 or _write_error(self._child.log()) is not None:
            raise self._failure(status)
        self._check()

    def _stop(self) -> None:
        self._child.close()
        self._folder.cleanup()

    def _last_status(self) -> int:
        """The exit status of a ffmpeg that closed its end of the pipe: it is about to end, and has said why."""
        try:
            return self._child.wait(_LAST_WORDS_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def _failure(self, status: int) -> CforkError:
        log = self._child.log()
        why = _write_error(log)
        if why in ("No space left on device", "Disk quota exceeded"):
            return OutputError(
                f"the disk is full: '{self.output}' was not written; free some space or choose another place"
            )
        if why == "File too large":
            return OutputError(f"'{self.output}' became larger than this disk allows: choose another place with -o")
        if why is not None:
            return OutputError(f"'{self.output}' could not be written ({why}): choose another place with -o")
        said = process.words(log) or (f"killed by signal {-status}" if status < 0 else f"it ended with status {status}")
        return FfmpegError(f"ffmpeg could not write '{self.output}' ({said}): nothing was written")

    def _check(self) -> None:
        """Read the new film's headers back: all streams there, and the right length."""
        try:
            new = probe(self._temporary)
        except CforkError as error:
            raise FfmpegError(f"ffmpeg wrote a film that cannot be read back ({error}): nothing was written") from error
        planned = _shape([entry.stream for entry in self.plan.entries])
        if _shape(new.streams) != planned:
            there = ", ".join(str(stream) for stream in new.streams)
            raise FfmpegError(f"ffmpeg wrote other streams than planned ({there}): nothing was written")
        if not tells_its_length(new) and new.container not in ("mpegts", "ogg", "mp3"):
            return  # its length would be a guess
        written = self.samples / self._sample_rate
        sound = new.audio[self._new_track()].duration_seconds or new.duration_seconds
        if sound is not None and sound < written - DURATION_TOLERANCE_SECONDS:
            raise FfmpegError(
                f"the new sound is {sound:.1f} s long, not {written:.1f} s: nothing was written; is the disk healthy?"
            )
        wanted = max(written, self._told_seconds())
        whole = new.duration_seconds
        if whole is not None and whole < wanted - max(DURATION_TOLERANCE_SECONDS, 0.005 * wanted):
            raise FfmpegError(
                f"the new film is {whole:.1f} s long, not {wanted:.1f} s: nothing was written; is the input complete?"
            )

    def _told_seconds(self) -> float:
        """How long the streams that come along are, as far as the film really says so; else 0."""
        media = self.plan.media
        if media.duration_seconds is None or not tells_its_length(media):
            return 0.0
        kept = [entry.stream for entry in self.plan.entries]
        lengths = [s.duration_seconds for s in kept if s.kind in ("video", "audio") and not s.is_cover]
        known = [length for length in lengths if length is not None]
        if len(known) == len(lengths):
            longest = min(max(known), media.duration_seconds)
        else:
            # a stream that stays behind may have been the longest
            longest = media.duration_seconds if len(kept) == len(media.streams) else 0.0
        # Matroska counts from zero, and the new film begins there
        return longest - max(0.0, media.start_seconds)

    def _new_track(self) -> int:
        sounds = [entry for entry in self.plan.entries if entry.stream.kind == "audio"]
        return next(number for number, entry in enumerate(sounds) if entry.action == "encode")


def _shape(streams: Iterable[Stream]) -> tuple[list[str], int]:
    """Kinds of the streams in order, and how many covers. Muxers place covers, and make data streams, as they like."""
    kept = [stream for stream in streams if stream.kind != "data"]
    return [stream.kind for stream in kept if not stream.is_cover], sum(stream.is_cover for stream in kept)


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="cfork-")
    except OSError as error:
        raise OutputError(f"no temporary folder could be made ({error.strerror}): free some space") from error


_WRITE_ERRORS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
    "Permission denied",
    "Stale file handle",
)


def _write_error(log: str) -> str | None:
    """The system's reason, in ffmpeg's words, why it could not write."""
    return next((reason for reason in _WRITE_ERRORS if reason in log), None)
