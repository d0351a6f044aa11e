"""Effects, presets and what follows the voice, from end to end: in remixes and stems, files and pipes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.commands import Ran, echo_network, listing
from support.films import Sound, make, noise
from support.pipe_ends import piped
from support.readings import samples

import cfork
from cfork_cli.flows import network as networks

Command = Callable[..., Ran]
RATE = 44_100
SHARES = {"music": 0.5, "dialogue": 0.3, "effects": 0.2}
LATE = "superequalizer"  # gives what it gets, 4095 samples later


@pytest.fixture(autouse=True)
def loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A network that knows the shares, and a list of when it was loaded; no presets of one's own."""
    found: list[str] = []

    def load(model: str, *_: str) -> tuple[Any, str]:
        found.append(model)
        return echo_network(tuple(SHARES.values())), "cpu"

    monkeypatch.setattr(networks, "load_network", load)
    monkeypatch.setenv("CFORK_CONFIG", str(tmp_path / "config"))
    return found


@pytest.fixture
def told(place: Path) -> np.ndarray:
    """A film of 2 s of noise, float samples."""
    sound = noise(2, 2 * RATE + 99, bits=16)
    make(place / "a.wav", Sound("pcm_f32le", sample_rate=RATE, samples=sound), picture=None)
    return sound


def remixed(cfork: Command, place: Path, *options: str) -> np.ndarray:
    ran = cfork("remix", "a.wav", *options, "-o", "new.wav", "-f")
    assert ran.code == 0, ran.err
    return samples(place / "new.wav")


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        (["--dialog-fx", "volume=2"], 1.3),
        (["--music-fx", "volume=0.5,volume=0.5", "--effects-fx", "volume=0"], 0.425),
        (["--dialog-fx", f"{LATE},volume=3"], 1.6),
        (["--dialog-fx", "volume=2", "--dialog", "-6.0206"], 1.0),
        (["--dialog-fx", "alimiter=level=0:limit=1:attack=40", "--music", "6.0206"], 1.5),
    ],
)
def test_effects_of_stems_and_gains_behind_them(
    cfork: Command, place: Path, told: np.ndarray, options: list[str], factor: float
) -> None:
    """Sample by sample, late filters too; and nothing is shorter or longer than it was."""
    np.testing.assert_allclose(remixed(cfork, place, *options), told * factor, atol=2e-5)


def test_what_does_nothing_is_bit_exact(cfork: Command, place: Path, told: np.ndarray, loads: list[str]) -> None:
    assert np.array_equal(remixed(cfork, place, "--dialog-fx", "anull", "--effects-fx", "volume=1"), told)
    assert np.array_equal(remixed(cfork, place, "--speech-boost", "auto:-10", "--duck", "effects:0.0"), told)
    loads.clear()
    off = ["--dialog-fx", "none", "--music-reverb", "none", "--speech-boost", "off", "--duck", "none", "--no-night"]
    assert np.array_equal(remixed(cfork, place, *off, "--model", "missing"), told)
    assert not loads  # no network is needed for nothing


def test_an_impulse_response_of_ones_own(cfork: Command, place: Path, told: np.ndarray) -> None:
    """One click after 100 samples, at another rate and with more channels than the film."""
    click = np.zeros((44_100, 3))
    click[200] = 0.25
    soundfile.write(place / "church:x.wav", click, 2 * RATE, subtype="FLOAT")
    found = remixed(cfork, place, "--dialog-reverb", "church:x.wav:-6.0206")
    late = np.concatenate((np.zeros((2, 100)), told[:, :-100]), axis=1)
    echo = (found - told)[:, 1000:-1000]
    expected = 0.3 * 0.5 * late[:, 1000:-1000]
    # white noise up to half of the rate: only what the resampler's slope takes is missing
    assert np.square(echo - expected).mean() < 0.05 * np.square(expected).mean()


@pytest.mark.parametrize("kind", ["room", "hall:-20"])
def test_reverb_is_added(cfork: Command, place: Path, told: np.ndarray, kind: str) -> None:
    echo = remixed(cfork, place, "--music-reverb", kind) - told
    assert echo.shape == told.shape
    found_db = 10 * np.log10(np.square(echo[:, RATE:]).mean() / np.square(0.5 * told[:, RATE:]).mean())
    assert found_db == pytest.approx(-12 if kind == "room" else -20, abs=2)


def test_music_steps_back_where_the_network_hears_a_voice(cfork: Command, place: Path, told: np.ndarray) -> None:
    """The voice is a share of all, so somebody speaks all the time."""
    found = remixed(cfork, place, "--duck", "music:6.0206", "--duck", "effects:6.0206")
    np.testing.assert_allclose(found, told * 0.65, atol=1e-4)
    raised = remixed(cfork, place, "--speech-boost", "auto:-4.360")  # it is 7.360 under the rest: 3 dB
    np.testing.assert_allclose(raised, told * (0.7 + 0.3 * 10**0.15), atol=1e-3)


