"""Laws of the workers: the same sound in the same order, little read ahead, and nothing left behind."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from support.networks import NATIVE, Cramped, Fake, alive, assert_identity, endless, noise, only_the_first, run, split

from model import STEMS, cpus
from model.cpus import quota
from model.networks.mrx import MRX
from model.streaming import crew
from model.streaming.batches import Batches
from model.streaming.separator import separate

ROOT = Path(__file__).parents[3]


@contextmanager
def threads_of_torch(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    yield
    assert alive() == []


def small_mrx():
    torch.manual_seed(0)
    network = MRX(windows=(64, 128, 512), hop=32, hidden=16, layers=2).eval()
    network.window_seconds, network.context_seconds, network.crossfade_seconds = (n / NATIVE for n in (8192, 1024, 512))
    return network


# --- the same sound ----------------------------------------------------------------------------------------


def test_workers_compute_what_the_calling_thread_does():
    """Random sound, with silent and equal channels, at random rates and lengths, in random blocks."""
    network, rng = small_mrx(), random.Random(1)
    with threads_of_torch(1):
        for case in range(8):
            channels, rate = rng.randint(1, 6), rng.choice([NATIVE, 48_000, 22_050])
            x = noise(channels, rng.randint(1, 60_000), seed=case)
            for channel in range(channels):
                kind = rng.choice(["own", "own", "silent", "equal", "half"])
                if kind == "silent":
                    x[channel] = 0
                elif kind == "equal":
                    x[channel] = x[0]
                elif kind == "half":
                    x[channel, : x.shape[1] // 2] = 0
            sizes = [rng.randint(1, 9000) for _ in range(3)]
            options = {"sample_rate": rate, "stems": rng.sample(STEMS, rng.randint(1, 3)), "input_gain": 1.7}
            plain_mixture, plain = run(x, network, (x.shape[1],), workers=1, batch_size=1, **options)
            for workers in (1, 2, 3):
                # One sequence for each worker: the same operations, so the same bits, however they are cut.
                mixture, stems = run(x, network, sizes, workers=workers, batch_size=workers, **options)
                np.testing.assert_array_equal(mixture, plain_mixture)
                if rate == NATIVE:
                    np.testing.assert_array_equal(stems, plain)
                # Larger batches multiply larger matrices, whose sums are rounded elsewhere.
                size = rng.randint(1, 12)
                _, stems = run(x, network, sizes, workers=workers, batch_size=size, **options)
                np.testing.assert_allclose(stems, plain, atol=2e-6 * max(1.0, np.abs(plain).max()))


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 7, None])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_identity_with_any_workers(workers, batch_size, channels):
    network = Fake()
    x = noise(channels, 40_123)
    assert_identity(x, *run(x, network, workers=workers, batch_size=batch_size))
    assert (threading.get_ident() in {caller for caller, _ in network.callers}) == (workers == 1)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("batch_size", [1, 4, None])
def test_order_does_not_depend_on_how_long_batches_take(workers, batch_size):
    rng = random.Random(0)

    def slow(x):
        time.sleep(rng.choice([0.0, 0.0, 0.01]))
        return x

    x = noise(2, 60_000)
    assert_identity(x, *run(x, Fake(law=slow), workers=workers, batch_size=batch_size))


def test_equal_and_silent_channels_cost_nothing_in_workers():
    x = noise(6, 50_000)
    x[1], x[2], x[4] = x[0], 0, x[3]
    for workers in (2, 3):
        network, single = Fake(), Fake()
        assert_identity(x, *run(x, network, workers=workers))
        run(x[[0, 3, 5]], single, workers=workers)
        assert network.sequences == single.sequences


# --- a weighted sum ----------------------------------------------------------------------------------------


class Mixing(Fake):
    """Has a way of its own to a weighted sum."""

    def mix(self, x, weights):
        self.calls.append((tuple(x.shape), tuple(weights.items()), torch.is_inference_mode_enabled()))
        return sum(weight * (1 + self.stems.index(stem)) for stem, weight in weights.items()) * x


@pytest.mark.parametrize("kind", [Fake, Mixing])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("rate", [NATIVE, 48_000])
def test_weights_sum_the_stems(kind, workers, rate):
    x, weights = noise(2, 30_000), (0.5, -0.9)
    options = {"stems": ("effects", "music"), "sample_rate": rate, "workers": workers, "input_gain": 0.3}
    network = kind()
    mixture, total = run(x, network, weights=weights, **options)
    _, stems = run(x, Fake(), **options)
    assert total.shape == (1, *x.shape)
    np.testing.assert_array_equal(mixture, x)
    np.testing.assert_allclose(total, np.tensordot(weights, stems, 1)[None], atol=3e-6)
    if kind is Mixing:
        assert {pairs for _, pairs, _ in network.calls} == {(("effects", 0.5), ("music", -0.9))}
        assert all(inference for _, _, inference in network.calls)


def test_weights_of_real_networks():
    network, x = small_mrx(), noise(2, 20_000)
    weights = (0.995, -0.684, 0.2)
    _, total = run(x, network, weights=weights)
    _, stems = run(x, network)
    np.testing.assert_allclose(total[0], np.tensordot(weights, stems, 1), atol=1e-5 * np.abs(stems).max())


def test_no_stems_have_a_sum_of_nothing():
    mixture, total = run(noise(2, 3000), Fake(), stems=(), weights=())
    assert total.shape == (1, *mixture.shape)
    assert not total.any()


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, 3.0, 4.0), (1.0, float("nan"), 0.0), (float("inf"), 0.0, 0.0)])
def test_weights_must_fit_the_stems(weights):
    with pytest.raises(ValueError, match="each of 3 stems"):
        separate([], Fake(), sample_rate=NATIVE, channels=1, weights=weights)


# --- at the same time --------------------------------------------------------------------------------------


def together(number):
    """A law that holds only if so many batches are computed at once."""
    barrier = threading.Barrier(number, timeout=250)

    def law(x):
        barrier.wait()
        return x

    return law


def test_both_channels_of_a_live_window_are_computed_at_once():
    x = noise(2, 4000)
    network = Fake(law=together(2))
    _, stems = run(x, network, workers=2, batch_size=1, stems=("music",))
    np.testing.assert_allclose(stems[0], x, atol=1e-6)
    assert [shape for shape, _, _ in network.calls] == [(1, 4000)] * 2


@pytest.mark.parametrize(
    ("channels", "samples", "batch_size"), [(2, 4000, None), (2, 4000, 16), (4, 4096, 8), (1, 5000, 2)]
)
def test_little_sound_is_shared_out(channels, samples, batch_size):
    """A film shorter than a batch keeps two workers busy all the same."""
    x = noise(channels, samples)
    _, stems = run(x, Fake(law=together(2)), workers=2, batch_size=batch_size, stems=("music",))
    np.testing.assert_allclose(stems[0], x, atol=1e-6)


def test_shares_are_even():
    for sequences, size, workers, expected in [
        (5, 8, 1, [5]), (10, 8, 1, [5, 5]), (6, 8, 2, [3, 3]), (5, 4, 2, [2, 2, 1]), (3, 30, 3, [1, 1, 1]),
    ]:  # fmt: skip
        network = Fake()
        x = noise(sequences, 4000)
        run(x, network, workers=workers, batch_size=size)
        assert sorted((shape[0] for shape, _, _ in network.calls), reverse=True) == expected


def test_the_networks_own_batch_size_is_kept():
    for workers, most in ((1, 6), (2, 3), (4, 2), (9, 1)):
        network = Fake()
        network.batch_size = 6
        run(noise(3, 40_000), network, workers=workers)
        assert max(shape[0] for shape, _, _ in network.calls) == most


class Counting:
    """Blocks that know how much of them was read."""

    def __init__(self, x, size):
        self.x, self.size, self.read = x, size, 0
        self.reached = threading.Condition()

    def __iter__(self):
        for block in split(self.x, (self.size,)):
            with self.reached:
                self.read += block.shape[1]
                self.reached.notify_all()
            yield block

    def wait_for(self, samples):
        with self.reached:
            assert self.reached.wait_for(lambda: self.read >= samples, timeout=250), "nothing was read ahead"


def test_reading_goes_on_while_the_network_computes():
    blocks = Counting(noise(1, 40_000), 500)
    # The first window is not done before two more have been read.
    network = Fake(law=lambda x: blocks.wait_for(9_700) or x)
    pieces = list(separate(blocks, network, sample_rate=NATIVE, channels=1, workers=2, batch_size=2))
    assert sum(piece[0].shape[1] for piece in pieces) == 40_000


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("kind", ["sound", "silence", "islands"])
def test_little_is_read_ahead(workers, each, kind):
    """One batch more than there are workers, and the window that waits to be known as not the last."""
    x = noise(1, 300_000)
    if kind != "sound":
        x[:, 5000:200_000] = 0
    if kind == "islands":
        x[:, 60_000::30_000] = 1
    blocks, network = Counting(x, 500), Fake()
    window = 4096
    out, most = 0, 0
    # A size of 1 alone would mean live sound.
    size = max(2, each * workers)
    for mixture, _ in separate(blocks, network, sample_rate=NATIVE, channels=1, workers=workers, batch_size=size):
        most = max(most, blocks.read - out)
        out += mixture.shape[1]
    ahead = -(-size // workers) * (workers + 1 if workers > 1 else 1)
    assert most <= (ahead + 2) * window


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_read_ahead_of_live_sound(workers):
    blocks, out = Counting(noise(2, 40_000), 100), 0
    for mixture, _ in separate(blocks, Fake(), sample_rate=NATIVE, channels=2, workers=workers, batch_size=1):
        if blocks.read < 40_000:
            # What is out reaches to the cross-fade of the window; a block tells that it was not the last.
            assert blocks.read - out <= 4096 + 100
        out += mixture.shape[1]
    assert out == 40_000


# --- the end -----------------------------------------------------------------------------------------------


class BoomError(Exception):
    pass


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_an_error_of_the_network_arrives_as_it_is(workers):
    error, calls = BoomError("here"), []

    def law(x):
        calls.append(1)
        if len(calls) == 5:
            raise error
        return x

    pieces = separate(split(noise(2, 60_000), (500,)), Fake(law=law), sample_rate=NATIVE, channels=2, workers=workers)
    with pytest.raises(BoomError) as found:
        list(pieces)
    assert found.value is error
    assert alive() == []
    assert list(pieces) == []


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_an_error_of_the_source_ends_the_workers(workers):
    def source():
        yield from split(noise(2, 30_000), (500,))
        raise BoomError

    out = []
    pieces = separate(source(), Fake(), sample_rate=NATIVE, channels=2, workers=workers)
    with pytest.raises(BoomError):
        out.extend(mixture.shape[1] for mixture, _ in pieces)
    assert alive() == []


def test_closing_early_interrupts_the_workers():
    started = threading.Event()
    law, x = only_the_first(started)
    pieces = separate(
        split(x, (500,)), Fake(law=law), sample_rate=NATIVE, channels=1, follows_level=False, workers=2, batch_size=2
    )
    next(pieces)
    assert len(alive()) == 2
    assert started.wait(250)
    pieces.close()
    assert alive() == []


def test_closing_at_any_moment_leaves_no_thread():
    rng = random.Random(3)
    for _ in range(40):
        law, x = only_the_first(threading.Event())
        workers = rng.choice([2, 3, 5])
        pieces = separate(split(x, (500,)), Fake(law=law), sample_rate=NATIVE, channels=1, workers=workers,
                          batch_size=workers + 1, stems=("music",), follows_level=False)  # fmt: skip
        if rng.random() < 0.9:
            next(pieces)
        time.sleep(rng.random() * 0.003)
        pieces.close()
        assert alive() == []


def test_a_forgotten_generator_takes_its_workers_along():
    pieces = separate(split(noise(1, 90_000), (500,)), Fake(), sample_rate=NATIVE, channels=1, workers=2)
    next(pieces)
    assert len(alive()) == 2
    del pieces
    assert alive() == []


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals for threads")
def test_an_interrupt_ends_the_workers():
    started = threading.Event()

    def interrupt():
        assert started.wait(250)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        run(noise(1, 90_000), Fake(law=endless(started)), workers=2)
    other.join()
    assert alive() == []


@pytest.mark.parametrize("left", ["computing", "waiting"])
def test_the_interpreter_ends_though_nobody_closed(left):
    code = f"""
