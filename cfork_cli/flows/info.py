"""`cfork info`: what is in a film, how loud its sound is, and what `cfork remix` would do with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfork_cli.errors import CforkError
from cfork_cli.flows.jobs import PipeOptions, RemixJob
from cfork_cli.flows.piece import span_of
from cfork_cli.flows.plans import RemixPlan
from cfork_cli.flows.remix import plan_remix
from cfork_cli.flows.report import Report
from cfork_cli.flows.source import Piece, source_of
from cfork_cli.flows.stem_levels import ListenJob, StemLevels, stem_levels
from cfork_cli.input import loudness
from cfork_cli.input.loudness import Loudness
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media, Stream


@dataclass(frozen=True)
class Info:
    """Facts about a film, its loudness, and the remix that is planned for it.

    Attributes:
        size_bytes: of the file.
        loudness: of the sound tracks, by stream index; or why it could not be measured.
        plan: what `cfork remix` would do; or why it would not.
        stems: the loudness of one track's stems, if they were asked for.
    """

    media: Media
    size_bytes: int
    loudness: dict[int, Loudness | str]
    plan: RemixPlan | str
    stems: StemLevels | None = None

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
            **({"separated": self.stems.facts()} if self.stems is not None else {}),
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


def _plan_facts(plan: RemixPlan) -> dict[str, Any]:
    facts = plan.facts()
    return {name: facts[name] for name in ("output", "track", "language", "container", "codec", "notes")}


def gather(path: Path, report: Report, *, with_loudness: bool = True, listen: ListenJob | None = None) -> Info:
    """Look into a film, and measure its sound tracks.

    Args:
        path: a file, or a pipe, which is saved first.
        listen: separates one track, and measures its stems; None does not.
        with_loudness: whether to decode all sound tracks; a broken one is told, and stops nothing.

    Raises:
        InputError, OutputError, FfmpegError: it cannot be read at all.
    """
    with source_of(path, None, PipeOptions(), report) as source:
        media = probe(source.path)
        found: dict[int, Loudness | str] = {}
        for track in media.audio if with_loudness else ():
            report.stage(f"track {track.number + 1}", track.duration_seconds or media.duration_seconds)
            try:
                found[track.index] = loudness.measure(media, track, report.at, true_peak=True)
            except CforkError as error:
                found[track.index] = str(error)
        report.end()
        stems = None
        if listen is not None:
            span = span_of(listen.start, listen.end, media)
            piece = source if span is None else replace(source, piece=Piece(span))
            stems = stem_levels(piece, media, piece.track(media, listen.track), listen, report)
        plan: RemixPlan | str
        try:
            # 0 dB needs no network; an output that exists already is nobody's concern here
            nothing = {"music": 0.0, "dialogue": 0.0, "effects": 0.0}
            job = RemixJob(input=source.path, output=None, gains_db=nothing, force=True)
            plan = plan_remix(job)
        except CforkError as error:
            plan = str(error)
        size = source.path.stat().st_size
        return Info(media if source.path == path else replace(media, path=path), size, found, plan, stems)
