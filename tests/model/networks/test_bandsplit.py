"""Laws of the bundled network: bands, shapes, independence of rows, reconstruction, and its way through a stream."""

import copy

import numpy as np
import pytest
import torch
from support.tiny_packs import TINY

from model import SAMPLE_RATE, STEMS
from model.hub.weights import describe, load, save
from model.networks.bandsplit import COARSE_LIMIT_HZ, HOP, WINDOWS, BandLinear, BandSplit, band_edges, bins_of_bands
from model.streaming.separator import separate
from model.streaming.windows import make_grid

LIMITS = (SAMPLE_RATE / 2, COARSE_LIMIT_HZ)


def tiny(**changes):
    torch.manual_seed(0)
    return BandSplit(**{**TINY, **changes}).eval()


@pytest.fixture(scope="module")
def network():
    return tiny()


def noise(*shape, seed=0, level=0.05):
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def passing(first, second):
    """A network whose masks are constants: `first` in resolution 0, `second` in resolution 1, for every stem."""
    made = tiny()
    with torch.no_grad():
        for decoder in made.decoders.values():
            decoder.outer.weight.zero_()
            decoder.outer.bias.zero_()
            decoder.outer.bias[..., 0 : decoder.sizes[0] : 2] = first
            decoder.outer.bias[..., decoder.sizes[0] :: 2] = second
    return made


# Bands


@pytest.mark.parametrize("arguments", [(), (50.0, 12.0, 2000.0), (200.0, 4.0, 800.0)])
def test_bands_cover_the_spectrum_and_widen(arguments):
    edges = np.array(band_edges(*arguments))
    widths = np.diff(edges)
    assert edges[0] == 0
    assert edges[-1] == SAMPLE_RATE / 2
    assert (widths > 0).all()
    assert (np.diff(widths[:-1]) >= -1e-9).all()  # the last takes what is left
    narrowest, _, widest = arguments or (86.2, 8.0, 1400.0)
    assert widths[:-1].min() >= narrowest - 1e-9
    assert widths.max() < 1.5 * widest + 1e-9


