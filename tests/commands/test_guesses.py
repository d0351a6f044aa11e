"""What newcomers type: it works, or the answer shows the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.commands import Ran, echo_network
from support.films import Sound, make

from cfork_cli.commands import guesses
from cfork_cli.flows import network as networks

Command = Callable[..., Ran]


@pytest.fixture
def here(place: Path, films_here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a film in English and French, and a network that is there at once."""
    network = echo_network()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    make(place / "movie.mkv", Sound(language="eng"), Sound(language="fra"), seconds=1)
    (place / "folder").mkdir()
    return place


SENSIBLE: list[tuple[str, dict[str, Any]]] = [
    ("movie.mkv --dialog +6", {"gains_db": {"dialogue": 6.0, "music": 0.0, "effects": 0.0}}),
    ("remix movie.mkv --voice +6", {"gains_db": {"dialogue": 6.0, "music": 0.0, "effects": 0.0}}),
    ("remix movie.mkv --vocals=+6", {"gains_db": {"dialogue": 6.0, "music": 0.0, "effects": 0.0}}),
    ("remix movie.mkv --speech 3 -y", {"gains_db": {"dialogue": 3.0, "music": 0.0, "effects": 0.0}}),
    ("remix movie.mkv --music off", {"gains_db": {"dialogue": 0.0, "music": "-inf", "effects": 0.0}}),
    ("remix movie.mkv --music 100% --sfx 0%", {"gains_db": {"dialogue": 0.0, "music": 0.0, "effects": "-inf"}}),
    ("remix movie.mkv --no-music", {"gains_db": {"dialogue": 0.0, "music": "-inf", "effects": 0.0}}),
    ("remix movie.mkv --mute music", {"gains_db": {"dialogue": 0.0, "music": "-inf", "effects": 0.0}}),
    ("remix movie.mkv --dialog-only", {"gains_db": {"dialogue": 0.0, "music": "-inf", "effects": "-inf"}}),
    ("remix -i movie.mkv --dialog 6", {"input": "movie.mkv"}),
    ("remix movie.mkv --lufs -16", {"loudness": {"goal": "-16 LUFS"}}),
    ("remix movie.mkv --normalize -23", {"loudness": {"goal": "-23 LUFS"}}),
    ("remix movie.mkv --dialog 6 -o folder/", {"output": "folder/movie.cfork.mkv"}),
    ("remix movie.mkv --dialog 6 -o folder", {"output": "folder/movie.cfork.mkv"}),
    ("remix movie.mkv --dialog 6 --output-dir folder", {"output": "folder/movie.cfork.mkv"}),
    ("remix movie.mkv --dialog 6 -ss 0.2 -t 0.5", {"piece": {"start_seconds": 0.0, "end_seconds": 0.7}}),
    ("remix movie.mkv --dialog 6 -c:a flac", {"codec": "flac"}),
    ("remix movie.mkv --dialog 6 -c:a aac -b:a 96", {"codec": "aac"}),
    ("remix movie.mkv --dialog 6 --language french", {"language": "fra"}),
    ("remix movie.mkv --dialog 6 --lang fre", {"language": "fra"}),
    ("remix movie.mkv --dialog 6 --track English", {"language": "eng"}),
    ("separate movie.mkv", {"files": {n: f"movie.stems/{n}.wav" for n in ("dialogue", "music", "effects")}}),
    ("separate movie.mkv --flac --stem voice", {"files": {"dialogue": "movie.stems/dialogue.flac"}}),
    ("separate movie.mkv --stems dialogue,music -o a",
     {"files": {"dialogue": "a/dialogue.wav", "music": "a/music.wav"}}),
    ("separate movie.mkv --two-stems vocals -o a",
     {"files": {"dialogue": "a/dialogue.wav", "residual": "a/residual.wav"}}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "facts"), SENSIBLE, ids=[line for line, _ in SENSIBLE])
def test_sensible_guesses_work(cfork: Command, here: Path, line: str, facts: dict[str, Any]) -> None:
    ran = cfork(*line.split(), "--dry-run", "--json")
    assert ran.code == 0, ran.out
    assert {key: ran.result.get(key) for key in facts} == facts


