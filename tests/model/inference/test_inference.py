"""A prepared network is the network it was made from, and a mix is the weighted sum of its stems."""

import copy
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from support.tiny_packs import TINY, on_one_thread

from model import SAMPLE_RATE, STEMS
from model.hub.weights import load
from model.inference import prepare as inference
from model.inference.prepare import multiplies_bfloat16, prepare
from model.inference.prepared import Autocast
from model.networks.bandsplit import BandSplit
from model.networks.mrx import MRX
from model.networks.multirate import MultiRateMRX
from model.networks.recurrent import run_lstm
from model.streaming.separator import separate

CPU = torch.device("cpu")
SHARES = (0.4, 0.1, 0.5)


def with_moments(network):
    """Normalizations as training leaves them: moments and scales that are not 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            size = module.running_mean.shape
            module.running_mean.copy_(torch.rand(size, generator=generator) * 0.5)
            module.running_var.copy_(torch.rand(size, generator=generator) + 0.5)
            module.weight.data.copy_(torch.rand(size, generator=generator) + 0.5)
            module.bias.data.copy_(torch.randn(size, generator=generator) * 0.3)
    return network


def with_norms(network):
    """Layer normalizations whose scales and shifts are not 1 and 0."""
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.weight.data.copy_(torch.rand(module.weight.shape, generator=generator) + 0.5)
            module.bias.data.copy_(torch.randn(module.bias.shape, generator=generator) * 0.3)
    return network


NETWORKS = {
    "mrx": lambda: with_moments(MRX(windows=(64, 128, 512), hop=32, hidden=16, layers=2)),
    "mrx, a hop that does not divide": lambda: with_moments(MRX(windows=(96, 250), hop=40, hidden=8, layers=1)),
    "band split": lambda: with_norms(BandSplit(**{**TINY, "layers": 2})),
    "band split that shares": lambda: with_norms(BandSplit(**TINY, residual=SHARES)),
    "band split without an overview": lambda: with_norms(BandSplit(**{**TINY, "overview": 0, "windows": (2048,)})),
    "band split of both kinds of layers": lambda: with_norms(BandSplit(**{**TINY, "layers": 2, "overview": [8, 0]})),
    "multi-rate": lambda: MultiRateMRX(hidden=16, layers=1),
    "multi-rate that shares": lambda: MultiRateMRX(hidden=16, layers=1, residual=SHARES),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in a worker."""
    with on_one_thread():
        yield


@pytest.fixture(params=list(NETWORKS), scope="module")
def network(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval()


@pytest.fixture(scope="module")
def prepared(network):
    return prepare(network, precision="float32")


def noise(*shape, seed=0, level=0.05):
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cases(count=6):
    """Sounds `[B, T]`, of a sample upward, with names and weights of some stems."""
    chance = random.Random(0)
    for seed in range(count):
        samples = seed + 1 if seed < 3 else chance.randint(1, 20_000)
        stems = chance.sample(STEMS, chance.randint(1, 3))
        weights = {stem: chance.choice([0.0, 1.0, -0.5, chance.uniform(-2, 2)]) for stem in stems}
        yield noise(chance.randint(1, 3), samples, seed=seed), stems, weights


def decibels(found, expected):
    """Signal to noise ratio."""
    return float(10 * torch.log10(expected.square().sum() / (found - expected).square().sum()))


def assert_same(found, expected, scale):
    """Equal to 1e-5 of the largest sample."""
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, atol=1e-5 * max(float(scale.abs().max()), 1e-3), rtol=1e-5)


# Batches


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_mrx_hears_a_batch_as_its_sequences(precision):
    """LSTMs read few sequences one by one, and many side by side."""
    network = NETWORKS["mrx"]().eval()
    prepared, x = prepare(network, precision=precision), noise(6, 9000)
    with torch.inference_mode():
        each = torch.cat([prepared(one[None]) for one in x])
        for count in range(1, len(x) + 1):
            found = prepared(x[:count])
            if precision == "float32":
                assert_same(found, each[:count], x)
            else:
                assert decibels(found, each[:count]) > 30


# The sum of stems


@pytest.mark.parametrize("ready", [False, True], ids=["plain", "prepared"])
def test_a_mix_is_the_weighted_sum_of_the_stems(network, prepared, ready):
    mixing = prepared if ready else network
    for x, _, weights in cases(8):
        with torch.inference_mode():
            stems = network(x, stems=list(weights))
            found = mixing.mix(x, weights)
        expected = sum(weight * stems[:, place] for place, weight in enumerate(weights.values()))
        assert found.dtype == torch.float32
        assert_same(found, expected, x)


@pytest.mark.parametrize("ready", [False, True], ids=["plain", "prepared"])
def test_a_mix_without_weights_is_silent_and_leaves_its_input_alone(network, prepared, ready):
    mixing, x = prepared if ready else network, noise(2, 3000)
    before = x.clone()
    with torch.inference_mode():
        assert (mixing.mix(x, {}) == 0).all()
        assert (mixing.mix(x, dict.fromkeys(STEMS, 0.0)) == 0).all()
        mixing.mix(x, {"music": 1.0})
    assert torch.equal(x, before)


