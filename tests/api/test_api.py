"""`import cfork`: films and arrays without a terminal."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from support.commands import ROOT, echo_network, listing
from support.films import Sound, make, noise
from support.readings import samples

import cfork
from cfork_cli.flows import network as networks

RATE = 44_100
SHARES = {"music": 0.5, "dialogue": 0.3, "effects": 0.2}


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Load a network that puts half of the film into the music, 0.3 into the dialogue, 0.2 into the effects."""
    loaded: list[str] = []

    def load(model: str, *_: str) -> tuple[object, str]:
        loaded.append(model)
        return echo_network(tuple(SHARES.values())), "cpu"

    monkeypatch.setattr(networks, "load_network", load)
    return loaded


@pytest.fixture
def film(place: Path) -> Path:
    return make(place / "film.wav", Sound(sample_rate=RATE, samples=noise(2, 2 * RATE, bits=16)), picture=None)


def gain(db: float) -> float:
    return float(10 ** (db / 20))


# ---- films ----


def test_a_remix_says_what_it_did(film: Path, place: Path, loads: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[cfork.Progress] = []
    result = cfork.remix(film, dialogue=6, music="-10", effects="mute", progress=seen.append)
    assert result.output == place / "film.cfork.wav"
    told = samples(film)
    expected = told * (gain(6) * 0.3 + gain(-10) * 0.5)
    np.testing.assert_allclose(samples(result.output), expected, atol=2**-14)
    assert result.facts["gains_db"] == {"dialogue": 6.0, "music": -10.0, "effects": "-inf"}
    assert result.seconds == pytest.approx(2.0)
    assert result.speed > 0
    stages = list(dict.fromkeys(one.stage for one in seen))
    assert stages == ["load", "measure", "remix", "finish"]
    last = [one for one in seen if one.stage == "remix"][-1]
    assert last.fraction == 1.0
    assert capfd.readouterr() == ("", "")


def test_one_network_for_many_films(film: Path, loads: list[str]) -> None:
    separator = cfork.Separator("cfork")
    for number in range(2):
        cfork.remix(film, music=-3, output=film.with_name(f"{number}.wav"), separator=separator)
    cfork.separate(film, film.with_name("stems"), separator=separator)
    assert loads == ["cfork"]


def test_stems_of_a_film(film: Path, place: Path, loads: list[str]) -> None:
    result = cfork.separate(film, place / "stems", stems=["speech", "music"], residual="file")
    assert [path.name for path in result.outputs] == ["dialogue.wav", "music.wav", "residual.wav"]
    found = sum(samples(path) for path in result.outputs)
    np.testing.assert_allclose(found, samples(film), atol=1e-6)


def test_a_plan_writes_nothing(film: Path, place: Path, loads: list[str]) -> None:
    before = listing(place)
    planned = cfork.plan(film, music=-10, output="other.flac")
    assert planned.facts["codec"] == "flac"
    assert "music -10 dB" in "\n".join(planned.lines)
    assert (listing(place), loads) == (before, [])


def test_what_is_in_a_film(film: Path) -> None:
    media = cfork.probe(film)
    assert (media.audio[0].channels, media.audio[0].sample_rate) == (2, RATE)


@pytest.mark.parametrize("stage", ["load", "measure", "remix"])
def test_a_cancelled_remix_leaves_nothing(film: Path, place: Path, loads: list[str], stage: str) -> None:
    cancel, before = threading.Event(), listing(place)

    def listen(progress: cfork.Progress) -> None:
        if progress.stage == stage:
            cancel.set()

    with pytest.raises(cfork.Interrupted, match="cancelled: nothing was written"):
        cfork.remix(film, music=-10, progress=listen, cancel=cancel)
    assert listing(place) == before


def test_an_error_of_the_callers_own_leaves_nothing(film: Path, place: Path, loads: list[str]) -> None:
    before = listing(place)

    def listen(progress: cfork.Progress) -> None:
        if progress.stage == "remix":
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cfork.remix(film, music=-10, progress=listen)
    assert listing(place) == before


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"music": "loud"}, cfork.UsageError, "is not a gain"),
        ({"music": 99}, cfork.UsageError, "is not a gain"),
        ({"track": 7}, cfork.InputError, "no sound track 7"),
        ({"start": "soon"}, cfork.UsageError, "is not a time"),
        ({"output": "film.wav"}, cfork.OutputError, "is the input itself"),
        ({"bitrate": "fast"}, cfork.UsageError, "is not a bit rate"),
    ],
)
def test_arguments_that_make_no_sense(
    film: Path, arguments: dict[str, object], error: type[cfork.CforkError], words: str
) -> None:
    with pytest.raises(error, match=words):
        cfork.remix(film, **arguments)  # type: ignore[arg-type]


# ---- arrays ----


@pytest.mark.parametrize("shape", [(RATE,), (1, RATE), (2, RATE), (6, 3 * RATE + 5)])
def test_arrays_keep_their_shape(loads: list[str], shape: tuple[int, ...]) -> None:
    sound = noise(1 if len(shape) == 1 else shape[0], shape[-1]).reshape(shape)
    found = cfork.Separator().separate(sound, RATE)
    assert found.sample_rate == RATE
    assert found.mixture.shape == shape
    for name, share in SHARES.items():
        assert found.stems[name].shape == shape
        np.testing.assert_allclose(found.stems[name], share * sound, atol=1e-6)


