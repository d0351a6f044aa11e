"""The desk on scenes whose stems are known: what was asked for is done, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from cfork_cli.mix.convolver import Reverberation
from cfork_cli.mix.desk import Desk, DeskMixer, DeskStemMixer, needed_stems
from cfork_cli.mix.effect import Effect
from cfork_cli.mix.meter import Meter, level_lufs
from cfork_cli.mix.mixer import GainMixer, StemMixer
from cfork_cli.mix.rooms import impulse_response
from cfork_cli.mix.settings import Processing, Reverb, StemEffects

RATE = 8000
ORDER = ("music", "dialogue", "effects")
SECONDS = 40


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mixture, stems, and where somebody speaks `[samples]`: 8 to 14 s softly, 24 to 30 s loudly, in words.

    Speech is noise that comes and goes; music is noise, and a bang at 35 s is an effect. The mixture holds a
    little more than the stems.
    """
    random = np.random.default_rng(4)
    time = np.arange(SECONDS * RATE) / RATE
    noise = random.standard_normal((4, 2, len(time))).astype(np.float32)
    words = np.clip(np.sin(2 * np.pi * 2 * time) * 4 + 2, 0, 1)
    softly, loudly = (time >= 8) & (time < 14), (time >= 24) & (time < 30)
    stems = np.stack([
        noise[0] * 0.03,
        noise[1] * words * (softly * 0.02 + loudly * 0.2),
        noise[2] * (0.002 + ((time >= 35) & (time < 36)) * 0.5),
    ]).astype(np.float32)  # fmt: skip
    return stems.sum(axis=0) + noise[3] * np.float32(1e-4), stems, (softly | loudly)


MIXTURE, STEMS, SPEECH = scene()
SOFT, LOUD = slice(9 * RATE, 13 * RATE), slice(25 * RATE, 29 * RATE)


def desk(
    processing: Processing,
    gains_db: Mapping[str, float] | None = None,
    effects: Mapping[str, Sequence[Effect]] | None = None,
) -> tuple[tuple[str, ...], Desk]:
    stems = needed_stems(gains_db or {}, processing, ORDER)
    return stems, Desk(
        stems, processing, effects or {}, gains_db or {}, sample_rate=RATE, weights=np.ones(2), film_lufs=-23.0
    )


def remixed(
    processing: Processing,
    gains_db: Mapping[str, float] | None = None,
    effects: Mapping[str, Sequence[Effect]] | None = None,
    *,
    length: int = 50_000,
) -> tuple[np.ndarray, np.ndarray]:
    """Mixture and remix of the scene, handed over in pieces of a length."""
    stems, made = desk(processing, gains_db, effects)
    chosen = STEMS[[ORDER.index(stem) for stem in stems]]
    pieces = [
        (MIXTURE[:, start : start + length], chosen[:, :, start : start + length])
        for start in range(0, MIXTURE.shape[1], length)
    ]
    out = list(DeskMixer(stems, made).run(pieces))
    return np.concatenate([one for one, _ in out], axis=1), np.concatenate([one[0] for _, one in out], axis=1)


def loudness(sound: np.ndarray) -> float:
    meter = Meter(RATE, np.ones(2))
    return float(level_lufs(float(np.mean([*meter.push(np.ascontiguousarray(sound)), *meter.finish()]))))


