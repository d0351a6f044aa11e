"""Make the example film night_train.mkv: `python examples/make_film.py --packages DIR --speech DIR`.

Needs numpy, Pillow, ffmpeg with libx264 and libopus, and the audio sources named in CREDITS.md: three extracted
Debian packages and the project's speech folder (README.md here says more). night_train/ holds the script, makes
the sound and draws; this file puts it together:

    track 1 = dialogue + music + effects      (FLAC, 16 bits, stereo, English, default)
    track 2 = German commentary over track 1  (Opus, mono)

The same sources give the same sound, sample for sample, with every run of the same ffmpeg.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from night_train.drawing import FPS, HEIGHT, WIDTH
from night_train.picture import frames
from night_train.script import CAFE, COMMENTARY, DEPARTURE, DIALOGUE, SECONDS, Line
from night_train.sound import RATE, Sound, commentary, loudness, stems
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
CHAPTERS = ((0.0, "The platform"), (CAFE, "The café"), (DEPARTURE, "Departure"))


def subtitles(lines: Sequence[Line]) -> str:
    """The lines as SubRip; each stays for reading a little longer than it is heard."""

    def clock(seconds: float) -> str:
        thousandths = round(seconds * 1000)
        return (
            f"{thousandths // 3_600_000:02}:{thousandths // 60_000 % 60:02}:{thousandths // 1000 % 60:02},"
            f"{thousandths % 1000:03}"
        )

    ends = [
        min(line.until + 0.4, following)
        for line, following in zip(lines, [line.at - 0.05 for line in lines[1:]] + [SECONDS], strict=True)
    ]
    return "\n".join(
        f"{number}\n{clock(line.at)} --> {clock(end)}\n{line.text}\n"
        for number, (line, end) in enumerate(zip(lines, ends, strict=True), 1)
    )


def chapters() -> str:
    """The chapters as ffmpeg metadata."""
    ends = [begin for begin, _ in CHAPTERS[1:]] + [SECONDS]
    parts = [
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={round(begin * 1000)}\nEND={round(end * 1000)}\ntitle={title}\n"
        for (begin, title), end in zip(CHAPTERS, ends, strict=True)
    ]
    return ";FFMETADATA1\n" + "".join(parts)


def mouths(dialogue: Sound) -> dict[str, NDArray[np.float64]]:
    """How far man and woman open their mouths in every frame, 0..1, from the level of what they say."""
    size = RATE // FPS
    level = np.sqrt((dialogue[:, : round(SECONDS * FPS) * size].mean(axis=0).reshape(-1, size) ** 2).mean(axis=1))
    level = np.clip(level / (0.7 * level.max()), 0, 1)
    at = np.arange(level.size) / FPS
    said = {who: np.zeros_like(level) for who in ("man", "woman")}
    for line in DIALOGUE:
        said[line.who] += np.where((at >= line.at) & (at < line.until), level, 0)
    return said


def encode(sound: Sound, path: Path, channels: int, *options: str) -> None:
    """Write `[2, N]` to `path` through ffmpeg."""
    raw = np.ascontiguousarray(sound[:channels].T, dtype="<f4").tobytes()
    subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-y",
            "-f",
            "f32le",
            "-ar",
            str(RATE),
            "-ac",
            str(channels),
            "-i",
            "pipe:0",
            "-fflags",
            "+bitexact",
            *options,
            str(path),
        ],
        input=raw,
        check=True,
    )


def draw(said: dict[str, NDArray[np.float64]], path: Path) -> None:
    """The picture as H.264 in `path`."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{WIDTH}x{HEIGHT}",
        "-r",
        str(FPS),
        "-i",
        "pipe:0",
        "-vf",
        "scale=out_color_matrix=bt709:out_range=tv",
        "-c:v",
        "libx264",
        "-preset",
        "slow",
        "-crf",
        "27",
        "-tune",
        "animation",
        "-pix_fmt",
        "yuv420p",
        "-g",
        str(4 * FPS),
        "-threads",
        "1",
        "-color_primaries",
        "bt709",
        "-color_trc",
        "bt709",
        "-colorspace",
        "bt709",
        "-flags",
        "+bitexact",
        str(path),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for frame in frames(said):
            process.stdin.write(frame.tobytes())
    if process.returncode:
        raise SystemExit("ffmpeg could not write the picture: see its message above")


