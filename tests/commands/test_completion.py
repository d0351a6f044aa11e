"""What shells are told when somebody presses TAB: by the real mechanism, in shells where they are."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from support import films
from support.commands import PATIENCE, ROOT

from cfork_cli import app
from cfork_cli.commands import completion
from cfork_cli.media import layouts

Ask = Callable[..., list[str]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Ask in this process, as the script of a shell does; the words end with the one at the cursor."""

    def answers(*words: str, shell: str = "bash") -> list[str]:
        monkeypatch.setenv("_CFORK_COMPLETE", f"complete_{shell}")
        if shell == "bash":
            monkeypatch.setenv("COMP_WORDS", "\n".join(("cfork", *words)))
            monkeypatch.setenv("COMP_CWORD", str(len(words)))
        else:
            monkeypatch.setenv("_TYPER_COMPLETE_ARGS", " ".join(("cfork", *words)))
            monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
            monkeypatch.setenv("_TYPER_COMPLETE_WORD_TO_COMPLETE", words[-1])
        with pytest.raises(SystemExit) as left:
            app.run([])
        assert left.value.code == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out.split("\n")[:-1] if printed.out.strip() else []

    return answers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which somebody sits, with empty caches and presets of their own."""
    monkeypatch.setenv("CFORK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CFORK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("CFORK_COMPLETION_SECONDS", "100")  # a busy computer may need them
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def film(folder: Path) -> Path:
    """A film with two sound tracks, English in stereo and French; the title of the first is meant for a shell."""
    evil = '\\$(touch pwned)"`touch pwned`'
    sounds = films.Sound("flac", language="eng", title=evil), films.Sound("flac", "mono", language="fre")
    return films.make(folder / "movie.mka", *sounds, seconds=0.2, picture=None)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_gets_the_stems(ask: Ask, folder: Path, shell: str) -> None:
    found = " ".join(ask("separate", "movie.mkv", "--stem", "", shell=shell))
    assert found.index("dialogue") < found.index("music") < found.index("effects")


@pytest.mark.parametrize(
    ("words", "some"),
    [
        (("remix", "--model", ""), {"cfork"}),
        (("evaluate", "--model", "c"), {"cfork"}),
        (("models", "info", "mrx-"), {"mrx-paper", "mrx-adapted-eq", "mrx-adapted-loudness"}),
        (("models", "verify", ""), {"cfork", "mrx"}),
        (("models", "pull", ""), {"mrx", "mrx-paper"}),
        (("separate", "--residual", ""), {"none", "all", "file", "dialogue", "music", "effects"}),
        (("separate", "--residual", "music,"), {"music,dialogue", "music,effects"}),
        (("separate", "--for", ""), {"asr"}),
        (("separate", "--bits", ""), {"16", "24", "32"}),
        (("separate", "--format", "m"), {"mka", "mp3", "m4a"}),
        (("remix", "--preset", "n"), {"night", "no-music"}),
        (("remix", "--preset=n"), {"night", "no-music"}),
        (("presets", "show", "dub"), {"dub"}),
        (("remix", "--codec", "f"), {"flac"}),
        (("dub", "--codec", "f"), {"flac"}),
        (("remix", "--layout", "5"), {"5.0", "5.1"}),
        (("remix", "--device", ""), {"auto", "cpu", "cuda"}),
        (("remix", "--dialog", "+"), {"+3", "+6", "+10"}),
        (("remix", "--dialog-reverb", ""), {"room", "hall"}),
        (("remix", "--input-format", "f32"), {"f32le", "f32be"}),
        (("dub", "--language", "sp"), {"spa"}),
        (("remix", "--keep"), {"--keep-original"}),
        (("mod"), {"models"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_words_that_an_option_takes(ask: Ask, folder: Path, words: tuple[str, ...], some: set[str]) -> None:
    found = ask(*((words,) if isinstance(words, str) else words))
    assert some <= set(found)
    last = words if isinstance(words, str) else words[-1].rpartition("=")[2]
    assert all(word.startswith(last) for word in found)


def test_models_that_must_be_pulled_first_are_no_choice_for_a_remix(ask: Ask, folder: Path) -> None:
    assert ask("remix", "--model", "") == ["cfork"]
    (folder / "mine.safetensors").touch()
    assert ask("remix", "--model", "mi") == ["mine.safetensors"]


def test_tracks_of_the_film_on_the_command_line(ask: Ask, film: Path) -> None:
    assert ask("remix", "movie.mka", "--track", "") == ["1", "2", "eng", "fra", "all"]
    assert ask("remix", "-o", "other.mka", "movie.mka", "--track", "1,") == ["1,2", "1,eng", "1,fra"]
    assert ask("separate", "movie.mka", "--track", "") == ["1", "2", "eng", "fra"]
    assert ask("separate", "movie.mka", "--track", "f", shell="fish") == ["fra\ttrack 2"]
    assert ask("info", "movie.mka", "--separate", "--track", "2", shell="powershell") == ["2:::fra 1 channels flac"]


def test_without_a_film_there_are_no_tracks_and_no_complaint(ask: Ask, folder: Path) -> None:
    (folder / "broken.mkv").write_bytes(b"no film at all")
    os.mkfifo(folder / "pipe.mkv")
    for name in ("missing.mkv", "broken.mkv", "pipe.mkv", "-", "."):
        assert ask("remix", name, "--track", "") == []


def test_an_ffprobe_that_hangs_is_not_waited_for(
    ask: Ask, film: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "ffprobe"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("CFORK_FFPROBE", str(program))
    monkeypatch.setenv("CFORK_COMPLETION_SECONDS", "0.2")
    assert ask("remix", "movie.mka", "--track", "") == []


def test_films_and_folders_are_offered_and_other_files_are_not(ask: Ask, folder: Path) -> None:
    for name in ("a.mkv", "a.MP4", "a.wav", "a.srt", "a.py", ".a.mkv"):
        (folder / name).touch()
    (folder / "archive").mkdir()
    assert ask("remix", "") == ["a.MP4", "a.mkv", "a.wav", "archive/"]
    assert ask("remix", ".") == [".a.mkv"]
    (folder / "archive" / "one.mkv").touch()
    (folder / "archive" / "two.mkv").touch()
    assert ask("play", "ar") == ["archive/one.mkv", "archive/two.mkv"]  # no space after "archive/"
    (folder / "archive" / "loop").symlink_to(folder / "archive")
    assert ask("play", "archive/l") == [f"archive/{'loop/' * depth}{name}" for depth in (1,)
                                        for name in ("loop/", "one.mkv", "two.mkv")]  # fmt: skip


@pytest.mark.parametrize("name", ["my film.mkv", "a$(touch pwned).mkv", "a;b.mkv", "it's.mkv", "a\\b.mkv", "a:b.mkv"])
def test_names_that_need_quotes_are_left_to_the_shell(ask: Ask, folder: Path, name: str) -> None:
    (folder / name).touch()
    (folder / "plain.mkv").touch()
    assert ask("remix", "") == []
    assert ask("remix", "p") == ["plain.mkv"]


def test_every_word_offered_is_one_that_cfork_takes() -> None:
    from cfork_cli.codecs import choose, stem_format
    from cfork_cli.codecs.candidates import usual

    assert set(usual()) <= set(choose.encoders()) | {"opus", "vorbis"}
    for kind in stem_format.usual():
        stem_format.check_words(kind, None, None)
    for name in completion._LAYOUTS:
        assert layouts.speakers(name) is not None, name


def test_options_of_these_names_complete_in_every_command() -> None:
    names = {"--model", "--stem", "--residual", "--track", "--preset", "--codec", "--layout", "--format", "--language"}
    found = set()

    def look(command: typer.core.TyperCommand | typer.core.TyperGroup) -> None:
        for one in getattr(command, "commands", {}).values():
            look(one)
        context = typer.Context(command)
        for parameter in command.params:
            for name in names & {*parameter.opts}:
                found.add(name)
                known = parameter._custom_shell_complete is not None or bool(parameter.shell_complete(context, ""))
                assert known, (command.name, name)

    look(typer.main.get_command(app.app))
    assert found == names


def test_torch_is_not_imported_for_a_completion(folder: Path, film: Path) -> None:
    words = {"COMP_WORDS": "cfork\nremix\nmovie.mka\n--track\n", "COMP_CWORD": "4", "_CFORK_COMPLETE": "complete_bash"}
    code = (
        "import atexit, sys; from cfork.__main__ import main;"
        "atexit.register(lambda: print('torch' in sys.modules)); main()"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **words, "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True, timeout=PATIENCE)  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["1", "2", "eng", "fra", "all", "False"], "")


def environment_of_a_user(folder: Path) -> dict[str, str]:
    """Variables for a shell that finds this cfork as a program, and nobody's settings."""
    programs = folder.parent / "bin"
    programs.mkdir()
    program = programs / "cfork"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m cfork \"$@\"\n")
    program.chmod(0o755)
    home = {"HOME": str(folder.parent), "ZDOTDIR": str(folder.parent), "TERM": "dumb", "PS1": "$ "}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **home, "PATH": path, "PYTHONPATH": str(ROOT)}


