"""Several processes that train together: same result as one, stopped together, failing loudly."""

import atexit
import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
import warnings
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from faults.running import command_line, descendants
from support.commands import wait_until
from support.processes import gone
from support.tiny_packs import TINY, write_packs

from cfork_cli import children
from model.train import processes
from model.train.config import TrainConfig
from model.train.loop import train
from model.train.processes import launch, stop_on_signals
from model.train.state import new_network


@pytest.fixture
def config(tmp_path):
    packs = write_packs(tmp_path / "packs")
    return TrainConfig(
        str(packs), str(tmp_path / "run"), steps=2, network=json.dumps(TINY), batch=2, crop_seconds=0.2, warmup_steps=0,
        workers=0, validation_scenes=3, validation_seconds=0.2, report_steps=1,
    )  # fmt: skip


def gradients_of(config):
    """Running means of the gradients, one a parameter. Weights would not do: Adam's first steps take the mere sign of
    a gradient, even of one that is nothing but rounding, and sums in another order round otherwise."""
    moments = torch.load(Path(config.out) / "state.pt", weights_only=True)["optimizers"][0]["state"]
    return [moments[number]["exp_avg"] for number in sorted(moments)]


def metrics_of(config):
    return [json.loads(line) for line in (Path(config.out) / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_under_torchrun_are_as_good_as_one(config, tmp_path):
    both = replace(config, out=str(tmp_path / "both"))
    options = [
        part for name in ("steps", "network", "batch", "crop_seconds", "warmup_steps", "workers", "validation_scenes",
                          "validation_seconds", "report_steps")
        for part in ("--" + name.replace("_", "-"), str(getattr(config, name)))
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "model.train",
         both.data, both.out, *options],
        cwd=Path(__file__).parents[3], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    train(config)
    largest = max(mean.norm() for mean in gradients_of(config))
    for one, two in zip(gradients_of(config), gradients_of(both), strict=True):  # the same scenes, but other sums
        assert (one - two).norm() <= 1e-4 * one.norm() + 1e-6 * largest
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert told == metrics_of(both)  # once, by the first process
    alone, together = (metrics_of(run)[-1]["validation"] for run in (config, both))
    assert together.keys() == alone.keys()
    for own, other in ((together, alone), (together.pop("film"), alone.pop("film"))):
        own, other = ({name: value for name, value in one.items() if name != "film"} for one in (own, other))
        assert own == pytest.approx(other, abs=0.2)  # of all three scenes, whoever scored them


def until_stopped(config, *, say, stop, meeting_point):
    """Work that ends only when it is told to."""
    say({"rank": os.environ["RANK"], "world": os.environ["WORLD_SIZE"], "out": config.out, "point": meeting_point})
    while not stop():
        time.sleep(0.01)
    return {"finished": False}


def aborting_at_exit(config, *, say, stop, meeting_point):
    atexit.register(os.abort)  # as a thread of gloo does now and then, when the interpreter ends under it
    return {"finished": True, "words": "x" * 200_000}  # more than a pipe holds


def failing(config, *, say, stop, meeting_point):
    raise LookupError("nothing there")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_signal_while_the_processes_start(config, tmp_path, number):
    """To the first alone, or to all as from a terminal: they end, without a word."""
    said = tmp_path / "said"
    several = 2 if number == signal.SIGKILL else 1  # each needs seconds to come to its work
    first = forked(lambda: launch(until_stopped, config, several, lambda _: None, starting=children.quietly), said)
    assert wait_until(lambda: any("spawn_main" in command_line(pid) for pid in descendants(first)))
    alive = descendants(first)
    (os.kill if number == signal.SIGKILL else os.killpg)(first, number)
    _, status = os.waitpid(first, 0)
    assert os.waitstatus_to_exitcode(status) == (-number if number == signal.SIGKILL else 0), said.read_text()
    assert wait_until(lambda: all(map(gone, alive)))
    assert said.read_text() == ""


def forked(work, said):
    """Do the work in a fork of this process that leads a group of its own; what it and its children say is a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forks beside threads: they only wait
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        told = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(told, 1)
        os.dup2(told, 2)
        resource_tracker._resource_tracker.__init__()  # that of the tests' process is not its own
        work()
        code = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def test_a_signal_reaches_the_processes_as_a_wish(config):
    seen = []

    def say(line):
        seen.append(line)
        os.kill(os.getpid(), signal.SIGTERM)

    assert launch(until_stopped, config, 1, say) == {"finished": False}
    assert (seen[0]["rank"], seen[0]["world"], seen[0]["out"]) == ("0", "1", config.out)
    assert seen[0]["point"].startswith("file:///")


def test_the_end_of_the_interpreter_cannot_undo_the_work(config):
    assert launch(aborting_at_exit, config, 2, print) == {"finished": True, "words": "x" * 200_000}


def test_a_process_that_fails_is_told(config):
    with pytest.raises(RuntimeError, match="LookupError: nothing there"):
        launch(failing, config, 1, print)


def full(config, *, say, stop, meeting_point):
    raise OSError(errno.ENOSPC, "No space left on device", config.out)


def test_a_disk_that_is_full_is_told_as_that(config, monkeypatch):
    """By the process to the one that started it: with its number and name, of which the command makes its words."""
    monkeypatch.setattr(processes, "ignore_signals", lambda: None)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "")
    told = []
    with pytest.raises(OSError, match="No space"):
        processes._child(0, full, config, 1, "", SimpleNamespace(put=told.append), None)
    ((kind, error),) = pickle.loads(pickle.dumps(told))
    assert (kind, error.errno, error.filename) == ("error", errno.ENOSPC, config.out)


def test_the_second_signal_does_not_wait(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)  # at once: the same wish
        assert asked()
        now[0] += 5
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_the_user_did_is_told_as_by_one_process(config):
    wrong = replace(config, init="cfork", network=json.dumps({"width": 24}))
    for number in (1, 2):
        with pytest.raises(ValueError, match="are of another network than --network") as caught:
            launch(train, wrong, number, print)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("network", [{"mask_hidden": 0}, {"windows": []}, {"width": -3}, {"windows": "abc"}])
def test_networks_that_cannot_be_made_are_told(config, network):
    with pytest.raises(ValueError, match="cannot be made with"):
        new_network(replace(config, network=json.dumps(network)))


def test_processes_that_see_different_states_do_not_wait_for_each_other(config, tmp_path):
    train(config)
    with pytest.raises(ValueError, match="not all processes see the same"):
        launch(elsewhere, replace(config, steps=4), 2, print)


def elsewhere(config, **options):
    """As on a second machine that does not have the folder of the first."""
    own = config if os.environ["RANK"] == "0" else replace(config, out=config.out + "-elsewhere")
    return train(own, **options)
