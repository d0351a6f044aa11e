"""Write docs/commands.md, the reference of all commands and options, from their help: `python docs/commands.py`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_suffix(".md")
sys.path.insert(0, str(PAGE.parents[1]))

HEAD = """# Commands

What `cfork --help` and `cfork COMMAND --help` print, on one page. `python docs/commands.py` writes it anew.
A word in capitals stands for a value; values between bars are a choice. Every option can be given before or after the
input. [Shells complete](completion.md) commands, options and values.
"""


def page() -> str:
    """Return the whole page, in Markdown."""
    import typer

    from cfork_cli.app import app

    command = typer.main.get_command(app)
    sections = list(_sections(command, typer.Context(command, info_name="cfork", **command.context_settings)))
    contents = [f"- [{name}](#{_anchor(name)}): {short}" for name, short, _ in sections]
    return "\n".join([HEAD, *contents, "", *(text for _, _, text in sections)])


def _sections(command: Any, context: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, a line about it, and the text of a command and of all commands within it."""
    name = context.command_path
    short = command.get_short_help_str(200)
    yield name, short, _section(command, context)
    for inner in getattr(command, "commands", {}).values():
        yield from _sections(inner, type(context)(inner, info_name=inner.name, parent=context))


def _section(command: Any, context: Any) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {context.command_path}", "", "```sh", f"{context.command_path} {usage}", "```", ""]
    for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()):
        text = " ".join(paragraph.split())
        example = text.removeprefix("Example: ")
        lines += [f"`{example}`" if example != text else _text(text), ""]
    parameters = [(one, one.get_help_record(context)) for one in command.get_params(context)]
    for parameter, record in parameters:
        if record is not None:
            words, about = record
            if parameter.param_type_name == "argument":
                words = re.sub(r" <\w+>$", "", words)
            anchor = _anchor(f"{context.command_path} {parameter.name}")
            lines.append(f'- <a id="{anchor}"></a>`{" ".join(words.split())}`: {_text(about)}')
    if command.epilog:
        lines += ["", _text(command.epilog)]
    return "\n".join([*lines, ""])


def _text(words: str) -> str:
    """Text of the help as Markdown: nothing of it is markup, but what stands in back quotes."""
    parts = re.split(r"(`[^`]*`)", " ".join(words.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_{}<>\[\]|])", r"\\\1", part) for part in parts)


def _anchor(name: str) -> str:
    """The anchor that a heading of that name has."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
