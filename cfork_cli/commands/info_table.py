"""Print the facts of `cfork info`."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from cfork_cli.console.console import Console
from cfork_cli.flows.info import Info, gather
from cfork_cli.flows.stem_levels import ListenJob, StemLevels
from cfork_cli.input.loudness import Loudness
from cfork_cli.media.types import Stream
from cfork_cli.text import clock, printable, size

_KINDS = {"audio": "sound", "subtitle": "subtitles", "attachment": "file"}


def show(path: Path, console: Console, *, with_loudness: bool = True, listen: ListenJob | None = None) -> None:
    """Print it: a table on stdout, or one JSON object.

    Raises:
        InputError, OutputError, FfmpegError: it cannot be read at all.
    """
    found = gather(path, console, with_loudness=with_loudness, listen=listen)
    if console.as_json:
        console.result(**found.facts())
        return
    first, *rest = _lines(found)
    console.out(printable(first))
    console.table(_table(found))
    if found.stems is not None:
        console.table(_stem_table(found.stems))
        rest = [*_speech_lines(found.stems), *rest]
    for line in rest:
        console.out(printable(line))


def _table(info: Info) -> Table:
    """Return the streams as a table."""
    names = ("", "codec", "language", "title", "what", "flags", "LUFS", "range", "true peak")
    table = Table(*names[: 9 if info.loudness else 6])
    for stream in info.media.streams:
        row = [
            f"{_KINDS.get(stream.kind, stream.kind)} {stream.number + 1}",
            _codec(stream),
            stream.language or "",
            stream.title or "",
            _what(stream),
            ", ".join(sorted(stream.disposition)),
        ]
        if info.loudness:
            row += _loudness_cells(info.loudness.get(stream.index))
        table.add_row(*map(printable, row))
    return table


def _stem_table(stems: StemLevels) -> Table:
    """Return how loud the stems are, as a table."""
    table = Table(f"stems of sound {stems.track.number + 1}", "LUFS", "range")
    for name, told in stems.facts()["stems"].items():
        silent = told["integrated_lufs"] is None
        table.add_row(name, "silent" if silent else f"{told['integrated_lufs']:.1f}", f"{told['range_lu']:.1f} LU")
    return table


def _speech_lines(stems: StemLevels) -> list[str]:
    """Return how clear the speech is, in words."""
    facts = stems.facts()
    over, missing = facts["dialogue_over_rest_lu"], facts["unassigned_db"]
    lines = []
    if over["median"] is None:
        lines.append("speech: none was found")
    else:
        lines.append(
            f"speech: {facts['speech_share']:.0%} of the time; in the median {over['median']:+.1f} LU over the rest "
            f"(a tenth of it under {over['low']:+.1f} LU, a tenth over {over['high']:+.1f} LU)"
        )
    if missing is not None:
        lines.append(f"in no stem: {10 ** (missing / 10):.1%} of the sound ({missing:.1f} dB)")
    return lines


def _lines(info: Info) -> list[str]:
    """Return the lines above and below the table: the file, and what remix would do with it."""
    media = info.media
    length = "of unknown length" if media.duration_seconds is None else clock(media.duration_seconds)
    chapters = f", {media.chapters} chapters" if media.chapters else ""
    first = f"{media.path}: {media.container}, {length}, {size(info.size_bytes)}{chapters}"
    if isinstance(info.plan, str):
        return [first, f"cfork remix would refuse: {info.plan}"]
    _, film = info.plan.outputs[0]
    number = film.track.number + 1
    rate = f" at {film.codec.bit_rate // 1000} kbit/s" if film.codec.bit_rate else ""
    # a pipe was saved under a name of no interest
    name = info.plan.names if info.plan.media.path == media.path else "what -o names"
    does = (
        f"cfork remix would write {name}, with sound track {number} ({film.track}) as "
        f"{film.codec.codec_name}{rate} and everything else copied"
    )
    return [first, does, *(f"note: {note}" for note in info.plan.notes)]


def _codec(stream: Stream) -> str:
    if stream.kind == "attachment" and stream.codec == "unknown":
        return ""  # a text, for which there is no codec
    return stream.codec if stream.profile is None else f"{stream.codec} ({stream.profile})"


def _what(stream: Stream) -> str:
    if stream.is_cover:
        return "cover"
    if stream.kind != "audio":
        return ""
    channels = stream.layout or (f"{stream.channels} channels" if stream.channels else "")
    parts = [channels, f"{stream.sample_rate / 1000:g} kHz" if stream.sample_rate else ""]
    parts.append(f"{stream.bits} bits" if stream.bits else "")
    parts.append(f"{stream.bit_rate // 1000} kbit/s" if stream.bit_rate else "")
    return ", ".join(part for part in parts if part)


def _loudness_cells(told: Loudness | str | None) -> list[str]:
    if told is None:
        return ["", "", ""]
    if isinstance(told, str):
        return ["damaged", "", ""]
    if told.integrated_lufs == float("-inf"):
        return ["silent", "", ""]
    peak = "" if told.true_peak_dbtp is None else f"{told.true_peak_dbtp:+.1f} dBTP"
    return [f"{told.integrated_lufs:.1f}", f"{told.range_lu:.1f} LU", peak]
