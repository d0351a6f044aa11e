"""Laws of the streaming separator: whatever the blocks, windows and rates, nothing is lost or moved."""

import ast
import gc
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from support.networks import NATIVE, Fake, assert_identity, noise, run, split

import model
from model import STEMS
from model.networks.mrx import MRX
from model.streaming.resample import Delay, resample
from model.streaming.separator import separate
from model.streaming.stereo import is_centered

# --- the law at the network's own rate ---------------------------------------------------------------------


@pytest.mark.parametrize("samples", [0, 1, 2, 63, 64, 4095, 4096, 4097, 5000, 6912, 6913, 20_000, 50_001])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_identity_for_every_length_and_channel_count(samples, channels):
    x = noise(channels, samples)
    assert_identity(x, *run(x, Fake()))


@pytest.mark.parametrize("sizes", [(1,), (0, 1, 0, 7), (64,), (4096,), (4097, 0), (100_000,), (1, 10_000)])
def test_identity_for_every_block_size(sizes):
    x = noise(2, 10_123)
    assert_identity(x, *run(x, Fake(), sizes))


@pytest.mark.parametrize("hop", [1, 64, 100])
@pytest.mark.parametrize(
    ("window", "context", "crossfade"),
    [(4, 1, 1), (300, 100, 40), (300, 0, 150), (300, 0, 0), (300, 149, 0), (777, 200, 90), (4096, 1365, 682)],
)
def test_identity_for_every_window(window, context, crossfade, hop):
    if hop > 1:
        window, context, crossfade = window * hop, context * hop, crossfade * hop
    x = noise(1, 3 * window + 1)
    assert_identity(x, *run(x, Fake(window, context, crossfade, hop)))


@pytest.mark.parametrize("batch_size", [1, 3, 8, 1000])
def test_identity_for_every_batch(batch_size):
    x = noise(3, 30_000)
    network = Fake()
    assert_identity(x, *run(x, network, batch_size=batch_size))
    assert max(shape[0] for shape, _, _ in network.calls) <= batch_size


def test_every_length_around_the_seams():
    network = Fake(window=24, context=4, crossfade=4, hop=2)
    x = noise(1, 80)
    for samples in range(81):
        assert_identity(x[:, :samples], *run(x[:, :samples], network, (7,)))


