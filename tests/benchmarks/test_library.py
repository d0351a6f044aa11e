"""The figures of docs/scale.md follow from what was measured and assumed."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest
from support.commands import ROOT


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import library

    return library


def test_the_page_has_the_figures_of_the_script(library: ModuleType) -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    text = library.page(library.Assumed(), library.measured())
    assert page == library.written(page, text), "docs/scale.md has old figures: python benchmarks/library.py --write"


def test_figures_follow_from_their_inputs(library: ModuleType) -> None:
    """With round numbers that are easy to follow by hand."""
    assumed = library.Assumed(
        films=1000, minutes=60.0, film_mbit=8.0, sound_kbit=800.0, core_hour=0.5, spot_core_hour=0.25, tb_month=10.0,
        tb_out=100.0, losses_an_hour=0.1, cores=100,
    )  # fmt: skip
    measured = library.Measured(0.1, 0.2, 0.04, 50.0, 100.0, 200.0, 20.0, 2)
    text = library.page(assumed, measured)
    assert "| 0.100 CPU s | 100 core hours | 100 core hours |" in text  # 1,000 hours
    assert "| 3.00 MB | 10.8 TB | 0.01 PB |" in text
    assert "100 cores do the stereo library in 1.0 hours" in text
    assert "3.00 MB / 0.100 s = 30 MB a second, 100 cores 3 GB a second" in text
    assert "leaves 30 % of the traffic away" in text  # 2.1 MB of 3
    assert "together 40 times" in text  # 1 / (1/50 + 1/200)
    assert "40 x 0.060 = 2.4 cores" in text
    assert "two hours then take 3.0 minutes" in text
    assert "take over 60 % of the work; 40 %" in text
    assert "A film takes a core 6.0 minutes" in text
    assert "1.0 % of the films are interrupted, half done on average: 0.5 %" in text
    assert "| 50.00 | 25.00 | 36.00 | 360 |" in text
    assert "| 100.00 | 50.00 | 36.00 | 360 |" in text
    assert "| 50.00 | 25.00 | 3.60 | 360 |" in text
    assert library.page(replace(assumed, core_hour=1.0), measured) != text
