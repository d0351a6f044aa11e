"""Write a film's first packets, where only they can show that it cannot be written."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import replace

from cfork_cli.errors import OutputError
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.complaints import complaint, may_pass
from cfork_cli.ffmpeg.remember import Passing, fingerprint, remembered
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.media.containers import is_same_kind
from cfork_cli.media.timeline import keeps_time_stamps
from cfork_cli.remux.command import build
from cfork_cli.remux.plan import FilmPlan

_TRIAL_PACKETS = 8
WHOLE_ALONE = ("mxf",)
"""Its muxer fails at the end of no packets, or of a few without sound, where it writes the whole film well."""


def check(film: FilmPlan) -> None:
    """Try what only the first packets can show, where a film changes its kind or has no times that last.

    Raises:
        OutputError: they cannot be written.
    """
    media = film.media
    if film.container in WHOLE_ALONE or (is_same_kind(film.container, media) and keeps_time_stamps(media)):
        return
    why = _tried_packets(replace(film, notes=()), fingerprint(media.path))
    if why is not None:
        raise OutputError(
            f"the streams of '{media.path}' do not go into a '{film.container}' file ({why}): "
            "choose another kind of file with -o, such as .mkv"
        )


@remembered(256)
def _tried_packets(film: FilmPlan, file: Hashable) -> str | None:
    new = next(entry for entry in film.entries if entry.new is not None)
    # of a stream that begins late, the first packets may lie behind the whole film
    early = [
        entry for entry in film.entries
        if entry.action == "copy" and not entry.stream.is_unseen and not entry.stream.is_cover
        and (entry.stream.kind == "video" or (entry.stream.kind == "audio" and entry.stream.sample_rate))
    ]  # fmt: skip
    if not early:
        return None
    entries = tuple(entry for entry in film.entries if entry is new or entry in early)
    tried = replace(film, new=(new.new,) if new.new is not None else (), entries=entries)
    with TemporaryFolder() as folder:
        command = build(tried, folder.path / f"trial{film.suffix}", {}, packets=_TRIAL_PACKETS)
        finished = process.run(command, stdin=b"")
    # what is written at the very end may fail with status 0
    if finished.status == 0 and not re.search("Error writing trailer|av_interleaved_write_frame", finished.log):
        return None
    why = complaint(finished.log) or "no reason given"
    if may_pass(finished.status, finished.log):
        raise Passing(None)
    return why
