"""What a film carries beside its sound and picture, and lists and cards, have limits: nothing is read without end.

Files here only claim or repeat: they are sparse, or the limits are small.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.commands import Ran, finish, start
from support.films import Sound, make
from support.mkv import CHAPTERS, CLUSTER, INFO, TAGS, TRACKS, element, special, split
from support.mp4 import IN_FRAGMENTS, promising, promising_in_a_fragment

from cfork_cli import bounded
from cfork_cli.batch import find
from cfork_cli.batch.journal import NAME, Journal
from cfork_cli.batch.refused import Refused
from cfork_cli.errors import InputError, OutputError
from cfork_cli.media import ebml, hole, matroska, mov_samples, mov_titles
from cfork_cli.media.encryption import encryption
from cfork_cli.media.probe import probe
from cfork_cli.remux import matroska as carrying
from cfork_cli.remux import matroska_head

SEGMENT, SEEK_HEAD, ATTACHMENTS = (bytes.fromhex(one) for one in ("18538067", "114d9b74", "1941a469"))
UNKNOWN = b"\x01" + b"\xff" * 7
SIMPLE = element("7373", element("63c0"), element("67c8", element("45a3", "A"), element("4487", "b")))


def claiming(name: bytes, size: int) -> bytes:
    """The head of an element that claims a size."""
    return name + b"\x01" + struct.pack(">Q", size)[1:]


def with_more(film: Path, *more: bytes) -> Path:
    """A film with more elements before its first cluster."""
    head, segment = split(film.read_bytes())
    inside = [element(name.hex(), content) for name, content in split(segment[1]) if name in (INFO, TRACKS, CLUSTER)]
    place = next(at for at, one in enumerate(inside) if one.startswith(CLUSTER))
    inside[place:place] = more
    path = film.with_name("more.mka")
    path.write_bytes(element("1a45dfa3", head[1]) + element(SEGMENT.hex(), *inside))
    return path


def peak_mib(work: Callable[[], object]) -> float:
    """The memory that some work takes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / bounded.MIB
    finally:
        tracemalloc.stop()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make(tmp_path / "film.mka", Sound("flac"), picture=None, subtitles=None)


# ---- Matroska ----


def test_attachments_that_ffmpeg_would_take_into_memory_are_refused(film: Path) -> None:
    path = with_more(film)
    head, segment = path.read_bytes().split(SEGMENT)
    size = matroska.MOST_ATTACHED_BYTES + 1
    path.write_bytes(head + SEGMENT + UNKNOWN + segment[8 : segment.index(CLUSTER)] + claiming(ATTACHMENTS, size))
    assert matroska.attached_bytes(path) == 0  # claimed, and not there
    os.truncate(path, path.stat().st_size + size)
    assert matroska.attached_bytes(path) == size
    with pytest.raises(InputError, match=r"carries attachments of .* more than 512 MiB: take a copy without them"):
        probe(path)


