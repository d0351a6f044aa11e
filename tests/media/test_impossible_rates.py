"""Damaged headers that ask for more memory than there is, by a sample rate that no sound has."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Ran

from cfork_cli.media.probe import MOST_HERTZ, probe


def wav(path: Path, rate: int) -> Path:
    """Write 0.1 s at 48 kHz of silence, mono, 16 bits, with this rate in the header."""
    data = bytes(9600)
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, min(2 * rate, 2**32 - 1), 2, 16)
    body = head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("rate", [MOST_HERTZ + 1, 2**31 - 1])
def test_an_impossible_sample_rate_is_refused_at_once(place: Path, cfork: Callable[..., Ran], rate: int) -> None:
    film = wav(place / "film.wav", rate)
    assert probe(film).audio[0].sample_rate is None
    refused = cfork("remix", film, "--dialog", "0")
    assert refused.code == 3
    assert "sample rate" in refused.err
    assert len(refused.lines) == 1
    assert [one.name for one in place.iterdir()] == ["film.wav"]
    assert cfork("info", film).code == 0


def test_the_rates_of_real_sound_are_told(tmp_path: Path) -> None:
    assert [probe(wav(tmp_path / "a.wav", rate)).audio[0].sample_rate for rate in (1, 768_000, 2_822_400)] == [
        1, 768_000, 2_822_400,
    ]  # fmt: skip
