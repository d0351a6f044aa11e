"""`--loudness`: what is written has the loudness that was asked for, and no peak over the ceiling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.commands import Ran, echo_network, listing
from support.films import Sound, make, noise
from support.pipe_ends import piped
from support.readings import packets, samples

from cfork_cli.errors import UsageError
from cfork_cli.flows import network as networks
from cfork_cli.input.loudness import Loudness, integrated_lufs, lufs_of, measure
from cfork_cli.media.probe import probe
from cfork_cli.mix.normalize import parse_loudness

Command = Callable[..., Ran]
RATE = 48_000


@pytest.fixture(autouse=True)
def echo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A network that hears a quarter of the sound as dialogue, half of it as music."""
    network = echo_network((0.5, 0.25, 0.25))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    return network


def swelling(channels: int, seconds: float = 4, level: float = 0.05, seed: int = 0) -> np.ndarray:
    sound = noise(channels, round(RATE * seconds), level=level, seed=seed)
    sound[:, RATE : RATE + 20] = 0.7  # a click far over all the rest
    return sound


def heard(path: Path, number: int = 0) -> Loudness:
    media = probe(path)
    return measure(media, media.audio[number], true_peak=True)


@pytest.mark.parametrize(
    ("codec", "layout", "name", "goal"),
    [("aac", "stereo", "a.mp4", -14.0), ("ac3", "5.1(side)", "a.mkv", -30.0), ("libopus", "mono", "a.webm", -30.0),
     ("flac", "stereo", "a.flac", -14.0)],
)  # fmt: skip
def test_the_new_track_has_the_loudness(
    cfork: Command, place: Path, codec: str, layout: str, name: str, goal: float
) -> None:
    """Within 0.3 LU after encoding, peaks under -1 dBTP: with codecs that move both."""
    channels = {"mono": 1, "stereo": 2}.get(layout, 6)
    picture = None if name == "a.flac" else "libvpx" if name == "a.webm" else "mpeg4"
    make(place / name, Sound(codec, layout, samples=swelling(channels)), seconds=4, picture=picture)
    ran = cfork("remix", name, "--music", "-6", f"--loudness={goal}", "-o", f"new.{name}", "--json")
    assert ran.code == 0, ran.out
    new = heard(place / f"new.{name}")
    assert new.integrated_lufs == pytest.approx(goal, abs=0.3)
    assert new.true_peak_dbtp is not None
    assert new.true_peak_dbtp <= (-0.9 if goal == -14 else 0)
    assert ran.result["loudness"]["tracks"][0]["lufs"] == pytest.approx(new.integrated_lufs, abs=0.05)
    assert [path for path in listing(place) if path.startswith(".")] == []
    assert listing(place.parent / "temporary") == {}


def test_a_codec_that_takes_loudness_away_is_corrected(cfork: Command, place: Path) -> None:
    """MP3 of few bits loses all that is over 17 kHz, which is more than 0.3 LU here; a tone stays with any encoder."""
    spectrum = np.fft.rfft(noise(1, 4 * RATE, level=0.1)[0])
    spectrum[: 4 * 17_500] = 0
    sound = np.fft.irfft(spectrum) + 0.1 * np.sin(2 * np.pi * 1000 / RATE * np.arange(4 * RATE))
    make(place / "a.flac", Sound("flac", samples=np.tile(np.float32(sound), (2, 1))), picture=None)
    ran = cfork("remix", "a.flac", "--music", "-6", "--loudness", "-23", "--bitrate", "32k", "-o", "new.mp3", "--json")
    assert ran.code == 0, ran.out
    assert heard(place / "new.mp3").integrated_lufs == pytest.approx(-23, abs=0.3)
    told = ran.result["loudness"]["tracks"][0]
    assert abs(told["remix_lufs"] + told["gain_db"] + 23) > 0.3  # so one pass would have missed it
    assert "encode" in {event.get("stage") for event in ran.events}


def test_keep_is_as_loud_as_before_and_nothing_changed_is_bit_exact(cfork: Command, place: Path) -> None:
    make(place / "a.mkv", Sound("flac", samples=swelling(2)), seconds=4)
    before = heard(place / "a.mkv").integrated_lufs
    assert cfork("remix", "a.mkv", "--music", "mute", "--loudness", "keep", "-o", "new.mkv").code == 0
    assert heard(place / "new.mkv").integrated_lufs == pytest.approx(before, abs=0.15)
    assert cfork("remix", "a.mkv", "--loudness", "keep", "--music=0", "-o", "same.mkv").code == 0
    np.testing.assert_array_equal(samples(place / "same.mkv"), samples(place / "a.mkv"))


@pytest.mark.parametrize("gain", ["0", "6"])
def test_dialogue_gets_the_loudness(cfork: Command, place: Path, gain: str) -> None:
    """The dialogue is a quarter of the sound; it is measured with the gain that it gets."""
    rate = 44_100  # the network's own
    sound = noise(2, 3 * rate, level=0.05, bits=16)
    make(place / "a.mkv", Sound("flac", sample_rate=rate, samples=sound), seconds=3)
    ran = cfork("remix", "a.mkv", "--dialog", gain, "--loudness", "dialogue:-27", "-o", "new.mkv", "--json")
    assert ran.code == 0, ran.out
    factor = 10 ** (float(gain) / 20)
    told = ran.result["loudness"]["tracks"][0]
    voice = lufs_of([sound * np.float32(factor / 4)], rate, 2, "stereo")
    assert told["dialogue_lufs"] == pytest.approx(voice, abs=0.1)
    assert told["gain_db"] == pytest.approx(-27 - told["dialogue_lufs"], abs=0.2)
    said = sound * np.float32(1 + (factor - 1) / 4)
    moved = np.vdot(samples(place / "new.mkv"), said) / np.vdot(said, said)
    assert moved == pytest.approx(10 ** (told["gain_db"] / 20), rel=0.02)


