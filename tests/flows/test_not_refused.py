"""Films that are whole and can be remixed are not refused, and what cannot come along spoils nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.commands import Ran, echo_network
from support.films import Sound, ffmpeg, make, noise
from support.readings import packets, samples, times

from cfork_cli.codecs.choose import choose_codec, encoders
from cfork_cli.errors import OutputError
from cfork_cli.flows import network as networks
from cfork_cli.media.probe import probe
from cfork_cli.remux import first_packets, fit
from cfork_cli.remux.plan import NewTrack

Command = Callable[..., Ran]


def without(data: bytes, *places: tuple[bytes, bytes]) -> bytes:
    """Return the bytes with others, of the same length, in some places; each must be there."""
    for old, new in places:
        assert old in data
        assert len(old) == len(new)
        data = data.replace(old, new)
    return data


def with_an_empty_track(path: Path, *, first: bool) -> Path:
    """A film with two tracks, none of whose packets belong to one of them."""
    sounds = [Sound("aac", samples=noise(2, 96_000)), Sound("aac", samples=noise(2, 96_000), default=False)]
    made = make(path.with_name("made.mkv"), *sounds)
    empty = 0 if first else 1
    # a filter that drops every packet of one stream
    ffmpeg("-i", made, "-map", "0", "-c", "copy", f"-bsf:a:{empty}", "noise=drop=1", "-disposition:a", "0", path)
    return path


@pytest.mark.parametrize("first", [True, False])
def test_an_empty_track_spoils_no_other(cfork: Command, place: Path, first: bool) -> None:
    path = with_an_empty_track(place / "a.mkv", first=first)
    for ask in ((), ("--track", "all")):
        ran = cfork("remix", path, "-o", "b.mkv", "-f", "--json", *ask)
        assert ran.code == 0, ran
        assert [track["track"] for track in ran.result["tracks"]] == [2 if first else 1]
        if first or ask:
            assert any("is left as it is" in note for note in ran.result["notes"])
    left = cfork("remix", path, "-o", "c.mkv", "--track", "1" if first else "2")
    assert left.code == 3


def test_a_track_without_a_decoder_spoils_no_other(cfork: Command, place: Path) -> None:
    made = make(place / "made.mov", Sound("aac", samples=noise(2, 96_000)), Sound("alac", samples=noise(2, 96_000)))
    path = place / "a.mov"
    path.write_bytes(made.read_bytes().replace(b"alac", b"apxx"))
    ran = cfork("remix", path, "-o", "b.mov", "--track", "all", "--json")
    assert ran.code == 0, ran
    assert [track["track"] for track in ran.result["tracks"]] == [1]
    assert any("sound track 2" in note and "left as it is" in note for note in ran.result["notes"])


@pytest.mark.parametrize("target", ["b.mkv", "b.mp4"])
@pytest.mark.parametrize("name", ["a.avi", "a.mpg"])
def test_pictures_between_others_get_their_times(cfork: Command, place: Path, name: str, target: str) -> None:
    picture = "mpeg4" if name == "a.avi" else "mpeg2video"
    sound = Sound("libmp3lame" if name == "a.avi" else "ac3", samples=noise(2, 96_000))
    path = make(place / name, sound, picture=picture, options=["-bf", "2"])
    assert cfork("remix", path, "-o", target).code == 0
    found = sorted(times(place / target, "v:0"))
    assert len(found) == len(packets(path, "v:0"))
    np.testing.assert_allclose(np.diff(found), 0.04, atol=0.002)


def test_h264_goes_into_avi(cfork: Command, place: Path) -> None:
    path = make(place / "a.mp4", Sound("aac", samples=noise(2, 96_000)), picture="libx264")
    assert cfork("remix", path, "-o", "b.avi").code == 0
    assert len(packets(place / "b.avi", "v:0")) == len(packets(path, "v:0"))


def test_what_only_the_packets_show_is_found_before_the_work(place: Path) -> None:
    """AVI's header takes any H.264; its packets must be those of a stream that carries its headers along."""
    media = probe(make(place / "a.mp4", Sound("aac"), picture="libx264", seconds=0.5))
    track = media.audio[0]
    film = fit.plan_film(media, [NewTrack(track, track, choose_codec(track, "avi"))], "avi", suffix=".avi")
    bare = replace(film, entries=tuple(replace(one, options=one.options[1:]) for one in film.entries))
    with pytest.raises(OutputError, match="do not go into a 'avi' file"):
        first_packets.check(bare)