def assemble(work: Path, film: Path) -> None:
    """Picture, two sounds, two subtitles, chapters and the credits as an attachment -> `film`."""
    inputs = ["picture.mkv", "film.flac", "commentary.ogg", "eng.srt", "deu.srt", "chapters.txt"]
    tags = {
        "s:v:0": ("und", "Night Train"),
        "s:a:0": ("eng", "English, stereo"),
        "s:a:1": ("deu", "Kommentar, Deutsch, mono"),
        "s:s:0": ("eng", "English"),
        "s:s:1": ("deu", "Kommentar"),
    }
    command = ["ffmpeg", "-v", "error", "-y"]
    for name in inputs:  # Opus starts 7 ms before zero: without the delay every other stream would start late
        command += ["-itsoffset", "0.014" if name == "commentary.ogg" else "0", "-i", str(work / name)]
    command += [
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-map",
        "2:a",
        "-map",
        "3",
        "-map",
        "4",
        "-map_metadata",
        "-1",
        "-map_chapters",
        "5",
        "-c",
        "copy",
        "-metadata",
        "title=Night Train",
        "-metadata",
        "copyright=CC BY-SA 4.0, authors in the attached CREDITS.md",
    ]
    for stream, (language, title) in tags.items():
        command += [f"-metadata:{stream}", f"language={language}", f"-metadata:{stream}", f"title={title}"]
    command += [
        "-disposition:a:0",
        "default",
        "-disposition:a:1",
        "comment",
        "-disposition:s:0",
        "default",
        "-disposition:s:1",
        "0",
        "-attach",
        str(HERE / "CREDITS.md"),
        "-metadata:s:t:0",
        "mimetype=text/markdown",
        "-metadata:s:t:0",
        "filename=CREDITS.md",
        "-fflags",
        "+bitexact",
        str(film),
    ]
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the example film from its audio sources.")
    parser.add_argument(
        "--packages", type=Path, required=True, help="folder with one extracted Debian package per subfolder"
    )
    parser.add_argument("--speech", type=Path, required=True, help="the project's speech folder (see README.md)")
    parser.add_argument(
        "--output", type=Path, default=HERE / "night_train.mkv", help="the film (default: beside this file)"
    )
    parser.add_argument(
        "--stems", type=Path, help="also write the true dialogue, music and effects here, as 24-bit FLAC"
    )
    arguments = parser.parse_args()

    sound = stems(arguments.packages, arguments.speech)
    mix = np.sum(list(sound.values()), axis=0)
    for name, track in {**sound, "mix": mix}.items():
        lufs, peak = loudness(track)
        print(f"{name:9} {lufs:6.1f} LUFS  {peak:6.1f} dBTP")
    if arguments.stems:
        arguments.stems.mkdir(parents=True, exist_ok=True)
        for name, track in sound.items():
            encode(track, arguments.stems / f"{name}.flac", 2, "-sample_fmt", "s32", "-bits_per_raw_sample", "24")

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        encode(mix, work / "film.flac", 2, "-sample_fmt", "s16", "-compression_level", "12")
        encode(commentary(mix, arguments.speech), work / "commentary.ogg", 1, "-c:a", "libopus", "-b:a", "64k")
        (work / "eng.srt").write_text(subtitles(DIALOGUE), encoding="utf-8")
        (work / "deu.srt").write_text(subtitles(COMMENTARY), encoding="utf-8")
        (work / "chapters.txt").write_text(chapters(), encoding="utf-8")
        draw(mouths(sound["dialogue"]), work / "picture.mkv")
        assemble(work, arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
