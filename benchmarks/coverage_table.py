"""What the tests reach, by room of the house: a table in Markdown, from coverage's JSON report.

coverage run -m pytest -n 0 tests/mix tests/media      # part by part, as many as wanted; they add up
coverage combine && coverage json -o coverage.json && python benchmarks/coverage_table.py coverage.json
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path


def main() -> int:
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for name, file in json.loads(Path(sys.argv[1]).read_text())["files"].items():
        parts = Path(name).parts
        if "cfork_cli" not in parts:
            continue
        inner = parts[parts.index("cfork_cli") + 1 :]
        summary = {key: value for key, value in file["summary"].items() if isinstance(value, int)}
        rooms[inner[0] if len(inner) > 1 else "(top)"].update(summary)
    print("| room | lines | not reached | branches | not taken | reached |\n|---|---|---|---|---|---|")
    for room, counts in sorted(rooms.items()):
        lines, branches = counts["num_statements"], counts["num_branches"]
        reached = (counts["covered_lines"] + counts["covered_branches"]) / max(1, lines + branches)
        missed = f"{counts['missing_lines']} | {branches} | {counts['missing_branches']}"
        print(f"| {room} | {lines} | {missed} | {100 * reached:.1f} % |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