def test_subtitles_that_outlast_the_film_are_no_damage(cfork: Command, place: Path) -> None:
    made = make(place / "made.mkv", Sound("aac", samples=noise(2, 96_000)))
    (place / "late.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nA\n\n2\n00:01:30,000 --> 00:01:31,000\nB\n")
    path = place / "a.mkv"
    ffmpeg("-i", made, "-i", place / "late.srt", "-map", "0", "-map", "1", "-c", "copy", path)
    path.write_bytes(without(path.read_bytes(), (b"\x44\x7a", b"\x44\x7a"), (b"DURATION", b"DURATI0N")))
    media = probe(path)
    assert media.audio[0].duration_seconds is None
    assert media.duration_seconds is not None
    assert media.duration_seconds > 80
    assert cfork("remix", path, "-o", "b.mkv").code == 0
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert cfork("remix", path, "-o", "c.mkv").code == 5


def test_whole_asf_is_whatever_length_its_header_tells(cfork: Command, place: Path) -> None:
    path = make(place / "a.asf", Sound("wmav2", samples=noise(2, 96_000)), picture=None)
    data = bytearray(path.read_bytes())
    at = data.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")) + 24 + 16 + 8 + 8 + 8
    length = int.from_bytes(data[at : at + 8], "little")
    data[at : at + 8] = (length + 20_000_000).to_bytes(8, "little")  # two seconds, in units of 100 ns
    path.write_bytes(data)
    assert cfork("remix", path, "-o", "b.asf").code == 0


def test_a_tenth_of_a_second(cfork: Command, place: Path) -> None:
    path = make(place / "a.ac3", Sound("ac3", samples=noise(2, 4800)), picture=None, seconds=0.1)
    path.write_bytes(path.read_bytes() + b"APETAGEX" + bytes(120))
    assert cfork("remix", path, "-o", "b.ac3").code == 0


@pytest.mark.parametrize("tag", ["dvh1", "dvhe"])
def test_dolby_vision_goes_into_matroska(cfork: Command, place: Path, tag: str) -> None:
    made = make(place / "made.mp4", Sound("aac", samples=noise(2, 48_000)), picture="libx265", seconds=1)
    path = place / "a.mp4"
    path.write_bytes(without(made.read_bytes(), (b"hev1", tag.encode())))
    assert cfork("remix", path, "-o", "b.mkv").code == 0
    assert packets(place / "b.mkv", "v:0") == packets(path, "v:0")


def test_the_longest_name(cfork: Command, place: Path) -> None:
    path = make(place / "a.wav", Sound(samples=noise(2, 4800)), picture=None)
    longest = path.rename(place / ("ä" * 125 + ".wav"))
    ran = cfork("remix", longest, "--music", "0", "--json")
    assert ran.code == 0
    assert Path(ran.result["output"]).exists()
    assert ran.result["output"].endswith(".cfork.wav")


@pytest.mark.parametrize("name", ["a.spx", "a.mka"])
def test_a_layout_that_nobody_tells_is_measured(
    cfork: Command, place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    network = echo_network((0.5, 0.3, 0.2))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    codec = "libspeex" if name == "a.spx" else "flac"
    if codec not in (*encoders(), *encoders().get("speex", ())):
        pytest.skip(f"this ffmpeg has no encoder {codec}")
    options = ("-ar", "32000") if name == "a.spx" else ()
    path = make(place / name, Sound(codec, samples=noise(2, 64_000), options=options), picture=None)
    assert cfork("remix", path, "-o", "b.mka", "--music", "6", "--codec", "flac").code == 0
    assert samples(place / "b.mka").shape[0] == 2
