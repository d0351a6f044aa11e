"""Laws of the designs that are compared with the bundled one: the multi-rate MRX, and the band split without an
overview and with one window."""

import numpy as np
import pytest
import torch
from support.tiny_packs import TINY

from model import SAMPLE_RATE, STEMS
from model.hub.weights import describe, load, save
from model.networks.bandsplit import BandSplit
from model.networks.multirate import HOP, MultiRateMRX, bands_of_bins
from model.streaming.separator import separate

DESIGNS = {
    "multirate": lambda **more: MultiRateMRX(hidden=16, layers=1, **more),
    "one window, an LSTM along frequency": lambda **more: BandSplit(
        **{**TINY, "overview": 0, "windows": (2048,), **more}
    ),
}


@pytest.fixture(params=list(DESIGNS))
def make(request):
    def made(**more):
        torch.manual_seed(0)
        return DESIGNS[request.param](**more).eval()

    return made


def noise(*shape, seed=0, level=0.05):
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("window", [1024, 2048, 8192])
def test_bands_are_a_bin_wide_or_a_part_of_their_frequency(window):
    band = bands_of_bins(window, 24).numpy()
    assert band[0] == 0
    assert set(np.diff(band)) == {0, 1}  # ascending, none left out
    firsts, widths = np.flatnonzero(np.diff(band, prepend=-1)), np.bincount(band)
    assert (widths[:-1] == np.maximum(1, np.ceil(firsts[:-1] / 24))).all()  # the last takes what is left
    assert len(widths) < window / 8 or window == 1024


@pytest.mark.parametrize("samples", [1, 2, 2047, 2048, 2049, 12_345])
def test_output_is_as_long_as_input(make, samples):
    with torch.inference_mode():
        y = make()(noise(2, samples))
    assert y.shape == (2, 3, samples)
    assert y.dtype == torch.float32
    assert torch.isfinite(y).all()


def test_rows_of_the_batch_do_not_hear_one_another(make):
    network, x = make(), noise(3, 20_000)
    x[2] *= 30
    with torch.inference_mode():
        together = network(x)
        for row in range(3):
            alone = network(x[row : row + 1])[0]
            torch.testing.assert_close(together[row], alone, atol=1e-5 * float(x[row].abs().max()), rtol=1e-4)


@pytest.mark.parametrize("stems", [("dialogue",), ("effects", "music")])
@pytest.mark.parametrize("residual", [(0.0, 0.0, 0.0), (0.2, 0.3, 0.5)])
def test_some_stems_are_the_rows_of_all(make, stems, residual):
    network, x = make(residual=residual), noise(1, 9000)
    with torch.inference_mode():
        whole, some = network(x), network(x, stems=stems)
    assert torch.equal(some, whole[:, [STEMS.index(stem) for stem in stems]])
    if any(residual):
        torch.testing.assert_close(whole.sum(1), x, atol=1e-6, rtol=0)


def test_silence_stays_silent(make):
    with torch.inference_mode():
        assert (make()(torch.zeros(1, 10_000)) == 0).all()


def test_gradients_reach_every_parameter(make):
    network = make().train()
    network(noise(2, 12_000)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_an_untrained_network_begins_near_a_third_of_the_mixture(make):
    x = noise(1, 40_000)
    with torch.inference_mode():
        y = make()(x)
    error = (y - x[:, None] / 3).square().sum(-1) / (x / 3).square().sum(-1)
    assert (10 * torch.log10(error) < -3).all()


def test_windows_are_the_whole_file_but_for_what_lstms_remember(make):
    """Every window of a stream lies on the grid of the whole file's transforms, whatever their hops."""
    network = make()
    network.window_seconds, network.context_seconds, network.crossfade_seconds = 2.0, 0.5, 0.1
    x = noise(2, 5 * SAMPLE_RATE + 123)
    with torch.inference_mode():
        whole = network(x).transpose(0, 1).numpy()
    blocks = (x[:, start : start + 7777].numpy() for start in range(0, x.shape[1], 7777))
    pieces = [stems for _, stems in separate(blocks, network, sample_rate=SAMPLE_RATE, channels=2)]
    windows = np.concatenate(pieces, axis=-1)
    assert 10 * np.log10(np.square(windows - whole).sum() / np.square(whole).sum()) < -60


def test_config_and_weights_come_back_from_a_file(make, tmp_path):
    network, path = make(), tmp_path / "tiny.safetensors"
    save(network, path, {"note": "tiny"})
    assert describe(path).config == network.config
    x = noise(1, 6000)
    with torch.inference_mode():
        assert torch.equal(load(path)(x), network(x))
    assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}  # tables can be computed


def test_every_hop_of_the_multirate_network_is_a_multiple_of_the_common_one():
    network = MultiRateMRX(hidden=16, layers=1)
    assert [hop % HOP for hop in network.hops] == [0, 0, 0]
    assert network.hop == max(network.hops) == 2048
