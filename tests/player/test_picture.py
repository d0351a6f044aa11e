"""Groups of pictures are those of the film, at their times, in every container; so are the transcoded ones."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from support.films import Sound, ffmpeg, make

from cfork_cli.media.probe import probe
from cfork_cli.media.timeline import film_zero
from cfork_cli.player import fmp4
from cfork_cli.player.picture import Picture

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-bf", "3", "-b_strategy", "0")
SOURCES = {
    "b_frames.mkv": X264,
    "b_frames.mp4": X264,
    "b_frames.ts": X264,
    "b_frames.mov": X264,
    "b_frames.flv": X264,
    "late.mkv": (*X264, "-output_ts_offset", "3.2"),
    "vp9.mkv": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "12"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "12"),
    "av1.mp4": ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "12"),
    "hevc.mkv": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=12:open-gop=0"),
    "hevc.ts": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=12:open-gop=0"),
}
SECONDS = 2.0


def film(folder: Path, name: str, *options: str, seconds: float = SECONDS) -> Path:
    """A film of moving pictures, 24 a second, with a tone."""
    path = folder / name
    ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size=128x96:rate=24:duration={seconds}",
        "-f", "lavfi", "-i", f"sine=duration={seconds}",
        "-pix_fmt", "yuv420p", "-force_key_frames", "expr:gte(t,n_forced*0.5)", *options,
        "-c:a", "libopus" if name.endswith("webm") else "aac", path,
    )  # fmt: skip
    return path


def pictures(data: bytes | Path) -> list[tuple[float, np.ndarray]]:
    """Times in seconds and small pictures of a film or of a fragment, in the order of showing."""
    with av.open(str(data) if isinstance(data, Path) else io.BytesIO(data)) as container:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="gray"))
            for frame in container.decode(container.streams.video[0])
        ]


def times(data: bytes) -> list[float]:
    """Times of showing in a fragment, in the order of showing, by the words of its boxes."""
    (moof,) = (one for kind, one in fmp4.boxes(data) if kind == "moof")
    (traf,) = (one[8:] for kind, one in fmp4.boxes(moof[8:]) if kind == "traf")
    inner = dict(fmp4.boxes(traf))
    (at,) = struct.unpack(">Q", inner["tfdt"][12:])
    shown = []
    for duration, _, _, later in struct.iter_unpack(">IIIi", inner["trun"][20:]):
        shown.append((at + later) / 90_000)
        at += duration
    return sorted(shown)


def all_fragments(picture: Picture, copy: bool, at: float = 0.0) -> list[tuple[bytes, float, float]]:
    found = []
    while (one := picture.fragment(at, copy, fresh=not found)) is not None:
        assert one[2] > one[1] >= 0
        found.append(one)
        at = one[2]
        assert len(found) < 100
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_groups_in_turn_are_the_film(name: str, tmp_path: Path) -> None:
    path = film(tmp_path, name, *SOURCES[name])
    media = probe(path)
    with Picture(media) as picture:
        groups = all_fragments(picture, copy=True)
        assert len(groups) == 4
        assert picture.mime.startswith('video/mp4; codecs="')
        assert groups[0][0].startswith(picture.init(True))
    zero = film_zero(media)
    shown = [at for data, _, _ in groups for at in times(data)]
    expected = [(at - zero, one) for at, one in pictures(path)]
    got = [one for data, _, _ in groups for one in pictures(data)]
    assert len(got) == len(expected) == 48
    assert shown[1:] == pytest.approx([at for at, _ in expected][1:], abs=1e-4)
    assert shown[0] == pytest.approx(0, abs=1e-4)  # the first picture stands from the beginning
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(got, expected, strict=True))


@pytest.mark.parametrize("name", ["b_frames.mkv", "b_frames.mp4", "b_frames.ts", "vp9.webm"])
def test_every_moment_finds_its_group(name: str, tmp_path: Path) -> None:
    path = film(tmp_path, name, *SOURCES[name])
    with Picture(probe(path)) as picture:
        inner = {round(begin, 3): data for data, begin, _ in all_fragments(picture, copy=True)[1:]}
        for seconds in (1.9, 0.6, 1.2, 1.75, 0.55, 1.49, 1.51):
            found = picture.fragment(seconds, True, fresh=True)
            assert found is not None
            assert found[1] <= seconds < found[2]
            assert found[0] == inner[round(found[1], 3)]
        first = picture.fragment(0.2, True)
        assert first is not None
        assert first[1] == 0
        assert picture.fragment(SECONDS + 1, True) is None


def test_a_picture_that_ends_early_stands_still(tmp_path: Path) -> None:
    path = film(tmp_path, "b_frames.mkv", *X264)
    for copy in (True, False):
        with Picture(probe(path), seconds=30.0) as picture:
            for at in (1.8, 20.0):
                last = picture.fragment(at, copy)
                assert last is not None
                assert last[2] == pytest.approx(30.0)
            assert picture.fragment(30.0, copy) is None


@pytest.mark.parametrize("name", ["b_frames.ts", "late.mkv", "mpeg4.avi"])
def test_transcoded_pieces_show_the_same_pictures_at_the_same_times(name: str, tmp_path: Path) -> None:
    path = film(tmp_path, name, *SOURCES.get(name, ("-c:v", "mpeg4", "-q:v", "2")), seconds=4.0)
    media = probe(path)
    with Picture(media) as picture:
        pieces = all_fragments(picture, copy=False)
        sought = picture.fragment(1.51, False)
        assert picture.init(False)
    got = [one for data, _, _ in pieces for one in pictures(data)]
    shown = [at for data, _, _ in pieces for at in times(data)]
    expected = [(at - film_zero(media), one) for at, one in pictures(path)]
    assert len(got) == len(expected) == 96
    assert shown[1:] == pytest.approx([at for at, _ in expected][1:], abs=2e-3)
    differences = [np.abs(one.astype(int) - other).mean() for (_, one), (_, other) in zip(got, expected, strict=True)]
    assert max(differences) < 6
    assert sought is not None
    at, second = times(sought[0])[1], pictures(sought[0])[1][1]
    nearest = min(expected, key=lambda one: abs(one[0] - at))
    assert nearest[0] == pytest.approx(at, abs=2e-3)
    assert np.abs(second.astype(int) - nearest[1]).mean() < 6


def test_key_frames_that_need_others_are_transcoded(tmp_path: Path) -> None:
    path = film(tmp_path, "open.mkv", *X264, "-x264-params", "open-gop=1:keyint=12:min-keyint=12:scenecut=0")
    with Picture(probe(path)) as picture:
        assert picture.mime == ""
        groups = all_fragments(picture, copy=True)
    shown = np.array([at for data, _, _ in groups for at in times(data)])
    assert sorted(np.floor((shown + 1e-3) * 24).astype(int)) == list(range(48))  # Matroska counts milliseconds


def test_what_cannot_be_copied_says_so(tmp_path: Path) -> None:
    path = make(tmp_path / "old.mkv", Sound(), picture="mpeg4")
    with Picture(probe(path)) as picture:
        assert picture.mime == ""
        assert not picture.copies({"": True})
    media = probe(make(tmp_path / "sound.mkv", Sound(), picture=None))
    with Picture(media) as none:
        assert none.fragment(0.0, True) is None
    with Picture(replace(media)) as none:
        assert none.init(True) == b""


def test_a_browser_gets_what_it_can_play(tmp_path: Path) -> None:
    with Picture(probe(film(tmp_path, "b_frames.mp4", *X264))) as picture:
        assert picture.copies({picture.mime: True})
        assert not picture.copies({picture.mime: False})
        assert not picture.copies({})
