"""What people type who know ffmpeg, ffmpeg-normalize, demucs or yt-dlp: it works, or the answer shows the way.

Only a command line that the parser refused is looked at here, so that no guess ever shadows an option.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

_VALUE = "VALUE"
"""In a replacement: the word that follows the guess."""

_LEVELS, _FILMS = ("remix",), ("remix", "separate", "info", "dub", "plot", "play")

OPTIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **dict.fromkeys(("--voice", "--voices", "--vocals", "--speech", "--dialogues", "--dialogs"),
                    (_LEVELS, ("--dialog",))),
    **dict.fromkeys(("--fx", "--sound-effects", "--ambience"), (_LEVELS, ("--effects",))),
    **dict.fromkeys(("--no-music", "--mute-music"), (_LEVELS, ("--music", "mute"))),
    **dict.fromkeys(("--no-dialog", "--no-dialogue", "--no-vocals", "--no-voice"), (_LEVELS, ("--dialog", "mute"))),
    **dict.fromkeys(("--no-effects", "--no-sfx"), (_LEVELS, ("--effects", "mute"))),
    **dict.fromkeys(("--dialog-only", "--dialogue-only", "--vocals-only"),
                    (_LEVELS, ("--music", "mute", "--effects", "mute"))),
    "--music-only": (_LEVELS, ("--dialog", "mute", "--effects", "mute")),
    "--effects-only": (_LEVELS, ("--dialog", "mute", "--music", "mute")),
    **dict.fromkeys(("--lufs", "--target-lufs", "--target-level", "--normalize"), (_LEVELS, ("--loudness",))),
    **dict.fromkeys(("-c:a", "-acodec", "-codec:a", "--audio-codec"), (("remix", "separate"), ("--codec",))),
    **dict.fromkeys(("-b:a", "-ab", "--audio-bitrate"), (_LEVELS, ("--bitrate",))),
    **dict.fromkeys(("--language", "--lang", "-l"), (("remix", "separate", "info", "plot"), ("--track",))),
    **dict.fromkeys(("-y", "--overwrite", "--yes"), ((), ("--force",))),
    **dict.fromkeys(("-n", "--simulate"), (("remix", "separate", "dub"), ("--dry-run",))),
    **dict.fromkeys(("--gpu", "--cuda"), ((), ("--device", "cuda"))),
    "--cpu": ((), ("--device", "cpu")),
    **dict.fromkeys(("-vn", "-hide_banner", "-nostdin"), (("remix", "separate"), ())),
    **dict.fromkeys(("-i", "--input"), (_FILMS, (_VALUE,))),
    **dict.fromkeys(("--out", "--output-dir", "--output-folder", "-of"), (_FILMS, ("--output",))),
    "--stems": (("separate",), ("--stem",)),
    "--two-stems": (("separate",), ("--stem", _VALUE, "--residual", "file")),
    **{f"--{kind}": (("separate",), ("--format", kind)) for kind in ("mp3", "flac", "wav", "opus")},
    **dict.fromkeys(("--silent", "-loglevel"), ((), ("--quiet",))),
}  # fmt: skip
"""Guess -> the commands in which it works (none: in all), and what it means there."""

_STEM_WORDS = {"dialog": "--dialog", "dialogue": "--dialog", "voice": "--dialog", "vocals": "--dialog",
               "speech": "--dialog", "music": "--music", "effects": "--effects", "sfx": "--effects"}  # fmt: skip

ANSWERS: Mapping[str, str] = {
    "--threads": "cfork uses all cores; OMP_NUM_THREADS=1 before the command keeps it to one",
    "-j": "cfork uses all cores for one film; remix and separate have --jobs for several",
    "--jobs": "cfork uses all cores for one film; remix and separate have it for several",
    "--verbose": "cfork says what happens anyway; --json prints everything, and CFORK_DEBUG=1 before the command shows "
    "where a fault is",
    "--debug": "CFORK_DEBUG=1 before the command shows where a fault is",
    "-v": "cfork says what happens anyway; --json prints everything, and --version the version",
    "--format": "the suffix of -o says the kind of film, as in -o movie.mp4",
    "--in-place": "only cfork remix has it; what else is written goes elsewhere",
    "--isolate": "cfork separate movie.mkv --stem dialogue writes the voices alone; cfork remix movie.mkv --music mute "
    "--effects mute a film with nothing else",
    "--mute": "give the part: --music mute, --dialog mute or --effects mute",
    "--shifts": "cfork has no such trade: --model chooses the network",
    "--overlap": "cfork chooses windows and overlap by itself",
}
"""Guess -> what to do instead, where nothing that we have means the same."""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "help": ("--help",), "version": ("--version",), "-V": ("--version",), "-v": ("--version",), "-help": ("--help",),
    "probe": ("info",), "show": ("info",), "split": ("separate",), "stems": ("separate",), "extract": ("separate",),
    "mix": ("remix",), "boost": ("remix",),
}  # fmt: skip
"""First words that mean a command."""

COMMAND_ANSWERS: Mapping[str, str] = {
    "isolate": "cfork separate movie.mkv --stem dialogue -o voices.wav writes the voices alone",
    "demo": "cfork remix examples/night_train.mkv --dialog +6 --music -10 tries the example film",
    "preview": "cfork remix movie.mkv --dialog +6 --start 10:00 -t 30 writes half a minute to listen to",
    "gui": "cfork play movie.mkv opens a film in the browser, with sliders",
    "batch": "cfork remix films/ -r --dialog +6 -o louder/ takes a folder; docs/folders.md explains the rest",
    "list": "cfork models lists the networks; cfork info movie.mkv the tracks of a film",
    "convert": "cfork remix movie.mkv --dialog +6 -o movie.mp4 converts along the way",
    "normalize": "cfork remix movie.mkv --loudness -16 brings a film to a loudness",
    "update": "pip install --upgrade cfork does that",
}
"""First words that mean no command, and what to do instead."""

MODEL_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "download": ("pull",), "get": ("pull",), "fetch": ("pull",), "install": ("pull",), "show": ("info",),
    "ls": ("list",), "check": ("verify",),
}  # fmt: skip

_LIKE = 0.82
"""A suggestion that is spelled less alike misleads."""


def understood(arguments: Sequence[str], commands: Sequence[str], complaint: str) -> list[str] | None:
    """Return what a refused command line means, as words that are understood; None if nothing is known about it.

    Args:
        commands: names of the commands that there are.
        complaint: of the parser.

    >>> understood(["remix", "-i", "a.mkv", "--voice", "+6", "-y"], ["remix"], "No such option: -i")
    ['remix', 'a.mkv', '--dialog', '+6', '--force']
    >>> understood(["help", "remix"], ["remix"], "No such command 'help'")
    ['remix', '--help']
    """
    if not arguments:
        return None
    first, rest = arguments[0], list(arguments[1:])
    lowered = complaint.lower()
    meant: list[str] | None = None
    if first == "models" and rest and "no such command" in lowered:
        meant = ["models", *MODEL_COMMANDS.get(rest[0], ("info", rest[0])), *rest[1:]]
    elif first in commands:
        meant = _with_options(first, rest) if "no such option" in lowered else None
    elif first in COMMANDS:
        words = COMMANDS[first]
        meant = [*rest, *words] if words == ("--help",) else [*words, *rest] if words != ("--version",) else [*words]
    elif first not in COMMAND_ANSWERS and looks_like_a_film(first):
        meant = ["remix", *arguments]
    return None if meant == list(arguments) else meant


def _with_options(command: str, rest: Sequence[str]) -> list[str]:
    """Return a command line with every guess among its options replaced."""
    out: list[str] = [command]
    waiting = list(rest)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*out, word, *waiting]
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name == "--mute" and (equals or waiting) and command == "remix":
            stem = _STEM_WORDS.get((value if equals else waiting[0]).lower())
            if stem is not None:
                out += [stem, "mute"]
                del waiting[: 0 if equals else 1]
                continue
        places, meaning = OPTIONS.get(name, ((), (word,)))
        if name not in OPTIONS or (places and command not in places):
            out.append(word)
        elif equals and len(meaning) == 1 and meaning[0].startswith("--"):
            out.append(f"{meaning[0]}={value}")
        elif _VALUE in meaning:
            value = value if equals else waiting.pop(0) if waiting else ""
            out += [value if part == _VALUE else part for part in meaning]
        else:
            out += meaning
    return out


def answer(arguments: Sequence[str], complaint: str) -> str | None:
    """Return what to do instead of a command line that nothing here means; None if nothing is known about it.

    >>> answer(["remix", "a.mkv", "--threads", "1"], "No such option: --threads")
    'there is no --threads: cfork uses all cores; OMP_NUM_THREADS=1 before the command keeps it to one'
    """
    lowered = complaint.lower()
    first = arguments[0] if arguments else ""
    if "no such command" in lowered and first in COMMAND_ANSWERS:
        return f"there is no command '{first}': {COMMAND_ANSWERS[first]}"
    if "no such option" in lowered:
        for word in arguments[1:]:
            name = word.partition("=")[0]
            said = name if name.startswith("--") else name[:2]
            if name in ANSWERS and f"option: {said}" in complaint:
                return f"there is no {name}: {ANSWERS[name]}"
    extra = re.search(r"unexpected extra argument\(?s?\)? \((.*)\)", complaint)
    if extra and first in ("dub", "plot"):
        words = extra[1].split()
        if len(words) > 1 or (looks_like_a_film(words[0]) and _there(words[0])):
            return f"cfork {first} takes one film at a time, and '{extra[1]}' is left over: call it again for each"
        return f"'{extra[1]}' is left over: if it is the output, say -o {extra[1]}"
    if "invalid value for '--device'" in lowered:
        return "there is no such --device: it is auto, cpu or cuda" + (
            ". Apple's GPUs (mps) are not used; a Mac's CPU is fast enough" if "mps" in lowered else ""
        )
    return None


def without_misleading(complaint: str) -> str:
    """Return the parser's complaint without suggestions that are not spelled alike, and without a library's name.

    >>> without_misleading("No such option: --voice (Possible options: --device, --force)")
    'No such option: --voice'
    >>> without_misleading("No such option: --dailog (Possible options: --dialog, --quiet)")
    'No such option: --dailog (did you mean --dialog?)'
    """
    complaint = complaint.replace("Value error, ", "")
    match = re.fullmatch(
        r"(No such (?:option: |command ')([^' ]+)'?)\.?\s*(?:\(Possible options?: (.*)\)|Did you mean (.*)\?)\.?",
        complaint.strip(),
    )
    if match is None:
        return complaint
    offered = [word.strip(" '") for word in re.split(r",| or ", match[3] or match[4])]
    alike = [word for word in offered if difflib.SequenceMatcher(None, match[2], word).ratio() >= _LIKE]
    return f"{match[1]} (did you mean {' or '.join(alike)}?)" if alike else match[1]


def looks_like_a_film(word: str) -> bool:
    """Return whether a word is the name of a file rather than of a command: it has a suffix, is there, or is a URL.

    >>> [looks_like_a_film(word) for word in ("movie.mkv", "remx", "https://example.org/a", "-")]
    [True, False, True, True]
    """
    return word == "-" or (not word.startswith("-") and ("." in word or "/" in word or _there(word)))


def _there(word: str) -> bool:
    from pathlib import Path

    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False
