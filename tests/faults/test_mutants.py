"""Damage is damage, and the same for the same seed; the campaign has a film of every kind that the corpus has."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from corpus.films import CASES
from faults import seeds
from faults.campaign import KINDS, schedule
from faults.mutants import MUTATORS, Mutator, mutated

DATA = bytes(range(256)) * 8 + b"moov" + b"123" * 100


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda one: one.__name__)
def test_a_mutant_is_another_one_and_made_again_by_its_seed(mutator: Mutator) -> None:
    made = [mutator(DATA, random.Random(seed)) for seed in range(20)]
    assert made == [mutator(DATA, random.Random(seed)) for seed in range(20)]
    assert sum(one != DATA for one in made) >= 18
    assert len(set(made)) >= 10


@pytest.mark.parametrize("data", [b"", b"a", b"ab" * 5])
def test_the_smallest_files_can_be_damaged(data: bytes) -> None:
    for seed in range(200):
        mutated(data, random.Random(seed), MUTATORS)


def test_the_campaign_has_every_kind_of_file_of_the_corpus() -> None:
    assert {Path(case.name).suffix for case in CASES} <= {Path(name).suffix for name in seeds.FILMS}


def test_trials_come_in_the_same_order_with_every_kind() -> None:
    first, again = (schedule(3, None, None) for _ in range(2))
    some = [next(first) for _ in range(1500)]
    assert some == [next(again) for _ in some]
    assert {kind for kind, _ in some} >= set(KINDS)
    assert len(set(some)) == len(some)
