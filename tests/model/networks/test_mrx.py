"""MRX is the published network: its size, its names, and its output against a pass written out by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from model import STEMS
from model.networks.mrx import MRX

PARAMETERS = 30_509_080


def tiny(**changes):
    torch.manual_seed(0)
    return MRX(**{"windows": (64, 128, 512), "hop": 32, "hidden": 16, "layers": 2, **changes}).eval()


def with_moments(network):
    """Normalizations as training leaves them: moments and scales that are not 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            size = module.running_mean.shape
            module.running_mean.copy_(torch.randn(size, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(size, generator=generator) + 0.5)
            module.weight.data.copy_(torch.rand(size, generator=generator) + 0.5)
            module.bias.data.copy_(torch.randn(size, generator=generator) * 0.3)
    return network


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    return MRX().eval()


def published_shapes():
    """Names and shapes of the released state dict, written out from the paper's figures."""
    hidden, half, bins = 512, 256, (513, 1025, 4097)
    shapes = {}

    def norm(name, size):
        shapes.update({f"{name}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    for resolution, count in enumerate(bins):
        norm(f"_encoders.{resolution}.layer.0", count)
        shapes[f"_encoders.{resolution}.layer.1.weight"] = (hidden, count)
        norm(f"_encoders.{resolution}.layer.2", hidden)
    for branch in range(3):
        for layer in range(3):
            for direction in ("", "_reverse"):
                ends = f"l{layer}{direction}"
                shapes[f"_cross_net.lstm.{branch}.weight_ih_{ends}"] = (4 * half, hidden)
                shapes[f"_cross_net.lstm.{branch}.weight_hh_{ends}"] = (4 * half, half)
                shapes[f"_cross_net.lstm.{branch}.bias_ih_{ends}"] = (4 * half,)
                shapes[f"_cross_net.lstm.{branch}.bias_hh_{ends}"] = (4 * half,)
    for stem in range(3):
        for resolution, count in enumerate(bins):
            name = f"_decoders.{stem}.{resolution}.block"
            shapes[f"{name}.0.weight"] = (hidden, 2 * hidden)
            norm(f"{name}.1", hidden)
            shapes[f"{name}.3.weight"] = (count, hidden)
            norm(f"{name}.4", count)
    return shapes


def transform(x, window, hop):
    """STFT with numpy, frame by frame: `[T]` -> `[frames, bins]`."""
    padded = np.pad(x, window // 2, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    starts = range(0, len(x) + 1, hop)
    return np.stack([np.fft.rfft(padded[at : at + window] * hann) for at in starts]) / np.sqrt(window)


def invert(spectrum, window, hop, samples):
    """Least-squares inverse of `transform`."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    total, weight = np.zeros((2, (len(spectrum) - 1) * hop + window))
    for index, frame in enumerate(np.fft.irfft(spectrum * np.sqrt(window), n=window)):
        total[index * hop : index * hop + window] += frame * hann
        weight[index * hop : index * hop + window] += hann**2
    middle = slice(window // 2, window // 2 + samples)
    return total[middle] / weight[middle]


def by_hand(state, x, windows, hop, hidden, layers):
    """The forward pass of the paper's figure 2, from a state dict alone: `[T]` -> `[3, T]`."""

    def norm(name, value):
        moments = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(value, *moments, state[f"{name}.weight"], state[f"{name}.bias"])

    spectra = [transform(x, window, hop) for window in windows]
    encoded = []
    for index, spectrum in enumerate(spectra):
        name = f"_encoders.{index}.layer"
        value = norm(f"{name}.0", torch.from_numpy(np.abs(spectrum)).float())
        encoded.append(torch.tanh(norm(f"{name}.2", value @ state[f"{name}.1.weight"].T)))
    mean = sum(encoded) / len(encoded)
    read = []
    for branch in range(3):
        lstm = torch.nn.LSTM(hidden, hidden // 2, layers, batch_first=True, bidirectional=True).eval()
        prefix = f"_cross_net.lstm.{branch}."
        lstm.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        read.append(lstm(mean[None])[0][0])
    features = torch.cat([mean, sum(read) / 3], dim=1)
    stems = []
    for stem in range(3):
        parts = []
        for index, (spectrum, window) in enumerate(zip(spectra, windows, strict=True)):
            name = f"_decoders.{stem}.{index}.block"
            value = torch.relu(norm(f"{name}.1", features @ state[f"{name}.0.weight"].T))
            mask = torch.relu(norm(f"{name}.4", value @ state[f"{name}.3.weight"].T))
            parts.append(invert(mask.numpy() * spectrum, window, hop, len(x)))
        stems.append(sum(parts))
    return np.stack(stems)


def test_the_published_number_of_parameters(published):
    assert sum(parameter.numel() for parameter in published.parameters()) == PARAMETERS


def test_names_and_shapes_of_the_released_state_dict(published):
    assert {name: tuple(value.shape) for name, value in published.state_dict().items()} == published_shapes()


def test_a_checkpoint_in_their_layout_gives_the_same_as_a_pass_by_hand(tmp_path, published):
    path = tmp_path / "default_mrx_pre_trained_weights.pth"
    torch.save(with_moments(published).state_dict(), path)
    state = torch.load(path, weights_only=True)
    network = MRX().eval()
    network.load_state_dict(state)
    x = np.random.default_rng(0).standard_normal(22_050).astype(np.float32) * 0.1
    with torch.inference_mode():
        theirs = by_hand(state, x.astype(np.float64), (1024, 2048, 8192), 256, 512, 3)
        ours = network(torch.from_numpy(x)[None])[0].numpy()
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("samples", [257, 1000, 4096])
def test_a_small_one_gives_the_same_as_a_pass_by_hand(samples):
    network = with_moments(tiny())
    x = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    with torch.inference_mode():
        ours = network(torch.from_numpy(x)[None])[0].numpy()
        theirs = by_hand(network.state_dict(), x.astype(np.float64), (64, 128, 512), 32, 16, 2)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_are_sequences_that_do_not_meet(channels):
    network = with_moments(tiny())
    x = torch.randn(channels, 3000)
    with torch.inference_mode():
        together = network(x)
        alone = torch.cat([network(row[None]) for row in x])
    assert together.shape == (channels, 3, 3000)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 2, 31, 32, 33, 255, 256, 257, 513, 1025])
def test_any_length(samples):
    with torch.inference_mode():
        out = tiny()(torch.randn(1, samples))
    assert out.shape == (1, 3, samples)
    assert out.isfinite().all()


def test_one_sample_through_the_published_network(published):
    with torch.inference_mode():
        assert published(torch.ones(1, 1)).shape == (1, 3, 1)


def test_only_the_wanted_stems_are_decoded():
    network = with_moments(tiny())
    decoded = []
    for stem, decoders in zip(STEMS, network._decoders, strict=True):
        decoders[0].register_forward_hook(lambda *_, stem=stem: decoded.append(stem))
    x = torch.randn(2, 2000)
    with torch.inference_mode():
        every = network(x)
        decoded.clear()
        some = network(x, stems=("effects", "music"))
        none = network(x, stems=())
    assert decoded == ["effects", "music"]
    torch.testing.assert_close(some, every[:, [2, 0]], atol=0, rtol=0)
    assert none.shape == (2, 0, 2000)


def test_masks_of_one_give_every_resolution_back():
    network = tiny()
    for decoders in network._decoders:
        for decoder in decoders:
            decoder.block[3].weight.data.zero_()
            decoder.block[4].bias.data.fill_(1.0)
    x = torch.randn(1, 4321)
    with torch.inference_mode():
        out = network(x)
    torch.testing.assert_close(out, 3 * x[:, None].expand(-1, 3, -1), atol=1e-5, rtol=1e-5)


def test_the_input_is_left_alone():
    x = torch.randn(1, 100)
    before = x.clone()
    with torch.inference_mode():
        tiny()(x)
    assert torch.equal(x, before)


def test_it_can_be_trained():
    network = tiny().train()
    network(torch.randn(2, 2000)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_config_builds_it_again():
    network = tiny(level_matched=False)
    again = MRX(**network.config)
    assert again.config == network.config
    assert again.level_matched is False
    again.load_state_dict(network.state_dict())


@pytest.mark.parametrize("shape", [(100,), (1, 2, 100), (1, 0)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="sequences, samples"):
        tiny()(torch.zeros(shape))


def test_unknown_stems_are_refused():
    with pytest.raises(ValueError, match="unknown stem 'speech'"):
        tiny()(torch.zeros(1, 100), stems=["speech"])
    with pytest.raises(ValueError, match="twice"):
        tiny()(torch.zeros(1, 100), stems=["music", "music"])


def test_odd_sizes_are_refused():
    with pytest.raises(ValueError, match="even"):
        MRX(windows=(63,))


def test_a_mix_decodes_only_the_stems_that_have_a_weight():
    network = with_moments(tiny())
    decoded = []
    for stem, decoders in zip(STEMS, network._decoders, strict=True):
        decoders[0].register_forward_hook(lambda *_, stem=stem: decoded.append(stem))
    with torch.inference_mode():
        network.mix(torch.randn(2, 2000), {"effects": 0.5, "dialogue": 0.0, "music": -1.0})
        assert sorted(decoded) == ["effects", "music"]
        decoded.clear()
        network.mix(torch.randn(2, 2000), {"dialogue": 0.0})
    assert decoded == []
