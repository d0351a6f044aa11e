"""`cfork evaluate` by the voice's level and at several input levels; `cfork dnr build --recipe film`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.commands import Ran, echo_network
from support.tiny_packs import write_packs

from cfork_cli.commands import dnr
from cfork_cli.errors import UsageError
from cfork_cli.flows import network as networks
from cfork_cli.training.level_tables import parse_levels
from model import SAMPLE_RATE

Command = Callable[..., Ran]


@pytest.fixture
def scenes(place: Path) -> Path:
    """Three noisy scenes of a second, the voice 9 and 3 dB under the rest and 3 dB over it."""
    for number, level in enumerate((-9.0, -3.0, 3.0)):
        noise = 0.05 * np.random.default_rng(number).standard_normal((3, SAMPLE_RATE))
        noise[1] *= np.sqrt(2) * 10 ** (level / 20)
        folder = place / "film" / str(number)
        folder.mkdir(parents=True)
        for name, samples in zip(("music", "speech", "sfx", "mix"), [*noise, noise.sum(0)], strict=True):
            soundfile.write(folder / f"{name}.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    return place / "film"


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that hears all of a loud mixture and half of a quiet one as each of its stems."""
    network = echo_network((1.0, 1.0, 1.0))
    heard = type(network).forward

    def forward(self: Any, x: Any, stems: Any = None) -> Any:
        return heard(self, x, stems) * (1.0 if float(x.square().mean()) > 1e-4 else 0.5)

    monkeypatch.setattr(type(network), "forward", forward)
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))


@pytest.mark.usefixtures("deaf")
def test_scores_by_the_voices_level(cfork: Command, scenes: Path) -> None:
    (report,) = cfork("evaluate", scenes, "--json").result["models"]
    assert {name: one["scenes"] for name, one in report["voice"].items()} == {"-12..-6": 1, "-6..0": 1, "0..+6": 1}
    assert [round(scene["voice_db"]) for scene in report["scenes"]] == [-9, -3, 3]
    assert "levels" not in report
    out = cfork("evaluate", scenes).out
    assert "voice against the rest" in out
    assert "input level" not in out


@pytest.mark.usefixtures("deaf")
def test_scores_at_several_levels(cfork: Command, scenes: Path, place: Path) -> None:
    ran = cfork("evaluate", scenes, "--levels", "0,-20", "--json", "-o", "all.csv")
    (report,) = ran.result["models"]
    assert ran.result["levels_db"] == [0.0, -20.0]
    assert list(report["levels"]) == ["+0", "-20"]
    loud, quiet = report["levels"].values()
    # a network that is deaf to quiet sound hears it at the level of the film
    assert abs(quiet["lost"]["dialogue"]["mean"]) < 0.01
    assert quiet["stems"]["dialogue"]["snr"]["mean"] == pytest.approx(
        loud["stems"]["dialogue"]["snr"]["mean"], abs=0.01
    )
    assert report["summary"]["scenes"] == 3  # the scores are those of the first level
    assert len(report["scenes"]) == 6
    rows = list(csv.DictReader((place / "all.csv").read_text().splitlines()))
    assert {row["level_db"] for row in rows} == {"0.000", "-20.000"}
    assert len(rows) == 2 * 3 * 4
    table = cfork("evaluate", scenes, "--levels", "0,-20", "-o", "all.md")
    assert table.code == 0
    assert "| -20 |" in (place / "all.md").read_text()


def test_levels_that_are_none(cfork: Command, scenes: Path) -> None:
    assert parse_levels("0,\N{MINUS SIGN}10") == (0.0, -10.0)
    for text in ("loud", "", "0,0", "-61", "nan", "0,,1"):
        with pytest.raises(UsageError, match="--levels takes different numbers of dB"):
            parse_levels(text)
    ran = cfork("evaluate", scenes, "--levels", "0,x")
    assert (ran.code, len(ran.lines)) == (2, 1)


def test_film_scenes_are_built_by_the_command(cfork: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packs = write_packs(place / "packs", ["test"])
    monkeypatch.setattr("model.dnr.film_scenes.draw_film_scene.__defaults__", (2.0,))
    command = ["dnr", "build", "film", "--packs", packs, "--recipe", "film", "--scenes", "1", "--workers", "1"]
    ran = cfork(*command, "--json")
    assert ran.code == 0, ran.err
    assert ran.result["built"] == 1
    assert {path.name for path in (place / "film" / "tt" / "1000").iterdir()} == {
        "mix.wav", "music.wav", "speech.wav", "sfx.wav", "scene.json",
    }  # fmt: skip
    assert soundfile.info(place / "film" / "tt" / "1000" / "mix.wav").channels == 2
    assert cfork(*command, "--json").result == {**ran.result, "built": 0, "there_already": 1}
    # scenes of the other recipe are in the way
    other = cfork("dnr", "build", "film", "--packs", packs, "--scenes", "1", "--workers", "1")
    assert (other.code, len(other.lines)) == (4, 1)
    assert "another build" in other.err
    again = cfork("dnr", "build", "again", "--packs", packs, "--recipe", "film", "--annots", "film")
    assert (again.code, len(again.lines)) == (2, 1)
    assert "leave out --recipe" in again.err
    assert set(dnr.Recipe) == {"dnr", "film", "film-hard"}


@pytest.mark.usefixtures("deaf")
def test_scores_by_what_is_hard(cfork: Command, scenes: Path) -> None:
    for number, facts in enumerate(('{"hard": "far"}', '{"hard": "crowd"}', '{"hard": "[red]no name"}')):
        (scenes / str(number) / "scene.json").write_text(facts)
    ran = cfork("evaluate", scenes, "--json")
    (report,) = ran.result["models"]
    assert {name: one["scenes"] for name, one in report["hard"].items()} == {"crowd": 1, "far": 1}
    assert "what is hard" in cfork("evaluate", scenes).out