def change_db(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How much louder every tenth of a second is."""
    powers = [np.square(one.astype(np.float64)).reshape(2, -1, RATE // 10).mean(axis=(0, 2)) for one in (before, after)]
    return np.asarray(10 * np.log10(powers[1] / powers[0]))


def voice_over_rest(remix: np.ndarray, part: slice) -> float:
    """LU in a remix whose music and effects were not moved."""
    rest = MIXTURE - STEMS[1]
    return loudness((remix - rest)[:, part]) - loudness(rest[:, part])


def test_the_voice_is_raised_to_where_it_was_asked_for_and_what_sits_is_not_touched() -> None:
    _, remix = remixed(Processing(speech_boost_lu=5))
    before = [voice_over_rest(MIXTURE, part) for part in (SOFT, LOUD)]
    after = [voice_over_rest(remix, part) for part in (SOFT, LOUD)]
    assert before[0] < 0
    assert before[1] > 10
    assert after[0] == pytest.approx(5, abs=1.0)
    assert np.array_equal(remix[:, 20 * RATE :], MIXTURE[:, 20 * RATE :])  # it sits, and 4 s from there too
    far = np.ones(len(SPEECH), bool)
    far[6 * RATE : 20 * RATE] = False
    assert np.array_equal(remix[:, far], MIXTURE[:, far])
    assert np.abs(change_db(MIXTURE, remix)[~SPEECH[:: RATE // 10]]).max() < 0.1


def test_it_never_goes_beyond_its_limit() -> None:
    _, remix = remixed(Processing(speech_boost_lu=25))
    gain = (remix - MIXTURE + STEMS[1])[:, SOFT] @ STEMS[1][:, SOFT].T
    found = 20 * np.log10(np.trace(gain) / np.square(STEMS[1][:, SOFT]).sum())
    assert found == pytest.approx(12, abs=0.05)


def test_music_steps_back_for_the_voice_alone() -> None:
    _, remix = remixed(Processing(duck_db={"music": 6}))
    moved = remix - MIXTURE  # (g - 1) * music
    gain = 1 + (moved * STEMS[0]).sum(axis=0).reshape(-1, RATE // 10).sum(axis=1) / np.square(STEMS[0]).sum(
        axis=0
    ).reshape(-1, RATE // 10).sum(axis=1)
    gain_db = 20 * np.log10(gain)
    for part in (SOFT, LOUD):
        assert gain_db[part.start * 10 // RATE : part.stop * 10 // RATE] == pytest.approx(-6, abs=0.05)
    silence = np.r_[0:70, 175:230, 335:400]  # hold 1 s and release 1.5 s after the last word
    assert np.array_equal(remix.reshape(2, -1, RATE // 10)[:, silence], MIXTURE.reshape(2, -1, RATE // 10)[:, silence])
    assert np.abs(np.diff(gain_db)).max() < 6 / 5 + 0.1  # no jump: 6 dB in half a second


def test_the_night_narrows_the_range_of_the_rest_and_leaves_the_voice() -> None:
    _, remix = remixed(Processing(night=True))
    bang = slice(round(35.2 * RATE), round(35.8 * RATE))
    over = loudness(MIXTURE[:, bang]) + 23
    assert over > 10
    assert loudness(remix[:, bang]) + 23 == pytest.approx(over / 4, abs=0.7)
    assert np.array_equal(remix[:, : 33 * RATE], MIXTURE[:, : 33 * RATE])


def test_what_rides_listens_to_what_is_heard() -> None:
    """The boost counts gains, and music that has stepped back; both together need less than the boost alone."""
    rest = MIXTURE - STEMS[1]

    def boost_db(processing: Processing, gains_db: Mapping[str, float], rest_gain_db: float) -> float:
        _, remix = remixed(processing, gains_db)
        moved = remix - rest - STEMS[0] * np.float32(10 ** (rest_gain_db / 20) - 1)
        return loudness(moved[:, SOFT]) - loudness(STEMS[1][:, SOFT])

    alone = boost_db(Processing(speech_boost_lu=3), {}, 0)
    assert boost_db(Processing(speech_boost_lu=3, duck_db={"music": 4}), {}, -4) == pytest.approx(alone - 4, abs=0.3)
    assert boost_db(Processing(speech_boost_lu=3), {"music": -4}, -4) == pytest.approx(alone - 4, abs=0.3)
    assert boost_db(Processing(speech_boost_lu=3), {"dialogue": 2}, 0) == pytest.approx(alone, abs=0.3)


def test_a_muted_voice_still_makes_the_music_step_back() -> None:
    _, remix = remixed(Processing(duck_db={"music": 6}), {"dialogue": -np.inf})
    _, ducked = remixed(Processing(duck_db={"music": 6}))
    np.testing.assert_allclose(remix, ducked - STEMS[1], atol=1e-6)


ALL = Processing(
    {"dialogue": StemEffects(reverb=Reverb("room", -14))},
    speech_boost_lu=5,
    duck_db={"music": 6, "effects": 3},
    night=True,
)


@pytest.mark.parametrize("length", [997, 40_000])
def test_block_lengths_leave_no_trace_and_all_stays_in_step(length: int) -> None:
    def made(length: int) -> tuple[np.ndarray, np.ndarray]:
        effects = {"dialogue": [Reverberation(impulse_response("room", RATE, 2), -14, 2)]}
        return remixed(ALL, {"music": -3}, effects, length=length)

    mixture, remix = made(length)
    assert np.array_equal(mixture, MIXTURE)
    assert np.array_equal(remix, made(MIXTURE.shape[1])[1])


def test_effects_that_do_nothing_change_nothing() -> None:
    """Not a bit, through all faders: a limit that is reached by nothing, a stem that passes."""
    _, remix = remixed(Processing(speech_boost_lu=-10, duck_db={"effects": 0.0}))
    assert np.array_equal(remix, MIXTURE)


def test_gains_alone_are_those_of_the_gain_mixer() -> None:
    gains_db = {"dialogue": 6.0, "music": -np.inf}
    plain = GainMixer(gains_db, ORDER)
    change = np.tensordot(np.array(plain.weights), STEMS[[ORDER.index(stem) for stem in plain.stems]], 1)
    _, remix = remixed(Processing(), gains_db)
    np.testing.assert_allclose(remix, plain.mix(MIXTURE, change[None])[0], atol=1e-6)


def test_which_stems_are_needed() -> None:
    assert needed_stems({"music": -3.0, "effects": 0.0}, Processing(), ORDER) == ("music",)
    assert needed_stems({}, Processing({"effects": StemEffects(filters="anull")}), ORDER) == ("effects",)
    assert needed_stems({}, Processing({"effects": StemEffects()}), ORDER) == ()
    assert needed_stems({}, Processing(duck_db={"music": 3}), ORDER) == ("music", "dialogue")
    assert needed_stems({}, Processing(speech_boost_lu=5), ORDER) == ("dialogue",)
    assert needed_stems({}, Processing(night=True), ORDER) == ORDER


@pytest.mark.parametrize("mixture", [False, True])
def test_stems_behind_the_desk(mixture: bool) -> None:
    """Those that are written, in their order, beside the mixture; the voice is heard though it is not written."""
    processing = Processing(duck_db={"music": 6})
    inner = StemMixer(("effects", "music"), mixture=mixture)
    stems, made = desk(processing, {"effects": 0.0})
    stems = tuple(stem for stem in ORDER if stem in {*stems, *inner.stems})
    made = Desk(stems, processing, {}, {}, sample_rate=RATE, weights=np.ones(2), film_lufs=-23.0)
    mixer = DeskStemMixer(inner, stems, made, first=int(mixture))
    chosen = STEMS[[ORDER.index(stem) for stem in stems]]
    out = list(
        mixer.run([(MIXTURE[:, :100_000], chosen[:, :, :100_000]), (MIXTURE[:, 100_000:], chosen[:, :, 100_000:])])
    )
    sounds = np.concatenate([one for _, one in out], axis=2)
    assert np.array_equal(np.concatenate([one for one, _ in out], axis=1), MIXTURE)
    if mixture:
        assert np.array_equal(sounds[0], MIXTURE)
    effects, music = sounds[-2:]
    assert np.array_equal(effects, STEMS[2])
    _, remix = remixed(processing)
    np.testing.assert_allclose(MIXTURE + music - STEMS[0], remix, atol=1e-6)


def test_what_is_cut_is_counted() -> None:
    stems, made = desk(Processing(), {"music": 24.0})
    mixer = DeskStemMixer(StemMixer(stems), stems, made, cuts=True)
    loud = np.full((1, 2, 50), 0.5, np.float32)
    assert len(list(mixer.run([(loud[0], loud)]))) == 1
    assert "100 samples" in mixer.notes()[0]
    assert not DeskStemMixer(StemMixer(stems), stems, made).notes()
