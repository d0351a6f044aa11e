"""Select sound tracks: by number, by language, all of them, or the one that a player would play."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cfork_cli.errors import InputError, UsageError
from cfork_cli.media.languages import canonical, looks_like_a_language, of_name
from cfork_cli.media.types import Media, Stream

_ASIDE = {"comment", "visual_impaired", "descriptions", "hearing_impaired", "karaoke", "dub"}
"""Flags of tracks that are made for something else than plain watching."""


def select(media: Media, asked: Sequence[str]) -> tuple[Stream, ...]:
    """The tracks that `--track` names, in the film's order, none of them twice.

    Args:
        asked: words, each a number (from 1), a language ("fra", "fr", "fr-CA"), "all", or several of them joined by
            commas. None at all means the track that a player would play.

    A language means one track: the one with the default flag, else the first that is no commentary or description.
    "all" leaves out tracks that nothing can be decoded of.

    Raises:
        UsageError: a word is none of these.
        InputError: the film has no sound, or no such track.
    """
    words = [word for one in asked for word in re.split(r"[,;\s]+", one.strip()) if word]
    if asked and not words:
        raise UsageError("--track names no track: give a number from 1, a language such as fra, or all")
    if not words:
        return (media.default_audio(),)
    chosen = {track.index: track for word in words for track in _named(media, word)}
    return tuple(chosen[index] for index in sorted(chosen))


def one(media: Media, asked: str | None) -> Stream:
    """A single track; see `select`.

    Raises:
        UsageError: several are named, or the word makes no sense.
        InputError: the film has no sound, or no such track.
    """
    found = select(media, () if asked is None else (asked,))
    if len(found) > 1:
        raise UsageError(f"--track {asked} means {len(found)} tracks, and here one is wanted: give its number")
    return found[0]


def left_out(media: Media, asked: Sequence[str]) -> tuple[str, ...]:
    """Return notes about the tracks that nothing can be decoded of, where all were asked for, or one of them would have
    been the one to play."""
    words = [word.lower() for one in asked for word in re.split(r"[,;\s]+", one.strip()) if word]
    if "all" not in words and (words or not media.audio or media.audio[0].is_decodable):
        return ()
    lost = [track for track in media.audio if not track.is_decodable]
    if len(lost) == len(media.audio):
        return ()
    return tuple(
        f"sound track {track.number + 1} ({track}) is empty or cannot be decoded by this ffmpeg: it is left as it is"
        for track in lost
    )


def in_words(tracks: Iterable[Stream]) -> str:
    """Tracks as a person chooses among them: "1 (aac stereo eng), 2 (ac3 5.1 fra)"."""
    return ", ".join(f"{track.number + 1} ({track})" for track in tracks)


def _named(media: Media, word: str) -> Sequence[Stream]:
    if re.fullmatch(r"[+-]?\d+", word):
        if int(word) < 1:
            raise UsageError(f"there is no track {word}: tracks are counted from 1")
        return [media.audio_track(int(word) - 1)]
    default = media.default_audio()  # also finds out whether there is sound at all
    if word.lower() == "all":
        decodable = [track for track in media.audio if track.is_decodable]
        return decodable or [default]
    if word.lower() == "default":
        return [default]
    as_ffmpeg = re.fullmatch(r"(?:0:)?a:(\d+)", word)
    if as_ffmpeg:
        raise UsageError(f"'{word}' counts from 0, as ffmpeg does: here it is --track {int(as_ffmpeg[1]) + 1}")
    word = of_name(word) or word
    if not looks_like_a_language(word):
        raise UsageError(f"'{word}' is not a track: give a number from 1, a language such as fra, or all")
    found = [track for track in media.audio if track.language and canonical(track.language) == canonical(word)]
    if not found:
        raise InputError(f"'{media.path}' has no sound track in '{word}': choose one of {in_words(media.audio)}")
    return [_best(found, word)]


def _best(tracks: Sequence[Stream], word: str) -> Stream:
    """The first by: written just so ("pt-BR"), default flag, made for plain watching."""

    def order(track: Stream) -> tuple[bool, bool, bool, int]:
        exact = (track.language or "").lower() == word.lower()
        return not exact, "default" not in track.disposition, bool(_ASIDE & track.disposition), track.number

    return min(tracks, key=order)