@pytest.mark.parametrize("name", [SEEK_HEAD, TAGS, CHAPTERS, TRACKS, INFO, ATTACHMENTS])
def test_a_size_that_lies_takes_no_memory(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "huge.mkv"
    path.write_bytes(element("1a45dfa3") + SEGMENT + UNKNOWN + claiming(name, 12 << 30))
    os.truncate(path, 13 << 30)
    assert peak_mib(lambda: matroska.read(path)) < 8


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_ELEMENTS"])
def test_tags_beyond_the_limit_are_left_to_ffmpeg_and_that_is_told(
    film: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    path = with_more(film, element(TAGS.hex(), *[SIMPLE] * 200))
    media = probe(path)
    assert len(matroska.read(path).tags) == 200
    monkeypatch.setattr(matroska, limit, 500)
    assert matroska.read(path) == matroska.Headers(is_too_large=True)
    assert "are more than any film's" in carrying._unread(media.path)
    assert carrying.carry_to_piece(path, film) == (carrying._unread(path),)


def test_elements_are_counted_at_any_depth_and_no_further_than_that() -> None:
    deep = b""
    for _ in range(50):
        deep = ebml.element(matroska.SIMPLE_TAG, deep)
    masters = {matroska.SIMPLE_TAG}
    assert ebml.count([deep], masters, 1000) == 50
    assert ebml.count([b"\x80\x80" * 5000], masters, 1000) == 1001
    assert ebml.count([deep[:-1] + b"\x9f"], masters, 1000) > 40  # damaged within


def test_more_elements_than_any_film_has_end_the_look(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_more(film, b"\xec\x80" * 300)
    monkeypatch.setattr(matroska, "MOST_ELEMENTS", 100)
    assert matroska.read(path) == matroska.Headers()


def test_a_head_too_large_for_memory_stays_as_ffmpeg_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = special(tmp_path / "a.mkv", ("und", "pt-BR"), fonts=True)
    old, before = matroska.read(path), path.read_bytes()
    monkeypatch.setattr(matroska_head, "MOST_BYTES", 100)
    assert carrying.rewrite(path, old, range(len(old.tracks))) is False
    assert path.read_bytes() == before


@pytest.mark.parametrize("inside", [False, True])
def test_tags_of_more_names_than_any_film_has_are_refused(
    film: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    """ffmpeg compares each name with all before it: 300,000 kept it busy until it was ended."""
    simple = [element("67c8", element("45a3", f"N{number}"), element("4487", "b")) for number in range(30)]
    if inside:
        simple = [element("67c8", element("45a3", "A"), *simple)]
    path = with_more(film, element(TAGS.hex(), element("7373", element("63c0"), *simple, *simple)))
    monkeypatch.setattr(matroska, "MOST_NAMES", 31)
    assert "N3" in str(probe(path).tags)
    monkeypatch.setattr(matroska, "MOST_NAMES", 29)
    monkeypatch.setattr("cfork_cli.ffmpeg.process.run", lambda *_, **__: pytest.fail("ffprobe was asked"))
    with pytest.raises(InputError, match="tags of more than 29 different names"):
        probe(path)


# ---- samples of an MP4 ----


def test_an_mp4_that_promises_more_samples_than_any_film_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two kilobytes took 1.9 GB in each ffmpeg."""
    film = make(tmp_path / "a.mp4", Sound("aac"), picture="mpeg4", seconds=1.0)
    assert 25 + 47 <= mov_samples.promised(film) <= 25 + 50
    assert mov_samples.promised(promising(film, 1 << 31, 1)) == 1 << 31  # bare samples are no pictures
    bare = make(tmp_path / "a.mov", Sound("pcm_s16le"), picture=None)
    assert mov_samples.promised(bare) == mov_samples.promised(promising(bare, 1 << 31, 1)) == 0
    assert mov_samples.promised(tmp_path / "gone.mp4") == 0
    assert mov_samples.promised(make(tmp_path / "a.mka", Sound("flac"), picture=None)) == 0
    path = promising(film, 80_000_000, 1024)
    assert mov_samples.promised(path) == 160_000_000
    monkeypatch.setattr("cfork_cli.ffmpeg.process.run", lambda *_, **__: pytest.fail("ffprobe was asked"))
    with pytest.raises(InputError, match="promises more than 24,000,000 samples"):
        probe(path)


def test_a_fragment_that_promises_more_samples_than_any_film_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 kilobytes took 5 GB in each ffmpeg up to 7.1; 9 counts them itself."""
    whole, film = (
        make(tmp_path / name, Sound("aac"), picture="mpeg4", seconds=1.0, subtitles=None, options=options)
        for name, options in (("whole.mp4", ()), ("a.mp4", IN_FRAGMENTS))
    )
    assert film.read_bytes().count(b"moof") > 3
    assert abs(mov_samples.promised(film) - mov_samples.promised(whole)) <= 1
    assert mov_samples.promised(promising_in_a_fragment(film, 0)) < mov_samples.promised(film)
    path = promising_in_a_fragment(film, 80_000_000)
    headless = path.with_name("headless.mp4")
    headless.write_bytes(path.read_bytes()[path.read_bytes().index(b"moof") - 4 :])
    assert min(mov_samples.promised(one) for one in (path, headless)) >= 80_000_000
    monkeypatch.setattr("cfork_cli.ffmpeg.process.run", lambda *_, **__: pytest.fail("ffprobe was asked"))
    with pytest.raises(InputError, match="promises more than 24,000,000 samples"):
        probe(path)


@pytest.mark.parametrize("options", [(), ("-movflags", "+faststart"), IN_FRAGMENTS])
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_what_comes_through_a_pipe_promises_what_its_file_does(
    tmp_path: Path, options: tuple[str, ...], size: int
) -> None:
    film = make(tmp_path / "a.mp4", Sound("aac"), picture="mpeg4", seconds=1.0, options=options)
    for path in (film, promising(film, 1000, 1024), make(tmp_path / "a.mka", Sound("flac"), picture=None)):
        passing, data = mov_samples.Passing(path), path.read_bytes()
        for at in range(0, len(data), size):
            passing.check(data[at : at + size])
        passing.end()
        assert passing.samples == mov_samples.promised(path)


def test_a_damaged_mp4_promises_the_same_through_a_pipe_and_never_breaks_the_count(tmp_path: Path) -> None:
    """A size of 0 within another, for example: what has no end was taken from what has none."""
    film = make(tmp_path / "a.mp4", Sound("aac"), picture="mpeg4", seconds=1.0)
    whole, draw = film.read_bytes(), random.Random(1)
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            name = draw.choice([b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz", b"stts", b"hdlr", b"mdat"])
            at = max(4, data.find(name))
            data[at - 4 : at] = draw.choice([0, 1, 9, 16, 1 << 31, 2**32 - 1]).to_bytes(4, "big")
            data[draw.randrange(len(data))] = draw.randrange(256)
        film.write_bytes(data[: draw.choice([None, draw.randrange(len(data))])])
        passing = mov_samples.Passing(film)
        try:
            for at in range(0, len(data := film.read_bytes()), 777):
                passing.check(data[at : at + 777])
            passing.end()
        except InputError:
            assert mov_samples.promised(film) > mov_samples.MOST_SAMPLES
        else:
            assert mov_samples.promised(film) == passing.samples


@pytest.mark.parametrize("place", ["tables", "tables of a track without end", "a fragment"])
def test_a_pipe_that_promises_more_samples_than_any_film_has_is_refused(tmp_path: Path, place: str) -> None:
    """Three seconds of a film and a fragment took 2.6 GB in ffmpeg."""
    if place != "a fragment":
        path = promising(make(tmp_path / "a.mp4", Sound("aac"), options=("-movflags", "+faststart")), 80_000_000, 1024)
    else:
        path = promising_in_a_fragment(make(tmp_path / "a.mp4", Sound("aac"), options=IN_FRAGMENTS), 80_000_000)
    if "without end" in place:
        data = bytearray(path.read_bytes())
        for name in (b"moov", b"trak"):
            data[data.index(name) - 4 : data.index(name)] = b"\x7f\xff\xff\xff"
        path.write_bytes(data)
        assert mov_samples.promised(path) >= 80_000_000
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as film:
        done = finish(start("separate", "-", "--stem", "dialogue", "-o", "-", stdin=film.stdout))
    assert done.code == 3
    (line,) = done.lines
    assert "promises more than 24,000,000 samples" in line


# ---- holes ----


def holed(path: Path, size: int) -> Path:
    """A file with a hole up to a size; skipped where the disk has none."""
    os.truncate(path, size)
    if not hasattr(os, "SEEK_DATA") or path.stat().st_blocks * 512 > 1 << 20:
        pytest.skip("no holes in files here")
    return path


@pytest.mark.parametrize("kind", ["wav", "caf", "ts", "mka", "mp3"])
def test_a_file_that_ends_in_a_hole_is_refused_before_it_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    codec = {"wav": "pcm_s16le", "caf": "pcm_s16le", "ts": "mp2", "mka": "flac", "mp3": "libmp3lame"}[kind]
    path = holed(make(tmp_path / f"a.{kind}", Sound(codec), picture=None), hole.LEAST_BYTES)
    assert not hole.ends_in_hole(path)  # a smaller one is none
    holed(path, 12 << 30)
    monkeypatch.setattr("cfork_cli.ffmpeg.process.run", lambda *_, **__: pytest.fail("ffprobe was asked"))
    with pytest.raises(InputError, match=r"ends with at least 1 GiB of nothing .* was it downloaded"):
        probe(path)


@pytest.mark.parametrize("kind", ["wav", "caf"])
def test_silence_in_bare_samples_is_no_hole(tmp_path: Path, kind: str) -> None:
    """A disk that compresses keeps it as one."""
    path = make(tmp_path / f"a.{kind}", Sound("pcm_s16le"), picture=None)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"data") + 4
    data[at : at + (4 if kind == "wav" else 8)] = struct.pack("<I" if kind == "wav" else ">q", 3 << 30)
    path.write_bytes(data[: at + 12])
    assert not hole.ends_in_hole(holed(path, (3 << 30) + at + 8))


# ---- MP4 ----


def test_boxes_are_looked_at_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = make(tmp_path / "a.mp4", Sound("aac", title="Ton"), picture=None, subtitles=None)
    assert mov_titles.track_names(film) == ["Ton"]
    with film.open("ab") as file:
        file.write(struct.pack(">I4s", 8, b"free") * 500)
    monkeypatch.setattr(mov_titles, "MOST_BOXES", 100)
    seen: list[int] = []
    real = mov_titles._box
    monkeypatch.setattr(mov_titles, "_box", lambda *words: seen.append(1) or real(*words))
    assert mov_titles.track_names(film) == ["Ton"]
    assert len(seen) == 100
    assert encryption(film) is None


# ---- lists, presets, cards, journals ----


@pytest.fixture
def endless(tmp_path: Path) -> Callable[[str], Path]:
    """A file without end, under a name."""
    if not os.path.exists("/dev/zero"):
        pytest.skip("no /dev/zero")

    def endless(name: str) -> Path:
        (tmp_path / name).symlink_to("/dev/zero")
        return tmp_path / name

    return endless


def test_a_list_without_end_is_refused(
    cfork: Callable[..., Ran], endless: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "MOST_LIST_BYTES", 1 << 16)
    ran = cfork("info", f"@{endless('films.txt')}")
    assert (ran.code, len(ran.lines)) == (3, 1)
    assert "cannot be read: it is larger than" in ran.err
    monkeypatch.setattr("sys.stdin", io.StringIO("a.mkv\n" * 20_000))
    ran = cfork("info", "@-")
    assert (ran.code, len(ran.lines)) == (3, 1)


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "night = " + "9" * 5000, "\udcff = 1"])
def test_a_preset_that_is_none_is_one_line(cfork: Callable[..., Ran], tmp_path: Path, text: str) -> None:
    preset = tmp_path / "evil.toml"
    preset.write_text(text, encoding="utf-8", errors="surrogateescape")
    ran = cfork("presets", "show", preset)
    assert (ran.code, len(ran.lines), ran.out) == (2, 1, "")


def test_a_preset_and_a_card_without_end_are_refused(cfork: Callable[..., Ran], endless: Callable[[str], Path]) -> None:
    ran = cfork("presets", "show", endless("evil.toml"))
    assert (ran.code, len(ran.lines)) == (2, 1)
    assert "it is no regular file" in ran.err
    ran = cfork("models", "convert", "mrx", "new.safetensors", "--card", endless("card.json"))
    assert (ran.code, len(ran.lines)) == (3, 1)
    assert "it is no regular file" in ran.err


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "[]"])
def test_a_card_that_is_none_is_one_line(cfork: Callable[..., Ran], tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text)
    ran = cfork("models", "convert", "mrx", tmp_path / "new.safetensors", "--card", tmp_path / "card.json")
    assert (ran.code, len(ran.lines)) == (3, 1)


def test_a_journal_of_others_takes_no_memory_and_no_time(
    tmp_path: Path, endless: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {
        "key": "a.mkv", "done": True, "signature": "s", "source": [1, 2, "x"], "outputs": {"b.mkv": [3, 4, "y"]},
        "before": None, "began": 0, "speed": 0,
    }  # fmt: skip
    lines = [b"[" * 200_000, b'"' + b"x" * (3 << 20), json.dumps(good).encode(), b"\0" * 100, b'{"key": "torn']
    (tmp_path / NAME).write_bytes(b"\n".join(lines))
    assert Journal(tmp_path).names() == {"b.mkv"}
    monkeypatch.setattr("cfork_cli.batch.journal.MOST_BYTES", 1000)
    with pytest.raises(OutputError, match="larger than"):
        Journal(tmp_path)
    (tmp_path / NAME).unlink()
    endless(NAME)
    with pytest.raises(OutputError, match="it is no regular file"):
        Journal(tmp_path)


def test_what_failed_before_is_forgotten_where_it_is_nonsense(tmp_path: Path) -> None:
    (tmp_path / ".cfork.failed.json").write_text("[" * 100_000)
    assert Refused(tmp_path)._all == {}


def test_an_impulse_response_of_many_channels_is_refused(cfork: Callable[..., Ran], film: Path, tmp_path: Path) -> None:
    space = tmp_path / "church.wav"
    soundfile.write(space, np.ones((10, 65), np.float32), 48_000)
    ran = cfork("remix", film, "--dialog-reverb", f"{space}:-9", "--dry-run")
    assert (ran.code, len(ran.lines)) == (3, 1)
    assert "has 65 channels at 48000 Hz: give an impulse response with up to 64" in ran.err
