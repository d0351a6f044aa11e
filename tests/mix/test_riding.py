"""Faders that ride: bounded slopes, nothing where there is nothing to do, the same whatever the blocks are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from cfork_cli.mix import riding
from cfork_cli.mix.riding import Boost, Curve, Duck, Night
from cfork_cli.mix.speech import SpeechDetector, envelope


def power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def levels(*parts: tuple[int, float]) -> list[float]:
    """Powers: so many steps of such a loudness, one part after the other."""
    return [power(lufs) for steps, lufs in parts for _ in range(steps)]


def curve(one: Curve, voice: Sequence[float], rest: Sequence[float], block: int = 10_000) -> np.ndarray:
    """The gains of all steps."""
    found = []
    for start in range(0, len(voice), block):
        found += one.push(voice[start : start + block], rest[start : start + block])
    silence = [0.0] * one.AHEAD
    return np.array([*found, *one.push(silence, silence)])


SILENT = -200.0
TALK = levels((50, SILENT), (60, -25), (100, SILENT), (30, -25), (60, SILENT))
MUSIC = levels((300, -22))


@pytest.mark.parametrize("make", [lambda: Duck(6), lambda: Boost(7), lambda: Night(-30)])
@pytest.mark.parametrize("block", [1, 7, 300])
def test_block_lengths_leave_no_trace_and_none_is_lost(make: type[Curve], block: int) -> None:
    random = np.random.default_rng(1)
    voice = [one * random.uniform(0.1, 3) for one in TALK]
    rest = [one * random.uniform(0.1, 3) for one in MUSIC]
    found = curve(make(), voice, rest, block)
    assert len(found) == 300
    assert np.array_equal(found, curve(make(), voice, rest))
    assert np.ptp(found) > 1


def test_ducking_is_down_with_the_first_word_and_back_after_the_last() -> None:
    found = curve(Duck(6), TALK, MUSIC)
    assert found.min() == -6
    assert (found[50:110] == -6).all()
    assert (found[:43] == 0).all()
    assert (found[140:200] == 0).all()  # hold 1 s, release 1.5 s
    assert np.diff(found).min() >= -6 / 5 - 1e-9
    assert np.diff(found).max() <= 6 / 15 + 1e-9


def test_music_does_not_come_up_between_words() -> None:
    words = levels(*[(6, -25), (4, SILENT)] * 20)
    found = curve(Duck(6), words, MUSIC[:200])
    assert (found == -6).all()


def test_the_voice_is_raised_by_what_it_lacks_and_slowly() -> None:
    found = curve(Boost(7), TALK, MUSIC)
    assert found[80] == pytest.approx(10)  # 3 LU under the music, 7 over it are wanted
    slope = np.abs(np.diff(found))
    assert slope.max() <= 12 / 10 + 1e-9  # 12 dB within a second, before the first word
    assert slope[50:109].max() <= riding.BOOST_DB_A_SECOND * 0.1 + 1e-9
    assert (found[:38] == 0).all()
    assert (found[140:190] == 0).all()
    assert (found >= 0).all()
    assert found.max() <= riding.MOST_BOOST_DB


@pytest.mark.parametrize(("voice", "rest"), [(-25, -32.0), (-25, -60), (-25, SILENT)])
def test_what_already_sits_is_not_touched(voice: float, rest: float) -> None:
    assert not curve(Boost(7), levels((100, SILENT), (200, voice)), levels((300, rest - 1e-9))).any()


@pytest.mark.parametrize("voice", [SILENT, -70, -40])
def test_nobody_speaks(voice: float) -> None:
    """Silence, noise of the separation, and what it leaves of loud music in the voice."""
    faint = levels((300, voice))
    assert not curve(Boost(7), faint, MUSIC).any()
    assert not curve(Duck(6), faint, MUSIC).any()


def test_what_is_left_of_the_music_between_sentences_is_no_speech() -> None:
    """20 LU under the film's usual speech, however soft the rest is."""
    voice = levels((100, -20), (100, -45), (100, -20))
    detector = SpeechDetector()
    found = detector.push([*voice, *[0.0] * detector.AHEAD], [power(-50)] * (300 + detector.AHEAD))
    assert len(found) == 300
    assert all(found[:100])
    assert all(found[201:298])
    assert not any(found[103:197])


def test_the_night_holds_down_what_is_louder_than_the_film() -> None:
    rest = levels((100, -40), (30, -11), (100, -40), (70, -23))
    found = curve(Night(-23), [0.0] * 300, rest)
    assert found[115] == pytest.approx(-9)  # 12 LU over: 3 are left
    assert (found[:95] == 0).all()
    assert (found[160:] == 0).all()
    assert np.diff(found).min() >= -4 - 1e-9
    assert np.diff(found).max() <= 0.6 + 1e-9
    assert curve(Night(-np.inf), [0.0] * 300, rest)[115] == pytest.approx(-9)  # a usual film where nobody knows


def test_the_envelope_is_the_lowest_of_all_that_are_high_and_flat_enough() -> None:
    wanted = np.random.default_rng(2).uniform(0, 1, 400) ** 8 * 3
    found = envelope(np.pad(wanted, 50), 0.2, 0.1, 50, 50)
    assert (found >= wanted).all()
    assert np.diff(found).max() <= 0.2 + 1e-12
    assert np.diff(found).min() >= -0.1 - 1e-12
    held = (
        np.isclose(found, wanted)
        | np.isclose(found, np.roll(found, -1) - 0.2)
        | np.isclose(found, np.roll(found, 1) - 0.1)
    )
    assert (held[1:-1] | (found[1:-1] == 0)).all()
