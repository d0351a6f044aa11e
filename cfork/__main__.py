"""`python -m cfork`, and the entry point of the `cfork` command."""

from __future__ import annotations

import os

try:
    from cfork_cli import early

    early.listen()  # before all other imports: they take a second, in which somebody may change their mind
except KeyboardInterrupt:  # even earlier
    os.write(2, b"cfork: interrupted: nothing was written\n")
    os._exit(130)

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command; if the package `model` is hidden by another one, say so in one line."""
    from cfork_cli.foreign import hidden_model

    if (hidden := hidden_model()) is not None:
        if "_CFORK_COMPLETE" in os.environ:  # a shell asks, and whoever presses a key wants no complaint
            sys.exit(1)
        print(f"cfork: {hidden}", file=sys.stderr)
        sys.exit(1)
    from cfork_cli.app import main as run

    run()


if __name__ == "__main__":
    main()
