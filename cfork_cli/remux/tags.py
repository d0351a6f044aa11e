"""Tags of the new film: which of the old ones would be wrong there, and which did not come along."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from cfork_cli.media.containers import MOV_FAMILY
from cfork_cli.media.languages import for_quicktime
from cfork_cli.media.types import Media
from cfork_cli.remux.plan import Entry, FilmPlan, NewTrack

_ABOUT_THE_DATA = re.compile(
    r"(bps|duration|number_of_frames|number_of_bytes|_statistics_|encoder|source_id|itunsmpb|itunes_cddb|.*:itunsmpb)",
    re.IGNORECASE,
)
"""Tags that describe the old track's data; they would be wrong for the new one. iTunSMPB tells an encoder's delay."""

_ABOUT_THE_LEVEL = re.compile(r"(.*[:/])?(replaygain_|r128_|mp3gain_|itunnorm$)", re.IGNORECASE)
"""Tags that tell players how much to turn the sound up or down; right as long as its level is the same."""

_OF_THE_FILE = {
    "encoder", "major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id",
    "metadata_block_picture", "software", "filename", "mimetype", "language", "title", "name", "timecode", "isvbr",
    "wmfsdkversion", "wmfsdkneeded", "deviceconformancetemplate", "metadatacreator", "haskeyframes", "hasvideo",
    "hasaudio", "hasmetadata", "canseektoend", "datasize", "videosize", "audiosize", "lasttimestamp",
    "lastkeyframetimestamp", "lastkeyframelocation", "hascuepoints", "totalduration", "totaldatarate", "framerate",
    "coding_history", "umid", "uid", "generation_uid", "material_package_umid", "file_package_umid", "product_uid",
    "toolkit_version_num", "toolkit_version", "product_version_num", "product_version", "application_platform",
    "operational_pattern_ul", "company_name", "product_name", "reel_umid", "modification_date", "alpha_mode",
    "variant_bitrate", "creation_time", "source", "gapless_playback",
}  # fmt: skip
"""Tags of a stream that tell of the old file, which programs write anew; and those that other notes tell of."""

_OF_THE_WHOLE_FILE = _OF_THE_FILE - {"title", "language", "name", "creation_time", "source", "timecode"}
_MOST_NAMES = 12


def obsolete(tags: Iterable[str], new: NewTrack) -> list[str]:
    """Return the names of tags that would be wrong beside a new track."""
    return [key for key in tags if _ABOUT_THE_DATA.match(key) or (new.changed and _ABOUT_THE_LEVEL.match(key))]


def changed(entry: Entry, media: Media, container: str) -> list[str]:
    """Return tags that ffmpeg would not change by itself: those to take away (an empty value), and titles."""
    stream, new = entry.stream, entry.new
    # ffmpeg does not hand on the titles of QuickTime's tracks, see `mov_titles`
    found = [f"title={stream.title}"] if stream.title and "mov" in media.container.split(",") else []
    language = (new.language if new is not None else None) or stream.language
    if language and (language != stream.language or (container == "mov" and for_quicktime(language) != language)):
        found.append(f"language={for_quicktime(language) if container == 'mov' else language}")
    if new is None:
        return found
    found += [f"{key}=" for key in obsolete(stream.tags, new)]
    if new.title is not None:
        found.append(f"title={new.title}")
        if container in MOV_FAMILY:  # players show this where there is no title
            found.append(f"handler_name={new.title}")
    return found


def obsolete_of_film(film: FilmPlan) -> list[str]:
    """Return the names of the whole file's tags that would be wrong: sound files keep those of their track there."""
    if film.alone or any(new.beside for new in film.new):
        return []
    return list(dict.fromkeys(key for new in film.new for key in obsolete(film.media.tags, new)
                              if not _ABOUT_THE_DATA.match(key) or "itun" in key.lower()))  # fmt: skip


def left_out(film: FilmPlan) -> Iterator[str]:
    """Yield notes about tags that tell players how loud the old sound was."""
    for new in film.new:
        of_film = [] if film.alone else obsolete_of_film(film)
        found = [key for key in dict.fromkeys([*new.source.tags, *of_film]) if _ABOUT_THE_LEVEL.match(key)]
        if new.changed and found:
            yield (
                f"sound track {new.source.number + 1}: {_listed(found)} said how loud the old sound was, "
                "so the new one goes without"
            )


def lost(film: FilmPlan, new: Media) -> Iterator[str]:
    """Yield a note about tags that are not in the finished film."""
    if film.alone:
        return
    there = list(_all(new.tags, *(stream.tags for stream in new.streams)))
    pairs, values = set(there), {value for _, value in there if len(value) > 2}
    removed = {key.lower() for key in obsolete_of_film(film)}
    missing = [
        key for key, value in film.media.tags.items()
        if key.lower() not in _OF_THE_WHOLE_FILE | removed and not _ABOUT_THE_DATA.match(key)
        and not _is_there(key, value, pairs, values)
    ]  # fmt: skip
    for entry in film.entries:
        if entry.action in ("attach", "picture") or entry.stream.kind == "attachment":
            continue
        gone = set(obsolete(entry.stream.tags, entry.new)) if entry.new is not None else set()
        missing += [
            key for key, value in entry.stream.tags.items()
            if key.lower() not in _OF_THE_FILE and key not in gone and not _ABOUT_THE_DATA.match(key)
            and not _is_there(key, value, pairs, values)
        ]  # fmt: skip
    if missing:
        yield f"tags that this ffmpeg does not write into a '{film.container}' file: {_listed(dict.fromkeys(missing))}"


def _is_there(key: str, value: str, pairs: set[tuple[str, str]], values: set[str]) -> bool:
    """Return whether a tag came along, if under the other name that it has in that kind of file."""
    text = _plain(value)
    return not text or (key.lower(), text) in pairs or text in values


def _all(*tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for one in tags:
        yield from ((key.lower(), _plain(value)) for key, value in one.items())


def _plain(value: str) -> str:
    """Containers differ in how they end lines, and in the fractions of a second in a time."""
    return re.sub(r"\.0+Z$", "Z", " ".join(value.split()))


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return ", ".join(found[:_MOST_NAMES]) + more
