"""Subtitles of what is said in a film, recognised from its dialogue alone.

    pip install pocketsphinx        # brings its own English model
    python examples/subtitles.py examples/night_train.mkv [-o night_train.srt]

PocketSphinx is small and old: take the subtitles for a draft. Any recogniser that reads 16 kHz WAV files fits in its
place; the times are those of the film.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from pocketsphinx import Decoder, Segmenter

import cfork

RATE = 16_000


def lines(sound: Path) -> Iterator[tuple[float, float, str]]:
    """Yield begin, end (seconds) and words of everything that is said."""
    decoder = Decoder(loglevel="ERROR")
    voice, _ = soundfile.read(sound, dtype="float32")
    # recognisers expect a voice near full scale
    pcm = np.rint(voice * (28_000 / max(float(np.abs(voice).max()), 1e-6))).astype("<i2")
    # the segmenter reads a stream of bare samples, and finds where somebody speaks
    for speech in Segmenter(sample_rate=RATE).segment(io.BytesIO(pcm.tobytes())):
        decoder.start_utt()
        decoder.process_raw(speech.pcm, full_utt=True)
        decoder.end_utt()
        heard = decoder.hyp()
        if heard is not None and heard.hypstr:
            yield speech.start_time, speech.end_time, heard.hypstr


def stamp(seconds: float) -> str:
    """Return a time as SubRip writes it.

    >>> stamp(3725.5)
    '01:02:05,500'
    """
    rest, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02},{milliseconds:03}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    output = options.output or options.film.with_suffix(".srt")
    with tempfile.TemporaryDirectory() as folder:
        voice = Path(folder) / "dialogue.wav"
        cfork.separate(options.film, voice, purpose="asr")
        found = list(lines(voice))
    blocks = [f"{n}\n{stamp(a)} --> {stamp(b)}\n{words}\n" for n, (a, b, words) in enumerate(found, 1)]
    output.write_text("\n".join(blocks), encoding="utf-8")
    print(f"wrote {output}: {len(found)} lines")


if __name__ == "__main__":
    main()
