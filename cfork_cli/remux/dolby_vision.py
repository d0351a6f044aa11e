"""Dolby Vision in MP4: players go by the four letters of the picture's codec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cfork_cli.media.containers import MOV_FAMILY
from cfork_cli.remux.plan import FilmPlan

_DOLBY_VISION = {"dvh1": "hvc1", "dvhe": "hvc1", "dva1": "avc1", "dvav": "avc1", "dav1": "av01"}
"""Tags of pictures that need a player for Dolby Vision -> those of pictures that do not."""


def with_own_tags(film: FilmPlan, refusal: Callable[[FilmPlan], str | None]) -> tuple[FilmPlan, list[str]]:
    """Return the plan with the four letters by which players know Dolby Vision, where this ffmpeg can write them.

    Args:
        refusal: why ffmpeg would not write such a film; None if it would.
    """
    ours = [entry for entry in film.entries if entry.action == "copy" and entry.stream.tag in _DOLBY_VISION]
    if not ours or film.container not in MOV_FAMILY:
        return film, []
    kept = {entry: replace(entry, options=(*entry.options, ("tag", entry.stream.tag or ""))) for entry in ours}
    wanted = replace(film, entries=tuple(kept.get(entry, entry) for entry in film.entries))
    if refusal(wanted) is None or refusal(film) is not None:
        return wanted, []
    return film, [
        f"the picture's tag {entry.stream.tag} becomes {_DOLBY_VISION[entry.stream.tag or '']}: this ffmpeg cannot "
        "write it, and players that go by the tag show no Dolby Vision"
        for entry in ours
    ]
