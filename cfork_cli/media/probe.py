"""Read what is in a film: `ffprobe`'s JSON, or the same JSON through PyAV, as frozen dataclasses."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from cfork_cli.errors import NO_MEMORY, CforkError, FfmpegError, InputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import url
from cfork_cli.ffmpeg.complaints import complaint
from cfork_cli.ffmpeg.demuxers import ALLOWED, GUARD_OPTIONS, NOT_ALLOWED
from cfork_cli.ffmpeg.find import find_ffprobe
from cfork_cli.media import answer, hole, late_tracks, matroska, mov_samples, mov_titles, pyav_probe
from cfork_cli.media.encryption import encryption
from cfork_cli.media.types import Kind, Media, Program, Stream
from cfork_cli.text import address, size

TIMEOUT_SECONDS = 60.0

MOST_CHANNELS = 64
"""More are no sound but a damaged header; a second of 20,000 channels is 4 GB."""

MOST_HERTZ = 6_000_000
"""The same for the sample rate: half a second at 2 GHz, to try a codec, is 4 GB. DSD1024 has 5.6 MHz."""

MOST_BITS_PER_SECOND = 100_000_000_000
"""The same for the bit rate: `MOST_CHANNELS` at `MOST_HERTZ` with 64 bits have a fourth of it."""

_MOST_ID = 65_535
"""Of a program, and of a stream, in MPEG-TS."""

_PLAYLISTS = {"hls", "dash", "concat", "concatf", "sdp", "rtsp", "imf"}
_PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat version", b"v=0\n", b"v=0\r\n")
_NOT_TOLD = ("", "unknown", "N/A", None)

MIXES = {"matroska", "webm", "mov", "mp4", "avi", "asf", "flv", "mxf"}
"""Containers of several streams that write down how long they are, unless they were made while nobody could know: in a
pipe, or by a recording that was cut off. ffmpeg guesses what is not stored from size and bit rates, as if all of
it were sound: twice too long, easily."""

_GUESS = "Estimating duration from bitrate"


def probe(path: Path) -> Media:
    """Read what is in a film.

    Raises:
        InputError: it is missing, a directory, empty, a playlist, forbidden, or not media.
        FfmpegError: neither ffprobe nor PyAV can be run, or what was asked failed itself.
    """
    start = _check_file(path)
    _check_headers(path)
    finished = _asked(probe_command(path), path)
    partly = finished.status != 0 and "Could not open codec" in finished.log
    if partly:
        # ffprobe gives up at the first stream that it cannot decode; the others may be what is wanted
        finished = _asked(_pyav_command(path), path)
    if finished.status == pyav_probe.NOT_THERE:
        raise FfmpegError(complaint(finished.log))
    encrypted = encryption(path)
    if encrypted is not None:
        raise InputError(
            f"'{path}' is encrypted ({encrypted}), so ffmpeg cannot read its sound: take a copy without it"
        )
    if finished.status == pyav_probe.FAULTY:
        raise _pyav_failed(path, finished, instead=partly)
    if finished.status < 0:
        raise _killed(path, finished)
    if finished.status != 0:
        if NOT_ALLOWED in finished.log:
            raise InputError(f"'{path}' is a playlist or one of many pictures, not a film: name the film itself")
        _check_program()
        why = complaint(finished.log).removeprefix(url(path)).lstrip(": ")
        raise InputError(f"'{path}' is not a film or a sound that ffmpeg can read ({why or 'no reason given'})")
    try:
        facts = answer.read(finished.output)
    except ValueError as error:
        raise FfmpegError(f"ffprobe's answer about '{path}' could not be understood: reinstall ffmpeg") from error
    facts["duration_guessed"] = facts.get("duration_guessed") or _GUESS in finished.log or _unfinished_riff(start)
    if "mov" in facts["format"].get("format_name", ""):
        mov_titles.add_titles(facts, path)
    media = late_tracks.seen(parse(facts, path))
    if partly:
        media = late_tracks.tried(media)
    if not _PLAYLISTS.isdisjoint(media.container.split(",")):
        raise _playlist(path)
    if not media.streams:
        raise InputError(f"'{path}' has neither picture nor sound in it: is it the right file?")
    return media


def _asked(command: Sequence[str], path: Path) -> process.Finished:
    """Ask about a file.

    Raises:
        InputError: the answer has no end, since the file has more in its headers than any film.
        FfmpegError: the program cannot be run.
    """
    try:
        return process.run(command, timeout=TIMEOUT_SECONDS)
    except process.TooMuch as error:
        raise too_much(path) from error


def _pyav_failed(path: Path, finished: process.Finished, *, instead: bool) -> CforkError:
    """Return the error about a fault of PyAV, or of what asks it: nobody knows whether the film is sound.

    Args:
        instead: whether ffprobe was asked before, and gave up at a codec.
    """
    what = complaint(finished.log)
    if "MemoryError" in what or "failed to map segment" in what:
        return CforkError(NO_MEMORY)
    before = "ffprobe cannot open one of its codecs" if instead else "there is no ffprobe"
    cure = (
        "take another version of ffmpeg"
        if instead
        else "install ffmpeg with its ffprobe, or name one with CFORK_FFPROBE"
    )
    return FfmpegError(f"'{path}' was not read: {before}, and PyAV itself failed ({what}): {cure}")


def _killed(path: Path, finished: process.Finished) -> FfmpegError:
    """Return the error about a program that did not end by itself."""
    program = "PyAV" if (found := find_ffprobe()) is None else f"'{found}'"
    return FfmpegError(
        f"{program} was killed by signal {-finished.status} while it read the headers of '{path}': "
        "is there enough memory? else the file may be damaged; another version of ffmpeg may read it"
    )


def too_much(path: Path) -> InputError:
    """Return the error about a film whose headers hold more than ffprobe may answer."""
    return InputError(
        f"'{path}' has more than {process.ANSWER_BYTES >> 20} MiB of tags, chapters and the like in its headers: "
        "take a copy without them, made with 'ffmpeg -map_metadata -1 -map_chapters -1 -c copy'"
    )


def parse(facts: Mapping[str, Any], path: Path) -> Media:
    """Turn ffprobe's JSON (`-show_format -show_streams -show_chapters -show_programs`), as `answer.read` gives it,
    into a `Media`.

    A key of our own, "duration_guessed", says that ffmpeg only guessed; see `MIXES`.
    """
    whole = facts.get("format", {})
    container = whole.get("format_name") or "unknown"
    unknown = bool(facts.get("duration_guessed")) and not MIXES.isdisjoint(container.split(","))
    if "flv" in container and not _length(whole.get("duration")):
        unknown = True  # one that was written into a pipe and cut off says 0
    counts: dict[str, int] = {}
    streams = []
    for entry in facts.get("streams", []):
        kind = entry.get("codec_type", "data")
        if kind not in ("video", "audio", "subtitle", "attachment"):
            kind = "data"
        unseen = "matroska" in container and answer.number(entry.get("duration")) is not None
        if unknown or unseen:
            # Matroska tells no lengths there: where ffmpeg met no packet, it fills in the film's
            entry = {**entry, "duration": None}
        if container != "mpegts":
            entry = {**entry, "id": None}
        stream = _stream(entry, cast("Kind", kind), counts.get(kind, 0))
        streams.append(replace(stream, is_unseen=unseen and kind == "audio"))
        counts[kind] = counts.get(kind, 0) + 1
    return Media(
        path=path,
        container=container,
        duration_seconds=None if unknown else _length(whole.get("duration")),
        start_seconds=answer.seconds(whole.get("start_time")) or 0.0,
        tags=whole.get("tags", {}),
        chapters=len(facts.get("chapters", [])),
        streams=tuple(streams),
        programs=tuple(_programs(facts.get("programs", []), len(streams))) if container == "mpegts" else (),
    )


def _programs(programs: Sequence[Mapping[str, Any]], count: int) -> Iterator[Program]:
    for one in programs:
        tags = one.get("tags", {})
        number = answer.whole(one.get("program_id"), _MOST_ID)
        if number is not None:
            kept = {name: tags[name] for name in ("service_name", "service_provider") if tags.get(name)}
            told = (stream.get("index") for stream in one.get("streams", []))
            streams = tuple(index for index in told if isinstance(index, int) and 0 <= index < count)
            yield Program(number, answer.whole(one.get("pmt_pid"), _MOST_ID), kept, streams)


def _stream(entry: Mapping[str, Any], kind: Kind, number: int) -> Stream:
    tags: Mapping[str, str] = entry.get("tags", {})
    lower = {key.lower(): value for key, value in tags.items()}
    disposition = frozenset(name for name, on in entry.get("disposition", {}).items() if on)
    language = lower.get("language")
    bits = answer.whole(entry.get("bits_per_raw_sample"), 64) or answer.whole(entry.get("bits_per_sample"), 64)
    if str(entry.get("sample_fmt", "")).startswith(("flt", "dbl")):
        bits = None
    return Stream(
        index=entry["index"],
        kind=kind,
        number=number,
        codec=entry.get("codec_name") or "unknown",
        language=None if language in ("und", "", None) else language,
        title=lower.get("title") or None,
        disposition=disposition,
        channels=answer.whole(entry.get("channels"), MOST_CHANNELS),
        layout=_layout(entry.get("channel_layout")),
        sample_rate=answer.whole(entry.get("sample_rate"), MOST_HERTZ),
        # not what mkvmerge once noted in a tag (BPS): it stays when the sound is replaced, see `codecs.bit_rate`
        bit_rate=answer.whole(entry.get("bit_rate"), MOST_BITS_PER_SECOND),
        sample_format=None if entry.get("sample_fmt") in _NOT_TOLD else entry["sample_fmt"],
        bits=bits if kind == "audio" else None,
        profile=None if entry.get("profile") in _NOT_TOLD else str(entry["profile"]),
        duration_seconds=_length(entry.get("duration")) or _length(_clock(lower.get("duration"))),
        start_seconds=answer.seconds(entry.get("start_time")) or 0.0,
        is_cover=kind == "video" and "attached_pic" in disposition,
        rotation=next((turn for one in entry.get("side_data_list", ()) if (turn := _turn(one.get("rotation")))), 0),
        tag=tag if (tag := str(entry.get("codec_tag_string", ""))).isalnum() else None,
        id=_hexadecimal(entry.get("id")),
        tags=tags,
    )


def _layout(value: Any) -> str | None:
    # "6 channels" says no more than the number of channels; "3 channels (FL+FC+LFE)" is a layout that has no name
    layout = "" if value in _NOT_TOLD else re.sub(r"^\d+ channels( \((.+)\))?$", r"\2", str(value))
    return layout or None


def _length(value: Any) -> float | None:
    found = answer.seconds(value)
    return found if found is not None and found >= 0 else None


def _turn(value: Any) -> int:
    found = answer.number(value)
    return int(found) if found is not None and abs(found) <= 360 else 0


def _hexadecimal(value: Any) -> int | None:
    """ffprobe prints ids as "0x1011"."""
    try:
        found = int(str(value), 0)
    except ValueError:
        return None
    return found if 0 <= found <= _MOST_ID else None


def _clock(value: str | None) -> float | None:
    """Seconds of Matroska's `00:01:02.500000000`."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", value or "")
    return None if match is None else int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


