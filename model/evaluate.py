"""Score a network on a DnR tree, through the same streaming separator that users get.

    python -m model.evaluate TREE/tt --model cfork --json scores.json

Per scene and stem: SI-SDR and SNR of the estimate and of the untouched mixture, and their differences. Per scene:
the SNR of a remix (dialogue +6 dB, music -6 dB, effects -6 dB) against the true remix, beside that of the
untouched mixture. A stem that is silent in a scene has no SI-SDR and is left out of that scene.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch
from tqdm import tqdm

from . import SAMPLE_RATE, STEMS
from .losses import si_sdr, snr
from .separator import Network, separate
from .stems import DNR_NAMES
from .weights import load

FILES = {stem: f"{name}.wav" for stem, name in DNR_NAMES.items()}
REMIX_DB = {"music": -6.0, "dialogue": 6.0, "effects": -6.0}
BLOCK_SECONDS = 1.0


@dataclass(frozen=True)
class SceneScores:
    """Scores of one scene in dB; `stems` maps a stem to its figures."""

    scene: str
    seconds: float
    stems: dict[str, dict[str, float]]
    remix_snr: float
    mixture_remix_snr: float


def scenes_of(tree: Path) -> list[Path]:
    """Folders with a mix.wav directly below `tree`, in order.

    Raises:
        FileNotFoundError: there are none.
    """
    found = sorted(path.parent for path in tree.glob("*/mix.wav"))
    if not found:
        raise FileNotFoundError(f"no scenes in {tree}: it should hold folders with mix.wav, music.wav, ...")
    return found


def input_gain(mixture: np.ndarray, network: Network) -> float:
    """The gain that brings a mixture [1, T] to the loudness that the network expects; 1 for silence."""
    from .dnr.build import integrated_lufs

    loudness = integrated_lufs(mixture[0])
    return 10 ** ((network.input_lufs - loudness) / 20) if np.isfinite(loudness) else 1.0


def blocks_of(audio: np.ndarray) -> Iterator[np.ndarray]:
    """The audio [C, T] in blocks of a second, as a decoder would give it."""
    step = round(BLOCK_SECONDS * SAMPLE_RATE)
    for start in range(0, audio.shape[1], step):
        yield audio[:, start : start + step]


def score(
    estimates: np.ndarray, targets: np.ndarray, mixture: np.ndarray
) -> tuple[dict[str, dict[str, float]], float, float]:
    """Figures of one scene.

    Shape: estimates, targets [3, T] in model.STEMS order, mixture [T]

    Returns:
        per audible stem: si_sdr, si_sdri, snr, snri; the remix SNR; the untouched mixture's.
    """
    e, t, x = (torch.from_numpy(np.ascontiguousarray(a)).double() for a in (estimates, targets, mixture))
    figures: dict[str, dict[str, float]] = {}
    for number, stem in enumerate(STEMS):
        if not bool(t[number].any()):
            continue
        sdr, plain = float(si_sdr(e[number], t[number])), float(snr(e[number], t[number]))
        figures[stem] = {
            "si_sdr": sdr, "si_sdri": sdr - float(si_sdr(x, t[number])),
            "snr": plain, "snri": plain - float(snr(x, t[number])),
        }  # fmt: skip
    change = torch.tensor([10 ** (REMIX_DB[stem] / 20) - 1 for stem in STEMS], dtype=torch.float64)[:, None]
    wanted, made = x + (change * t).sum(0), x + (change * e).sum(0)
    return figures, float(snr(made, wanted)), float(snr(x, wanted))


def read_mono(path: Path, samples: int | None = None) -> np.ndarray:
    """The audio [T] of one file of a scene.

    Raises:
        ValueError: it is not mono at 44.1 kHz, or has not as many samples as told: the figures would be wrong.
    """
    audio, rate = sf.read(path, dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE or audio.shape[1] != 1 or samples not in (None, len(audio)):
        raise ValueError(f"{path} is not mono at {SAMPLE_RATE} Hz, or not as long as the mix")
    mono: np.ndarray = audio[:, 0]
    return mono


def evaluate(network: Network, tree: Path, *, most: int | None = None, device: str = "cpu") -> Iterator[SceneScores]:
    """Separate and score every scene of the tree (the first `most`).

    Raises:
        ValueError: a file of a scene is not mono at 44.1 kHz, or the files differ in length.
    """
    for folder in scenes_of(tree)[:most]:
        mixture = read_mono(folder / "mix.wav")[None]
        targets = np.stack([read_mono(folder / FILES[stem], mixture.shape[1]) for stem in STEMS])
        pieces = [
            stems for _, stems in separate(
                blocks_of(mixture), network, sample_rate=SAMPLE_RATE, channels=mixture.shape[0],
                input_gain=input_gain(mixture, network), device=device,
            )
        ]  # fmt: skip
        estimates = np.concatenate(pieces, axis=-1)[:, 0]
        figures, remix, untouched = score(estimates, targets, mixture[0])
        yield SceneScores(folder.name, mixture.shape[1] / SAMPLE_RATE, figures, remix, untouched)


def confidence(values: list[float], rounds: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    means = rng.choice(np.asarray(values), (rounds, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def summarize(scores: list[SceneScores]) -> dict[str, Any]:
    """Mean, median and 95 % interval of every figure, over the scenes."""

    def summary(values: list[float]) -> dict[str, Any]:
        low, high = confidence(values)
        return {"mean": round(statistics.fmean(values), 2), "median": round(statistics.median(values), 2),
                "ci95": [round(low, 2), round(high, 2)], "scenes": len(values)}  # fmt: skip

    stems = {
        stem: {
            figure: summary([s.stems[stem][figure] for s in scores if stem in s.stems])
            for figure in ("si_sdr", "si_sdri", "snr", "snri")
        }
        for stem in STEMS if any(stem in s.stems for s in scores)
    }  # fmt: skip
    gain = [s.remix_snr - s.mixture_remix_snr for s in scores]
    return {"stems": stems, "remix_snr": summary([s.remix_snr for s in scores]), "remix_snr_gain": summary(gain)}


def table(scores: list[SceneScores]) -> str:
    """Plain text: a line per scene (SI-SDR of the mixture -> of the estimate), then means and medians."""
    lines = [f"{'scene':<10}" + "".join(f"{stem:>20}" for stem in STEMS) + f"{'remix SNR':>20}"]
    for s in scores:
        cells = [
            f"{s.stems[stem]['si_sdr'] - s.stems[stem]['si_sdri']:>8.2f} -> {s.stems[stem]['si_sdr']:>6.2f}"
            if stem in s.stems else "silent" for stem in STEMS
        ]  # fmt: skip
        cells.append(f"{s.mixture_remix_snr:>8.2f} -> {s.remix_snr:>6.2f}")
        lines.append(f"{s.scene:<10}" + "".join(f"{cell:>20}" for cell in cells))
    whole = summarize(scores)
    for name in ("mean", "median"):
        cells = [
            f"{whole['stems'][stem]['si_sdri'][name]:+.2f} dB" if stem in whole["stems"] else "-" for stem in STEMS
        ]
        lines.append(
            f"{name + ' gain':<10}" + "".join(f"{c:>20}" for c in [*cells, f"{whole['remix_snr_gain'][name]:+.2f} dB"])
        )
    return "\n".join(lines)


def main() -> None:
    """Command line: python -m model.evaluate TREE."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("tree", type=Path, help="folder of scenes, such as dnr/tt")
    parser.add_argument("--model", default="cfork", help="name of a bundled model, or a file of weights")
    parser.add_argument("--scenes", type=int, help="only the first so many")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write all scores to this file")
    args = parser.parse_args()
    network = load(args.model)
    began = time.perf_counter()
    scores = list(tqdm(evaluate(network, args.tree, most=args.scenes, device=args.device), desc="scenes"))
    seconds = time.perf_counter() - began
    print(table(scores))
    audio = sum(s.seconds for s in scores)
    print(f"{audio:.0f} s of sound in {seconds:.1f} s: {audio / seconds:.1f} times real time")
    if args.json:
        rows = [vars(s) for s in scores]
        args.json.write_text(
            json.dumps({"model": args.model, "summary": summarize(scores), "scenes": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
