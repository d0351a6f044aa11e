"""The same film and settings give the same sound, bit for bit: again, in other blocks, and with more threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.commands import Ran, echo_network
from support.films import Sound, make, noise
from support.readings import packets

from cfork_cli.flows import network as networks
from model.networks.mrx import MRX
from model.streaming.separator import separate

RATE = 44_100


def network() -> MRX:
    torch.manual_seed(3)
    tiny = MRX(windows=(64, 128), hop=32, hidden=8, layers=2)
    tiny.window_seconds, tiny.context_seconds, tiny.crossfade_seconds = 0.4, 0.05, 0.02
    return tiny.eval()


def stems(sound: np.ndarray, *, block: int = RATE, workers: int = 1, batch_size: int = 4) -> np.ndarray:
    blocks = (sound[:, at : at + block] for at in range(0, sound.shape[1], block))
    found = separate(
        blocks, network(), sample_rate=48_000, channels=2, workers=workers, batch_size=batch_size, device="cpu"
    )  # fmt: skip
    return np.concatenate([piece for _, piece in found], axis=-1)


def test_stems_are_the_same_again_in_other_blocks_and_with_more_workers() -> None:
    """Where the batches are the same. In batches of another size sums are rounded elsewhere, 110 dB under the sound."""
    sound = noise(2, 3 * RATE + 17, level=0.1)
    once = stems(sound)
    assert once.tobytes() == stems(sound).tobytes()
    np.testing.assert_allclose(stems(sound, block=997), once, atol=1e-6)
    assert stems(sound, workers=2, batch_size=8).tobytes() == once.tobytes()
    np.testing.assert_allclose(stems(sound, batch_size=2), once, atol=3e-6 * float(np.abs(once).max()))


@pytest.mark.parametrize("options", [["--music=-6"], ["--loudness=-20", "--speech-boost=auto", "--music-reverb=hall"]])
def test_new_tracks_are_the_same_again(
    cfork: Callable[..., Ran], place: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """Every packet of the encoder, with its time."""
    monkeypatch.setattr(networks, "load_network", lambda *_: (echo_network((0.5, 0.3, 0.2)), "cpu"))
    make(place / "a.mkv", Sound("ac3", samples=noise(2, 96_000)), seconds=2)
    found = []
    for name in ("one.mkv", "two.mkv"):
        assert cfork("remix", "a.mkv", *options, "-o", name).code == 0
        found.append(packets(place / name, "a:0"))
    assert found[0] == found[1]
    assert len(found[0]) > 10
