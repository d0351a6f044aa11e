"""The driver for films of others: it tries each film once, sees what differs, and explains it or says it cannot."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support.films import Sound, make
from support.readings import digest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("foreign")


def row(name: str, *runs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "sha256": name,
        "name": f"some/{name}",
        "kind": "k",
        "runs": dict(zip(("0 dB", "+3 dB"), runs, strict=False)),
        **more,
    }


def test_films_come_in_turns_by_suffix_and_nothing_else_does(foreign: Any, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("a.mp3", "b.mp3", "c.mp3", "d.mkv", "e.txt", "f.ape", "empty.mkv"):
        (folder / name).write_bytes(b"" if name.startswith("empty") else name.encode())
    names = [name for _, name in foreign.films([folder], 1.0, 2)]
    assert names == ["films/a.mp3", "films/d.mkv", "films/f.ape", "films/b.mp3"]


def test_a_film_is_tried_and_stays_as_it_was(foreign: Any, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Sound("flac"), seconds=0.5, chapters=True)
    before = digest(path)
    found = foreign.tried(path, 60, 0)
    assert found["kind"] == "matroska: mpeg4+flac"
    assert {name: (one["code"], one["differences"]) for name, one in found["runs"].items()} == {"0 dB": (0, {})}
    assert digest(path) == before
    assert foreign.tried(make(tmp_path / "b.mkv", seconds=0.5), 60, 0)["left_out"] == foreign.NO_SOUND
    assert "longer" in foreign.tried(path, 0.1, 0)["left_out"]
    (tmp_path / "c.mp3").write_bytes(b"no sound at all")
    assert foreign.tried(tmp_path / "c.mp3", 60, 0)["runs"]["0 dB"]["code"] == 3


def test_results_are_kept_and_a_run_goes_on(foreign: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"a": row("a"), "b": row("b")}
    foreign.save(tmp_path / "r.jsonl", rows)
    assert foreign.load(tmp_path / "r.jsonl") == rows
    film = tmp_path / "film.mp3"
    film.write_bytes(b"x")
    tried: list[Path] = []
    answer = {"kind": "k", "runs": {"0 dB": {"code": 0, "notes": [], "differences": {}}}}
    monkeypatch.setattr(foreign.Worker, "tried", lambda _, path: tried.append(path) or answer)
    arguments = ["foreign.py", str(film), "--results", str(tmp_path / "n.jsonl"), "-o", str(tmp_path / "n.md")]
    monkeypatch.setattr(sys, "argv", arguments)
    assert (foreign.main(), foreign.main()) == (0, 0)
    assert tried == [film]
    monkeypatch.setattr(sys, "argv", [*arguments, "--again", "film.mp3"])
    assert foreign.main() == 0
    assert tried == [film, film]
    assert "1 files of 1 kinds" in (tmp_path / "n.md").read_text()


def test_the_document_explains_or_says_that_it_cannot(foreign: Any) -> None:
    told = {
        "code": 0,
        "notes": ["tags that this ffmpeg does not write into a 'mp3' file: A"],
        "differences": {"tags": "A"},
    }
    fault = {"code": 0, "notes": [], "differences": {"packets": "stream 0: packets differ"}}
    refused = {"code": 3, "message": "'a' is encrypted (CSS)", "left": 0}
    broken = {"code": 1, "message": "cfork itself failed", "left": 1}
    good = {"code": 0, "notes": [], "differences": {}}
    rows = [
        row("a.mp3", told, good),
        row("b.mkv", fault),
        row("c.vob", refused),
        row("d.ts", broken),
        row("e.ts", good),
    ]
    moved = {"code": 0, "notes": [], "differences": {"times": "packet 0"}}
    rows.append(row("g.mpg", moved, kind="mpeg: mp2"))
    rows.append({"sha256": "f", "name": "some/f.ts", "left_out": "longer than 60 s"})
    text = foreign.document(rows)
    assert "| 0 dB | 6 | 1 | 1 | 1 | 1 | 2 |" in text
    assert "| +3 dB | 1 | 1 | 0 | 0 | 0 | 0 |" in text
    assert "**unexplained** | `some/b.mkv`" in text
    assert "**unexplained**: `some/d.ts`" in text
    assert "Files left behind by a refusal: 1" in text
    assert "- longer than 60 s: 1" in text
    lines = list(foreign.listing(rows))
    assert sum("UNEXPLAINED" in line for line in lines) == 2
    assert json.dumps(rows)
