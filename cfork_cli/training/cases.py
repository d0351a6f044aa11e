"""Build scenes that are hard in one known way, for `cfork evaluate`."""

from __future__ import annotations

from pathlib import Path

from cfork_cli.console.console import Console
from cfork_cli.errors import InputError, OutputError, UsageError, translated
from cfork_cli.training.scenes import SPLITS


def build(packs: Path, out: Path, split: str, scenes: int, seconds: float, seed: int, console: Console) -> None:
    """Write the cases; the folder appears when it is complete.

    Args:
        split: tr, cv or tt: whose sources.

    Raises:
        InputError: the packs cannot be used. OutputError: the folder is not empty or cannot be written.
        UsageError: a package that only training and scoring need is not installed, or the scenes are too short.
    """
    if not 1.0 <= seconds <= 600.0:
        raise UsageError(f"a scene of {seconds:g} s makes no sense: give --seconds from 1 to 600")
    with translated("building scenes"):
        import pyloudnorm  # noqa: F401  # before the work

        from model.dnr.cases import build_cases
    console.stage("draw", is_sound=False)

    def progress(done: int, total: int) -> None:
        if done == 1:
            console.stage("draw", total, is_sound=False)
        console.at(done)

    try:
        with translated("building scenes"):
            cases = build_cases(
                packs, out, split=SPLITS[split], scenes=scenes, seconds=seconds, seed=seed, progress=progress
            )
    except FileExistsError as error:
        raise OutputError(str(error)) from error
    except FileNotFoundError as error:
        missing = f"no packs of the split '{SPLITS[split]}' ({error.filename})"
        raise InputError(f"'{packs}' has {missing}: make them with 'cfork dnr sources'") from error
    except ValueError as error:
        raise InputError(str(error)) from error
    console.end()
    console.say(*(f"{name}: {about}" for name, about in cases.items()))
    console.say(
        f"wrote {len(cases)} cases of {scenes} x {seconds:g} s to {out}; score them with 'cfork evaluate {out}'"
    )
    console.result(out=str(out), split=split, scenes=scenes, seconds=seconds, seed=seed, cases=cases)
