"""Matroska files with what ffmpeg does not write, put together by hand from one that ffmpeg made."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from support.films import Sound, make

TRACKS, CHAPTERS, TAGS, INFO, CLUSTER = (
    bytes.fromhex(one) for one in ("1654ae6b", "1043a770", "1254c367", "1549a966", "1f43b675")
)


def element(name: str, *content: bytes | str | int) -> bytes:
    """Return an element, its name given in hexadecimal, its size eight bytes long."""
    data = b"".join(
        one if isinstance(one, bytes) else one.encode() if isinstance(one, str) else struct.pack(">Q", one)
        for one in content
    )
    return bytes.fromhex(name) + b"\x01" + struct.pack(">Q", len(data))[1:] + data


def chapter(number: int, start: float, end: float, titles: dict[str, str], *more: bytes) -> bytes:
    """Return a chapter. titles: language by BCP 47 -> title."""
    shown = [element("80", element("85", text), element("437d", tag)) for tag, text in titles.items()]
    times = element("91", round(start * 1e9)), element("92", round(end * 1e9))
    return element("b6", element("73c4", number), *times, *shown, *more)


ORDERED = element(
    "45b9", element("45bc", 11), element("45db", 1), element("45dd", 1),
    chapter(1, 1.0, 2.0, {"en": "Second half", "pt-BR": "Metade"}, chapter(2, 1.2, 1.5, {"en": "Within"})),
    chapter(3, 0.0, 1.0, {"en": "First half"}),
)  # fmt: skip
PLAIN = element("45b9", element("45bc", 12), chapter(4, 0.0, 2.0, {"und": "All"}))
SEASON = element(
    "7373", element("63c0", element("68ca", 60), element("63ca", "SEASON")),
    element("67c8", element("45a3", "PART_NUMBER"), element("4487", "2")),
)  # fmt: skip
ACTOR = element(
    "7373", element("63c0"),
    element("67c8", element("45a3", "ACTOR"), element("4487", "Ann"),
            element("67c8", element("45a3", "CHARACTER"), element("4487", "Conductor"))),
    element("67c8", element("45a3", "TITLE"), element("4487", "Night train")),
)  # fmt: skip


def about_track(uid: bytes, name: str, text: str, language: str = "und") -> bytes:
    """Return a tag of a track."""
    simple = element("67c8", element("45a3", name), element("447a", language), element("4487", text))
    return element("7373", element("63c0", element("63c5", uid)), simple)


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return names and contents of elements that follow each other."""
    found, place = [], 0
    while place < len(data):
        name = data[place : place + 9 - data[place].bit_length()]
        at = place + len(name)
        length = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + length], "big") & (1 << 7 * length) - 1
        if size == (1 << 7 * length) - 1:
            size = len(data) - at - length
        found.append((name, data[at + length : at + length + size]))
        place = at + length + size
    return found


def special(
    path: Path,
    languages: Sequence[str] = (),
    *,
    disabled: int | None = None,
    cropped: bool = False,
    editions: Sequence[bytes] = (),
    tags: bool = False,
    fonts: bool = False,
    encrypted: bool = False,
) -> Path:
    """Make a film with a picture, two sounds and subtitles, and these properties. disabled: a track, from 0."""
    made = make(
        path.with_name(f"made-{path.name}"), Sound("flac", language="por"), Sound("aac", language="eng"),
        subtitles="srt", font=fonts,
    )  # fmt: skip
    head, segment = split(made.read_bytes())
    number, uids = 0, []
    out = [element("1a45dfa3", head[1])]
    inside = []
    for name, content in split(segment[1]):
        if name == TRACKS:
            tracks = []
            for kind, track in split(content):
                if kind != b"\xae":
                    continue
                parts = [(one, inner) for one, inner in split(track) if one != b"\xb9"]
                uids.append(dict(parts)[bytes.fromhex("73c5")])
                more = [element("b9", 0)] if number == disabled else []
                if encrypted and number == 1:
                    key = element("5035", element("47e1", 5))
                    more.append(element("6d80", element("6240", element("5033", 1), key)))
                more += [element("22b59d", languages[number])] if number < len(languages) else []
                if cropped and number == 0:
                    edges = b"".join(element(edge, 4) for edge in ("54aa", "54bb"))
                    parts = [(one, inner + edges if one == b"\xe0" else inner) for one, inner in parts]
                tracks.append(element("ae", *(element(one.hex(), inner) for one, inner in parts), *more))
                number += 1
            inside.append(element(TRACKS.hex(), *tracks))
            inside += [element(CHAPTERS.hex(), *editions)] if editions else []
            told = [about_track(uids[2], "MOOD", "frio", "por"), about_track(uids[1], "REPLAYGAIN_TRACK_GAIN", "-7 dB")]
            inside += [element(TAGS.hex(), SEASON, ACTOR, *told)] if tags else []
        elif name in (CLUSTER, INFO, bytes.fromhex("1941a469")):
            inside.append(element(name.hex(), content))
    out.append(element("18538067", *inside))
    path.write_bytes(b"".join(out))
    return path