# --- other rates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 22_050, 32_000, 44_056, 48_000, 96_000, 192_000])
def test_sines_come_back_in_place(rate):
    seconds = np.arange(int(1.1 * rate) + 13) / rate
    low = sum(0.1 * np.sin(2 * np.pi * hz * seconds + hz) for hz in (101, 440, 997))
    high = 0.1 * np.sin(2 * np.pi * 0.38 * min(rate, NATIVE) * seconds)
    x = np.stack([low, high]).astype(np.float32)
    mixture, stems = run(x, Fake(window=16_384, context=512, crossfade=256), (777,), sample_rate=rate)
    assert (mixture == x).all()
    assert stems.shape == (3, *x.shape)
    error = np.abs(stems[0] - x)[:, rate // 20 : -rate // 20].max(axis=1)
    # At three quarters of the band the filters begin to fall: 3 parts in 10,000 on both ways together.
    assert error[0] < 2e-6
    assert error[1] < 5e-5


@pytest.mark.parametrize("rate", [8_000, 22_050, 32_000, 48_000, 96_000, 192_000])
def test_a_click_stays_on_its_sample(rate):
    x = np.zeros((1, rate), np.float32)
    at = rate // 3 + 1
    x[0, at] = 1.0
    _, stems = run(x, Fake(), (4321,), sample_rate=rate)
    assert np.abs(stems[0, 0]).argmax() == at
    # Symmetric to a hundredth of its height: it lies on the sample, and not a fraction of one beside it.
    around = stems[0, 0, at - 4 : at + 5]
    np.testing.assert_allclose(around, around[::-1], atol=0.01 * around[4])


@pytest.mark.parametrize("rate", [8_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_noise_correlates_best_without_a_shift(rate):
    x = noise(1, rate // 2)
    _, stems = run(x, Fake(), sample_rate=rate)
    ours, theirs = np.fft.rfft(stems[0, 0], 2 * rate), np.fft.rfft(x[0], 2 * rate)
    assert np.fft.irfft(ours * theirs.conj()).argmax() == 0


@pytest.mark.parametrize("rate", [7_999, 8_000, 11_025, 48_000, 96_000, 192_000, 768_000])
@pytest.mark.parametrize("samples", [0, 1, 2, 3, 17, 999, 20_011])
def test_lengths_are_exact_at_every_rate(rate, samples):
    x = noise(1, samples)
    mixture, stems = run(x, Fake(window=1024, context=128, crossfade=128), (500,), sample_rate=rate)
    assert (mixture == x).all()
    assert stems.shape == (3, 1, samples)
    assert np.isfinite(stems).all()


def test_what_the_network_cannot_hear_is_in_no_stem():
    seconds = np.arange(48_000) / 96_000
    x = (0.5 * np.sin(2 * np.pi * 30_000 * seconds))[None].astype(np.float32)
    _, stems = run(x, Fake(), sample_rate=96_000)
    assert np.abs(stems[:, :, 1000:-1000]).max() < 1e-5


def test_resampled_stems_do_not_depend_on_blocks():
    x = noise(2, 30_000)
    one = run(x, Fake(), (30_000,), sample_rate=48_000)[1]
    other = run(x, Fake(), (1, 5000, 0, 333), sample_rate=48_000)[1]
    np.testing.assert_allclose(one, other, atol=1e-6)


# --- against a pass over the whole file --------------------------------------------------------------------


def test_windows_agree_with_a_pass_over_the_whole_file():
    torch.manual_seed(0)
    network = MRX(windows=(64, 128, 512), hop=32, hidden=16, layers=2).eval()
    x = noise(2, 40_001)
    with torch.inference_mode():
        whole = network(torch.from_numpy(x)).numpy().transpose(1, 0, 2)

    def error(context):
        network.window_seconds = 8192 / NATIVE
        network.context_seconds = context / NATIVE
        network.crossfade_seconds = 512 / NATIVE
        _, stems = run(x, network, follows_level=False)
        return np.abs(stems - whole).max() / np.abs(whole).max()

    # The transforms reach 256 samples; beyond it only the memory of the LSTMs is left, and it fades.
    assert error(2048) < 1e-5
    assert error(2048) < error(512) < error(0)


def test_a_short_file_is_a_pass_over_the_whole_file():
    torch.manual_seed(0)
    network = MRX(windows=(64, 128), hop=32, hidden=8, layers=2)
    x = noise(1, 5000)
    _, stems = run(x, network, follows_level=False)
    with torch.inference_mode():
        whole = network.eval()(torch.from_numpy(x)).numpy().transpose(1, 0, 2)
    np.testing.assert_allclose(stems, whole, atol=1e-6)


# --- what is not computed ----------------------------------------------------------------------------------


def test_silence_is_not_computed():
    network = Fake(law=lambda x: x + 1.0)
    x = np.zeros((2, 40_000), np.float32)
    mixture, stems = run(x, network)
    assert network.calls == []
    assert not stems.any()
    assert mixture.shape == x.shape


def test_silence_beside_sound_is_not_computed_and_fades_right():
    network = Fake()
    x = noise(2, 60_000)
    x[0] = 0
    x[1, 20_000:45_000] = 0
    assert_identity(x, *run(x, network))
    windows = Fake()
    run(noise(1, 60_000), windows)
    assert network.sequences < windows.sequences - 5


def test_dual_mono_is_computed_once():
    network, single = Fake(), Fake()
    x = noise(1, 50_000)
    both = np.repeat(x, 2, axis=0)
    assert_identity(both, *run(both, network))
    run(x, single)
    assert network.sequences == single.sequences


@pytest.mark.parametrize("rate", [NATIVE, 48_000])
def test_dual_mono_stays_dual_mono(rate):
    x = np.repeat(noise(1, 30_000), 2, axis=0)
    network = Fake()
    _, stems = run(x, network, sample_rate=rate)
    assert (stems[:, 0] == stems[:, 1]).all()
    assert all(shape[0] <= 8 for shape, _, _ in network.calls)


def test_equal_windows_are_computed_once():
    network = Fake(window=1024, context=128, crossfade=128)
    stride = 1024 - 3 * 128
    x = np.tile(noise(1, stride), 9)
    assert_identity(x, *run(x, network, batch_size=8))
    assert network.sequences < 5


@pytest.mark.parametrize("rate", [NATIVE, 48_000])
def test_untouched_channels_are_never_heard(rate):
    network = Fake()
    x = noise(6, 20_000)
    mixture, stems = run(x, network, sample_rate=rate, untouched=(3,))
    assert (mixture == x).all()
    assert not stems[:, 3].any()
    assert stems[:, [0, 1, 2, 4, 5]].any(axis=-1).all()
    without = Fake()
    _, others = run(np.delete(x, 3, axis=0), without, sample_rate=rate)
    assert network.sequences == without.sequences
    np.testing.assert_allclose(np.delete(stems, 3, axis=1), others, atol=1e-6)


def test_untouched_channels_must_be_there():
    with pytest.raises(ValueError, match="channels"):
        run(noise(2, 100), Fake(), untouched=(2,))


# --- middle and side -----------------------------------------------------------------------------------------


def centered(samples, side=0.05):
    """Two channels with nearly all of their power in the middle."""
    middle, wide = noise(2, samples)
    return np.stack([middle + side * wide, middle - side * wide])


def heard_by(x, network_window=4096, **options):
    """What comes of x, and the sequences that the network gets, in order."""
    calls = []
    network = Fake(network_window, law=lambda sequences: (calls.append(sequences.numpy().copy()), sequences)[1])
    result = run(x, network, workers=1, follows_level=False, **options)
    return result, [row[: x.shape[1]] for call in calls[:: len(STEMS)] for row in call]


@pytest.mark.parametrize("samples", [1, 63, 4097, 20_000])
def test_identity_through_middle_and_side(samples):
    x = centered(samples)
    assert_identity(x, *run(x, Fake(), pairs=[(0, 1)]))


def test_the_network_hears_middle_and_side_of_what_is_centered():
    x = centered(3000)
    _, heard = heard_by(x, pairs=[(0, 1)])
    np.testing.assert_allclose(heard, [(x[0] + x[1]) / 2, (x[0] - x[1]) / 2], atol=1e-6)


@pytest.mark.parametrize(("factor", "wide"), [(0.1, 0.0), (-1.0, 0.0), (0.8, 0.0), (1.0, 2.0)])
def test_what_is_not_centered_is_heard_as_it_is(factor, wide):
    left = noise(1, 3000)[0]
    x = np.stack([left, factor * left + wide * noise(1, 3000, seed=5)[0]])
    _, heard = heard_by(x, pairs=[(0, 1)])
    np.testing.assert_array_equal(heard, x)


def test_only_the_pairs_are_turned_and_find_their_places_again():
    x = np.concatenate([noise(1, 9000, seed=3), centered(9000), noise(1, 9000, seed=4)])
    x = x[[0, 1, 3, 2]]  # the pair is the second and the last channel
    result, heard = heard_by(x, pairs=[(1, 3)])
    assert_identity(x, *result)
    assert any(np.allclose(one[:3000], (x[1] + x[3])[:3000] / 2, atol=1e-6) for one in heard)
    assert any(np.array_equal(one[:3000], x[0, :3000]) for one in heard)


def test_a_voice_in_the_middle_is_found_beside_wide_noise():
    """It sounds half of the time only, and holds about as much power as the noise."""
    time = np.arange(44_100) / NATIVE
    voice = sum(np.sin(2 * np.pi * 220 * n * time) / n for n in range(1, 6)) * (time < 0.5)
    wide = 2 * noise(2, 44_100)
    x = (0.3 * (wide + voice)).astype(np.float32)
    assert 0.8 < np.square(wide).mean() / np.square(voice).mean() < 1.2
    _, heard = heard_by(x, network_window=50_000, pairs=[(0, 1)])
    np.testing.assert_allclose(heard[0], (x[0] + x[1]) / 2, atol=1e-6)


def test_windows_are_turned_one_by_one():
    """A film that is centered at first and one-sided later passes through the cross-fade without a seam."""
    x = np.concatenate([centered(30_000), noise(2, 30_000, seed=8) * np.float32([[1.0], [0.0]])], axis=1)
    result, heard = heard_by(x, pairs=[(0, 1)])
    assert_identity(x, *result)
    np.testing.assert_allclose(heard[0][:4096], x[:, :4096].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(heard[-1], x[0, len(x[0]) - len(heard[-1]) :])


def test_the_side_of_dual_mono_costs_nothing():
    x = np.repeat(noise(1, 30_000), 2, axis=0)
    turned, plain = Fake(), Fake()
    mixture, stems = run(x, turned, pairs=[(0, 1)])
    _, expected = run(x, plain)
    assert is_centered(*x, NATIVE)
    assert (mixture == x).all()
    np.testing.assert_array_equal(stems, expected)
    assert turned.sequences == plain.sequences


@pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 2)], [(0, 1), (1, 0)], [(-1, 0)], [(0,)]])
def test_pairs_must_be_of_different_channels(pairs):
    with pytest.raises(ValueError, match="pairs"):
        separate([noise(2, 100)], Fake(), sample_rate=NATIVE, channels=2, pairs=pairs)


def test_a_pair_must_be_heard():
    with pytest.raises(ValueError, match="pairs"):
        separate([noise(2, 100)], Fake(), sample_rate=NATIVE, channels=2, pairs=[(0, 1)], untouched=[1])


def test_only_wanted_stems_are_computed():
    network = Fake()
    x = noise(2, 10_000)
    _, stems = run(x, network, stems=("effects", "music"))
    assert {names for _, names, _ in network.calls} == {("effects", "music")}
    np.testing.assert_allclose(stems[0], 3 * x, atol=2e-6)
    np.testing.assert_allclose(stems[1], x, atol=1e-6)


def test_no_stems_cost_nothing():
    network = Fake()
    x = noise(2, 10_000)
    mixture, stems = run(x, network, sizes=(0, 999), stems=(), sample_rate=48_000)
    assert network.calls == []
    assert (mixture == x).all()
    assert stems.shape == (0, 2, 10_000)


# --- levels, and sound that is broken ----------------------------------------------------------------------


def test_input_gain_is_heard_and_divided_out():
    heard = []
    network = Fake(law=lambda x: heard.append(float(x.abs().max())) or x.clamp(-1, 1))
    x = noise(1, 4000)
    mixture, stems = run(x, network, input_gain=0.01, follows_level=False)
    assert_identity(x, mixture, stems)
    assert max(heard) == pytest.approx(0.01 * np.abs(x).max(), rel=1e-6)
    _, stems = run(x, network, input_gain=1e6, follows_level=False)
    assert np.abs(stems[0]).max() == pytest.approx(1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("rate", [NATIVE, 48_000])
def test_broken_samples_harm_only_their_neighborhood(bad, rate):
    x = noise(1, 60_000)
    good = run(x, Fake(), sample_rate=rate)[1]
    x[0, 30_000] = bad
    before = x.copy()
    mixture, stems = run(x, Fake(), sample_rate=rate)
    np.testing.assert_array_equal(mixture, before)
    assert np.isfinite(stems).all()
    far = np.r_[0:29_000, 31_000:60_000]
    # The filter may let through a trace of a sample that is 80 dB too loud, but nothing more.
    np.testing.assert_allclose(stems[..., far], good[..., far], atol=1e-6 if abs(bad) != 3e38 else 0.05)


def test_a_network_that_fails_on_a_window_leaves_the_film_alone():
    network = Fake(law=lambda x: torch.where(x.abs().amax(dim=1, keepdim=True) > 5, torch.nan, x))
    x = noise(1, 40_000)
    x[0, 20_000] = 9
    _, stems = run(x, network, follows_level=False)
    assert np.isfinite(stems).all()
    assert (stems[..., 19_990:20_010] == 0).all()
    np.testing.assert_allclose(stems[0][:, :10_000], x[:, :10_000], atol=1e-6)


# --- manners -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [NATIVE, 48_000])
def test_callers_arrays_are_neither_changed_nor_kept(rate):
    x = noise(2, 20_000)
    x[0, 5] = np.nan
    buffer = np.empty((2, 1000), np.float32)

    def refilled():
        for block in split(x, (1000,)):
            buffer[:, : block.shape[1]] = block
            yield buffer[:, : block.shape[1]]
            np.testing.assert_array_equal(buffer[:, : block.shape[1]], block)

    mixture = [m for m, _ in separate(refilled(), Fake(), sample_rate=rate, channels=2, input_gain=3.0)]
    np.testing.assert_array_equal(np.concatenate(mixture, axis=1), x)


def test_double_precision_is_taken():
    x = noise(1, 3000)
    mixture, stems = run(x.astype(np.float64), Fake())
    assert_identity(x, mixture, stems)


def test_inference_mode_ends_with_each_batch():
    network = Fake()
    for _ in separate(split(noise(1, 50_000), (1000,)), network, sample_rate=NATIVE, channels=1, batch_size=1):
        assert not torch.is_inference_mode_enabled()
    assert all(inference for _, _, inference in network.calls)


def test_the_network_is_set_to_evaluate():
    network = Fake().train()
    run(noise(1, 100), network)
    assert not network.training


def test_other_windows_than_the_networks_own():
    network, x = Fake(), noise(2, 40_000)
    options = {"window_seconds": 10_240 / NATIVE, "context_seconds": 256 / NATIVE}
    assert_identity(x, *run(x, network, **options))
    assert {shape[1] for shape, _, _ in network.calls} == {10_240, 40_000 - 4 * (10_240 - 3 * 256)}
    with pytest.raises(ValueError, match="too short"):
        separate([], network, sample_rate=NATIVE, channels=1, window_seconds=512 / NATIVE)


def test_memory_does_not_grow_with_length():
    def peak(samples):
        block = noise(1, 10_000)
        gc.collect()
        tracemalloc.start()
        for _ in separate((block for _ in range(samples // 10_000)), Fake(), sample_rate=48_000, channels=1):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(100_000)
    assert peak(4_000_000) < 1.3 * peak(400_000)


def test_an_hour_of_silence_streams():
    network = Fake(window=44_100, context=4410, crossfade=4410)
    pieces = separate((np.zeros((1, 44_100), np.float32) for _ in range(60)), network, sample_rate=NATIVE, channels=1)
    assert next(pieces)[0].shape[1] < 44_100
    gaps = [piece[0].shape[1] for piece in pieces]
    assert max(gaps) <= 44_100


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    torch.manual_seed(0)
    network = MRX(windows=(64, 128), hop=32, hidden=16, layers=2)
    x = noise(2, 600_000)
    _, ours = run(x, network, device="cpu")
    _, theirs = run(x, network, device="cuda")
    assert next(network.parameters()).is_cuda
    assert np.abs(ours - theirs).max() < 1e-3 * np.abs(ours).max()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stems": ["speech"]}, "unknown stem"),
        ({"stems": ["music", "music"]}, "twice"),
        ({"sample_rate": 0}, "rate"),
        ({"input_gain": 0.0}, "gain"),
        ({"input_gain": float("nan")}, "gain"),
        ({"input_gain": float("inf")}, "gain"),
        ({"batch_size": 0}, "batch"),
        ({"channels": 0}, "channels"),
    ],
)
def test_nonsense_is_refused_at_once(options, words):
    with pytest.raises(ValueError, match=words):
        separate([], Fake(), **{"sample_rate": NATIVE, "channels": 1, **options})


@pytest.mark.parametrize(
    "block", [np.zeros(10, np.float32), np.zeros((3, 10), np.float32), np.zeros((1, 10), np.int16)]
)
@pytest.mark.parametrize("stems", [STEMS, ()])
def test_blocks_of_another_kind_are_refused(block, stems):
    with pytest.raises(ValueError, match="float block"):
        list(separate([block], Fake(), sample_rate=NATIVE, channels=1, stems=stems))


def test_a_network_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="was due"):
        run(noise(1, 1000), Fake(law=lambda x: x[:, 1:]))


# --- delay and rates by themselves ----------------------------------------------------------------


def test_a_delay_line_is_first_in_first_out():
    x, line, out = noise(2, 200_000), Delay(2), []
    rng = np.random.default_rng(0)
    for block in split(x, (1, 70_000, 0, 3000, 65_536)):
        line.push(block)
        out.append(line.pop(int(rng.integers(0, line.waiting + 1))))
    out.append(line.pop(line.waiting))
    assert (np.concatenate(out, axis=1) == x).all()
    with pytest.raises(ValueError, match="1 samples wanted, 0 waiting"):
        line.pop(1)


@pytest.mark.parametrize("ahead", [1, 2, 5, 100])
@pytest.mark.parametrize("rates", [(48_000, NATIVE), (NATIVE, 48_000), (NATIVE, NATIVE)])
def test_resampling_in_a_thread_is_the_same(ahead, rates):
    x, taken = noise(3, 30_000), []
    buffer = np.empty((3, 2000), np.float32)

    def refilled():
        for block in split(x, (2000, 1, 0, 777)):
            taken.append(block.shape[1])
            buffer[:, : block.shape[1]] = block
            yield buffer[:, : block.shape[1]]

    plain = np.concatenate(list(resample([x], *rates, 3)), axis=1)
    out, most = [], 0
    for number, piece in enumerate(resample(refilled(), *rates, 3, ahead=ahead)):
        most = max(most, len(taken) - number)
        out.append(piece.copy())
    np.testing.assert_allclose(np.concatenate(out, axis=1), plain, atol=1e-6)
    assert rates[0] == rates[1] or most > 1 or ahead == 1
    before = threading.active_count()
    pieces = resample(refilled(), *rates, 3, ahead=ahead)
    next(pieces)
    pieces.close()
    assert threading.active_count() == before


def test_a_tone_above_the_band_dies_and_one_below_lives():
    seconds = np.arange(96_000) / 96_000
    for hz, low, high in ((40_000, 0, 1e-5), (15_000, 0.9999, 1.0001)):
        tone = np.sin(2 * np.pi * hz * seconds)[None].astype(np.float32)
        out = np.concatenate(list(resample(split(tone, (1000,)), 96_000, NATIVE, 1)), axis=1)[0, 2000:-2000]
        assert low <= np.sqrt(2 * np.mean(out**2)) <= high


# --- where this package ends -------------------------------------------------------------------------------


def test_model_knows_nothing_of_the_command():
    root = Path(model.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if node.level == 0 else []
            else:
                continue
            tops = {name.split(".")[0] for name in names}
            assert not tops & {"cfork_cli", "typer", "rich", "ffmpeg", "model"}, f"{path.name} imports {tops}"
