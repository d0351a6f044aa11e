"""Training on scenes of both kinds, and what is told of it."""

from __future__ import annotations

import json

import pytest
import torch
from support.tiny_packs import TINY, on_one_thread, write_packs, write_scene

from cfork_cli.console.console import Console
from cfork_cli.training.run import Screen
from model.train.config import TrainConfig, from_stored
from model.train.loop import train
from model.train.state import read_state


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    return write_packs(tmp_path_factory.mktemp("packs"))


def run(data, out, **changes):
    config = TrainConfig(
        str(data), str(out), **{
            "steps": 2, "network": json.dumps(TINY), "batch": 2, "crop_seconds": 0.3, "workers": 0,
            "validate_minutes": 1e9, "validation_scenes": 2, "validation_seconds": 0.5, **changes,
        }
    )  # fmt: skip
    with on_one_thread():
        result = train(config)
    return result, [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_both_kinds_are_validated_and_the_mean_loss_chooses(packs, tmp_path):
    result, lines = run(packs, tmp_path / "run")
    (validation,) = (line["validation"] for line in lines if "validation" in line)
    assert result["validation"] == validation
    film = validation["film"]
    assert film.keys() >= {"si_sdri_dialogue", "si_sdri_dialogue_mean", "loss_music", "loss"}
    own = sum(validation[f"loss_{stem}"] for stem in ("music", "dialogue", "effects")) / 3
    assert validation["loss"] == pytest.approx((own + film["loss"]) / 2, abs=1e-3)
    assert own != pytest.approx(film["loss"], abs=1e-3)  # of other scenes
    assert read_state(tmp_path / "run" / "best.pt")["validation_loss"] == validation["loss"]


@pytest.mark.parametrize("scenes", ["dnr", "film"])
def test_one_kind_alone(packs, tmp_path, scenes):
    _, lines = run(packs, tmp_path / scenes, scenes=scenes)
    (validation,) = (line["validation"] for line in lines if "validation" in line)
    assert "film" not in validation
    assert torch.load(tmp_path / scenes / "state.pt", weights_only=True)["config"]["scenes"] == scenes


def test_trees_are_what_they_are(tmp_path):
    """There are no film scenes in a tree of Divide and Remaster."""
    for split in ("tr", "cv"):
        for number in range(2):
            write_scene(tmp_path / "dnr" / split / str(number), 22_050)
    _, lines = run(tmp_path / "dnr", tmp_path / "run")
    assert all("film" not in line["validation"] for line in lines if "validation" in line)


def test_runs_of_before_stay_as_they_were():
    assert from_stored({"data": "p", "out": "o"})["scenes"] == "dnr"
    assert from_stored({"data": "p", "out": "o", "scenes": "film"})["scenes"] == "film"
    assert TrainConfig("p", "o", steps=1).scenes == "both"
    with pytest.raises(ValueError, match="--scenes is one of dnr, film, both, not 'cinema'"):
        TrainConfig("p", "o", steps=1, scenes="cinema")


def test_both_are_shown(capsys: pytest.CaptureFixture[str]):
    with Console() as console, Screen(console) as screen:
        figures = {"si_sdri_dialogue": 6.0, "loss": -3.0}
        screen.show({"step": 1, "minutes": 1.0, "validation": {**figures, "film": {"si_sdri_dialogue": 9.0}}})
        screen.show({"step": 2, "minutes": 2.0, "validation": figures})
    first, second = capsys.readouterr().err.splitlines()
    assert "SI-SDR dialogue +6.0, music -, effects - dB, as in films dialogue +9.0, music -, effects - dB" in first
    assert "films" not in second
