"""A batch that is computed by itself, elsewhere, is the batch that would have been computed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cfork_cli.flows import one_batch
from cfork_cli.flows.separator import Asked
from model.stems import STEMS


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_batch, "_kept", {})


def test_weights_sum_what_the_stems_are_and_the_gain_is_divided_out(tiny_model: Path) -> None:
    stems = Asked(str(tiny_model), "float32", "cpu", STEMS, None, 1.0)
    sequences = [np.random.default_rng(seed).standard_normal(12_000).astype(np.float32) * 0.1 for seed in (0, 1)]
    each = one_batch.compute(stems, sequences)
    assert each.shape == (2, len(STEMS), 12_000)
    alone = one_batch.compute(stems, sequences[1:])
    np.testing.assert_allclose(alone[0], each[1], atol=1e-5)
    assert list(one_batch._kept) == [stems]
    opened = one_batch._kept[stems]
    one_batch.compute(stems, sequences[:1])
    assert one_batch._kept[stems] is opened  # loaded once

    weighted = Asked(str(tiny_model), "float32", "cpu", STEMS, (0.5, 1.0, -2.0), 1.0)
    (found,) = one_batch.compute(weighted, sequences[:1])
    np.testing.assert_allclose(found, np.tensordot(weighted.weights or (), each[0], 1)[None], atol=1e-5)
    assert list(one_batch._kept) == [weighted]  # and only the last is kept
