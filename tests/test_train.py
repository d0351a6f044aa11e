"""Training on tiny packs, by a clock of our own: it learns, stops in time, goes on from its file, survives."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_packs import TINY, write_packs

from model import STEMS
from model import train as training
from model.mrx import MRX
from model.package import main as package_main
from model.package import package
from model.train import TrainConfig, fixed_scenes, learning_rate, new_network, train, validate
from model.weights import describe, load

STEP_SECONDS = 0.6  # of the clock below
BANDS = json.dumps(TINY)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    return write_packs(tmp_path_factory.mktemp("packs"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Training takes all cores; networks as tiny as these only wait for one another there."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "set_num_threads", lambda count: None)
        yield
    torch.set_num_threads(threads)


class Clock:
    """Every look at the clock takes STEP_SECONDS: a minute is 100 steps, on any machine."""

    def __init__(self):
        self.now, self.leaps = 0.0, []

    def monotonic(self):
        self.now += self.leaps.pop(0) if self.leaps else STEP_SECONDS
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    return clock


def tiny_config(packs, out, **changes):
    """Ten steps."""
    return TrainConfig(
        str(packs), str(out), **{
            "minutes": 0.095, "network": BANDS, "batch": 2, "crop_seconds": 0.3, "warmup_steps": 5,
            "learning_rate": 3e-3, "ema": 0.9, "workers": 0, "save_minutes": 0.05, "validate_minutes": 1e9,
            "validation_scenes": 4, "validation_seconds": 0.5, **changes,
        }
    )  # fmt: skip


@pytest.fixture
def config(packs, tmp_path, clock):
    return tiny_config(packs, tmp_path / "run")


@pytest.fixture(scope="module")
def trained(packs, tmp_path_factory):
    """The config of a run of 100 steps that is done."""
    config = tiny_config(packs, tmp_path_factory.mktemp("trained"), minutes=0.995, validate_minutes=0.4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "time", Clock())
        train(config)
    return config


def state_of(config):
    return torch.load(Path(config.out) / "state.pt", weights_only=True)


def metrics_of(config):
    return [json.loads(line) for line in (Path(config.out) / "metrics.jsonl").read_text().splitlines()]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Schedule


def test_the_rate_warms_up_linearly_and_falls_like_a_cosine():
    config = TrainConfig("", "", minutes=10.0, learning_rate=2e-3, warmup_steps=100, final_fraction=0.1)
    assert learning_rate(config, 0, 0.0) == pytest.approx(2e-5)
    assert learning_rate(config, 49, 0.0) == pytest.approx(1e-3)
    assert learning_rate(config, 99, 0.0) == learning_rate(config, 10_000, 0.0) == pytest.approx(2e-3)
    assert learning_rate(config, 10_000, 5.0) == pytest.approx(2e-3 * (0.1 + 0.9 / 2))
    assert learning_rate(config, 10_000, 10.0) == learning_rate(config, 10_000, 99.0) == pytest.approx(2e-4)
    rates = [learning_rate(config, 10_000, minutes / 10) for minutes in range(101)]
    assert rates == sorted(rates, reverse=True)
    assert min(rates) > 0


# Learning


def test_the_loss_falls(trained):
    first, last = (sum(line["loss"].values()) / 3 for line in metrics_of(trained) if "loss" in line)
    assert last < first - 0.5  # dB


def test_the_average_is_better_than_the_beginning(trained):
    scenes = fixed_scenes(trained)
    network = new_network(trained)
    torch.manual_seed(trained.seed)
    before = validate(new_network(trained), scenes, torch.device("cpu"))
    network.load_state_dict(state_of(trained)["averaged"])
    after = validate(network, scenes, torch.device("cpu"))
    heard = [stem for stem in before if before[stem] is not None]
    assert heard
    assert sum(after[stem] for stem in heard) > sum(before[stem] for stem in heard)


def test_validation_scenes_are_always_the_same(config):
    one, same = fixed_scenes(config), fixed_scenes(replace(config, seed=99))
    assert one.shape == (4, 3, 22_050)
    assert torch.equal(one, same)


class Same(torch.nn.Module):
    """Every stem is the mixture."""

    def forward(self, x):
        return x[:, None].expand(-1, 3, -1)


def test_validation_measures_the_improvement_over_the_mixture():
    generator = torch.Generator().manual_seed(0)
    scenes = torch.randn(4, 3, 5000, generator=generator)
    gains = validate(Same(), scenes, torch.device("cpu"))
    assert list(gains) == [f"si_sdri_{stem}" for stem in STEMS]
    assert all(abs(gain) < 1e-4 for gain in gains.values())


def test_validation_without_a_stem_has_no_figure_for_it():
    scenes = torch.randn(2, 3, 5000, generator=torch.Generator().manual_seed(0))
    scenes[:, 1] = 0
    gains = validate(Same(), scenes, torch.device("cpu"))
    assert gains["si_sdri_dialogue"] is None
    assert gains["si_sdri_music"] is not None
    scenes[:, 0] = 0  # nothing but effects is nothing to separate
    assert set(validate(Same(), scenes, torch.device("cpu")).values()) == {None}


# Time and files


def test_time_is_kept(config):
    train(config)
    state = state_of(config)
    assert state["step"] == 10
    assert config.minutes <= state["minutes"] <= config.minutes + STEP_SECONDS / 60 + 1e-9
    # what is done is done: the same command does nothing more
    before = (Path(config.out) / "state.pt").read_bytes()
    assert train(config) == Path(config.out) / "state.pt"
    assert (Path(config.out) / "state.pt").read_bytes() == before


def test_a_suspended_process_has_not_trained(config, clock):
    clock.leaps = [0.0, 24 * 3600.0]  # the first step takes a day, and counts as a minute
    train(replace(config, minutes=1.045))
    assert state_of(config)["step"] == 6


def test_metrics_are_lines_of_json(trained):
    lines = metrics_of(trained)
    losses, validations = ([line for line in lines if kind in line] for kind in ("loss", "validation"))
    assert [line["step"] for line in losses] == [50, 100]
    assert all(set(line["loss"]) == set(STEMS) for line in losses)
    assert losses[1]["audio_hours"] == pytest.approx(100 * 2 * 0.3 / 3600, abs=1e-3)
    assert len(validations) == 3  # at 0.4, at 0.8, and at the end
    assert all(set(line["validation"]) == {f"si_sdri_{stem}" for stem in STEMS} for line in validations)
    minutes = [line["minutes"] for line in lines]
    assert minutes == sorted(minutes)


def test_a_run_is_its_seed(config, tmp_path):
    other = replace(config, out=str(tmp_path / "again"))
    train(config)
    train(other)
    assert equal(state_of(config)["network"], state_of(other)["network"])
    third = replace(config, out=str(tmp_path / "third"), seed=2)
    train(third)
    assert not equal(state_of(config)["network"], state_of(third)["network"])


def test_a_run_goes_on_from_its_file(config, monkeypatch):
    train(config)
    first = state_of(config)
    seen = []

    class Noted(training.Scenes):
        def __init__(self, packs, split, seconds, seed):
            super().__init__(packs, split, seconds, seed)
            seen.append((split, seed))

    monkeypatch.setattr(training, "Scenes", Noted)
    longer = replace(config, minutes=0.195)
    train(longer)
    second = state_of(config)
    assert second["step"] == 20
    assert second["resumptions"] == first["resumptions"] + 1 == 1
    assert second["minutes"] == pytest.approx(2 * first["minutes"])
    assert seen == [("train", config.seed + 1000)]  # other scenes than before
    steps = {int(entry["step"]) for entry in second["optimizer"]["state"].values()}
    assert steps == {20}  # the optimizer's moments went on, too
    assert not equal(first["network"], second["network"])


def test_a_resumed_step_begins_with_the_very_networks_of_the_file(config, monkeypatch):
    """With a rate of nothing the resumed run must leave every parameter as the file has it."""
    train(config)
    first = state_of(config)
    monkeypatch.setattr(training, "learning_rate", lambda *_: 0.0)
    train(replace(config, minutes=0.12))
    second = state_of(config)
    assert second["step"] > first["step"]
    assert equal(first["network"], second["network"])


def test_dying_while_saving_loses_no_state(config, monkeypatch):
    train(config)
    before = state_of(config)
    true_save = torch.save

    def dies(state, path):
        true_save(state, path)
        with Path(path).open("r+b") as file:
            file.truncate(1000)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        train(replace(config, minutes=0.195))
    after = state_of(config)
    assert after["step"] == before["step"]
    assert equal(after["averaged"], before["averaged"])
    monkeypatch.setattr(torch, "save", true_save)
    train(replace(config, minutes=0.195))
    assert state_of(config)["step"] == 20


def test_a_broken_scene_does_not_break_the_network(config, monkeypatch):
    true_loss, calls = training.bounded_snr_loss, []

    def broken(estimate, *others):
        calls.append(1)
        loss = true_loss(estimate, *others)
        return loss * math.nan if len(calls) == 3 else loss

    monkeypatch.setattr(training, "bounded_snr_loss", broken)
    train(config)
    for name in ("network", "averaged"):
        assert all(torch.isfinite(tensor).all() for tensor in state_of(config)[name].values())


def test_another_network_does_not_go_on_from_this_file(config):
    train(config)
    with pytest.raises(RuntimeError, match="size mismatch"):
        train(replace(config, minutes=1.0, network=json.dumps({**TINY, "width": 12})))


def test_a_network_that_counts_as_it_trains_is_averaged_with_its_counts(config, tmp_path):
    """MRX has batch normalizations: their statistics must reach the average, or it would be of no use."""
    small = {"windows": [512, 1024], "hop": 256, "hidden": 8, "layers": 1}
    config = replace(config, architecture="mrx", network=json.dumps(small))
    torch.manual_seed(0)
    train(config)
    state = state_of(config)
    counted = [name for name in state["network"] if name.endswith("running_mean")]
    assert counted
    for name in counted:
        assert torch.equal(state["averaged"][name], state["network"][name])
        assert state["network"][name].abs().sum() > 0
    package(Path(config.out) / "state.pt", tmp_path / "mrx.safetensors", {})
    assert isinstance(load(tmp_path / "mrx.safetensors"), MRX)


# Command and package


def test_every_field_of_the_config_is_an_option(config, monkeypatch, capsys):
    made = []
    monkeypatch.setattr(training, "train", lambda config: made.append(config) or Path("state.pt"))
    monkeypatch.setattr(
        sys,
        "argv",
        ["train", "in", "out", "--minutes", "2.5", "--batch", "7", "--bf16", "--network", "{}", "--seed", "3"],
    )
    training.main()
    assert made == [TrainConfig("in", "out", 2.5, batch=7, bf16=True, seed=3)]
    monkeypatch.setattr(sys, "argv", ["train", "in", "out"])
    with pytest.raises(SystemExit):
        training.main()
    assert "--minutes" in capsys.readouterr().err


def test_the_package_is_the_averaged_network_with_its_card(config, tmp_path, monkeypatch, capsys):
    train(config)
    state = state_of(config)
    (tmp_path / "card.json").write_text(json.dumps({"license": "MIT", "hours": 3}))
    out = tmp_path / "deep" / "cfork.safetensors"
    arguments = [Path(config.out) / "state.pt", out, "--card", tmp_path / "card.json"]
    monkeypatch.setattr(sys, "argv", ["package", *map(str, arguments)])
    package_main()
    assert f"{out.stat().st_size:,}" in capsys.readouterr().out
    info = describe(out)
    assert info.architecture == "bandsplit"
    assert info.config == new_network(config).config
    assert info.card == {
        "license": "MIT", "hours": 3, "training": {"steps": 10, "minutes": 0.1, "seed": config.seed},
    }  # fmt: skip
    loaded = load(out)
    for name, tensor in state["averaged"].items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)  # half precision


def test_what_training_leaves_open_is_set_when_packaging(config, tmp_path):
    train(config)
    package(Path(config.out) / "state.pt", tmp_path / "x.safetensors", {}, {"residual": [0.0, 0.0, 0.5]})
    assert describe(tmp_path / "x.safetensors").config["residual"] == [0.0, 0.0, 0.5]
    assert load(tmp_path / "x.safetensors").residual["effects"] == 0.5
    with pytest.raises(RuntimeError, match="size mismatch"):  # but not what was trained
        package(Path(config.out) / "state.pt", tmp_path / "y.safetensors", {}, {"width": 12})
    assert not (tmp_path / "y.safetensors").exists()