def test_surround_and_several_tracks(cfork: Command, place: Path) -> None:
    """Each track has its own chain, with its own channels; the low-frequency channel passes."""
    tracks = [Sound("flac", "5.1(side)", RATE, noise(6, RATE, seed=1)),
              Sound("pcm_f32le", "mono", RATE, noise(1, RATE, seed=2))]  # fmt: skip
    make(place / "b.mkv", *tracks, seconds=1)
    ran = cfork("remix", "b.mkv", "--track", "all", "--dialog-fx", f"{LATE},volume=2", "--music-reverb", "none",
                "-o", "new.mkv")  # fmt: skip
    assert ran.code == 0, ran.err
    for number, channels in enumerate((6, 1)):
        before, after = (samples(place / name, number, channels) for name in ("b.mkv", "new.mkv"))
        factor = np.full((channels, 1), 1.3)
        if channels == 6:
            factor[3] = 1
        np.testing.assert_allclose(after, before * factor, atol=1e-4)  # 24 bits in FLAC


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dialog-fx", "highpass=f=x"], "Undefined constant"),
        (["--music-fx", "nothing"], "none of the audio filters"),
        (["--effects-fx", "amovie=a.wav"], "opens files"),
        (["--dialog-fx", "pan=mono|c0=FL"], "1 channel of 2"),
        (["--dialog-reverb", "church.wav"], "no impulse response 'church.wav'"),
        (["--dialog-reverb", "film.txt:-3"], "cannot be read as an impulse response"),
        (["--duck", "dialogue"], "cannot step back"),
        (["--speech-boost", "much"], "no speech boost"),
        (["--preset", "nigth"], "did you mean night?"),
        (["--preset", "mine.toml"], "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_one_line_before_the_work(
    cfork: Command, place: Path, told: np.ndarray, loads: list[str], options: list[str], words: str
) -> None:
    (place / "film.txt").write_text("no sound")
    before = listing(place)
    for command in (["remix", "a.wav", "-o", "new.wav"], ["separate", "a.wav", "-o", "stems"]):
        ran = cfork(*command, *options)
        assert ran.code in (2, 3)
        assert len(ran.lines) == 1
        assert words in ran.err
    assert listing(place) == before
    assert not loads


def test_through_pipes(told: np.ndarray, place: Path, cfork: Command) -> None:
    options = ["--dialog-fx", f"{LATE},acompressor", "--music-reverb", "room", "--duck", "music", "--night"]
    in_file = remixed(cfork, place, *options, "--input-lufs", "-20")
    bare = ["--input-format", "f32le", "--rate", str(RATE), "--channels", "2", "--input-lufs", "-20"]
    left = piped(["remix", "-", *bare, "--output-format", "f32le", *options], np.ascontiguousarray(told.T).tobytes())
    assert left.code == 0
    np.testing.assert_allclose(left.floats(2), in_file, atol=1e-5)
    refused = piped(["remix", "-", *bare, "--dialog-fx", "highpass=f=x"], b"")
    assert refused.code == 2


