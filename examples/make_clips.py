"""Make what the README shows and lets hear: 20 seconds of the example film before and after a remix.

    python examples/make_clips.py

writes `before.mp3` and `after.mp3` beside this file and `docs/before-after.png`. The sound is that of the example film
and has its license, CC BY-SA 4.0: see CREDITS.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from cfork_cli.ffmpeg.find import find_ffmpeg

HERE = Path(__file__).parent
FILM = HERE / "night_train.mkv"
PIECE = ("--start", "4", "--duration", "20")  # most of the talk in the café, and the music that covers it
LEVELS = ("--dialog", "+6", "--music", "-10")
LICENSE = "CC BY-SA 4.0, see examples/CREDITS.md"


def cfork(*arguments: str) -> None:
    """Run one command line of cfork."""
    subprocess.run([sys.executable, "-m", "cfork", *arguments], check=True)


def mp3(sound: Path, output: Path, title: str) -> None:
    """Encode a sound at 128 kbit/s, which every browser plays."""
    tags = ("-metadata", f"title=Night Train, {title}", "-metadata", f"copyright={LICENSE}")
    subprocess.run(
        [find_ffmpeg(), "-v", "error", "-y", "-i", str(sound), "-map", "0:a:0", "-map_metadata", "-1", *tags,
         "-fflags", "+bitexact", "-flags", "+bitexact", "-c:a", "libmp3lame", "-b:a", "128k", str(output)],
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def main() -> None:
    """Remix the piece, encode both sounds, and draw them."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.mka"), Path(folder, "after.mkv")
        subprocess.run(
            [find_ffmpeg(), "-v", "error", "-ss", PIECE[1], "-t", PIECE[3], "-i", str(FILM), "-map", "0:a:0",
             "-c:a", "flac", str(before)],
            check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        cfork("remix", str(FILM), *LEVELS, *PIECE, "--codec", "flac", "-o", str(after))
        mp3(before, HERE / "before.mp3", "as it is")
        mp3(after, HERE / "after.mp3", "dialogue +6 dB, music -10 dB")
    picture = HERE.parent / "docs" / "before-after.png"
    cfork("plot", str(FILM), *LEVELS, "--force", "-o", str(picture))
    # a quarter of the size, with the colours of the lines
    small = Image.open(picture).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)


if __name__ == "__main__":
    main()
