"""Who may import whom: the laws of the layout, read from the sources themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

RANKS = {
    "cfork": {"": 10},
    "cfork_cli": {
        "__init__": 0, "early": 0, "errors": 1, "text": 2, "signals": 2, "leftovers": 2, "foreign": 2, "bounded": 2,
        "children": 2,
        "ffmpeg": 3, "console": 3, "media": 4,
        "input": 5, "mix": 5, "codecs": 5, "filters": 5, "presets": 6, "remux": 6, "output": 7, "flows": 8,
        "api": 9, "bench": 9, "batch": 9, "player": 9, "training": 9, "commands": 10, "app": 11,
    },
    "model": {
        "stems": 0, "__init__": 1, "loudness": 1, "voice_level": 1, "cpus": 1, "new_folder": 1, "hub": 2, "networks": 2,
        "dnr": 3, "streaming": 3, "inference": 3, "metrics": 4, "train": 5, "curves": 6, "package": 6,
    },
}  # fmt: skip
"""A file imports from lower ranks, or from its own room."""

MAY_IMPORT_MODEL = ("flows", "bench", "training", "commands/models", "commands/catalog", "commands/completion",
                    "commands/train", "api")  # fmt: skip
MAY_IMPORT_CONSOLE = ("app", "commands", "bench", "training")
ONLY_IN = {
    "ray": ("batch/ray_cluster", "batch/ray_slots"),
    "watchfiles": ("batch/changes",),
    "starlette": ("player/server",),
    "http.server": ("player/server",),
    "subprocess": ("ffmpeg", "bench", "batch/ray_cluster"),
    "torch": ("bench",),
}
"""Modules that few files of the command may import, by their beginnings."""

LIGHT = {"model", "model.stems", "model.hub.weights", "model.hub.inventory", "model.train.config"}
"""Parts of `model` that a file of the command may import at its top: they do not import torch."""


@dataclass(frozen=True)
class Import:
    """An import statement: from which file, which module, and whether it is run when the file is imported."""

    path: Path
    module: str
    top: bool

    @property
    def place(self) -> str:
        return f"{name_of(self.path)} imports {self.module}"


def name_of(path: Path) -> str:
    """The path below its package, without suffix: "flows/remix"."""
    return path.relative_to(ROOT).with_suffix("").as_posix().partition("/")[2]


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for package in RANKS for path in sources(package)}


def imports_of(path: Path) -> Iterator[Import]:
    """All imports of a file; those for types alone are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    only_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    top = {id(node) for node in tree.body}
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            yield from (Import(path, alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{module}.{alias.name}"  # `from package import module` names the module in its second half
                yield Import(path, inner if inner in MODULES else module, id(node) in top)


def rank(module: str) -> tuple[str, str, int]:
    """Package, room and rank of one of our modules."""
    package, _, rest = module.partition(".")
    room = rest.partition(".")[0] or "__init__"
    return package, room, RANKS[package][room if package != "cfork" else ""]


@pytest.fixture(scope="module")
def found() -> list[Import]:
    """Every import of every file."""
    imports = [one for package in RANKS for path in sources(package) for one in imports_of(path)]
    assert len(imports) > 1000
    return imports


def test_imports_point_downward(found: list[Import]) -> None:
    wrong = []
    for one in found:
        if one.module not in MODULES:
            continue
        package, room, above = rank(dotted(one.path))
        other_package, other_room, below = rank(one.module)
        if package == other_package and room != other_room and not below < above:
            wrong.append(one.place)
        if (package, other_package) in {("model", "cfork_cli"), ("model", "cfork"), ("cfork_cli", "cfork")}:
            wrong.append(one.place)
        assert package != "model" or other_package != "model" or not one.module.startswith("cfork"), one.place
    assert not wrong


def test_there_is_no_circle(found: list[Import]) -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for one in found:
        if one.top and one.module in MODULES:
            graph[dotted(one.path)].add(one.module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" > ".join(error.args[1]))


def test_only_a_few_rooms_know_the_network_and_the_terminal(found: list[Import]) -> None:
    wrong = []
    for one in found:
        if dotted(one.path).partition(".")[0] != "cfork_cli":
            continue
        name = name_of(one.path)
        if (
            one.module.partition(".")[0] == "model"
            and not name.startswith(MAY_IMPORT_MODEL)
            and one.module not in {"model", "model.stems"}
        ):
            wrong.append(one.place)
        if one.module.startswith("cfork_cli.console") and not name.startswith((*MAY_IMPORT_CONSOLE, "console")):
            wrong.append(one.place)
        for module, places in ONLY_IN.items():
            if (one.module + ".").startswith(f"{module}.") and not name.startswith(places or ("/",)):
                wrong.append(one.place)
    assert not wrong


def test_the_model_knows_arrays_and_nothing_else(found: list[Import]) -> None:
    foreign = {"cfork", "cfork_cli", "typer", "rich", "ffmpeg", "av", "imageio_ffmpeg", "click"}
    inside = [one for one in found if dotted(one.path).partition(".")[0] == "model"]
    assert not [one.place for one in inside if one.module.partition(".")[0] in foreign]


def test_mixing_is_arithmetic_alone(found: list[Import]) -> None:
    """No sound is mixed by a file that starts ffmpeg, or by one that imports such a file, all the way down."""
    reached, waiting = set(), [module for module in MODULES if module.startswith("cfork_cli.mix")]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += [one.module for one in found if dotted(one.path) == module and one.module in MODULES]
    assert "cfork_cli.mix.downmix" in reached
    assert not [module for module in reached if module.startswith("cfork_cli.ffmpeg")]
    foreign = {
        one.module.partition(".")[0]
        for one in found
        if dotted(one.path) in reached and one.module.partition(".")[0] not in {*sys.stdlib_module_names, *RANKS}
    }
    assert foreign == {"numpy"}


def test_nothing_imports_torch_before_it_is_needed(found: list[Import]) -> None:
    """What the command and the library import at once, all the way down, must not bring torch."""
    reached, waiting = set(), [module for module in MODULES if module.partition(".")[0] != "model"]
    waiting += LIGHT
    graph: dict[str, list[Import]] = {}
    for one in found:
        if one.top:
            graph.setdefault(dotted(one.path), []).append(one)
    wrong = []
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.add(module)
        for one in graph.get(module, []):
            if one.module.partition(".")[0] in {"torch", "scipy", "matplotlib"}:
                wrong.append(one.place)
            if one.module in MODULES:
                waiting.append(one.module)
    assert not wrong


HEAVY = {"torch", "scipy", "pyloudnorm"}
NOT_FOR_WORDS = HEAVY | {"numpy", "rich", "ffmpeg", "soundfile"}


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [(["--help"], NOT_FOR_WORDS), (["--version"], NOT_FOR_WORDS), (["remix", "--help"], NOT_FOR_WORDS),
     (["train", "--help"], NOT_FOR_WORDS), (["models"], HEAVY)],
)  # fmt: skip
def test_help_and_lists_start_without_what_is_heavy(arguments: list[str], heavy: set[str]) -> None:
    code = (
        "import sys\n"
        "from cfork_cli.app import main\n"
        f"sys.argv = ['cfork', *{arguments!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"heavy = {heavy!r} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
