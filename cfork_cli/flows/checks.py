"""Checks before the work that need neither torch nor a look at the film."""

from __future__ import annotations

from cfork_cli.errors import ModelError, UsageError


def check_model(name: str) -> None:
    """Find a missing model before the work.

    Raises:
        ModelError: there is none of that name.
    """
    from model.hub.weights import WeightsError, resolve

    try:
        resolve(name)
    except WeightsError as error:
        raise ModelError(str(error)) from error


def check_levels(model: str, force: bool) -> tuple[str, ...]:
    """Refuse a model whose stems cannot be mixed back; with `force`, return the warning instead.

    Raises:
        ModelError: they cannot, or nothing tells.
    """
    from model.hub.weights import WeightsError, is_level_matched

    try:
        if is_level_matched(model):
            return ()
    except WeightsError as error:
        raise ModelError(str(error)) from error
    if not force:
        raise levels_differ(model)
    return (f"the stems of '{model}' do not have the film's level: the new levels are not what was asked for",)


def levels_differ(model: str) -> ModelError:
    """Return the error about a model whose stems cannot be mixed back."""
    return ModelError(
        f"the stems of '{model}' do not keep the film's level, so they cannot be mixed back: "
        "choose another --model, or insist with --force-model"
    )


def check_lufs(lufs: float | None) -> None:
    """Refuse what is no loudness of a sound track.

    Raises:
        UsageError: it is not from -140 to 50 LUFS.
    """
    if lufs is not None and not -140 <= lufs <= 50:  # also true of NaN
        raise UsageError(f"{lufs} LUFS is no loudness of a sound track: give -140 to 50, or leave --input-lufs away")
