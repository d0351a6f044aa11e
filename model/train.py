"""Train a network on scenes mixed on the fly: one loop, limited by time, resumed from one file.

    python -m model.train PACKS OUT --minutes 90
    torchrun --nproc-per-node 2 -m model.train PACKS OUT --minutes 90      # one process a core or a GPU

`OUT/state.pt` is the whole state; the same command goes on from where it was saved last, until `minutes` of training
are done. Networks, optimizer, step and minutes are exactly those of the state; the scenes are new ones, drawn from a
seed that counts the resumptions, so a resumed run is as good as an uninterrupted one, but not equal to it.
`OUT/metrics.jsonl` has a line for each report; the steps after the last save are in it twice. The result, the
exponential moving average of the weights, is written by `python -m model.package`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from . import STEMS
from .dnr.scenes import SceneMixer, Scenes
from .losses import bounded_snr_loss, si_sdr
from .weights import ARCHITECTURES

LONGEST_STEP_SECONDS = 60.0  # what a step counts at most: a process that was suspended has not trained


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on. `minutes` counts training alone, over all resumptions."""

    packs: str
    out: str
    minutes: float
    architecture: str = "bandsplit"
    network: str = "{}"  # JSON of the constructor's arguments
    batch: int = 4  # scenes a step, over all processes
    crop_seconds: float = 4.0
    learning_rate: float = 1e-3
    warmup_steps: int = 150
    final_fraction: float = 0.02  # of the learning rate, at the end of the cosine
    weight_decay: float = 0.01
    clip_norm: float = 5.0
    ema: float = 0.998
    loss_floor: float = 0.01
    seed: int = 1
    workers: int = 1
    bf16: bool = False
    save_minutes: float = 3.0
    validate_minutes: float = 10.0
    validation_scenes: int = 24
    validation_seconds: float = 8.0


def new_network(config: TrainConfig) -> nn.Module:
    """An untrained network of the configured architecture."""
    module, kind = ARCHITECTURES[config.architecture]
    network: nn.Module = getattr(import_module(module, __package__), kind)(**json.loads(config.network))
    return network


def learning_rate(config: TrainConfig, step: int, minutes: float) -> float:
    """Linear warm-up over steps, then a cosine over the minutes of training."""
    done = min(minutes / config.minutes, 1.0)
    cosine = config.final_fraction + (1 - config.final_fraction) * 0.5 * (1 + math.cos(math.pi * done))
    return config.learning_rate * cosine * min((step + 1) / config.warmup_steps, 1.0)


def validate(network: nn.Module, scenes: Tensor, device: torch.device) -> dict[str, float | None]:
    """Median SI-SDR improvement in dB of each stem, over the scenes [N, 3, T] in which that stem sounds, and
    not it alone; None if there is no such scene."""
    network.eval()
    gains: list[list[float]] = [[] for _ in STEMS]
    with torch.inference_mode():
        for scene in scenes:
            stems = scene.to(device)
            mixture = stems.sum(0)
            estimates = network(mixture[None])[0]
            audible = stems.square().sum(-1) > 1e-3 * mixture.square().sum()
            improvement = si_sdr(estimates, stems) - si_sdr(mixture.expand_as(stems), stems)
            for stem in range(len(STEMS)):
                if audible[stem] and bool((stems.sum(0) - stems[stem]).square().sum() > 0):
                    gains[stem].append(float(improvement[stem]))
    network.train()
    return {
        f"si_sdri_{stem}": float(np.median(found)) if found else None for stem, found in zip(STEMS, gains, strict=True)
    }


def fixed_scenes(config: TrainConfig) -> Tensor:
    """The validation scenes, the same at every call: [N, 3, samples]."""
    mixer = SceneMixer(Path(config.packs), "validation", config.validation_seconds)
    rng = np.random.default_rng(0)
    return torch.from_numpy(np.stack([mixer.draw(rng) for _ in range(config.validation_scenes)]))


def start_processes() -> tuple[int, int, torch.device]:
    """Rank, number of processes and device; joins the others when started by torchrun."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    cuda = torch.cuda.is_available()
    if world > 1:
        distributed.init_process_group("nccl" if cuda else "gloo")
    if not cuda:
        torch.set_num_threads(max((os.cpu_count() or 1) // world, 1))
        return rank, world, torch.device("cpu")
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    return rank, world, torch.device("cuda")


def agreed(value: float, world: int, device: torch.device) -> float:
    """The first process's value in all of them: they must stop, save and step alike."""
    if world == 1:
        return value
    shared = torch.tensor(value, device=device, dtype=torch.float64)
    distributed.broadcast(shared, 0)
    return float(shared)


