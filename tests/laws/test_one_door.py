"""What comes from others (names, tags, cards, servers, ffmpeg) reaches a terminal through one door, which cleans it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from rich.table import Table

from cfork_cli.console.console import Console

ROOT = Path(__file__).parents[2]
DOOR = "cfork_cli/console/console.py"
NOT_FOR_TERMINALS = {
    "cfork_cli/media/pyav_probe.py",  # a process of its own, whose words we read
    "cfork_cli/bench/one_pass.py",  # the same
    "cfork/__main__.py",  # of a package in the wrong place; nothing is imported yet
}
EVIL = "a\x1b[2J\x1b]0;title\x07\u202egnp.exe\u2066\x9bq\x7f"


def writes(tree: ast.AST) -> list[int]:
    """Lines that write to a standard stream: print, write of sys.stdout and sys.stderr, echo of typer and click."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            what = ast.unparse(node.func)
            if what in ("print", "sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho", "click.echo"):
                found.append(node.lineno)
    return found


def test_nothing_else_writes_to_the_terminal() -> None:
    found = {}
    for path in sorted([*(ROOT / "cfork").rglob("*.py"), *(ROOT / "cfork_cli").rglob("*.py")]):
        name = path.relative_to(ROOT).as_posix()
        lines = writes(ast.parse(path.read_text(encoding="utf-8")))
        if lines and name != DOOR and name not in NOT_FOR_TERMINALS:
            found[name] = len(lines)
    assert found == {"cfork_cli/app.py": 1}  # --version


@pytest.mark.parametrize("as_json", [False, True])
def test_the_door_cleans(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row(EVIL)
    with Console(as_json=as_json) as console:
        console.note(EVIL)
        console.say(EVIL)
        console.out(f"{EVIL}\n{EVIL}")
        console.table(table)
        console.result(name=EVIL)
        console.event(event=EVIL)
        console.error(EVIL, 1)
    told = "".join(capsys.readouterr())
    assert "gnp.exe" in told
    assert not set(told) & set("\x1b\x07\u202e\u2066\x9b\x7f")
