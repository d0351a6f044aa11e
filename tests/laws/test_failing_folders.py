"""Every command that writes a file, and a folder that takes none: one line, code 4, nothing half left, nothing lost."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from support.commands import Ran, listing
from support.disks import STATES, no_file_grows, taking_nothing, without_room
from support.players import fake, player_of
from support.tiny_packs import TINY_RUN

from cfork_cli.app import app

WRITES: dict[str, tuple[str, ...]] = {
    "remix": ("remix", "film.mkv", "--dialog", "0", "-o", "out/new.mkv"),
    "remix, many": ("remix", "film.mkv", "more.mkv", "--dialog", "0", "-o", "out"),
    "remix, sidecar": ("remix", "film.mkv", "--dialog", "0", "--sidecar", "-o", "out/new.mka"),
    "separate": ("separate", "film.mkv", "--model", "tiny.safetensors", "-o", "out/stems"),
    "dub": ("dub", "film.mkv", "voice.wav", "--model", "tiny.safetensors", "-o", "out/new.mkv"),
    "plot": ("plot", "film.mkv", "--model", "tiny.safetensors", "-o", "out/film.png"),
    "watch": ("watch", "in", "--once", "--settle", "0", "--dialog", "0", "-o", "out"),
    "train": ("train", "--plot", "run", "-o", "out/curves.png"),
    "models convert": ("models", "convert", "tiny.safetensors", "out/new.safetensors"),
    "presets save": ("presets", "save", "mine", "--dialog", "3"),
    "separate, many": ("separate", "film.mkv", "more.mkv", "--model", "tiny.safetensors", "-o", "out"),
    "evaluate": ("evaluate", "dnr", "--model", "tiny.safetensors", "-o", "out/scores.json"),
    "bench": ("bench", "film.mkv", "--model", "tiny.safetensors", "--runs", "1", "--brief", "-o", "out/speed.md"),
    "dnr build": ("dnr", "build", "out/set", "--packs", "packs", "--scenes", "tr=1", "--workers", "1"),
    "dnr cases": ("dnr", "cases", "packs", "out/cases", "--split", "tr", "--scenes", "1", "--seconds", "1"),
    "dnr sources": ("dnr", "sources", "out/packs", "--debs", "debs", "--workers", "1"),
    "dnr stats": ("dnr", "stats", "dnr", "-o", "out/dnr.png", "--workers", "1"),
    "models pull": ("models", "pull", "mrx"),
    "models package": ("models", "package", "trained/best.pt", "out/new.safetensors"),
    "train, run": ("train", "packs", "out/run", "--steps", "1", *TINY_RUN),
}
"""Command, with more about it after a comma -> a line that writes into `out`, or into the folder of presets there."""

READ_ONLY = {
    "info", "models list", "models info", "models verify", "presets list", "presets show", "presets path",
}  # fmt: skip


def commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of all commands."""
    if not hasattr(command, "commands"):
        yield " ".join(name)
        return
    for word, inner in command.commands.items():
        yield from commands(inner, (*name, word))


def test_every_command_has_its_row() -> None:
    known = {name.partition(",")[0] for name in WRITES} | {"play"} | READ_ONLY  # `play` has a law of its own
    assert set(commands(typer.main.get_command(app))) == known


MANY = ("remix, many", "separate, many", "watch")
"""Go on with other films, and say at the end what became of all."""

TEMPORARY = {"remix": 250_000, "remix, sidecar": 250_000, "separate": 250_000, "dub": 250_000, "plot": 20_000}
"""Bytes of a file that commands need elsewhere, for a trial or a measurement, and that what they write is larger than:
for the stand-in of a full disk, which is everywhere."""

LEFT = {
    ("models pull", "full"): {
        "films/out/models": "folder",
        "films/out/models/.default_mrx_pre_trained_weights.pth.lock": hashlib.sha256().hexdigest(),
    }
}
"""A lock may not be removed where others may wait for it; it takes no room."""

FOLDERS_MADE = (
    "remix",
    "remix, many",
    "separate",
    "watch",
    "dnr build",
    "dnr sources",
    "models pull",
    "presets save",
    "train, run",
)
"""Without inodes files fail as they do on a full disk; these make folders, or many files."""

TRIED = [
    (name, state)
    for name in WRITES
    for state in STATES
    if (state == "a file" or name != "separate, many") and (state != "no inodes" or name in FOLDERS_MADE)
]


def try_codecs(cfork: Callable[..., Ran]) -> None:
    """Let be found out what this ffmpeg can write: that is tried once, and takes temporary files."""
    assert cfork("remix", "film.mkv", "--dialog", "0", "--dry-run").code == 0


@pytest.mark.parametrize(("name", "state"), TRIED)
def test_a_folder_that_takes_nothing(
    things: Path, cfork: Callable[..., Ran], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch,
    name: str, state: str,
) -> None:  # fmt: skip
    if name == "models pull":
        request.getfixturevalue("mirror")
        monkeypatch.setenv("CFORK_CACHE", str(things / "out"))
    with taking_nothing(things / "out", state) as limited:
        before = listing(things.parent)
        if limited:
            try_codecs(cfork)
        ran = without_room(WRITES[name], TEMPORARY.get(name, 0)) if limited else cfork(*WRITES[name])
        assert not any(word in ran.err for word in ("itself failed", "Traceback", "cannot use (")), ran.err
        if name in MANY:
            assert ran.code in ({2} if state == "a file" else {1, 4}), ran.err
            assert ran.lines
        else:
            assert (ran.code, len(ran.lines)) == (4, 1), ran.err
        assert listing(things.parent) == before | LEFT.get((name, state), {})


@pytest.mark.parametrize("state", STATES)
def test_what_is_played_is_heard_where_nothing_can_be_kept(
    place: Path, cfork: Callable[..., Ran], films_here: Path, state: str
) -> None:
    """The fragments stay in memory, the page tells it, and what it exports there fails with one line."""
    film = shutil.copy(films_here / "plain.mkv", place / "film.mkv")
    with taking_nothing(place / "out", state) as limited:
        before = listing(place.parent)
        options = {"network": fake(), "export_folder": place / "out"}
        if limited:
            try_codecs(cfork)
        with (
            no_file_grows(20_000) if limited else nullcontext(),
            player_of(Path(film), place / "out", **options) as player,
        ):
            _, _, client = player
            assert np.abs(client.sound(0)).max() > 0.01
            assert "stems cannot be kept" in client.get("/api/state").json["note"]
            facts = client.finished(client.post("/api/export", {"gains": {"dialogue": -6}}).json["id"])
        assert (facts["state"], facts["path"]) == ("failed", None)
        assert str(place / "out") in facts["error"]
        assert "itself failed" not in facts["error"]
        after = listing(place.parent)
        after.pop("films/out/player", None)  # of the cache, and empty
        assert after == before
