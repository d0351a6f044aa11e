"""Options of the mixing desk, which several commands share: presets, effects, levels that follow the voice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cfork_cli.presets.preset import Preset


def _filters(stem: str, of: str) -> Any:
    return typer.Option(
        f"--{stem}-fx",
        metavar="CHAIN",
        help=f"ffmpeg's audio filters for {of}, such as highpass=f=90,acompressor; none for those of a preset.",
        show_default=False,
    )


def _reverb(stem: str, of: str) -> Any:
    return typer.Option(
        f"--{stem}-reverb",
        metavar="ROOM[:DB]",
        help=f"Reverb for {of}: room, hall, or a file with an impulse response; so many dB over the dry sound. "
        "[default level: -12]",
        show_default=False,
    )


PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME|FILE.toml",
        help="Begin with these settings, see `cfork presets`; options beside it win.",
        show_default=False,
    ),
]
DialogFilters = Annotated[str | None, _filters("dialog", "the voices")]
MusicFilters = Annotated[str | None, _filters("music", "the music")]
EffectsFilters = Annotated[str | None, _filters("effects", "effects and ambience")]
DialogReverb = Annotated[str | None, _reverb("dialog", "the voices")]
MusicReverb = Annotated[str | None, _reverb("music", "the music")]
EffectsReverb = Annotated[str | None, _reverb("effects", "effects and ambience")]
SpeechBoost = Annotated[
    str | None,
    typer.Option(
        "--speech-boost",
        metavar="auto[:LU]|off",
        help="Raise the voice, slowly and only where it needs it, to stand so far over the rest. [auto: 7 LU]",
        show_default=False,
    ),
]
Duck = Annotated[
    list[str] | None,
    typer.Option(
        "--duck",
        metavar="STEM[:DB]|none",
        help="music:6 or effects:4: steps back by so much while somebody speaks; give it again for both.",
        show_default=False,
    ),
]
Night = Annotated[
    bool | None,
    typer.Option(
        "--night/--no-night",
        help="Turn down music and effects where they are louder than the film as a whole; the voice stays.",
        show_default=False,
    ),
]


def settings(
    preset: str | None,
    *,
    gains: tuple[str | None, str | None, str | None] = (None, None, None),
    filters: tuple[str | None, str | None, str | None] = (None, None, None),
    reverbs: tuple[str | None, str | None, str | None] = (None, None, None),
    speech_boost: str | None = None,
    duck: list[str] | None = None,
    night: bool | None = None,
    loudness: str | None = None,
    codec: str | None = None,
    bitrate: str | None = None,
) -> Preset:
    """Return the settings of a preset, or of none, with what the user said in their place.

    Args:
        gains, filters, reverbs: of dialogue, music and effects.

    Raises:
        UsageError: there is no such preset, or an option makes no sense.
    """
    from cfork_cli.mix.gains import parse_gain_db
    from cfork_cli.presets.preset import Preset
    from cfork_cli.presets.store import load
    from cfork_cli.text import SPOKEN_ORDER

    base = Preset("") if preset is None else load(preset)
    return base.changed(
        gains_db={
            stem: None if gain is None else parse_gain_db(gain) for stem, gain in zip(SPOKEN_ORDER, gains, strict=True)
        },
        filters=dict(zip(SPOKEN_ORDER, filters, strict=True)),
        reverbs=dict(zip(SPOKEN_ORDER, reverbs, strict=True)),
        speech_boost=speech_boost,
        duck=duck or None,
        night=night,
        loudness=loudness,
        codec=codec,
        bitrate=bitrate,
    )
