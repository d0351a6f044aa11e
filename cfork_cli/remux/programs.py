"""Broadcast recordings: their programs, and the numbers by which receivers know their streams (PIDs)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cfork_cli.media.types import Media
from cfork_cli.remux.plan import Entry, FilmPlan

_LOWEST_PID, _HIGHEST_PID = 0x20, 0x1FFE
_USUAL_TABLE_PID = 0x1000


def options(film: FilmPlan, entries: Sequence[Entry]) -> tuple[dict[str, Any], dict[str, str | Sequence[str]]]:
    """Return ffmpeg's options that keep both, with their values (see `compile_graph`); none for other kinds of files.

    Args:
        entries: the streams of the new film, in order.
    """
    media = film.media
    if film.container != "mpegts" or film.alone:
        return {}, {}
    found: dict[str, Any] = {}
    values: dict[str, str | Sequence[str]] = {}
    ids = stream_ids(entries)
    if ids:
        found["streamid"] = "STREAM_IDS"
        values["STREAM_IDS"] = [f"{place}:{number}" for place, number in enumerate(ids)]
    if media.programs:
        found["mpegts_pmt_start_pid"] = _table_pid(media, ids)
    if media.service:
        values["SERVICE"] = [f"{name}={text}" for name, text in media.service.items() if name != "id"]
        found |= {"metadata": "SERVICE", "mpegts_service_id": media.service["id"]}
        return found, values
    kept = [
        (program, places)
        for program in media.programs
        if (places := [place for place, entry in enumerate(entries) if entry.stream.index in program.streams])
    ]
    if kept:
        found["program"] = "PROGRAMS"
        values["PROGRAMS"] = [
            f"program_num={program.number}" + "".join(f":st={place}" for place in places) for program, places in kept
        ]
    for number, (program, _) in enumerate(kept):
        if program.tags:
            found[f"metadata:p:{number}"] = f"PROGRAM{number}"
            values[f"PROGRAM{number}"] = [f"{name}={text}" for name, text in program.tags.items()]
    return found, values


def stream_ids(entries: Sequence[Entry]) -> list[int]:
    """Return the PID of each stream: its old one; a free one for a track that comes beside it. None at all where the
    film had none, or some that no stream may have."""
    told = [entry.stream.id for entry in entries]
    if any(number is None or not _LOWEST_PID <= number < _HIGHEST_PID for number in told):
        return []
    ids: list[int] = []
    for number in told:
        taken = {*ids, *told}
        free = next(pid for pid in range(number or _LOWEST_PID, _HIGHEST_PID) if pid not in taken)
        ids.append(free if number in ids or number is None else number)
    return ids


def changed(film: FilmPlan, new: Media) -> Iterator[str]:
    """Yield notes about programs and PIDs that are not as they were."""
    media = film.media
    if film.alone or media.container != "mpegts":
        return
    if len(media.programs) > 1 and new.container != "mpegts":
        names = ", ".join(str(program) for program in media.programs)
        yield f"'{film.container}' files have no programs: the streams of {names} lie side by side"
        return
    if new.container != "mpegts" or not new.programs:
        return
    before, after = (_contents(one.programs) for one in (media, new))
    if before != after and len(film.entries) == len(media.streams):
        yield f"the programs of the recording ({_words(before)}) are written as {_words(after)}"
    moved = [
        f"{old.id:#x} becomes {fresh.id:#x}"
        for old, fresh in zip((entry.stream for entry in film.entries if not _is_beside(entry)), _others(film, new),
                              strict=False)
        if old.id is not None and fresh.id is not None and old.id != fresh.id
    ]  # fmt: skip
    if moved:
        yield f"numbers of streams (PIDs) change: {', '.join(moved)}"


def _is_beside(entry: Entry) -> bool:
    return entry.new is not None and entry.new.beside


def _others(film: FilmPlan, new: Media) -> list[Any]:
    """Return the streams of the new film that have an old one."""
    return [stream for entry, stream in zip(film.entries, new.streams, strict=False) if not _is_beside(entry)]


def _contents(programs: Sequence[Any]) -> Mapping[int, int]:
    return {program.number: len(program.streams) for program in programs}


def _words(contents: Mapping[int, int]) -> str:
    return ", ".join(f"number {number} with {count} streams" for number, count in contents.items())


def _table_pid(media: Media, ids: Sequence[int]) -> int:
    """Return the PID of the first table of streams, so that no table lies on a stream; they follow each other."""
    first = media.programs[0].table_id or _USUAL_TABLE_PID
    count = len(media.programs)
    wishes = (first, *range(_USUAL_TABLE_PID, _USUAL_TABLE_PID + 256))
    free = [pid for pid in wishes if _LOWEST_PID <= pid < _HIGHEST_PID - count and _is_free(pid, count, ids)]
    return free[0] if free else _USUAL_TABLE_PID


def _is_free(pid: int, count: int, ids: Sequence[int]) -> bool:
    return all(one not in ids for one in range(pid, pid + count))
