"""The faults that are put into modules: each is one, each module still is a program, and texts stay."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCE = '''
"""A module."""
from __future__ import annotations
LEAST = 3

def one(values: list[int], least: int = 2) -> bool | None:
    """Return something."""
    if not values or values[0] < least:
        raise ValueError("few")
    total = sum(value for value in values if value % 2) + LEAST
    total -= 1
    return total > -5 and max(values) is not None
'''


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    monkeypatch.delitem(sys.modules, "mutants", raising=False)
    import mutants

    return mutants


def test_each_fault_is_another_program_with_the_same_texts(mutants: Any) -> None:
    tree = ast.parse(SOURCE)
    sound = ast.unparse(tree)
    found = mutants.faults(tree)
    assert ast.unparse(tree) == sound  # the module itself is not touched
    programs = [ast.unparse(changed) for _, _, changed in found]
    assert sound not in programs
    assert len(set(programs)) == len(programs)
    for program in programs:
        compile(program, "module", "exec")
        assert '"""Return something."""' in program
        assert "list[int]" in program
    kinds = {what.partition(" at ")[0] for _, what, _ in found}
    assert {
        "Lt -> LtE", "Or -> And", "And -> Or", "Mod -> Mult", "Add -> Sub", "Sub -> Add", "Gt -> GtE", "IsNot -> Is",
        "0 -> 1", "2 -> 3", "minus left out", "max -> min", "condition turned round", "filter left out", "left out",
        "nothing returned",
    } <= kinds  # fmt: skip


def test_what_imports_a_module_is_imported_again(mutants: Any) -> None:
    import cfork_cli.flows.render  # noqa: F401  (and by it all that it is made of)

    stale = mutants._stale("cfork_cli.output.sink")
    assert {"cfork_cli.output.sink", "cfork_cli.flows.render"} <= stale
    assert "cfork_cli.errors" not in stale
