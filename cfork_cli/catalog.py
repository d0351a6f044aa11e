"""Which models there are, and how well they do."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from cfork_cli.console import Console
from cfork_cli.errors import InputError, ModelError, UsageError
from model.weights import DEFAULT_MODEL, WeightsError, list_models

SPOKEN_ORDER = ("dialogue", "music", "effects")


def show_models(console: Console) -> None:
    """A table of the bundled models on stdout, or their cards as JSON; torch stays out of it.

    Raises:
        ModelError: a bundled file is damaged.
    """
    try:
        found = list_models()
    except WeightsError as error:
        raise ModelError(str(error)) from error
    table = Table("name", "network", "size", "SI-SDR gain (dialogue / music / effects)", "license")
    for info in found:
        gains = info.card.get("si_sdr_improvement_db", {})
        scores = " / ".join(f"{gains[stem]:+.1f} dB" for stem in SPOKEN_ORDER if stem in gains)
        name = f"{info.name} (default)" if info.name == DEFAULT_MODEL else info.name
        size = f"{info.bytes / 1e6:.1f} MB"
        table.add_row(name, info.architecture, size, scores or "not told", str(info.card.get("license", "not told")))
    console.table(table)
    console.result(
        models=[
            {"name": i.name, "path": str(i.path), "bytes": i.bytes, "architecture": i.architecture, "card": i.card}
            for i in found
        ]
    )


def evaluate(tree: Path, model: str, scenes: int | None, device: str, console: Console) -> None:
    """Score a model on a DnR tree: a line per scene, then mean and median gains.

    Raises:
        InputError: there are no scenes, or one cannot be read. ModelError: the weights are missing or damaged.
        UsageError: a package that only training and scoring need is not installed.
    """
    import soundfile

    from cfork_cli.pipeline import load_network

    try:
        from model.evaluate import evaluate as score
        from model.evaluate import scenes_of, summarize, table

        total = len(scenes_of(tree)[:scenes])
        console.stage("load")
        network, place = load_network(model, device)
        console.stage("evaluate", total, is_sound=False)
        scores = []
        for scene in score(network, tree, most=scenes, device=place):
            scores.append(scene)
            console.at(len(scores))
    except ImportError as error:
        raise UsageError(f"scoring needs the package '{error.name}': pip install {error.name}") from error
    except (FileNotFoundError, ValueError) as error:
        raise InputError(str(error)) from error
    except soundfile.SoundFileError as error:
        raise InputError(f"a scene in '{tree}' cannot be read: {error}") from error
    console.end()
    if not console.as_json:
        console.out(table(scores))
    console.result(model=model, summary=summarize(scores), scenes=[vars(scene) for scene in scores])
