"""What Matroska files hold beyond ffmpeg's view: languages by BCP 47, editions, nested chapters and tags, and more.

Names of elements are those of RFC 9559.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cfork_cli.media import ebml

SEGMENT = bytes.fromhex("18538067")
SEEK_HEAD, SEEK, SEEK_ID, SEEK_POSITION = (bytes.fromhex(one) for one in ("114d9b74", "4dbb", "53ab", "53ac"))
INFO, TITLE, CLUSTER, CUES = (bytes.fromhex(one) for one in ("1549a966", "7ba9", "1f43b675", "1c53bb6b"))
TRACKS, TRACK, TRACK_UID, TRACK_TYPE = (bytes.fromhex(one) for one in ("1654ae6b", "ae", "73c5", "83"))
LANGUAGE_BCP47, FLAG_ENABLED, VIDEO = (bytes.fromhex(one) for one in ("22b59d", "b9", "e0"))
CROPPING = tuple(bytes.fromhex(one) for one in ("54aa", "54bb", "54cc", "54dd"))
CHAPTERS, EDITION, CHAPTER, DISPLAY = (bytes.fromhex(one) for one in ("1043a770", "45b9", "b6", "80"))
TAGS, TAG, TARGETS, SIMPLE_TAG, TAG_NAME = (bytes.fromhex(one) for one in ("1254c367", "7373", "63c0", "67c8", "45a3"))
ATTACHMENTS, ATTACHED_FILE, FILE_UID = (bytes.fromhex(one) for one in ("1941a469", "61a7", "46ae"))
TARGET_TRACK, TARGET_FILE = bytes.fromhex("63c5"), bytes.fromhex("63c6")
_EDITION_UID, _EDITION_DEFAULT, _ORDERED = (bytes.fromhex(one) for one in ("45bc", "45db", "45dd"))
_CHAPTER_UID, _CHAPTER_START, _CHAPTER_END = (bytes.fromhex(one) for one in ("73c4", "91", "92"))
_CHAPTER_ENABLED, _CHAPTER_HIDDEN = bytes.fromhex("4598"), bytes.fromhex("98")
_CHAPTER_TITLE, _CHAPTER_LANGUAGE = bytes.fromhex("85"), bytes.fromhex("437c")
_TARGET_LEVEL, _TARGET_CHAPTER = bytes.fromhex("68ca"), bytes.fromhex("63c4")
_TAG_TEXT, _TAG_LANGUAGE, _TAG_DEFAULT = (bytes.fromhex(one) for one in ("4487", "447a", "4484"))
_USUAL_LEVEL = 50

_MASTERS = frozenset({TRACK, VIDEO, EDITION, CHAPTER, DISPLAY, TAG, TARGETS, SIMPLE_TAG})
_TOP = (SEEK_HEAD, INFO, TRACKS, CHAPTERS, TAGS, ATTACHMENTS, CUES)
_READ = (INFO, TRACKS, CHAPTERS, TAGS)
_STREAM_TYPES = (1, 2, 17)  # picture, sound, subtitles
MOST_BYTES = 16 << 20
"""Of the tracks, chapters and tags together: what has more is no text, and ffmpeg alone reads it."""

MOST_ELEMENTS = 200_000
"""In the tracks, chapters and tags together: 15,000 chapters; and in the segment, before the first cluster."""

MOST_ATTACHED_BYTES = 512 << 20
"""Of the attachments together: each ffmpeg that opens the film takes four times as much memory for them."""

MOST_NAMES = 10_000
"""Of tags: ffmpeg compares each with all before it, which takes a third of a second for so many, and minutes for ten
times as many."""

_MOST_SEEK_BYTES = 1 << 20
_MOST_NUMBER_BYTES = 8


@dataclass(frozen=True)
class Headers:
    """A Matroska file's elements beside its clusters.

    Attributes:
        tracks: contents of the tracks that ffmpeg has streams for, in order.
        chapters: contents of the editions. tags: contents of the tags, in order.
        files: numbers of the attachments, in order.
        title: of the file; None if it has none.
        is_too_large: whether there is more than `MOST_BYTES` or `MOST_ELEMENTS` of them, so that nothing was read.
    """

    tracks: tuple[bytes, ...] = ()
    chapters: tuple[bytes, ...] = ()
    tags: tuple[bytes, ...] = ()
    files: tuple[int, ...] = ()
    title: bytes | None = None
    is_too_large: bool = False

    def languages(self) -> list[str | None]:
        """Return the language of each track by BCP 47; None where it has none, or none is told."""
        found = [ebml.first(track, LANGUAGE_BCP47) for track in self.tracks]
        return [None if one is None else one.decode("ascii", "replace").rstrip("\0") or None for one in found]

    def disabled(self) -> list[bool]:
        """Return for each track whether players are told not to use it."""
        return [_value(track, FLAG_ENABLED, 1) == 0 for track in self.tracks]

    def cropped(self) -> list[bool]:
        """Return for each track whether players cut its edges off."""
        videos = [ebml.first(track, VIDEO) or b"" for track in self.tracks]
        return [any(_value(video, edge, 0) for edge in CROPPING) for video in videos]

    def is_ordered(self) -> bool:
        """Return whether an edition plays its chapters in an order of its own."""
        return any(_value(edition, _ORDERED, 0) for edition in self.chapters)

    def has_rich_chapters(self) -> bool:
        """Return whether the chapters are more than a list of titles in no language."""
        return len(self.chapters) > 1 or any(not _is_plain_edition(edition) for edition in self.chapters)

    def has_several_lists(self) -> bool:
        """Return whether there are editions, chapters in chapters, hidden ones, or titles in several languages."""
        return len(self.chapters) > 1 or any(not _is_one_list(edition) for edition in self.chapters)

    def has_rich_tags(self) -> bool:
        """Return whether a tag has tags of its own, a language, a level, or belongs to something but a track."""
        return any(not _is_plain_tag(tag) for tag in self.tags)


def read(path: Path) -> Headers:
    """Read them; what is damaged or missing is left out."""
    found: dict[bytes, list[bytes]] = {name: [] for name in _TOP}
    left = MOST_BYTES
    try:
        with path.open("rb") as file:
            length = file.seek(0, 2)
            for name, begin, end in top_elements(file):
                if name in _READ:
                    if end > length:
                        raise ValueError("an element ends after the file")
                    if end - begin > left:
                        return Headers(is_too_large=True)
                    file.seek(begin)
                    found[name].append(file.read(end - begin))
                    left -= end - begin
                elif name == ATTACHMENTS:
                    found[name] += _file_numbers(file, begin, end)
        if ebml.count((one for name in _READ for one in found[name]), _MASTERS, MOST_ELEMENTS) > MOST_ELEMENTS:
            return Headers(is_too_large=True)
        tracks = [inner for one in found[TRACKS] for name, inner in ebml.children(one) if name == TRACK]
        headers = Headers(
            tuple(track for track in tracks if _value(track, TRACK_TYPE, 0) in _STREAM_TYPES),
            tuple(inner for one in found[CHAPTERS] for name, inner in ebml.children(one) if name == EDITION),
            tuple(inner for one in found[TAGS] for name, inner in ebml.children(one) if name == TAG),
            tuple(int.from_bytes(one, "big") for one in found[ATTACHMENTS]),
            next((title for one in found[INFO] if (title := ebml.first(one, TITLE))), None),
        )
        # all that is asked of them later can be asked
        _ = headers.languages(), headers.disabled(), headers.cropped(), headers.is_ordered()
        _ = headers.has_rich_chapters(), headers.has_rich_tags()
        return headers
    except (OSError, ValueError):
        return Headers()


def attached_bytes(path: Path) -> int:
    """Return how much the attachments of a Matroska file have together, as far as they are there; 0 where nothing
    tells."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, 2)
            return sum(min(end, length) - begin for name, begin, end in top_elements(file) if name == ATTACHMENTS)
    except (OSError, ValueError):
        return 0


