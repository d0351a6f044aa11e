"""Speakers, and how they fold to stereo."""

from __future__ import annotations

import numpy as np
import pytest
from support.films import ffmpeg

from cfork_cli.errors import InputError
from cfork_cli.media.layouts import low_frequency, pairs, speakers, standard_layouts
from cfork_cli.media.types import Stream
from cfork_cli.mix.downmix import stereo_matrix
from cfork_cli.mix.gains import remix
from cfork_cli.mix.limiter import PeakGuard
from cfork_cli.mix.mixdown import mixdown

HALF = 0.5**0.5


def track(layout: str | None, channels: int) -> Stream:
    return Stream(1, "audio", 0, "flac", channels=channels, layout=layout, sample_rate=48_000)


def matrix_of(layout: str | None, channels: int) -> np.ndarray | None:
    return stereo_matrix(track(layout, channels), speakers(layout))


def test_layouts_are_asked_of_ffmpeg(route: str) -> None:
    layouts = standard_layouts()
    assert layouts["mono"] == ("FC",)
    assert layouts["5.1(side)"] == ("FL", "FR", "FC", "LFE", "SL", "SR")
    assert len(layouts["7.1"]) == 8


@pytest.mark.parametrize(
    ("layout", "places"),
    [
        ("mono", ()), ("stereo", ()), (None, ()), ("2.1", (2,)), ("3.1", (3,)), ("5.1(side)", (3,)), ("7.1", (3,)),
        ("6.1(front)", (2,)), ("22.2", (3, 18)), ("FL+FR+LFE", (2,)), ("7.0", ()), ("unheard-of", ()),
    ],
)  # fmt: skip
def test_where_the_low_frequency_channel_is(layout: str | None, places: tuple[int, ...]) -> None:
    assert low_frequency(layout) == places


@pytest.mark.parametrize(
    ("layout", "channels", "expected"),
    [
        ("stereo", 2, ((0, 1),)), (None, 2, ((0, 1),)), ("downmix", 2, ()), ("mono", 1, ()), (None, 6, ()),
        ("5.1", 6, ()), ("quad", 4, ((0, 1),)), ("FL+FR", 2, ((0, 1),)), ("BL+FR+FL", 3, ((2, 1),)), ("unknown", 2, ()),
    ],
)  # fmt: skip
def test_which_channels_are_left_and_right(
    layout: str | None, channels: int, expected: tuple[tuple[int, int], ...]
) -> None:
    assert pairs(layout, channels) == expected


def test_layouts_without_a_name() -> None:
    assert speakers("FL+FR+LFE2") == ("FL", "FR", "LFE2")
    assert speakers("unheard-of") is None


def test_the_matrix_of_the_norm() -> None:
    matrix = matrix_of("5.1(side)", 6)
    np.testing.assert_allclose(matrix, [[1, 0, HALF, 0, HALF, 0], [0, 1, HALF, 0, 0, HALF]], rtol=1e-6)


@pytest.mark.parametrize("layout", ["3.0", "4.0", "quad", "5.0", "5.1", "5.1(side)", "6.1", "7.1"])
def test_left_and_right_get_the_same(layout: str) -> None:
    names = speakers(layout)
    matrix = matrix_of(layout, len(names))
    mirrored = [names.index(name.translate(str.maketrans("LR", "RL")) if name != "LFE" else name) for name in names]
    np.testing.assert_array_equal(matrix[0], matrix[1][mirrored])
    assert (matrix >= 0).all()


def test_it_is_what_ffmpeg_does_with_floats() -> None:
    """ffmpeg's own downmix of 5.1 has the same coefficients (it makes floats no quieter)."""
    sound = np.random.default_rng(0).standard_normal((6, 480)).astype(np.float32)
    source = ["-f", "f32le", "-ar", "48000", "-channel_layout", "5.1(side)", "-i", "pipe:0"]
    data = ffmpeg(
        *source, "-ac", "2", "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1", stdin=sound.T.astype("<f4").tobytes()
    )
    expected = np.frombuffer(data, np.float32).reshape(-1, 2).T
    np.testing.assert_allclose(matrix_of("5.1(side)", 6) @ sound, expected, atol=1e-5)


def test_mono_and_stereo_stay() -> None:
    assert matrix_of("mono", 1) is None
    assert matrix_of("stereo", 2) is None


def test_nobody_knows_which_channel_is_which() -> None:
    with pytest.raises(InputError, match=r"does not say which channel is which.*leave --downmix away"):
        matrix_of(None, 6)


def test_a_loud_film_is_held_at_full_scale() -> None:
    """All channels at full scale fold to more than twice that; nothing may be cut off."""
    loud = np.ones((6, 48_000), np.float32)
    guard = PeakGuard(48_000)
    pieces = [(loud, loud)]
    folded = np.concatenate(list(mixdown(pieces, matrix_of("5.1", 6), guard)), axis=1)
    assert folded.shape == (2, 48_000)
    assert 0.99 < np.abs(folded).max() <= 1
    assert guard.reduced_samples


def test_levels_come_before_the_folding() -> None:
    mixture = np.random.default_rng(1).standard_normal((6, 1000)).astype(np.float32) * 0.01
    change = np.stack([mixture * 0.5])
    matrix = matrix_of("5.1", 6)
    found = np.concatenate(list(mixdown([(mixture, remix(mixture, change))], matrix, None)), axis=1)
    np.testing.assert_allclose(found, matrix @ (mixture + change[0]), atol=1e-6)
