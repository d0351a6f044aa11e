"""Who may import whom: the law of the layout, read from the sources themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODEL = sorted((ROOT / "model").rglob("*.py"))
COMMAND = sorted((ROOT / "cfork_cli").rglob("*.py"))

# Parts of the command that may reach into the model; all others only move sound and bytes.
MAY_IMPORT_MODEL = {
    "pipeline",
    "remixing",
    "separation",
    "piping",
    "app",
    "catalog",
    "scoring",
    "cases",
    "batch",
    "player",
    "models",
    "training",
    "dataset",
    "importing",
    "bench",
    "bench_authors",
    "bench_network",
    "bench_stages",
}


def imports_of(path):
    """(module, level, at the top of the file) of each import; level counts the dots of a relative one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = [node.module] if node.module else names
            # `from package import module` names the module in its second half
            if node.module == "cfork_cli":
                modules = [f"cfork_cli.{name}" for name in names]
            yield from ((module, node.level, id(node) in top) for module in modules)


def part(path):
    """The part of the command that a file belongs to."""
    return path.relative_to(ROOT / "cfork_cli").parts[0].removesuffix(".py")


def test_there_is_something_to_read():
    assert len(MODEL) > 10
    assert len(COMMAND) > 10


@pytest.mark.parametrize("path", MODEL, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_model_knows_nothing_of_the_command(path):
    for module, level, _ in imports_of(path):
        if level == 0:
            package = module.partition(".")[0]
            assert package not in {"cfork_cli", "typer", "rich", "ffmpeg", "av", "imageio_ffmpeg", "click"}, module
            assert package != "model", f"{module}: inside model imports are relative"


@pytest.mark.parametrize("path", COMMAND, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_flow_knows_the_model(path):
    found = {module for module, level, _ in imports_of(path) if level == 0 and module.partition(".")[0] == "model"}
    assert not found or part(path) in MAY_IMPORT_MODEL


@pytest.mark.parametrize("path", COMMAND, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_imports_the_app(path):
    if path.name != "__main__.py":
        names = {module for module, level, _ in imports_of(path) if level or module.startswith("cfork_cli")}
        assert not names & {"app", "cfork_cli.app"}


@pytest.mark.parametrize("path", COMMAND, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_command_begins_without_torch(path):
    """Heavy imports belong into functions: nothing at the top of a file may bring torch."""
    light = {"model", "model.stems", "model.weights", "model.inventory", "model.config"}
    for module, level, top in imports_of(path):
        if top and level == 0:
            package = module.partition(".")[0]
            assert package != "torch"
            assert package != "model" or module in light, module


def test_the_model_itself_begins_without_torch():
    for name in (
        "__init__",
        "stems",
        "weights",
        "container",
        "consistency",
        "windows",
        "released",
        "cache",
        "partial",
        "download",
        "pull",
        "inventory",
        "config",
    ):
        path = ROOT / "model" / f"{name}.py"
        assert not any(top and module.startswith("torch") for module, level, top in imports_of(path) if level == 0)


HEAVY = {"torch", "scipy", "pyloudnorm"}
NOT_FOR_WORDS = HEAVY | {"numpy", "rich", "ffmpeg", "soundfile"}


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [(["--help"], NOT_FOR_WORDS), (["--version"], NOT_FOR_WORDS), (["remix", "--help"], NOT_FOR_WORDS),
     (["train", "--help"], NOT_FOR_WORDS), (["models"], HEAVY)],
)  # fmt: skip
def test_help_and_lists_start_without_what_is_heavy(arguments, heavy):
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
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
