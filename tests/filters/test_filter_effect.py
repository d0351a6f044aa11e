"""Sound through ffmpeg's filters: in step, as long as it was, the same whatever the blocks are."""

from __future__ import annotations

import numpy as np
import pytest
from support.films import ffmpeg, ffmpeg_program

from cfork_cli.filters.chain import ALLOWED, parse_chain
from cfork_cli.filters.effect import FilterEffect
from cfork_cli.filters.latency import LATE, latency

RATE = 48_000
SOUND = (np.random.default_rng(8).standard_normal((2, 70_001)) * 0.05).astype(np.float32)


def through(text: str, sound: np.ndarray = SOUND, length: int = 20_000, layout: str | None = "stereo") -> np.ndarray:
    effect = FilterEffect(text, RATE, len(sound), layout)
    out = [effect.push(sound[:, start : start + length]) for start in range(0, sound.shape[1], length)]
    return np.concatenate([*out, effect.finish()], axis=1)


def delay(before: np.ndarray, after: np.ndarray) -> int:
    size = 1 << 18
    spectra = np.fft.rfft(after.sum(axis=0), size) * np.conj(np.fft.rfft(before.sum(axis=0), size))
    found = int(np.abs(np.fft.irfft(spectra, size)).argmax())
    return found if found < size // 2 else found - size


OPTIONS = {
    "anequalizer": "c0 f=200 w=100 g=5|c1 f=200 w=100 g=5", "aeval": "val(0)|val(1)", "biquad": "a0=1:b0=0.5",
    "chorus": "0.5:0.9:50:0.4:0.25:2", "dialoguenhance": "voice=3,pan=stereo|FL=FL+FC|FR=FR+FC", "channelmap": "0|1",
    "pan": "stereo|c0=c0|c1=c1", "virtualbass": "cutoff=200,pan=stereo|c0=c0|c1=c1", "haas": "middle_source=mid",
    "firequalizer": "gain='if(lt(f,1000),0,-10)'", "adelay": "10:all=1", "anlmdn": "r=0.003", "adeclick": "w=20:o=50",
    "adeclip": "w=20:o=50",
}  # fmt: skip
SHAPES = {"aintegral", "asuperpass", "afreqshift", "acrusher", "adynamicsmooth", "lowpass", "mcompand"}
"""Filters of which nothing can be found again in what comes out, or that are minimum-phase and so seem late."""


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_every_filter_keeps_length_and_step_and_forgets_the_blocks(name: str) -> None:
    text = f"{name}={OPTIONS[name]}" if name in OPTIONS else name
    sound = SOUND[:, :30_011] if name in ("adeclick", "adeclip", "anlmdn", "apsyclip", "loudnorm") else SOUND
    found = through(text, sound)
    assert found.shape == sound.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.array_equal(found, through(text, sound, 1777))
    if name == "adelay":
        assert delay(sound, found) == 480  # it was asked for
    elif name == "compensationdelay":
        assert 0 <= delay(sound, found) < 48
    elif name not in SHAPES:
        assert abs(delay(sound, found)) <= 4


@pytest.mark.parametrize(
    ("text", "samples"),
    [("alimiter=attack=20", 959), ("alimiter=attack=20:latency=1", 0), ("alimiter=1:1:1:20", 959), ("afftdn", 1200),
     ("afftfilt=re*0:im*0:win_size=8192", 6144), ("afftfilt=win_size=8192:overlap=0.5", 4096), ("apsyclip", 192),
     ("afftfilt=re:im:131072", 98_304), ("firequalizer=gain=-90:delay=0.1", 4800), ("firequalizer=min_phase=1", 0),
     ("superequalizer=1b=0:2b=0:3b=0", 4095), ("dialoguenhance", 1536), ("highpass=f=9000", 0), ("adelay=500", 0)],
)  # fmt: skip
def test_what_is_made_up_for(text: str, samples: int) -> None:
    (one,) = parse_chain(text)
    assert (samples > 0) <= (one.name in LATE)
    assert latency(one, RATE, 2, "stereo") == pytest.approx(samples, abs=1)


