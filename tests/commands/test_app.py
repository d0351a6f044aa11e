"""The command line: every failure is one line and a documented exit code, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import (
    Ran,
    echo_network,
    finish,
    listing,
    processes_about,
    start,
    start_slowly,
    wait_for_stage,
    wait_until,
)
from support.films import Sound, ffmpeg, make
from support.readings import packets, samples

from cfork_cli import __version__
from cfork_cli.app import app
from cfork_cli.flows import network as networks
from cfork_cli.leftovers import sweep
from cfork_cli.media.probe import probe
from cfork_cli.signals import interruptible

Command = Callable[..., Ran]
Refused = Callable[..., str]


@pytest.fixture
def refused(cfork: Command, place: Path) -> Refused:
    """Run a command that must fail; returns the message, after a look at everything that a failure must not do."""

    def check(code: int, *arguments: str | Path) -> str:
        before = listing(place.parent)
        plain, machine = cfork(*arguments), cfork(arguments[0], "--json", *arguments[1:])
        assert plain.code == machine.code == code, plain.err
        assert len(plain.lines) == 1, plain.err
        assert plain.err.startswith("cfork: ")
        assert "Traceback" not in plain.err
        assert plain.out == ""
        message = plain.err.removeprefix("cfork: ").rstrip("\n")
        assert machine.result == {"error": message, "exit_code": code}
        assert all(event["event"] in ("stage", "progress") for event in machine.events)
        assert listing(place.parent) == before
        assert processes_about(place) == {}
        return message

    return check


# ---- words ----


def test_version_and_help(cfork: Command) -> None:
    assert cfork("--version") == Ran(0, f"cfork {__version__}\n", "")
    assert cfork() == cfork("--help") == cfork("-h")
    for code in ("0 done", "130 interrupted"):
        assert code in " ".join(cfork("--help").out.split())


def function_of(words: list[str]) -> Callable:
    """The function behind a command, or behind a group of commands."""
    here = app
    for word in words:
        groups = {group.typer_instance.info.name: group.typer_instance for group in here.registered_groups}
        if word not in groups:
            return next(
                info.callback for info in here.registered_commands if word in (info.name, info.callback.__name__)
            )
        here = groups[word]
    return here.registered_callback.callback


@pytest.mark.parametrize(
    "name",
    [
        "remix", "separate", "info", "dub", "plot", "evaluate", "models", "models list", "models pull", "models info",
        "models verify", "models convert",
    ],
)  # fmt: skip
def test_every_option_is_explained(cfork: Command, name: str) -> None:
    ran = cfork(*name.split(), "--help")
    assert ran.code == 0
    assert ran.err == ""
    assert (function_of(name.split()).__doc__ or "").splitlines()[0] in " ".join(ran.out.split())
    for line in ran.out.partition("Options:\n")[2].splitlines():
        assert len(line) <= 80
        assert not line.strip().startswith("-") or len(line) > 28, f"no words about {line}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "no such command 'nonsense': see 'cfork --help'"),
        (["--nonsense"], "no such option: --nonsense: see 'cfork --help'"),
        (["remix"], "missing argument 'INPUT...|URL': see 'cfork remix --help'"),
        (["remix", "FILM", "--musik", "3"], "no such option: --musik"),
        (["remix", "FILM", "--music"], "option '--music' requires an argument: see 'cfork remix --help'"),
        (["remix", "FILM", "--track", "first"], "'first' is not a track: give a number from 1"),
        (["remix", "FILM", "--track", "0"], "there is no track 0: tracks are counted from 1"),
        (["remix", "FILM", "--track", "-1"], "there is no track -1: tracks are counted from 1"),
        (["remix", "FILM", "--device", "tpu"], "there is no such --device: it is auto, cpu or cuda"),
        (["remix", "FILM", "--codec", "nonsense"], "this ffmpeg cannot write 'nonsense' sound"),
        (["remix", "FILM", "--input-lufs", "nan"], "nan LUFS is no loudness of a sound track: give -140 to 50"),
        (["remix", "FILM", "--input-lufs", "60"], "60.0 LUFS is no loudness of a sound track: give -140 to 50"),
        (
            ["separate", "FILM", "-o", "x", "--stem", "drums"],
            "'drums' is not a stem: choose dialogue, music or effects",
        ),
        (["separate", "FILM", "-o", "x", "--bits", "20"], "WAV files have 32 or 24 or 16 bits here, not 20"),
        (["separate", "FILM", "-o", "x", "--format", "flac", "--bits", "32"], "FLAC files have 24 or 16 bits here"),
        (["separate", "FILM", "-o", "x", "--format", "doc"], "'doc' is not a kind of sound file: choose wav, flac"),
        (["separate", "FILM", "-o", "x", "--rate", "8000"], "add --input-format, such as f32le"),
        (["remix", "FILM", "--output-format", "wav"], "--output-format is for pipes"),
    ],
)
def test_wrong_usage(refused: Refused, films_here: Path, arguments: list[str], words: str) -> None:
    film = [str(films_here / "plain.mkv"), *(["-o", "new.mkv"] if arguments[0] == "remix" else [])]
    assert words in refused(2, *(one for word in arguments for one in (film if word == "FILM" else [word])))


@pytest.mark.parametrize(
    ("text", "gain"),
    [
        ("+6", 6.0),
        ("-10", -10.0),
        ("2.5 dB", 2.5),
        ("24", 24.0),
        ("-inf", "-inf"),
        ("mute", "-inf"),
        ("-0", 0.0),
    ],
)
def test_gains(cfork: Command, place: Path, films_here: Path, text: str, gain: float | str) -> None:
    ran = cfork("remix", films_here / "plain.mkv", "-o", "new.mkv", "--music", text, "--dry-run", "--json")
    assert ran.code == 0
    assert ran.result["gains_db"] == {"dialogue": 0.0, "music": gain, "effects": 0.0}


@pytest.mark.parametrize(("dialogue", "effects"), [("--dialog", "--effects"), ("--dialogue", "--sfx")])
def test_both_names_of_a_gain(cfork: Command, place: Path, films_here: Path, dialogue: str, effects: str) -> None:
    ran = cfork("remix", films_here / "plain.mkv", "-o", "new.mkv", dialogue, "1", effects, "-2", "--dry-run", "--json")
    assert ran.result["gains_db"] == {"dialogue": 1.0, "music": 0.0, "effects": -2.0}
    assert ran.result["computed_stems"] == ["dialogue", "effects"]


@pytest.mark.parametrize("text", ["24.1", "inf", "nan", "abc", "", "1e3", "+-3"])
@pytest.mark.parametrize("option", ["--dialog", "--sfx"])
def test_what_is_no_gain(refused: Refused, films_here: Path, option: str, text: str) -> None:
    message = refused(2, "remix", films_here / "plain.mkv", "-o", "new.mkv", option, text)
    assert message == f"'{text}' is not a gain: give decibels from -inf (mute) to +24, for example -10"


# ---- what is said when all goes well ----


def test_success_in_words_and_in_json(cfork: Command, place: Path, films_here: Path, tiny_model: Path) -> None:
    arguments = ["remix", films_here / "plain.mkv", "-o", "new.mkv", "--dialog", "+6", "--model", tiny_model]
    ran = cfork(*arguments)
    assert (ran.code, ran.out, len(ran.lines)) == (0, "", 1)
    assert ran.err.startswith("wrote new.mkv: dialogue +6 dB, music unchanged, effects unchanged (0:02 of sound in 0:")

    ran = cfork(*arguments, "--force", "--json")
    assert ran.code == 0
    result = ran.result
    assert {key: result[key] for key in ("output", "track", "codec", "container", "processed_seconds", "notes")} == {
        "output": "new.mkv", "track": 1, "codec": "pcm_s16le", "container": "matroska", "processed_seconds": 2.0,
        "notes": [],
    }  # fmt: skip
    assert result["speed"] > 0
    progress = [event for event in ran.events if event["event"] == "progress"]
    assert {event["stage"] for event in progress} == {"measure", "remix"}
    assert all(0 <= event["done"] <= event["total"] == 2 for event in progress)

    assert cfork(*arguments, "--force", "--quiet") == Ran(0, "", "")
    quiet = cfork(*arguments, "--force", "--quiet", "--json")
    assert (quiet.code, quiet.err, quiet.result["output"]) == (0, "", "new.mkv")


def test_dry_run_writes_nothing(cfork: Command, place: Path, films_here: Path) -> None:
    shutil.copy(films_here / "full.mkv", place)
    before = listing(place.parent)
    ran = cfork("remix", "full.mkv", "--dialog", "+6", "--music", "-10", "--track", "2", "--dry-run")
    assert (ran.code, ran.out) == (0, "")
    assert ran.lines == [
        "input:  full.mkv (0:02, 6 streams)",
        "track:  2 of 2 (ac3 5.1(side) deu 'Deutsch')",
        "levels: dialogue +6 dB, music -10 dB, effects unchanged",
        "output: full.cfork.mkv (matroska, new track in ac3)",
    ]
    facts = cfork("remix", "full.mkv", "--music", "-inf", "--dry-run", "--json")
    assert facts.err == ""
    assert facts.result["dry_run"] is True
    assert facts.result["gains_db"]["music"] == "-inf"
    assert facts.result["computed_stems"] == ["music"]
    assert cfork("remix", "full.mkv", "--effects", "0", "--dry-run", "--quiet") == Ran(0, "", "")
    assert "output: stems/music.wav" in cfork("separate", "full.mkv", "-o", "stems", "--dry-run").lines
    stems = cfork("separate", "full.mkv", "-o", "stems", "--dry-run", "--json").result
    assert stems["files"]["dialogue"] == "stems/dialogue.wav"
    assert listing(place.parent) == before


def test_notes_tell_what_changes(cfork: Command, place: Path, films_here: Path) -> None:
    arguments = ["remix", films_here / "full.mkv", "-o", "new.mp4", "--dry-run"]
    assert any("attachment" in line for line in cfork(*arguments).lines if line.startswith("note: "))
    machine = cfork(*arguments, "--json")
    assert [event["message"] for event in machine.events] == machine.result["notes"]


# ---- outputs ----


def test_nothing_is_overwritten_unless_asked(
    refused: Refused, cfork: Command, place: Path, films_here: Path, tiny_model: Path
) -> None:
    shutil.copy(films_here / "plain.mkv", place)
    (place / "plain.cfork.mkv").write_text("precious")
    assert refused(4, "remix", "plain.mkv", "--music", "3") == (
        "'plain.cfork.mkv' exists already: choose another name with -o, or replace it with --force"
    )
    message = refused(4, "remix", "plain.mkv", "--music", "3", "-o", "../films/plain.mkv", "--force")
    assert "is the input itself, which is never overwritten" in message
    for force in ("-f", "--force"):
        (place / "plain.cfork.mkv").write_text("precious")
        assert cfork("remix", "plain.mkv", force, "--music", "3", "--model", tiny_model).code == 0
        assert probe(place / "plain.cfork.mkv").audio


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("missing/new.mkv", "the directory 'missing' does not exist: make it first"),
        ("file/new.mkv", "'file'"),
        ("/proc/new.mkv", "cannot be written"),
        ("x" * 300 + ".mkv", "(File name too long)"),
    ],
)
def test_unwritable_outputs(refused: Refused, place: Path, films_here: Path, output: str, words: str) -> None:
    (place / "file").write_text("not a folder")
    assert words in refused(4, "remix", films_here / "plain.mkv", "-o", output)


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A small file system in memory; needs root."""
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a file system needs root")
    if subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], capture_output=True).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_full_disk(refused: Refused, place: Path, films_here: Path) -> None:
    with mounted(place / "small", "-o", "size=200k"):
        message = refused(4, "remix", films_here / "plain.mkv", "-o", "small/new.mkv")
        assert "the disk is full: 'small/new.mkv' was not written" in message
        assert listing(place / "small") == {}


