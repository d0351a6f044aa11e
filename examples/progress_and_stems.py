"""cfork from Python: a progress bar, stems as NumPy arrays, and a remix that can be cancelled.

    python examples/progress_and_stems.py examples/night_train.mkv

Needs nothing but cfork.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np

import cfork


def show(progress: cfork.Progress) -> None:
    """Draw a bar of 30 characters, empty for stages whose length nobody can foresee."""
    bar = "#" * round(30 * (progress.fraction or 0.0))
    end = "\n" if progress.stage == "finish" else ""
    print(f"\r{progress.stage:10} [{bar:30}]", end=end, file=sys.stderr, flush=True)


def level_db(sound: np.ndarray) -> float:
    """Return the level of a sound, in dB below full scale."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))


def main() -> None:
    film = Path(sys.argv[1])
    separator = cfork.Separator()  # loaded once, used three times

    # 1. Stems as arrays: how much louder are the voices than all the rest, in the pieces in which somebody speaks?
    over_rest = []
    for _, mixture, stems in separator.film(film, stems=["dialogue"], progress=show):
        voice = stems["dialogue"]
        if level_db(voice) > -50:
            over_rest.append(level_db(voice) - level_db(mixture - voice))
    if over_rest:
        print(f"voices lie {np.median(over_rest):+.1f} dB over the rest (median of {len(over_rest)} pieces)")

    # 2. A remix, with what the user should know about it.
    output = film.with_name(f"{film.stem}.louder{film.suffix}")
    result = cfork.remix(
        film, dialogue=6, music=-10, output=output, overwrite=True, separator=separator, progress=show
    )  # fmt: skip
    for note in (*result.facts["notes"], *result.notes):
        print(f"note: {note}")
    print(f"wrote {result.output} at {result.speed:.1f} times real time")

    # 3. The same once more, cancelled by another thread (a button in a window, say) after a tenth of a second.
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    try:
        cfork.remix(film, music="mute", output=film.with_name("never.mkv"), separator=separator, cancel=cancel)
    except cfork.Interrupted as error:
        print(error)


if __name__ == "__main__":
    main()