@pytest.mark.parametrize("ready", [False, True], ids=["plain", "prepared"])
def test_a_stem_that_is_not_there_cannot_be_mixed(network, prepared, ready):
    with pytest.raises(ValueError, match="unknown stem 'speech'"):
        (prepared if ready else network).mix(torch.zeros(1, 1000), {"speech": 1.0})


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_mix_in_double_precision(name):
    """Masks are rounded to float32 on both ways, so the tolerance is that of float32."""
    made, x = NETWORKS[name]().double().eval(), noise(1, 5000).double()
    weights = {"dialogue": 1.0, "music": -0.5}
    with torch.inference_mode():
        stems = made(x, stems=list(weights))
        torch.testing.assert_close(
            made.mix(x, weights), stems[:, 0] - 0.5 * stems[:, 1], atol=1e-6, rtol=1e-5, check_dtype=False
        )


# Prepared networks


def test_prepared_networks_give_the_same_stems(network, prepared):
    for x, stems, _ in cases():
        with torch.inference_mode():
            assert_same(prepared(x, stems=stems), network(x, stems=stems), x)
            assert_same(prepared(x), network(x), x)


def test_prepared_networks_in_half_precision_are_close(network):
    half, x = prepare(network, precision="bfloat16"), noise(2, 20_000)
    assert half.precision == "bfloat16"
    weights = {"dialogue": 1.0, "effects": -0.7}
    with torch.inference_mode():
        whole = network(x)
        found = half(x)
        mixed = half.mix(x, weights)
    assert found.dtype == mixed.dtype == torch.float32
    assert decibels(found, whole) > 35
    assert decibels(mixed, whole[:, 1] - 0.7 * whole[:, 2]) > 30
    assert not torch.equal(found, whole)


def test_the_original_stays_as_it_was(network):
    made = copy.deepcopy(network).train()
    state = copy.deepcopy(made.state_dict())
    x = noise(1, 4000)
    for precision in ("float32", "bfloat16"):
        ready = prepare(made, precision=precision)
        with torch.inference_mode():
            ready(x)
        assert not ready.training
        assert not any(module.training for module in ready.modules())
    assert made.training
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert {name: value.dtype for name, value in made.state_dict().items()} == {k: v.dtype for k, v in state.items()}
    assert all(torch.equal(value, state[name]) for name, value in made.state_dict().items())
    made(noise(2, 4000)).square().mean().backward()  # and it can still be trained
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_weights_are_copied():
    """Training on does not reach a network that was prepared before."""
    for make in NETWORKS.values():
        made, x = make().eval(), noise(1, 3000)
        ready = prepare(made, precision="float32")
        with torch.no_grad():
            before = ready(x)
            for tensor in made.state_dict().values():
                tensor.zero_()
            assert torch.equal(ready(x), before)


def test_facts_stay_the_same(network, prepared):
    assert prepared.precision == "float32"
    for name in ("stems", "sample_rate", "hop", "input_lufs", "level_matched", "window_seconds", "context_seconds"):
        assert getattr(prepared, name) == getattr(network, name)
    assert prepared.crossfade_seconds == network.crossfade_seconds
    assert prepared.config == network.config
    assert prepared.batch_size >= 1
    assert all(parameter.device == CPU for parameter in prepared.parameters())


def test_nothing_is_remembered_for_gradients(prepared):
    assert not prepared(noise(1, 3000)).requires_grad


def test_rows_and_lengths_in_turn_and_at_once(network, prepared):
    """Two workers use one network, and a film's last window is shorter than the others."""
    sounds = [noise(1 + seed % 2, 3000 + 1711 * (seed % 3), seed=seed) for seed in range(8)]

    def separated(x):
        with torch.inference_mode():
            return prepared(x)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(separated, sounds))
    for x, y in zip(sounds, found, strict=True):
        with torch.inference_mode():
            assert_same(y, network(x), x)


def test_stems_that_are_not_there_are_refused(prepared):
    with pytest.raises(ValueError, match="unknown stem 'speech'"):
        prepared(torch.zeros(1, 1000), stems=["speech"])


@pytest.mark.parametrize("shape", [(100,), (1, 2, 100), (1, 0)])
def test_wrong_shapes_are_refused_as_by_the_original(shape):
    ready = prepare(NETWORKS["mrx"]())
    with pytest.raises(ValueError, match="sequences, samples"):
        ready(torch.zeros(shape))
    with pytest.raises(ValueError, match="sequences, samples"):
        ready.mix(torch.zeros(shape), {})


def test_silence_stays_silent(network, prepared):
    with torch.inference_mode():
        assert (prepared(torch.zeros(1, 10_000)) == 0).all()
        assert (prepared.mix(torch.zeros(1, 10_000), {"music": 2.0}) == 0).all()


