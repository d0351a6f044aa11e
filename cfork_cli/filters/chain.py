"""Chains of ffmpeg's audio filters, read and checked before anything of them is built.

We split the text into filters ourselves, by ffmpeg's rules of quoting, and hand each over by its name. So what was
checked is what runs: nothing can hide in the text that a second reader would find.

A filter is taken if it stands in a list: one sound in, one sound out, as long as before, and no files, no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cfork_cli.errors import UsageError
from cfork_cli.text import printable

_TAKEN = """
    acompressor acontrast acrusher adeclick adeclip adelay adenorm aderivative adrc adynamicequalizer adynamicsmooth
    aecho aemphasis aeval aexciter afade afftdn afftfilt aformat afreqshift afwtdn agate aiir aintegral alimiter
    allpass anequalizer anlmdn anull aphaser aphaseshift apsyclip apulsator aresample asetnsamples asoftclip
    asubboost asubcut asupercut asuperpass asuperstop atilt bandpass bandreject bass biquad channelmap chorus compand
    compensationdelay crossfeed crystalizer dcshift deesser dialoguenhance dynaudnorm equalizer extrastereo
    firequalizer flanger haas highpass highshelf loudnorm lowpass lowshelf mcompand pan speechnorm stereotools
    stereowiden superequalizer tiltshelf treble tremolo virtualbass volume
"""
ALLOWED = frozenset(_TAKEN.split())
"""Filters that are taken. Left out although they would do: vibrato and adecorrelate, never the same twice."""

_REASONS = {
    "opens files or the network": "amovie movie afir arnndn sofalizer ladspa lv2 ametadata azmq asendcmd astats "
    "abench ashowinfo headphone whisper asr",
    "changes how long the sound is": "atempo asetrate rubberband silenceremove atrim aselect apad aloop areverse "
    "asetpts asettb asegment concat",
    "takes or gives several sounds": "amix amerge asplit acrossfade acrossover sidechaincompress sidechaingate "
    "amultiply axcorrelate join channelsplit ainterleave astreamselect anlmf anlms arls",
}

_FILE_OPTION = re.compile(r"file|path|url|socket|plugin|model|bind_address", re.IGNORECASE)
"""Names of options that name something to open."""

_OPENS_BY_PLACE = {"firequalizer", "loudnorm"}
"""Filters that are taken, with an option that names a file: beyond the first, options must come by their names."""


@dataclass(frozen=True)
class Filter:
    """One filter of a chain. arguments: as libavfilter takes them, the quoting of the chain undone."""

    name: str
    arguments: str


def parse_chain(text: str) -> tuple[Filter, ...]:
    """Read a chain such as "highpass=f=90,acompressor" and check that all of it is harmless.

    Raises:
        UsageError: a filter is not taken, or it is no chain.

    >>> parse_chain("aecho=0.8:0.9:60:0.3, volume='-3dB'")
    (Filter(name='aecho', arguments='0.8:0.9:60:0.3'), Filter(name='volume', arguments='-3dB'))
    """
    if "\0" in text:
        raise UsageError("a chain of filters is text without zero bytes")
    found = []
    place = 0
    while True:
        name, place = _token(text, place, "=,;[]")
        arguments = ""
        if text[place : place + 1] == "=":
            arguments, place = _token(text, place + 1, ",;[]")
        if text[place : place + 1] in ("[", "]", ";"):
            raise UsageError(
                f"'{printable(text)}': give one chain of filters with commas between them, no labels and no branches"
            )
        found.append(_checked(name, arguments, text))
        if place >= len(text):
            return tuple(found)
        place += 1


def _checked(name: str, arguments: str, text: str) -> Filter:
    """Return a filter that is taken."""
    if not name:
        raise UsageError(f"'{printable(text)}' is no chain of filters: give for example highpass=f=90,acompressor")
    bare = name.partition("@")[0]
    if bare not in ALLOWED:
        reason = next((reason for reason, names in _REASONS.items() if bare in names.split()), None)
        raise UsageError(
            f"the filter '{printable(bare)}' {reason or 'is none of the audio filters that are taken here'}: "
            "see docs/effects.md for those that can be used"
        )
    for number, (key, value) in enumerate(_options(arguments)):
        by_place = key is None
        if (key is not None and _FILE_OPTION.search(key)) or (by_place and value.lstrip().startswith("/")):
            raise UsageError(f"'{printable(f'{bare}={arguments}')}' names a file, and filters open none here")
        if by_place and number and bare in _OPENS_BY_PLACE:
            raise UsageError(f"give the options of '{bare}' by their names: '{printable(value)}' stands alone")
    return Filter(bare, arguments)


def _options(arguments: str) -> Iterator[tuple[str | None, str]]:
    """Yield name and value of each option, as libavutil takes them apart; None where only the value stands."""
    place = 0
    while place < len(arguments):
        named = re.compile(r"\s*([A-Za-z0-9_]+)\s*=").match(arguments, place)
        value, place = _token(arguments, named.end() if named else place, ":")
        yield named and named[1], value
        place += 1


def _token(text: str, place: int, ends: str) -> tuple[str, int]:
    """Return the next token and where it ends, after ffmpeg's rules: backslash and single quotes protect."""
    characters: list[str] = []
    kept = 0  # what was protected is not trimmed
    while place < len(text) and text[place].isspace():
        place += 1
    while place < len(text) and text[place] not in ends:
        character = text[place]
        place += 1
        if character == "\\" and place < len(text):
            characters.append(text[place])
            place += 1
            kept = len(characters)
        elif character == "'":
            end = text.find("'", place)
            end = len(text) if end < 0 else end
            characters += text[place:end]
            place = min(end + 1, len(text))
            kept = len(characters)
        else:
            characters.append(character)
    token = "".join(characters)
    return token[:kept] + token[kept:].rstrip(), place
