"""A network that is held to another one's stems while it learns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.tiny_packs import TINY, on_one_thread, write_packs, write_scene
from torch import Tensor

from model.dnr.dataset import training_scenes
from model.hub.container import WeightsError
from model.hub.weights import load, save
from model.metrics.losses import training_loss
from model.train.config import TrainConfig, configure
from model.train.loop import train
from model.train.state import new_network, read_state
from model.train.teacher import HeldScenes, Teacher


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_packs(tmp_path_factory.mktemp("packs"))


@pytest.fixture
def config(packs: Path, tmp_path: Path) -> TrainConfig:
    """A short run from a network that is the teacher too."""
    config = TrainConfig(
        str(packs), str(tmp_path / "run"), steps=12, network=json.dumps(TINY), batch=2, crop_seconds=0.4,
        workers=0, learning_rate=2e-2, warmup_steps=0, ema=0.0, validate_minutes=1e9, validation_scenes=1,
        validation_seconds=0.4,
    )  # fmt: skip
    torch.manual_seed(5)
    network = new_network(config)
    with torch.no_grad():  # what begins as zero would never be far from the true stems' mean
        for one in network.parameters():
            one.add_(0.05 * torch.randn_like(one))
    path = str(tmp_path / "teacher.safetensors")
    save(network, Path(path), {})
    return replace(config, init=path, teacher=path)


def test_only_held_scenes_hear_the_teacher(config: TrainConfig) -> None:
    teacher = Teacher(config.teacher, 0.25, torch.device("cpu"))
    criterion = training_loss("bounded", 0.01)
    estimates, stems = torch.randn(2, 3, 3, 9000, generator=torch.Generator().manual_seed(1))
    mixture = stems.sum(1)
    true = criterion(estimates, stems, mixture)
    with torch.inference_mode():
        wanted = load(config.teacher).eval()(mixture)
    against = criterion(estimates, wanted, mixture)
    held = torch.tensor([True, False, True])
    found = teacher.loss(criterion, true, estimates, mixture, held, bf16=False)
    assert torch.equal(found[1], true[1])
    torch.testing.assert_close(found[held], 0.75 * true[held] + 0.25 * against[held])
    assert torch.equal(teacher.loss(criterion, true, estimates, mixture, ~held & held, bf16=False), true)


def test_scenes_like_those_of_divide_and_remaster_are_held(packs: Path, tmp_path: Path) -> None:
    def held(data: Path, kind: str) -> list[bool]:
        scenes = HeldScenes(training_scenes(data, 0.3, 1, kind=kind)[0])
        return [scenes[number][2] for number in range(4)]

    assert held(packs, "both") == [True, False, True, False]
    assert held(packs, "dnr") == held(packs, "film") == [True] * 4
    for split in ("tr", "cv"):
        write_scene(tmp_path / "dnr" / split / "0", 22_050)
    assert held(tmp_path / "dnr", "both") == [True] * 4
    both, alone = (training_scenes(packs, 0.3, 1, kind=kind)[0] for kind in ("both", "dnr"))
    assert torch.corrcoef(torch.stack([both[2][0], alone[2][0]]))[0, 1] > 0.99  # at another level: that is the kind


def distance(config: TrainConfig, mixture: Tensor) -> float:
    """Train, and return how far from the teacher's stems the network's are, in dB of the mixture."""
    with on_one_thread():
        train(config)
    network = new_network(config).eval()
    network.load_state_dict(read_state(Path(config.out) / "state.pt")["averaged"])
    with torch.inference_mode():
        off = network(mixture) - load(config.teacher or config.init).eval()(mixture)
    return 10 * float(torch.log10(off.square().sum() / mixture.square().sum()))


def test_who_has_a_teacher_stays_near_it(config: TrainConfig, packs: Path, tmp_path: Path) -> None:
    """The same steps on the same scenes: half of the loss keeps the network nearer, all of it the nearest."""
    mixture = training_scenes(packs, 0.4, 99)[0][0][0][None]
    config = replace(config, scenes="dnr")
    free, half, whole = (
        distance(replace(config, out=str(tmp_path / f"share {share}"), teacher_share=share), mixture)
        for share in (0.0, 0.5, 1.0)
    )
    assert whole < half < free
    assert whole < free - 3
    alone = distance(replace(config, out=str(tmp_path / "alone"), teacher=""), mixture)
    assert alone == pytest.approx(free, abs=1e-3)  # a teacher that does not count changes nothing


def test_there_must_be_such_a_model(packs: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no model and no file"):
        configure({"data": str(packs), "out": str(tmp_path), "steps": 1, "teacher": "nothing-like-it"})
