"""`cfork models` and `cfork evaluate`."""

from __future__ import annotations

import builtins
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from commands import Ran, echo_network, listing
from films import noise

from cfork_cli import pipeline
from model import SAMPLE_RATE, weights

Command = Callable[..., Ran]


@pytest.fixture
def scenes(place: Path) -> Path:
    """Two scenes of three seconds."""
    for number in range(2):
        folder = place / "dnr" / str(number)
        folder.mkdir(parents=True)
        stems = [noise(1, 3 * SAMPLE_RATE, seed=10 * number + part)[0] for part in range(3)]
        for name, samples in zip(("music", "speech", "sfx", "mix"), [*stems, np.sum(stems, axis=0)], strict=True):
            soundfile.write(folder / f"{name}.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    return place / "dnr"


def test_the_bundled_model_is_listed(cfork: Command) -> None:
    ran = cfork("models")
    assert (ran.code, ran.err) == (0, "")
    assert "cfork (default)" in ran.out
    assert " MB" in ran.out
    (found,) = [info for info in cfork("models", "--json").result["models"] if info["name"] == weights.DEFAULT_MODEL]
    assert Path(found["path"]).stat().st_size == found["bytes"]
    assert found["architecture"] in weights.ARCHITECTURES


def test_scores_of_the_card(cfork: Command, place: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from model.bandsplit import BandSplit

    card = {"si_sdr_improvement_db": {"dialogue": 7.26, "music": 5.0, "effects": -0.5}, "license": "MIT"}
    weights.save(BandSplit(8, 8, 1, 8, 8), place / "cfork.safetensors", card)
    monkeypatch.setattr(weights, "BUNDLED", place)
    assert "+7.3 dB / +5.0 dB / -0.5 dB MIT" in " ".join(cfork("models").out.split())
    assert cfork("models", "--json").result["models"][0]["card"] == card


def test_a_damaged_bundled_model(cfork: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "cfork.safetensors").write_text("nothing")
    monkeypatch.setattr(weights, "BUNDLED", place)
    ran = cfork("models")
    assert (ran.code, ran.out, len(ran.lines)) == (7, "", 1)
    assert cfork("models", "--json").result["exit_code"] == 7


def test_evaluate(cfork: Command, scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyloudnorm")
    network = echo_network((1.0, 1.0, 1.0))
    monkeypatch.setattr(pipeline, "load_network", lambda model, device: (network, "cpu"))
    ran = cfork("evaluate", scenes)
    assert (ran.code, ran.err) == (0, "")
    assert "mean gain" in ran.out
    ran = cfork("evaluate", scenes, "--scenes", "1", "--json")
    assert ran.code == 0
    assert [scene["scene"] for scene in ran.result["scenes"]] == ["0"]
    for stem in ran.result["summary"]["stems"].values():
        assert abs(stem["si_sdri"]["mean"]) < 0.01  # the estimate is the mixture
    assert all(json.loads(line)["stage"] in ("load", "evaluate") for line in ran.lines)


def test_trees_that_cannot_be_scored(
    cfork: Command, scenes: Path, place: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyloudnorm")

    def refused(code: int, *arguments: str | Path) -> str:
        ran = cfork("evaluate", *arguments)
        assert (ran.code, ran.out, len(ran.lines)) == (code, "", 1), ran.err
        return ran.err

    assert "no scenes in missing" in refused(3, "missing")
    assert "no model and no file is called 'missing'" in refused(7, scenes, "--model", "missing")
    assert "invalid value for '--scenes'" in refused(2, scenes, "--scenes", "0")
    (scenes / "0" / "sfx.wav").write_text("no sound")
    assert "a scene in" in refused(3, scenes, "--model", tiny_model)
    shutil.rmtree(scenes / "0")
    (scenes / "1" / "sfx.wav").unlink()
    assert "a scene in" in refused(3, scenes, "--model", tiny_model)
    assert listing(place)


def test_scoring_without_its_packages(cfork: Command, scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyloudnorm")
    whole = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "model.evaluate":
            raise ModuleNotFoundError("No module named 'pyloudnorm'", name="pyloudnorm")
        return whole(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    ran = cfork("evaluate", scenes)
    assert ran.code == 2
    assert ran.err == "cfork: scoring needs the package 'pyloudnorm': pip install pyloudnorm\n"


def test_the_bundled_model_has_a_whole_card(cfork: Command) -> None:
    (found,) = [one for one in cfork("models", "--json").result["models"] if one["name"] == weights.DEFAULT_MODEL]
    card = found["card"]
    assert {"data", "license", "commit", "training", "si_sdr_improvement_db"} <= card.keys()
    assert card["data"]["hours"].keys() == {"speech", "music", "effects"}
    # under the mixture on any stem it would be no model to ship
    assert all(card["si_sdr_improvement_db"][stem] > 0 for stem in ("dialogue", "music", "effects"))
