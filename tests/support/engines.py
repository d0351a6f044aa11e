"""Many films in this process, with a network that is there at once."""

from __future__ import annotations

import pytest
from support.commands import echo_network

from cfork_cli.batch.engine import Here
from cfork_cli.flows import network as networks


class InThisProcess(Here):
    """Stands in for workers."""

    def __init__(self, threads: int | None = None) -> None:
        super().__init__()

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        return


def use_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands for many films do them here."""
    network = echo_network()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    monkeypatch.setattr(networks, "_kept", {})
    monkeypatch.setattr("cfork_cli.batch.engine.Workers", InThisProcess)
