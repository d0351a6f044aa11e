"""Names of sound files that players find beside a film.

Jellyfin and Kodi take every sound file whose name begins with the film's, and read a language from the parts between
dots; mpv does with `--audio-file-auto=fuzzy`. All three read language and title from the file itself first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cfork_cli.media.types import Stream
from cfork_cli.output.destination import beside


def sidecar_paths(film: Path, tracks: Sequence[Stream]) -> list[Path]:
    """`movie.fra.cfork.mka` beside `movie.mkv`, one for each track; a second one in a language gets its number.

    >>> sidecar_paths(Path("a/movie.mkv"), [Stream(1, "audio", 0, "aac", language="fra")])[0].as_posix()
    'a/movie.fra.cfork.mka'
    """
    names: list[str] = []
    for track in tracks:
        language = track.language if track.language and track.language.replace("-", "").isalnum() else None
        name = beside(film, "".join(f".{part}" for part in (language, "cfork", "mka") if part)).name
        if name in names:
            parts = (language, str(track.number + 1), "cfork", "mka")
            name = beside(film, "".join(f".{part}" for part in parts if part)).name
        names.append(name)
    return [film.with_name(name) for name in names]