@pytest.mark.parametrize("arguments", [(), (50.0, 12.0, 2000.0)])
@pytest.mark.parametrize(("window", "limit_hz"), [*zip(WINDOWS, LIMITS, strict=True), (512, SAMPLE_RATE / 2)])
def test_every_bin_belongs_to_one_band_and_comes_back_to_its_place(window, limit_hz, arguments):
    edges = band_edges(*arguments)
    gather, scatter, bins = bins_of_bands(edges, window, limit_hz)
    members = gather[gather < bins]
    assert sorted(members.tolist()) == list(range(bins))
    assert torch.equal(gather.flatten()[scatter], torch.arange(bins))
    step = SAMPLE_RATE / window
    assert bins == (window // 2 + 1 if limit_hz == SAMPLE_RATE / 2 else int(limit_hz / step))
    for band, row in enumerate(gather):
        hz = (row[row < bins].double() + 0.5) * step
        assert (hz >= edges[band]).all()
        assert (hz < edges[band + 1]).all() or band == len(gather) - 1
    # values: scattering what was gathered gives the spectrum back
    spectrum = noise(3, 7, bins)
    padded = torch.nn.functional.pad(spectrum, (0, 1))
    assert torch.equal(padded[..., gather].flatten(-2)[..., scatter], spectrum)


def test_no_band_of_the_short_window_is_empty():
    gather, _, bins = bins_of_bands(band_edges(), WINDOWS[0], SAMPLE_RATE / 2)
    assert ((gather < bins).sum(1) >= 4).all()


def test_band_linear_is_a_linear_layer_for_each_band():
    torch.manual_seed(0)
    layer = BandLinear(5, 3, 4)
    with torch.no_grad():
        layer.bias.uniform_()
    x = noise(2, 7, 5, 3, level=1.0)
    y = layer(x)
    for band in range(5):
        expected = x[:, :, band] @ layer.weight[band] + layer.bias[band]
        torch.testing.assert_close(y[:, :, band], expected)


# Shapes and rows


@pytest.mark.parametrize("samples", [1, 2, 511, 1023, 1024, 1025, 2048, 4097, 8192, 12_345])
def test_output_is_as_long_as_input(network, samples):
    with torch.inference_mode():
        y = network(noise(2, samples))
    assert y.shape == (2, 3, samples)
    assert y.dtype == torch.float32
    assert torch.isfinite(y).all()


def test_rows_of_the_batch_do_not_hear_one_another(network):
    x = noise(3, 20_000)
    x[2] *= 30
    with torch.inference_mode():
        together = network(x)
        for row in range(3):
            alone = network(x[row : row + 1])[0]
            torch.testing.assert_close(together[row], alone, atol=1e-5 * float(x[row].abs().max()), rtol=1e-4)


@pytest.mark.parametrize("stems", [("dialogue",), ("effects", "music"), ("music", "effects"), STEMS])
def test_some_stems_are_the_rows_of_all(network, stems):
    x = noise(1, 9000)
    with torch.inference_mode():
        whole, some = network(x), network(x, stems=stems)
    assert some.shape == (1, len(stems), 9000)
    assert torch.equal(some, whole[:, [STEMS.index(stem) for stem in stems]])


def test_stems_that_are_not_wanted_cost_nothing(network):
    called = []
    handles = [
        decoder.register_forward_hook(lambda *_, stem=stem: called.append(stem))
        for stem, decoder in network.decoders.items()
    ]
    with torch.inference_mode():
        network(noise(1, 3000), stems=("effects",))
    for handle in handles:
        handle.remove()
    assert called == ["effects"]


@pytest.mark.parametrize(
    ("residual", "weights", "expected"),
    [
        ((0.0, 0.0, 0.0), {"effects": 0.5, "music": 0.0}, ["effects"]),
        ((0.4, 0.1, 0.5), {"effects": 0.5}, list(STEMS)),  # what is left depends on all masks
        (
            (0.0, 0.0, 1.0),
            {"effects": 0.5},
            ["music", "dialogue"],
        ),  # all that the others leave: its own mask is not asked
        ((0.4, 0.1, 0.5), dict.fromkeys(STEMS, 1.0), []),  # the sum of all stems is the mixture
    ],
)
def test_a_mix_decodes_only_what_contributes(residual, weights, expected):
    made, called = tiny(residual=residual), []
    for stem, decoder in made.decoders.items():
        decoder.register_forward_hook(lambda *_, stem=stem: called.append(stem))
    with torch.inference_mode():
        made.mix(noise(1, 3000), weights)
    assert called == expected


def test_input_is_not_changed(network):
    x = noise(2, 5000)
    before = x.clone()
    with torch.inference_mode():
        network(x)
    assert torch.equal(x, before)


def test_silence_stays_silent(network):
    with torch.inference_mode():
        assert (network(torch.zeros(1, 10_000)) == 0).all()


def test_gradients_reach_every_parameter():
    made = tiny(layers=2).train()
    made(noise(2, 12_000)).square().mean().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


# Transforms


def test_a_third_of_every_bin_is_a_third_of_the_sound():
    x = noise(2, 30_001)
    with torch.inference_mode():
        y = passing(1 / 3, 0)(x)
    for stem in range(3):
        torch.testing.assert_close(y[:, stem], x / 3, atol=1e-6, rtol=0)


def test_the_long_window_holds_what_is_below_its_limit():
    """With a mask of one in the long window alone, low tones pass and high ones do not."""
    t = torch.arange(40_000) / SAMPLE_RATE
    made = passing(0, 1)
    for hz, gain in ((200.0, 1.0), (1500.0, 1.0), (4000.0, 0.0), (12_000.0, 0.0)):
        x = 0.1 * torch.sin(2 * np.pi * hz * t)[None]
        with torch.inference_mode():
            y = made(x)[0, 0]
        middle = slice(10_000, 30_000)
        torch.testing.assert_close(y[middle], gain * x[0, middle], atol=1e-3, rtol=0)


def test_resolutions_add_up():
    x = noise(1, 20_000)
    with torch.inference_mode():
        both, short, long = (passing(*masks)(x) for masks in ((0.5, 0.25), (0.5, 0), (0, 0.25)))
    torch.testing.assert_close(both, short + long, atol=1e-6, rtol=0)


def test_an_untrained_network_begins_near_a_third_of_the_mixture():
    torch.manual_seed(0)
    x = noise(1, 40_000)
    with torch.inference_mode():
        y = BandSplit(layers=1).eval()(x)
    error = (y - x[:, None] / 3).square().sum(-1) / (x / 3).square().sum(-1)
    assert (10 * torch.log10(error) < -3).all()


# What no mask claims


@pytest.mark.parametrize("part", [0.25, 1.0])
def test_effects_take_their_part_of_what_no_mask_claims(network, part):
    made = tiny(residual=(0.0, 0.0, part))
    x = noise(2, 9000)
    with torch.inference_mode():
        plain, shared = network(x), made(x)
        assert torch.equal(shared[:, :2], plain[:, :2])  # music and dialogue stay as they are
        wanted = plain[:, 2] + part * (x - plain.sum(1))
        torch.testing.assert_close(shared[:, 2], wanted, atol=1e-7, rtol=1e-5)
        for stems in (("effects",), ("dialogue", "effects"), ("music",)):
            assert torch.equal(made(x, stems=stems), shared[:, [STEMS.index(stem) for stem in stems]])
    if part == 1:
        torch.testing.assert_close(shared.sum(1), x, atol=1e-6, rtol=0)


# Streams and files


def test_facts_that_the_separator_asks_for(network):
    assert network.stems == STEMS
    assert network.sample_rate == SAMPLE_RATE
    assert network.hop == HOP
    grid = make_grid(
        network.window_seconds,
        network.context_seconds,
        network.crossfade_seconds,
        sample_rate=network.sample_rate,
        hop=network.hop,
    )
    assert grid.window % HOP == grid.context % HOP == grid.crossfade % HOP == 0
    assert grid.context >= max(WINDOWS) // 2  # or the transforms at a window's edge would hear its end


def windowed(made, x):
    """[S, C, T] through the separator, in blocks of odd sizes."""
    blocks = (x[:, start : start + 7777] for start in range(0, x.shape[1], 7777))
    pieces = [stems for _, stems in separate(blocks, made, sample_rate=SAMPLE_RATE, channels=x.shape[0])]
    return np.concatenate(pieces, axis=-1)


def windowed_and_whole(made):
    made.window_seconds, made.context_seconds, made.crossfade_seconds = 2.0, 0.5, 0.1
    x = noise(2, 7 * SAMPLE_RATE + 123)
    with torch.inference_mode():
        whole = made(x).transpose(0, 1).numpy()
    return windowed(made, x.numpy()), whole


def test_windows_are_exact_where_nothing_is_recurrent():
    """The windows lie on the grid of the whole file's transforms: constant masks give equal samples."""
    windows, whole = windowed_and_whole(passing(0.4, 0.2))
    np.testing.assert_allclose(windows, whole, atol=1e-6)


def test_windows_are_the_whole_file_but_for_what_lstms_remember():
    """An LSTM that forgets within the context of half a second: the difference is at least 60 dB down."""
    windows, whole = windowed_and_whole(tiny())
    assert windows.shape == whole.shape
    error = 10 * np.log10(np.square(windows - whole).sum() / np.square(whole).sum())
    assert error < -60


def test_config_and_weights_come_back_from_a_file(tmp_path):
    made = tiny(overview=12)
    path = tmp_path / "tiny.safetensors"
    save(made, path, {"note": "tiny"})
    assert describe(path).architecture == "bandsplit"
    assert describe(path).config == made.config == {**BandSplit().config, **TINY, "overview": 12}
    again = load(path)
    assert isinstance(again, BandSplit)
    x = noise(1, 6000)
    with torch.inference_mode():
        assert torch.equal(again(x), made(x))


def test_every_layer_has_its_own_overview(tmp_path):
    made = tiny(layers=3, overview=[8, 0, 12])
    assert [layer.has_overview for layer in made.layers] == [True, False, True]
    assert [layer.overview.input_size for layer in made.layers if layer.has_overview] == [8, 12]
    save(made, tmp_path / "tiny.safetensors", {})
    assert load(tmp_path / "tiny.safetensors").config == made.config
    with pytest.raises(ValueError, match="3 layers take 3 overviews, not 2"):
        tiny(layers=3, overview=[8, 0])


@pytest.mark.parametrize("overview", [8, 0])
def test_a_layer_can_begin_as_the_identity(overview):
    made = tiny(overview=overview)
    x = noise(5, 2, 39, TINY["width"], level=1.0)
    with torch.inference_mode():
        assert not torch.equal(made.layers[0](x), x)
        made.layers[0].begin_as_identity()
        assert torch.equal(made.layers[0](x), x)


def test_a_layer_that_begins_as_the_identity_learns():
    """What it adds is nothing, but the way there has gradients."""
    made = tiny()
    made.layers[0].begin_as_identity()
    made(noise(1, 9000)).square().mean().backward()
    assert made.layers[0].time_out.weight.grad.abs().sum() > 0


def test_tables_are_not_part_of_the_weights():
    """Windows and tables of bins can always be computed; a file need not carry them."""
    made = tiny()
    assert set(made.state_dict()) == {name for name, _ in made.named_parameters()}


def test_half_precision_matrices_change_little(tmp_path):
    made = tiny()
    save(made, tmp_path / "half.safetensors", {}, half=True)
    x = noise(1, 30_000)
    with torch.inference_mode():
        whole, half = made(x), load(tmp_path / "half.safetensors")(x)
    assert 10 * torch.log10((half - whole).square().sum() / whole.square().sum()) < -50


def test_the_network_can_be_copied():
    made = tiny()
    x = noise(1, 3000)
    with torch.inference_mode():
        assert torch.equal(copy.deepcopy(made)(x), made(x))
