"""Carry what ffmpeg does not know of Matroska files from the old film into the finished new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cfork_cli.media import ebml, matroska
from cfork_cli.media.matroska import Headers
from cfork_cli.remux import matroska_head, tags
from cfork_cli.remux.plan import Entry, FilmPlan

_OF_FFMPEG = ("DURATION", "ENCODER")
"""Tags of a track that only the new file's own are right of."""


def told(film: FilmPlan) -> Iterator[str]:
    """Yield a note for each property that cannot come along: into another kind of file, or into a pipe."""
    if film.alone or "matroska" not in film.media.container.split(",") or _is_carried(film):
        return
    name = f"'{film.container}' files" if film.container != "matroska" else "pipes"
    old = matroska.read(film.media.path)
    if old.is_too_large:
        yield _unread(film.media.path)
    yield from _losses(old, name)


def _unread(path: Path) -> str:
    return (
        f"the tags and chapters of '{path}' are more than any film's: what ffmpeg does not know of them (regions "
        "of languages, editions, tags in tags, tracks switched off, cropping) is lost"
    )


def _losses(old: Headers, name: str) -> Iterator[str]:
    languages = [one for one in old.languages() if one is not None and "-" in one]
    if languages:
        yield f"{name} keep no regions or scripts of languages: {', '.join(dict.fromkeys(languages))}"
    if any(old.disabled()):
        yield f"{name} keep no track switched off: {_numbers(old.disabled())} will be on"
    if any(old.cropped()):
        yield f"{name} keep no cropping of the picture: track {_numbers(old.cropped())} shows its edges"
    if old.is_ordered():
        yield f"{name} keep no ordered chapters: the film plays from its start to its end"
    elif old.has_several_lists():
        yield f"{name} keep one list of chapters: editions, chapters in chapters and languages of titles are lost"
    if old.has_rich_tags():
        yield f"{name} keep plain tags: levels, languages and tags in tags are lost"


def carry(film: FilmPlan, target: Path) -> tuple[str, ...]:
    """Write them into the finished file, if there is something to write, and return notes if that cannot be done.

    Raises:
        OSError: it cannot be written.
    """
    if not _is_carried(film) or "matroska" not in film.media.container.split(","):
        return ()
    old = matroska.read(film.media.path)
    if old.is_too_large:
        return (_unread(film.media.path),)
    if not is_special(old):
        return ()
    chapters = old.chapters if old.has_rich_chapters() or old.has_rich_tags() else ()
    if rewrite(target, replace(old, chapters=chapters), _sources(film.entries), film.entries):
        return ()
    return tuple(_losses(old, "'matroska' files of this ffmpeg"))


def carry_to_piece(film: Path, piece: Path) -> tuple[str, ...]:
    """Write the properties of the tracks into a piece of a film, and return notes about the others.

    Raises:
        OSError: it cannot be written.
    """
    old = matroska.read(film)
    if old.is_too_large:
        return (_unread(film),)
    if not is_special(old):
        return ()
    tracks_only = replace(old, chapters=(), tags=())
    if not rewrite(piece, tracks_only, range(len(old.tracks))):
        return tuple(_losses(old, "pieces"))
    return tuple(_losses(replace(old, tracks=()), "pieces"))


def is_special(headers: Headers) -> bool:
    """Return whether there is something that ffmpeg would lose."""
    regional = any(one is not None and "-" in one for one in headers.languages())
    of_tracks = regional or any(headers.disabled()) or any(headers.cropped())
    return of_tracks or headers.has_rich_chapters() or headers.has_rich_tags()


def rewrite(target: Path, old: Headers, places: Sequence[int], entries: Sequence[Entry] = ()) -> bool:
    """Give a finished file the properties of another. Returns whether that could be done.

    Args:
        old: of the other; its chapters and tags are taken as far as they are there.
        places: for each track of the file, the number of the track that it was.
        entries: of the new film, for the tags; none leaves the tags alone.

    Raises:
        OSError: it cannot be written.
    """
    with target.open("r+b") as file:
        try:
            layout = matroska_head.read(file)
            is_whole = _changed(layout.parts, target, old, places, [one for one in entries if _is_track(one)])
        except ValueError:  # broken elements, in the old film perhaps
            return False
        return is_whole and matroska_head.write(file, layout)


def _changed(
    head: dict[bytes, bytes], target: Path, old: Headers, places: Sequence[int], entries: Sequence[Entry]
) -> bool:
    """Change the parts of a file's head; returns whether the tracks are those that were expected.

    Raises:
        ValueError: elements are broken.
    """
    found = [inner for name, inner in ebml.children(head[matroska.TRACKS]) if name == matroska.TRACK]
    if len(found) != len(places) or max(places, default=0) >= len(old.tracks):
        return False
    head[matroska.TRACKS] = ebml.whole(
        (matroska.TRACK, _track(track, old.tracks[place])) for track, place in zip(found, places, strict=True)
    )
    if old.chapters:
        head[matroska.CHAPTERS] = ebml.whole((matroska.EDITION, one) for one in old.chapters)
    if old.has_rich_tags() and entries:
        new = matroska.read(target)
        told = _tags(old, new, _matches(old, new, places), places, entries)
        head[matroska.TAGS] = ebml.whole((matroska.TAG, one) for one in told)
        if old.title is not None:  # ffmpeg takes the tag of that name for it
            head[matroska.INFO] = _with(head[matroska.INFO], {matroska.TITLE: old.title})
    return True