def test_integers_are_full_scale_at_their_limit(loads: list[str]) -> None:
    sound = (noise(2, RATE) * 32_767).astype(np.int16)
    found = cfork.Separator().separate(sound, RATE, stems=["music"])
    np.testing.assert_allclose(found.stems["music"], 0.5 * sound / 32_768, atol=1e-6)


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (np.zeros((RATE, 2), np.float32), "transpose it"),
        (np.zeros((2, 2, 100), np.float32), "is an array"),
        (np.zeros(0, np.float32), "is an array"),
        (np.zeros((1, 100), bool), "floats or signed integers"),
    ],
)
def test_arrays_that_are_refused(loads: list[str], sound: np.ndarray, words: str) -> None:
    with pytest.raises(cfork.UsageError, match=words):
        cfork.Separator().separate(sound, RATE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sample_rate": 0}, "0 is not a sample rate"),
        ({"sample_rate": -5}, "-5 is not a sample rate"),
        ({"sample_rate": 48000.5}, "is not a sample rate"),
        ({"layout": "5.1"}, "is not a layout of 2 channels"),
        ({"layout": "nope"}, "is not a layout of 2 channels"),
        ({"lufs": float("nan")}, "is no loudness"),
        ({"lufs": 500.0}, "is no loudness"),
        ({"stems": ["drums"]}, "is not a stem"),
    ],
)
def test_facts_of_arrays_that_are_refused(loads: list[str], arguments: dict[str, object], words: str) -> None:
    with pytest.raises(cfork.UsageError, match=words):
        cfork.Separator().separate(noise(2, 1000), **{"sample_rate": RATE, **arguments})  # type: ignore[arg-type]


def test_the_model_of_a_separator_counts(film: Path, loads: list[str]) -> None:
    separator = cfork.Separator("cfork")
    cfork.remix(film, music=-3, model="missing", output=film.with_name("a.wav"), separator=separator)
    assert loads == ["cfork"]


@pytest.mark.parametrize("start", [float("nan"), -1.0, float("inf")])
def test_numbers_that_are_no_time(film: Path, start: float) -> None:
    with pytest.raises(cfork.UsageError, match="is not a time"):
        cfork.plan(film, start=start)


def test_a_tiny_number_is_a_time(film: Path) -> None:
    assert cfork.plan(film, start=1e-5).facts["piece"]["start_seconds"] == pytest.approx(1e-5)


def test_a_stream_of_blocks(loads: list[str]) -> None:
    sound = noise(2, RATE)
    blocks = (sound[:, at : at + 1000] for at in range(0, RATE, 1000))
    pieces = list(cfork.Separator().stream(blocks, RATE, channels=2, lufs=-20.0, stems=["effects"]))
    np.testing.assert_allclose(np.concatenate([mixture for mixture, _ in pieces], axis=1), sound, atol=1e-7)
    found = np.concatenate([stems["effects"] for _, stems in pieces], axis=1)
    np.testing.assert_allclose(found, 0.2 * sound, atol=1e-6)


def test_a_film_piece_by_piece(film: Path, loads: list[str]) -> None:
    pieces = list(cfork.Separator().film(film, start=0.5, end="0:01.5", stems=["music"]))
    assert {rate for rate, _, _ in pieces} == {RATE}
    found = np.concatenate([stems["music"] for _, _, stems in pieces], axis=1)
    np.testing.assert_allclose(found, 0.5 * samples(film)[:, RATE // 2 : RATE * 3 // 2], atol=1e-6)


# ---- the package ----


def run(code: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    there = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, *code.split(" ", 1)] if code.startswith("-m") else [sys.executable, "-c", code],
        cwd=cwd, env=there, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_importing_is_cheap() -> None:
    heavy = "{'torch', 'numpy', 'scipy', 'rich', 'typer', 'av', 'soundfile'}"
    done = run(f"import sys, cfork\ncfork.remix\ncfork.Separator\nprint(sorted({heavy} & set(sys.modules)))")
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_every_public_name_is_there() -> None:
    assert set(dir(cfork)) >= {"remix", "separate", "plan", "probe", "Separator", "Result", "CforkError"}
    for name in cfork.__all__:
        assert getattr(cfork, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'gui'"):
        cfork.gui  # noqa: B018


def test_python_m_cfork_is_the_command(place: Path) -> None:
    done = run("-m cfork", cwd=place)
    assert done.returncode == 0
    assert "cfork [OPTIONS] COMMAND" in done.stdout


def test_a_foreign_model_is_one_clear_line(place: Path) -> None:
    (place / "model.py").write_text("print('mine')\n")
    ahead = f"{place}:{ROOT}"
    for code in ("-m cfork", "import sys, cfork.__main__ as m; m.main()"):
        done = run(code, cwd=place, PYTHONPATH=ahead)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines() == [
            f"cfork: '{place / 'model.py'}' hides the package 'model' of cfork: run cfork from another folder, "
            "or rename that file"
        ]
    done = run("import cfork; cfork.remix", cwd=place, PYTHONPATH=ahead)
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: '{place / 'model.py'}' hides the package 'model'")


SCRIPT = str(ROOT / "examples" / "progress_and_stems.py")


def test_every_package_says_that_it_is_typed() -> None:
    """`mypy` itself reads examples/progress_and_stems.py and tests/api/script_of_a_user.py, see pyproject.toml."""
    for package in ("cfork", "cfork_cli", "model"):
        assert (ROOT / package / "py.typed").is_file()


def test_the_example_script(place: Path, films_here: Path) -> None:
    import shutil

    film = place / "plain.mkv"
    shutil.copy(films_here / "plain.mkv", film)
    done = run(f"import sys, runpy\nsys.argv = ['x', {str(film)!r}]\nrunpy.run_path({SCRIPT!r}, run_name='__main__')")
    assert done.returncode == 0, done.stderr
    assert f"wrote {place / 'plain.louder.mkv'} at" in done.stdout
    assert done.stdout.endswith("cancelled: nothing was written\n")
    assert listing(place).keys() == {"plain.mkv", "plain.louder.mkv"}
