"""The files of `cfork separate`: which sounds there are, what each file is called, and all of them or none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cfork_cli.errors import UsageError
from cfork_cli.text import SPOKEN_ORDER

MIXTURE, RESIDUAL = "mixture", "residual"
"""Names of sounds that may be written beside the stems."""

_NAMES = {
    "dialogue": "dialogue", "dialog": "dialogue", "speech": "dialogue", "voices": "dialogue", "voice": "dialogue",
    "vocals": "dialogue", "music": "music", "effects": "effects", "sfx": "effects", "fx": "effects",
}  # fmt: skip

_FIELDS = ("stem", "name", "track", "language")


def stem_name(text: str) -> str:
    """The stem that the user means.

    Raises:
        UsageError: there is no such stem.
    """
    name = _NAMES.get(text.strip().lower())
    if name is None:
        word = text.strip().lower()
        without = next(
            (_NAMES[rest] for lead in ("no_", "no-", "no") if (rest := word.removeprefix(lead)) in _NAMES), None
        )
        if without is not None and word.startswith("no"):
            raise UsageError(
                f"'{text}' is not a stem: --stem {without} --residual file writes {without} and all the rest"
            )
        raise UsageError(f"'{text}' is not a stem: choose dialogue, music or effects")
    return name


def stem_names(texts: Sequence[str]) -> tuple[str, ...]:
    """The stems that the user means, each once; all if none is named.

    Raises:
        UsageError: there is no such stem.
    """
    words = [word for text in texts for word in text.split(",")]
    return tuple(dict.fromkeys(map(stem_name, words))) or SPOKEN_ORDER


def residual_takers(text: str, stems: Sequence[str]) -> tuple[str, ...]:
    """Choose where sound goes that was assigned to no stem: to some stems, to a sound of its own, or nowhere.

    Args:
        text: "none", "all", "file", or stems with commas between them.
        stems: those that are written.

    Raises:
        UsageError: it is anything else, or a stem that is not written.

    >>> residual_takers("music,sfx", ["dialogue", "music", "effects"])
    ('music', 'effects')
    """
    word = text.strip().lower()
    if word in ("none", "all", "file"):
        return {"none": (), "all": tuple(stems), "file": (RESIDUAL,)}[word]
    try:
        takers = stem_names(word.split(","))
    except UsageError as error:
        raise UsageError(
            f"'{text}' cannot take the residual: give none, all, file, or stems such as music,effects"
        ) from error
    for taker in takers:
        if taker not in stems:
            raise UsageError(f"{taker} cannot take the residual, because it is not written: add --stem {taker}")
    return takers


def file_names(template: str, sounds: Sequence[str], suffix: str, values: dict[str, str]) -> dict[str, str]:
    """The name of every sound's file.

    Args:
        template: with `{stem}`, `{name}`, `{track}` and `{language}` in it.
        sounds: what is written.
        values: for all fields but `stem`.

    Raises:
        UsageError: a field is unknown, two files would have one name, or it is no name.

    >>> file_names("{name}.{stem}", ["music"], "wav", {"name": "film", "track": "1", "language": "und"})
    {'music': 'film.music.wav'}
    """
    for field in re.findall(r"\{([^{}]*)\}", template):
        if field not in _FIELDS:
            fields = ", ".join(f"{{{one}}}" for one in _FIELDS)
            raise UsageError(f"the file name '{template}' has an unknown field {{{field}}}: there are {fields}")
    names = {}
    for sound in sounds:
        told = {**values, "stem": sound}
        stem = re.sub(r"\{(\w+)\}", lambda match, told=told: told[match[1]], template)  # type: ignore[misc]
        names[sound] = f"{stem}.{suffix}"
    if len(set(names.values())) < len(names):
        raise UsageError(f"the file name '{template}' is the same for all stems: put {{stem}} into it")
    for name in names.values():
        if Path(name).name != name or name.startswith("."):
            raise UsageError(f"'{name}' is not a file name: --template names files, -o the folder for them")
    return names
