"""Train a network: one loop, limited by time, steps or epochs, resumed from one file.

    python -m model.train PACKS OUT --minutes 90                     # on scenes mixed on the fly
    python -m model.train DNR OUT --recipe mrx                       # on a Divide-and-Remaster tree, as published
    torchrun --nproc-per-node 2 -m model.train PACKS OUT --minutes 90      # one process a core or a GPU

`OUT/state.pt` is the whole state; the same command goes on from where it was saved last. Scenes are numbered and
depend on the seed alone, so on one machine a training limited by steps or epochs is, bit for bit, the same with and
without interruptions. (With `--minutes` the learning rate follows the clock; on a GPU some sums have no fixed order.)

`OUT/metrics.jsonl` has a line for each report and validation, `OUT/metrics.png` shows them, and `OUT/best.pt` is the
averaged network with the lowest validation loss. `python -m model.train.package` makes a model of either file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from ..dnr.dataset import Batches, is_tree, training_scenes, validation_scenes
from ..stems import STEMS
from ..streaming.allocator import keep_freed_memory
from .config import RECIPES, TrainConfig, configure, flag
from .curves import draw_run, read_run, write_picture
from .processes import Say, Stop, ignore_signals, joined, leave, stop_on_signals
from .schedule import learning_rate, progress
from .state import STATE_FILE, StateError, Training, new_network, stored_config
from .step import Stepper
from .teacher import HeldScenes
from .validation import summarize, together_of, validate

__all__ = ["TrainConfig", "new_network", "train"]

METRICS_FILE, PICTURE_FILE = "metrics.jsonl", "metrics.png"
LONGEST_STEP_SECONDS = 60.0  # what a step counts at most: a process that was suspended has not trained


def train(
    config: TrainConfig, *, say: Say | None = None, stop: Stop | None = None, meeting_point: str | None = None
) -> dict[str, Any]:
    """Train until the limit of the config, or until told to stop; the state is saved either way.

    Args:
        say: hears every step ({step, minutes, done}), and the lines of metrics.
        stop: asked after each step; None: a signal (Ctrl-C) stops the training.
        meeting_point: where processes find one another, if not by torchrun's environment.

    Returns:
        {state: path, finished: whether the limit was reached, step, minutes, validation: the last one or None}

    Raises:
        FileNotFoundError: there is nothing to train on. ValueError: the config does not fit the data.
        StateError: the state file is damaged, or of another network.
    """
    keep_freed_memory()
    with ExitStack() as stack:
        place = stack.enter_context(joined(meeting_point))
        rank, world, device = place.rank, place.world, place.device
        out = Path(config.out)
        data, epoch_scenes = training_scenes(
            Path(config.data), config.crop_seconds, config.seed, config.chances(), config.scenes
        )
        held_out = held_out_scenes(config)
        out.mkdir(parents=True, exist_ok=True)
        run = Training.begin(config, device)
        if len(set(place.gather(run.step))) > 1:
            raise StateError(f"not all processes see the same {out / STATE_FILE}: {out} must be where all of them look")
        stepper = Stepper(config, run, device, rank, world)
        loader = DataLoader(
            HeldScenes(data), batch_sampler=Batches(config.batch, rank, world, config.accumulate, run.step),
            num_workers=config.workers, prefetch_factor=2 if config.workers else None,
            worker_init_fn=ignore_signals, pin_memory=device.type == "cuda",
        )  # fmt: skip
        epoch_steps = max(epoch_scenes // config.batch, 1)
        metrics = out / METRICS_FILE
        if rank == 0:
            forget(metrics, after=run.step)
        stop = stop or stack.enter_context(stop_on_signals())

        def report(**values: Any) -> None:
            if rank == 0:
                line = {"step": run.step, "minutes": round(run.minutes, 2), **values}
                if "done" not in values:
                    with metrics.open("a", encoding="utf-8") as log:
                        log.write(json.dumps(line) + "\n")
                if say is not None:
                    say(line)

        done = progress(config, run.step, run.minutes, epoch_steps)
        saved = validated = reported = run.minutes
        losses: list[torch.Tensor] = []
        stopping, validation = False, None
        batches: Iterator[list[torch.Tensor]] = iter(loader) if done < 1 else iter(())
        began = time.monotonic()
        while done < 1 and not stopping:
            rate = learning_rate(config, run.step, done, run.plateau.factor)
            parts, norm = stepper.step(batches, rate)
            losses += parts
            now = time.monotonic()
            spent = min(now - began, LONGEST_STEP_SECONDS) / 60
            run.minutes, stopping = place.agree(run.minutes + spent, stop())
            began = now
            done = progress(config, run.step, run.minutes, epoch_steps)
            report(done=done)
            ends = done >= 1 or stopping
            if run.step % config.report_steps == 0 or ends:
                mean = torch.stack(losses).mean(0).tolist()
                step_seconds = config.batch * config.crop_seconds
                trained_seconds = len(losses) / config.accumulate * step_seconds
                report(loss=dict(zip(STEMS, (round(v, 3) for v in mean), strict=True)), lr=round(rate, 7),
                       norm=round(norm, 3), audio_hours=round(run.step * step_seconds / 3600, 3),
                       speed=round(trained_seconds / max((run.minutes - reported) * 60, 1e-9), 2))  # fmt: skip
                losses.clear()
                reported = run.minutes
            if config.validate_minutes:
                due = run.minutes - validated >= config.validate_minutes and not stopping
            else:
                due = run.step % epoch_steps == 0
            if due or done >= 1:
                found = {}
                for kind, (scenes, count) in held_out.items():
                    mine = (scenes[number] for number in range(rank, count, world))
                    found[kind] = summarize(place.gather(validate(run.averaged, mine, device, stepper.criterion)))
                validation = together_of(found)
                report(validation=validation)
                loss = validation["loss"]
                if loss is not None and due:
                    run.plateau.validated(loss)
                if loss is not None and loss < run.best:
                    run.best = loss
                    if rank == 0:
                        run.save_best(config)
                if rank == 0:
                    draw(metrics)
                validated, began = run.minutes, time.monotonic()
            if ends or run.minutes - saved >= config.save_minutes:
                if rank == 0:
                    run.save(config)
                saved = run.minutes
        del batches, loader  # its processes end here, before anybody is told that training has ended
        if stopping and rank == 0:
            draw(metrics)
    state = str(out / STATE_FILE)
    return {"state": state, "finished": done >= 1, "step": run.step, "minutes": run.minutes, "validation": validation}


def held_out_scenes(config: TrainConfig) -> dict[str, tuple[Any, int]]:
    """Return the scenes to validate on and their number, for each kind of scenes that is trained on."""
    data = Path(config.data)
    kinds = ("dnr", "film") if config.scenes == "both" and not is_tree(data) else (config.scenes,)
    seconds, count = config.validation_seconds, config.validation_scenes
    return {kind: validation_scenes(data, seconds, count, kind) for kind in kinds}


def forget(metrics: Path, after: int) -> None:
    """Drop the lines of steps that are not in the state: they will be made again."""
    if not metrics.exists():
        return
    kept = []
    for line in metrics.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= after and after:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # cut off when the machine went down
    part = metrics.with_suffix(".part")
    part.write_text("".join(kept), encoding="utf-8")
    os.replace(part, metrics)


def draw(metrics: Path) -> None:
    """The picture of the metrics; there is none without matplotlib, or before the first report."""
    with suppress(ImportError, ValueError):
        write_picture(draw_run(read_run(metrics)), metrics.with_name(PICTURE_FILE))


def print_metrics(line: dict[str, Any]) -> None:
    """Lines of metrics on stdout."""
    if "done" not in line:
        print(json.dumps(line), flush=True)


def main() -> None:
    """Command line: every field of TrainConfig is an option."""
    parser = argparse.ArgumentParser(prog="python -m model.train", description="Train a network.")
    parser.add_argument("data", help="packs, or a Divide-and-Remaster tree")
    parser.add_argument("out", help="folder of the run; a run that is there goes on")
    parser.add_argument("--recipe", choices=list(RECIPES))
    kinds: dict[str, Callable[[str], Any]] = {"float": float, "int": int, "str": str}
    for field in fields(TrainConfig)[2:]:
        words = f"{field.metadata['help']} [default: {field.default}]".replace("%", "%%")
        if field.type == "bool":
            parser.add_argument(flag(field.name), action=argparse.BooleanOptionalAction, default=None, help=words)
        else:
            parser.add_argument(flag(field.name), type=kinds[str(field.type)], default=None, help=words)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    try:
        config = configure(given, given.pop("recipe", None), stored_config(Path(given["out"])))
        result = train(config, say=print_metrics)
    except (ValueError, FileNotFoundError, StateError) as e:
        parser.error(str(e))
    is_first = os.environ.get("RANK", "0") == "0"
    if not result["finished"]:
        if is_first:
            print(f"stopped after step {result['step']}; the same command goes on", file=sys.stderr)
    elif is_first:
        print(result["state"])
    code = 0 if result["finished"] else 130
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        leave(code)
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
