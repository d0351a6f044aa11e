"""`cfork train`: options, progress, what it leaves behind, how it is stopped, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from support.tiny_packs import TINY, on_one_thread, write_packs

from cfork_cli.training import run as training
from model.train.config import TrainConfig


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    return write_packs(tmp_path_factory.mktemp("packs"))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with on_one_thread():
        yield


OPTIONS = [
    "--network", json.dumps(TINY), "--batch", "2", "--crop-seconds", "0.2", "--workers", "0", "--report-steps", "2",
    "--validation-scenes", "2", "--validation-seconds", "0.2",
]  # fmt: skip


def test_help_tells_every_option_of_a_run(cfork):
    ran = cfork("train", "--help")
    assert ran.code == 0
    for field in fields(TrainConfig)[2:]:
        assert "--" + field.name.replace("_", "-") in ran.out
    assert "--processes" in ran.out


def test_a_run_leaves_state_metrics_and_picture(cfork, packs, tmp_path):
    out = tmp_path / "run"
    ran = cfork("train", packs, out, "--steps", "3", *OPTIONS)
    assert ran.code == 0, ran.err
    assert ran.out == ""
    assert sorted(path.name for path in out.iterdir()) == ["best.pt", "metrics.jsonl", "metrics.png", "state.pt"]
    told = ran.err.splitlines()
    assert told[0].startswith("step 2, ")
    assert "loss dialogue " in told[0]
    assert "s of audio a second" in told[0]
    assert any("validation, SI-SDR dialogue " in line for line in told)
    assert "trained 3 steps" in told[-2]
    # the same command does nothing more, and a longer one goes on with the options of the run
    ran = cfork("train", packs, out, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["step"] == 3
    ran = cfork("train", packs, out, "--steps", "4", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    state = torch.load(out / "state.pt", weights_only=True)
    assert (state["step"], state["config"]["batch"], json.loads(state["config"]["network"])) == (4, 2, TINY)


def test_machines_get_json(cfork, packs, tmp_path):
    ran = cfork("train", packs, tmp_path / "run", "--steps", "2", *OPTIONS, "--json")
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)
    assert result["finished"]
    assert result["step"] == 2
    assert set(result["validation"]) >= {"loss", "si_sdri_music", "si_sdri_music_mean"}
    assert Path(result["picture"]).exists()
    assert Path(result["best"]).exists()
    events = [json.loads(line) for line in ran.err.splitlines()]
    assert {event["event"] for event in events} == {"progress", "metrics"}
    assert any("loss" in event for event in events)
    ran = cfork("train", packs, tmp_path / "run", "--plot-only", "--json")
    assert json.loads(ran.out) == {"picture": str(tmp_path / "run" / "metrics.png")}


def test_ctrl_c_saves_and_says_how_to_go_on(cfork, packs, tmp_path, monkeypatch):
    show = training.Screen.show

    def interrupted(self, line):
        show(self, line)
        if line["step"] == 2 and "done" in line:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(training.Screen, "show", interrupted)
    out = tmp_path / "my run"
    ran = cfork("train", packs, out, "--steps", "50", *OPTIONS)
    assert ran.code == 130
    last = ran.err.splitlines()[-1]
    assert "which is saved; go on with: cfork train" in last
    assert f"'{out}'" in last  # as the shell needs it
    assert torch.load(out / "state.pt", weights_only=True)["step"] in (2, 3)
    assert not list(out.glob("*.part"))
    monkeypatch.undo()
    ran = cfork("train", packs, out, "--steps", "4")
    assert ran.code == 0, ran.err


def test_two_processes_train_together(cfork, packs, tmp_path):
    ran = cfork("train", packs, tmp_path / "run", "--steps", "2", *OPTIONS, "--processes", "2", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["step"] == 2
    assert any("loss" in json.loads(line) for line in ran.err.splitlines())


def test_a_run_becomes_a_model(cfork, packs, tmp_path):
    ran = cfork("train", packs, tmp_path / "my run", "--steps", "2", *OPTIONS)
    assert ran.code == 0, ran.err
    best, out = tmp_path / "my run" / "best.pt", tmp_path / "mine.safetensors"
    assert ran.err.splitlines()[-1] == f"make a model of it: cfork models package '{best}' mine.safetensors"
    (tmp_path / "card.json").write_text('{"license": "MIT"}')
    package = ["models", "package", best, out, "--card", tmp_path / "card.json"]
    ran = cfork(*package, "--config", '{"residual": [0, 0, 0.5]}', "--json")
    assert json.loads(ran.out) == {"state": str(best), "output": str(out), "bytes": out.stat().st_size}
    found = json.loads(cfork("models", "info", out, "--json").out)
    assert (found["card"]["license"], found["card"]["training"]["steps"]) == ("MIT", 2)
    assert found["config"]["residual"] == [0.0, 0.0, 0.5]
    for arguments, code, words in (
        (package, 4, "exists already: choose another name, or replace it with --force"),
        ([*package[:3], tmp_path / "x.bin"], 2, "must end in .safetensors"),
        ([*package[:3], tmp_path / "no" / "x.safetensors"], 4, "does not exist: make it first"),
        (["models", "package", tmp_path / "no.pt", tmp_path / "x.safetensors"], 3, "is no file: give best.pt"),
        (["models", "package", tmp_path / "card.json", tmp_path / "x.safetensors"], 3, "card.json"),
        ([*package[:3], tmp_path / "x.safetensors", "--config", "[]"], 2, "--config is no JSON object"),
        ([*package[:3], tmp_path / "x.safetensors", "--config", "{"], 2, "--config is not JSON"),
        ([*package[:3], tmp_path / "x.safetensors", "--config", '{"width": 12}'], 2, "does not fit the network"),
    ):
        ran = cfork(*arguments)
        assert (ran.code, words in ran.err) == (code, True), ran.err
    assert not (tmp_path / "x.safetensors").exists()


def test_several_runs_are_drawn_over_each_other(cfork, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        line = {"step": 1, "minutes": 0.1, "loss": dict.fromkeys(("music", "dialogue", "effects"), -1.0), "lr": 1e-3}
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps({**line, "norm": 1.0}) + "\n")
    one, two, out = tmp_path / "one", tmp_path / "two" / "metrics.jsonl", tmp_path / "curves.svg"
    ran = cfork("train", "--plot", one, "--plot", two, "-o", out, "--json")
    assert (ran.code, json.loads(ran.out)) == (0, {"picture": str(out)})
    assert "one" in out.read_text()
    assert cfork("train", "--plot", one).code == 0
    assert (one / "metrics.png").read_bytes().startswith(b"\x89PNG")
    for arguments, code, words in (
        (["--plot", one, "--plot", two], 2, "several runs need a name for the picture"),
        (["--plot", tmp_path], 3, "has no metrics.jsonl: train into it first"),
        (["--plot", one, "-o", tmp_path / "x.txt"], 2, "it must end in .png"),
        (["--plot", one, "-o", tmp_path / "no" / "x.png"], 4, "does not exist: make it first"),
        (["--plot", one, "packs", "out"], 2, "leave DATA, OUT and --plot-only away"),
        (["packs", "out", "-o", "x.png"], 2, "-o names the picture of --plot"),
        (["packs"], 2, "missing argument 'OUT': see 'cfork train --help'"),
    ):
        ran = cfork("train", *arguments)
        assert (ran.code, words in ran.err) == (code, True), ran.err


@pytest.mark.parametrize("name", ["package", "curves"])
def test_old_names_of_modules_work_for_one_release(name):
    command = [sys.executable, "-m", f"model.{name}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "how long? give --minutes"),
        (["--steps", "2", "--loss", "x"], 2, "--loss is one of"),
        (["--steps", "2", "--batch", "3", "--processes", "2"], 2, "cannot be shared by 2 processes"),
        (["--steps", "2", "--recipe", "x"], 2, "--recipe is one of"),
        (["--steps", "two"], 2, "see 'cfork train --help'"),
        (["--steps", "2", "--init", "nothing-like-it"], 7, "no model and no file"),
        (["--steps", "2", "--teacher", "nothing-like-it"], 7, "no model and no file"),
        (["--plot-only"], 3, "train into it first"),
        (["--recipe", "mrx"], 3, "have no end"),
    ],
)
def test_what_makes_no_sense_is_refused(cfork, packs, tmp_path, arguments, code, words):
    ran = cfork("train", packs, tmp_path / "run", *arguments)
    assert ran.code == code, ran.err
    assert words in ran.err
    assert not (tmp_path / "run").exists()


def test_folders_that_hold_something_else_are_refused(cfork, packs, tmp_path):
    ran = cfork("train", tmp_path, tmp_path / "run", "--steps", "2")
    assert ran.code == 3
    assert "neither tr and cv folders, nor packs" in ran.err
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.pt").write_bytes(b"something else")
    ran = cfork("train", packs, tmp_path / "run", "--steps", "2")
    assert ran.code == 4
    assert "train into another folder" in ran.err
    assert (tmp_path / "run" / "state.pt").read_bytes() == b"something else"


def test_a_terminal_gets_a_bar(monkeypatch, capfd):
    from rich.console import Console as RichConsole

    from cfork_cli.console.console import Console

    with Console() as console:
        console.rich = RichConsole(stderr=True, force_terminal=True, width=200, highlight=False)
        with training.Screen(console) as screen:
            assert screen.bar is not None
            screen.show({"step": 1, "minutes": 0.0, "done": 0.25})
            screen.show({"step": 2, "minutes": 30.0, "done": 0.5})
            screen.show({"step": 2, "minutes": 30.0, "loss": {"music": -1.0, "dialogue": -5.25, "effects": 0.5},
                         "speed": 12.3})  # fmt: skip
            screen.show({"step": 2, "minutes": 30.0, "validation": {"si_sdri_music": 3.0, "loss": None}})
            screen.bar.refresh()
    err = capfd.readouterr().err
    for words in ("step 2", "30:00", "loss dialogue -5.25, music -1.00, effects 0.50 dB", "12.3 s of audio a second",
                  "left", "SI-SDR dialogue -, music +3.0"):  # fmt: skip
        assert words in err
