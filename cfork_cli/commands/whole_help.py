"""Help of a group of commands: what they do is said whole, on two lines if need be, not cut to the terminal's width."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_NO_LIMIT = 1000


class WholeHelp(TyperGroup):
    """A group whose list of commands wraps."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list, aligned, each command with the first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(_NO_LIMIT))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
