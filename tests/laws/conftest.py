"""What the command lines of the laws about folders read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.tiny_packs import TINY_RUN, chord, on_one_thread, write_packs, write_scene

from cfork_cli.app import run
from cfork_cli.bench.case import Case
from cfork_cli.bench.cost import Cost
from model.dnr import sources
from model.dnr.debian import Package


@pytest.fixture(scope="session")
def lessons(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """What training and scoring read, small: packs, a scene of a second, a package of sounds, a run."""
    folder = tmp_path_factory.mktemp("lessons")
    write_packs(folder / "packs")
    write_scene(folder / "dnr" / "0", 44_100)
    (folder / "debs" / "extracted" / "tiny").mkdir(parents=True)
    soundfile.write(folder / "debs" / "extracted" / "tiny" / "song.wav", chord(0, 1.0), 44_100)
    with on_one_thread():
        assert run(["train", str(folder / "packs"), str(folder / "trained"), "--steps", "1", *TINY_RUN, "-q"]) == 0
    return folder


@pytest.fixture
def things(place: Path, films_here: Path, tiny_model: Path, lessons: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the lines read."""
    for lesson in lessons.iterdir():
        (place / lesson.name).symlink_to(lesson, target_is_directory=True)
    package = Package("tiny", "1.0-1", "", 1, "validation", "MIT", "pool/main/t/tiny/tiny_1.0-1_all.deb")
    monkeypatch.setattr(sources, "list_packages", lambda: [package])
    monkeypatch.setattr(sources, "list_files", lambda: {"tiny": [("music", "song.wav")]})
    monkeypatch.setattr(Case, "command", lambda _: Cost(1.0, 1.0, 1, {}, 0, ""))
    shutil.copy(films_here / "plain.mkv", place / "film.mkv")
    shutil.copy(films_here / "plain.mkv", place / "more.mkv")
    shutil.copy(tiny_model, place / "tiny.safetensors")
    soundfile.write(place / "voice.wav", np.sin(np.arange(48_000) / 20) / 2, 48_000)
    (place / "in").mkdir()
    shutil.copy(films_here / "plain.mkv", place / "in" / "film.mkv")
    (place / "run").mkdir()
    losses = '"loss": {"music": -1.0, "dialogue": -1.0, "effects": -1.0}, "lr": 0.001'
    lines = [f'{{"step": {step}, "minutes": {step}, {losses}}}' for step in (1, 2)]
    (place / "run" / "metrics.jsonl").write_text("\n".join(lines))
    monkeypatch.setenv("CFORK_CONFIG", str(place / "out"))
    return place
