"""`cfork remix`: which tracks become new, where they go, and what they become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.commands import Ran, echo_network, listing
from support.films import Sound, ffmpeg, make, noise
from support.readings import packets, samples

from cfork_cli.flows import network as networks
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.flows.remix import plan_remix
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Stream
from cfork_cli.mix.normalize import LoudnessGoal
from cfork_cli.mix.settings import Processing
from cfork_cli.output import destination

Command = Callable[..., Ran]
RATE = 44_100  # the network's own


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A network whose dialogue is all that it hears. Remembers what it was asked."""
    network = echo_network((0.0, 1.0, 0.0))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    return network


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with sound in English, French (the default, another rate) and English again, all lossless."""
    tone = np.float32(np.rint(655 * np.sin(np.arange(48_000) / 7)) / 2**15)[None]  # the network cannot hear 24 kHz
    sounds = [
        Sound("flac", sample_rate=RATE, samples=noise(2, RATE, level=0.02, bits=16), language="eng", title="Main"),
        Sound("flac", "mono", 48_000, tone, language="fre", default=True),
        Sound("flac", sample_rate=RATE, samples=noise(2, RATE, level=0.02, bits=16, seed=2), language="eng"),
    ]
    return make(tmp_path_factory.mktemp("three") / "movie.mkv", *sounds, seconds=1, subtitles="srt")


def brief(stream: Stream) -> tuple[Any, ...]:
    return stream.codec, stream.language, stream.title, "default" in stream.disposition


def test_several_tracks_in_one_film(cfork: Command, place: Path, three: Path, echo: Any) -> None:
    ran = cfork("remix", three, "--dialog", "6", "--track", "fr", "--track", "1", "-o", "new.mkv", "--json")
    assert ran.code == 0, ran.out
    assert [(one["track"], one["sample_rate"]) for one in ran.result["tracks"]] == [(1, RATE), (2, 48_000)]
    new = probe(place / "new.mkv")
    assert [brief(stream) for stream in new.streams] == [brief(stream) for stream in probe(three).streams]
    for number, channels in ((0, 2), (1, 1)):
        told, found = samples(three, number, channels), samples(place / "new.mkv", number, channels)
        assert found.shape == told.shape
        np.testing.assert_allclose(found[:, 2000:-2000], told[:, 2000:-2000] * 10**0.3, atol=1e-3 if number else 2**-15)
    for kept in ("v:0", "a:2", "s:0"):
        assert packets(place / "new.mkv", kept) == packets(three, kept)


def test_all_tracks_at_zero_are_bit_exact(cfork: Command, place: Path, three: Path) -> None:
    assert cfork("remix", three, "--track", "all", "-o", "new.mkv", "--model", "missing").code == 0
    for number, channels in enumerate((2, 1, 2)):
        np.testing.assert_array_equal(samples(place / "new.mkv", number, channels), samples(three, number, channels))


def test_beside_the_original(cfork: Command, place: Path, three: Path, echo: Any) -> None:
    ran = cfork("remix", three, "--dialog", "6", "--music", "-10", "--keep-original", "-o", "new.mkv")
    assert ran.code == 0, ran.err
    assert [brief(stream) for stream in probe(place / "new.mkv").audio] == [
        ("flac", "eng", "Main", False),
        ("flac", "fre", None, False),
        ("flac", "fre", "Dialogue +6 dB, music -10 dB", True),
        ("flac", "eng", None, False),
    ]
    for old, new in ((0, 0), (1, 1), (2, 3)):
        assert packets(place / "new.mkv", f"a:{new}") == packets(three, f"a:{old}")


@pytest.mark.parametrize(
    ("words", "title", "default"),
    [(["--no-default"], "Dialogue +6 dB", [1]), (["--title", "Clear = voices"], "Clear = voices", [2])],
)
def test_title_and_default_flag_are_the_users_choice(
    cfork: Command, place: Path, three: Path, echo: Any, words: list[str], title: str, default: list[int]
) -> None:
    assert cfork("remix", three, "--dialog", "6", "--keep-original", "-o", "new.mkv", *words).code == 0
    audio = probe(place / "new.mkv").audio
    assert audio[2].title == title
    assert [number for number, stream in enumerate(audio) if "default" in stream.disposition] == default


def test_a_file_beside_the_film(cfork: Command, place: Path, three: Path, echo: Any) -> None:
    film = place / "movie.mkv"
    film.write_bytes(three.read_bytes())
    before = listing(place)["movie.mkv"]
    ran = cfork("remix", film, "--dialog", "6", "--sidecar", "--track", "all", "--json")
    assert ran.code == 0, ran.out
    names = ["movie.eng.cfork.mka", "movie.fre.cfork.mka", "movie.eng.3.cfork.mka"]
    assert [Path(one["output"]).name for one in ran.result["tracks"]] == names
    assert listing(place).keys() == {"movie.mkv", *names}
    assert listing(place)["movie.mkv"] == before
    for number, (name, channels) in enumerate(zip(names, (2, 1, 2), strict=True)):
        new = probe(place / name)
        assert [brief(stream) for stream in new.streams] == [
            ("flac", probe(three).audio[number].language, "Dialogue +6 dB", True)
        ]
        assert new.chapters == 0
        assert samples(place / name, 0, channels).shape == samples(three, number, channels).shape


def test_files_beside_the_film_appear_together_or_not_at_all(
    cfork: Command, place: Path, three: Path, echo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = place / "movie.mkv"
    film.write_bytes(three.read_bytes())
    replace, calls = destination.os.replace, []

    def fails_the_second_time(*names: Any) -> None:
        calls.append(names)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        replace(*names)

    monkeypatch.setattr(destination.os, "replace", fails_the_second_time)
    ran = cfork("remix", film, "--dialog", "6", "--sidecar", "--track", "1,2")
    assert ran.code == 4
    assert listing(place).keys() == {"movie.mkv"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--sidecar", "--keep-original"], 2, "take one of them"),
        (["--no-default", "-o", "x.mkv"], 2, "goes with --keep-original"),
        (["--sidecar", "--no-default"], 2, "goes with --keep-original"),
        (["--sidecar", "--track", "1,2", "-o", "x.mka"], 2, "one .mka file for each track"),
        (["--sidecar", "-o", "x.mkv"], 2, "one .mka file for each track"),
        (["-o", "x.txt"], 2, "'x.txt': .txt is no kind of film or sound"),
        (["-o", "x.mka"], 4, "has a picture, which does not go into a 'mka' file"),
        (["--track", "ita", "-o", "x.mkv"], 3, "no sound track in 'ita'"),
        (["--bitrate", "fast", "-o", "x.mkv"], 2, "'fast' is not a bit rate"),
        (["--downmix", "mono", "-o", "x.mkv"], 2, "'mono' is not"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(
    cfork: Command, place: Path, three: Path, words: list[str], code: int, said: str
) -> None:
    ran = cfork("remix", three, *words)
    assert (ran.code, len(ran.lines)) == (code, 1)
    assert said in ran.err
    assert listing(place) == {}


def test_a_file_of_one_track_cannot_keep_the_original(cfork: Command, place: Path) -> None:
    song = make(place / "song.wav", Sound(), picture=None, seconds=0.3)
    ran = cfork("remix", song, "--keep-original")
    assert ran.code == 4
    assert "'wav' file cannot keep the original sound beside the new one" in ran.err


def test_surround_folded_to_stereo(cfork: Command, place: Path, echo: Any) -> None:
    told = noise(6, RATE, level=0.02, bits=24)
    film = make(place / "film.mkv", Sound("flac", "5.1(side)", RATE, told), seconds=1)
    ran = cfork("remix", film, "--dialog", "6", "--downmix", "stereo", "--codec", "flac", "-o", "new.mkv", "--json")
    assert ran.code == 0, ran.out
    (one,) = ran.result["tracks"]
    assert (one["channels"], one["layout"]) == (2, "stereo")
    half = np.float32(0.5**0.5)
    left, right, center, _, side_left, side_right = told * np.float32(10**0.3)
    expected = np.stack([left + half * (center + side_left), right + half * (center + side_right)])
    np.testing.assert_allclose(samples(place / "new.mkv"), expected, atol=2**-20)


def test_a_fold_over_full_scale_is_told_as_such(cfork: Command, place: Path) -> None:
    film = make(place / "film.mkv", Sound("flac", "5.1(side)", RATE, noise(6, RATE, level=0.5, bits=24)), seconds=1)
    ran = cfork("remix", film, "--downmix", "stereo", "--codec", "flac")
    assert ran.code == 0
    (note,) = [line for line in ran.lines if "full scale" in line]
    assert note.startswith("note: the channels folded together go over full scale: for ")
    assert "gains" not in note


def test_the_low_frequency_channel_is_never_touched(
    cfork: Command, place: Path, echo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = noise(6, RATE, level=0.02, bits=24)
    film = make(place / "film.mkv", Sound("flac", "5.1", RATE, told), seconds=1)
    heard: list[int] = []
    echo.register_forward_pre_hook(lambda _module, args: heard.append(len(args[0])))
    assert cfork("remix", film, "--dialog", "6", "-o", "new.mkv").code == 0
    found = samples(place / "new.mkv", 0, 6)
    np.testing.assert_array_equal(found[3], told[3])
    np.testing.assert_allclose(found[[0, 1, 2, 4, 5]], told[[0, 1, 2, 4, 5]] * 10**0.3, atol=2**-20)
    assert sum(heard) == 5


def test_dual_mono_and_silent_channels_cost_nothing(cfork: Command, place: Path, echo: Any) -> None:
    told = noise(6, RATE, level=0.02, bits=24)
    told[1] = told[0]
    told[4:] = 0
    film = make(place / "film.mkv", Sound("flac", "5.1", RATE, told), seconds=1)
    heard: list[int] = []
    echo.register_forward_pre_hook(lambda _module, args: heard.append(len(args[0])))
    assert cfork("remix", film, "--dialog", "6", "-o", "new.mkv").code == 0
    assert sum(heard) == 2  # left as right, and the center
    found = samples(place / "new.mkv", 0, 6)
    np.testing.assert_array_equal(found[0], found[1])
    assert not found[4:].any()


def integers(path: Path) -> np.ndarray:
    return np.frombuffer(ffmpeg("-i", path, "-c:a", "pcm_s32le", "-f", "s32le", "pipe:1"), "<i4")


@pytest.mark.parametrize(("codec", "name"), [("pcm_s32le", "a.wav"), ("pcm_f64le", "a.wav"), ("wavpack", "a.wv")])
def test_integers_of_32_bits_stay_as_they_are(cfork: Command, place: Path, codec: str, name: str) -> None:
    told = np.random.default_rng(0).integers(-(2**31), 2**31, (2, 20_000)).T.astype("<i4")
    form = ["-sample_fmt", "s32p"] if codec == "wavpack" else []
    raw = ["-f", "s32le", "-ar", "48000", "-ac", "2", "-i", "pipe:0"]
    ffmpeg(*raw, "-c:a", codec, *form, place / name, stdin=told.tobytes())
    ran = cfork("remix", name, "--music", "0")
    assert (ran.code, len(ran.lines)) == (0, 1), ran.err
    new = place / f"a.cfork{Path(name).suffix}"
    assert probe(new).audio[0].codec == codec
    np.testing.assert_array_equal(integers(new), told.reshape(-1))


def layouts_and_rates() -> Sequence[Any]:
    return [
        ("mono", 8_000), ("2.1", 22_050), ("4.0", 32_000), ("quad", 44_100), ("5.0(side)", 48_000),
        ("5.1(side)", 96_000), ("6.1", 48_000), ("7.1", 192_000), ("7.1(wide)", 48_000), ("FL+FC+LFE", 48_000),
    ]  # fmt: skip


@pytest.mark.parametrize(("layout", "rate"), layouts_and_rates())
def test_every_layout_and_rate_stays(cfork: Command, place: Path, echo: Any, layout: str, rate: int) -> None:
    from cfork_cli.media.layouts import speakers

    names = speakers(layout)
    assert names is not None
    time = np.arange(rate // 2) / rate
    told = np.stack([0.02 * np.sin(2 * np.pi * (200 + 100 * place) * time) for place in range(len(names))])
    told = np.float32(np.rint(told * 2**23) / 2**23)
    raw = ["-f", "f32le", "-ar", str(rate), "-channel_layout", layout, "-i", "pipe:0"]
    form = ["-c:a", "flac", "-sample_fmt", "s32", "film.mka"]
    ffmpeg(*raw, *form, stdin=told.T.tobytes())
    ran = cfork("remix", "film.mka", "--dialog", "6", "-o", "new.mka")
    assert (ran.code, len(ran.lines)) == (0, 1), ran.err
    old, new = probe(place / "film.mka").audio[0], probe(place / "new.mka").audio[0]
    assert (new.layout, new.sample_rate, new.bits, new.codec) == (old.layout, rate, 24, "flac")
    found = samples(place / "new.mka", 0, len(names))
    assert found.shape == told.shape
    gains = np.array([1.0 if name.startswith("LFE") else 10**0.3 for name in names])[:, None]
    middle = slice(rate // 8, -rate // 8)
    np.testing.assert_allclose(found[:, middle], (told * gains)[:, middle], atol=2e-4)


@pytest.mark.parametrize("output", ["-", "new.mkv"])
@pytest.mark.parametrize(
    ("settings", "changed"),
    [({}, False), ({"processing": Processing(night=True)}, True), ({"loudness": LoudnessGoal(-16.0)}, True)],
)
def test_files_and_pipes_know_alike_what_is_changed(
    three: Path, place: Path, output: str, settings: dict[str, Any], changed: bool
) -> None:
    """Tags about the loudness of the old sound go by it."""
    target = Path(output) if output == "-" else place / output
    plan = plan_remix(RemixJob(three, target, dict.fromkeys(("dialogue", "music", "effects"), 0.0), **settings))
    film = plan.outputs[0][1] if plan.pipe is None else plan.pipe.film
    assert film is not None
    assert [new.changed for new in film.new] == [changed]