def test_late_filters_in_a_chain_leave_a_click_where_it_was() -> None:
    click = np.zeros((2, 40_000), np.float32)
    click[:, [0, 20_000, 39_999]] = 0.5
    found = through("alimiter=attack=30:level=0,firequalizer=gain=0,highpass=f=20,superequalizer", click)
    assert found.shape == click.shape
    for place in (20_000, 39_999):
        near = np.abs(found[0, place - 300 : place + 300])
        assert near.argmax() == 300
    assert np.abs(found[0, :300]).argmax() == 0


@pytest.mark.parametrize(
    "text",
    ["highpass=f=300,volume=-3dB", "aecho=0.8:0.9:60|90:0.3|0.2, lowpass = f=5000",
     "volume=0.5:enable='between(t,0.5,1)'",
     "acompressor=threshold=-30dB:ratio=4", "aeval=exprs='val(0)*0.5+val(1)*0.5|val(1)':c=same",
     "pan=stereo|c0=0.5*c0+0.5*c1|c1=c1,equalizer=f=1000:t=q:w=1:g=6"],
)  # fmt: skip
def test_a_chain_is_what_ffmpeg_makes_of_it(text: str) -> None:
    """ffmpeg reads the same text with its own reader, in a process of its own."""
    raw = ("-f", "f32le", "-ar", str(RATE), "-ac", "2")
    given = np.ascontiguousarray(SOUND.T, "<f4").tobytes()
    made = ffmpeg(*raw, "-i", "pipe:0", "-af", text, *raw, "pipe:1", stdin=given, program=ffmpeg_program("wheels"))
    expected = np.frombuffer(made, "<f4").reshape(-1, 2).T[:, : SOUND.shape[1]]
    np.testing.assert_allclose(through(text), expected, atol=2e-6)


def test_nothing_asked_is_nothing_done() -> None:
    assert np.array_equal(through("anull"), SOUND)
    assert np.array_equal(through("aformat=sample_fmts=flt"), SOUND)


def test_tails_end_with_the_film_however_long_they_are() -> None:
    for text in ("aecho=0.8:0.9:60000:0.3", "adelay=3600000:all=1"):  # a minute, and an hour of silence
        assert through(text).shape == SOUND.shape
    echo = through("aecho=1:1:500:0.5")
    np.testing.assert_allclose(echo[:, 24_000:], SOUND[:, 24_000:] + 0.5 * SOUND[:, :-24_000], atol=1e-6)


def test_times_count_from_the_first_sample() -> None:
    gated = through("volume=0:enable='between(t,0.5,1)'")
    middle = slice(round(0.6 * RATE), round(0.9 * RATE))
    assert not gated[:, middle].any()
    assert np.array_equal(gated[:, :20_000], SOUND[:, :20_000])


@pytest.mark.parametrize(
    ("channels", "layout"), [(1, "mono"), (1, None), (6, "5.1(side)"), (6, None), (3, "2.1"), (5, "?"),
     (7, "6.1"), (8, "7.1"), (8, None), (16, "hexadecagonal"), (24, "22.2")],
)  # fmt: skip
def test_layouts(channels: int, layout: str | None) -> None:
    """Every channel is filtered by itself, and stays in its place."""
    sound = SOUND[:1, :9000] * np.linspace(1, 0.1, channels, dtype=np.float32)[:, None]
    found = through("highpass=f=300", sound, layout=layout)
    assert found.shape == sound.shape
    alone = np.concatenate([through("highpass=f=300", one[None], layout="mono") for one in sound])
    np.testing.assert_allclose(found, alone, atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 4095, 4096, 4097])
def test_short_sounds(samples: int) -> None:
    sound = SOUND[:, :samples]
    effect = FilterEffect("alimiter,superequalizer", RATE, 2, "stereo")
    out = np.concatenate([effect.push(sound), effect.finish()], axis=1)
    assert out.shape == sound.shape
