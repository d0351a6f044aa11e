"""`cfork bench`: what it counts, what it runs, and what it tells. How fast anything is, is asserted nowhere."""

from __future__ import annotations

import csv
import itertools
import json
import math
import mmap
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.commands import ROOT, Ran, echo_network, finish, listing, processes_about, start, wait_until
from support.films import ffmpeg, record
from support.readings import samples as samples_of
from torch import nn

from cfork_cli.app import run
from cfork_cli.bench import films as bench_sound
from cfork_cli.bench import network as bench_network
from cfork_cli.bench import one_pass as bench_authors
from cfork_cli.bench import stages as bench_stages
from cfork_cli.bench import tables as bench_tables
from cfork_cli.bench.case import GAINS_DB, command_figures, phases, ratios, start_up
from cfork_cli.bench.cost import Cost, measure, measure_cfork, pss_bytes, tree
from cfork_cli.bench.figures import inverse, ratio, scaled, spread
from cfork_cli.bench.flops import count_flops, limit_seconds, product_rate, transform_flops
from cfork_cli.bench.machine import available_bytes, cores, lines, machine
from cfork_cli.bench.network import INVERSE, LSTM, PARTS, PRODUCTS, REST, TRANSFORM
from cfork_cli.bench.stages import STAGES
from cfork_cli.errors import CforkError, InputError, UsageError
from cfork_cli.flows import network as networks
from model import SAMPLE_RATE, STEMS
from model.inference.transform import Transform
from model.networks.mrx import MRX
from model.streaming.batches import Batches
from model.streaming.separator import separate

pytestmark = pytest.mark.timeout(600)  # whole commands, several of them

Command = Callable[..., Ran]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


# ---- figures ----


