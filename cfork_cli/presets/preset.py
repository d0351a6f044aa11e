"""One preset: what it sets, read from TOML and written as TOML."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from cfork_cli.errors import UsageError
from cfork_cli.mix.gains import check_gain_db, parse_gain_db
from cfork_cli.mix.settings import (
    Band,
    Processing,
    StemEffects,
    parse_duck,
    parse_filters,
    parse_reverb,
    parse_speech_boost,
)
from cfork_cli.text import SPOKEN_ORDER, plain, printable

_TEXTS = ("label", "about", "loudness", "codec", "bitrate")
_TOP = (*_TEXTS, "speech-boost", "duck", "night", "gains", *SPOKEN_ORDER)
_OF_A_STEM = ("bands", "fx", "reverb")
_OF_A_BAND = ("kind", "frequency", "gain")


@dataclass(frozen=True)
class Preset:
    """Settings of a remix, with a name.

    Attributes:
        name: as it is typed.
        label: for people.
        about: a sentence for people.
        gains_db: stem -> dB; a stem that is missing is left to the user.
        processing: effects, ducking, speech boost, night.
        loudness: as `--loudness` takes it; None leaves it.
        codec: as `--codec` takes it; None leaves it.
        bitrate: as `--bitrate` takes it; None leaves it.
        home: "built in", or the file it was read from.
    """

    name: str
    label: str = ""
    about: str = ""
    gains_db: Mapping[str, float] = field(default_factory=dict)
    processing: Processing = field(default_factory=Processing)
    loudness: str | None = None
    codec: str | None = None
    bitrate: str | None = None
    home: str = "built in"

    @property
    def is_built_in(self) -> bool:
        """True if it comes with the package."""
        return self.home == "built in"

    @property
    def all_gains_db(self) -> dict[str, float]:
        """The gain of every stem, 0 where nothing is said."""
        return {stem: self.gains_db.get(stem, 0.0) for stem in SPOKEN_ORDER}

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it, every stem and every setting there."""
        processing = self.processing
        return {
            "name": self.name,
            "label": self.label,
            "about": self.about,
            "gains_db": {
                stem: "-inf" if self.gains_db.get(stem) == -math.inf else self.gains_db.get(stem, 0.0)
                for stem in SPOKEN_ORDER
            },
            **processing_facts(processing),
            "loudness": self.loudness,
            "codec": self.codec,
            "bitrate": self.bitrate,
            "home": self.home,
        }

    def changed(
        self,
        *,
        gains_db: Mapping[str, float | None] | None = None,
        filters: Mapping[str, str | None] | None = None,
        reverbs: Mapping[str, str | None] | None = None,
        speech_boost: str | float | None = None,
        duck: Iterable[str] | None = None,
        night: bool | None = None,
        loudness: str | None = None,
        codec: str | None = None,
        bitrate: str | None = None,
    ) -> Preset:
        """Return the preset with what the user said in place of its own; None is not said.

        Args:
            filters: stem -> a chain, in place of all equalizers and filters of the preset; "none" takes them away.
            reverbs: stem -> "room", "hall:-9", a file; "none" takes it away.

        Raises:
            UsageError: one of them makes no sense.
        """
        effects = {stem: self.processing.of(stem) for stem in SPOKEN_ORDER}
        for stem, chain in (filters or {}).items():
            if chain is not None:
                effects[stem] = replace(effects[stem], bands=(), filters=parse_filters(chain))
        for stem, reverb in (reverbs or {}).items():
            if reverb is not None:
                effects[stem] = replace(effects[stem], reverb=parse_reverb(reverb))
        processing = replace(self.processing, effects={stem: one for stem, one in effects.items() if one})
        if speech_boost is not None:
            processing = replace(processing, speech_boost_lu=parse_speech_boost(speech_boost))
        if duck is not None:
            processing = replace(processing, duck_db={stem: db for stem, db in parse_duck(duck).items() if db})
        if night is not None:
            processing = replace(processing, night=night)
        said = {stem: gain for stem, gain in (gains_db or {}).items() if gain is not None}
        goal = self.loudness if loudness is None else None if loudness.strip().lower() in ("none", "off") else loudness
        return replace(
            self, gains_db={**self.gains_db, **said}, processing=processing, loudness=goal,
            codec=self.codec if codec is None else codec, bitrate=self.bitrate if bitrate is None else bitrate,
        )  # fmt: skip


def processing_facts(processing: Processing) -> dict[str, Any]:
    """Return what is done to the stems besides gains, as JSON can hold it."""
    return {
        "effects": {
            stem: {
                "bands": [
                    {"kind": band.kind, "frequency_hz": band.frequency_hz, "gain_db": band.gain_db}
                    for band in effects.bands
                ],
                "filters": effects.filters or None,
                "reverb": effects.reverb and {"space": effects.reverb.space, "wet_db": effects.reverb.wet_db},
            }
            for stem in SPOKEN_ORDER
            if (effects := processing.of(stem))
        },
        "speech_boost_lu": processing.speech_boost_lu,
        "duck_db": dict(processing.duck_db),
        "night": processing.night,
    }


def read(text: str, name: str, home: str) -> Preset:
    """Read a preset from TOML.

    Raises:
        UsageError: it is no TOML, or says what no preset says.
    """
    try:
        given = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits, lists in lists without end
        raise UsageError(f"the preset '{home}' is no TOML: {error}") from error
    try:
        return _preset(given, name, home)
    except UsageError as error:
        raise UsageError(f"the preset '{name}' ({home}): {error}") from error