def _is_carried(film: FilmPlan) -> bool:
    """Return whether the new film is a Matroska file; a pipe, which has no suffix, cannot be written to twice."""
    return film.container == "matroska" and bool(film.suffix) and not film.alone


def _is_track(entry: Entry) -> bool:
    return entry.action not in ("attach", "picture") and entry.stream.kind in ("video", "audio", "subtitle")


def _sources(entries: Sequence[Entry]) -> list[int]:
    """Return for each track of the new film which track of the old one it was; covers are attachments there."""
    kinds = ("video", "audio", "subtitle")
    old = sorted({one.stream.index for one in entries if one.stream.kind in kinds})
    return [old.index(one.stream.index) for one in entries if _is_track(one)]


def _numbers(flags: Sequence[bool]) -> str:
    return ", ".join(str(number) for number, flag in enumerate(flags, start=1) if flag)


def _track(new: bytes, old: bytes) -> bytes:
    """Return the content of a track with language, switch and cropping of another."""
    carried = {
        name: content for name, content in ebml.children(old)
        if name == matroska.FLAG_ENABLED or (name == matroska.LANGUAGE_BCP47 and content.rstrip(b"\0") != b"und")
    }  # fmt: skip
    edges = {
        name: content for name, content in ebml.children(ebml.first(old, matroska.VIDEO) or b"")
        if name in matroska.CROPPING and any(content)
    }  # fmt: skip
    parts = [
        (name, _with(content, edges) if name == matroska.VIDEO and edges else content)
        for name, content in ebml.children(new)
    ]
    return _with(ebml.whole(parts), carried)


def _with(content: bytes, more: Mapping[bytes, bytes]) -> bytes:
    kept = [(name, inner) for name, inner in ebml.children(content) if name not in more]
    return ebml.whole([*kept, *more.items()])


def _matches(old: Headers, new: Headers, places: Sequence[int]) -> dict[tuple[bytes, int], list[int]]:
    """Return the new numbers of old tracks and attachments."""
    found: dict[tuple[bytes, int], list[int]] = {}
    for track, place in zip(new.tracks, places, strict=True):
        was = matroska.number_in(old.tracks[place], matroska.TRACK_UID) or 0
        is_now = matroska.number_in(track, matroska.TRACK_UID) or 0
        found.setdefault((matroska.TARGET_TRACK, was), []).append(is_now)
    if len(old.files) == len(new.files):
        for was, is_now in zip(old.files, new.files, strict=True):
            found.setdefault((matroska.TARGET_FILE, was), []).append(is_now)
    return found


def _tags(
    old: Headers,
    new: Headers,
    matches: Mapping[tuple[bytes, int], list[int]],
    places: Sequence[int],
    entries: Sequence[Entry],
) -> Iterator[bytes]:
    """Yield the old film's tags, for the new numbers, then those that ffmpeg made for the new file."""
    made_anew = {
        matroska.number_in(old.tracks[place], matroska.TRACK_UID): entry.new
        for place, entry in zip(places, entries, strict=True) if entry.new is not None and not entry.new.beside
    }  # fmt: skip
    named: set[tuple[bytes, ...]] = set()
    for tag in old.tags:
        parts = list(ebml.children(tag))
        targets = [one for name, content in parts if name == matroska.TARGETS for one in ebml.children(content)]
        moved = _moved(targets, matches)
        if moved is None:
            continue
        anew = [made_anew.get(int.from_bytes(one, "big")) for name, one in targets if name == matroska.TARGET_TRACK]
        wrong = {key for track in anew if track is not None for key in tags.obsolete(map(_name, _simple(parts)), track)}
        simple = [one for one in _simple(parts) if _name(one) not in wrong]
        if simple:
            named |= {(*_tracks_of(moved), _name(one).upper().encode()) for one in simple}
            yield ebml.whole([(matroska.TARGETS, ebml.whole(moved)), *((matroska.SIMPLE_TAG, one) for one in simple)])
    for tag in new.tags:
        parts = list(ebml.children(tag))
        targets = [one for name, content in parts if name == matroska.TARGETS for one in ebml.children(content)]
        simple = [
            one for one in _simple(parts)
            if _name(one).upper() in _OF_FFMPEG
            and (*_tracks_of(targets), _name(one).upper().encode()) not in named
        ]  # fmt: skip
        if simple:
            yield ebml.whole([(matroska.TARGETS, ebml.whole(targets)), *((matroska.SIMPLE_TAG, one) for one in simple)])


def _moved(
    targets: Sequence[tuple[bytes, bytes]], matches: Mapping[tuple[bytes, int], list[int]]
) -> list[tuple[bytes, bytes]] | None:
    """Return what a tag belongs to, with the new numbers; None if nothing of that is there any more."""
    found: list[tuple[bytes, bytes]] = []
    wanted = moved = 0
    for name, content in targets:
        value = int.from_bytes(content, "big")
        if name not in (matroska.TARGET_TRACK, matroska.TARGET_FILE) or not value:
            found.append((name, content))
            continue
        wanted += 1
        new = matches.get((name, value), [])
        moved += len(new)
        found += [(name, number.to_bytes(8, "big")) for number in new]
    return None if wanted and not moved else found


def _simple(parts: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    return [content for name, content in parts if name == matroska.SIMPLE_TAG]


def _name(simple: bytes) -> str:
    return (ebml.first(simple, matroska.TAG_NAME) or b"").decode("utf-8", "replace").rstrip("\0")


def _tracks_of(targets: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, ...]:
    return tuple(content.lstrip(b"\0") for name, content in targets if name == matroska.TARGET_TRACK)