def test_stems_with_effects(cfork: Command, place: Path, told: np.ndarray) -> None:
    """On the stems that are written; the mixture beside them is the film's own, the residual what it was."""
    ran = cfork("separate", "a.wav", "-o", "stems", "--stem", "music", "--stem", "effects", "--mixture", "--residual",
                "file", "--music-fx", f"{LATE},volume=0.5", "--duck", "effects:6.0206", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    found = {path.stem: samples(path) for path in (place / "stems").iterdir()}
    for name, factor in {"mixture": 1, "music": 0.25, "effects": 0.1, "residual": 0.3}.items():
        np.testing.assert_allclose(found[name], told * factor, atol=1e-4)
    assert "do not add up" in ran.result["notes"][0]
    assert ran.result["effects"]["music"]["filters"] == f"{LATE},volume=0.5"


def test_one_stem_into_a_pipe(told: np.ndarray) -> None:
    bare = ["--input-format", "f32le", "--rate", str(RATE), "--channels", "2"]
    left = piped(["separate", "-", *bare, "--stem", "dialogue", "-o", "-", "--format", "f32le", "--dialog-fx",
                  "volume=2"],
                 np.ascontiguousarray(told.T).tobytes())  # fmt: skip
    assert left.code == 0
    np.testing.assert_allclose(left.floats(2), told * 0.6, atol=1e-5)


def test_dialogue_loudness_hears_the_voice_behind_the_desk(cfork: Command, place: Path, told: np.ndarray) -> None:
    plain = cfork("remix", "a.wav", "--dialog", "6", "--loudness", "dialogue:-27", "-o", "b.wav", "--json")
    by_filter = cfork(
        "remix", "a.wav", "--dialog-fx", "volume=6dB", "--loudness", "dialogue:-27", "-o", "c.wav", "--json"
    )
    assert (plain.code, by_filter.code) == (0, 0)
    assert plain.result["loudness"]["tracks"][0]["dialogue_lufs"] == pytest.approx(
        by_filter.result["loudness"]["tracks"][0]["dialogue_lufs"], abs=0.02
    )
    np.testing.assert_allclose(samples(place / "b.wav"), samples(place / "c.wav"), atol=1e-3)


# ---- presets ----


def test_a_preset_and_what_wins_over_it(cfork: Command, place: Path, told: np.ndarray) -> None:
    (place / "mine.toml").write_text(
        '[gains]\ndialogue = -6.0206\nmusic = "mute"\n[effects]\nfx = "volume=2"\n[dialogue]\nfx = "volume=9"\n'
    )
    assert remixed(cfork, place, "--preset", "mine.toml", "--dialog-fx", "none") == pytest.approx(told * 0.55, abs=1e-5)
    ran = cfork(
        "remix", "a.wav", "--preset", "mine.toml", "--music", "0", "--dialog-fx", "anull", "-o", "b.wav", "--json"
    )
    np.testing.assert_allclose(samples(place / "b.wav"), told * 1.05, atol=1e-5)
    result = ran.result
    assert result["preset"] == "mine.toml"
    assert result["gains_db"] == {"dialogue": -6.0206, "music": 0.0, "effects": 0.0}
    assert {stem: one["filters"] for stem, one in result["effects"].items()} == {
        "dialogue": "anull",
        "effects": "volume=2",
    }


def test_a_preset_sets_loudness_and_codec(cfork: Command, place: Path, told: np.ndarray) -> None:
    (place / "mine.toml").write_text('loudness = "-30"\ncodec = "pcm_s24le"\n')
    ran = cfork("remix", "a.wav", "--preset", "mine.toml", "-o", "b.wav", "--json")
    assert ran.result["codec"] == "pcm_s24le"
    assert ran.result["loudness"]["tracks"][0]["lufs"] == pytest.approx(-30, abs=0.3)
    ran = cfork(
        "remix", "a.wav", "--preset", "mine.toml", "--loudness", "none", "--codec", "pcm_s16le", "--dry-run", "--json"
    )
    assert ran.result["codec"] == "pcm_s16le"
    assert ran.result["loudness"] is None


def test_presets_are_listed_shown_saved(cfork: Command, place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "presets"
    assert cfork("presets", "path").out == f"{folder}\n"
    saved = cfork(
        "presets", "save", "late", "--preset", "night", "--dialog", "+3", "--music-fx", "lowpass=f=8000", "--json"
    )
    assert saved.result["home"] == str(folder / "late.toml")
    assert saved.result["night"] is True
    assert cfork("presets", "save", "late").code == 4
    shown = cfork("presets", "show", "late").out
    assert "dialogue = 3.0" in shown
    assert "night = true" in shown
    (folder / "broken.toml").write_text("a = ")
    table = cfork("presets")
    assert [line.split()[0] for line in table.out.splitlines() if line.startswith(("  late", "  night"))] == [
        "night",
        "late",
    ]
    assert "broken" in table.err
    found = cfork("presets", "list", "--json").result
    assert [one["name"] for one in found["presets"]][-1] == "late"
    assert len(found["notes"]) == 1
    for wrong, words in ((["save", "../x"], "no name"), (["save", "x", "--music-fx", "amovie=x"], "opens files"),
                         (["save", "x", "--loudness", "loud"], "not a loudness"),
                         (["show", "x"], "no preset")):  # fmt: skip
        ran = cfork("presets", *wrong)
        assert ran.code == 2
        assert words in ran.err
    assert sorted(path.name for path in folder.iterdir()) == ["broken.toml", "late.toml"]


@pytest.mark.parametrize("name", ["clear-speech", "night", "cinema", "no-music", "dub", "voices"])
def test_our_presets_can_be_used(cfork: Command, place: Path, told: np.ndarray, name: str) -> None:
    ran = cfork("remix", "a.wav", "--preset", name, "--dry-run", "--json")
    assert ran.code == 0
    assert json.dumps(ran.result)
    assert ran.result["computed_stems"]


# ---- the library ----


def test_the_library_takes_the_same(place: Path, told: np.ndarray) -> None:
    result = cfork.remix(
        place / "a.wav", dialogue_fx="volume=2", duck="music:6.0206", night=False, output=place / "b.wav"
    )
    np.testing.assert_allclose(samples(result.output), told * 1.05, atol=1e-4)
    assert result.facts["duck_db"] == {"music": 6.0206}
    assert "music 6.0206 dB down while somebody speaks" in result.done
    planned = cfork.plan(place / "a.wav", preset="clear-speech", duck=["none"], dialogue=3)
    assert planned.facts["duck_db"] == {}
    assert planned.facts["gains_db"]["dialogue"] == 3
    assert any("7 LU over the rest" in line for line in planned.lines)
    cfork.separate(place / "a.wav", place / "stems", stems=["dialogue"], dialogue_fx="volume=2", overwrite=True)
    np.testing.assert_allclose(samples(place / "stems" / "dialogue.wav"), told * 0.6, atol=1e-5)
    with pytest.raises(cfork.UsageError, match="none of the audio filters"):
        cfork.remix(place / "a.wav", music_fx="nothing")