class Terminal:
    """A shell in a terminal, into which keys are typed."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.main, other = pty.openpty()
        self.child = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, cwd=folder,
                                      env=environment_of_a_user(folder), start_new_session=True)  # fmt: skip
        os.close(other)
        self.seen = ""

    def until(self, text: str) -> str:
        """Read until the terminal has shown this; return what it showed since the last time."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen and time.monotonic() < end:
            if select.select([self.main], [], [], 1.0)[0]:
                self.seen += os.read(self.main, 65_536).decode()
        assert text in self.seen, self.seen
        shown, self.seen = self.seen, ""
        return shown

    def type(self, keys: str) -> None:
        os.write(self.main, keys.encode())

    def close(self) -> None:
        self.child.kill()
        self.child.wait()
        os.close(self.main)


SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
BEGIN = {
    "bash": 'eval "$(cfork --show-completion bash)"; echo rea"dy"\n',
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(cfork --show-completion zsh)"; echo rea"dy"\n',
}


@pytest.mark.parametrize("shell", list(SHELLS))
def test_a_real_shell_completes_a_film_its_track_and_runs_nothing(shell: str, film: Path, folder: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    terminal = Terminal(SHELLS[shell], folder)
    try:
        terminal.type(BEGIN[shell].replace("--show-completion bash", "--show-completion"))
        terminal.until("ready\r\n")
        terminal.type("echo; cfork remix mo\t")
        terminal.until("movie.mka ")
        terminal.type("--track f\t")
        terminal.until("fra ")
        assert sorted(os.listdir(folder)) == ["movie.mka"]  # the film's title did not run
    finally:
        terminal.close()


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_shows_the_tracks_and_what_they_are(film: Path, folder: Path) -> None:
    code = "_CFORK_COMPLETE=source_fish cfork | source; complete -C 'cfork separate movie.mka --track '"
    done = subprocess.run(["fish", "--no-config", "-c", code], cwd=folder, env=environment_of_a_user(folder),
                          capture_output=True, text=True, timeout=PATIENCE)  # fmt: skip
    assert done.stdout.splitlines()[:2] == ["1\teng 2 channels flac", "2\tfra 1 channels flac"]
    assert sorted(os.listdir(folder)) == ["movie.mka"]
