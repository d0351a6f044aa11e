"""Laws of the arithmetic, on inputs that hypothesis makes up: the same in every run, the smallest failure is told."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfork_cli.input.blocks import equal_blocks
from cfork_cli.input.placing import Placer
from cfork_cli.media.layouts import standard_layouts
from cfork_cli.media.samples import from_integers, to_integers, unbroken
from cfork_cli.media.types import Stream
from cfork_cli.mix.convolver import Convolver
from cfork_cli.mix.downmix import stereo_matrix
from cfork_cli.mix.fifo import Fifo
from cfork_cli.mix.gains import parse_gain_db, weight
from cfork_cli.mix.limiter import PeakGuard
from cfork_cli.mix.loudness import LoudnessMeter, integrated_lufs
from cfork_cli.mix.meter import Meter
from cfork_cli.mix.mixer import GainMixer
from cfork_cli.mix.residual import settle
from cfork_cli.mix.settings import Band, Processing, Reverb, StemEffects
from cfork_cli.mix.true_peak import TruePeaks
from cfork_cli.presets import preset
from cfork_cli.text import clock, parse_time
from model.streaming.resample import Delay, resample
from model.streaming.windows import Grid, cut, overlap_add

RATE = 8000
LAW = settings(derandomize=True, deadline=None, max_examples=25, database=None)

lengths = st.lists(st.integers(1, 5000), min_size=1, max_size=5)
seeds = st.integers(0, 2**32 - 1)
gains_db = st.one_of(st.just(-math.inf), st.just(0.0), st.floats(-60, 24))


def noise(seed: int, channels: int, samples: int, level: float = 0.3) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((channels, samples)) * level).astype(np.float32)


def pieces(sound: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """Cut a sound into blocks of these sizes, over and over."""
    found, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= sound.shape[-1]:
            return found
        found.append(sound[..., at : at + size])
        at += size
    return found


def joined(parts: Sequence[np.ndarray], channels: int) -> np.ndarray:
    return np.concatenate([np.zeros((channels, 0), np.float32), *parts], axis=-1)


# ---- streams: where blocks are cut leaves no trace ----


@LAW
@given(seeds, lengths, st.integers(0, 30), st.integers(0, 40), st.integers(1, 60), st.integers(0, 9000))
def test_overlap_add_gives_the_same_bits_whatever_the_blocks(
    seed: int, sizes: list[int], context: int, crossfade: int, more: int, samples: int
) -> None:
    grid = Grid(max(crossfade, 1) + more + 2 * context + crossfade, context, crossfade)
    sound = noise(seed, 2, samples)

    def through(sizes: Sequence[int]) -> np.ndarray:
        windows = ((window, window.samples * np.float32(0.7)) for window in cut(pieces(sound, sizes), grid, 2))
        return joined([part.copy() for part in overlap_add(windows, grid)], 2)

    whole = through([max(samples, 1)])
    assert whole.shape == sound.shape
    assert np.array_equal(through(sizes), whole)
    np.testing.assert_allclose(whole, sound * np.float32(0.7), atol=1e-6)


@LAW
@given(seeds, lengths, st.integers(1, 700), st.sampled_from([None, 64, 256]), st.integers(0, 6000))
def test_the_convolver_is_a_convolution(seed: int, sizes: list[int], taps: int, part: int | None, samples: int) -> None:
    sound, impulse = noise(seed, 2, samples), noise(seed + 1, 2, taps)
    convolver = Convolver(impulse, 2, part=part)
    found = joined([*(convolver.push(block) for block in pieces(sound, sizes)), convolver.finish()], 2)
    assert found.shape == sound.shape
    if samples:
        direct = [np.convolve(x.astype(float), h.astype(float))[:samples] for x, h in zip(sound, impulse, strict=True)]
        np.testing.assert_allclose(found, direct, atol=2e-5 * max(1.0, float(np.abs(direct).max())))


@LAW
@given(seeds, lengths, st.lists(st.integers(0, 4000), max_size=6))
def test_queues_give_what_they_got(seed: int, sizes: list[int], takes: list[int]) -> None:
    sound = noise(seed, 2, sum(sizes))
    fifo, delay = Fifo((2,)), Delay(2)
    for block in pieces(sound, sizes):
        fifo.push(block)
        delay.push(block)
    at = 0
    for take in [*takes, sum(sizes)]:
        count = min(take, len(fifo))
        for found in (fifo.take(count), delay.pop(count)):
            assert np.array_equal(found, sound[:, at : at + count])
        at += count
    assert len(fifo) == delay.waiting == 0


@LAW
@given(seeds, lengths, st.integers(1, 20_000), st.sampled_from([8000, 11_025, 44_100]))
def test_meters_give_the_same_powers_whatever_the_blocks(seed: int, sizes: list[int], samples: int, rate: int) -> None:
    sound = noise(seed, 2, samples)
    found = []
    for way in (sizes, [samples]):
        integrated, steps = LoudnessMeter(rate, np.array([1.0, 1.41])), Meter(rate, np.array([1.0, 1.41]))
        powers = []
        for block in pieces(sound, way):
            integrated.push(block)
            powers += steps.push(block)
        found.append((integrated.powers(), np.array([*powers, *steps.finish()]), integrated.peak))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
    assert np.array_equal(found[0][1], found[1][1])
    assert found[0][2] == found[1][2] == np.abs(sound).max()
    assert len(found[0][0]) == samples * 10 // rate
    assert len(found[0][1]) == -(-samples // round(rate / 10))


@LAW
@given(seeds, st.floats(-30, 12))
def test_loudness_moves_with_the_gain(seed: int, gain_db: float) -> None:
    sound = noise(seed, 1, 2 * RATE, 0.05)
    found = []
    for factor in (1.0, 10 ** (gain_db / 20)):
        meter = LoudnessMeter(RATE, np.ones(1))
        meter.push(sound * np.float32(factor))
        found.append(integrated_lufs(meter.powers()))
    assert found[1] - found[0] == pytest.approx(gain_db, abs=1e-3)


@LAW
@given(seeds, lengths, st.floats(0.05, 1), st.floats(0.1, 1000), st.integers(1, 12_000))
def test_the_peak_guard_holds_what_is_over_and_nothing_else(
    seed: int, sizes: list[int], ceiling: float, loudest: float, samples: int
) -> None:
    random = np.random.default_rng(seed)
    sound = noise(seed, 2, samples, 0.02)
    sound[:, random.integers(0, samples, 3)] = np.float32(loudest)
    quiet = np.zeros_like(sound)
    found = []
    for way in (sizes, [samples]):
        guard = PeakGuard(RATE, ceiling=ceiling)
        parts = [guard.push(block, quiet[:, : block.shape[1]]) for block in pieces(sound, way)]
        found.append(joined([*parts, guard.finish()], 2))
    assert np.array_equal(found[0], found[1])
    assert found[0].shape == sound.shape
    assert np.abs(found[0]).max() <= ceiling
    assert (np.abs(found[0]) <= np.abs(sound)).all()
    if np.abs(sound).max() <= ceiling:
        assert np.array_equal(found[0], sound)
        assert guard.reduced_samples == 0


@LAW
@given(seeds, lengths, st.integers(1, 3000), st.floats(0.05, 2))
def test_true_peaks_are_never_under_the_samples(seed: int, sizes: list[int], samples: int, floor: float) -> None:
    sound = noise(seed, 2, samples, 0.5)
    peaks, sharp = TruePeaks(floor), TruePeaks()
    found = np.concatenate([*(peaks.push(block) for block in pieces(sound, sizes)), peaks.finish()])
    exact = np.concatenate([sharp.push(sound), sharp.finish()])
    assert len(found) == len(exact) == samples
    assert (found >= np.abs(sound).max(axis=0)).all()
    assert np.array_equal(found > floor + 1e-6, exact > floor + 1e-6)  # what may be left out lies under the floor


# ---- resampling ----


@LAW
@given(seeds, st.sampled_from([8000, 22_050, 44_100, 48_000, 96_000]), st.sampled_from([8000, 44_100, 48_000]),
       st.integers(0, 6000), lengths)  # fmt: skip
def test_resampled_sound_is_as_long_and_linear(
    seed: int, rate: int, other: int, samples: int, sizes: list[int]
) -> None:
    one, two = noise(seed, 2, samples), noise(seed + 1, 2, samples)

    def brought(sound: np.ndarray, way: Sequence[int]) -> np.ndarray:
        return joined(list(resample(pieces(sound, way), rate, other, 2)), 2)

    found = brought(one, sizes)
    assert found.shape[1] == math.floor(samples * other / rate + 0.5)
    np.testing.assert_allclose(found, brought(one, [max(samples, 1)]), atol=1e-6)
    np.testing.assert_allclose(brought(one + two, sizes), found + brought(two, sizes), atol=2e-5)


@LAW
@given(st.sampled_from([32_000, 44_100, 48_000, 96_000]), st.floats(100, 3000))
def test_a_tone_comes_back_from_another_rate(rate: int, hertz: float) -> None:
    tone = np.sin(2 * np.pi * hertz * np.arange(rate // 2) / rate).astype(np.float32)[None]
    there = joined(list(resample([tone], rate, 44_100, 1)), 1)
    back = joined(list(resample([there], 44_100, rate, 1)), 1)
    inner = slice(rate // 20, min(back.shape[1], tone.shape[1]) - rate // 20)
    np.testing.assert_allclose(back[:, inner], tone[:, inner], atol=1e-4)


# ---- gains, layouts, integers ----

STEMS = ("music", "dialogue", "effects")


@LAW
@given(seeds, st.tuples(gains_db, gains_db, gains_db))
def test_gains_are_a_superposition_of_what_was_heard(seed: int, gains: tuple[float, float, float]) -> None:
    stems = noise(seed, 6, 500).reshape(3, 2, 500)
    mixture = stems.sum(axis=0, dtype=np.float32)
    mixer = GainMixer(dict(zip(STEMS, gains, strict=True)), STEMS)
    moved = [stems[STEMS.index(stem)] for stem in mixer.stems]
    change = sum((np.float32(share) * stem for share, stem in zip(mixer.weights, moved, strict=True)), mixture * 0)
    found = mixer.mix(mixture, change[None] if mixer.stems else np.zeros((0, 2, 500), np.float32))[0]
    expected = sum(10 ** (gain / 20) * stem.astype(float) for gain, stem in zip(gains, stems, strict=True))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    if not any(gains):
        assert found.tobytes() == mixture.tobytes()


@LAW
@given(gains_db)
def test_gains_are_read_as_they_are_written(gain_db: float) -> None:
    assert parse_gain_db(repr(gain_db)) == gain_db
    assert weight(gain_db) + 1 == pytest.approx(10 ** (gain_db / 20))


@LAW
@given(st.sampled_from(sorted(standard_layouts())), st.randoms(use_true_random=False))
def test_folding_keeps_sides_and_does_not_know_the_order(layout: str, random: object) -> None:
    names = list(standard_layouts()[layout])
    track = Stream(0, "audio", 0, "flac", channels=len(names), layout=layout, sample_rate=RATE)
    matrix = stereo_matrix(track, names)
    if len(names) <= 2:
        assert matrix is None
        return
    assert matrix is not None
    assert matrix.shape == (2, len(names))
    order = list(range(len(names)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = stereo_matrix(replace(track, layout=None), [names[place] for place in order])
    assert shuffled is not None
    assert np.array_equal(shuffled, matrix[:, order])
    for place, name in enumerate(names):
        left, right = matrix[:, place]
        power = float(left**2 + right**2)
        assert power == 0 if name.startswith("LFE") else 0.49 < power <= 1.01
        mirrored = name.translate(str.maketrans("LR", "RL")) if not name.startswith("LFE") else name
        if mirrored != name and mirrored in names:
            assert tuple(matrix[::-1, names.index(mirrored)]) == (left, right)


@LAW
@given(seeds, st.sampled_from([8, 16, 24]), st.integers(1, 3), st.floats(0.01, 2))
def test_stems_add_up_in_the_integers_that_are_written(seed: int, bits: int, stems: int, level: float) -> None:
    parts = noise(seed, stems * 2, 300, level).reshape(stems, 2, 300)
    mixture = noise(seed + 1, 2, 300, level)
    settled = to_integers(settle(mixture, parts, [stems - 1], bits), bits)
    assert np.array_equal(settled.sum(axis=0), to_integers(mixture, bits))
    assert np.array_equal(to_integers(from_integers(settled, bits), bits), settled)


@LAW
@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_broken_samples_become_silence_and_no_other(values: list[float]) -> None:
    block = np.array([values], np.float32)
    found = unbroken(block)
    assert np.isfinite(found).all()
    kept = np.isfinite(block) & (np.abs(block) <= 1e4)
    assert np.array_equal(found[kept], block[kept])
    assert not found[~kept].any()
    assert found is block or not kept.all()


# ---- the time line ----


@LAW
@given(
    st.lists(st.tuples(st.integers(1, 600), st.integers(-700, 2000)), min_size=1, max_size=12),
    st.integers(-500, 500),
    st.one_of(st.none(), st.integers(1, 6000)),
    st.one_of(st.none(), st.integers(0, 9000)),
)
def test_placed_samples_keep_their_order_and_are_all_counted(
    packets: list[tuple[int, int]], begin: int, length: int | None, last: int | None
) -> None:
    """Every sample is a number: they come out rising, with silence between, and what is not there was counted."""
    end = None if length is None else begin + length
    placer = Placer(RATE, 1, begin, end, last)
    sent, stamp, number = [], 0, 1
    for size, gap in packets:
        sent.append((stamp, np.arange(number, number + size, dtype=np.float32)[None]))
        number += size
        stamp = max(stamp + size + gap, stamp + 1)  # ffmpeg writes rising stamps only
    found = joined(list(placer.place(sent)), 1)[0]
    heard = found[found > 0]
    assert (np.diff(heard) > 0).all()
    assert length is None or len(found) <= length
    assert (found >= 0).all()
    if end is None:
        before = 0 if not len(heard) else int(heard[0]) - 1  # what lay before the begin is not wanted
        assert placer.tally.dropped + len(heard) + before >= number - 1 >= placer.tally.dropped + len(heard)
        lead = int(np.argmax(found > 0)) if len(heard) else 0
        assert len(found) >= len(heard) + lead
        assert len(found) - len(heard) >= placer.tally.filled


@LAW
@given(st.lists(st.integers(0, 900), max_size=8), st.integers(1, 400))
def test_equal_blocks_are_equal_and_lose_nothing(sizes: list[int], length: int) -> None:
    sound = np.arange(sum(sizes), dtype=np.float32)[None]
    cuts = np.split(sound, np.cumsum(sizes)[:-1], axis=1) if sizes else []
    found = list(equal_blocks(cuts, length, np.dtype("<f4")))
    assert np.array_equal(joined(found, 1), sound)
    assert all(block.shape[1] == length for block in found[:-1])
    assert all(block.shape[1] <= length for block in found)


# ---- words ----


@LAW
@given(st.integers(0, 400_000), st.floats(0, 1e6))
def test_times_are_read_as_they_are_written(whole: int, seconds: float) -> None:
    assert parse_time(clock(whole)) == whole
    assert parse_time(f"{seconds:.6f}") == pytest.approx(seconds, abs=1e-6)
    assert 0 <= seconds - parse_time(clock(seconds)) < 1


bands = st.builds(
    Band, st.sampled_from(["highpass", "lowpass", "peaking", "lowshelf", "highshelf"]), st.floats(1, 100_000),
    st.floats(-24, 24),
)  # fmt: skip
effects = st.builds(
    StemEffects, st.lists(bands, max_size=3).map(tuple), st.sampled_from(["", "highpass=f=90,acompressor"]),
    st.one_of(st.none(), st.builds(Reverb, st.sampled_from(["room", "hall", "a b:c.wav"]), st.floats(-60, 12))),
)  # fmt: skip
depths = st.floats(0, 40, exclude_min=True)


@LAW
@given(
    st.dictionaries(st.sampled_from(STEMS), gains_db),
    st.dictionaries(st.sampled_from(STEMS), effects.filter(bool)),
    st.one_of(st.none(), st.floats(-10, 25)),
    st.dictionaries(st.sampled_from(["music", "effects"]), depths),
    st.booleans(),
    st.text(max_size=20),
)
def test_presets_are_read_as_they_are_written(
    gains: dict[str, float],
    treated: dict[str, StemEffects],
    boost: float | None,
    duck: dict[str, float],
    night: bool,
    about: str,
) -> None:
    said = preset.Preset(
        "mine", "Mine", about, gains, Processing(treated, boost, duck, night), loudness="-16", home="h"
    )
    again = preset.read(preset.write(said), "mine", "h")
    assert again.processing == said.processing
    assert dict(again.gains_db) == gains
    assert again.about == about
