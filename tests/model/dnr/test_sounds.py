"""Sound files of scenes: what is written is what was given, and a disk that takes nothing is told as that."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from cfork_cli.errors import InputError, OutputError, translated
from model import SAMPLE_RATE
from model.dnr.cases import write_stems
from model.dnr.sounds import WriteError, write_wav
from model.train import state


@pytest.mark.parametrize("shape", [(100,), (100, 2)])
def test_a_wav_holds_the_samples(tmp_path: Path, shape: tuple[int, ...]) -> None:
    sound = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    write_wav(tmp_path / "a.wav", sound)
    found, rate = sf.read(tmp_path / "a.wav", dtype="float32")
    assert rate == SAMPLE_RATE
    np.testing.assert_array_equal(found, sound)
    assert sf.info(tmp_path / "a.wav").subtype == "FLOAT"


@pytest.mark.parametrize("place", ["gone/a.wav", "full.wav"])
def test_a_disk_that_takes_nothing_is_code_4(tmp_path: Path, place: str) -> None:
    if place == "full.wav":
        if not os.path.exists("/dev/full"):
            pytest.skip("no /dev/full")
        (tmp_path / place).symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"a?\.wav' cannot be written \(No s"), translated(values=InputError):
        write_wav(tmp_path / place, np.zeros(100, np.float32))
    with pytest.raises(OSError, match="No s"):
        write_state(tmp_path / place)


def write_state(place: Path) -> None:
    part = place.with_suffix(".part")  # where it is written first
    if place.is_symlink():
        part.symlink_to("/dev/full")
    state.write({"a": torch.zeros(10)}, place.with_suffix(".pt"))


def test_the_error_comes_out_of_a_worker() -> None:
    assert str(pickle.loads(pickle.dumps(WriteError("full")))) == "full"


def test_a_folder_that_is_there_already_is_not_mixed_with(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        write_stems(np.zeros((3, 10)), tmp_path)
