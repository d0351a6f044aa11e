"""Closed forms and laws of the objectives."""

import math

import pytest
import torch

from model.metrics.losses import bounded_snr_loss, si_sdr, snr


def orthogonal(*levels, samples=4000, dtype=torch.float32):
    """Signals [len(levels), samples] with these powers per sample, each orthogonal to the others."""
    t = torch.arange(samples, dtype=torch.float64) * 2 * math.pi / samples
    rows = [math.sqrt(2) * level**0.5 * torch.sin((5 + 3 * n) * t) for n, level in enumerate(levels)]
    return torch.stack(rows).to(dtype)


@pytest.mark.parametrize("decibels", [-20.0, -3.0, 0.0, 7.5, 40.0])
def test_orthogonal_noise_gives_its_own_ratio(decibels):
    target, noise = orthogonal(1.0, 10 ** (-decibels / 10))
    assert snr(target + noise, target).item() == pytest.approx(decibels, abs=1e-2)
    assert si_sdr(target + noise, target).item() == pytest.approx(decibels, abs=1e-2)


@pytest.mark.parametrize("scale", [1e-4, 0.3, -1.0, 50.0])
def test_si_sdr_ignores_the_level_of_both_and_snr_does_not(scale):
    target, noise = orthogonal(1.0, 0.1)
    estimate = target + noise
    assert si_sdr(scale * estimate, target).item() == pytest.approx(10.0, abs=1e-2)
    assert si_sdr(estimate, scale * target).item() == pytest.approx(10.0, abs=1e-2)
    # |s|^2 / |a (s + n) - s|^2 by hand
    wanted = 10 * math.log10(1 / ((scale - 1) ** 2 + scale**2 * 0.1))
    assert snr(scale * estimate, target).item() == pytest.approx(wanted, abs=1e-2)


def test_snr_of_both_scaled_alike_stays():
    target, noise = orthogonal(1.0, 0.1)
    assert snr(20 * (target + noise), 20 * target).item() == pytest.approx(10.0, abs=1e-3)


def test_si_sdr_does_not_take_means_away():
    target = orthogonal(1.0)[0] + 1.0  # half of its power is its mean
    estimate = target - 1.0
    # the projection has cos^2 = 1/2 of the power
    assert si_sdr(estimate, target).item() == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("level", [1.0, 1e-3])
def test_silence_is_no_estimate(level):
    target = level * orthogonal(1.0)[0]
    assert si_sdr(torch.zeros_like(target), target).item() == pytest.approx(-80.0, abs=1e-2)
    assert si_sdr(target, torch.zeros_like(target)).item() == pytest.approx(-80.0, abs=1e-2)
    assert snr(torch.zeros_like(target), target).item() == pytest.approx(0.0, abs=1e-2)


def test_figures_stay_finite_and_within_eighty_decibels():
    target, noise = orthogonal(1.0, 1.0)
    for estimate in (target, 3 * target, noise, torch.zeros_like(target), -target):
        assert abs(si_sdr(estimate, target).item()) <= 80.01
    assert si_sdr(2 * target, target).item() > 79
    assert si_sdr(noise, target).item() < -50
    assert torch.isfinite(snr(target, target))


@pytest.mark.parametrize("figure", [snr, si_sdr])
def test_every_row_is_judged_by_itself(figure):
    generator = torch.Generator().manual_seed(0)
    estimate, target = torch.randn(2, 3, 4, 500, generator=generator)
    together = figure(estimate, target)
    assert together.shape == (3, 4)
    for i in range(3):
        for j in range(4):
            torch.testing.assert_close(together[i, j], figure(estimate[i, j], target[i, j]))


def test_bounded_loss_by_hand():
    music, speech, error = orthogonal(3.0, 1.0, 0.5)
    mixture = music + speech  # power 4
    loss = bounded_snr_loss((speech + error)[None], speech[None], mixture, floor=0.01)
    assert loss.shape == (1,)
    assert loss.item() == pytest.approx(10 * math.log10((0.5 + 0.04) / (1 + 0.04)), abs=1e-3)


