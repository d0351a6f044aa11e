"""Training on tiny packs, by a clock of our own: it learns, stops in time, goes on exactly, survives."""

import json
import math
import os
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from support.tiny_packs import TINY, on_one_thread, write_packs, write_scene

from model import STEMS
from model.dnr.dataset import validation_scenes
from model.hub.weights import describe, load, save
from model.metrics.losses import training_loss
from model.networks.mrx import MRX
from model.train import loop as training
from model.train.config import RECIPES, TrainConfig, configure
from model.train.loop import train
from model.train.package import main as package_main
from model.train.package import package
from model.train.schedule import Plateau
from model.train.state import StateError, Training, new_network, new_optimizers, stored_config
from model.train.validation import summarize, validate

STEP_SECONDS = 0.6  # of the clock below
BANDS = json.dumps(TINY)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    return write_packs(tmp_path_factory.mktemp("packs"))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Training takes all cores; networks as tiny as these only wait for one another there."""
    with on_one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "set_num_threads", lambda count: None)
        yield


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
    monkeypatch.setattr(training, "draw", lambda metrics: None)  # it takes longer than all the steps
    return clock


def tiny_config(packs, out, **changes):
    """Ten steps."""
    return TrainConfig(
        str(packs), str(out), **{
            "minutes": 0.095, "scenes": "dnr", "network": BANDS, "batch": 2, "crop_seconds": 0.3, "warmup_steps": 5,
            "learning_rate": 3e-3, "ema": 0.9, "workers": 0, "save_minutes": 0.05, "validate_minutes": 1e9,
            "validation_scenes": 4, "validation_seconds": 0.5, **changes,
        }
    )  # fmt: skip


@pytest.fixture
def config(packs, tmp_path, clock):
    return tiny_config(packs, tmp_path / "run")


@pytest.fixture(scope="module")
def trained(packs, tmp_path_factory):
    """The config of a run of 60 steps that is done."""
    config = tiny_config(
        packs, tmp_path_factory.mktemp("trained"), minutes=0.595, validate_minutes=0.25, report_steps=20
    )
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


def after(steps):
    """Asks to stop when so many steps are done."""
    asked = []

    def stop():
        asked.append(1)
        return len(asked) >= steps

    return stop


# Learning


def test_the_loss_falls(trained):
    first, _, last = (sum(line["loss"].values()) / 3 for line in metrics_of(trained) if "loss" in line)
    assert last < first - 0.5  # dB


def scored(network, config):
    data, count = validation_scenes(Path(config.data), config.validation_seconds, config.validation_scenes)
    criterion = training_loss(config.loss, config.loss_floor)
    return summarize([validate(network, map(data.__getitem__, range(count)), torch.device("cpu"), criterion)])


def test_the_average_is_better_than_the_beginning(trained):
    torch.manual_seed(trained.seed)
    before = scored(new_network(trained), trained)
    network = new_network(trained)
    network.load_state_dict(state_of(trained)["averaged"])
    after = scored(network, trained)
    assert after["loss"] < before["loss"]
    assert after == [line["validation"] for line in metrics_of(trained) if "validation" in line][-1]


def test_the_best_average_is_kept_beside_the_state(trained, tmp_path):
    losses = [line["validation"]["loss"] for line in metrics_of(trained) if "validation" in line]
    best = torch.load(Path(trained.out) / "best.pt", weights_only=True)
    assert best["validation_loss"] == state_of(trained)["best"] == min(losses)
    network = new_network(trained)
    network.load_state_dict(best["averaged"])
    assert scored(network, trained)["loss"] == min(losses)
    package(Path(trained.out) / "best.pt", tmp_path / "best.safetensors", {})
    assert describe(tmp_path / "best.safetensors").card["training"]["steps"] == best["step"]


def test_training_draws_its_metrics(trained):
    assert (Path(trained.out) / "metrics.png").read_bytes().startswith(b"\x89PNG")
    assert not list(Path(trained.out).glob("*.part"))


class Same(torch.nn.Module):
    """Every stem is the mixture."""

    def forward(self, x):
        return x[:, None].expand(-1, 3, -1)


def validated(stems):
    """Figures of a network that gives the mixture for every stem; stems [N, 3, T]."""
    scenes = [(scene.sum(0), scene) for scene in stems]
    return summarize([validate(Same(), scenes, torch.device("cpu"), training_loss("bounded", 0.01))])


def test_validation_measures_the_improvement_over_the_mixture():
    figures = validated(torch.randn(4, 3, 5000, generator=torch.Generator().manual_seed(0)))
    assert set(figures) == {
        *(f"si_sdri_{stem}{kind}" for stem in STEMS for kind in ("", "_mean")), *(f"loss_{stem}" for stem in STEMS),
        "loss",
    }  # fmt: skip
    assert all(abs(figures[f"si_sdri_{stem}{kind}"]) < 1e-4 for stem in STEMS for kind in ("", "_mean"))
    assert figures["loss"] == pytest.approx(10 * math.log10((2 + 0.03) / (1 + 0.03)), abs=0.1)  # two stems too many


def test_validation_tells_median_and_mean():
    gains = [{f"{kind}_{stem}": values for kind in ("si_sdri", "loss") for stem in STEMS}
             for values in ([1.0, 2.0], [9.0])]  # fmt: skip
    figures = summarize(gains)  # of two processes
    assert figures["si_sdri_music"] == 2.0
    assert figures["si_sdri_music_mean"] == figures["loss_effects"] == figures["loss"] == 4.0


def test_validation_without_a_stem_has_no_figure_for_it():
    scenes = torch.randn(2, 3, 5000, generator=torch.Generator().manual_seed(0))
    scenes[:, 1] = 0
    figures = validated(scenes)
    assert figures["si_sdri_dialogue"] is figures["si_sdri_dialogue_mean"] is None
    assert figures["si_sdri_music"] is not None
    scenes[:, 0] = 0  # nothing but effects is nothing to separate
    assert {validated(scenes)[f"si_sdri_{stem}"] for stem in STEMS} == {None}


# Time and files


def test_time_is_kept(config):
    train(config)
    state = state_of(config)
    assert state["step"] == 10
    assert config.minutes <= state["minutes"] <= config.minutes + STEP_SECONDS / 60 + 1e-9
    # what is done is done: the same command does nothing more
    before = (Path(config.out) / "state.pt").read_bytes()
    result = train(config)
    assert result == {
        "state": str(Path(config.out) / "state.pt"), "finished": True, "step": 10, "minutes": state["minutes"],
        "validation": None,
    }  # fmt: skip
    assert (Path(config.out) / "state.pt").read_bytes() == before


def test_a_suspended_process_has_not_trained(config, clock):
    clock.leaps = [0.0, 24 * 3600.0]  # the first step takes a day, and counts as a minute
    train(replace(config, minutes=1.045))
    assert state_of(config)["step"] == 6


def test_metrics_are_lines_of_json(trained):
    lines = metrics_of(trained)
    losses, validations = ([line for line in lines if kind in line] for kind in ("loss", "validation"))
    assert [line["step"] for line in losses] == [20, 40, 60]
    assert all(set(line["loss"]) == set(STEMS) for line in losses)
    assert losses[2]["audio_hours"] == pytest.approx(60 * 2 * 0.3 / 3600, abs=1e-3)
    assert len(validations) == 3  # at 0.25, at 0.5, and at the end
    assert all(line["speed"] == pytest.approx(2 * 0.3 / STEP_SECONDS, rel=0.05) for line in losses)
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


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # workers are forked
@pytest.mark.parametrize(
    ("architecture", "network", "workers", "optimizer"),
    [("bandsplit", TINY, 0, "adamw"), ("bandsplit", TINY, 1, "adamw"), ("bandsplit", TINY, 0, "muon"),
     ("mrx", {"windows": [512], "hidden": 8, "layers": 2}, 0, "adamw")],
)  # fmt: skip
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    config, tmp_path, architecture, network, workers, optimizer
):
    config = replace(config, minutes=0.0, steps=6, workers=workers, report_steps=2, architecture=architecture,
                     network=json.dumps(network), optimizer=optimizer)  # fmt: skip
    broken = replace(config, out=str(tmp_path / "broken"))
    assert train(config)["finished"]
    stopped = train(broken, stop=after(3))
    assert (stopped["finished"], stopped["step"], state_of(broken)["step"]) == (False, 3, 3)
    torch.rand(7)  # whoever else draws random numbers does not matter
    assert train(broken)["finished"]
    one, other = state_of(config), state_of(broken)
    assert equal(one["network"], other["network"])
    assert equal(one["averaged"], other["averaged"])
    assert len(one["optimizers"]) == (2 if optimizer == "muon" else 1)
    for mine, theirs in zip(one["optimizers"], other["optimizers"], strict=True):
        assert mine["state"]
        for index, moments in mine["state"].items():
            assert equal(moments, theirs["state"][index])
    rates = [[(line["step"], line["lr"]) for line in metrics_of(run) if line.get("step") == 6 and "lr" in line]
             for run in (config, broken)]  # fmt: skip
    assert rates[0] == rates[1]


def test_accumulating_parts_is_the_same_step(config, tmp_path):
    config = replace(config, minutes=0.0, steps=3)
    parts = replace(config, out=str(tmp_path / "parts"), accumulate=2)
    train(config)
    train(parts)
    one, other = state_of(config)["network"], state_of(parts)["network"]
    for name, tensor in one.items():  # the same scenes, in two halves: the same sum but for rounding
        torch.testing.assert_close(tensor, other[name], atol=2e-4, rtol=1e-3)
    assert [set(line) for line in metrics_of(config)] == [set(line) for line in metrics_of(parts)]


def test_a_stem_that_does_not_count_is_not_learnt(config):
    config = replace(config, minutes=0.0, steps=2, stem_weights="0,1,2", weight_decay=0.0)
    train(config)
    begun, ended = Training.begin(replace(config, out="nowhere"), torch.device("cpu")).network, state_of(config)
    changed = {name for name, tensor in begun.state_dict().items() if not torch.equal(tensor, ended["network"][name])}
    assert {name.split(".")[1] for name in changed if name.startswith("decoders.")} == {"dialogue", "effects"}


def test_a_training_hears_the_classes_it_is_told(config):
    config = replace(config, minutes=0.0, steps=2, presence="0,0,1,0", report_steps=1)
    train(config)
    losses = [line["loss"] for line in metrics_of(config) if "loss" in line]
    usual = replace(config, out=config.out + "-usual", presence="0,1,0,0")
    train(usual)
    assert losses != [line["loss"] for line in metrics_of(usual) if "loss" in line]
    assert stored_config(Path(config.out))["presence"] == "0,0,1,0"


@pytest.mark.parametrize("recipe", ["mrx", "mrx-paper"])
def test_the_published_recipe_trains_on_a_tree(clock, tmp_path, recipe):
    """Small: three scenes, three epochs. Every epoch is validated, and the rate follows the validations."""
    for split in ("tr", "cv"):
        for number in range(3):
            write_scene(tmp_path / "dnr" / split / str(number), 6000)
    published = json.loads(RECIPES[recipe].get("network", "{}"))
    network = {"windows": [512], "hidden": 8, "layers": 1, **published}
    given = {"data": str(tmp_path / "dnr"), "network": json.dumps(network), "batch": 3, "crop_seconds": 0.1,
             "workers": 0, "epochs": 3, "patience": 0, "report_steps": 1}  # fmt: skip
    straight, broken = (configure({**given, "out": str(tmp_path / name)}, recipe) for name in ("straight", "broken"))
    assert train(straight)["step"] == 3
    validations = [line for line in metrics_of(straight) if "validation" in line]
    assert [line["step"] for line in validations] == [1, 2, 3]
    state = state_of(straight)
    assert state["best"] == min(line["validation"]["loss"] for line in validations)
    plateau, rates = Plateau(0), []
    for line in validations:
        rates.append(1e-3 * plateau.factor)
        plateau.validated(line["validation"]["loss"])
    assert state["plateau"] == asdict(plateau)
    assert [line["lr"] for line in metrics_of(straight) if "lr" in line] == rates
    train(broken, stop=after(2))
    train(configure({"data": straight.data, "out": broken.out}, None, stored_config(Path(broken.out))))
    assert equal(state["network"], state_of(broken)["network"])
    assert state["plateau"] == state_of(broken)["plateau"]
    package(Path(straight.out) / "best.pt", tmp_path / "mrx.safetensors", {})
    assert load(tmp_path / "mrx.safetensors").level_matched is (recipe == "mrx")


def test_a_run_goes_on_from_its_file(config):
    train(config)
    first = state_of(config)
    train(replace(config, minutes=0.195))
    second = state_of(config)
    assert second["step"] == 20
    assert second["resumptions"] == first["resumptions"] + 1 == 1
    assert second["minutes"] == pytest.approx(2 * first["minutes"])
    steps = {int(entry["step"]) for entry in second["optimizers"][0]["state"].values()}
    assert steps == {20}  # the optimizer's moments went on, too
    assert not equal(first["network"], second["network"])


def test_states_of_earlier_versions_go_on(config):
    """They had no plateau, no best loss, one optimizer, and called the data packs."""
    train(config)
    path = Path(config.out) / "state.pt"
    state = torch.load(path, weights_only=True)
    kept = ("minutes", "architecture", "network", "batch", "crop_seconds", "learning_rate", "warmup_steps", "seed")
    old = {name: state["config"][name] for name in kept}
    state["config"] = {"packs": config.data, "out": config.out, **old}
    del state["plateau"], state["best"]
    (state["optimizer"],) = state.pop("optimizers")
    torch.save(state, path)
    assert stored_config(Path(config.out))["packs"] == config.data
    train(replace(config, minutes=0.115))
    assert state_of(config)["step"] == 12
    assert package(path, path.with_name("x.safetensors"), {}) > 0


def test_states_that_were_made_slowly_go_on_fast(config):
    """The optimizer's options come with its state; how it computes is this version's affair."""
    train(config)
    state = state_of(config)
    for group in state["optimizers"][0]["param_groups"]:
        group["fused"] = False
    torch.save(state, Path(config.out) / "state.pt")
    run = Training.begin(replace(config, minutes=0.12), torch.device("cpu"))
    assert all(group["fused"] for group in run.optimizers[0].param_groups)


def test_muon_moves_the_matrices_of_hidden_layers(config):
    """Each matrix by as much in every direction; as far, by the root mean square, as AdamW would."""
    config = replace(config, optimizer="muon", weight_decay=0.0)
    network = new_network(config)
    muon, adamw = new_optimizers(config, network)
    groups = [{id(one) for group in optimizer.param_groups for one in group["params"]} for optimizer in (muon, adamw)]
    names = {id(one): name for name, one in network.named_parameters()}
    assert groups[0] | groups[1] == names.keys()
    assert not groups[0] & groups[1]
    assert {names[one].split(".")[0] for one in groups[0]} == {"layers"}
    assert {name for name in names.values() if name.endswith((".weight_ih_l0", ".weight_hh_l0"))} <= {
        names[one] for one in groups[0]
    }
    weight = next(one for name, one in network.named_parameters() if name.endswith("weight_ih_l0"))
    before, weight.grad = weight.detach().clone(), torch.randn(weight.shape, generator=torch.manual_seed(1))
    muon.step()
    moved = (weight - before).detach() / config.learning_rate
    assert 0.1 < moved.square().mean().sqrt() < 0.3
    directions = torch.linalg.svdvals(moved)
    assert directions.max() < 2.5 * directions.min()


def test_muon_takes_a_torch_that_has_it(config, monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ValueError, match=r"torch 2\.9 or later"):
        train(replace(config, optimizer="muon"))


def test_a_state_of_the_other_optimizer_is_refused(config):
    train(config)
    with pytest.raises(StateError, match="another network or optimizer"):
        train(replace(config, minutes=0.2, optimizer="muon"))


def test_metrics_of_steps_that_were_lost_are_made_again(config):
    config = replace(config, minutes=0.0, steps=8, report_steps=2)
    train(config, stop=after(4))
    metrics = Path(config.out) / "metrics.jsonl"
    with metrics.open("a") as file:  # reported, but not saved when the machine went down
        file.write('{"step": 6, "minutes": 9.0, "loss": {}}\n{"step": 8, "minu')
    train(config)
    assert [line["step"] for line in metrics_of(config) if "loss" in line] == [2, 4, 6, 8]


def test_a_signal_lets_the_step_finish(config):
    seen = []

    def say(line):
        seen.append(line)
        if line.get("done") and line["step"] == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)  # a shell and its terminal both tell us

    before = signal.getsignal(signal.SIGINT)
    result = train(replace(config, minutes=0.0, steps=100), say=say)
    assert not result["finished"]
    assert result["step"] == state_of(config)["step"] in (4, 5)
    assert signal.getsignal(signal.SIGINT) is before
    assert seen[0] == {"step": 1, "minutes": 0.01, "done": 0.01}


def test_fine_tuning_begins_with_the_weights_of_a_model(config, tmp_path, monkeypatch):
    torch.manual_seed(99)
    other = new_network(config)
    save(other, tmp_path / "other.safetensors", {})
    monkeypatch.setattr(training, "learning_rate", lambda *_: 0.0)
    config = replace(config, minutes=0.0, steps=1, init=str(tmp_path / "other.safetensors"))
    train(config)
    assert equal(state_of(config)["averaged"], other.state_dict())
    wider = replace(config, out=str(tmp_path / "wider"), network=json.dumps({**TINY, "width": 12}))
    with pytest.raises(ValueError, match="another network"):
        train(wider)


def test_a_deeper_network_begins_as_the_one_that_it_is_made_of(config, tmp_path, monkeypatch):
    torch.manual_seed(99)
    shallow = new_network(config).eval()
    save(shallow, tmp_path / "shallow.safetensors", {})
    monkeypatch.setattr(training, "learning_rate", lambda *_: 0.0)
    network = json.dumps({**TINY, "layers": 3, "overview": [8, 8, 0]})
    config = replace(config, minutes=0.0, steps=1, init=str(tmp_path / "shallow.safetensors"), network=network)
    train(config)
    deep = new_network(config).eval()
    deep.load_state_dict(state_of(config)["averaged"])
    x = 0.1 * torch.randn(1, 9000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(deep(x), shallow(x))
    save(deep, tmp_path / "deep.safetensors", {})
    back = replace(config, out=str(tmp_path / "back"), init=str(tmp_path / "deep.safetensors"), network=BANDS)
    with pytest.raises(ValueError, match="another network"):
        train(back)


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
    true_write = Path.write_bytes

    def dies(path, content):
        true_write(path, bytes(content)[:1000])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", dies)
    with pytest.raises(KeyboardInterrupt):
        train(replace(config, minutes=0.195))
    after = state_of(config)
    assert after["step"] == before["step"]
    assert equal(after["averaged"], before["averaged"])
    monkeypatch.setattr(Path, "write_bytes", true_write)
    train(replace(config, minutes=0.195))
    assert state_of(config)["step"] == 20


def test_a_broken_scene_does_not_break_the_network(config, monkeypatch):
    true_loss, calls = training_loss("bounded", 0.01), []

    def broken(estimate, *others):
        calls.append(1)
        loss = true_loss(estimate, *others)
        return loss * math.nan if len(calls) == 3 else loss

    monkeypatch.setattr("model.train.step.training_loss", lambda *_: broken)
    train(config)
    for name in ("network", "averaged"):
        assert all(torch.isfinite(tensor).all() for tensor in state_of(config)[name].values())


def test_a_scene_that_is_no_number_leaves_no_statistics(config, monkeypatch):
    """The forward pass alone gives them to normalizations, whether the step is taken or not."""
    read, calls = torch.Tensor.to, []

    def spoilt(tensor, *args, **options):
        moved = read(tensor, *args, **options)
        if tensor.ndim == 2 and tensor.shape == (2, 4410) and options.get("non_blocking"):
            calls.append(1)
            if len(calls) == 3:
                return moved * math.nan
        return moved

    network = {"windows": [512], "hidden": 8, "layers": 1}
    config = replace(config, architecture="mrx", network=json.dumps(network), batch=2, crop_seconds=0.1)
    monkeypatch.setattr(torch.Tensor, "to", spoilt)
    train(config)
    assert len(calls) > 3
    for name in ("network", "averaged"):
        assert all(torch.isfinite(tensor).all() for tensor in state_of(config)[name].values())
    assert all(line["validation"]["loss"] < 100 for line in metrics_of(config) if "validation" in line)


def test_another_network_does_not_go_on_from_this_file(config):
    train(config)
    with pytest.raises(StateError, match="another network"):
        train(replace(config, minutes=1.0, network=json.dumps({**TINY, "width": 12})))


def test_a_damaged_state_says_so(config):
    Path(config.out).mkdir()
    (Path(config.out) / "state.pt").write_bytes(b"no state at all")
    with pytest.raises(StateError, match="damaged"):
        train(config)
    torch.save({"something": torch.zeros(3)}, Path(config.out) / "state.pt")
    with pytest.raises(StateError, match="no state of training"):
        stored_config(Path(config.out))


def test_nothing_to_train_on(config, tmp_path):
    with pytest.raises(FileNotFoundError, match="neither"):
        train(replace(config, data=str(tmp_path)))
    assert not Path(config.out).exists()


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

    def noted(config, say):
        made.append(config)
        return {"finished": True, "state": "state.pt", "step": 1}

    monkeypatch.setattr(training, "train", noted)
    monkeypatch.setattr(
        sys,
        "argv",
        ["train", "in", "out", "--minutes", "2.5", "--batch", "7", "--bf16", "--network", "{}", "--seed", "3"],
    )
    training.main()
    assert made == [TrainConfig("in", "out", 2.5, batch=7, bf16=True, seed=3)]
    assert capsys.readouterr().out == "state.pt\n"
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
