"""Films through decoder and sink, without a network."""

from __future__ import annotations

from pathlib import Path

from cfork_cli.codecs.choose import choose_codec
from cfork_cli.input.decode import decode
from cfork_cli.media.containers import container_for
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media
from cfork_cli.output.film import FilmSink
from cfork_cli.remux.fit import plan_film
from cfork_cli.remux.plan import NewTrack


def rewritten(
    path: Path, output: Path, track: int = 0, wanted: str | None = None, *, changed: bool = False
) -> tuple[Media, Media, tuple[str, ...]]:
    """The film through decoder and sink, sound unchanged: before, after, and the notes for the user.

    Args:
        changed: whether the sound counts as one with other levels.
    """
    media = probe(path)
    chosen = media.audio_track(track)
    container = container_for(output, media)
    codec = choose_codec(chosen, container, wanted=wanted)
    new = NewTrack(chosen, chosen, codec, changed=changed)
    plan = plan_film(media, [new], container, suffix=output.suffix)
    with FilmSink(media, chosen, output, plan=plan) as sink, decode(media, chosen) as blocks:
        for block in blocks:
            sink.write(block)
    return media, probe(output), (*sink.notes, *sink.found)
