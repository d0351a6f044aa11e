"""`python -m cfork_cli.media.pyav_probe FILE DEMUXERS`: ffprobe's JSON through PyAV, for machines without ffprobe.

A process of its own, because a broken film may hang or crash the libraries that read it; `probe` gives it a time limit.
It prints what `probe.parse` reads, no more.
"""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any

NOT_THERE = 77
"""Exit status when PyAV cannot be imported."""

FAULTY = 70
"""Exit status when PyAV, or this module, failed in a way that says nothing of the file (EX_SOFTWARE of sysexits.h)."""

# bits of AVStream.disposition, in libavformat's order; ffprobe prints the same names
# fmt: off
_DISPOSITIONS = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired", "visual_impaired",
    "clean_effects", "attached_pic", "timed_thumbnails", "non_diegetic", None, None, None,
    "captions", "descriptions", "metadata", "dependent", "still_image", "multilayer",
)
# fmt: on

_UP_TO_24_BITS = {
    "pcm_bluray", "pcm_dvd", "s302m", "tta", "truehd", "mlp", "ape", "tak", "wmalossless", "shorten",
}  # fmt: skip
"""Lossless codecs whose integers have as many bits as the decoder's samples, but never more than 24."""


def describe(path: str, demuxers: str) -> dict[str, Any]:
    """The JSON for one file, which only these demuxers may read; see `ffmpeg.demuxers`.

    Raises:
        av.error.FFmpegError: the file cannot be read.
    """
    import av
    import av.logging

    av.logging.set_level(av.logging.WARNING)
    options = {"protocol_whitelist": "file,pipe", "format_whitelist": demuxers}
    with av.logging.Capture() as log, _opened("file:" + path, options, log) as container:
        return {
            "duration_guessed": any("Estimating duration from bitrate" in message for _, _, message in log),
            "format": {
                "format_name": container.format.name,
                "start_time": _seconds(container.start_time, av.time_base),
                "duration": _seconds(container.duration, av.time_base),
                "tags": dict(container.metadata),
            },
            "chapters": [{"id": chapter["id"]} for chapter in container.chapters()],
            "streams": [
                _stream(stream) | _turned(container, stream) | _packed(container, stream)
                for stream in container.streams
            ],
            "programs": list(_programs(_dump(container))) if container.format.name == "mpegts" else [],
        }


def _dump(container: Any) -> str:
    """Return what ffmpeg prints about an input: PyAV tells of programs nowhere else."""
    import av.logging

    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        return str(container.dumps_format())
    finally:
        av.logging.set_level(level)


def _programs(dump: str) -> Iterator[dict[str, Any]]:
    """Yield the programs of a recording from ffmpeg's description of it.

    >>> tags = "    Metadata:\\n      service_name    : One\\n"
    >>> next(_programs(f"  Program 5 \\n{tags}  Stream #0:1[0x101]: Audio: mp2\\n  No Program\\n"))
    {'program_id': 5, 'tags': {'service_name': 'One'}, 'streams': [{'index': 1}]}
    """
    found: dict[str, Any] | None = None
    for line in dump.splitlines():
        if begin := re.match(r"  (?:Program (\d+)|No Program)", line):
            if found is not None:
                yield found
            found = None if begin[1] is None else {"program_id": int(begin[1]), "tags": {}, "streams": []}
        elif found is not None and (tag := re.match(r"      (service_\w+) *: (.*)", line)):
            found["tags"][tag[1]] = tag[2]
        elif found is not None and (stream := re.match(r"  Stream #\d+:(\d+)", line)):
            found["streams"].append({"index": int(stream[1])})
    if found is not None:
        yield found


