"""After sharing, the stems sum to the mixture; that is the whole law, and who takes how much is the rest."""

import numpy as np
import pytest

from model.streaming.consistency import share_residual


def sounds(seed=0, channels=2, samples=500):
    rng = np.random.default_rng(seed)
    mixture = rng.standard_normal((channels, samples)).astype(np.float32)
    return mixture, rng.standard_normal((3, channels, samples)).astype(np.float32)


@pytest.mark.parametrize("by", ["equal", "power"])
@pytest.mark.parametrize("among", [None, [0, 2], [1]])
@pytest.mark.parametrize("level", [1e-6, 1.0, 1e3])
def test_stems_sum_to_the_mixture(by, among, level):
    mixture, stems = sounds()
    mixture, stems = mixture * np.float32(level), stems * np.float32(level)
    shared = share_residual(mixture, stems, by=by, among=among)
    assert shared.dtype == np.float32
    # Each stem is rounded once to float32: half a unit in the last place of a stem each.
    rounding = 3 * np.abs(shared).max() * np.finfo(np.float32).eps / 2
    np.testing.assert_allclose(shared.astype(np.float64).sum(axis=0), mixture, atol=rounding, rtol=0)


def test_small_integers_sum_exactly():
    mixture = np.full((1, 4), 6, np.float32)
    stems = np.array([1, 2, 0], np.float32).reshape(3, 1, 1).repeat(4, axis=2)
    assert share_residual(mixture, stems)[:, 0, 0].tolist() == [2, 3, 1]
    assert (share_residual(mixture, stems).sum(axis=0) == mixture).all()


def test_consistent_stems_stay():
    _, stems = sounds()
    np.testing.assert_allclose(share_residual(stems.sum(axis=0), stems), stems, atol=1e-6)


def test_power_goes_to_the_loud():
    mixture, stems = sounds()
    stems[1] = 0
    stems[2] *= 2
    shared = share_residual(mixture, stems, by="power")
    assert not shared[1].any()
    change = ((shared - stems) ** 2).mean(axis=(1, 2))
    assert 10 < change[2] / change[0] < 22  # four times the power, four times the share, sixteen times its square


def test_silent_stems_share_alike_by_power():
    mixture, stems = sounds()
    shared = share_residual(mixture, np.zeros_like(stems), by="power", among=[0, 2])
    np.testing.assert_allclose(shared, np.stack([mixture / 2, 0 * mixture, mixture / 2]), atol=1e-6)


def test_channels_share_by_their_own_power():
    mixture, stems = sounds()
    stems[0, 0] = 0
    stems[1:, 1] = 0
    shared = share_residual(mixture, stems, by="power")
    assert not shared[0, 0].any()
    np.testing.assert_allclose(shared[0, 1], mixture[1], atol=1e-6)


def test_who_does_not_share_stays():
    mixture, stems = sounds()
    shared = share_residual(mixture, stems, among=[0, 2])
    assert (shared[1] == stems[1]).all()


def test_arguments_are_left_alone():
    mixture, stems = sounds()
    before = mixture.copy(), stems.copy()
    share_residual(mixture, stems, by="power")
    assert (mixture == before[0]).all()
    assert (stems == before[1]).all()


def test_no_samples():
    assert share_residual(np.zeros((2, 0), np.float32), np.zeros((3, 2, 0), np.float32)).shape == (3, 2, 0)


def test_nonsense_is_refused():
    mixture, stems = sounds()
    with pytest.raises(ValueError, match="do not fit"):
        share_residual(mixture[:1], stems)
    with pytest.raises(ValueError, match="at least one"):
        share_residual(mixture, stems, among=[])
    with pytest.raises(ValueError, match="not 'loud'"):
        share_residual(mixture, stems, by="loud")
