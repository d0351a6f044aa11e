"""`python tests/corpus/table.py`: try every film of the corpus and write the outcome to docs/corpus.md.

With `--check` nothing is written; the exit code tells whether every promise was kept.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cfork_cli.ffmpeg.find import find_ffmpeg

sys.path.insert(0, str(Path(__file__).parents[1]))

from corpus.films import PROMISES, Case, Maker, variants
from corpus.runs import Outcome, Trials, route

TABLE = Path(__file__).parents[2] / "docs" / "corpus.md"
MARKS = {"kept": "✓", "said": "said", "none": "·", "broken": "**broken**"}
OPENING = """# The corpus

Films that `tests/corpus/films.py` makes with ffmpeg, each of them remixed at 0 dB and looked at before and after,
packet by packet, with PyAV. Written by `python tests/corpus/table.py`{versions}; the same films are run as tests
(`pytest tests/corpus/test_corpus.py`).

✓ kept; · nothing of the kind is in the film; *said*: such a file cannot hold it, and the user is told.

- **streams**: kinds, codecs and order. **packets**: every copied packet, byte for byte. **times**: presentation time,
  decoding time and duration of each of them. **tags**: language, title and others. **flags**: default, forced and
  others. **chapters**: times and titles. **picture**: size, shape, rotation, colours, HDR data. **files**: fonts and
  covers.
- **track**: sample rate and layout of the new track. **sound**: it begins and ends where the old one did; every sample
  is the same if both codecs are lossless, else each 0.4 s of each channel is within 1 ms of where it was.
- *by* names who made the film and who ran cfork: **s** the system's ffmpeg, **w** that of the package imageio-ffmpeg
  (with PyAV for ffprobe).
"""


def head() -> str:
    """The first lines of the table."""
    columns = ["film", "what is special", "by", *PROMISES]
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def row_name(case: Case, maker: Maker, runner: Maker) -> str:
    """The first cells of a row."""
    return f"| {case.id.replace('>', '→')} | {case.about} | {maker[0]}{runner[0]} |"


def row(case: Case, maker: Maker, runner: Maker, outcome: Outcome) -> str:
    """One line of the table."""
    return f"{row_name(case, maker, runner)} {' | '.join(MARKS[outcome.verdicts[p].mark] for p in PROMISES)} |"


def lines(folder: Path) -> Iterator[tuple[str, Outcome]]:
    """The table, line by line, as the films are tried."""
    with Trials(folder, variants()) as running:
        for case, maker, runner in variants():
            outcome = running.result(case, maker, runner)
            yield row(case, maker, runner, outcome), outcome


def _versions() -> str:
    from cfork_cli.ffmpeg import process

    found = []
    for runner in ("system", "wheels"):
        with route(runner):
            first = process.run([find_ffmpeg(), "-version"]).output.decode().split()[2]
            found.append(first.split("-")[0].removeprefix("n"))
    return f" with ffmpeg {found[0]} (s) and {found[1]} (w)"


def main() -> int:
    """Write the table; returns how many promises were broken."""
    broken = 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for line, outcome in lines(Path(folder)):
            rows.append(line)
            print(line, *(f"\n    {promise}: {why}" for promise, why in outcome.broken.items()), flush=True)
            broken += len(outcome.broken)
    if "--check" not in sys.argv[1:]:
        TABLE.parent.mkdir(exist_ok=True)
        text = "\n".join([OPENING.format(versions=_versions()), head(), *rows, ""])
        TABLE.write_text(text, encoding="utf-8")
    return min(broken, 100)


if __name__ == "__main__":
    sys.exit(main())
