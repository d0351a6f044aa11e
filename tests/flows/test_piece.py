"""`--start` and `--end`: sound cut to the sample, and with a picture at a key frame, in sync."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from support.commands import Ran, listing
from support.films import Sound, ffmpeg, make, noise
from support.readings import samples

from cfork_cli.flows.piece import span_of
from cfork_cli.media.keyframes import key_frame_before
from cfork_cli.media.probe import probe

Command = Callable[..., Ran]
RATE = 48_000
SECONDS, KEY_SECONDS = 12, 2


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of twelve seconds that flash and beep every second, with a key frame every two and reordered pictures."""
    folder = tmp_path_factory.mktemp("clocks")
    for name, codec in {"a.mkv": "aac", "a.mp4": "aac", "a.ts": "aac", "flac.mkv": "flac", "ac3.mkv": "ac3"}.items():
        flash = f"color=black:s=64x64:r=25:d={SECONDS},drawbox=c=white:t=fill:enable='lt(mod(t,1),0.04)'"
        beep = f"aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.02)':s={RATE}:d={SECONDS}"
        ffmpeg(
            "-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", beep, "-map", "0", "-map", "1", "-map", "1",
            "-c:v", "libx264", "-g", str(25 * KEY_SECONDS), "-bf", "3", "-pix_fmt", "yuv420p", "-c:a", codec,
            folder / name,
        )  # fmt: skip
    return folder


def onsets(path: Path) -> tuple[list[float], list[list[float]]]:
    """Moments of the flashes, and of the beeps in each sound track, in seconds."""
    with av.open(str(path)) as film:
        frames = film.decode(video=0)
        bright = [(float(frame.time or 0), frame.to_ndarray(format="gray").mean() > 128) for frame in frames]
        tracks = len(film.streams.audio)
    earlier = [(0.0, False), *bright]
    flashes = [now for (now, lit), (_, was) in zip(bright, earlier, strict=False) if lit and not was]
    beeps = []
    for track in range(tracks):
        found: list[float] = []
        with av.open(str(path)) as film:
            for frame in film.decode(audio=track):
                planes = frame.to_ndarray()
                loud = np.abs(planes.reshape(-1) if not frame.format.is_planar else planes[0]) > 0.12
                for sample in np.flatnonzero(loud):
                    moment = float(frame.time or 0) + float(sample) / frame.sample_rate
                    if not found or moment - found[-1] > 0.5:
                        found.append(moment)
        beeps.append(found)
    return flashes, beeps


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "flac.mkv", "ac3.mkv"])
def test_picture_and_sound_stay_together(cfork: Command, place: Path, clocks: Path, name: str) -> None:
    ran = cfork("remix", clocks / name, "--start", "5.3", "--end", "0:08.5", "-o", f"new{Path(name).suffix}", "--json")
    assert ran.code == 0, ran.err
    begin, end = ran.result["piece"]["start_seconds"], ran.result["piece"]["end_seconds"]
    assert begin == pytest.approx(4.0, abs=0.03)  # the key frame before
    assert end == 8.5
    (note,) = [note for note in ran.result["notes"] if "key frame" in note]
    assert "s before the time that was asked for" in note
    flashes, beeps = onsets(place / f"new{Path(name).suffix}")
    assert len(flashes) == 5
    for found in beeps:
        assert len(found) == 5
        np.testing.assert_allclose(found, flashes, atol=0.002)
    assert listing(place).keys() == {f"new{Path(name).suffix}"}


def test_a_piece_that_begins_at_a_key_frame_has_no_note(cfork: Command, place: Path, clocks: Path) -> None:
    ran = cfork("remix", clocks / "a.mp4", "--start", "6", "-t", "1", "-o", "new.mp4", "--json")
    assert (ran.code, ran.result["notes"]) == (0, [])
    assert ran.result["piece"] == {"start_seconds": 6.0, "end_seconds": 7.0}


def test_sound_alone_is_cut_to_the_sample(cfork: Command, place: Path, tiny_model: Path) -> None:
    told = noise(2, 4 * RATE, bits=16)
    film = make(place / "film.flac", Sound("flac", samples=told, sample_rate=RATE), picture=None)
    assert cfork("remix", film, "--start", "1.25", "--end", "2.75", "-o", "piece.flac").code == 0
    assert np.array_equal(samples(place / "piece.flac"), told[:, RATE * 5 // 4 : RATE * 11 // 4].astype(np.float32))
    ran = cfork("separate", film, "-o", "stems", "--mixture", "--start", "3.5", "--model", tiny_model)
    assert ran.code == 0, ran.err
    np.testing.assert_allclose(samples(place / "stems/mixture.wav"), told[:, RATE * 7 // 2 :], atol=1e-7)


def test_stems_of_a_piece_with_its_picture(cfork: Command, place: Path, clocks: Path, tiny_model: Path) -> None:
    piece = ["--start", "5", "--end", "6.5"]
    ran = cfork("separate", clocks / "flac.mkv", "-o", "stems.mkv", "--mixture", *piece, "--model", tiny_model)
    assert ran.code == 0, ran.err
    flashes, beeps = onsets(place / "stems.mkv")
    np.testing.assert_allclose(beeps[0], flashes, atol=0.002)
    assert len(flashes) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "99"], "so nothing begins at 1:39"),
        (["--start", "3", "--end", "2"], "is empty: give --end after --start"),
        (["--start", "soon"], "'soon' is not a time: give seconds"),
        (["--end", "3", "--duration", "3"], "both say where the piece ends"),
        (["--start", "-1"], "is not a time"),
    ],
)
def test_pieces_that_are_refused(cfork: Command, place: Path, clocks: Path, options: list[str], words: str) -> None:
    ran = cfork("remix", clocks / "a.mkv", "--music", "-3", *options)
    assert (ran.code, ran.out, len(ran.lines)) == (2, "", 1)
    assert words in ran.err
    assert listing(place) == {}


def test_a_dry_run_cuts_nothing(cfork: Command, place: Path, clocks: Path) -> None:
    ran = cfork("remix", clocks / "a.mkv", "--start", "5.3", "--dry-run", "--json", "-o", "new.mkv")
    assert ran.code == 0
    assert ran.result["piece"]["start_seconds"] == pytest.approx(4.0, abs=0.03)
    assert listing(place) == {}


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_key_frames(clocks: Path, name: str) -> None:
    media = probe(clocks / name)
    for asked, expected in {0.0: 0.0, 1.9: 0.0, 2.1: 2.0, 7.99: 6.0, 11.9: 10.0}.items():
        found = key_frame_before(media, asked)
        assert found is not None
        assert found.seconds == pytest.approx(expected, abs=0.03)


def test_the_whole_film_is_no_piece(clocks: Path) -> None:
    assert span_of(None, None, probe(clocks / "a.mkv")) is None
