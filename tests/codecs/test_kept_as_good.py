"""Lossless sound stays lossless where the container can hold it, and no bit rate is believed from a stale tag."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.films import Sound, ffmpeg, make, noise

from cfork_cli.codecs.bit_rate import with_bit_rate
from cfork_cli.codecs.candidates import is_lossless
from cfork_cli.codecs.choose import choose_codec
from cfork_cli.media.containers import sound_container
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Stream


def track(codec: str, bits: int | None = 24) -> Stream:
    return Stream(0, "audio", 0, codec, channels=2, layout="stereo", sample_rate=48_000, bits=bits, sample_format="s32")


@pytest.mark.parametrize("bps", [1_536_000, 24_000])
def test_statistics_of_another_sound_are_not_believed(tmp_path: Path, bps: int) -> None:
    sound = Sound("aac", samples=noise(2, 3 * 48_000), options=("-b:a", "300k"))
    made = make(tmp_path / "made.mkv", sound, seconds=3)
    path = tmp_path / "a.mkv"
    ffmpeg("-i", made, "-map", "0", "-c", "copy", "-metadata:s:a", f"BPS={bps}", path)
    media = probe(path)
    found = with_bit_rate(media, media.audio[0]).bit_rate
    assert found == pytest.approx(300_000, rel=0.3)


@pytest.mark.parametrize("codec", ["wmalossless", "mp4als", "tak", "ape", "pcm_bluray", "truehd"])
def test_lossless_codecs_are_known(codec: str) -> None:
    assert is_lossless(track(codec))


def test_blu_ray_takes_pcm() -> None:
    assert sound_container("mpegts", ".m2ts") == "m2ts"
    for codec in ("pcm_bluray", "truehd"):
        chosen = choose_codec(track(codec), "m2ts")
        assert (chosen.codec_name, chosen.bits) == ("pcm_bluray", 24)
    assert choose_codec(track("wmalossless"), "asf").codec_name.startswith(("pcm_", "flac"))