HELPFUL = [
    ("movie.mkv", 2, "nothing to change: give new levels, such as --dialog +6 --music -10"),
    ("remix movie.mkv", 2, "nothing to change"),
    ("remix movie.mkv out.mkv", 2, "'out.mkv' is left over: if it is the output, say -o out.mkv"),
    ("separate movie.mkv stems", 2, "say -o stems"),
    ("remix movie.mkv --dialog 6 -o quiet", 2, "-o quiet.mkv is a film, -o quiet/ a folder for it"),
    ("remix movie.mkv --dialog 6 -o no/new/", 4, "'no/new' cannot be made (No such file or directory)"),
    ("separate movie.mkv -o st.zip", 2, "give a folder such as st/, or stems.mka"),
    ("separate movie.mkv -o a --stem no_dialogue", 2, "--stem dialogue --residual file"),
    ("remix movie.mkv --device mps", 2, "it is auto, cpu or cuda. Apple's GPUs (mps) are not used"),
    ("remix movie.mkv --threads 1", 2, "OMP_NUM_THREADS=1"),
    ("info movie.mkv -j 2", 2, "there is no -j: cfork uses all cores for one film; remix and separate have --jobs"),
    ("remix movie.mkv --verbose", 2, "CFORK_DEBUG=1"),
    ("remix movie.mkv --format mp4", 2, "as in -o movie.mp4"),
    ("separate movie.mkv --in-place", 2, "only cfork remix has it"),
    ("remix movie.mkv --dialog 6 --track a:1", 2, "counts from 0, as ffmpeg does: here it is --track 2"),
    ("remix movie.mkv --music -100%", 2, "give decibels"),
    ("remix movie.mkv --loudness 16", 2, "such as -16"),
    ("isolate movie.mkv", 2, "cfork separate movie.mkv --stem dialogue"),
    ("list", 2, "cfork models lists the networks"),
    ("remix movie.mkv --dailog 3", 2, "(did you mean --dialog?)"),
    ("remx movie.mkv", 2, "no such command 'remx' (did you mean remix?): see 'cfork --help'"),
    ("models download nonsense", 7, "nonsense"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "words"), HELPFUL, ids=[line for line, *_ in HELPFUL])
def test_the_answer_to_others_helps(cfork: Command, here: Path, line: str, code: int, words: str) -> None:
    ran = cfork(*line.split())
    assert words in ran.err
    assert (ran.code, ran.out, len(ran.lines)) == (code, "", 1)
    assert "Value error" not in ran.err


def test_first_words_of_other_programs(cfork: Command) -> None:
    assert cfork("help", "remix") == cfork("remix", "--help")
    assert cfork("help").out == cfork("--help").out
    assert {cfork(word).out for word in ("-V", "-v", "version")} == {cfork("--version").out}
    assert cfork("models", "cfork").out == cfork("models", "info", "cfork").out


def test_info_takes_several_films(cfork: Command, here: Path) -> None:
    ran = cfork("info", "movie.mkv", "movie.mkv", "--no-loudness")
    assert ran.code == 0
    assert ran.out.count("movie.mkv: matroska") == 2


@pytest.mark.parametrize("word", ["--voice", "--language", "--mute", "--start"])
def test_no_suggestion_misleads(cfork: Command, word: str) -> None:
    """In a command that knows nothing of the kind, nothing spelled a bit alike is offered."""
    message = cfork("bench", word).err
    assert not any(other in message for other in ("--device", "--output", "--quiet", "--dialogue", "--force"))


def test_who_looks_for_a_window_is_shown_the_player() -> None:
    """There is a player, so the answer names it."""
    said = guesses.answer(["gui"], "No such command 'gui'.")
    assert said is not None
    assert "cfork play" in said


def test_the_language_of_a_dub_is_that_of_its_new_track() -> None:
    """`dub` has --language itself, so a guess elsewhere on the line leaves it alone."""
    line = ["dub", "a.mkv", "b.wav", "--language", "spa", "-y"]
    assert guesses.understood(line, ["dub"], "No such option: -y") == [*line[:-1], "--force"]
