"""`cfork info`: what is in a film, how loud its sound is, and what `cfork remix` would do with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from cfork_cli import loudness, remixing
from cfork_cli.console import Console, clock, printable
from cfork_cli.errors import CforkError
from cfork_cli.jobs import RemixPlan
from cfork_cli.loudness import Loudness
from cfork_cli.probe import Media, Stream, probe
from cfork_cli.source import PipeOptions, source_of

_KINDS = {"audio": "sound", "subtitle": "subtitles", "attachment": "file"}


@dataclass(frozen=True)
class Info:
    """What was found out.

    Attributes:
        size_bytes: of the file.
        loudness: of the sound tracks, by stream index; or why it could not be measured.
        plan: what `cfork remix` would do; or why it would not.
    """

    media: Media
    size_bytes: int
    loudness: dict[int, Loudness | str]
    plan: RemixPlan | str

    def facts(self) -> dict[str, Any]:
        """Everything, for machines."""
        media = self.media
        return {
            "input": str(media.path),
            "container": media.container,
            "size_bytes": self.size_bytes,
            "duration_seconds": media.duration_seconds,
            "start_seconds": media.start_seconds,
            "chapters": media.chapters,
            "tags": dict(media.tags),
            "streams": [self._stream_facts(stream) for stream in media.streams],
            "remix": {"error": self.plan} if isinstance(self.plan, str) else _plan_facts(self.plan),
        }

    def _stream_facts(self, stream: Stream) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "index": stream.index,
            "kind": stream.kind,
            "number": stream.number + 1,
            "codec": stream.codec,
            "profile": stream.profile,
            "language": stream.language,
            "title": stream.title,
            "flags": sorted(stream.disposition),
            "bit_rate": stream.bit_rate,
            "duration_seconds": stream.duration_seconds,
            "start_seconds": stream.start_seconds,
        }
        if stream.kind == "audio":
            facts |= {
                "channels": stream.channels, "layout": stream.layout, "sample_rate": stream.sample_rate,
                "bits": stream.bits,
            }  # fmt: skip
            told = self.loudness.get(stream.index)
            if isinstance(told, str):
                facts["loudness"] = {"error": told}
            elif told is not None:
                facts["loudness"] = {
                    "integrated_lufs": told.integrated_lufs,
                    "range_lu": told.range_lu,
                    "true_peak_dbtp": told.true_peak_dbtp,
                }
        return facts

    def table(self) -> Table:
        """The streams, for people."""
        names = ("", "codec", "language", "title", "what", "flags", "LUFS", "range", "true peak")
        table = Table(*names[: 9 if self.loudness else 6])
        for stream in self.media.streams:
            row = [
                f"{_KINDS.get(stream.kind, stream.kind)} {stream.number + 1}",
                stream.codec if stream.profile is None else f"{stream.codec} ({stream.profile})",
                stream.language or "",
                stream.title or "",
                _what(stream),
                ", ".join(sorted(stream.disposition)),
            ]
            if self.loudness:
                row += _loudness_cells(self.loudness.get(stream.index))
            table.add_row(*map(printable, row))
        return table

    def lines(self) -> list[str]:
        """What stands above and below the table: the file, and what would be done with it."""
        media = self.media
        length = "of unknown length" if media.duration_seconds is None else clock(media.duration_seconds)
        chapters = f", {media.chapters} chapters" if media.chapters else ""
        first = f"{media.path}: {media.container}, {length}, {_size(self.size_bytes)}{chapters}"
        if isinstance(self.plan, str):
            return [first, f"cfork remix would refuse: {self.plan}"]
        _, film = self.plan.outputs[0]
        number = film.track.number + 1
        rate = f" at {film.codec.bit_rate // 1000} kbit/s" if film.codec.bit_rate else ""
        # a pipe was saved under a name of no interest
        name = self.plan.names if self.plan.media.path == media.path else "what -o names"
        does = (
            f"cfork remix would write {name}: sound track {number} ({film.track}) anew in "
            f"{film.codec.codec}{rate}, all else copied"
        )
        return [first, does, *(f"note: {note}" for note in self.plan.notes)]


def gather(path: Path, console: Console, *, with_loudness: bool = True) -> Info:
    """Look into a film, and measure its sound tracks.

    Args:
        path: a file, or a pipe, which is saved first.
        with_loudness: whether to decode all sound tracks; a broken one is told, and stops nothing.

    Raises:
        InputError, OutputError, FfmpegError: it cannot be read at all.
    """
    with source_of(path, None, PipeOptions(), console) as source:
        media = probe(source.path)
        found: dict[int, Loudness | str] = {}
        for track in media.audio if with_loudness else ():
            console.stage(f"track {track.number + 1}", track.duration_seconds or media.duration_seconds)
            try:
                found[track.index] = loudness.measure(media, track, console.at, true_peak=True)
            except CforkError as error:
                found[track.index] = str(error)
        console.end()
        plan: RemixPlan | str
        try:
            # 0 dB needs no network; an output that exists already is nobody's concern here
            nothing = {"music": 0.0, "dialogue": 0.0, "effects": 0.0}
            job = remixing.RemixJob(input=source.path, output=None, gains_db=nothing, force=True)
            plan = remixing.plan_remix(job, Console(quiet=True))
        except CforkError as error:
            plan = str(error)
        size = source.path.stat().st_size
        return Info(media if source.path == path else replace(media, path=path), size, found, plan)


def show(path: Path, console: Console, *, with_loudness: bool = True) -> None:
    """Print it: a table on stdout, or one JSON object.

    Raises:
        InputError, OutputError, FfmpegError: it cannot be read at all.
    """
    info = gather(path, console, with_loudness=with_loudness)
    if console.as_json:
        console.result(**info.facts())
        return
    first, *rest = info.lines()
    console.out(printable(first))
    console.table(info.table())
    for line in rest:
        console.out(printable(line))


def _plan_facts(plan: RemixPlan) -> dict[str, Any]:
    facts = plan.facts()
    return {name: facts[name] for name in ("output", "track", "language", "container", "codec", "notes")}


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


def _size(size: float) -> str:
    """Bytes as people read them.

    >>> _size(1_234_567), _size(999)
    ('1.2 MB', '999 B')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