def probe_command(path: Path) -> list[str]:
    """The command line that prints ffprobe's JSON about a file, or about its standard input (`/dev/stdin`)."""
    ffprobe = find_ffprobe()
    if ffprobe is None:
        return _pyav_command(path)
    # a command line of options alone: there is no graph for ffmpeg-python to build
    show = ["-show_format", "-show_streams", "-show_chapters", "-show_programs", "-of", "json"]
    guard = ["-hide_banner", "-loglevel", "level+warning", *GUARD_OPTIONS]
    return [ffprobe, *guard, *show, "-i", url(path)]


def _check_program() -> None:
    """Tell a broken ffprobe from a file that is no film.

    Raises:
        FfmpegError: it does not even tell its version.
    """
    ffprobe = find_ffprobe()
    if ffprobe is None:
        return
    finished = process.run([ffprobe, "-hide_banner", "-version"], timeout=TIMEOUT_SECONDS)
    if finished.status != 0:
        why = complaint(finished.log) or f"it ended with status {finished.status}"
        raise FfmpegError(f"'{ffprobe}' does not run ({why}): repair it, or name another with CFORK_FFPROBE")


def _pyav_command(path: Path) -> list[str]:
    # by its place, not by `-m`: it must be found from every directory; -P keeps our modules from hiding others
    return [sys.executable, "-P", str(Path(__file__).with_name("pyav_probe.py")), os.fspath(path), ALLOWED]


