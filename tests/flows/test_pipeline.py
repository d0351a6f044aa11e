"""`cfork remix` from end to end, on real films: what changes, what stays, and the arithmetic of the levels."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.commands import ROOT, Ran, echo_network, listing, processes_about, wait_until
from support.films import Sound, make, noise
from support.processes import SLOW
from support.readings import packets, samples

from cfork_cli.errors import ModelError, UsageError
from cfork_cli.ffmpeg.command import QUIET
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.flows import network as networks
from cfork_cli.flows import separator as separators
from cfork_cli.flows.report import peak_notes
from cfork_cli.input import loudness
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Stream
from cfork_cli.mix.limiter import PeakGuard
from model import STEMS

Command = Callable[..., Ran]
RATE = 44_100  # the network's own: nothing is lost to resampling


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[float]], None]:
    """Put a network in place whose stems are shares of the mixture (music, dialogue, effects)."""

    def put(shares: Sequence[float]) -> None:
        network = echo_network(shares)
        monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))

    return put


def portrait(stream: Stream) -> tuple[Any, ...]:
    """What must stay of a stream."""
    return stream.kind, stream.codec, stream.language, stream.title, stream.disposition, stream.channels, stream.layout


@pytest.mark.parametrize(("name", "track"), [("full.mkv", 0), ("full.mkv", 1), ("full.mp4", 0), ("full.mp4", 1)])
def test_only_the_chosen_track_changes(
    cfork: Command, place: Path, films_here: Path, tiny_model: Path, name: str, track: int
) -> None:
    film, output = films_here / name, place / name
    arguments = ["--dialog", "+6", "--music", "-10", "--model", tiny_model, "--track", track + 1]
    ran = cfork("remix", film, "-o", output, *map(str, arguments))
    assert ran.code == 0, ran.err
    old, new = probe(film), probe(output)
    assert [portrait(stream) for stream in new.streams] == [portrait(stream) for stream in old.streams]
    assert (new.container, new.chapters) == (old.container, old.chapters)
    assert new.tags["title"] == "The Film"
    assert abs(new.duration_seconds - old.duration_seconds) < 0.1
    assert packets(output, "a:" + str(track)) != packets(film, "a:" + str(track))
    for kept in ("v:0", "v:1", f"a:{1 - track}", "s:0"):
        assert packets(output, kept) == packets(film, kept), kept
    assert listing(place).keys() == {name}
    assert listing(place.parent / "temporary") == {}


def test_default_name_and_default_track(cfork: Command, place: Path) -> None:
    quiet = Sound(samples=noise(2, 48_000, bits=16))
    loud = Sound(samples=noise(2, 48_000, bits=16, seed=1), language="deu", default=True)
    film = make(place / "two.mkv", quiet, loud, seconds=1)
    ran = cfork("remix", film, "--music", "0", "--json")
    assert ran.code == 0
    assert ran.result["track"] == 2
    assert ran.result["language"] == "deu"
    assert Path(ran.result["output"]) == place / "two.cfork.mkv"
    assert packets(place / "two.cfork.mkv", "a:0") == packets(film, "a:0")


@pytest.mark.parametrize(
    ("bits", "layout", "rate"), [(16, "stereo", 48_000), (24, "mono", RATE), (24, "5.1(side)", 48_000)]
)
def test_zero_gains_into_flac_are_bit_exact_and_need_no_network(
    cfork: Command, place: Path, bits: int, layout: str, rate: int
) -> None:
    channels = {"mono": 1, "stereo": 2, "5.1(side)": 6}[layout]
    told = noise(channels, rate, bits=bits)
    film = make(place / "film.mkv", Sound(f"pcm_s{bits}le", layout, rate, told), seconds=1)
    ran = cfork("remix", film, "--codec", "flac", "--model", "missing.safetensors", "-o", "new.mkv")
    assert ran.code == 0, ran.err
    assert probe(place / "new.mkv").audio[0].codec == "flac"
    before, after = samples(film, channels=channels), samples(place / "new.mkv", channels=channels)
    assert np.array_equal(before, told)
    assert np.array_equal(after, before)


@pytest.mark.parametrize("gain_db", [6.0, -10.0, 24.0])
def test_a_gain_is_what_it_says(cfork: Command, place: Path, echo: Callable, gain_db: float) -> None:
    told = noise(2, 3 * RATE, level=0.01, bits=24)
    film = make(place / "film.mkv", Sound("pcm_s24le", sample_rate=RATE, samples=told), seconds=3)
    echo((0.0, 1.0, 0.0))
    assert cfork("remix", film, f"--dialog={gain_db}", "--codec", "flac").code == 0
    found = samples(place / "film.cfork.mkv")
    np.testing.assert_allclose(found, told * 10 ** (gain_db / 20), atol=2**-22, rtol=1e-6)


def test_gains_of_stems_add_up(cfork: Command, place: Path, echo: Callable) -> None:
    told = noise(1, RATE, level=0.05, bits=24)
    film = make(place / "film.mkv", Sound("pcm_s24le", "mono", RATE, told), seconds=1)
    echo((0.5, 0.3, 0.2))
    assert cfork("remix", film, "--music", "mute", "--dialogue", "+6", "--sfx", "-6", "--codec", "flac").code == 0
    share = 0.5 * 0 + 0.3 * 10**0.3 + 0.2 * 10**-0.3
    np.testing.assert_allclose(samples(place / "film.cfork.mkv", channels=1), told * share, atol=2**-22)


def test_the_network_hears_the_middle_of_stereo(cfork: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, heard = echo_network(), []
    network.register_forward_pre_hook(lambda _, given: heard.extend(given[0].numpy().copy()))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    middle, side = noise(2, RATE, level=0.05, bits=24)
    told = np.stack([middle + 0.02 * side, middle - 0.02 * side])
    film = make(place / "film.mkv", Sound("pcm_s24le", sample_rate=RATE, samples=told), seconds=1)
    assert cfork("remix", film, "--dialog", "+6", "--codec", "flac").code == 0
    first = max(heard, key=lambda sound: abs(float(np.vdot(sound[:RATE], middle))))[:RATE]
    assert len(heard) == 2
    np.testing.assert_allclose(first / np.abs(first).max(), middle / np.abs(middle).max(), atol=0.01)
    np.testing.assert_allclose(samples(place / "film.cfork.mkv"), told * 10**0.3, atol=2**-21)


def test_minus_infinity_mutes(cfork: Command, place: Path, films_here: Path, echo: Callable) -> None:
    echo((0.0, 1.0, 0.0))
    assert cfork("remix", films_here / "plain.mkv", "--dialog", "-inf", "-o", "new.mkv").code == 0
    assert not samples(place / "new.mkv").any()


def test_other_sample_rates_keep_what_the_network_can_hear(cfork: Command, place: Path, echo: Callable) -> None:
    time = np.arange(2 * 48_000) / 48_000
    told = (0.1 * np.sin(2 * np.pi * 1000 * time))[None].astype(np.float32)
    film = make(place / "film.mkv", Sound("pcm_f32le", "mono", 48_000, told), seconds=2)
    echo((1.0, 0.0, 0.0))
    assert cfork("remix", film, "--music", "6").code == 0
    found = samples(place / "film.cfork.mkv", channels=1)
    middle = slice(2000, -2000)
    np.testing.assert_allclose(found[:, middle], told[:, middle] * 10**0.3, atol=1e-4)


def test_peaks_over_full_scale_are_turned_down_and_told(cfork: Command, place: Path, echo: Callable) -> None:
    told = np.clip(noise(2, 2 * RATE, level=0.2, bits=16), -0.9, 0.9)
    film = make(place / "film.mkv", Sound("pcm_s16le", sample_rate=RATE, samples=told), seconds=2)
    echo((1.0, 0.0, 0.0))
    ran = cfork("remix", film, "--music", "12")
    assert ran.code == 0
    note = ran.lines[0]
    assert note.startswith("note: the new levels go over full scale: for ")
    assert "dB; lower gains avoid that" in note
    assert 0.9 < np.abs(samples(place / "film.cfork.mkv")).max() <= 1


@pytest.mark.parametrize(("codec", "cut"), [("pcm_s16le", 2), ("flac", 2), ("pcm_f32le", 0)])
def test_the_films_own_overs_that_integers_cut_are_told(
    cfork: Command, place: Path, echo: Callable, codec: str, cut: int
) -> None:
    told = noise(2, RATE)
    told[0, 5000:5002] = 1.25
    film = make(place / "film.mkv", Sound("pcm_f32le", sample_rate=RATE, samples=told), seconds=1)
    echo((0.0, 1.0, 0.0))
    for gain in ("0", "-3"):  # of music, and the film has none
        ran = cfork("remix", film, "--music", gain, "--codec", codec, "-f")
        assert ran.code == 0
        notes = [line for line in ran.lines if "full scale" in line]
        due = f"note: {cut} samples were over full scale and were cut: float samples (pcm_f32le) keep them"
        assert notes == [due] * bool(cut)


def test_peaks_within_full_scale_leave_no_note() -> None:
    assert peak_notes(None, RATE) == []
    assert peak_notes(PeakGuard(RATE), RATE) == []


def test_silence_stays_silence(cfork: Command, place: Path, tiny_model: Path) -> None:
    film = make(place / "film.mkv", Sound(samples=np.zeros((2, 48_000), np.float32)), seconds=1)
    assert cfork("remix", film, "--dialog", "24", "--model", tiny_model).code == 0
    assert not samples(place / "film.cfork.mkv").any()


def test_known_loudness_saves_the_measuring(
    cfork: Command, place: Path, films_here: Path, echo: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo((0.0, 1.0, 0.0))
    ran = cfork("remix", films_here / "plain.mkv", "--dialog", "3", "-o", "a.mkv", "--json")
    assert [event["stage"] for event in ran.events if event["event"] == "stage"] == [
        "load",
        "measure",
        "remix",
        "finish",
    ]
    monkeypatch.delattr(separators, "measuring_lufs")
    ran = cfork("remix", films_here / "plain.mkv", "--dialog", "3", "-o", "b.mkv", "--json", "--input-lufs", "-23")
    assert [event["stage"] for event in ran.events if event["event"] == "stage"] == ["load", "remix", "finish"]
    np.testing.assert_allclose(samples(place / "a.mkv"), samples(place / "b.mkv"), atol=2**-14)


@pytest.mark.parametrize(("layout", "expected"), [("mono", ("effects",)), ("5.1", ("effects",)), ("stereo", STEMS)])
def test_stems_at_zero_are_not_computed(
    cfork: Command, place: Path, echo: Callable, layout: str, expected: tuple[str, ...]
) -> None:
    """But in stereo: what stands between left and right is told apart with all of them."""
    make(place / "film.mkv", Sound("pcm_s16le", layout, sample_rate=44_100), seconds=1.0)
    asked: list[Sequence[str]] = []
    echo((0.3, 0.3, 0.3))
    network, _ = networks.load_network("cfork", "cpu")
    network.register_forward_pre_hook(lambda _module, _args, kwargs: asked.append(kwargs["stems"]), with_kwargs=True)
    ran = cfork("remix", "film.mkv", "--effects", "3", "-o", "new.mkv", "--json")
    assert ran.result["computed_stems"] == ["effects"]
    assert asked
    assert set(asked) == {expected}


def test_the_network_is_asked_for_the_change_alone(
    cfork: Command, place: Path, echo: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that can sum its stems by itself does; the film is the same as from one that cannot."""
    film = place / "film.mkv"
    make(film, Sound("pcm_s16le", "mono", sample_rate=44_100))
    gains = ["--dialog", "6", "--music", "-inf"]
    echo((0.2, 0.3, 0.4))
    assert cfork("remix", film, *gains, "-o", "summed.mkv").code == 0
    network, _ = networks.load_network("cfork", "cpu")
    stems, asked = network.forward, []

    def mix(x: Any, weights: dict[str, float]) -> Any:
        asked.append(weights)
        return sum(
            weight * stem for weight, stem in zip(weights.values(), stems(x, list(weights)).unbind(1), strict=True)
        )

    monkeypatch.setattr(network, "mix", mix, raising=False)
    monkeypatch.setattr(network, "forward", None)
    assert cfork("remix", film, *gains, "-o", "mixed.mkv").code == 0
    assert asked
    for weights in asked:
        assert weights == {"music": -1.0, "dialogue": pytest.approx(10**0.3 - 1)}
    mixed, summed = (samples(place / name, channels=1) for name in ("mixed.mkv", "summed.mkv"))
    np.testing.assert_allclose(mixed, summed, atol=2**-14)