def test_a_stream_through_a_prepared_network(network, prepared):
    def run(one):
        one = copy.copy(one)
        one.window_seconds, one.context_seconds, one.crossfade_seconds = 1.0, 0.25, 0.1
        x = noise(2, 2 * SAMPLE_RATE + 77).numpy()
        blocks = (x[:, start : start + 7777] for start in range(0, x.shape[1], 7777))
        return np.concatenate([y for _, y in separate(blocks, one, sample_rate=SAMPLE_RATE, channels=2)], axis=-1)

    np.testing.assert_allclose(run(prepared), run(network), atol=1e-6)


def test_the_published_network_prepared():
    torch.manual_seed(0)
    network = with_moments(MRX()).eval()
    x, weights = noise(1, SAMPLE_RATE), {"music": -0.5, "dialogue": 1.0, "effects": -0.5}
    with torch.inference_mode():
        whole = network(x)
        mixed = sum(weight * whole[:, STEMS.index(stem)] for stem, weight in weights.items())
        for precision, least in (("float32", 100), ("bfloat16", 40)):
            ready = prepare(network, precision=precision)
            assert decibels(ready(x), whole) > least
            assert decibels(ready.mix(x, weights), mixed) > least


def test_the_bundled_network_prepared():
    network = load("cfork")
    t = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    tones = sum(torch.sin(2 * torch.pi * hz * t) for hz in (220.0, 277.2, 3000.0)) * (t % 0.5 < 0.3)
    x = torch.stack([0.1 * tones + noise(len(t), level=0.02), noise(len(t), seed=1)])
    with torch.inference_mode():
        whole = network(x)
        assert_same(prepare(network, precision="float32")(x), whole, x)
        assert decibels(prepare(network, precision="bfloat16")(x), whole) > 50


# Choices


class Unknown(torch.nn.Module):
    """A network of somebody else."""

    stems = STEMS

    def forward(self, x, stems=None):
        return torch.stack([x / 3] * len(stems or STEMS), dim=1)


@pytest.mark.parametrize("precision", inference.PRECISIONS)
def test_a_network_that_is_not_known_comes_back_as_it_is(precision):
    network = Unknown()
    ready = prepare(network, precision=precision)
    assert ready is network
    assert ready.precision == "float32"
    assert not ready.training


def test_an_unknown_precision_is_refused(network):
    with pytest.raises(ValueError, match="no precision 'float8'; choose from auto, float32, bfloat16"):
        prepare(network, precision="float8")


@pytest.mark.parametrize(("can", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_takes_what_the_processor_multiplies_in(monkeypatch, can, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: can, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert multiplies_bfloat16(CPU) == (can and torch.backends.mkldnn.is_available())
    assert prepare(NETWORKS["mrx"](), precision="auto").precision == expected


def test_autocast_leaves_masks_in_float32(one_thread):
    """What CUDA gets, with the same casts on a CPU: quiet stems lose least where the masks are exact."""
    original, x = with_norms(BandSplit(**{**TINY, "layers": 2})), noise(2, 20_000)
    seen = []
    ready = Autocast(original, torch.bfloat16, CPU)
    for decoder in ready.network.decoders.values():
        decoder.part.register_forward_hook(lambda _, inputs, masks: seen.extend([inputs[0], *masks]))
    with torch.inference_mode():
        assert decibels(ready(x), original(x)) > 35
    assert len(seen) == 3 * 3
    assert all(tensor.dtype == torch.float32 for tensor in seen)
    assert original.state_dict().keys() == BandSplit(**{**TINY, "layers": 2}).state_dict().keys()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_lstms_learn_in_float32_on_cuda():
    lstm, x = torch.nn.LSTM(4, 4).cuda(), torch.zeros(2, 1, 4, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        assert run_lstm(lstm, x).dtype == torch.float32
        with torch.no_grad():
            assert run_lstm(lstm, x).dtype != torch.float32


def test_an_lstm_runs_as_it_does_elsewhere():
    lstm, x = torch.nn.LSTM(4, 3, bidirectional=True), noise(5 * 2, 4).reshape(5, 2, 4)
    assert torch.equal(run_lstm(lstm, x), lstm(x)[0])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(run_lstm(lstm, x), lstm(x)[0])


def test_a_torch_that_cannot_tell_means_no(monkeypatch):
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, question, raising=False)
    assert not multiplies_bfloat16(CPU)
    assert not multiplies_bfloat16(torch.device("meta"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("precision", "least"), [("float32", 50), ("bfloat16", 30)])
def test_prepared_for_cuda(network, precision, least):
    ready, x = prepare(network, device="cuda", precision=precision), noise(2, 20_000)
    assert next(ready.parameters()).is_cuda
    with torch.inference_mode():
        assert decibels(ready(x.cuda()).cpu(), network(x)) > least
        assert decibels(ready.mix(x.cuda(), {"music": 1.0}).cpu(), network(x)[:, 0]) > least