def has_too_many_names(path: Path) -> bool:
    """Return whether the tags of a Matroska file have more than `MOST_NAMES` different names."""
    names: set[bytes] = set()
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        for name, begin, end in top_elements(file):
            if name == TAGS:
                file.seek(begin)
                _collect_names(file.read(min(end - begin, MOST_BYTES)), names)
    return len(names) > MOST_NAMES


def _collect_names(content: bytes, names: set[bytes]) -> None:
    """Add the names of tags, with those of the tags around them, until there are too many or the rest is damaged."""
    waiting = [(b"", content)]
    while waiting:
        around, inside = waiting.pop()
        with contextlib.suppress(ValueError):
            for name, inner in ebml.children(inside):
                if name == TAG:
                    waiting.append((b"", inner))
                elif name == SIMPLE_TAG:
                    own = around + b"/" + (ebml.first(inner, TAG_NAME) or b"").lower()
                    names.add(own)
                    if len(names) > MOST_NAMES:
                        return
                    if SIMPLE_TAG in inner:
                        waiting.append((own, inner))


def top_elements(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, begin and end of the content of the elements in the segment: those before the first cluster, then
    those that the list at its head knows of after it.

    Raises:
        ValueError: it is no Matroska file, or damaged there.
    """
    length = file.seek(0, 2)
    segment = segment_begin(file)
    place, seen, known = segment, set[int](), list[tuple[bytes, int]]()
    while place < length:
        if len(seen) > MOST_ELEMENTS:
            raise ValueError("more elements than any film has")
        name, size, begin = ebml.read_head_at(file, place)
        if name == CLUSTER or size is None:
            break
        seen.add(place)
        if name == SEEK_HEAD:
            file.seek(begin)
            known += _seeks(file.read(min(size, _MOST_SEEK_BYTES)))
        yield name, begin, begin + size
        place = begin + size
    for wanted, at in known:
        if segment + at in seen or segment + at >= length:
            continue
        seen.add(segment + at)
        name, size, begin = ebml.read_head_at(file, segment + at)
        if name == wanted and size is not None:
            yield name, begin, begin + size


def segment_begin(file: BinaryIO) -> int:
    """Return where the content of the segment begins.

    Raises:
        ValueError: there is none.
    """
    _, size, begin = ebml.read_head_at(file, 0)
    name, _, inside = ebml.read_head_at(file, begin + (size or 0))
    if name != SEGMENT:
        raise ValueError("not a Matroska file")
    return inside


def number_in(content: bytes, name: bytes) -> int | None:
    """Return the number in the first element of that name; None if there is none."""
    found = ebml.first(content, name)
    return None if found is None else int.from_bytes(found, "big")


def _value(content: bytes, name: bytes, default: int) -> int:
    found = number_in(content, name)
    return default if found is None else found


def _seeks(content: bytes) -> Iterator[tuple[bytes, int]]:
    for name, inner in ebml.children(content):
        wanted, at = ebml.first(inner, SEEK_ID), number_in(inner, SEEK_POSITION)
        if name == SEEK and wanted is not None and at is not None:
            yield wanted, at


def _file_numbers(file: BinaryIO, begin: int, end: int) -> Iterator[bytes]:
    """Yield the numbers of attachments, without reading those themselves.

    Raises:
        ValueError: they have more parts than any film's.
    """
    place, parts = begin, 0
    while place < end:
        name, size, inside = ebml.read_head_at(file, place)
        place = inside + (size or 0)
        while name == ATTACHED_FILE and inside < place:
            inner, length, content = ebml.read_head_at(file, inside)
            if inner == FILE_UID and length is not None:
                file.seek(content)
                yield file.read(min(length, _MOST_NUMBER_BYTES))
            inside = content + (length or 0)
            parts += 1
            if parts > MOST_ELEMENTS:
                raise ValueError("more in the attachments than any film has")
        parts += 1
        if parts > MOST_ELEMENTS:
            raise ValueError("more attachments than any film has")


def _is_plain_edition(edition: bytes) -> bool:
    for name, content in ebml.children(edition):
        if name == CHAPTER:
            if not _is_plain_chapter(content):
                return False
        elif name not in (_EDITION_UID, _EDITION_DEFAULT) and any(content):
            return False
    return True


def _is_one_list(edition: bytes) -> bool:
    return all(
        _is_plain_chapter(content, any_language=True) for name, content in ebml.children(edition) if name == CHAPTER
    )


def _is_plain_chapter(chapter: bytes, *, any_language: bool = False) -> bool:
    displays = 0
    for name, content in ebml.children(chapter):
        if name == DISPLAY:
            displays += 1
            if any_language:  # other containers have no place for it, and nobody misses it
                continue
            inner = dict(ebml.children(content))
            if inner.get(_CHAPTER_LANGUAGE, b"eng").rstrip(b"\0") != b"und":
                return False
            if not inner.keys() <= {_CHAPTER_TITLE, _CHAPTER_LANGUAGE}:
                return False
        elif name == _CHAPTER_ENABLED:
            if not any(content):
                return False
        elif name == _CHAPTER_HIDDEN:
            if any(content):
                return False
        elif name not in (_CHAPTER_UID, _CHAPTER_START, _CHAPTER_END):
            return False
    return displays <= 1


def _is_plain_tag(tag: bytes) -> bool:
    for name, content in ebml.children(tag):
        if name == TARGETS:
            for one, value in ebml.children(content):
                number = int.from_bytes(value, "big")
                if one == _TARGET_LEVEL and number == _USUAL_LEVEL:
                    continue
                if one not in (TARGET_TRACK, _TARGET_CHAPTER) and number:
                    return False
        elif name == SIMPLE_TAG:
            for one, value in ebml.children(content):
                usual = one in (TAG_NAME, _TAG_TEXT) or (one == _TAG_DEFAULT and any(value))
                if not usual and not (one == _TAG_LANGUAGE and value.rstrip(b"\0") == b"und"):
                    return False
    return True