def test_read_only_disk(refused: Refused, place: Path, films_here: Path) -> None:
    with mounted(place / "fixed", "-o", "ro"):
        message = refused(4, "remix", films_here / "plain.mkv", "-o", "fixed/new.mkv")
        assert message == "'fixed/new.mkv' cannot be written (Read-only file system): choose another place with -o"


def test_file_size_limit(place: Path, films_here: Path) -> None:
    before = listing(place.parent)
    limit = [
        "-c",
        "import os, resource, sys;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "os.execv(sys.executable, [sys.executable, '-m', 'cfork_cli.app', *sys.argv[1:]])",
    ]
    ran = finish(start("remix", films_here / "plain.mkv", "-o", "new.mkv", "--quiet", program=limit))
    assert (ran.code, ran.out, len(ran.lines)) == (4, "", 1)
    assert "'new.mkv'" in ran.err
    assert listing(place.parent) == before


# ---- inputs ----


def test_unusable_inputs(refused: Refused, place: Path, films_here: Path) -> None:
    (place / "letter.pdf").write_text("Dear reader,\nthis is not a film.\n" * 100)
    (place / "empty.mkv").touch()
    (place / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost/1.ts\n")
    assert "there may be several films: give a folder" in refused(2, "remix", ".", "--music", "3", "-o", "new.mkv")
    for command in ("remix", "separate"):
        output = ["-o", "new.mkv" if command == "remix" else "stems"]
        assert refused(3, command, "missing.mkv", *output) == "'missing.mkv' does not exist: check the name"
        assert "is not a film or a sound that ffmpeg can read" in refused(3, command, "letter.pdf", *output)
        assert "'empty.mkv' is empty" in refused(3, command, "empty.mkv", *output)
        assert "is a playlist" in refused(3, command, "list.m3u8", *output)
        mute = films_here / "mute.mkv"
        assert refused(3, command, mute, *output) == f"'{mute}' has no sound track: choose a film with sound"
        film = films_here / "full.mkv"
        message = refused(3, command, film, "--track", "3", *output)
        assert message.startswith(f"'{film}' has no sound track 3: choose one of 1 (aac stereo eng 'Main'), 2 (ac3 ")


@pytest.mark.parametrize("gain", ["0", "6"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_truncated_films(refused: Refused, place: Path, tiny_model: Path, suffix: str, gain: str) -> None:
    whole = make(place / f"whole{suffix}", Sound("aac"), seconds=6, options=["-movflags", "+faststart"])
    data = whole.read_bytes()
    (place / f"cut{suffix}").write_bytes(data[: len(data) // 2])
    message = refused(5, "remix", f"cut{suffix}", "--music", gain, "--model", tiny_model)
    assert f"'cut{suffix}'" in message


def test_a_film_without_its_index(refused: Refused, place: Path) -> None:
    whole = make(place / "whole.mp4", Sound("aac"))
    (place / "cut.mp4").write_bytes(whole.read_bytes()[:-2000])
    assert "'cut.mp4' is not a film or a sound that ffmpeg can read" in refused(3, "remix", "cut.mp4", "--music", "3")


# ---- models ----


class Hostile:
    """Unpickling it makes a file."""

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return os.mkdir, ("robbed",)


def test_unusable_models(refused: Refused, place: Path, films_here: Path, tiny_model: Path) -> None:
    good = tiny_model.read_bytes()
    (place / "flipped.safetensors").write_bytes(good[:-100] + bytes([good[-100] ^ 1]) + good[-99:])
    (place / "cut.safetensors").write_bytes(good[: len(good) // 2])
    (place / "pointer.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (place / "text.pth").write_text("no weights")
    (place / "hostile.pth").write_bytes(pickle.dumps(Hostile(), protocol=2))
    film = films_here / "plain.mkv"
    for name, words in {
        "missing.safetensors": "no model and no file is called 'missing.safetensors'",
        "flipped.safetensors": "flipped.safetensors is damaged: its checksum does not match",
        "cut.safetensors": "get the file again",
        "pointer.safetensors": "is a Git LFS pointer",
        "text.pth": "text.pth is damaged or truncated",
        "hostile.pth": "could run a program, so it was refused",
        ".": "is a directory",
    }.items():
        assert words in refused(7, "remix", film, "-o", "new.mkv", "--music", "3", "--model", name)
    assert "no file is called 'missing'" in refused(7, "separate", film, "-o", "stems", "--model", "missing")
    assert not (place / "robbed").exists()


# ---- our own faults ----


def test_a_fault_of_our_own_is_one_line_too(
    cfork: Command, place: Path, films_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(networks, "load_network", broken)
    arguments = ["remix", films_here / "plain.mkv", "-o", "new.mkv", "--music", "3"]
    with pytest.raises(ZeroDivisionError):
        cfork(*arguments)
    monkeypatch.delenv("CFORK_DEBUG")
    ran = cfork(*arguments)
    assert (ran.code, len(ran.lines), ran.out) == (1, 1, "")
    assert ran.err.startswith("cfork: cfork itself failed (ZeroDivisionError: division by zero)")
    assert cfork(*arguments, "--json").result["exit_code"] == 1
    assert listing(place) == {}


# ---- being stopped ----


@pytest.mark.parametrize(
    ("command", "number"),
    [("remix", signal.SIGINT), ("remix", signal.SIGTERM), ("remix", signal.SIGHUP), ("separate", signal.SIGINT)],
)
def test_stopped_by_a_signal(place: Path, command: str, number: signal.Signals) -> None:
    film = make(place / "film.mkv", Sound(sample_rate=44_100), seconds=20)
    before = listing(place.parent)
    child = start_slowly(command, film, "--json", "-o", "new.mkv", *(["--music", "3"] if command == "remix" else []))
    said = wait_for_stage(child, command)
    assert processes_about(film)
    child.send_signal(number)
    child.send_signal(number)
    ran = finish(child, said)
    assert ran.code == 128 + number
    assert ran.result == {"error": "interrupted: nothing was written", "exit_code": ran.code}
    assert {event["event"] for event in ran.events} == {"stage", "progress"}
    assert wait_until(lambda: not processes_about(film))
    assert listing(place.parent) == before


def test_an_ignored_signal_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.getsignal(signal.SIGINT) not in before
    finally:
        signal.signal(signal.SIGHUP, before[2])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_second_signal_counts_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("cfork_cli.signals.time.monotonic", lambda: now)
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        now += 60
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_signals_belong_to_the_main_thread(cfork: Command) -> None:
    found: list[Ran] = []
    thread = threading.Thread(target=lambda: found.append(cfork("--version")))
    thread.start()
    thread.join()
    assert found[0].code == 0


def test_killed_outright(place: Path) -> None:
    film = make(place / "film.mkv", Sound(sample_rate=44_100), seconds=20)
    child = start_slowly("remix", film, "--json", "--music", "3")
    wait_for_stage(child, "remix")
    assert len([one for one in processes_about(film).values() if "ffmpeg" in one[0]]) == 2
    child.kill()
    assert finish(child).code == -signal.SIGKILL
    assert wait_until(lambda: not processes_about(film))
    assert not (place / "film.cfork.mkv").exists()
    assert len(listing(place)) > 1
    sweep(place)  # as the next one does that writes there
    assert set(listing(place)) == {"film.mkv"}


@pytest.mark.parametrize("which", ["decoder", "encoder"])
def test_ffmpeg_killed_in_the_middle(place: Path, which: str) -> None:
    film = make(place / "film.mkv", Sound(sample_rate=44_100), seconds=20)
    before = listing(place.parent)
    child = start_slowly("remix", film, "--json", "--music", "3")
    said = wait_for_stage(child, "remix")
    pipe = {"decoder": "pipe:1", "encoder": "pipe:0"}[which]
    victim = next(pid for pid, words in processes_about(film).items() if pipe in words and "ffmpeg" in words[0])
    os.kill(victim, signal.SIGKILL)
    ran = finish(child, said)
    assert ran.code == 6, ran.out
    assert "signal 9" in ran.result["error"]
    assert {event["event"] for event in ran.events} == {"stage", "progress"}
    assert wait_until(lambda: not processes_about(film))
    assert listing(place.parent) == before


@pytest.mark.parametrize("arguments", [["models"], ["--help"], ["remix", "FILM", "-o", "new.mkv", "--json"]])
def test_nobody_reads_standard_output(place: Path, films_here: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [str(films_here / "plain.mkv") if word == "FILM" else word for word in arguments]
    child = start(*words, stdout=writer)
    os.close(writer)
    ran = finish(child)
    if arguments[0] == "remix":
        assert ran.code == 0
        assert probe(place / "new.mkv").audio
        assert all(json.loads(line) for line in ran.lines)
    else:
        assert ran.err == ""


def test_nobody_reads_standard_error(place: Path, films_here: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    child = start("remix", films_here / "plain.mkv", "-o", "new.mkv", stderr=writer)
    os.close(writer)
    child.communicate(timeout=250)
    assert child.returncode == 0
    assert probe(place / "new.mkv").audio


def test_standard_output_is_full(place: Path) -> None:
    with open("/dev/full", "w") as full:
        ran = finish(start("models", stdout=full))
    assert ran.code == 4
    assert ran.lines == ["cfork: standard output cannot be written (No space left on device)"]


# ---- names ----


@pytest.mark.parametrize(
    "name",
    [
        "two  spaces .mkv",
        "a:b.mkv",
        "-dash.mkv",
        "100%d.mkv",
        'it\'s "quoted".mkv',
        "d\N{LATIN SMALL LETTER E WITH ACUTE}j\N{LATIN SMALL LETTER A WITH GRAVE} \N{CLAPPER BOARD}.mkv",
        "two\nlines.mkv",
        "[bold]x.mkv",
        "$(id);`id`&.mkv",
        "\x1b[31mred.mkv",
        os.fsdecode(b"latin-\xe9.mkv"),
        "no suffix",
    ],
)
def test_odd_names(cfork: Command, refused: Refused, place: Path, films_here: Path, name: str) -> None:
    shutil.copy(films_here / "plain.mkv", place / name)
    ran = cfork("remix", "--json", "--music", "0", "--", name)
    assert ran.code == 0, ran.out
    stem, dot, suffix = name.rpartition(".")
    new = f"{stem}.cfork.{suffix}" if dot else f"{name}.cfork"
    assert set(os.listdir(place)) == {name, new}
    assert ran.result["output"] == new
    assert packets(place / new, "v:0") == packets(films_here / "plain.mkv", "v:0")
    assert (samples(place / new) == samples(films_here / "plain.mkv")).all()
    ran = cfork("remix", "--force", "--dry-run", "--music", "0", f"./{name}")
    assert len(ran.lines) == 4
    assert all(character.isprintable() for character in ran.err.replace("\n", ""))


def test_odd_folder_for_stems(cfork: Command, place: Path, films_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = echo_network()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    assert cfork("separate", films_here / "plain.mkv", "-o", "100%: \N{CLAPPER BOARD}\n").code == 0
    assert len(os.listdir(place / "100%: \N{CLAPPER BOARD}\n")) == 3


# ---- as installed ----


def test_the_installed_command(films_here: Path, place: Path) -> None:
    command = shutil.which("cfork", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("cfork is not installed here")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stdout) == (0, f"cfork {__version__}\n")
    film = str(films_here / "plain.mkv")
    done = subprocess.run([command, "remix", film, "-o", "new.mkv", "-q"], capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_process_ends_with_the_exit_code(place: Path) -> None:
    ran = finish(start("remix", "missing.mkv", "--dialog", "3"))
    assert ran == Ran(3, "", "cfork: 'missing.mkv' does not exist: check the name\n")


def test_the_film_is_the_same_whichever_the_directory(cfork: Command, place: Path, films_here: Path) -> None:
    assert cfork("remix", films_here / "full.mp4", "-o", place / "new.mp4").code == 0
    frames = [
        ffmpeg("-i", path, "-map", "0:v:0", "-f", "framemd5", "-") for path in (films_here / "full.mp4", "new.mp4")
    ]
    assert frames[0] == frames[1]