def test_ratios_are_of_pairs_and_not_of_medians() -> None:
    slow, fast = [2.0, 40.0, 6.0], [1.0, 10.0, 6.0]
    found = ratio(slow, fast)
    assert found == {"median": 2.0, "min": 1.0, "max": 4.0, "runs": [2.0, 4.0, 1.0]}
    assert inverse(found)["runs"] == [0.5, 0.25, 1.0]
    assert scaled(found, 3.0)["max"] == 12.0
    with pytest.raises(ValueError, match="longer"):
        ratio([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least one"):
        spread([])


def test_medians_and_extremes_of_any_runs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.uniform(0.1, 9, rng.integers(1, 9)).tolist()
        found = spread(values)
        assert found["min"] <= found["median"] <= found["max"]
        assert sum(value <= found["median"] for value in values) * 2 >= len(values)
        assert sum(value >= found["median"] for value in values) * 2 >= len(values)
        assert found["runs"] == values


def a_cost(wall: float = 10.0, **marks: float) -> Cost:
    return Cost(wall, 8.0, 100, marks, 0, "")


def test_phases_of_the_command_add_up_to_its_wall_time() -> None:
    cost = a_cost(load=1.0, measure=3.0, remix=4.0, finish=9.5)
    assert phases(cost) == {"start": 1.0, "load": 2.0, "measure": 1.0, "remix": 5.5, "finish": 0.5}
    assert start_up(cost) == 3.0
    assert start_up(a_cost(remix=2.0)) == 2.0  # its loudness was told
    # where both are done at once, whatever order they are told in
    assert start_up(a_cost(measure=1.0, load=1.5, remix=3.0)) == 1.0
    rng = np.random.default_rng(1)
    for _ in range(20):
        wall = rng.uniform(5, 9)
        found = phases(a_cost(wall, **dict(zip("abc", rng.uniform(0, 5, 3), strict=True))))
        assert sum(found.values()) == pytest.approx(wall)
        assert min(found.values()) >= 0


def test_figures_and_ratios_of_the_command() -> None:
    whole = [a_cost(10.0, measure=2.0), a_cost(6.0, measure=1.0)]
    found = command_figures(whole, seconds=60.0)
    assert found["times_real_time"]["runs"] == [6.0, 10.0]
    assert found["times_real_time_after_start_up"]["runs"] == [7.5, 12.0]
    assert found["cpu_seconds_per_second"]["median"] == pytest.approx(8 / 60)
    assert found["peak_bytes"] == 100
    assert command_figures([Cost(1.0, None, None, {}, 0, "")], 1.0)["cpu_seconds_per_second"] is None
    told = ratios(whole, [4.0, 5.0], [20.0, 3.0], limit=2.0)
    assert {name: one["runs"] for name, one in told.items()} == {
        "command_to_network": [2.5, 1.2],
        "command_after_start_up_to_network": [2.0, 1.0],
        "network_to_limit": [2.0, 2.5],
        "authors_to_command": [2.0, 0.5],
        "authors_to_network": [5.0, 0.6],
    }
    assert "authors_to_command" not in ratios(whole, [4.0, 5.0], [], limit=2.0)
    assert ratios(whole, [0.0, 0.0], [20.0, 3.0], limit=0.0) == {}  # silence: nothing was computed


# ---- arithmetic ----


@pytest.mark.parametrize("inference", [False, True])
def test_lstms_are_counted_as_their_formula_says(inference: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(6):
        inputs, hidden, layers, batch, steps = rng.integers(1, 9, 5).tolist()
        both = bool(rng.integers(2))
        lstm = nn.LSTM(inputs, hidden, layers, batch_first=True, bidirectional=both).eval()
        x = torch.randn(batch, steps, inputs)
        ways, widths = 1 + both, [inputs] + [hidden * (1 + both)] * (layers - 1)
        # four gates of as many units, each of them hears the input and the units of the step before
        wanted = sum(2 * batch * steps * ways * 4 * hidden * (width + hidden) for width in widths)
        with torch.inference_mode(inference):
            assert count_flops(lambda lstm=lstm, x=x: lstm(x)) == {"products": 0, "lstm": wanted, "transforms": 0}


def test_products_and_transforms_are_counted_as_their_formulas_say() -> None:
    x = torch.randn(3, 50, 7)
    assert count_flops(lambda: nn.Linear(7, 11)(x))["products"] == 2 * 3 * 50 * 7 * 11
    bands = torch.randn(3, 7, 4)
    assert count_flops(lambda: torch.baddbmm(torch.zeros(3, 1, 4), x, bands))["products"] == 2 * 3 * 50 * 7 * 4
    sound = torch.randn(2, 4096)
    for window, hop in ((512, 128), (1024, 256)):
        shape, frames = torch.hann_window(window), 4096 // hop + 1

        def there(window: int = window, hop: int = hop, shape: torch.Tensor = shape) -> torch.Tensor:
            return torch.stft(sound, window, hop, window=shape, return_complex=True)

        one_way = round(2 * frames * 2.5 * window * math.log2(window))
        assert count_flops(there) == {"products": 0, "lstm": 0, "transforms": one_way}
        back = count_flops(lambda window=window, hop=hop, shape=shape: torch.istft(there(), window, hop, window=shape))
        assert back["transforms"] == 2 * one_way
    assert transform_flops((4, 1), (1,)) == 0
    assert count_flops(lambda: torch.fft.fft(torch.randn(8, dtype=torch.complex64)))["transforms"] == 5 * 8 * 3
    assert count_flops(lambda: torch.tanh(x) * x + 1) == {"products": 0, "lstm": 0, "transforms": 0}


def test_a_whole_network_is_counted() -> None:
    windows, hop, hidden, layers, batch = (64, 128), 32, 8, 2, 3
    network = MRX(windows=windows, hop=hop, hidden=hidden, layers=layers).eval()
    frames = 3200 // hop + 1
    found = count_flops(lambda: network(torch.randn(batch, 3200)))
    bins = [window // 2 + 1 for window in windows]
    rows = batch * frames
    encode = sum(2 * rows * count * hidden for count in bins)
    decode = sum(2 * rows * hidden * (2 * hidden + count) for count in bins)
    assert found["products"] == encode + len(STEMS) * decode
    half = hidden // 2
    assert found["lstm"] == len(STEMS) * layers * 2 * (2 * rows * 4 * half * (hidden + half))
    one_way = sum(rows * 2.5 * window * math.log2(window) for window in windows)
    assert found["transforms"] == round((1 + len(STEMS)) * one_way)


def test_the_limit_is_arithmetic_over_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    flops = {"products": 60, "lstm": 40, "transforms": 10}
    rates = {"float32": 10.0, "bfloat16": 50.0}
    assert limit_seconds(flops, rates, "float32") == 11.0
    assert limit_seconds(flops, rates, "bfloat16") == 3.0
    monkeypatch.setattr("cfork_cli.bench.flops.SIZE", 64)
    monkeypatch.setattr("cfork_cli.bench.flops._SECONDS", 0.001)
    assert product_rate("cpu", "float32") > 0
    assert product_rate("cpu", "bfloat16") > 0


# ---- the network alone ----


def blocks_of(channels: int, samples: int) -> list[np.ndarray]:
    noise = np.random.default_rng(0).standard_normal((channels, samples)) * 0.1
    return [noise.astype(np.float32)[:, at : at + 10_000] for at in range(0, samples, 10_000)]


def rows_of(calls: Sequence[torch.Tensor]) -> list[bytes]:
    return sorted(row.numpy().tobytes() for x in calls for row in x)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("weights", [None, [-0.5, 1.0]])
def test_recorded_are_the_very_batches_of_the_separator(workers: int, weights: list[float] | None) -> None:
    asked: dict[str, Any] = {"sample_rate": 48_000, "channels": 3, "stems": ["music", "dialogue"], "untouched": [2],
                             "weights": weights, "workers": workers}  # fmt: skip
    network = echo_network((0.2, 0.3, 0.5))
    heard: list[torch.Tensor] = []
    hook = network.register_forward_hook(lambda module, given, _: heard.append(given[0].clone()))
    whole = list(separate(blocks_of(3, 300_000), network, **asked))
    assert sum(mixture.shape[1] for mixture, _ in whole) == 300_000
    hook.remove()
    recording = bench_network.record(network, blocks_of(3, 300_000), **asked)
    assert rows_of([call.x for call in recording.calls]) == rows_of(heard)
    # two of three channels, of windows of two seconds that begin every 1.4
    assert recording.sequences == 2 * math.ceil((300_000 / 48_000 - 2) / 1.4 + 1)
    assert recording.samples == sum(x.numel() for x in heard)
    assert recording.workers <= workers


@pytest.mark.parametrize("samples", [1, 88_000, 88_200, 88_300, 90_000, 149_000, 152_000, 400_000])
def test_windows_are_counted(samples: int) -> None:
    network = echo_network()
    recording = bench_network.record(network, blocks_of(1, samples), sample_rate=SAMPLE_RATE, channels=1)
    assert bench_network.windows_of(network, samples / SAMPLE_RATE) == recording.sequences


@pytest.mark.parametrize("free", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("channels", [1, 2, 5, 7])
def test_the_beginning_of_a_film_keeps_all_workers_busy(
    free: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute is three long windows: on eight cores most workers would have nothing to do."""
    monkeypatch.setattr("model.streaming.batches.cores", lambda: free)
    network = echo_network()
    batches = Batches(network, STEMS)
    seconds = bench_network.enough_seconds(network, channels, "cpu")
    rounds = bench_network.windows_of(network, seconds) * channels / (batches.size * batches.workers)
    assert bench_network.ROUNDS <= rounds < 2 * bench_network.ROUNDS + channels
    assert rounds / math.ceil(rounds) > 0.95


def test_replayed_is_what_was_recorded() -> None:
    class Mixing(type(echo_network())):  # type: ignore[misc]
        def mix(self, x: torch.Tensor, weights: dict[str, float]) -> torch.Tensor:
            seen.append((x.clone(), dict(weights), torch.is_inference_mode_enabled(), torch.get_num_threads()))
            return x

    seen: list[Any] = []
    network = Mixing().eval()
    weights = [10 ** (gain / 20) - 1 for gain in GAINS_DB.values()]
    recording = bench_network.record(
        network, blocks_of(2, 200_000), sample_rate=SAMPLE_RATE, channels=2, stems=tuple(GAINS_DB), weights=weights
    )
    assert not seen
    before = torch.get_num_threads()
    bench_network.replay(network, recording)
    assert torch.get_num_threads() == before
    assert rows_of([one[0] for one in seen]) == rows_of([call.x for call in recording.calls])
    for _, given, inference, threads in seen:
        assert given == dict(zip(GAINS_DB, weights, strict=True))
        assert inference
        assert threads == recording.torch_threads


def test_the_network_s_parts_are_told_apart() -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.linear = nn.LSTM(33, 4, batch_first=True), nn.Linear(4, 33)

        def forward(self, x: torch.Tensor, stems: Any = None) -> torch.Tensor:
            done: dict[str, Callable[[], None]] = {}
            spectrum = torch.stft(x, 64, 32, window=torch.ones(64), return_complex=True)
            done[REST] = lambda: time.sleep(0.05)
            features = spectrum.abs().transpose(1, 2)
            if LSTM in wanted:
                features = self.lstm(features)[0]
            if PRODUCTS in wanted:
                self.linear(features[..., :4])
            done[REST]()
            if INVERSE in wanted:
                torch.istft(spectrum, 64, 32, window=torch.ones(64))
            return x[:, None]

    call = bench_network.Call(torch.randn(2, 6400), ("music",), None)
    recording = bench_network.Recording((call, call), 1, 1)
    network = Parts().eval()
    for wanted in ({TRANSFORM}, {TRANSFORM, LSTM}, {TRANSFORM, PRODUCTS}, {TRANSFORM, INVERSE}):
        found = bench_network.parts(network, recording)
        assert tuple(found) == PARTS
        assert {part for part, (wall, _) in found.items() if wall > 0} == wanted | {REST}
        assert found[REST][0] >= 2 * 0.05
        assert found[REST][1] < found[REST][0]  # who sleeps takes no CPU time


def test_our_own_transforms_are_told_apart_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ours(nn.Module):
        def forward(self, x: torch.Tensor, stems: Any = None) -> torch.Tensor:
            transform = Transform(torch.hann_window(64), 16, "constant")
            return transform.inverse(transform.forward(x), x.shape[-1])[:, None]

    methods = dict(vars(Transform))
    call = bench_network.Call(torch.randn(2, 64_000), ("music",), None)
    looks = itertools.count()  # every look at the clock takes a second
    monkeypatch.setattr(bench_network.time, "perf_counter", lambda: next(looks))
    found = bench_network.parts(Ours().eval(), bench_network.Recording((call,), 1, 1))
    monkeypatch.undo()
    assert {part for part, (wall, _) in found.items() if wall > 0} == {TRANSFORM, INVERSE, REST}
    # the clock was looked at before and after the whole and each transform, and for no FFT within one
    assert found[TRANSFORM][0] + found[INVERSE][0] == (next(looks) - 2) / 2
    assert dict(vars(Transform)) == methods


def test_every_sequence_counts(tiny_model: Path) -> None:
    network = networks.load_network(str(tiny_model), "cpu")[0]

    def call(sequences: int, samples: int) -> bench_network.Call:
        return bench_network.Call(torch.randn(sequences, samples), ("music",), None)

    one, short = (bench_network.Recording((call(1, n),), 1, 1) for n in (44_100, 20_000))
    several = bench_network.Recording((call(2, 44_100), call(3, 44_100), call(1, 20_000)), 1, 1)
    flops = {name: bench_network.flops(network, each) for name, each in
             (("one", one), ("short", short), ("several", several))}  # fmt: skip
    for kind, count in flops["several"].items():
        assert count == 5 * flops["one"][kind] + flops["short"][kind]
        assert flops["one"][kind] > flops["short"][kind] > 0


# ---- processes, sound, machine ----

CHILD = """
import json, subprocess, sys, time
print(json.dumps({"event": "stage", "stage": "load"}), file=sys.stderr, flush=True)
print("no JSON at all", file=sys.stderr, flush=True)
grown = bytearray(200_000_000)
grown[::4096] = b"x" * len(grown[::4096])
subprocess.run([sys.executable, "-c", "import time; b = bytearray(b'x') * 100_000_000; time.sleep(1)"])
end = time.process_time() + 0.1
while time.process_time() < end: pass
print(json.dumps({"event": "stage", "stage": "remix"}), file=sys.stderr, flush=True)
print(json.dumps({"event": "progress", "stage": "other"}), file=sys.stderr, flush=True)
print("out")
sys.exit(3)
"""


def test_what_a_process_and_its_children_cost() -> None:
    cost = measure([sys.executable, "-c", CHILD], environment={"NOTHING": "1"})
    assert (cost.exit_code, cost.output) == (3, f"out{os.linesep}")
    assert list(cost.marks) == ["load", "remix"]
    assert cost.last_words == "no JSON at all"
    assert 0 < cost.marks["load"] < cost.marks["remix"] < cost.wall_seconds
    assert cost.marks["remix"] - cost.marks["load"] >= 1.0
    if cost.cpu_seconds is not None:
        assert cost.cpu_seconds >= 0.1
    if sys.platform == "linux":
        assert cost.peak_bytes is not None
        assert 300e6 < cost.peak_bytes < 450e6  # both at once


@LINUX
def test_memory_of_this_very_process() -> None:
    before = pss_bytes(os.getpid())
    with mmap.mmap(-1, 50_000_000) as grown:  # malloc might give what it has kept
        grown.write(b"x" * 50_000_000)
        assert 45e6 < pss_bytes(os.getpid()) - before < 110e6
    assert os.getpid() in tree(os.getpid())
    assert pss_bytes(2**22 + 1) == 0  # nobody has that number
    assert tree(2**22 + 1) == [2**22 + 1]


def test_the_measured_command_s_own_errors(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"missing\.mkv"):
        measure_cfork(["remix", "missing.mkv", "--music", "mute"])
    with pytest.raises(UsageError, match="see 'cfork remix --help'"):
        measure_cfork(["remix", "--nonsense"])
    for words, told in (("", "and said nothing"), ("ImportError: no numpy", "ImportError: no numpy")):
        silent = Cost(1.0, 1.0, None, {}, 1, "", words)
        monkeypatch.setattr("cfork_cli.bench.cost.measure_module", lambda *_, silent=silent: silent)
        with pytest.raises(CforkError, match=f"'cfork remix' ended with status 1: {told}"):
            measure_cfork(["remix"])


@pytest.mark.parametrize("layout", list(bench_sound.LAYOUTS))
def test_films_that_are_made(layout: str, tmp_path: Path) -> None:
    film = bench_sound.make_film(tmp_path / "film.mkv", layout, 2.5)
    codec, channels = bench_sound.LAYOUTS[layout]
    assert (film.layout, film.track.codec, film.track.channels) == (layout, codec, channels)
    assert film.track.sample_rate == 48_000
    assert film.seconds == pytest.approx(2.5, abs=0.1)
    assert film.network_channels == (5 if layout == "5.1" else channels)
    assert [stream.kind for stream in film.media.streams] == ["video", "audio"]
    shorter = bench_sound.cut_film(film, tmp_path / "short.mkv", 1.5)
    assert shorter.seconds == pytest.approx(1.5, abs=0.1)
    assert shorter.track.codec == codec
    with pytest.raises(UsageError, match="has only 0:02 of sound"):
        bench_sound.cut_film(film, tmp_path / "long.mkv", 10.0)
    nameless = bench_sound.open_film(film.path.rename(tmp_path / "film"))
    assert bench_sound.cut_film(nameless, tmp_path / "short", 1.5).seconds == pytest.approx(1.5, abs=0.1)


def test_a_film_whose_length_nobody_wrote_down(tmp_path: Path) -> None:
    piped = bench_sound.open_film(record(tmp_path / "piped.mkv", "aac"))
    assert piped.media.duration_seconds is piped.track.duration_seconds is None
    assert piped.seconds == pytest.approx(2, abs=0.1)


def test_the_sound_is_always_the_same_and_nowhere_twice() -> None:
    one, other = (np.concatenate(list(bench_sound.film_sound(3, 2.25)), axis=1) for _ in range(2))
    assert one.shape == (3, round(2.25 * 48_000))
    assert one.dtype == np.float32
    assert np.array_equal(one, other)
    assert 0.01 < np.sqrt((one**2).mean()) < 0.5
    assert np.abs(one).max() <= 1
    seconds = [one[channel, at : at + 48_000] for channel in range(3) for at in (0, 48_000)]
    assert len({second.tobytes() for second in seconds}) == 6
    # a longer one begins with the shorter
    assert np.array_equal(np.concatenate(list(bench_sound.film_sound(3, 3)), axis=1)[:, : one.shape[1]], one)


def test_the_machine_in_words() -> None:
    found = machine()
    assert found["cores"] == cores() >= 1
    hardware, software = lines(found)
    assert found["cpu"] in hardware
    assert f"torch {torch.__version__} with {torch.get_num_threads()} thread" in software
    assert f"ffmpeg {found['ffmpeg']}" in software
    assert "\n" not in hardware + software
    gpu = lines({**found, "gpu": "H200", "gpu_memory_bytes": 140e9, "instruction_sets": [], "memory_bytes": None})
    assert "H200 (140 GB)" in gpu[0]
    free = available_bytes()
    assert free is None or 0 < free <= found["memory_bytes"]


def test_peak_memory_where_only_getrusage_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of this very child, not the largest of all children so far."""
    if not hasattr(os, "wait4"):
        pytest.skip("no wait4 on this system")
    monkeypatch.setattr("cfork_cli.bench.cost._watch_memory", lambda *_: None)
    codes = [f"held = b'x' * {held}; raise SystemExit(3)" for held in (600_000_000, 1)]
    large, small = (measure([sys.executable, "-c", code]) for code in codes)
    assert large.exit_code == small.exit_code == 3
    assert large.peak_bytes is not None
    assert small.peak_bytes is not None
    assert large.peak_bytes > 600e6
    # Linux passes this process's own peak on to its children, which is that of all tests so far
    if sys.platform != "linux":
        assert small.peak_bytes < 100e6 < large.peak_bytes < 1e9


# ---- the whole file in one pass ----


def test_one_pass(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = bench_sound.make_film(tmp_path / "film.mkv", "stereo", 1.5)
    told = bench_authors.run(str(tiny_model), "cpu", film)
    assert told.keys() == {"wall_seconds", "cpu_seconds"}
    assert told["wall_seconds"] > 0
    monkeypatch.setattr(bench_authors, "_free_bytes", lambda device: 10_000_000)
    monkeypatch.setattr(bench_authors, "needed_bytes", lambda *_: 3.2e9)
    assert bench_authors.run(str(tiny_model), "cpu", film) == {
        "skipped": "the whole file would need about 3 GB, and 0 GB are free"
    }
    monkeypatch.setattr(bench_authors, "needed_bytes", lambda *_: None)  # nobody tells: it is tried

    class Hungry(type(echo_network())):  # type: ignore[misc]
        def forward(self, x: torch.Tensor, stems: Any = None) -> torch.Tensor:
            raise RuntimeError(why)

    monkeypatch.setattr("model.hub.weights.load", lambda *_: Hungry().eval())
    why = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    assert "does not fit into memory" in bench_authors.run("any", "cpu", film)["skipped"]
    why = "another fault"
    with pytest.raises(RuntimeError, match=why):
        bench_authors.run("any", "cpu", film)


def test_the_sound_of_one_pass_is_the_whole_film(tmp_path: Path) -> None:
    film = bench_sound.make_film(tmp_path / "film.mkv", "stereo", 1.5)
    blocks = np.concatenate(bench_stages.decoded(film, 99), axis=1)
    assert np.array_equal(bench_authors.sound_of(film, 48_000), blocks)
    other = bench_authors.sound_of(film, 44_100)
    assert other.shape == (2, round(blocks.shape[1] * 44_100 / 48_000))
    assert np.square(other).mean() == pytest.approx(np.square(blocks).mean(), rel=0.1)  # nothing above 20 kHz


@LINUX
def test_the_peak_is_not_the_parents(tmp_path: Path) -> None:
    """A parent that held much would make every pass look as if it needed nothing."""
    code = (
        "from cfork_cli.bench import one_pass\n"
        "one_pass._forget_peak('cpu')\n"
        "before = one_pass._peak_bytes('cpu')\n"
        "held = b'x' * 30_000_000\n"
        "print(before, one_pass._peak_bytes('cpu') - before)\n"
    )
    with mmap.mmap(-1, 400_000_000) as parent:
        parent.write(b"x" * 400_000_000)
        told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, cwd=ROOT)
    before, grown = map(int, told.stdout.split())
    assert before < 300e6
    assert 25e6 < grown < 60e6


def test_memory_of_a_pass_grows_with_the_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([100e6, 900e6, 100e6, 900e6, None, 900e6, 900e6])
    monkeypatch.setattr(bench_authors, "_peak_bytes", lambda device: next(peaks))
    network = echo_network()
    grown = (bench_authors.LONG_SECONDS - bench_authors.SHORT_SECONDS) * SAMPLE_RATE
    for samples in (1e6, 3e6):
        assert bench_authors.needed_bytes(network, int(samples), "cpu") == pytest.approx(800e6 / grown * samples)
    assert bench_authors.needed_bytes(network, 9, "cpu") is None
    assert bench_authors.needed_bytes(network, 9, "cpu") is None  # it did not grow: that tells nothing


# ---- the command ----


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Any]:
    """Two rounds with a tiny network, as JSON."""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    arguments = ["--model", str(tiny_model), "--seconds", "2", "--runs", "2", "--layout", "5.1", "-o", str(path)]
    assert run(["bench", *arguments, "--quiet"]) == 0
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def test_figures_for_machines(measured: dict[str, Any], tiny_model: Path) -> None:
    assert measured.keys() == {
        "machine", "sound", "gains_db", "runs", "memory", "cases", "elapsed_seconds"
    }  # fmt: skip
    (case,) = measured["cases"]
    assert (case["model"], case["device"], case["sample_rate"]) == (str(tiny_model), "cpu", 48_000)
    assert (case["layout"], case["channels"], case["heard_channels"]) == ("5.1", 6, 5)
    assert case["seconds"] == pytest.approx(2, abs=0.1)
    assert (case["codec"], case["new_codec"]) == ("ac3", "ac3")
    rates = case["limit"]["product_flops_per_second"]
    assert rates.keys() == {"float32", case["precision"]}
    assert case["limit"]["seconds"] == pytest.approx(
        limit_seconds(case["limit"]["flops"], rates, case["precision"]), rel=1e-2
    )
    assert [stage["stage"] for stage in case["stages"]] == list(STAGES)
    assert case["network"]["sequences"] == 5  # one window of every channel but the low-frequency one
    assert all(count > 0 for count in case["limit"]["flops"].values())
    spreads = list(all_spreads(case))
    assert len(spreads) > 30
    for found in spreads:
        assert len(found["runs"]) == 2
        assert found["min"] <= found["median"] <= found["max"]
        assert found["median"] == pytest.approx(statistics.median(found["runs"]), rel=1e-3)


def all_spreads(value: Any) -> Any:
    """Every spread in a result."""
    if isinstance(value, dict):
        if "median" in value:
            yield value
        else:
            for one in value.values():
                yield from all_spreads(one)
    elif isinstance(value, list):
        for one in value:
            yield from all_spreads(one)


def test_ratios_are_those_of_the_told_times(measured: dict[str, Any]) -> None:
    for case in measured["cases"]:
        command, network, authors = (case[name]["wall_seconds"]["runs"] for name in ("command", "network", "authors"))
        begin, limit = case["command"]["start_up_seconds"]["runs"], case["limit"]["seconds"]
        wanted = {
            "command_to_network": [a / b for a, b in zip(command, network, strict=True)],
            "command_after_start_up_to_network": [(a - s) / b for a, s, b in zip(command, begin, network, strict=True)],
            "authors_to_command": [a / b for a, b in zip(authors, command, strict=True)],
            "authors_to_network": [a / b for a, b in zip(authors, network, strict=True)],
            "network_to_limit": [a / limit for a in network],
        }
        assert case["ratios"].keys() == wanted.keys()
        for name, runs in wanted.items():
            assert case["ratios"][name]["runs"] == pytest.approx(runs, rel=5e-3)
        seconds = case["seconds"]
        assert case["command"]["times_real_time"]["runs"] == pytest.approx([seconds / a for a in command], rel=2e-3)
        for one, wall in zip(case["command"]["phases"], command, strict=True):
            assert sum(one.values()) == pytest.approx(wall, rel=1e-2)
            assert {"load", "remix"} <= one.keys()


def test_tables_for_people_and_documents(measured: dict[str, Any]) -> None:
    text = bench_tables.markdown(measured)
    assert lines(measured["machine"])[0] in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [len(table) for table in tables] == [2 + 1, 2 + len(STAGES), 2 + 5]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
        assert set(table[1]) == set("| -:")
    assert "whole file in one pass" in text
    assert "GFLOP per s of sound: products" in text
    rows = list(csv.DictReader(bench_tables.csv_text(measured).splitlines()))
    assert {row["layout"] for row in rows} == {"5.1"}
    figures = {row["figure"]: row for row in rows}
    assert len(figures) == len(rows)
    assert float(figures["limit.seconds"]["median"]) == measured["cases"][0]["limit"]["seconds"]
    told = measured["cases"][0]["ratios"]["authors_to_network"]
    row = figures["ratios.authors_to_network"]
    assert [float(row[key]) for key in ("median", "min", "max")] == [told[key] for key in ("median", "min", "max")]
    assert f"stage {STAGES[0]}.cpu_seconds" in figures


def test_what_there_was_no_pass_of(measured: dict[str, Any]) -> None:
    case = json.loads(json.dumps(measured["cases"][0]))
    case["authors"] = {"skipped": "too large"}
    del case["ratios"]["authors_to_command"], case["ratios"]["authors_to_network"]
    case["command"] |= {"cpu_seconds_per_second": None, "peak_bytes": None}
    text = bench_tables.markdown({**measured, "cases": [case]})
    assert "not in one pass: too large" in text
    assert "whole file in one pass" not in text
    assert bench_tables.csv_text({**measured, "cases": [case]})


def test_the_document_is_made_of_what_was_measured(
    measured: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import speed_document

    def named(model: str, **facts: Any) -> dict[str, Any]:
        return {**measured, "cases": [{**measured["cases"][0], "model": model, **facts}]}

    def tables(text: str) -> list[list[str]]:
        found = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
        for table in found:
            assert len({line.count("|") for line in table}) == 1
        return found

    sections = {
        "models": {f"{model} {layout} cpu": named(model, layout=layout) for model in ("cfork", "mrx")
                   for layout in ("stereo", "5.1")} | {"cfork stereo cpu 180": named("cfork", seconds=180.0)},
        "growth": {f"cfork {seconds} cpu": named("cfork", seconds=seconds) for seconds in (10, 60)},
        "start_up": {"cfork --help": spread([0.2, 0.3]), "pipe": ["| what | seconds |", "|---|---|"]},
        "without_network": {"stereo": dict.fromkeys(
            ("loudness_times_real_time", "remix_times_real_time", "own_cpu_seconds_per_second",
             "ffmpeg_cpu_seconds_per_second"), spread([0.0123, 500.0, 600.0]))},
    }  # fmt: skip
    text = speed_document.document(sections)
    assert [len(table) for table in tables(text)] == [2 + 5, 2 + 5, 2 + len(STAGES), 2 + 2, 2 + 1, 2 + 1, 2]
    assert lines(measured["machine"])[0] in text
    case = measured["cases"][0]
    stage = case["stages"][0]["cpu_seconds"]["median"] / case["seconds"]
    assert f"| {STAGES[0]} | {' | '.join([f'{stage:.4f}'] * 4)} |" in text
    begins = case["command"]["start_up_seconds"]["median"]
    assert f"| 1:00 | {begins:.1f} s | {case['command']['wall_seconds']['median'] - begins:.1f} |" in text
    assert "| `cfork --help` | 0.25 (0.20..0.30) |" in text
    assert "| stereo | 500 (0..600) | 500 (0..600) | 500.0000 | 500.0000 |" in text
    assert "## Growth" not in speed_document.document({"start_up": sections["start_up"]})

    (table,) = tables(speed_document.defaults(sections).partition("\n\n")[0])
    scores = json.loads((ROOT / "model" / "weights" / "cfork.scores.json").read_text())["summary"]["stems"]
    told = " / ".join(f"{scores[stem]['si_sdri']['mean']:+.1f}" for stem in ("dialogue", "music", "effects"))
    assert len(table) == 2 + 2  # the three minutes are not among them
    assert table[2].startswith(f"| `cfork` | {told} dB | CPU, {cores()} core")
    assert table[3].startswith("| `mrx` | not published * |")
    assert table[3].endswith("| 122 MB |")
    with pytest.raises(SystemExit, match="nothing was measured yet"):
        speed_document.defaults({})


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
def test_all_but_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, layout: str) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import without_network

    found = without_network.measured(layout, "flac", tmp_path, seconds=2, runs=2)
    assert found["seconds"] == pytest.approx(2, abs=0.1)
    for name in ("loudness_times_real_time", "remix_times_real_time", "own_cpu_seconds_per_second",
                 "ffmpeg_cpu_seconds_per_second"):  # fmt: skip
        assert len(found[name]["runs"]) == 2
        assert min(found[name]["runs"]) > 0
    # the stand-in is heard: its share of the mixture, by the gains
    channels = {"stereo": 2, "5.1": 6}[layout]
    old, new = (samples_of(tmp_path / name, channels=channels)[0] for name in (f"{layout}.mkv", "new.mkv"))
    share = (10 ** (6 / 20) - 1 + 10 ** (-10 / 20) - 1) / 3
    assert float(new @ old / (old @ old)) == pytest.approx(1 + share, abs=0.2 * share)  # less above 20 kHz


def test_a_long_measurement_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import speed

    done: list[str] = []

    def section(asked: Any, folder: Path) -> Any:
        for name in ("cfork --help", "cfork --version"):
            yield name, lambda name=name: done.append(name) or (spread([0.5]) if stops != name else broken())

    def broken() -> None:
        raise KeyboardInterrupt

    def call(*arguments: str) -> str:
        folder, document = tmp_path / "results", tmp_path / "speed.md"
        monkeypatch.setattr("sys.argv", ["speed.py", "--results", str(folder), "-o", str(document), *arguments])
        assert speed.main() == 0
        return document.read_text()

    monkeypatch.setattr(speed, "SECTIONS", {"start_up": section})
    stops = "cfork --version"
    with pytest.raises(KeyboardInterrupt):
        call("--device", "cpu")
    stops = ""
    text = call("--device", "cpu")
    assert done == ["cfork --help", "cfork --version", "cfork --version"]
    assert text.count(" 0.50 |") == 2
    assert call("--write") == text
    assert len(done) == 3
    call("--again", "--device", "cpu")
    assert len(done) == 5


def test_a_film_of_silence(cfork: Command, place: Path, tiny_model: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=44100:cl=stereo:d=1.5", "-c:a", "flac", place / "silence.flac")
    ran = cfork("bench", "silence.flac", "--model", tiny_model, "--runs", "1")
    assert ran.code == 0, ran.err
    (row,) = [line for line in ran.out.splitlines() if line.strip().startswith("cfork remix ") and "spent" not in line]
    assert row.split()[-1] == "-"


def test_a_film_in_brief(cfork: Command, films_here: Path, place: Path, tiny_model: Path) -> None:
    before = listing(place.parent)
    ran = cfork("bench", films_here / "plain.mkv", "--model", tiny_model, "--runs", "1", "--brief", "-o", "b.md")
    assert ran.code == 0, ran.err
    assert ran.lines == ["wrote b.md"]
    (row,) = [line for line in ran.out.splitlines() if line.split()[:1] == [tiny_model.name]]
    assert "stereo 0:02" in row
    assert "stage, alone" not in ran.out
    assert str(films_here / "plain.mkv") in (place / "b.md").read_text()
    left = listing(place.parent)
    assert left.keys() - before.keys() == {"films/b.md"}
    ran = cfork("bench", films_here / "plain.mkv", "--model", tiny_model, "--runs", "1", "--brief", "-o", "b.md")
    assert (ran.code, len(ran.lines)) == (4, 1)
    assert "exists already" in ran.err
    assert listing(place.parent) == left
    ran = cfork("bench", films_here / "full.mp4", "--model", tiny_model, "--runs", "1", "--brief", "-o", "b.csv",
                "--seconds", "1", "--json")  # fmt: skip
    assert ran.code == 0
    (case,) = ran.result["cases"]
    assert case["seconds"] == pytest.approx(1, abs=0.1)
    assert "stages" not in case
    assert (place / "b.csv").read_text().startswith("model,device,precision,layout,seconds,figure,")


def test_what_cannot_be_measured(cfork: Command, place: Path, films_here: Path, tiny_model: Path) -> None:
    def refused(code: int, *arguments: str | Path) -> str:
        ran = cfork("bench", *arguments)
        assert (ran.code, ran.out, len(ran.lines)) == (code, "", 1), ran.err
        return ran.err

    film = films_here / "plain.mkv"
    (place / "there.json").write_text("mine")
    before = listing(place.parent)
    assert "no file" in refused(3, "missing.mkv") or "missing.mkv" in refused(3, "missing.mkv")
    assert "called 'missing'" in refused(7, "--model", "missing")
    assert "end it in .json, .csv or .md" in refused(2, "-o", "b.txt")
    assert "exists already" in refused(4, "-o", "there.json")
    assert "given twice" in refused(2, "--model", "cfork", "--model", "cfork")
    assert "given twice" in refused(2, "--layout", "mono", "--layout", "mono")
    assert "leave --layout away" in refused(2, film, "--layout", "stereo")
    for seconds in ("0.5", "nan", "inf"):
        assert "less than a second" in refused(2, "--seconds", seconds)
    assert "has only 0:02" in refused(2, film, "--seconds", "60", "--model", tiny_model)
    assert "invalid value for '--runs'" in refused(2, "--runs", "0")
    assert "invalid value for '--layout'" in refused(2, "--layout", "7.1")
    assert refused(3, films_here / "mute.mkv")
    assert listing(place.parent) == before


def test_a_device_that_is_not_there(cfork: Command, place: Path, tiny_model: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    ran = cfork("bench", "--model", tiny_model, "--device", "cuda")
    assert (ran.code, len(ran.lines)) == (2, 1)
    assert "no CUDA device" in ran.err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupted_it_ends_its_command_and_leaves_nothing(place: Path, tiny_model: Path) -> None:
    child = start("bench", "--model", tiny_model, "--seconds", "5", "--runs", "9", "--brief", "--json", "-o", "b.json")
    assert child.stderr is not None
    read = ""
    for line in child.stderr:
        read += line
        if "tiny" in json.loads(line).get("stage", ""):
            break
    assert wait_until(lambda: len(processes_about(tiny_model)) > 1)
    os.kill(child.pid, signal.SIGINT)
    ran = finish(child, read)
    assert ran.code == 130
    assert wait_until(lambda: not processes_about(tiny_model))
    assert listing(place.parent) == {"films": "folder", "temporary": "folder"}
