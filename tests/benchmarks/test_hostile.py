"""The table of docs/promises.md is that of the results, and no input is left out."""

from __future__ import annotations

import json
from types import ModuleType

import pytest
from support.commands import ROOT


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import hostile

    return hostile


def test_the_page_has_what_was_measured(hostile: ModuleType) -> None:
    page = hostile.PAGE.read_text(encoding="utf-8")
    assert page == hostile.written(page), "docs/promises.md has old figures: python benchmarks/hostile.py --write"
    measured = json.loads(hostile.RESULTS.read_text(encoding="utf-8"))
    assert {name: tuple(runs) for name, runs in measured.items()} == {
        name: commands for name, (_, commands) in hostile.INPUTS.items()
    }
