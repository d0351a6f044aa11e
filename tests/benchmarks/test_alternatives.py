"""The parts of networks that benchmarks/alternatives.py measures are the networks' own."""

import sys
from pathlib import Path

import pytest
import torch
from support.tiny_packs import TINY

from model.networks.bandsplit import BandSplit
from model.networks.mrx import MRX

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def core_of(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from alternatives_ways import core_of

    yield core_of
    sys.modules.pop("alternatives_ways")


@pytest.mark.parametrize("overview", [8, 0])
def test_the_core_of_a_band_split_makes_its_masks(core_of, overview):
    torch.manual_seed(0)
    network = BandSplit(**{**TINY, "overview": overview}).eval()
    with torch.inference_mode():
        spectra = network.spectra(0.1 * torch.randn(2, 9 * 1024))
        masks = core_of(network)(network.features(spectra))
        expected = [mask for stem in network.stems for mask in network.decoders[stem](network.hear(spectra))]
    assert len(masks) == len(expected) == 6
    for mask, one in zip(masks, expected, strict=True):
        torch.testing.assert_close(mask, one)


def test_the_core_of_mrx_has_a_mask_for_each_stem_and_resolution(core_of):
    network = MRX(windows=(64, 128), hop=32, hidden=8, layers=1).eval()
    with torch.inference_mode():
        masks = core_of(network)(torch.rand(2, 5, 33), torch.rand(2, 5, 65))
    assert [mask.shape[-1] for mask in masks] == [33, 65] * 3
