"""Broadcast recordings keep their programs, the numbers of their streams, and what comes before the first key frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.films import Sound, make
from support.readings import packets
from support.rewritten import rewritten

from cfork_cli.media.types import Media, Program, Stream
from cfork_cli.remux.plan import Entry
from cfork_cli.remux.programs import changed, stream_ids

TWO = [
    *("-streamid", "0:768", "-streamid", "1:513", "-streamid", "2:770"),
    *("-program", "program_num=5:st=0:st=1", "-program", "program_num=7:st=2"),
    *("-metadata:p:0", "service_name=One", "-metadata:p:1", "service_name=Zwei", "-metadata:p:1", "service_provider=Z"),
    *("-mpegts_pmt_start_pid", "257"),
]  # fmt: skip


def recording(path: Path, options: Sequence[str] = ()) -> Path:
    return make(path, Sound("mp2"), Sound("ac3"), picture="mpeg2video", seconds=0.6, options=options)


@pytest.mark.parametrize("route", ["system", "wheels"], indirect=True)
def test_programs_and_numbers_of_streams_stay(route: str, tmp_path: Path) -> None:
    path = recording(tmp_path / "a.ts", TWO)
    old, new, notes = rewritten(path, tmp_path / "b.ts", 1)
    tables = (257, 258) if old.programs[0].table_id else (None, None)  # PyAV does not tell
    assert [(one.number, one.table_id) for one in old.programs] == list(zip((5, 7), tables, strict=True))
    assert [one.streams for one in old.programs] == [(0, 1), (2,)]
    assert [one.tags.get("service_name") for one in old.programs] == ["One", "Zwei"]
    assert new.programs == old.programs
    assert [dict(one.tags) for one in new.programs] == [dict(one.tags) for one in old.programs]
    assert [one.id for one in new.streams] == [one.id for one in old.streams] == [768, 513, 770]
    assert notes == ()


@pytest.mark.parametrize("name", ["a.ts", "a.m2ts"])
def test_a_recording_of_one_program_keeps_its_numbers(tmp_path: Path, name: str) -> None:
    path = recording(tmp_path / name, ["-streamid", "0:4113", "-streamid", "1:4352", "-streamid", "2:4353"])
    old, new, notes = rewritten(path, tmp_path / f"new{path.suffix}")
    assert [one.id for one in new.streams] == [one.id for one in old.streams]
    assert old.streams[0].id == 4113
    assert (new.programs, notes) == (old.programs, ())


def test_other_files_have_no_programs_and_the_user_is_told(tmp_path: Path) -> None:
    _, _, notes = rewritten(recording(tmp_path / "a.ts", TWO), tmp_path / "b.mkv")
    assert [note for note in notes if "One, Zwei" in note]


def test_numbers_of_streams_are_never_given_twice() -> None:
    streams = [Stream(n, "audio", n, "mp2", id=pid) for n, pid in enumerate((256, 257))]
    entries = [Entry(streams[0], "copy"), Entry(streams[0], "encode"), Entry(streams[1], "copy")]
    assert stream_ids(entries) == [256, 258, 257]
    assert stream_ids([Entry(replace(streams[0], id=None), "copy")]) == []
    assert stream_ids([Entry(replace(streams[0], id=8), "copy")]) == []


def test_changed_numbers_are_told(tmp_path: Path) -> None:
    from types import SimpleNamespace

    streams = tuple(Stream(n, "audio", n, "mp2", id=pid) for n, pid in enumerate((256, 257)))
    old = Media(tmp_path / "a.ts", "mpegts", 1.0, 0.0, {}, 0, streams, (Program(1, 100, {}, (0, 1)),))
    new = replace(old, streams=(streams[0], replace(streams[1], id=300)), programs=(Program(1, 100, {}, (0,)),))
    film = SimpleNamespace(media=old, alone=False, container="mpegts", entries=[Entry(one, "copy") for one in streams])
    found = list(changed(film, new))  # type: ignore[arg-type]
    assert len(found) == 2
    assert "number 1 with 2 streams" in found[0]
    assert "0x101 becomes 0x12c" in found[1]


@pytest.mark.parametrize(
    ("route", "name"), [("system", "b.ts"), ("wheels", "b.ts"), ("system", "b.mkv")], indirect=["route"]
)
def test_packets_before_the_first_key_frame_come_along(route: str, tmp_path: Path, name: str) -> None:
    """A recording begins in the midst of a group of pictures."""
    whole = make(
        tmp_path / "whole.ts", Sound("mp2"), picture="mpeg2video", options=["-g", "20", "-bf", "0"]
    ).read_bytes()
    path = tmp_path / "a.ts"
    cut = len(whole) // 188 // 4
    path.write_bytes(whole[: 3 * 188] + whole[cut * 188 :])
    rewritten(path, tmp_path / name)
    before, after = packets(path, "v:0"), packets(tmp_path / name, "v:0")
    assert len(before) < 40
    assert after == before