@pytest.mark.parametrize("floor", [0.001, 0.01, 0.1])
def test_bounds_of_the_bounded_loss(floor):
    generator = torch.Generator().manual_seed(1)
    stems = torch.randn(5, 3, 1000, generator=generator) * torch.tensor([1.0, 0.1, 0.0])[:, None]
    mixture = stems.sum(1)
    # silence costs nothing and gains nothing, on any stem
    torch.testing.assert_close(bounded_snr_loss(torch.zeros_like(stems), stems, mixture, floor), torch.zeros(5, 3))
    # a perfect estimate has the least loss that there is
    best = bounded_snr_loss(stems, stems, mixture, floor)
    power, whole = stems.square().sum(-1), mixture.square().sum(-1, keepdim=True)
    torch.testing.assert_close(best, -10 * torch.log10(power / (floor * whole) + 1), atol=1e-3, rtol=1e-3)
    assert (best[:, 2] == 0).all()  # on a silent stem silence is perfect
    for worse in (stems * 1.1, stems + 0.1 * mixture[:, None], stems.flip(1)):
        assert (bounded_snr_loss(worse, stems, mixture, floor) >= best).all()
    # the mixture itself in the place of a silent stem: (1 + floor) / floor
    leak = bounded_snr_loss(mixture[:, None].expand_as(stems), stems, mixture, floor)[:, 2]
    torch.testing.assert_close(leak, torch.full((5,), 10 * math.log10((1 + floor) / floor)), atol=1e-3, rtol=1e-3)


def test_bounded_loss_does_not_depend_on_the_level_of_the_scene():
    generator = torch.Generator().manual_seed(2)
    stems, estimates = torch.randn(2, 4, 3, 2000, generator=generator)
    loss = bounded_snr_loss(estimates, stems, stems.sum(1))
    torch.testing.assert_close(bounded_snr_loss(0.05 * estimates, 0.05 * stems, 0.05 * stems.sum(1)), loss)


def test_without_a_floor_the_bounded_loss_is_the_negative_snr():
    generator = torch.Generator().manual_seed(3)
    stems, estimates = torch.randn(2, 2, 3, 1000, generator=generator)
    torch.testing.assert_close(bounded_snr_loss(estimates, stems, stems.sum(1), floor=0.0), -snr(estimates, stems))


def test_gradients_are_finite_even_in_silence():
    stems = torch.zeros(1, 3, 100)
    stems[0, 0] = torch.linspace(-1, 1, 100)
    for start in (torch.zeros(1, 3, 100), stems.clone()):
        estimate = start.requires_grad_()
        bounded_snr_loss(estimate, stems, stems.sum(1)).sum().backward()
        assert torch.isfinite(estimate.grad).all()
    silent = torch.zeros(1, 3, 100, requires_grad=True)
    bounded_snr_loss(silent, torch.zeros(1, 3, 100), torch.zeros(1, 100)).sum().backward()
    assert torch.isfinite(silent.grad).all()


# Against torchmetrics, whose SI-SDR and SNR are others' reading of the same definitions


@pytest.mark.parametrize("level", [1.0, 0.03, 20.0])
@pytest.mark.parametrize("noise", [0.02, 0.5, 3.0])
def test_the_figures_are_those_of_torchmetrics(level, noise):
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio, signal_noise_ratio

    generator = torch.Generator().manual_seed(4)
    target = level * (torch.randn(2, 3, 8000, generator=generator) + 0.3).double()  # with a mean, which must stay
    estimate = 0.7 * target + level * noise * torch.randn(2, 3, 8000, generator=generator)
    torch.testing.assert_close(snr(estimate, target), signal_noise_ratio(estimate, target), atol=1e-3, rtol=0)
    wanted = scale_invariant_signal_distortion_ratio(estimate, target)
    torch.testing.assert_close(si_sdr(estimate, target), wanted, atol=1e-3, rtol=0)