def train(config: TrainConfig) -> Path:
    """Train until `config.minutes` are done; returns the path of the state file."""
    rank, world, device = start_processes()
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    state_file = out / "state.pt"
    torch.manual_seed(config.seed)
    network = new_network(config).to(device).train()
    averaged = new_network(config).to(device)
    averaged.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99),
                                  weight_decay=config.weight_decay, fused=device.type == "cuda")  # fmt: skip
    step, minutes, resumptions = 0, 0.0, 0
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        step, minutes, resumptions = state["step"], state["minutes"], state["resumptions"] + 1
    parallel = DistributedDataParallel(network) if world > 1 else network
    data = Scenes(Path(config.packs), "train", config.crop_seconds, seed=config.seed + 1000 * resumptions + 7 * rank)
    loader = DataLoader(data, batch_size=max(config.batch // world, 1), num_workers=config.workers,
                        prefetch_factor=4 if config.workers else None, pin_memory=device.type == "cuda")  # fmt: skip
    scenes = fixed_scenes(config) if rank == 0 else torch.empty(0)

    def report(**values: Any) -> None:
        if rank == 0:
            line = json.dumps({"step": step, "minutes": round(minutes, 2), **values})
            print(line, flush=True)
            with (out / "metrics.jsonl").open("a") as log:
                log.write(line + "\n")

    def save() -> None:
        if rank == 0:
            state = {
                "network": network.state_dict(), "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(), "step": step, "minutes": minutes, "resumptions": resumptions,
                "config": asdict(config),
            }  # fmt: skip
            torch.save(state, out / "state.part")
            os.replace(out / "state.part", state_file)

    def precision() -> AbstractContextManager[Any]:
        return torch.autocast(device.type, torch.bfloat16) if config.bf16 else nullcontext()

    began, saved, validated, losses = time.monotonic(), minutes, minutes, []
    for stems in loader:
        if minutes >= config.minutes:
            break
        stems = stems.to(device, non_blocking=True)
        mixture = stems.sum(1)
        rate = learning_rate(config, step, minutes)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with precision():
            estimates = parallel(mixture)
        per_stem = bounded_snr_loss(estimates.float(), stems, mixture, config.loss_floor).mean(0)
        loss = per_stem.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
        if torch.isfinite(norm):
            optimizer.step()
        with torch.no_grad():
            decay = min(config.ema, (step + 1) / (step + 10))
            torch._foreach_lerp_(list(averaged.parameters()), list(network.parameters()), 1 - decay)
            for kept, new in zip(averaged.buffers(), network.buffers(), strict=True):
                kept.copy_(new)  # statistics of normalizations are averages already
        step += 1
        losses.append(per_stem.detach())
        now = time.monotonic()
        spent = min(now - began, LONGEST_STEP_SECONDS) / 60
        minutes, began = agreed(minutes + spent, world, device), now
        if step % 50 == 0:
            mean = torch.stack(losses).mean(0).tolist()
            audio = step * max(config.batch // world, 1) * world * config.crop_seconds
            report(loss=dict(zip(STEMS, (round(v, 3) for v in mean), strict=True)), lr=round(rate, 6),
                   norm=round(float(norm), 3), audio_hours=round(audio / 3600, 3))  # fmt: skip
            losses.clear()
        done = minutes >= config.minutes
        if done or minutes - saved >= config.save_minutes:
            save()
            saved = minutes
        if done or minutes - validated >= config.validate_minutes:
            if rank == 0:
                report(validation=validate(averaged, scenes, device))
            validated, began = minutes, time.monotonic()
    if world > 1:
        distributed.destroy_process_group()
    return state_file


def main() -> None:
    """Command line: every field of TrainConfig is an option."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("packs")
    parser.add_argument("out")
    for field in fields(TrainConfig)[2:]:
        name = "--" + field.name.replace("_", "-")
        if field.type == "bool":
            parser.add_argument(name, action="store_true")
        else:
            kind = {"float": float, "int": int}.get(str(field.type), str)
            parser.add_argument(name, type=kind, required=field.name == "minutes", default=field.default)
    print(train(TrainConfig(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
