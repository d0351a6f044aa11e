"""Three sliders for any film: dialogue, music, effects.

    import cfork

    cfork.remix("movie.mkv", dialogue=6, music=-10)          # writes movie.cfork.mkv
    cfork.separate("movie.mkv", "stems/")                    # dialogue.wav, music.wav, effects.wav
    cfork.Separator().separate(sound, 48_000).stems["dialogue"]

Importing it is cheap: torch comes with the first film.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, whose import would be the longest part of `import cfork`
if TYPE_CHECKING:
    from typing import Any

    from cfork_cli import __version__
    from cfork_cli.api.dubs import dub
    from cfork_cli.api.films import Gain, Plan, plan, probe, remix, separate
    from cfork_cli.api.progress import Progress
    from cfork_cli.api.separator import Separator, Stems
    from cfork_cli.errors import (
        CforkError,
        DamagedInputError,
        FfmpegError,
        InputError,
        Interrupted,
        ModelError,
        OutputError,
        UsageError,
    )
    from cfork_cli.flows.report import Result
    from cfork_cli.media.types import Media, Stream

__all__ = [
    "CforkError", "DamagedInputError", "FfmpegError", "Gain", "InputError", "Interrupted", "Media", "ModelError",
    "OutputError", "Plan", "Progress", "Result", "Separator", "Stems", "Stream", "UsageError", "__version__", "dub",
    "plan", "probe", "remix", "separate",
]  # fmt: skip

_HOMES = {
    "__version__": "cfork_cli", "Result": "cfork_cli.flows.report", "Media": "cfork_cli.media.types",
    "Stream": "cfork_cli.media.types", "Progress": "cfork_cli.api.progress", "Separator": "cfork_cli.api.separator",
    "Stems": "cfork_cli.api.separator", "dub": "cfork_cli.api.dubs",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Hand a public name on when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'cfork' has no attribute '{name}'")
    from importlib import import_module

    from cfork_cli.foreign import hidden_model

    if (hidden := hidden_model()) is not None:
        raise ImportError(hidden)
    is_error = name.endswith("Error") or name == "Interrupted"
    home = _HOMES.get(name, "cfork_cli.errors" if is_error else "cfork_cli.api.films")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
