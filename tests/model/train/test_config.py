"""What a run depends on: recipes, what is given and what was stored; and the learning rate that follows."""

import json
import math

import pytest
import torch

from model.hub.weights import save
from model.networks.bandsplit import BandSplit
from model.train.config import RECIPES, TrainConfig, configure, from_stored
from model.train.schedule import Plateau, learning_rate, progress
from model.train.state import new_network

GIVEN = {"data": "in", "out": "out"}


def test_ours_is_the_default():
    assert configure({**GIVEN, "minutes": 9.0}) == TrainConfig("in", "out", 9.0)
    assert configure({**GIVEN, "minutes": 9.0}, "cfork") == TrainConfig("in", "out", 9.0)


def test_the_published_recipe_is_what_was_published():
    """lightning_train.py of merlresearch/cocktail-fork-separation, and section 4 of the paper."""
    config = configure(GIVEN, "mrx-paper")
    assert (config.epochs, config.batch, config.crop_seconds) == (200, 20, 9.0)
    assert (config.learning_rate, config.beta2, config.weight_decay, config.clip_norm) == (1e-3, 0.999, 0.0, 5.0)
    assert (config.schedule, config.patience, config.warmup_steps, config.ema) == ("plateau", 3, 0, 0.0)
    assert (config.loss, config.architecture) == ("si_snr", "mrx")
    assert config.validate_minutes == config.validation_scenes == config.validation_seconds == 0
    network = new_network(config)
    assert sum(parameter.numel() for parameter in network.parameters()) == 30_509_080
    assert network.level_matched is False
    ours = configure(GIVEN, "mrx")
    assert (ours.loss, json.loads(ours.network)) == ("snr", {})


def test_what_is_given_wins_over_the_recipe_and_a_limit_over_all_limits():
    config = configure({**GIVEN, "batch": 4, "minutes": 30.0}, "mrx")
    assert (config.batch, config.minutes, config.epochs, config.steps) == (4, 30.0, 0, 0)
    assert config.crop_seconds == 9.0


def test_a_run_that_goes_on_remembers_its_options():
    first = configure({**GIVEN, "steps": 100, "batch": 8, "seed": 5}, "mrx")
    assert configure(GIVEN, None, first.options()) == first
    longer = configure({**GIVEN, "epochs": 3}, None, first.options())
    assert (longer.epochs, longer.steps, longer.seed) == (3, 0, 5)


def test_stored_options_of_other_versions_are_read():
    old = {"packs": "p", "out": "o", "minutes": 1.0, "batch": 8, "of_the_future": True}
    assert from_stored(old) == {"data": "p", "scenes": "dnr", "out": "o", "minutes": 1.0, "batch": 8}
    assert TrainConfig(**from_stored(old)).batch == 8


def test_fine_tuning_takes_the_network_of_the_weights(tmp_path):
    network = BandSplit(width=8, hidden=8, layers=1, overview=8, mask_hidden=8)
    save(network, tmp_path / "small.safetensors", {})
    config = configure({**GIVEN, "steps": 1, "init": str(tmp_path / "small.safetensors")})
    assert config.architecture == "bandsplit"
    assert json.loads(config.network) == network.config
    (tmp_path / "released.pth").write_bytes(b"PK")
    assert configure({**GIVEN, "steps": 1, "init": str(tmp_path / "released.pth")}).architecture == "mrx"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "how long"),
        ({"minutes": -1.0}, "--minutes cannot be"),
        ({"minutes": math.inf}, "--minutes cannot be"),
        ({"steps": 1, "batch": 0}, "--batch must be above 0"),
        ({"steps": 1, "batch": 5, "accumulate": 2}, "equal parts"),
        ({"steps": 1, "loss": "other"}, "bounded, snr, si_snr"),
        ({"steps": 1, "architecture": "other"}, "--architecture is one of"),
        ({"steps": 1, "network": "{"}, "JSON object"),
        ({"steps": 1, "network": "[]"}, "JSON object"),
        ({"steps": 1, "teacher_share": 1.5}, "part of the loss, 0 to 1"),
        *(
            ({"steps": 1, "stem_weights": text}, "three numbers")
            for text in ("1,1", "0,0,0", "1,-1,1", "a,b,c", "nan,1,1")
        ),
        *(
            ({"steps": 1, "presence": text}, "four chances")
            for text in ("1,1,1", "0,0,0,0", "1,1.1,1,1", "1,-0.1,1,1", "a,b,c,d", "1,nan,1,1")
        ),
    ],
)
def test_what_makes_no_sense_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        configure({**GIVEN, **given})


def test_unknown_recipes_and_arguments_of_networks_are_refused():
    with pytest.raises(ValueError, match="--recipe is one of cfork, mrx"):
        configure({**GIVEN, "steps": 1}, "other")
    with pytest.raises(ValueError, match="wdth"):
        new_network(configure({**GIVEN, "steps": 1, "network": '{"wdth": 3}'}))
    assert list(RECIPES) == ["cfork", "mrx", "mrx-paper"]


# The learning rate


def test_the_rate_warms_up_linearly_and_falls_like_a_cosine():
    config = TrainConfig("", "", minutes=10.0, learning_rate=2e-3, warmup_steps=100, final_fraction=0.1)
    assert learning_rate(config, 0, 0.0) == pytest.approx(2e-5)
    assert learning_rate(config, 49, 0.0) == pytest.approx(1e-3)
    assert learning_rate(config, 99, 0.0) == learning_rate(config, 10_000, 0.0) == pytest.approx(2e-3)
    assert learning_rate(config, 10_000, 0.5) == pytest.approx(2e-3 * (0.1 + 0.9 / 2))
    assert learning_rate(config, 10_000, 1.0) == pytest.approx(2e-4)
    rates = [learning_rate(config, 10_000, done / 100) for done in range(101)]
    assert rates == sorted(rates, reverse=True)
    assert min(rates) > 0


def test_the_first_limit_counts():
    config = TrainConfig("", "", minutes=10.0, steps=100, epochs=2)
    assert progress(config, 0, 0.0, 60) == 0
    assert progress(config, 10, 5.0, 60) == 0.5
    assert progress(config, 80, 5.0, 60) == 0.8
    assert progress(config, 90, 5.0, 45) == 1.0
    assert progress(config, 0, 99.0, 60) == 1.0


def test_the_plateau_halves_like_that_of_pytorch():
    generator = torch.Generator().manual_seed(0)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=3)
    ours = Plateau(3)
    config = TrainConfig("", "", steps=1, schedule="plateau", learning_rate=2e-3, warmup_steps=0)
    for number in range(60):
        loss = 5.0 + 0.3 * float(torch.randn((), generator=generator)) + 3.0 / (1 + number)
        theirs.step(loss)
        ours.validated(loss)
        assert ours.factor == optimizer.param_groups[0]["lr"]
        assert learning_rate(config, number, 0.9, ours.factor) == 2e-3 * ours.factor
    assert ours.factor < 0.1


def test_negative_losses_that_stand_still_are_a_plateau():
    ours = Plateau(1)
    for _ in range(3):
        ours.validated(-5.0)
    assert ours.factor == 0.5
    ours.validated(-6.0)
    assert (ours.best, ours.waited) == (-6.0, 0)