def test_every_track_gets_it_and_the_rest_is_copied(cfork: Command, place: Path) -> None:
    sounds = [Sound("flac", samples=swelling(2, level=level), language="eng") for level in (0.02, 0.2)]
    make(place / "a.mkv", *sounds, Sound("aac", samples=swelling(2)), seconds=4, subtitles="srt")
    ran = cfork("remix", "a.mkv", "--track", "1,2", "--music", "-3", "--loudness", "-20", "-o", "new.mkv", "--json")
    assert ran.code == 0, ran.out
    assert [round(heard(place / "new.mkv", number).integrated_lufs) for number in (0, 1)] == [-20, -20]
    for kept in ("v:0", "a:2", "s:0"):
        assert packets(place / "new.mkv", kept) == packets(place / "a.mkv", kept)


def test_a_pipe_gets_it_too_but_a_stream_has_no_end(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make(place / "a.wav", Sound(samples=swelling(2)), picture=None)
    asked = ["remix", "a.wav", "--music", "-3", "--loudness", "-23", "-o", "-", "--output-format", "f32le"]
    out = piped(asked, b"")
    assert out.code == 0
    assert lufs_of([out.floats(2)], RATE, 2, "stereo") == pytest.approx(-23, abs=0.11)
    capfd.readouterr()
    asked[1] = "-"
    assert piped(asked, (place / "a.wav").read_bytes()).code == 2
    assert "known only at its end" in capfd.readouterr().err


def test_silence_has_no_loudness(cfork: Command, place: Path) -> None:
    make(place / "a.mkv", Sound("flac", samples=np.zeros((2, RATE), np.float32)), seconds=1)
    ran = cfork("remix", "a.mkv", "--loudness", "-23", "--dialog", "3", "-o", "new.mkv")
    assert ran.code == 0, ran.err
    assert "there is only silence, so its loudness was left as it is" in ran.err
    assert not samples(place / "new.mkv").any()


@pytest.mark.parametrize(
    ("text", "told"),
    [("16", "such as -16"), ("-80", "give LUFS from -50 to -5"), ("loud", "keep, or dialogue:-27"),
     ("nan", "give LUFS"), ("dialogue:", "give")],
)  # fmt: skip
def test_what_is_no_loudness_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_loudness(text)


def test_muted_dialogue_is_no_anchor(cfork: Command, place: Path) -> None:
    make(place / "a.wav", Sound(samples=swelling(2)), picture=None)
    ran = cfork("remix", "a.wav", "--dialog", "mute", "--loudness", "dialogue:-27")
    assert ran.code == 2
    assert "the dialogue is muted" in ran.err


def test_a_damaged_film_is_kept_as_loud_as_before(cfork: Command, place: Path) -> None:
    """The measurement of the old sound takes what is there, as all the rest does."""
    make(place / "whole.mkv", Sound("flac", samples=swelling(2, 6)), seconds=6)
    data = (place / "whole.mkv").read_bytes()
    (place / "a.mkv").write_bytes(data[: len(data) * 2 // 3])
    asked = ("remix", "a.mkv", "--music", "-6", "--loudness", "keep", "-o", "new.mkv")
    assert cfork(*asked).code != 0
    assert cfork(*asked, "--accept-damaged").code == 0
    assert heard(place / "new.mkv").integrated_lufs == pytest.approx(heard_of(place / "a.mkv"), abs=0.2)


def heard_of(path: Path) -> float:
    media = probe(path)
    return integrated_lufs(media, media.audio[0], accept_damaged=True)


@pytest.mark.parametrize(
    ("bad", "options"),
    [(np.nan, ["--speech-boost=auto:12"]), (np.inf, ["--night", "--duck=music:6", "--loudness=keep"])],
)
def test_one_broken_sample_spoils_nothing(cfork: Command, place: Path, bad: float, options: list[str]) -> None:
    """Float films have them; what follows levels once made silence of ten seconds around."""
    found = []
    for name, value in (("a", 0.0), ("b", bad)):
        sound = noise(2, 3 * RATE, level=0.05)
        sound[0, RATE] = value
        make(place / f"{name}.wav", Sound("pcm_f32le", samples=sound), picture=None, seconds=3)
        ran = cfork("remix", f"{name}.wav", "--music=-3", *options, "-o", f"new-{name}.wav", "--json")
        assert ran.code == 0, ran.err
        found.append(samples(place / f"new-{name}.wav"))
    away = np.ones(3 * RATE, bool)
    away[RATE - 500 : RATE + 500] = False  # the encoder and the network may smear it
    np.testing.assert_allclose(found[1][:, away], found[0][:, away], atol=1e-3)
