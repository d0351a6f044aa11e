"""A stretch for a player: the film's end, a wish that was given up and missing memory are told apart from faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cfork_cli.errors import CforkError, Interrupted
from cfork_cli.flows.excerpts import separated
from model.streaming.batches import Cancelled
from model.streaming.excerpts import EndsBefore


class Failing:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def separate(self, stretch: Any, sound: np.ndarray) -> Any:
        if self.error is not None:
            raise self.error
        return stretch, sound


def ask(error: BaseException | None, device: str = "cpu") -> Any:
    excerpts: Any = Failing(error)
    stretch: Any = "stretch"
    return separated(excerpts, stretch, np.zeros((1, 1)), device)


def test_what_comes_is_given_and_an_end_is_none() -> None:
    assert ask(None)[0] == "stretch"
    assert ask(EndsBefore("it ends")) is None


@pytest.mark.parametrize("error", [Cancelled(), SystemExit()])
def test_what_was_given_up_is_interrupted(error: BaseException) -> None:
    with pytest.raises(Interrupted):
        ask(error)


@pytest.mark.parametrize("error", [ValueError("shapes differ"), RuntimeError("shapes differ"), KeyError("id")])
def test_a_fault_is_not_the_end_of_the_film(error: Exception) -> None:
    with pytest.raises(type(error)):
        ask(error)


def test_missing_memory_is_told_with_the_device() -> None:
    for error in (MemoryError(), RuntimeError("CUDA error: out of memory")):
        with pytest.raises(CforkError, match="--device cpu"):
            ask(error, "cuda")