def _stream(stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    flags = int(getattr(stream.disposition, "value", stream.disposition))  # an enum, in some versions not an integer
    facts: dict[str, Any] = {
        "index": stream.index,
        "id": stream.id,
        "codec_type": stream.type or "data",
        "disposition": {name: 1 for bit, name in enumerate(_DISPOSITIONS) if name and flags >> bit & 1},
        "tags": dict(stream.metadata),
        "profile": stream.profile,
    }
    for name, value in (("start_time", stream.start_time), ("duration", stream.duration)):
        if value is not None and stream.time_base:
            facts[name] = float(value * stream.time_base)
    if context is None:
        # attachments have no decoder; what PyAV calls their name is the file's
        if stream.type == "attachment":
            facts["codec_name"] = _attachment_codec(facts["tags"])
        else:
            facts["codec_name"] = stream.name if facts["codec_type"] == "data" else "unknown"
        return facts
    # the codec's name, not the decoder's: "dvd_subtitle", not "dvdsub"
    facts["codec_name"] = context.codec.canonical_name
    facts["codec_tag_string"] = _tag(context)
    if stream.type == "audio":
        rate = context.bit_rate
        form = context.format.name if context.format else ""
        facts |= {
            "sample_fmt": form,
            "sample_rate": context.sample_rate,
            "channels": context.channels,
            "channel_layout": context.layout.name,
            "bit_rate": rate,
            "bits_per_raw_sample": _bits(facts["codec_name"], form, stream.profile, context.extradata),
        }
    return facts


def _tag(context: Any) -> str | None:
    """Return the container's four letters for a codec, None where they are a number: AVI's of AAC is 0x00ff."""
    try:
        return str(context.codec_tag)
    except UnicodeDecodeError:  # PyAV takes all of them for ASCII
        return None


def _turned(container: Any, stream: Any) -> dict[str, Any]:
    """Return the picture's rotation. PyAV knows it of decoded pictures only, so the first one is decoded."""
    import av.error

    if stream.type != "video" or stream.codec_context is None or stream.disposition.attached_pic:
        return {}
    try:
        container.seek(0)
        frame = next(iter(container.decode(stream)), None)
    except (av.error.FFmpegError, ValueError):
        return {}
    return {"side_data_list": [{"rotation": frame.rotation}]} if frame is not None and frame.rotation else {}


def _packed(container: Any, stream: Any) -> dict[str, Any]:
    """Return bits of WavPack's samples, which only the head of a packet tells (`wvpk`, version 4 of the format)."""
    import av.error

    if stream.type != "audio" or stream.codec_context is None or stream.codec_context.codec.canonical_name != "wavpack":
        return {}
    try:
        container.seek(0)
        head = bytes(next((packet for packet in container.demux(stream) if packet.size), b""))
    except (av.error.FFmpegError, ValueError):
        return {}
    if len(head) < 32 or head[:4] != b"wvpk":
        return {}
    return {"bits_per_raw_sample": 8 * ((head[24] & 3) + 1)}  # the flags begin with the bytes of a sample, less 1


def _bits(codec: str, form: str, profile: str | None, extradata: bytes | None) -> int | None:
    """Return bits of a lossless codec's samples, unknown to PyAV: from the PCM's name, or the codec's header, or the
    format of the decoded samples."""
    pcm = re.fullmatch(r"pcm_[su](\d+)(?:le|be)?(?:_planar)?", codec)
    if pcm:
        return int(pcm[1])
    if codec == "flac" and extradata and len(extradata) >= 34:
        # STREAMINFO: 16 bits each of block sizes, 24 each of frame sizes, 20 rate, 3 channels, 5 bits per sample less 1
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if codec == "alac" and extradata and len(extradata) >= 36:
        return extradata[17]  # size, 'alac', version and flags: 12 bytes; frame length 4, compatible version 1
    if codec in _UP_TO_24_BITS or (codec == "dts" and "MA" in (profile or "")):
        return {"u8": 8, "s16": 16, "s32": 24}.get(form.removesuffix("p"))
    return None


def _attachment_codec(tags: dict[str, str]) -> str:
    kinds = {"ttf": ("truetype", "ttf"), "otf": ("opentype", "otf")}
    mimetype = " ".join(value for key, value in tags.items() if key.lower() == "mimetype").lower()
    return next((codec for codec, parts in kinds.items() if any(part in mimetype for part in parts)), "unknown")


def _seconds(value: int | None, per_second: int) -> float | None:
    return None if value is None else value / per_second


def _opened(url: str, options: dict[str, str], log: list[tuple[int, str, str]]) -> Any:
    """Open a file; PermissionError where it takes a demuxer that is not allowed, of which libavformat tells the log."""
    import av.error

    from cfork_cli.media.pyav import open_film

    try:
        return open_film(url, options)
    except av.error.FFmpegError:
        if any("not on whitelist" in message for _, _, message in log):
            raise PermissionError("Format not on whitelist") from None
        raise


def main() -> int:
    """Print the JSON; on failure one line on standard error and status 1, `NOT_THERE` or `FAULTY`."""
    if len(sys.argv) != 3:
        print("usage: python -m cfork_cli.media.pyav_probe FILE DEMUXERS", file=sys.stderr)
        return 2
    try:
        import av
        import av.error
    except ModuleNotFoundError:
        print("neither ffprobe nor PyAV is there: install ffmpeg, or 'pip install av'", file=sys.stderr)
        return NOT_THERE
    except ImportError as error:  # a part of it is missing, or the memory for it
        print(f"PyAV: {error}", file=sys.stderr)
        return FAULTY
    try:
        facts = describe(*sys.argv[1:])
    except av.error.FFmpegError as error:
        print(error.strerror, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        # the last line of a traceback, "KeyError: 'id'", would be taken for what is wrong with the film
        what = "".join(traceback.format_exception_only(error)).strip()
        print(f"PyAV {av.__version__}: {what}", file=sys.stderr)
        return FAULTY
    json.dump(facts, sys.stdout)  # ASCII only, so that no locale can spoil it
    return 0


if __name__ == "__main__":
    sys.exit(main())