def _check_file(path: Path) -> bytes:
    """Tell the ordinary mistakes apart before ffmpeg sees the file: its own words for them are obscure.

    Returns:
        Its first bytes.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"'{path}' is a directory: name one film in it")
        if not stat.S_ISREG(mode):
            raise InputError(f"'{path}' is not a file: save the film to a file first")
        with path.open("rb") as file:
            start = file.read(64)
        is_hole = hole.ends_in_hole(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{str(path)!r} is not a possible file name") from error
    if is_hole:
        raise InputError(
            f"'{path}' ends with at least {hole.LEAST_BYTES >> 30} GiB of nothing (a hole in the file): "
            "was it downloaded or copied completely? get it again"
        )
    if not start:
        raise InputError(f"'{path}' is empty: was it copied or downloaded completely?")
    if start.startswith(_PLAYLIST_STARTS):
        raise _playlist(path)
    return start


def _check_headers(path: Path) -> None:
    """Look at what ffmpeg would take into memory, or sort one by one, as soon as it opens the file.

    Raises:
        InputError: it is too much.
    """
    found = matroska.attached_bytes(path)
    if found > matroska.MOST_ATTACHED_BYTES:
        raise InputError(
            f"'{path}' carries attachments of {size(found)}, more than {matroska.MOST_ATTACHED_BYTES >> 20} MiB: "
            "take a copy without them, made with 'mkvmerge -o copy.mkv --no-attachments'"
        )
    mov_samples.check(path)
    if matroska.has_too_many_names(path):
        raise InputError(
            f"'{path}' has tags of more than {matroska.MOST_NAMES:,} different names, which take ffmpeg minutes: "
            "take a copy without them, made with 'mkvmerge -o copy.mkv --no-global-tags --no-track-tags'"
        )


def _unfinished_riff(start: bytes) -> bool:
    """Return whether an AVI's size was never filled in; its number of pictures is a made-up one then."""
    return start[:4] == b"RIFF" and start[8:12] == b"AVI " and start[4:8] in (bytes(4), b"\xff" * 4)


def _unreadable(path: Path, error: OSError) -> CforkError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputError(_missing(path))
    if error.errno == errno.EACCES:
        return InputError(f"'{path}' may not be read: check its permissions")
    return InputError(f"'{path}' cannot be read: {error.strerror}")


def _playlist(path: Path) -> InputError:
    return InputError(f"'{path}' is a playlist, not a film: name the film itself")


def _missing(path: Path) -> str:
    """Return what to do about a file that is not there."""
    named = address(path)
    if named is None:
        return f"'{path}' does not exist: check the name"
    return f"'{named}' is a URL, and cfork reads files: yt-dlp -o - '{named}' | cfork remix - --dialog +6 -o new.mkv"
