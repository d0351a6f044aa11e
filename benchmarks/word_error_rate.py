"""How well a speech recogniser understands a mixture, our dialogue stem, and the clean voice; prints Markdown.

    pip install pocketsphinx
    apt-get download pocketsphinx-testdata && dpkg-deb -x pocketsphinx-testdata_*.deb testdata
    python benchmarks/word_error_rate.py testdata/usr/share/pocketsphinx/test/data/librivox SCENES

The voice reads known text (LibriVox; five sentences in Debian's package pocketsphinx-testdata). It is laid over the
music and effects of scenes whose stems are known (a folder with `music.wav` and `sfx.wav` for each, as `cfork dnr
build` makes them), at so many dB over them (RMS while it speaks). All sentences are one scene; each is recognised
alone, by PocketSphinx with the English model that its package brings. Nothing here was in the network's training.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

import cfork

RATE, SPEECH_RATE = 44_100, 16_000
PAUSE_SECONDS = 1.0


def sentences(folder: Path) -> list[tuple[np.ndarray, list[str]]]:
    """Return the voice of each sentence, `[samples]` at 44.1 kHz, and its words."""
    found = []
    for line in (folder / "transcription").read_text().splitlines():
        text, _, name = line.rpartition("(")
        words = [word for word in text.split() if word not in ("<s>", "</s>")]
        voice, rate = soundfile.read(folder / f"{name.rstrip(')')}.wav", dtype="float32")
        found.append((soxr.resample(voice, rate, RATE), words))
    return found


def background(scene: Path, samples: int) -> np.ndarray:
    """Return music and effects of a scene, mono, repeated if it is too short."""
    parts = [soundfile.read(scene / f"{name}.wav", dtype="float32", always_2d=True)[0] for name in ("music", "sfx")]
    sound = sum(part[: min(map(len, parts))] for part in parts).mean(axis=1)
    return np.resize(sound, samples)


def edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest words to change, add or leave out, so that one becomes the other.

    >>> edits("a b c".split(), "a x c d".split())
    2
    """
    row = list(range(len(heard) + 1))
    for place, word in enumerate(said, 1):
        diagonal, row[0] = row[0], place
        for other, found in enumerate(heard, 1):
            diagonal, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, diagonal + (word != found))
    return row[-1]


def recognised(sound: np.ndarray) -> list[str]:
    """Return the words that PocketSphinx hears, without its marks for variants and noises."""
    from pocketsphinx import Decoder

    if not hasattr(recognised, "decoder"):
        recognised.decoder = Decoder(loglevel="ERROR")  # type: ignore[attr-defined]
    decoder = recognised.decoder  # type: ignore[attr-defined]
    at_rate = soxr.resample(sound, RATE, SPEECH_RATE)
    pcm = np.clip(np.rint(at_rate / max(np.abs(at_rate).max(), 1e-6) * 16_000), -32_768, 32_767).astype("<i2")
    decoder.start_utt()
    decoder.process_raw(pcm.tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr.split() if hypothesis is not None else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("scenes_folder", type=Path)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--levels", type=float, nargs="+", default=[6.0, 0.0, -6.0])
    parser.add_argument("--model", default="cfork")
    options = parser.parse_args()
    told = sentences(options.speech)
    pause = np.zeros(round(PAUSE_SECONDS * RATE), np.float32)
    voice = np.concatenate([part for sound, _ in told for part in (pause, sound)] + [pause])
    starts, at = [], 0
    for sound, _ in told:
        at += len(pause)
        starts.append(at)
        at += len(sound)
    spans = [(start, start + len(sound)) for start, (sound, _) in zip(starts, told, strict=True)]
    speaks = np.concatenate([np.arange(*span) for span in spans])
    words = sum(len(text) for _, text in told)

    def wrong(sound: np.ndarray) -> int:
        return sum(edits(text, recognised(sound[a:b])) for (a, b), (_, text) in zip(spans, told, strict=True))

    separator = cfork.Separator(options.model)
    folders = [path for path in sorted(options.scenes_folder.iterdir()) if (path / "music.wav").is_file()]
    folders = folders[: options.scenes]
    clean = wrong(voice)
    print(f"{len(folders)} scenes, {words} words in each; word error rate of the clean voice {clean / words:.0%}\n")
    print("| voice over music and effects | mixture | dialogue stem | clean voice |\n|---|---:|---:|---:|", flush=True)
    for level in options.levels:
        counts = np.zeros(2)
        for folder in folders:
            bed = background(folder, len(voice))
            bed *= np.sqrt(np.square(voice[speaks]).mean() / np.square(bed[speaks]).mean()) * 10 ** (-level / 20)
            mixture = (voice + bed).astype(np.float32)
            mixture /= max(1.0, float(np.abs(mixture).max()))
            stem = separator.separate(mixture, RATE, stems=["dialogue"]).stems["dialogue"]
            counts += wrong(mixture), wrong(stem)
        rates = counts / (words * len(folders))
        print(f"| {level:+g} dB | {rates[0]:.0%} | {rates[1]:.0%} | {clean / words:.0%} |", flush=True)


if __name__ == "__main__":
    main()
