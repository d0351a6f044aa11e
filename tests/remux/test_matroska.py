"""What Matroska files hold beyond ffmpeg's view comes along, or is told."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from support import mkv
from support.films import ffmpeg
from support.readings import packets
from support.rewritten import rewritten

from cfork_cli.media import ebml, matroska
from cfork_cli.remux import matroska as carrying
from cfork_cli.remux import matroska_head

LANGUAGES = ("und", "pt-BR", "en", "zh-Hant")
EVERYTHING: dict[str, Any] = {
    "languages": LANGUAGES, "disabled": 2, "cropped": True, "editions": (mkv.ORDERED, mkv.PLAIN), "tags": True,
}  # fmt: skip


def flat(content: bytes, masters: tuple[str, ...] = ("b6", "80", "67c8", "63c0")) -> Iterator[tuple[str, bytes]]:
    """Names and values of all elements within, without leading zeros."""
    for name, inner in ebml.children(content):
        if name.hex() in masters:
            yield name.hex(), b""
            yield from flat(inner, masters)
        else:
            yield name.hex(), inner.lstrip(b"\0")


def texts(headers: matroska.Headers) -> list[list[bytes]]:
    """Names and texts of all tags but those of ffmpeg."""
    found = [[value for name, value in flat(tag) if name in ("45a3", "4487", "447a", "68ca")] for tag in headers.tags]
    return [one for one in found if not {b"DURATION", b"ENCODER"} & set(one)]


@pytest.mark.parametrize(("route", "fonts"), [("system", True), ("wheels", False)], indirect=["route"])
def test_everything_comes_along(route: str, tmp_path: Path, fonts: bool) -> None:
    path = mkv.special(tmp_path / "a.mkv", **EVERYTHING, fonts=fonts)
    before, old = path.read_bytes(), matroska.read(path)
    assert (old.is_ordered(), old.has_rich_chapters(), old.has_rich_tags()) == (True, True, True)
    media, film, notes = rewritten(path, tmp_path / "b.mkv", 0)
    new = matroska.read(film.path)
    assert notes == ()
    assert new.languages() == [None, "pt-BR", "en", "zh-Hant"]
    assert new.disabled() == old.disabled() == [False, False, True, False]
    assert new.cropped() == old.cropped() == [True, False, False, False]
    assert [list(flat(one)) for one in new.chapters] == [list(flat(one)) for one in old.chapters]
    assert texts(new) == texts(old)
    assert path.read_bytes() == before
    assert [stream.kind for stream in film.streams] == [stream.kind for stream in media.streams]
    for stream in ("v:0", "a:1", "s:0"):
        assert packets(film.path, stream) == packets(path, stream)
    uids = {matroska.number_in(track, matroska.TRACK_UID) for track in new.tracks}
    aimed = {int.from_bytes(value, "big") for tag in new.tags for name, value in flat(tag) if name == "63c5"}
    assert aimed - {0} <= uids
    with av.open(str(film.path)) as file:  # the list of places for seeking still holds
        file.seek(1_500_000)
        assert 0 < next(packet.pts * packet.time_base for packet in file.demux(video=0)) <= 1.5


def test_the_new_sound_goes_without_the_old_gain(tmp_path: Path) -> None:
    path = mkv.special(tmp_path / "a.mkv", tags=True)
    _, film, _ = rewritten(path, tmp_path / "b.mkv", 0, changed=True)
    words = [word for one in texts(matroska.read(film.path)) for word in one]
    assert b"REPLAYGAIN_TRACK_GAIN" not in words
    assert {b"MOOD", b"CHARACTER", b"por", b"SEASON"} <= {*words, b"SEASON"}
    assert film.tags.get("title") is None or film.tags["title"] == "Night train"


@pytest.mark.parametrize(("asked", "words"), [
    ({"languages": LANGUAGES}, "pt-BR, zh-Hant"), ({"disabled": 3}, "switched off: 4"), ({"cropped": True}, "cropping"),
    ({"editions": (mkv.ORDERED,)}, "ordered"), ({"editions": (mkv.PLAIN, mkv.PLAIN)}, "editions"),
    ({"tags": True}, "tags in tags"),
])  # fmt: skip
def test_other_files_do_not_keep_it_and_the_user_is_told(tmp_path: Path, asked: dict[str, Any], words: str) -> None:
    path = mkv.special(tmp_path / "a.mkv", **asked)
    _, _, notes = rewritten(path, tmp_path / "b.mp4", 1)
    assert len([note for note in notes if words in note]) == 1
    assert carrying.is_special(matroska.read(path))


def test_pieces_keep_what_belongs_to_the_tracks(tmp_path: Path) -> None:
    path = mkv.special(tmp_path / "a.mkv", **EVERYTHING)
    piece = tmp_path / "piece.mkv"
    ffmpeg("-i", path, "-map", "0", "-c", "copy", "-t", "1", piece)
    notes = carrying.carry_to_piece(path, piece)
    new = matroska.read(piece)
    assert new.languages() == [None, "pt-BR", "en", "zh-Hant"]
    assert (new.disabled(), new.cropped()) == ([False, False, True, False], [True, False, False, False])
    assert ["ordered" in note or "tags in tags" in note for note in notes] == [True, True]
    assert len(packets(piece, "v:0")) == 25


def test_ordinary_files_are_left_as_ffmpeg_wrote_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(carrying, "rewrite", never)
    rewritten(mkv.special(tmp_path / "a.mkv", ("und", "por", "en")), tmp_path / "b.mkv")


def test_what_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matroska_head, "write", lambda *_: False)
    _, _, notes = rewritten(mkv.special(tmp_path / "a.mkv", **EVERYTHING), tmp_path / "b.mkv")
    assert len(notes) == 5


def test_what_does_not_fit_goes_to_the_end(tmp_path: Path) -> None:
    many = mkv.element("45b9", element_of_many())
    path = mkv.special(tmp_path / "a.mkv", LANGUAGES, editions=(many, mkv.ORDERED))
    _, film, notes = rewritten(path, tmp_path / "b.mkv")
    assert notes == ()
    new = matroska.read(film.path)
    assert [list(flat(one)) for one in new.chapters] == [list(flat(one)) for one in matroska.read(path).chapters]
    assert packets(film.path, "v:0") == packets(path, "v:0")
    assert film.chapters > 100


def element_of_many() -> bytes:
    return b"".join(mkv.chapter(100 + n, n / 100, (n + 1) / 100, {"en": f"Chapter {n}"}) for n in range(150))


@pytest.mark.skipif(shutil.which("mkvmerge") is None, reason="mkvtoolnix is not there")
def test_mkvmerge_sees_the_same(tmp_path: Path) -> None:
    path = mkv.special(tmp_path / "a.mkv", **EVERYTHING)
    rewritten(path, tmp_path / "b.mkv")
    seen = []
    for one in (path, tmp_path / "b.mkv"):
        told = json.loads(subprocess.run(["mkvmerge", "-J", one], capture_output=True, check=True).stdout)
        assert told["container"]["recognized"]
        assert not told["errors"] + told["warnings"]
        tracks = [track["properties"] for track in told["tracks"]]
        seen.append(
            [(one.get("language_ietf"), one["enabled_track"], one.get("language")) for one in tracks]
            + [told["chapters"]]
        )
    assert [one for one in seen[0] if one != ("und", True, "und")] == [
        one for one in seen[1] if one not in ((None, True, "und"), (None, True, None))
    ]


def test_unknown_and_broken_tags_spoil_nothing(tmp_path: Path) -> None:
    """Old files have tags of an earlier layout; others are broken within."""
    path = mkv.special(tmp_path / "a.mkv", LANGUAGES, tags=True)
    data = path.read_bytes()
    old_layout = mkv.element("7373", mkv.element("73c5", b"J\x08"))
    assert len(old_layout) < len(mkv.SEASON)
    room = mkv.element("ec", bytes(len(mkv.SEASON) - len(old_layout) - 9))
    path.write_bytes(data.replace(mkv.SEASON, old_layout + room))
    assert matroska.read(path).languages()[1] == "pt-BR"
    assert rewritten(path, tmp_path / "b.mkv")[2] == ()
    broken = mkv.SEASON.replace(bytes.fromhex("67c801"), bytes.fromhex("67c800"))
    path.write_bytes(data.replace(mkv.SEASON, broken))
    assert any("tags in tags" in note for note in rewritten(path, tmp_path / "c.mkv")[2])


def test_damaged_files_tell_nothing(tmp_path: Path) -> None:
    path = mkv.special(tmp_path / "a.mkv", **EVERYTHING)
    data = path.read_bytes()
    for end in (0, 5, 60, 300, 700, len(data) // 2):
        path.write_bytes(data[:end])
        assert isinstance(matroska.read(path), matroska.Headers)
    path.write_bytes(bytes(range(256)) * 4)
    assert matroska.read(path) == matroska.Headers()
