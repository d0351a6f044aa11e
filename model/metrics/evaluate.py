"""Score a network on scenes whose stems are known, through the same streaming separator that users get.

Per scene and stem: SI-SDR and SNR of the estimate, and how much better they are than those of the untouched mixture.
Per scene: the SNR of a remix (dialogue +6 dB, music -6 dB, effects -6 dB) against the true remix, beside that of the
untouched mixture. A stem that is silent in a scene has no such figures; it has leakage, the energy that the network
puts out there anyway. A stem that is alone has no improvements: the mixture is perfect already.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from .. import STEMS
from ..dnr.trees import Recording, hardship, read_scene
from ..loudness import integrated_lufs
from ..networks.protocol import Network
from ..streaming.separator import separate
from ..voice_level import voice_over_rest
from .losses import si_sdr, snr

REMIX_DB = {"music": -6.0, "dialogue": 6.0, "effects": -6.0}
PROMISE_DB = {"music": -10.0, "dialogue": 6.0, "effects": 0.0}  # what cfork is for
BLOCK_SECONDS = 1.0
SILENT_DB = -70.0  # relative to the mixture: below is the dither of integer files, and no sound
LEAST_LEAKAGE_DB = -120.0  # of what puts out nothing at all; JSON has no infinity
SHARED_LU = 3.0  # loudness that BS.1770 finds in two channels beyond that of one, while the network hears one at a time


@dataclass(frozen=True)
class Figures:
    """Figures of one scene in dB.

    `stems` maps an audible stem to si_sdr, snr, and their improvements over the mixture, si_sdri and snri (not if the
    stem is alone); `leakage` maps a silent one to the energy that comes out in it, relative to the mixture.
    """

    stems: dict[str, dict[str, float]]
    leakage: dict[str, float]
    remix_snr: float
    mixture_remix_snr: float


@dataclass(frozen=True)
class SceneScores(Figures):
    """Figures of one scene, where it comes from, and what separating it took.

    `level_db` is that of `evaluate_scene`, `voice_db` the level of the voice over the rest while somebody speaks, None
    without a voice or a rest. The promise is the remix PROMISE_DB, its SNR beside that of the untouched mixture. `hard`
    is what `scene.json` says is hard in the scene; empty if nothing is.
    """

    scene: str
    seconds: float
    cpu_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    restored: tuple[str, ...] = field(default=())
    level_db: float = 0.0
    voice_db: float | None = None
    promise_snr: float = 0.0
    mixture_promise_snr: float = 0.0
    hard: str = ""


def score(
    estimates: np.ndarray, targets: np.ndarray, mixture: np.ndarray, gains_db: Mapping[str, float] = REMIX_DB
) -> Figures:
    """Figures of one scene; channels are judged together, as one long signal.

    Shape: estimates, targets [3, channels, T] in model.STEMS order, mixture [channels, T]; channels may be missing.
    """
    e, t = (torch.from_numpy(np.ascontiguousarray(a)).double().flatten(1) for a in (estimates, targets))
    x = torch.from_numpy(np.ascontiguousarray(mixture)).double().flatten()
    whole = float(x.square().sum())
    audible = [float(row.square().sum()) > 10 ** (SILENT_DB / 10) * whole for row in t]
    figures: dict[str, dict[str, float]] = {}
    leakage: dict[str, float] = {}
    for number, stem in enumerate(STEMS):
        if audible[number]:
            sdr, plain = float(si_sdr(e[number], t[number])), float(snr(e[number], t[number]))
            figures[stem] = {"si_sdr": sdr, "snr": plain}
            if sum(audible) > 1:
                figures[stem]["si_sdri"] = sdr - float(si_sdr(x, t[number]))
                figures[stem]["snri"] = plain - float(snr(x, t[number]))
        elif whole:
            share = float(e[number].square().sum()) / whole
            leakage[stem] = max(10 * float(np.log10(share)), LEAST_LEAKAGE_DB) if share else LEAST_LEAKAGE_DB
    return Figures(figures, leakage, *remix_snrs(e, t, x, gains_db))


def remix_snrs(
    estimates: torch.Tensor, targets: torch.Tensor, mixture: torch.Tensor, gains_db: Mapping[str, float]
) -> tuple[float, float]:
    """SNR in dB of a remix against the true one, and of the untouched mixture against it.

    Shape: estimates, targets [3, T] in model.STEMS order, mixture [T]
    """
    change = torch.tensor([10 ** (gains_db[stem] / 20) - 1 for stem in STEMS], dtype=torch.float64)[:, None]
    wanted, made = mixture + (change * targets).sum(0), mixture + (change * estimates).sum(0)
    return float(snr(made, wanted)), float(snr(mixture, wanted))


def input_gain(scene: Recording, network: Network) -> float:
    """The gain that brings a scene to the loudness that the network expects; 1 for silence."""
    channels = len(scene.mixture)
    if channels == 1:
        loudness = integrated_lufs(scene.mixture[0], scene.sample_rate)
    else:  # the powers of the channels add up
        each = [integrated_lufs(channel, scene.sample_rate) for channel in scene.mixture]
        power = sum(10 ** (one / 10) for one in each)
        loudness = 10 * float(np.log10(power)) - SHARED_LU if power else -np.inf
    return 10 ** ((network.input_lufs - loudness) / 20) if np.isfinite(loudness) else 1.0


def blocks_of(audio: np.ndarray, sample_rate: int) -> Iterator[np.ndarray]:
    """The audio [C, T] in blocks of a second, as a decoder would give it."""
    step = round(BLOCK_SECONDS * sample_rate)
    for start in range(0, audio.shape[1], step):
        yield audio[:, start : start + step]


def evaluate_scene(
    network: Network, folder: Path, *, gains_db: Mapping[str, float] = REMIX_DB, device: str | None = None,
    level_db: float = 0.0,
) -> SceneScores:  # fmt: skip
    """Read, separate and score one scene. CPU time is that of separating alone, of all threads.

    Args:
        level_db: how far from the level of the film that it is part of the scene lies: -20 is a quiet passage.

    Raises:
        ValueError: the scene cannot be scored; see `read_scene`.
    """
    scene = read_scene(folder)
    gain = input_gain(scene, network) * 10 ** (level_db / 20)
    began, worked = time.perf_counter(), time.process_time()
    pieces = [
        stems for _, stems in separate(
            blocks_of(scene.mixture, scene.sample_rate), network, sample_rate=scene.sample_rate,
            channels=len(scene.mixture), input_gain=gain, device=device,
            pairs=[(0, 1)] if len(scene.mixture) == 2 else (),
        )
    ]  # fmt: skip
    cpu_seconds, elapsed = time.process_time() - worked, time.perf_counter() - began
    estimates = np.concatenate(pieces, axis=-1)
    figures = score(estimates, scene.stems, scene.mixture, gains_db)
    e, t = (torch.from_numpy(audio).double().flatten(1) for audio in (estimates, scene.stems))
    promise = remix_snrs(e, t, torch.from_numpy(scene.mixture).double().flatten(), PROMISE_DB)
    voice_db = voice_over_rest(scene.stems[1], scene.stems[[0, 2]].sum(0), scene.sample_rate)
    return SceneScores(
        **vars(figures), scene=folder.name, seconds=scene.mixture.shape[1] / scene.sample_rate,
        cpu_seconds=cpu_seconds, elapsed_seconds=elapsed, restored=scene.restored,
        level_db=level_db, voice_db=voice_db if np.isfinite(voice_db) else None,
        promise_snr=promise[0], mixture_promise_snr=promise[1], hard=hardship(folder),
    )  # fmt: skip


def evaluate(
    network: Network, folders: Iterable[Path], *, gains_db: Mapping[str, float] = REMIX_DB, device: str | None = None
) -> Iterator[SceneScores]:
    """Score one scene after the other; see `evaluate_scene`."""
    for folder in folders:
        yield evaluate_scene(network, folder, gains_db=gains_db, device=device)