def _preset(given: dict[str, Any], name: str, home: str) -> Preset:
    _known(given, _TOP, "")
    texts = {key: _text(given, key) for key in _TEXTS}
    gains = _table(given, "gains")
    _known(gains, SPOKEN_ORDER, "gains.")
    duck = given.get("duck")
    if duck is not None and not (isinstance(duck, list) and all(isinstance(one, str) for one in duck)):
        raise UsageError('duck is a list such as ["music:6"]')
    night = given.get("night", False)
    boost = given.get("speech-boost")
    if not isinstance(night, bool):
        raise UsageError("night is true or false")
    if not _is_word(boost):
        raise UsageError('speech-boost is a text such as "auto" or "auto:7"')
    processing = Processing(
        effects={stem: one for stem in SPOKEN_ORDER if (one := _effects(_table(given, stem), stem))},
        speech_boost_lu=None if boost is None else parse_speech_boost(boost),
        duck_db={stem: depth for stem, depth in parse_duck(duck or ()).items() if depth},
        night=night,
    )
    return Preset(
        name,
        texts["label"] or name,
        texts["about"] or "",
        {stem: _gain(gain) for stem, gain in gains.items()},
        processing,
        texts["loudness"],
        texts["codec"],
        texts["bitrate"],
        home,
    )


def _effects(table: dict[str, Any], stem: str) -> StemEffects:
    _known(table, _OF_A_STEM, f"{stem}.")
    bands = table.get("bands", [])
    if not isinstance(bands, list) or not all(isinstance(band, dict) for band in bands):
        raise UsageError(f'{stem}.bands is a list such as [{{ kind = "highpass", frequency = 80 }}]')
    reverb = _text(table, "reverb")
    return StemEffects(
        tuple(_band(band, stem) for band in bands),
        parse_filters(_text(table, "fx") or ""),
        None if reverb is None else parse_reverb(reverb),
    )


def _band(table: dict[str, Any], stem: str) -> Band:
    _known(table, _OF_A_BAND, f"{stem}.bands: ")
    kind, frequency, gain = table.get("kind"), table.get("frequency"), table.get("gain", 0)
    if not isinstance(kind, str) or not _is_number(frequency) or not _is_number(gain):
        raise UsageError(f"{stem}.bands: an equalizer has a kind (text), a frequency in Hz, and at most a gain in dB")
    return Band(kind, float(frequency), float(gain))


def _known(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    strange = [key for key in table if key not in keys]
    if strange:
        raise UsageError(f"'{where}{strange[0]}' is no setting: there are {', '.join(keys)}")


def _table(given: dict[str, Any], key: str) -> dict[str, Any]:
    table = given.get(key, {})
    if not isinstance(table, dict):
        raise UsageError(f"'{key}' is a table: write [{key}] in a line of its own")
    return table


def _text(given: dict[str, Any], key: str) -> str | None:
    value = given.get(key)
    if not _is_word(value):
        raise UsageError(f"'{key}' is a text in quotes")
    return None if value is None else str(value)


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, str) or _is_number(value)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _gain(value: Any) -> float:
    if isinstance(value, str):
        return parse_gain_db(value)
    if not _is_number(value):
        raise UsageError("a gain is a number of dB, or a text such as 'mute'")
    return check_gain_db(float(value))


def write(preset: Preset) -> str:
    """Return a preset as TOML, which `read` reads again; what it does not set is left out."""
    import tomli_w

    processing = preset.processing
    table: dict[str, Any] = {"label": preset.label or preset.name}
    if preset.about:
        table["about"] = preset.about
    if processing.speech_boost_lu is not None:
        table["speech-boost"] = f"auto:{plain(processing.speech_boost_lu)}"
    if processing.duck_db:
        table["duck"] = [f"{stem}:{plain(depth)}" for stem, depth in processing.duck_db.items()]
    if processing.night:
        table["night"] = True
    table |= {
        key: value
        for key, value in (("loudness", preset.loudness), ("codec", preset.codec), ("bitrate", preset.bitrate))
        if value is not None
    }
    if preset.gains_db:
        table["gains"] = {stem: "mute" if gain == -math.inf else gain for stem, gain in preset.gains_db.items()}
    for stem in SPOKEN_ORDER:
        effects = processing.of(stem)
        if effects:
            table[stem] = _effects_table(effects)
    return tomli_w.dumps(table)


def _effects_table(effects: StemEffects) -> dict[str, Any]:
    table: dict[str, Any] = {}
    if effects.bands:
        table["bands"] = [
            {"kind": band.kind, "frequency": band.frequency_hz, **({"gain": band.gain_db} if band.gain_db else {})}
            for band in effects.bands
        ]
    if effects.filters:
        table["fx"] = effects.filters
    if effects.reverb is not None:
        table["reverb"] = str(effects.reverb)
    return table


def check_name(name: str) -> str:
    """Return a name that a preset may have.

    Raises:
        UsageError: it may not: empty, hidden, or with characters that some file system refuses.
    """
    if not re.fullmatch(r"\w[\w-]{0,63}", name, re.ASCII):
        raise UsageError(f"'{printable(name)}' is no name for a preset: use letters, digits, '-' and '_'")
    return name
