"""Films through decoder and sink, without a network."""

from __future__ import annotations

from pathlib import Path

from cfork_cli.codecs.choose import choose_codec
from cfork_cli.input.decode import decode
from cfork_cli.media.containers import container_for
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media
from cfork_cli.output.film import FilmSink


def rewritten(
    path: Path, output: Path, track: int = 0, wanted: str | None = None
) -> tuple[Media, Media, tuple[str, ...]]:
    """The film through decoder and sink, sound unchanged: before, after, and the notes for the user."""
    media = probe(path)
    chosen = media.audio_track(track)
    codec = choose_codec(chosen, container_for(output, media), wanted=wanted)
    with FilmSink(media, chosen, output, codec=codec) as sink, decode(media, chosen) as blocks:
        for block in blocks:
            sink.write(block)
    return media, probe(output), sink.notes
