"""The options of a training run, and the recipes: ours, and the published ones of MRX."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..hub.weights import ARCHITECTURES, describe, resolve
from ..stems import PRESENCE, STEMS

LOSSES = ("bounded", "snr", "si_snr")
SCHEDULES = ("cosine", "plateau")
OPTIMIZERS = ("adamw", "muon")
SCENES = ("dnr", "film", "both")
DEFAULT_PRESENCE = ",".join(str(chance) for chance in PRESENCE.values())
MODEL = "NAME|PATH"  # what takes this has no list of choices
LIMITS = ("minutes", "steps", "epochs")


def option(default: Any, help: str, metavar: str | None = None) -> Any:
    """A field with the help of its option; `a|b` in `metavar` are its choices."""
    return field(default=default, metadata={"help": help, "metavar": metavar})


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on; each field is an option of the command.

    Raises:
        ValueError: values that make no sense, alone or together.
    """

    data: str
    out: str
    minutes: float = option(0.0, "Train so long, counted over all resumptions.", "M")
    steps: int = option(0, "Train so many steps.", "N")
    epochs: int = option(0, "Train so many epochs: every scene of a tree once, or 3,400 scenes from packs.", "N")
    architecture: str = option("bandsplit", "The network.", "|".join(ARCHITECTURES))
    network: str = option("{}", "Arguments of the network.", "JSON")
    init: str = option("", "Begin with the weights of this model, not with random ones: fine-tuning. --network may "
                       "have more layers.", MODEL)  # fmt: skip
    batch: int = option(4, "Scenes a step, over all processes and parts.", "N")
    accumulate: int = option(1, "Work through a step's batch in so many parts: less memory.", "N")
    crop_seconds: float = option(4.0, "Length of the scenes.", "S")
    loss: str = option("bounded", "bounded holds silent stems too; the others are the published ones.",
                       "|".join(LOSSES))  # fmt: skip
    loss_floor: float = option(0.01, "Bound of the bounded loss, of the mixture's power.", "X")
    stem_weights: str = option("1,1,1", "How much the losses of music, dialogue and effects count.", "M,D,E")
    scenes: str = option("both", "What scenes of packs are like: Divide and Remaster, films, or both by turns.",
                         "|".join(SCENES))  # fmt: skip
    teacher: str = option("", "Hold the network to the stems of this model, so that it forgets less: in scenes like "
                          "those of Divide and Remaster, or in all if there are no others.", MODEL)  # fmt: skip
    teacher_share: float = option(0.5, "How much of the loss in those scenes is that against the teacher.", "X")
    presence: str = option(DEFAULT_PRESENCE, "Chances that a scene like those of Divide and Remaster has music, "
                           "speech, effects, background.", "M,S,E,B")  # fmt: skip
    optimizer: str = option("adamw", "muon moves matrices by Muon, all else by AdamW (torch 2.9 or later).",
                            "|".join(OPTIMIZERS))  # fmt: skip
    learning_rate: float = option(1e-3, "At its highest.", "X")
    schedule: str = option("cosine", "cosine falls until the end of training; plateau halves when validation stops "
                           "to improve.", "|".join(SCHEDULES))  # fmt: skip
    warmup_steps: int = option(150, "Steps in which the learning rate rises.", "N")
    final_fraction: float = option(0.02, "What is left of the learning rate at the end of the cosine.", "X")
    patience: int = option(3, "Validations without improvement that the plateau schedule bears.", "N")
    weight_decay: float = option(0.01, "Weight decay of AdamW; 0 is Adam.", "X")
    beta2: float = option(0.99, "Memory of Adam's second moment.", "X")
    clip_norm: float = option(5.0, "Gradients longer than this are shortened.", "X")
    ema: float = option(0.998, "Memory of the averaged weights, which are the result; 0: no average.", "X")
    seed: int = option(1, "Of the first weights and of all scenes.", "N")
    workers: int = option(1, "Processes that mix or read scenes, for each training process.", "N")
    bf16: bool = option(False, "Multiply in bfloat16: faster on GPUs, and on CPUs with AMX.")
    report_steps: int = option(50, "Steps between two lines of metrics.", "N")
    save_minutes: float = option(3.0, "Minutes between two savings of the state.", "M")
    validate_minutes: float = option(10.0, "Minutes between two validations; 0: after each epoch.", "M")
    validation_scenes: int = option(24, "Scenes to validate on; 0: all of a tree.", "N")
    validation_seconds: float = option(8.0, "Their length; 0: whole scenes of a tree.", "S")

    def __post_init__(self) -> None:
        for one in fields(self):
            choices, value = str(one.metadata.get("metavar")).split("|"), getattr(self, one.name)
            if len(choices) > 1 and choices != MODEL.split("|") and value not in choices:
                raise ValueError(f"--{one.name} is one of {', '.join(choices)}, not '{value}'")
            if isinstance(value, int | float) and not 0 <= value < float("inf"):
                raise ValueError(f"{flag(one.name)} cannot be {value}")
        if self.teacher_share > 1:
            raise ValueError(f"--teacher-share is a part of the loss, 0 to 1, not {self.teacher_share}")
        for name in ("batch", "accumulate", "crop_seconds", "report_steps"):
            if not getattr(self, name):
                raise ValueError(f"{flag(name)} must be above 0")
        if not any(getattr(self, name) for name in LIMITS):
            raise ValueError("how long? give --minutes, --steps or --epochs")
        if self.batch % self.accumulate:
            raise ValueError(f"--batch {self.batch} cannot be worked through in {self.accumulate} equal parts")
        try:
            is_object = isinstance(json.loads(self.network), dict)
        except json.JSONDecodeError:
            is_object = False
        if not is_object:
            raise ValueError(f"--network takes a JSON object such as '{{\"width\": 48}}', not '{self.network}'")
        if len(self.weights()) != len(STEMS) or not 0 < sum(self.weights()) < float("inf") or min(self.weights()) < 0:
            raise ValueError(f"--stem-weights takes three numbers such as 1,2,1, not '{self.stem_weights}'")
        chances = numbers(self.presence)
        if len(chances) != len(PRESENCE) or not all(0 <= chance <= 1 for chance in chances) or not any(chances):
            raise ValueError(f"--presence takes four chances such as {DEFAULT_PRESENCE}, not '{self.presence}'")

    def weights(self) -> list[float]:
        """The weights of the stems, in STEMS order; none if they cannot be read."""
        return numbers(self.stem_weights)

    def chances(self) -> dict[str, float]:
        """The chance of each class of sound to be in a scene."""
        return dict(zip(PRESENCE, numbers(self.presence), strict=True))

    def options(self) -> dict[str, Any]:
        """The fields as plain values, for the state file."""
        return asdict(self)


