"""Tables at 60, 80 and 200 columns: no word is cut or broken, and lines fit."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.table import Table
from support.commands import PATIENCE, ROOT, Ran
from support.films import Sound, make

from cfork_cli.console import tables
from cfork_cli.console.console import Console
from cfork_cli.training import scoreboard

WIDTHS = (60, 80, 200)
LONG = "Kommentar_der_Regie_und_der_Kamera_in_einem_Wort"
WIDE = "導演評論音軌與幕後花絮"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Table]:
    """The tables that commands show, as they are given to the console."""
    found: list[Table] = []
    monkeypatch.setattr(Console, "table", lambda self, table: found.append(table))
    return found


def scores(models: list[str]) -> list[Table]:
    """The tables of `cfork evaluate`, of models with these names."""
    summary = json.loads((ROOT / "model" / "weights" / "cfork.scores.json").read_text())["summary"]
    reports = [{"model": name, "summary": summary} for name in models]
    return scoreboard._tables({"models": reports, "differences": []})


def check(table: Table) -> None:
    """At every width all words of a table are there in one piece, and lines are no wider than need be."""
    heads = [str(column.header) for column in table.columns] if table.show_header else []
    cells = [str(cell) for cell in itertools.chain(*(column.cells for column in table.columns))]
    words = {word for text in (*heads, *cells) for word in text.split()}
    longest = max(map(cell_len, words))
    for width in WIDTHS:
        text = tables.drawn(table, width)
        assert "…" not in text
        assert words - set(text.split()) == set(), f"{width} columns:\n{text}"
        names = max((cell_len(head) for head in heads), default=20)
        for line in text.splitlines():
            assert cell_len(line) <= max(width, names + longest + 10), f"{width} columns: {line}"
            assert line == line.rstrip()
        if longest < width - names - 10:
            assert max(map(cell_len, text.splitlines())) <= width
    whole = tables.drawn(table, None)
    rows = len(table.rows) if hasattr(table, "rows") else 0
    assert len(whole.splitlines()) == rows + (max(head.count("\n") for head in heads) + 2 if heads else 0)


def test_the_commands_tables(
    cfork: Callable[..., Ran], place: Path, shown: list[Table], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CFORK_CONFIG", str(tmp_path / "config"))
    make(place / "film.mkv", Sound("flac", language="eng", title=LONG, default=True), Sound("aac", title=WIDE),
         subtitles="subrip", font=True, seconds=1)  # fmt: skip
    assert cfork("presets", "save", LONG, "--night", "--about", f"{WIDE} {WIDE}").code == 0
    commands = ("models", "models info cfork", "models info mrx", "presets", "info film.mkv", "dnr sources --list")
    for command in commands:
        before = len(shown)
        assert cfork(*command.split()).code == 0
        assert len(shown) > before
    for table in (*shown, *scores(["cfork"]), *scores(["cfork", LONG, "mrx-adapted-loudness"])):
        check(table)


def test_what_is_too_wide_becomes_a_list() -> None:
    table = Table("name", "what it is", "size")
    table.add_row("mrx-adapted-loudness", "a network", "122.3 MB")
    table.add_row("cfork", "", "18.7 MB")
    assert tables.drawn(table, 80).splitlines()[2] == "  mrx-adapted-loudness   a network    122.3 MB"
    assert tables.drawn(table, 36).splitlines() == [
        "  name mrx-adapted-loudness",
        "    what it is  a network",
        "    size        122.3 MB",
        "",
        "  name cfork",
        "    size  18.7 MB",
    ]


def test_what_has_no_name_stands_beside_the_rows_name() -> None:
    table = Table("film", "", "size")
    table.add_row("a_long_name_of_a_film.mkv", "to do", "1.5 MB")
    assert tables.drawn(table, 30).splitlines() == ["  film a_long_name_of_a_film.mkv, to do", "    size  1.5 MB"]


def test_words_that_are_wider_than_a_line_stay_whole() -> None:
    table = Table("", "", show_header=False)
    table.add_row("sha256", f"{'0f' * 32} (as published)")
    assert tables.drawn(table, 60).splitlines() == [f"  sha256  {'0f' * 32}", "          (as published)"]


def test_without_unicode_the_line_is_of_ascii() -> None:
    table = Table("name", "size")
    table.add_row("cfork", "18.7 MB")
    text = tables.drawn(table, 80, unicode=False)
    assert text.isascii()
    assert "---" in text.splitlines()[1]


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize(("name", "value"), [("TERM", "xterm-256color"), ("TERM", "dumb"), ("NO_COLOR", "1")])
def test_a_real_terminal(columns: int, name: str, value: str) -> None:
    """Its width is taken, names stay whole, and colours are left to nobody: headings are bold at the most."""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    hidden = ("COLUMNS", "NO_COLOR", "FORCE_COLOR")
    environment = {key: text for key, text in os.environ.items() if key not in hidden}
    environment |= {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", name: value}
    script = "from rich.table import Table; from cfork_cli.console.console import Console as C\n" \
        f"t = Table('name', 'words'); t.add_row('mrx-adapted-loudness', {'word ' * 8!r}); C().table(t)"  # fmt: skip
    child = subprocess.Popen([sys.executable, "-c", script], env=environment, stdin=follower, stdout=follower)
    os.close(follower)
    assert child.wait(PATIENCE) == 0
    text = os.read(leader, 65536).decode()
    os.close(leader)
    codes = set(re.findall(r"\x1b\[[0-9;]*m", text))
    assert codes == ({"\x1b[1m", "\x1b[0m"} if value == "xterm-256color" else set())
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert any("mrx-adapted-loudness" in line for line in lines)
    assert " ".join(lines).count("word") == 8 + 1
    assert max(map(len, lines)) <= columns
    assert (len(lines) > 3) == (columns < 80)


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("group", ["", "models", "presets", "dnr"])
def test_help_says_whole_what_commands_do(
    cfork: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, columns: int, group: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ran = cfork(*group.split(), "--help")
    assert ran.code == 0
    assert "..." not in ran.out.partition("Commands:")[2]
    assert max(map(len, ran.out.splitlines())) <= columns