@pytest.mark.parametrize("given", [[], ["--precision", "float32"], ["--precision", "bfloat16"]])
def test_the_precision_is_handed_on(
    cfork: Command, place: Path, films_here: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]
) -> None:
    asked: list[tuple[Any, ...]] = []
    network = echo_network()

    def load(*arguments: Any) -> tuple[Any, str]:
        asked.append(arguments)
        return network, "cpu"

    monkeypatch.setattr(networks, "load_network", load)
    film = films_here / "plain.mkv"
    assert cfork("remix", film, "--music", "3", "-o", "new.mkv", *given).code == 0
    assert cfork("separate", film, "-o", "stems", *given).code == 0
    assert asked == [("cfork", "auto", (given or ["auto"])[-1])] * 2


def test_the_network_that_films_get_is_made_ready(tiny_model: Path) -> None:
    network, _ = networks.load_network(str(tiny_model), "cpu", "float32")
    assert network.precision == "float32"
    assert not network.training
    assert callable(network.mix)


def test_what_fails_first_ends_the_rest(
    cfork: Command, place: Path, films_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The track is measured while the network is loaded."""

    def broken(*_: Any) -> None:
        assert wait_until(lambda: bool(processes_about(film)))
        raise ModelError("the weights are damaged")

    film = make(place / "long.mkv", Sound(sample_rate=RATE))
    slow = [find_ffmpeg(), *QUIET, *SLOW[:-1], "-metadata", f"comment={film}", "-"]
    monkeypatch.setattr(loudness, "_metering", lambda *_: slow)
    monkeypatch.setattr(networks, "load_network", broken)
    ran = cfork("remix", film, "--music", "3", "-o", "new.mkv")
    assert (ran.code, ran.lines) == (7, ["cfork: the weights are damaged"])
    assert processes_about(film) == {}
    assert not (place / "new.mkv").exists()


def test_sound_file_in_sound_file_out(cfork: Command, place: Path, tiny_model: Path) -> None:
    song = make(place / "song.flac", Sound("flac", sample_rate=RATE), picture=None, seconds=1)
    assert cfork("remix", song, "--music", "-6", "--model", tiny_model).code == 0
    new = probe(place / "song.cfork.flac").audio[0]
    assert (new.codec, new.sample_rate, new.channels) == ("flac", RATE, 2)
    assert samples(place / "song.cfork.flac").shape == samples(song).shape


def test_a_live_recording_that_tells_no_length(cfork: Command, place: Path, tiny_model: Path) -> None:
    film = make(place / "live.mkv", Sound("aac"), seconds=2, options=["-live", "1"])
    assert probe(film).duration_seconds is None
    plan = cfork("remix", film, "--dialog", "3", "--model", tiny_model, "--dry-run")
    assert "of unknown length" in plan.err
    ran = cfork("remix", film, "--dialog", "3", "--model", tiny_model, "--json")
    assert ran.code == 0
    assert ran.result["duration_seconds"] is None
    assert abs(ran.result["processed_seconds"] - 2) < 0.05
    assert {event["total"] for event in ran.events if event["event"] == "progress"} == {None}


def test_the_bundled_model(cfork: Command, place: Path) -> None:
    film = make(place / "film.mkv", Sound("aac"), seconds=2)
    ran = cfork("remix", film, "--dialog", "+6", "--music", "-10", "--json")
    assert ran.code == 0, ran.out
    assert ran.result["computed_stems"] == ["music", "dialogue"]
    assert abs(ran.result["processed_seconds"] - 2) < 0.05
    assert np.isfinite(samples(place / "film.cfork.mkv")).all()


def test_stems_without_level_cannot_be_mixed_back(
    cfork: Command, place: Path, films_here: Path, echo: Callable
) -> None:
    echo((0.3, 0.3, 0.3))
    network, _ = networks.load_network("cfork", "cpu")
    network.level_matched = False
    ran = cfork("remix", films_here / "plain.mkv", "--music", "3", "-o", "new.mkv")
    assert ran.code == ModelError.exit_code
    assert "choose another --model" in ran.err
    assert cfork("separate", films_here / "plain.mkv", "-o", "stems").code == 0


def test_no_cuda_where_there_is_none() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(UsageError, match="no CUDA device"):
        networks.load_network("cfork", "cuda")
    assert networks.load_network("cfork", "auto")[1] == "cpu"


@pytest.mark.parametrize(
    ("device", "why", "todo"),
    [
        ("cuda", "CUDA out of memory. Tried to allocate 9 GiB", "use --device cpu"),
        ("cuda", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "use --device cpu"),
        ("cpu", "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", "end other programs"),
    ],
)
def test_too_little_memory_on_the_device_is_told(
    cfork: Command, place: Path, films_here: Path, monkeypatch: pytest.MonkeyPatch, device: str, why: str, todo: str
) -> None:
    from model.streaming import separator

    network, run = echo_network(), separator.separate

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError(why)

    def here(*given: Any, **options: Any) -> Any:
        return run(*given, **{**options, "device": "cpu"})

    monkeypatch.setattr(network, "forward", full)
    monkeypatch.setattr(separator, "separate", here)
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, device))
    ran = cfork("remix", films_here / "plain.mkv", "--music", "3", "-o", "new.mkv")
    assert (ran.code, ran.lines) == (1, [ran.err.strip()])
    assert todo in ran.err
    assert ("GPU" in ran.err) is (device == "cuda")
    assert listing(place) == {}


@pytest.mark.parametrize(
    "words", [["--help"], ["remix", "--help"], ["models"], ["remix", "FILM", "--music", "3", "--dry-run"]]
)
def test_torch_is_not_imported_before_it_is_needed(place: Path, films_here: Path, words: list[str]) -> None:
    words = [str(films_here / "plain.mkv") if word == "FILM" else word for word in words]
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from cfork_cli.app import run
assert run({[*words, *(["-o", "new.mkv"] if "remix" in words[:1] and "--help" not in words else [])]!r}) == 0
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