_PUBLISHED: dict[str, Any] = {
    # arXiv 2110.09958, section 4, and lightning_train.py of merlresearch/cocktail-fork-separation
    "architecture": "mrx", "scenes": "dnr", "epochs": 200, "batch": 20, "crop_seconds": 9.0, "loss": "snr",
    "schedule": "plateau", "patience": 3, "warmup_steps": 0, "learning_rate": 1e-3,
    "weight_decay": 0.0, "beta2": 0.999, "clip_norm": 5.0, "ema": 0.0,
    "validate_minutes": 0.0, "validation_scenes": 0, "validation_seconds": 0.0, "workers": 4, "save_minutes": 10.0,
}  # fmt: skip

RECIPES: dict[str, dict[str, Any]] = {
    "cfork": {},
    "mrx": _PUBLISHED,  # stems at the level they have in the mixture: the authors' default checkpoint
    "mrx-paper": {**_PUBLISHED, "loss": "si_snr", "network": '{"level_matched": false}'},  # the paper's figures
}


def numbers(text: str) -> list[float]:
    """Numbers with commas between them; none if they cannot be read."""
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        return []


def flag(name: str) -> str:
    """The option of a field."""
    return "--" + name.replace("_", "-")


def from_stored(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The values in a state file, as far as this version knows them; what older files lack has its default."""
    known = {one.name for one in fields(TrainConfig)}
    # until version 0.1 all data were packs; all scenes were like those of Divide and Remaster until there were others
    values = {"data": stored.get("packs", ""), "scenes": "dnr", **stored}
    return {name: value for name, value in values.items() if name in known}


def configure(
    given: Mapping[str, Any], recipe: str | None = None, stored: Mapping[str, Any] | None = None
) -> TrainConfig:
    """The config of a run: what is given, else the recipe's, else what the state file has.

    A limit that is given replaces all others. A network that is not named is that of the weights to begin with.

    Raises:
        ValueError: see `TrainConfig`; or there is no such recipe.
        WeightsError: there is no such model to begin with, or to be taught by.
    """
    if recipe is not None and recipe not in RECIPES:
        raise ValueError(f"--recipe is one of {', '.join(RECIPES)}, not '{recipe}'")
    values = {**(from_stored(stored) if stored is not None else {}), **RECIPES[recipe or "cfork"]}
    if any(name in given for name in LIMITS):
        values.update(dict.fromkeys(LIMITS, 0))
    values.update(given)
    if values.get("init") and not {"architecture", "network"} & given.keys() and stored is None:
        path = resolve(values["init"])
        if path.suffix == ".pth":  # the released checkpoints do not say what they are
            values.update(architecture="mrx", network="{}")
        else:
            info = describe(path)
            values.update(architecture=info.architecture, network=json.dumps(info.config))
    if given.get("teacher"):
        resolve(given["teacher"])  # said before anything is begun
    return TrainConfig(**values)
