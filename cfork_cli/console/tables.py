"""Tables as text that fits: nothing is cut off, and no word that somebody may have to type is broken.

What is too wide for a terminal becomes a list: a heading for each row, and a line for each of its cells, as in psql's
expanded display. A file or a pipe has no width: there every row stays on its line.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from io import StringIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

ASCII_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""A line of ASCII under the headings, for terminals without Unicode."""

TALLEST = 4
"""Lines of a cell. A table with taller ones is easier to read as a list."""


def drawn(table: Table, width: int | None, *, bold: bool = False, unicode: bool = True) -> str:
    """Return a table as text, without blanks at the ends of lines.

    Args:
        table: its cells are plain text.
        width: columns of the terminal; None for a file or a pipe.
        bold: headings are bold.
        unicode: the line under them is of box-drawing characters.
    """
    rows = [[str(cell) for cell in row] for row in zip(*(column.cells for column in table.columns), strict=True)]
    heads = [str(column.header) for column in table.columns]
    widths: list[int] | None = None
    if width is not None:
        edges = 4 + 3 * (len(heads) - 1)  # as rich draws this kind of table: two blanks outside, three between columns
        widths = _widths([heads, *rows] if table.show_header else rows, width - edges)
        if widths is None and table.show_header:
            return "\n".join([*_list(heads, rows, width), ""])
    if not table.show_header:
        return "\n".join(_pairs([(row[0], " ".join(row[1:])) for row in rows], "  ", width))
    for column, one in zip(table.columns, widths or itertools.repeat(None), strict=False):
        column.width, column.overflow, column.no_wrap = one, "fold", one is None
    table.box = box.SIMPLE_HEAD if unicode else ASCII_HEAD
    paper = Console(
        file=StringIO(), highlight=False, markup=False, emoji=False, width=width or 100_000, legacy_windows=False,
        force_terminal=bold, color_system="standard" if bold else None, no_color=True,
    )  # fmt: skip
    with paper.capture() as found:
        paper.print(table)
    return "\n".join(line.rstrip() for line in found.get().splitlines()).strip("\n")


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Return a width for each column, so that all have room and no word is broken; None if there are none."""
    columns = list(zip(*rows, strict=True))
    natural = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    least = [max(max(map(cell_len, cell.split()), default=0) for cell in column) for column in columns]
    if sum(least) > room:
        return None
    widest = max(natural, default=0)
    while True:  # the widest columns give way, as far as their words let them
        widths = [min(full, max(few, widest)) for full, few in zip(natural, least, strict=True)]
        if sum(widths) <= room:
            break
        widest -= 1
    tallest = max(
        sum(1 for _ in _folded(cell, one)) for column, one in zip(columns, widths, strict=True) for cell in column
    )
    return widths if tallest <= TALLEST else None


def _list(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield the lines of a list: the row's name, then its other cells, each after the name of its column."""
    first, *others = (" ".join(head.split()) for head in heads)
    for number, row in enumerate(rows):
        if number:
            yield ""
        cells = [(head, cell) for head, cell in zip(others, row[1:], strict=True) if cell.strip()]
        unnamed = [row[0], *(cell for head, cell in cells if not head)]
        yield f"  {first} {', '.join(unnamed)}".rstrip() if first else f"  {', '.join(unnamed)}"
        cells = [(head, cell) for head, cell in cells if head]
        yield from _pairs(cells, "    ", width)


def _pairs(pairs: Sequence[tuple[str, str]], before: str, width: int | None) -> Iterator[str]:
    """Yield lines of names and values. Where a value goes on, it does so below its beginning."""
    wide = max((cell_len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        head = f"{before}{name}{' ' * (wide - cell_len(name))}  "
        for line in _folded(value, None if width is None else width - cell_len(head)):
            yield (head + line).rstrip()
            head = " " * cell_len(head)


def _folded(text: str, width: int | None) -> Iterator[str]:
    """Yield lines of whole words; a word that is wider than a line is left to the terminal, and can be copied."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and width is not None and cell_len(longer) > width:
            yield line
            longer = word
        line = longer
    yield line
