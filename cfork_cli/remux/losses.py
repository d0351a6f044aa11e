"""What is lost on the way into the new film: known before the work, or seen in the finished film."""

from __future__ import annotations

from collections.abc import Iterator

from cfork_cli.media.types import Media, Stream
from cfork_cli.remux import matroska, programs, tags
from cfork_cli.remux.plan import FilmPlan


def expected(film: FilmPlan) -> Iterator[str]:
    """Yield notes about tags and flags that the container does not keep, or that would be wrong."""
    yield from _of_streams(film)
    yield from tags.left_out(film)
    yield from matroska.told(film)


def found(film: FilmPlan, new: Media) -> Iterator[str]:
    """Yield notes about what is not in the finished film, and was in the old one."""
    yield from tags.lost(film, new)
    yield from programs.changed(film, new)
    before, after = film.media.chapters, new.chapters
    if before > after and not film.alone:
        kept = f"only {after} of the {before} chapters are" if after else f"the {before} chapters are not"
        yield f"{kept} in the new film: this ffmpeg writes no others into a '{film.container}' file"


def _of_streams(film: FilmPlan) -> Iterator[str]:
    """Yield notes about tags and flags of the streams that the container does not keep."""
    entries = [entry for entry in film.entries if entry.action not in ("attach", "picture")]
    for tag in dict.fromkeys(tag for new in film.new for tag in new.codec.loses):
        found = [getattr(entry.stream, tag) for entry in entries]
        if tag == "title":
            found += [new.title for new in film.new]
        lost = ", ".join(f"'{value}'" for value in dict.fromkeys(found) if value)
        if lost:
            yield f"'{film.container}' files keep no {tag} of a stream: {lost} cannot come along"
    for flag in dict.fromkeys(flag for new in film.new for flag in new.codec.loses_flags):
        numbers = [str(entry.stream.number + 1) for entry in entries if _is_sound_with(flag, entry.stream)]
        if numbers:
            said = flag.replace("_", " ")
            yield f"'{film.container}' files keep no flag '{said}' of a sound track ({', '.join(numbers)})"


def _is_sound_with(flag: str, stream: Stream) -> bool:
    return stream.kind == "audio" and flag in stream.disposition