import sys, threading
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from support.networks import *
law, x = only_the_first(threading.Event())
network = Fake(law=law if {left == "computing"} else None)
options = dict(sample_rate=NATIVE, channels=1, follows_level=False, workers=2, batch_size=2)
pieces = separate(split(x, (500,)), network, **options)
next(pieces)
print(len(alive()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "2", "")


def test_workers_start_with_the_first_sound():
    pieces = separate([], Fake(), sample_rate=NATIVE, channels=1, workers=2)
    assert alive() == []
    assert list(pieces) == []
    run(np.zeros((1, 50_000), np.float32), Fake(law=together(99)), workers=2)


# --- too little memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("room", "tried"), [(3, [8, 4, 2]), (1, [8, 4, 2, 1]), (4, [8, 4])])
def test_a_full_device_halves_the_batch_for_good(room, tried):
    network = Cramped(room)
    x = noise(2, 100_000)
    assert_identity(x, *run(x, network, batch_size=8, workers=1))
    sizes = [shape[0] for shape, _, _ in network.calls]
    assert sizes[: len(tried)] == tried
    assert max(sizes[len(tried) :]) <= room


FULL = [
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError(),
]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("error", FULL, ids=lambda error: str(error)[:24])
def test_whoever_finds_no_memory(workers, error):
    network = Cramped(2, error)
    x = noise(2, 100_000)
    assert_identity(x, *run(x, network, batch_size=8, workers=workers))
    with pytest.raises(type(error)):
        run(noise(1, 5000), Cramped(0, error), workers=workers)


def test_another_error_is_not_taken_for_it():
    network = Cramped(2, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        run(noise(2, 100_000), network, batch_size=8, workers=1)
    assert len(network.calls) <= 1


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("room", [1, 3, 4])
def test_workers_halve_the_batch_for_good(workers, room):
    network = Cramped(room)
    x = noise(2, 150_000)
    assert_identity(x, *run(x, network, batch_size=8 * workers, workers=workers))
    sizes = [shape[0] for shape, _, _ in network.calls]
    # Each worker may have begun once before it hears of it, at each of four sizes.
    assert sum(size > room for size in sizes) <= 4 * workers
    assert max(sizes[len(sizes) // 2 :]) <= room


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_device_without_room_for_one_says_so(workers):
    with pytest.raises(torch.OutOfMemoryError):
        run(noise(1, 5000), Cramped(0), workers=workers)


class Shared(Fake):
    """A device with room for one sequence, of whichever worker."""

    def __init__(self):
        super().__init__()
        self.inside, self.refused = 0, 0
        self.lock = threading.Lock()

    def forward(self, x, stems=None):
        with self.lock:
            self.inside += len(x)
            full = self.inside > 1
            self.refused += full
        time.sleep(0.002)
        with self.lock:
            self.inside -= len(x)
        if full:
            raise torch.OutOfMemoryError("no room beside the other")
        return super().forward(x, stems)


@pytest.mark.parametrize("workers", [2, 3])
def test_a_sequence_that_fits_alone_waits_for_the_others(workers):
    network = Shared()
    x = noise(2, 60_000)
    assert_identity(x, *run(x, network, batch_size=2 * workers, workers=workers))
    assert network.refused > 0


# --- threads of OpenMP -------------------------------------------------------------------------------------


def in_new_thread(ask):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_others_keep_their_number_of_threads(number, monkeypatch):
    monkeypatch.setattr("model.streaming.batches.cores", lambda: 4)
    with threads_of_torch(number):
        network = Fake(law=lambda x: x.square().matmul(torch.eye(x.shape[1])) if x.shape[1] < 5000 else x)
        seen = []
        for _ in separate(split(noise(2, 40_000), (500,)), network, sample_rate=NATIVE, channels=2):
            seen += [torch.get_num_threads(), in_new_thread(torch.get_num_threads)]
        assert set(seen) == {number}
        assert torch.get_num_threads() == in_new_thread(torch.get_num_threads) == number
        assert {threads for _, threads in network.callers} == {1}
        assert 2 <= len(network.callers) <= 4


def test_cores_are_shared_by_few_workers(monkeypatch):
    monkeypatch.setattr("model.streaming.batches.cores", lambda: 16)
    network = Fake()
    with threads_of_torch(1):
        run(noise(2, 40_000), network, batch_size=1)  # live: two sequences at a time
        assert {threads for _, threads in network.callers} == {8}
        network.callers.clear()
        run(noise(2, 40_000), network)
        assert {threads for _, threads in network.callers} == {2}
        assert Batches(network, STEMS).workers == 8
        assert torch.get_num_threads() == 1


def test_one_core_needs_no_thread(monkeypatch):
    monkeypatch.setattr("model.streaming.batches.cores", lambda: 1)
    network = Fake()
    with threads_of_torch(1):
        run(noise(2, 20_000), network)
    assert {caller for caller, _ in network.callers} == {threading.get_ident()}


@pytest.mark.parametrize("batch_size", [None, 1])
def test_one_worker_keeps_to_its_cores(monkeypatch, batch_size):
    """A control group allows fewer cores than torch has threads for."""
    monkeypatch.setattr("model.streaming.batches.cores", lambda: 1)
    network, sound = Fake(), noise(2, 20_000)
    with threads_of_torch(2):
        assert_identity(sound, *run(sound, network, batch_size=batch_size))
        assert {threads for _, threads in network.callers} == {1}
        assert torch.get_num_threads() == 2
        network.callers.clear()
        run(sound, network, batch_size=batch_size, workers=1)  # who asks for the calling thread gets it
        assert network.callers == {(threading.get_ident(), 2)}
    assert alive() == []


def test_what_threads_enter_may_fail(monkeypatch):
    def full(self):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(Batches, "_stream", full)
    with pytest.raises(RuntimeError, match="out of memory"):
        run(noise(2, 20_000), Fake(), workers=2)
    assert alive() == []


def test_cores_are_those_that_torch_would_use(monkeypatch):
    for number in (1, 2):
        with threads_of_torch(number):
            assert crew.cores() <= number
    with threads_of_torch(3):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
        monkeypatch.setattr(cpus, "quota", lambda: float("inf"))
        assert crew.cores() == 3
        monkeypatch.setattr(cpus, "quota", lambda: 1.5)
        assert crew.cores() == 2
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
        assert crew.cores() == 1


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("150000 100000", 1.5), ("max 100000", float("inf")), ("", float("inf")), ("nonsense 1", float("inf"))],
)
def test_a_control_groups_limit_is_read(tmp_path, limit, cores):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("1:name=systemd:/other\n0::/user/run\n")
    group = tmp_path / "sys/fs/cgroup/user/run"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(f"{limit}\n")
    assert quota(tmp_path) == cores
    assert quota(tmp_path / "nowhere") == float("inf")


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers):
    with pytest.raises(ValueError, match="worker"):
        separate([], Fake(), sample_rate=NATIVE, channels=1, workers=workers)


# --- a GPU -------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("workers", [1, 2, 3, None])
@pytest.mark.parametrize("batch_size", [1, 4, None])
@pytest.mark.parametrize("weights", [None, (0.5, -0.5, 0.1)])
def test_streams_of_a_gpu_agree_with_the_cpu(workers, batch_size, weights):
    network = small_mrx()
    x = noise(2, 400_000)
    options = {"sample_rate": 48_000, "batch_size": batch_size, "weights": weights}
    _, ours = run(x, network, device="cpu", workers=1, **options)
    _, theirs = run(x, network, device="cuda", workers=workers, **options)
    assert np.abs(ours - theirs).max() < 1e-3 * np.abs(ours).max()


class Remembered:
    """What became of batches before; counts how often it could help."""

    def __init__(self):
        self.batches, self.helped = {}, 0

    def get(self, sequences):
        found = self.batches.get(b"".join(one.tobytes() for one in sequences))
        self.helped += found is not None
        return found

    def put(self, sequences, stems):
        self.batches[b"".join(one.tobytes() for one in sequences)] = stems.copy()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_known_is_not_computed_again(workers):
    x, known = noise(2, 40_000), Remembered()
    first = run(x, Fake(), workers=workers, batch_size=4, known=known)
    assert not known.helped
    network = Fake(law=lambda y: y * 0)  # it would be heard
    second = run(x, network, workers=workers, batch_size=4, known=known)
    assert known.helped == len(known.batches) > 1
    assert network.sequences == 0
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_that_were_too_large_are_known_by_their_parts():
    x, known = noise(1, 40_000), Remembered()
    mixture, stems = run(x, Cramped(room=1), batch_size=4, workers=1, known=known)
    assert_identity(x, mixture, stems)
    assert all(len(stems) == 1 for stems in known.batches.values())
