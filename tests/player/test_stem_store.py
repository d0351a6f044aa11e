"""Fragments on disk: bounded, found again, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support.films import Sound, make

from cfork_cli.media.probe import probe
from cfork_cli.player import stem_store
from cfork_cli.player.schedule import Playhead, ahead_seconds, target
from cfork_cli.player.stem_store import ABANDONED_SECONDS, IN_MEMORY, StemStore, key_of
from cfork_cli.player.take import FADE

LEVELS = np.array([-20, -30, -40, -50], np.float32)
DATA = bytes(1000)


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_next_run_finds_everything_again(tmp_path: Path) -> None:
    store = StemStore(tmp_path, "a", 10, 10**6)
    store.put(3, b"three", LEVELS)
    edge = np.arange(8 * FADE, dtype=np.float32).reshape(8, FADE)
    store.put_edge(3, "after", edge)
    store.keep_facts({"lufs": -23.5})
    store.close()
    again = StemStore(tmp_path, "a", 10, 10**6)
    assert again.get(3) == b"three"
    assert again.done() == [3]
    assert not again.has(2)
    assert np.array_equal(again.edge(3, "after"), edge)
    assert again.edge(3, "before") is None
    assert again.facts() == {"lufs": -23.5}
    assert np.array_equal(again.levels[3], LEVELS)
    assert np.isnan(again.levels[2]).all()
    assert again.news(0)[1] == [3]
    assert StemStore(tmp_path, "b", 10, 10**6).done() == []


def test_it_stays_within_its_bound_and_what_was_used_last_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stem_store, "IN_MEMORY", 10)  # where less fits on the disk, that many stay in memory, too
    old = StemStore(tmp_path, "old", 100, 20_000)
    for index in range(10):
        old.put(index, DATA, LEVELS)
        os.utime(tmp_path / "old" / f"{index:06}.flac", (1000 + index, 1000 + index))
    assert old.get(0) == DATA  # used now
    store = StemStore(tmp_path, "new", 100, 20_000)
    for index in range(15):
        store.put(index, DATA, LEVELS)
    store.close()
    assert bytes_in(tmp_path) <= 20_000 + len(DATA)
    assert store.done() == list(range(15))
    assert old.get(0) == DATA
    assert old.get(1) is None
    assert not old.has(1)
    for index in range(15, 80):
        store.put(index, DATA, LEVELS)
        assert bytes_in(tmp_path) <= 20_000 * 1.2
    store.close()
    assert bytes_in(tmp_path) <= 20_000
    assert not (tmp_path / "old").exists()


def test_nothing_is_written_where_nothing_is_to_be_kept(tmp_path: Path) -> None:
    store = StemStore(tmp_path / "cache", "a", 1000, 0)
    for index in range(3 * IN_MEMORY):
        store.put(index, DATA, LEVELS)
        store.put_edge(index, "before", np.zeros((8, FADE), np.float32))
    assert len(store.done()) == IN_MEMORY
    assert store.get(3 * IN_MEMORY - 1) == DATA
    assert store.get(0) is None
    assert store.edge(3 * IN_MEMORY - 1, "before") is not None
    assert store.note is None
    store.close()
    assert not (tmp_path / "cache").exists()


def test_a_disk_that_takes_nothing_is_told_and_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = StemStore(tmp_path / "file", "a", 10, 10**6)
    store.put(1, DATA, LEVELS)
    store.put_edge(1, "after", np.zeros((8, FADE), np.float32))
    assert store.get(1) == DATA
    assert store.note is not None
    assert "cannot be kept" in store.note
    store.close()


def test_what_is_broken_on_disk_is_computed_again(tmp_path: Path) -> None:
    store = StemStore(tmp_path, "a", 10, 10**6)
    store.put(1, DATA, LEVELS)
    store.close()
    (tmp_path / "a" / "levels.npy").write_bytes(b"no levels")
    (tmp_path / "a" / "facts.json").write_text("{")
    half = tmp_path / "a" / "000002.flac.0000.part"
    half.write_bytes(b"half")
    os.utime(half, (1000, 1000))
    (tmp_path / "a" / "000077.flac").write_bytes(b"beyond the end")
    again = StemStore(tmp_path, "a", 10, 10**6)
    assert again.done() == [1]
    assert again.facts() == {}
    assert np.isnan(again.levels).all()
    assert not list((tmp_path / "a").glob("*.part"))
    (tmp_path / "a" / "000001.flac").unlink()
    assert again.has(1)
    assert again.get(1) is None
    assert not again.has(1)


@pytest.mark.parametrize("most", [0, 5 * len(DATA), 200 * len(DATA)])
@pytest.mark.parametrize("pages", [1, 3, 16])
def test_what_is_made_does_not_chase_away_what_was_just_made(most: int, pages: int, tmp_path: Path) -> None:
    """Else a film that stands still would be separated again and again."""
    store = StemStore(tmp_path, "a", 6000, most)
    heads = [Playhead(300.0 * page, 0.0, playing=False) for page in range(pages)]
    for _ in range(500):
        ahead = ahead_seconds(float(store.holds), pages)
        found = target(heads, store.has, store.count, 1.0, ahead)
        if found is None:
            break
        store.put(found.index, DATA, LEVELS)
    assert found is None, "it comes to rest"
    assert all(store.get(300 * page) == DATA for page in range(pages))


def test_two_runs_at_once_leave_one_another_in_peace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = StemStore(tmp_path, "a", 10, 10**6)
    write = Path.write_bytes

    def beside(path: Path, data: bytes) -> int:
        written = write(path, data)
        monkeypatch.setattr(Path, "write_bytes", write)
        StemStore(tmp_path, "a", 10, 10**6)  # another run of the same film begins while this one writes
        other = StemStore(tmp_path, "b", 10, 10**6)
        other.close()  # and one that clears up what holds no fragment
        return written

    monkeypatch.setattr(Path, "write_bytes", beside)
    first.put(1, DATA, LEVELS)
    assert first.note is None
    assert (tmp_path / "a" / "000001.flac").read_bytes() == DATA
    assert not list(tmp_path.rglob("*.part"))
    assert ABANDONED_SECONDS > 60


def test_news_are_told_once(tmp_path: Path) -> None:
    store = StemStore(tmp_path, "a", 10, 10**6)
    version, none = store.news(0)
    store.put_level(7, -12.0)
    store.put(2, DATA, LEVELS)
    later, new = store.news(version)
    assert none == []
    assert new == [2, 7]
    assert store.news(later) == (later, [])
    store.put_level(2, 0.0)
    assert store.levels[2, 0] == -20
    assert store.news(10**9)[1] == [2, 7]


@pytest.mark.parametrize("change", ["nothing", "time", "begin", "end", "track", "model", "name"])
def test_another_film_track_or_model_has_another_key(change: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav", Sound("pcm_s16le"), seconds=1, picture=None)
    os.utime(path, ns=(10**18, 10**18))
    before = key_of(probe(path), 0, "model")
    data = bytearray(path.read_bytes())
    if change == "begin":
        data[50] ^= 1
    if change == "end":
        data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(10**18 + (change == "time"), 10**18))
    os.utime(path, ns=(10**18, 10**18 + (change == "time")))
    if change == "name":
        path = path.rename(tmp_path / "b.wav")
    after = key_of(probe(path), int(change == "track"), "other" if change == "model" else "model")
    assert (after == before) == (change == "nothing")
