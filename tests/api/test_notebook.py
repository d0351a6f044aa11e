"""The notebook of the examples runs as it is written, with a network that is there at once."""

from __future__ import annotations

import json

import pytest
from support.commands import ROOT, echo_network

from cfork_cli.flows import network as networks


def test_the_cells_run_one_after_the_other(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    network = echo_network()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    monkeypatch.chdir(ROOT / "examples")
    cells = json.loads((ROOT / "examples" / "levels.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert capsys.readouterr().out.endswith("['English, stereo', 'Kommentar, Deutsch, mono']\n")
