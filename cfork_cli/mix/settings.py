"""What is to be done to the stems besides gains, as plain values that every interface shares."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cfork_cli.errors import UsageError
from cfork_cli.text import plain

SPACES = ("room", "hall")
"""Rooms whose echo is made here; any other word names a file."""

WET_DB = -12.0
"""Level of the reverb under the dry sound, where none is given."""

SPEECH_OVER_REST_LU = 7.0
"""How far a raised voice stands over the rest, where nothing is said: between the 4 LU that broadcasters ask for at
least and the 10 LU that listeners choose for commentary (Torcoli et al., AES convention paper 10175, 2019)."""

DUCK_DB = 6.0
"""How far music steps back while somebody speaks, where nothing is said."""

MOST_DUCK_DB = 40.0

_NONE = ("none", "off", "no", "")


@dataclass(frozen=True)
class Band:
    """One second-order equalizer, the same in ffmpeg and as a biquad of Web Audio (Q of 1, shelf slope of 1).

    Attributes:
        kind: "highpass", "lowpass", "peaking", "lowshelf" or "highshelf", as Web Audio calls them.
        frequency_hz: corner or middle.
        gain_db: of peaking and shelves.

    >>> Band("peaking", 3000, 2).filter
    'equalizer=f=3000:t=q:w=1:g=2'
    """

    kind: str
    frequency_hz: float
    gain_db: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in _FILTERS:
            raise UsageError(f"'{self.kind}' is not an equalizer: take {', '.join(_FILTERS)}")
        if not 1 <= self.frequency_hz <= 100_000:
            raise UsageError(f"{self.frequency_hz} Hz is no frequency of an equalizer: give 1 to 100000")
        if not abs(self.gain_db) <= 24:
            raise UsageError(f"{self.gain_db} dB is no gain of an equalizer: give -24 to 24")

    def __str__(self) -> str:
        gain = f" {self.gain_db:+g} dB" if self.gain_db else ""
        return f"{self.kind} {self.frequency_hz:g} Hz{gain}"

    @property
    def filter(self) -> str:
        """The filter of ffmpeg."""
        return _FILTERS[self.kind].format(f=f"{self.frequency_hz:g}", g=f"{self.gain_db:g}")


_FILTERS: Mapping[str, str] = {
    "highpass": "highpass=f={f}:t=q:w=1",
    "lowpass": "lowpass=f={f}:t=q:w=1",
    "peaking": "equalizer=f={f}:t=q:w=1:g={g}",
    "lowshelf": "lowshelf=f={f}:t=s:w=1:g={g}",
    "highshelf": "highshelf=f={f}:t=s:w=1:g={g}",
}


@dataclass(frozen=True)
class Reverb:
    """Reverb, added to the dry sound.

    Attributes:
        space: "room", "hall", or the path of a file with an impulse response.
        wet_db: level of the echo, dB over the dry sound.
    """

    space: str
    wet_db: float = WET_DB

    def __str__(self) -> str:
        return f"{self.space}:{plain(self.wet_db)}"

    @property
    def is_file(self) -> bool:
        return self.space not in SPACES


@dataclass(frozen=True)
class StemEffects:
    """Effects of one stem, in the order in which they are applied.

    Attributes:
        bands: equalizers.
        filters: a chain of ffmpeg's audio filters; empty for none.
        reverb: None for none.
    """

    bands: tuple[Band, ...] = ()
    filters: str = ""
    reverb: Reverb | None = None

    @property
    def chain(self) -> str:
        """Equalizers and filters as one chain of ffmpeg."""
        return ",".join([*(band.filter for band in self.bands), *([self.filters] if self.filters else [])])

    def __bool__(self) -> bool:
        return bool(self.bands or self.filters or self.reverb)

    def __str__(self) -> str:
        parts = [*map(str, self.bands), *([self.filters] if self.filters else [])]
        return " and ".join([*parts, *([f"reverb {self.reverb}"] if self.reverb else [])])


@dataclass(frozen=True)
class Processing:
    """All that is done to the stems besides gains; the default is nothing.

    Attributes:
        effects: stem -> its effects; a stem that is missing has none.
        speech_boost_lu: the voice is raised until it stands so far over the rest; None leaves it.
        duck_db: stem -> by how many dB it steps back while somebody speaks.
        night: whether the range of music and effects is narrowed.
    """

    effects: Mapping[str, StemEffects] = field(default_factory=dict)
    speech_boost_lu: float | None = None
    duck_db: Mapping[str, float] = field(default_factory=dict)
    night: bool = False

    def of(self, stem: str) -> StemEffects:
        """Return the effects of a stem."""
        return self.effects.get(stem) or StemEffects()

    @property
    def treated(self) -> tuple[str, ...]:
        """The stems that have effects."""
        return tuple(stem for stem, effects in self.effects.items() if effects)

    @property
    def follows_speech(self) -> bool:
        """True if levels over time are needed."""
        return self.speech_boost_lu is not None or any(self.duck_db.values()) or self.night

    def __bool__(self) -> bool:
        return bool(self.treated) or self.follows_speech


def parse_reverb(text: str) -> Reverb | None:
    """Read a reverb: "room", "hall:-9", "church.wav:-6"; None where it says "none".

    Raises:
        UsageError: the level is none of a reverb.

    >>> parse_reverb("hall:-9")
    Reverb(space='hall', wet_db=-9.0)
    """
    word = text.strip()
    if word.lower() in _NONE:
        return None
    match = re.fullmatch(r"(.+?):([-+]?\d+(?:\.\d*)?)\s*(?:dB)?", word, re.IGNORECASE | re.DOTALL)
    space, wet_db = (match[1], float(match[2])) if match else (word, WET_DB)
    if not -60 <= wet_db <= 12:
        raise UsageError(f"'{text}': the level of a reverb is from -60 to 12 dB, for example room:-12")
    return Reverb(space.lower() if space.lower() in SPACES else space, wet_db)


def parse_speech_boost(text: str | float) -> float | None:
    """Read how far the voice is to stand over the rest, in LU: "auto", "auto:9", "9"; None where it says "off".

    Raises:
        UsageError: it is anything else.

    >>> parse_speech_boost("auto"), parse_speech_boost("auto:9"), parse_speech_boost("off")
    (7.0, 9.0, None)
    """
    word = re.sub(r"\s*lu$", "", str(text).strip().lower())
    if word in _NONE:
        return None
    if word == "auto":
        return SPEECH_OVER_REST_LU
    try:
        over_lu = float(word.removeprefix("auto:"))
    except ValueError:
        over_lu = math.nan
    if not -10 <= over_lu <= 25:
        raise UsageError(f"'{text}' is no speech boost: give auto, or auto:LU with -10 to 25 LU over the rest")
    return over_lu


def parse_duck(texts: Iterable[str]) -> dict[str, float]:
    """Read what steps back while somebody speaks: "music:6", "effects"; "none" takes back what was before it.

    Raises:
        UsageError: it is no stem that can step back, or the depth is none.

    >>> parse_duck(["music:6,effects:3"])
    {'music': 6.0, 'effects': 3.0}
    """
    found: dict[str, float] = {}
    for text in (word for words in texts for word in words.split(",")):
        if text.strip().lower() in _NONE:
            found = {}
            continue
        name, _, depth = text.partition(":")
        stem = {"sfx": "effects", "effect": "effects"}.get(name.strip().lower(), name.strip().lower())
        if stem not in ("music", "effects"):
            raise UsageError(f"'{text}' cannot step back for the voice: give music:DB or effects:DB, such as music:6")
        try:
            depth_db = abs(float(re.sub(r"\s*db$", "", depth.strip().lower()))) if depth.strip() else DUCK_DB
        except ValueError:
            depth_db = math.nan
        if not depth_db <= MOST_DUCK_DB:
            raise UsageError(f"'{text}': music and effects step back by 0 to {MOST_DUCK_DB:.0f} dB, such as music:6")
        found[stem] = depth_db
    return found


def parse_filters(text: str) -> str:
    """Return a chain of filters, empty where it says "none".

    >>> parse_filters(" none "), parse_filters("highpass=f=90")
    ('', 'highpass=f=90')
    """
    return "" if text.strip().lower() in _NONE else text.strip()
