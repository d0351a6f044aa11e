"""Chunks of a Divide-and-Remaster tree, and who takes which scene."""

import numpy as np
import pytest
import soundfile as sf
import torch
from support.tiny_packs import write_packs, write_scene

from model import SAMPLE_RATE
from model.dnr.dataset import PACKS_EPOCH, Batches, DnrChunks, is_tree, training_scenes, validation_scenes

LENGTHS = {"1": 9000, "2": 6000, "30": 4000}  # samples of each scene


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("dnr")
    for split in ("tr", "cv"):
        for name, samples in LENGTHS.items():
            write_scene(root / split / name, samples)
    return root


SECONDS = 5000 / SAMPLE_RATE


def test_chunks_are_cut_alike_from_mixture_and_stems(tree):
    data, epoch = training_scenes(tree, SECONDS, seed=1)
    assert epoch == 3
    for number in range(9):
        mixture, stems = data[number]
        assert mixture.shape == (5000,)
        assert stems.shape == (3, 5000)
        for gain, stem in zip((0.1, 0.2, 0.3), stems, strict=True):  # music, dialogue, effects
            torch.testing.assert_close(stem, gain * mixture)
        filled = mixture[1:] != 0
        steps = torch.diff(mixture)[filled]
        torch.testing.assert_close(steps, torch.full_like(steps, 1 / 65_536))


def test_a_round_has_every_scene_once_in_an_order_of_its_own(tree):
    data = DnrChunks(tree / "tr", 1000 / SAMPLE_RATE, seed=3)
    orders, starts = [], set()
    for nth in range(8):
        numbers = range(3 * nth, 3 * nth + 3)
        order = []
        for number in numbers:
            data[number]
            order.append(int(data._round[1][number % 3]))
            starts.add(round(float(data[number][0][0]) * 65_536))
        assert sorted(order) == [0, 1, 2]
        orders.append(tuple(order))
    assert len(set(orders)) > 2
    assert len(starts) > 15  # from random moments on
    assert max(starts) <= 8000


def test_a_chunk_is_its_seed_and_number(tree):
    one, same, other = (DnrChunks(tree / "tr", SECONDS / 5, seed) for seed in (1, 1, 2))
    numbers = list(range(12))
    expected = [one[number][0] for number in numbers]
    for number in reversed(numbers):
        assert torch.equal(same[number][0], expected[number])
    assert not all(torch.equal(other[number][0], expected[number]) for number in numbers)


def test_short_scenes_end_in_silence(tree):
    data, _ = validation_scenes(tree, SECONDS, 0)
    mixture, stems = data[2]
    assert torch.count_nonzero(mixture[4000:]) == torch.count_nonzero(stems[:, 4000:]) == 0
    assert torch.count_nonzero(mixture[:4000]) == 3999


def test_validation_scenes_are_whole_or_from_the_middle(tree):
    data, count = validation_scenes(tree, 0.0, 0)
    assert count == 3
    assert [len(data[number][0]) for number in range(3)] == list(LENGTHS.values())
    data, count = validation_scenes(tree, SECONDS, 2)
    assert count == 2
    assert round(float(data[0][0][0]) * 65_536) == 2000
    assert validation_scenes(tree, SECONDS, 99)[1] == 3


def test_flac_is_read_too(tmp_path):
    write_scene(tmp_path / "tr" / "a", 3000, suffix="flac")
    mixture, _ = DnrChunks(tmp_path / "tr", 0.0, None)[0]
    torch.testing.assert_close(mixture, torch.arange(3000) / 65_536, atol=1e-6, rtol=0)


def test_what_does_not_fit_is_refused(tmp_path, tree):
    write_scene(tmp_path / "slow" / "a", 3000, rate=48_000)
    with pytest.raises(ValueError, match="mono at 44100 Hz"):
        DnrChunks(tmp_path / "slow", 0.0, None)[0]
    write_scene(tmp_path / "lost" / "a", 3000)
    (tmp_path / "lost" / "a" / "sfx.wav").unlink()
    with pytest.raises(ValueError, match=r"no sfx\.wav"):
        DnrChunks(tmp_path / "lost", 0.0, None)[0]
    (tmp_path / "tr").mkdir()
    with pytest.raises(FileNotFoundError, match="no scenes in"):
        training_scenes(tmp_path, 1.0, 1)


def test_a_sample_that_is_no_number_is_told(tmp_path):
    write_scene(tmp_path / "tr" / "1", 4000)
    path = tmp_path / "tr" / "1" / "speech.wav"
    sound, rate = sf.read(path, dtype="float32")
    sound[17] = np.nan
    sf.write(path, sound, rate, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"1/speech\.wav' holds samples that are no numbers"):
        DnrChunks(tmp_path / "tr", 0.0, None)[0]


def test_packs_and_trees_are_told_apart(tmp_path, tree):
    packs = write_packs(tmp_path)
    assert is_tree(tree)
    assert not is_tree(packs)
    data, epoch = training_scenes(packs, 0.2, 1)
    assert epoch == PACKS_EPOCH
    assert data[5][1].shape == (3, 8820)
    music_alone = {"music": 1.0, "speech": 0.0, "effects": 0.0, "background": 0.0}
    stems = training_scenes(packs, 0.2, 1, music_alone)[0][5][1]
    assert [bool(stem.any()) for stem in stems] == [True, False, False]
    held_out, count = validation_scenes(packs, 0.2, 4)
    assert count == 4
    assert torch.equal(held_out[3][1], validation_scenes(packs, 0.2, 9)[0][3][1])  # fixed, whatever the seed
    with pytest.raises(ValueError, match="have no end"):
        validation_scenes(packs, 0.2, 0)
    with pytest.raises(FileNotFoundError, match="neither tr and cv folders, nor packs"):
        training_scenes(tmp_path / "nothing", 1.0, 1)


@pytest.mark.parametrize(("world", "parts"), [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_every_scene_has_one_taker_whoever_shares_the_work(world, parts):
    batch, first = 12, 7
    takers = [iter(Batches(batch, rank, world, parts, first)) for rank in range(world)]
    for step in range(first, first + 3):
        numbers = [number for taker in takers for _ in range(parts) for number in next(taker)]
        assert sorted(numbers) == list(range(step * batch, (step + 1) * batch))


def test_batches_that_cannot_be_shared_are_refused():
    with pytest.raises(ValueError, match="cannot be shared by 2 processes in 3 parts"):
        Batches(4, 0, 2, 3)
