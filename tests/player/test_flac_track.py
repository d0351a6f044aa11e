"""Eight channels go through FLAC in MP4 unharmed, each fragment on its own and at its own time."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from cfork_cli.player import flac_track, fmp4


def decoded(data: bytes) -> tuple[list[float], np.ndarray]:
    """Times of the frames in seconds, and samples `[8, n]` as the page makes them."""
    times, blocks = [], []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(container.streams.audio[0]):
            times.append(float(frame.pts * frame.time_base))
            blocks.append(frame.to_ndarray().reshape(-1, flac_track.CHANNELS).T)
    return times, np.concatenate(blocks, axis=1) / 2.0**31 * flac_track.HEADROOM


def tones(seed: int = 0, level: float = 0.3) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal((8, flac_track.FRAGMENT))).astype(np.float32)


def test_fragments_hold_every_channel_in_order_and_at_their_time() -> None:
    parts = {index: tones(index) for index in (3, 4)}
    data = b"".join(flac_track.fragment(index, samples) for index, samples in parts.items())
    times, samples = decoded(flac_track.init() + data)
    assert times == pytest.approx([3 * 1.024 + n * 4096 / 48_000 for n in range(24)])
    expected = np.concatenate(list(parts.values()), axis=1)
    assert np.abs(samples - expected).max() <= 2.0**-22


def test_the_head_tells_the_frame_size_that_frames_have() -> None:
    at = flac_track.init().index(b"dfLa") + 12
    smallest, largest = np.frombuffer(flac_track.init()[at : at + 4], ">u2")
    assert (smallest, largest) == (flac_track.FRAME, flac_track.FRAME)


def test_stems_may_go_over_full_scale_and_broken_samples_break_nothing() -> None:
    samples = np.zeros((8, flac_track.FRAGMENT), np.float32)
    samples[2], samples[3], samples[4], samples[5] = 1.9, -5.0, np.nan, np.inf
    _, back = decoded(flac_track.init() + flac_track.fragment(0, samples))
    assert back[:, 100] == pytest.approx([0, 0, 1.9, -2, 0, 2, 0, 0], abs=1e-6)


def test_a_fragment_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="8 channels"):
        flac_track.fragment(0, np.zeros((2, flac_track.FRAGMENT), np.float32))


def test_signed_and_late_times_are_written_as_they_are() -> None:
    late = 2**33
    data = fmp4.fragment([fmp4.Sample(b"ab", 5, True, 3), fmp4.Sample(b"c", 7, False, -2)], late)
    (moof, first), (mdat, second) = fmp4.boxes(data)
    assert (moof, mdat, second[8:]) == ("moof", "mdat", b"abc")
    assert late.to_bytes(8, "big") in first
    assert (-2).to_bytes(4, "big", signed=True) == first[-4:]
    with pytest.raises(ValueError, match="not negative"):
        fmp4.fragment([fmp4.Sample(b"a", 1)], -1)
