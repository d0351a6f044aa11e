"""Do the tests notice when a module is wrong? Small faults are put into it, one at a time, and tests are run.

python benchmarks/mutants.py cfork_cli/flows/render.py --tests tests/flows/test_render.py tests/flows/test_losses.py

A fault is a compared pair that is compared otherwise, an operator or a condition turned round, a number or a truth that
is another, a statement left out; texts stay as they are. No file changes: a child of this process imports the changed
module in its place. What runs in processes of its own (workers, commands) has the module as it is, so tests of those
notice nothing here. The module's own doctests run first, then the tests that are named, in that order, until one fails.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
OURS = {"cfork", "cfork_cli", "model", "support"}

COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
Change = Callable[[ast.AST], None]


def faults(tree: ast.Module) -> list[tuple[int, str, ast.Module]]:
    """Return every fault: the line, what it is, and the module that has it."""
    found = []
    for place, node in enumerate(_nodes(tree)):
        for name, change in _changes(node):
            other = copy.deepcopy(tree)
            change(_nodes(other)[place])
            found.append((getattr(node, "lineno", 0), name, ast.fix_missing_locations(other)))
    return found


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """Return all nodes that run; annotations, decorators and what is only for type checkers do not."""
    found: list[ast.AST] = []

    def visit(node: ast.AST) -> None:
        found.append(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child)

    visit(tree)
    return found


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.Compare):
        for place, one in enumerate(node.ops):
            other = COMPARED[type(one)]
            yield f"{type(one).__name__} -> {other.__name__}", lambda n, p=place, o=other: n.ops.__setitem__(p, o())
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in COMPUTED:
        other_op = COMPUTED[type(node.op)]
        yield f"{type(node.op).__name__} -> {other_op.__name__}", lambda n, o=other_op: setattr(n, "op", o())
    elif isinstance(node, ast.BoolOp):
        turned = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{type(node.op).__name__} -> {turned.__name__}", lambda n: setattr(n, "op", turned())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        plain = ast.Constant(True) if isinstance(node.op, ast.Not) else None
        if plain is None:
            yield "minus left out", lambda n: setattr(n, "op", ast.UAdd())
    elif isinstance(node, ast.Constant) and type(node.value) in (bool, int, float):
        was = node.value
        value = (not was) if isinstance(was, bool) else was + 1
        yield f"{was!r} -> {value!r}", lambda n: setattr(n, "value", value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLED:
        called = CALLED[node.func.id]
        yield f"{node.func.id} -> {called}", lambda n: setattr(n.func, "id", called)
    if isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield "condition turned round", lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
    if isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            yield "filter left out", lambda n, p=place: n.ifs.pop(p)
    for name in ("body", "orelse", "finalbody"):
        statements = getattr(node, name, None)
        if isinstance(statements, list):
            for place, one in enumerate(statements):
                if _runs(one):
                    text = ast.unparse(one).splitlines()[0][:70]
                    yield f"left out at {one.lineno}: {text}", _without(name, place)
                elif isinstance(one, ast.Return) and one.value is not None and not _is_none(one.value):
                    yield f"nothing returned at {one.lineno}", _nothing_returned(name, place)


def _runs(one: ast.stmt) -> bool:
    if isinstance(one, ast.Expr):
        return not isinstance(one.value, ast.Constant)  # docstrings
    return isinstance(one, (ast.Assign, ast.AugAssign, ast.Raise, ast.Delete, ast.Continue, ast.Break)) or (
        isinstance(one, ast.Return) and one.value is None
    )


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _without(name: str, place: int) -> Change:
    return lambda node: getattr(node, name).__setitem__(place, ast.Pass())


def _nothing_returned(name: str, place: int) -> Change:
    return lambda node: getattr(node, name).__setitem__(place, ast.Return(ast.Constant(None)))


class _InPlaceOf(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a module from a tree, in place of its file."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)


def tried(
    name: str, path: Path, tree: ast.Module, tests: list[str], stale: set[str], limit: float
) -> tuple[str, float]:
    """Run the tests with a changed module, in a process of its own: what became of them, and seconds
    of CPU."""
    until = time.monotonic() + limit
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        code = 1
        try:
            code = _child(name, path, tree, tests, stale)
        except BaseException as error:  # a module that cannot be imported with its fault is found out as well
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    while time.monotonic() < until:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            took = used.ru_utime + used.ru_stime
            return ("survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"), took
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "no end", limit


def _stale(name: str) -> set[str]:
    """Return a module and all of ours that import it, directly or not: they must be imported again."""
    ours = {one: module for one, module in sys.modules.items() if one.partition(".")[0] in OURS}
    imports = {one: _imported(module) for one, module in ours.items()}
    stale = {name}
    while more := {one for one, named in imports.items() if named & stale} - stale:
        stale |= more
    return stale


def _forget(names: set[str]) -> None:
    for one in names:
        package, _, last = one.rpartition(".")
        if sys.modules.pop(one, None) is not None and hasattr(sys.modules.get(package), last):
            delattr(sys.modules[package], last)


def _imported(module: ModuleType) -> set[str]:
    """Return what a module may import: names of modules, and of what is in them."""
    found: set[str] = set()
    path = getattr(module, "__file__", None)
    if path is not None:
        for node in ast.walk(ast.parse(Path(path).read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return found


def _child(name: str, path: Path, tree: ast.Module, tests: list[str], stale: set[str]) -> int:
    import doctest

    import pytest

    nothing = os.open(os.devnull, os.O_WRONLY)
    if not os.environ.get("MUTANTS_SEEN"):
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
    _forget(stale)
    sys.meta_path.insert(0, _InPlaceOf(name, path, tree))
    module = importlib.import_module(name)
    if doctest.testmod(module).failed:
        return 1
    # those that are not needed: they take a second to import
    without = ["-p", "no:hypothesispytest", "-p", "no:anyio"]
    return int(pytest.main([*without, "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", type=Path, nargs="+")
    parser.add_argument("--tests", nargs="+", required=True)
    parser.add_argument("--only", type=int, help="draw so many of each module (seed 1)")
    parser.add_argument("--lines", type=int, nargs="+", help="only the faults of these lines")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one")
    parser.add_argument("--out", type=Path, help="JSON lines, one for each; what is there is not tried again")
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "tests"))
    for heavy in (
        "torch",
        "numpy",
        "av",
        "soxr",
        "soundfile",
        "scipy.signal",
        "rich",
        "typer",
        "pytest",
        "cfork_cli.app",
        "cfork_cli.flows.run",
        "support.films",
        "support.file_server",
        "support.commands",
    ):
        importlib.import_module(heavy)  # once, for all children
    known: dict[tuple[str, int, str], str] = {}
    if asked.out and asked.out.exists():
        lines = map(json.loads, asked.out.read_text().splitlines())
        known = {tuple(line["fault"]): line["end"] for line in lines}
    for module in asked.module:
        path = (ROOT / module).resolve()
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree, stale = ast.parse(path.read_text()), _stale(name)
        healthy, took = tried(name, path, tree, asked.tests, stale, asked.limit)
        if healthy != "survived":
            print(f"{module}: the tests fail without any fault ({healthy}, {took:.1f} s of CPU)", file=sys.stderr)
            return 1
        print(f"{module}: {took:.2f} s of CPU without a fault", flush=True)
        found = [one for one in faults(tree) if not asked.lines or one[0] in asked.lines]
        if asked.only and len(found) > asked.only:
            found = sorted(random.Random(1).sample(found, asked.only), key=lambda one: one[0])
        counts = {"killed": 0, "no end": 0, "survived": 0}
        for line, what, changed in found:
            fault = (str(module), line, what)
            end, took = known.get(fault, ""), 0.0
            if not end:
                end, took = tried(name, path, changed, asked.tests, stale, asked.limit)
            counts[end] += 1
            if end != "killed":
                print(f"{end}: {module}:{line}: {what}", flush=True)
            if asked.out and fault not in known:
                with asked.out.open("a") as file:
                    file.write(json.dumps({"fault": fault, "end": end, "seconds": round(took, 1)}) + "\n")
        print(f"{module}: {sum(counts.values())} faults: {counts}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
