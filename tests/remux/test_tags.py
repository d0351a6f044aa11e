"""Tags of the new film: kept where they still hold, left out where they would lie, told where they are lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.films import Sound, make
from support.rewritten import rewritten

from cfork_cli.media.types import Media

LEVELS = {"REPLAYGAIN_TRACK_GAIN": "-7.30 dB", "REPLAYGAIN_TRACK_PEAK": "0.98", "iTunNORM": "000001F4 000001F4"}
DATA = {"iTunSMPB": "00000000 00000840 000001CA 00000000003F31F6"}
RIGHT = {"artist": "Nobody", "MOOD": "Cold"}


def tagged(path: Path, codec: str, tags: dict[str, str], where: str = "-metadata") -> Path:
    options = [word for key, value in tags.items() for word in (where, f"{key}={value}")]
    return make(path, Sound(codec), seconds=0.5, picture=None, options=options)


def names(media: Media) -> set[str]:
    """Names of all tags, of file and streams."""
    return {key.lower() for one in (media, *media.streams) for key in one.tags}


@pytest.mark.parametrize(("name", "codec"), [
    ("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.ogg", "libvorbis"), ("a.wv", "wavpack"), ("a.mka", "aac"),
])  # fmt: skip
def test_what_tells_how_loud_the_old_sound_was_goes_with_it(tmp_path: Path, name: str, codec: str) -> None:
    path = tagged(tmp_path / name, codec, {**LEVELS, **DATA, **RIGHT})
    old, new, notes = rewritten(path, tmp_path / f"new{path.suffix}", changed=True)
    assert names(old) >= {key.lower() for key in (*LEVELS, *RIGHT)}
    assert names(new).isdisjoint({key.lower() for key in (*LEVELS, *DATA)})
    assert names(new) >= {key.lower() for key in RIGHT}
    (note,) = notes
    assert all(key.lower() in note.lower() for key in LEVELS)
    _, same, notes = rewritten(path, tmp_path / f"same{path.suffix}")
    assert names(same) >= {key.lower() for key in (*LEVELS, *RIGHT)}
    assert names(same).isdisjoint({key.lower() for key in DATA})
    assert notes == ()


def test_opus_gains_of_changed_sound(tmp_path: Path) -> None:
    path = tagged(tmp_path / "a.opus", "libopus", {"R128_TRACK_GAIN": "-512", "R128_ALBUM_GAIN": "10", **RIGHT})
    old, new, notes = rewritten(path, tmp_path / "new.opus", changed=True)
    assert "r128_track_gain" in names(old)
    assert not any(name.startswith("r128") for name in names(new))
    assert "R128_TRACK_GAIN, R128_ALBUM_GAIN" in " ".join(notes)


def test_only_the_changed_track_loses_its_gain(tmp_path: Path) -> None:
    gains = [word for track in "01" for word in (f"-metadata:s:a:{track}", "REPLAYGAIN_TRACK_GAIN=-7.30 dB")]
    path = make(tmp_path / "a.mka", Sound("flac"), Sound("flac"), seconds=0.5, picture=None, options=gains)
    _, new, _ = rewritten(path, tmp_path / "new.mka", 1, changed=True)
    assert ["REPLAYGAIN_TRACK_GAIN" in track.tags for track in new.audio] == [True, False]


@pytest.mark.parametrize(("name", "codec", "lost"), [
    ("new.ac3", "ac3", ("artist", "date", "MOOD")),
    ("new.avi", "ac3", ("MOOD",)),
    ("new.mp4", "ac3", ("MOOD",)),
    ("new.ts", "ac3", ("artist", "date", "MOOD")),
    ("new.mkv", "ac3", ()),
])  # fmt: skip
def test_tags_that_a_container_does_not_keep_are_told(
    tmp_path: Path, name: str, codec: str, lost: tuple[str, ...]
) -> None:
    path = tagged(tmp_path / "a.mka", codec, {**RIGHT, "date": "2021-03-04"})
    _, new, notes = rewritten(path, tmp_path / name)
    there = {value for one in (new, *new.streams) for value in one.tags.values()}
    assert ("Cold" in there) == ("MOOD" not in lost)
    told = [note for note in notes if note.startswith("tags that")]
    assert len(told) == bool(lost)
    for note in told:
        listed = {word.lower() for word in note.partition(": ")[2].split(", ")}
        assert listed == {word.lower() for word in lost}


def test_m4a_and_mp2_tell_what_they_lose(tmp_path: Path) -> None:
    path = tagged(tmp_path / "a.mp3", "libmp3lame", RIGHT)
    for name, codec, lost in (("new.m4a", "aac", "MOOD"), ("new.mp2", "mp2", "artist, MOOD")):
        _, _, notes = rewritten(path, tmp_path / name, wanted=codec)
        assert any(note.endswith(f"file: {lost}") for note in notes), notes


def test_chapters_that_a_container_does_not_keep_are_told(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mka", Sound("ac3"), picture=None, chapters=True)
    for name, told in (("new.ac3", True), ("new.mka", False)):
        _, new, notes = rewritten(path, tmp_path / name)
        assert (new.chapters == 2) != told
        assert any("the 2 chapters are not in the new film" in note for note in notes) == told
