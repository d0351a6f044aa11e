"""`cfork evaluate`."""

from __future__ import annotations

import builtins
import csv
import json
import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.commands import Ran, echo_network, listing

from cfork_cli.errors import CforkError, InputError, translated
from cfork_cli.flows import network as networks
from cfork_cli.training import scoring
from model import SAMPLE_RATE

Command = Callable[..., Ran]
STEM_FILES = ("music", "speech", "sfx")
SPOKEN = ("dialogue", "music", "effects")


def write_scene(folder: Path, seed: int, silent: tuple[str, ...] = (), seconds: float = 1.0) -> None:
    """Noises that are loud, silent ones aside."""
    folder.mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(seed).standard_normal((3, round(seconds * SAMPLE_RATE)))
    stems = [audio * (name not in silent) for name, audio in zip(STEM_FILES, noise, strict=True)]
    for name, samples in zip((*STEM_FILES, "mix"), [*stems, np.sum(stems, axis=0)], strict=True):
        soundfile.write(folder / f"{name}.wav", samples, SAMPLE_RATE, subtype="FLOAT")


@pytest.fixture
def scenes(place: Path) -> Path:
    """Two scenes of a second."""
    for number in range(2):
        write_scene(place / "dnr" / str(number), number)
    return place / "dnr"


@pytest.fixture
def cases(place: Path) -> Path:
    """Two special cases, one of which is a class alone."""
    for number in range(2):
        write_scene(place / "cases" / "plain" / f"0{number}", number)
        write_scene(place / "cases" / "music-only" / f"0{number}", number, silent=("speech", "sfx"))
    (place / "cases" / "cases.json").write_text(json.dumps({"cases": {"plain": {}, "music-only": {}}}))
    return place / "cases"


@pytest.fixture
def echoes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models whose stems are shares of the mixture: "whole" all of it, "half" half, others a tenth to the dialogue."""
    shares = {"whole": (1.0, 1.0, 1.0), "half": (0.5, 0.5, 0.5)}
    made = {name: echo_network(found) for name, found in shares.items()}
    tenth = echo_network((1.0, 0.1, 0.1))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (made.get(model, tenth), "cpu"))


@pytest.mark.usefixtures("echoes")
def test_a_table_for_people(cfork: Command, scenes: Path) -> None:
    ran = cfork("evaluate", scenes, "--model", "whole")
    assert (ran.code, ran.err) == (0, "")
    rows = [line.split() for line in ran.out.splitlines() if line.strip()]
    assert [row[0] for row in rows[2:6]] == ["dialogue", "music", "effects", "remix"]
    # the estimate is the mixture
    assert rows[2][1] == rows[2][2]
    assert rows[2][3] in ("+0.00", "-0.00")
    assert "remix: dialogue +6 dB, music -6 dB, effects -6 dB" in ran.out
    assert "2 scenes, 2 s of sound" in ran.out
    assert "of sound a CPU second" in ran.out


@pytest.mark.usefixtures("echoes")
def test_figures_for_machines(cfork: Command, scenes: Path) -> None:
    ran = cfork("evaluate", scenes, "--scenes", "1", "--json")
    assert ran.code == 0
    found = ran.result
    (report,) = found["models"]
    assert report["model"] == "cfork"
    assert [scene["scene"] for scene in report["scenes"]] == ["0"]
    assert found["gains_db"] == {"music": -6.0, "dialogue": 6.0, "effects": -6.0}
    assert found["differences"] == []
    assert report["scenes"][0]["stems"]["dialogue"].keys() == {"si_sdr", "si_sdri", "snr", "snri"}
    for stem in report["summary"]["stems"].values():
        assert abs(stem["si_sdri"]["mean"]) < 0.01
    assert all(json.loads(line)["stage"] in ("load", "evaluate") for line in ran.lines)


@pytest.mark.usefixtures("echoes")
def test_a_remix_of_other_gains(cfork: Command, scenes: Path) -> None:
    gains = ["--dialog", "0", "--music", "mute", "--sfx", "+3 dB"]
    found = cfork("evaluate", scenes, "--json", *gains).result
    assert found["gains_db"] == {"music": None, "dialogue": 0.0, "effects": 3.0}  # JSON has no infinity
    assert "dialogue +0 dB, music mute, effects +3 dB" in cfork("evaluate", scenes, *gains).out


@pytest.mark.usefixtures("echoes")
def test_a_remix_of_what_is_not_there(cfork: Command, cases: Path, place: Path) -> None:
    """Only the plain scenes have dialogue that could change."""
    gains = ["--dialog", "6", "--music", "0", "--sfx", "0"]
    ran = cfork("evaluate", cases, *gains, "--model", "whole", "--model", "half", "-o", "a.csv")
    assert ran.code == 0
    assert "remix SNR" in ran.out
    rows = [line.split(",") for line in (place / "a.csv").read_text().splitlines() if ",remix," in line]
    assert [(row[1], row[6] != "") for row in rows[:4]] == [("plain", True)] * 2 + [("music-only", False)] * 2
    alone = cfork("evaluate", cases / "music-only", *gains)
    assert alone.code == 0
    assert "remix (SNR)" not in alone.out


@pytest.mark.usefixtures("echoes")
def test_models_side_by_side(cfork: Command, scenes: Path) -> None:
    models = ["--model", "whole", "--model", "half"]
    found = cfork("evaluate", scenes, *models, "--json").result
    assert [report["model"] for report in found["models"]] == ["whole", "half"]
    (difference,) = found["differences"]
    assert (difference["model"], difference["than"]) == ("half", "whole")
    for stem in SPOKEN:
        assert abs(difference["stems"][stem]["si_sdr"]["mean"]) < 0.01  # the level alone is no distortion
        # |s|^2 / |x - s|^2 = 1/2, and |s|^2 / |x/2 - s|^2 = 4/3, of equal powers
        assert difference["stems"][stem]["snr"]["mean"] == pytest.approx(10 * np.log10(8 / 3), abs=0.1)
        assert difference["stems"][stem]["snr"]["better"] == 1.0
    out = cfork("evaluate", scenes, *models).out
    assert "'half' against 'whole'" in out
    assert "% of 2" in out


@pytest.mark.usefixtures("echoes")
def test_special_cases(cfork: Command, cases: Path) -> None:
    found = cfork("evaluate", cases, "--model", "other", "--json").result
    (report,) = found["models"]
    assert list(report["cases"]) == ["plain", "music-only"]
    assert set(report["cases"]["plain"]["stems"]) == set(SPOKEN)
    alone = report["cases"]["music-only"]
    assert set(alone["stems"]["music"]) == {"si_sdr", "snr"}  # the mixture was perfect: nothing to gain
    for stem in ("dialogue", "effects"):
        assert alone["leakage"][stem]["mean"] == pytest.approx(-20.0, abs=0.01)
    assert [scene["case"] for scene in report["scenes"]] == ["plain", "plain", "music-only", "music-only"]
    out = cfork("evaluate", cases, "--model", "whole", "--model", "half").out
    assert "leak to dialogue" in out
    assert "-6.02 (-6.02 to -6.02)" in out  # of half the amplitude
    assert "dialogue leakage" in out


@pytest.mark.usefixtures("echoes")
def test_a_whole_set_and_its_splits(cfork: Command, scenes: Path, place: Path) -> None:
    (place / "set").mkdir()
    scenes.rename(place / "set" / "cv")
    write_scene(place / "set" / "tt" / "7", 7)
    for arguments, wanted in (([], ["7"]), (["--split", "cv"], ["0", "1"])):
        (report,) = cfork("evaluate", place / "set", "--json", *arguments).result["models"]
        assert [scene["scene"] for scene in report["scenes"]] == wanted
    ran = cfork("evaluate", place / "set", "--split", "tr")
    assert (ran.code, ran.out, len(ran.lines)) == (3, "", 1)


@pytest.mark.usefixtures("echoes")
def test_a_missing_stem_is_told(cfork: Command, scenes: Path) -> None:
    (scenes / "1" / "sfx.wav").unlink()
    ran = cfork("evaluate", scenes, "--model", "whole")
    assert ran.code == 0
    assert "1 of 2 scenes have no file for a stem" in ran.err
    (report,) = cfork("evaluate", scenes, "--json").result["models"]
    assert [scene["restored"] for scene in report["scenes"]] == [[], ["effects"]]


@pytest.mark.usefixtures("echoes")
def test_files(cfork: Command, cases: Path, place: Path) -> None:
    ran = cfork("evaluate", cases, "--model", "other", "-o", "scores.csv")
    assert ran.code == 0
    assert ran.lines == ["wrote scores.csv"]
    with (place / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4 + 2 * 4  # three stems and a remix, each scene
    (leak,) = [row for row in rows if (row["case"], row["scene"], row["stem"]) == ("music-only", "00", "effects")]
    assert (leak["si_sdr_db"], float(leak["leakage_db"])) == ("", pytest.approx(-20.0, abs=0.01))
    found = cfork("evaluate", cases, "-o", "scores.json", "--json").result
    written = json.loads((place / "scores.json").read_text())
    assert written["models"][0]["scenes"][0]["stems"] == found["models"][0]["scenes"][0]["stems"]
    before = listing(place)
    for name, words in (("scores.csv", "exists already"), ("scores.txt", "end it in .json, .csv or .md"), (".", "")):
        ran = cfork("evaluate", cases, "-o", name)
        assert ran.code in (2, 4)
        assert words in ran.err
    assert listing(place) == before
    assert cfork("evaluate", cases, "-o", "scores.csv", "--force", "--scenes", "1").code == 0
    assert len((place / "scores.csv").read_text().splitlines()) == 1 + 4 + 4


@pytest.mark.usefixtures("echoes")
def test_tables_for_documents(cfork: Command, scenes: Path, place: Path) -> None:
    assert cfork("evaluate", scenes, "--model", "whole", "--model", "half", "-o", "scores.md").code == 0
    first, voice, second, words = (place / "scores.md").read_text().split("\n\n")
    for table, rows in ((first, 2 + 4 * 2), (voice, 2 + 2), (second, 2 + 4)):
        lines = table.splitlines()
        assert len(lines) == rows
        assert len({line.count("|") for line in lines}) == 1
        assert set(lines[1]) == set("| -")
    assert "2 scenes, 2 s of sound" in words
    # one scene has no spread
    assert " to " not in cfork("evaluate", scenes, "--scenes", "1").out.partition("SI-SDR and SNR")[0]


def test_workers_find_the_same_and_end_with_the_first_error(scenes: Path, tiny_model: Path) -> None:
    """Real processes, and a file of weights that each loads by itself."""
    (scenes / "broken").mkdir()
    (scenes / "broken" / "mix.wav").write_text("no sound")
    folders = [scenes / "0", scenes / "1", scenes / "broken"]
    tasks = [scoring._Task(str(tiny_model), 0, number, folder) for number, folder in enumerate(folders)]
    gains_db = {"music": -6.0, "dialogue": 6.0, "effects": -6.0}
    loaded = {str(tiny_model): networks.load_network(str(tiny_model), "cpu")[0]}
    alone = dict(scoring._here(tasks[:2], loaded, "cpu", gains_db))
    found = {}
    before = set(multiprocessing.active_children())  # other tests' own

    def gather() -> None:
        for task, scores in scoring._in_processes(tasks, 2, gains_db):
            found[task] = scores

    with pytest.raises(InputError, match=r"mix\.wav cannot be read"):
        gather()
    assert found  # the third begins when one of the others is done
    for task, scores in found.items():
        for stem in SPOKEN:
            assert scores.stems[stem]["si_sdr"] == pytest.approx(alone[task].stems[stem]["si_sdr"], abs=0.01)
    assert set(multiprocessing.active_children()) <= before


def test_workers_get_all_that_is_to_be_done(cfork: Command, cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = echo_network()
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))

    def backwards(tasks: Any, workers: int, gains_db: Any) -> Any:
        assert (len(tasks), workers) == (4, 4)  # no more workers than work
        return scoring._here(tasks[::-1], {"cfork": network}, "cpu", gains_db)

    alone = cfork("evaluate", cases, "--json").result
    monkeypatch.setattr(scoring, "_in_processes", backwards)
    shared = cfork("evaluate", cases, "--json", "--workers", "9").result
    assert shared["workers"] == 9
    (one,), (other,) = alone["models"], shared["models"]
    assert [scene["scene"] for scene in one["scenes"]] == [scene["scene"] for scene in other["scenes"]]
    assert one["cases"]["plain"]["stems"] == other["cases"]["plain"]["stems"]


def test_a_worker_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, *_: Any, **__: Any) -> None: ...
        def submit(self, *_: Any) -> None:
            raise BrokenProcessPool("a process in the process pool was terminated abruptly")

        def shutdown(self, **_: Any) -> None: ...

    monkeypatch.setattr(scoring, "ProcessPoolExecutor", Broken)
    with pytest.raises(CforkError, match="try fewer --workers"), translated("scoring"):
        list(scoring._in_processes([scoring._Task("cfork", 0, 0, Path("0"))], 2, {}))


def test_what_cannot_be_scored(
    cfork: Command, scenes: Path, place: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(code: int, *arguments: str | Path) -> str:
        ran = cfork("evaluate", *arguments)
        assert (ran.code, ran.out, len(ran.lines)) == (code, "", 1), ran.err
        return ran.err

    assert "no scenes in missing" in refused(3, "missing")
    assert "called 'missing'" in refused(7, scenes, "--model", "missing")
    assert "invalid value for '--scenes'" in refused(2, scenes, "--scenes", "0")
    assert "invalid value for '--split'" in refused(2, scenes, "--split", "test")
    assert "given twice" in refused(2, scenes, "--model", "cfork", "--model", "cfork")
    assert "all gains are 0 dB" in refused(2, scenes, "--dialog", "0", "--music", "0", "--effects", "0")
    with monkeypatch.context() as patch:
        patch.setattr(networks, "load_network", lambda model, *_: (echo_network(), "cuda"))
        assert "--workers is for the CPU" in refused(2, scenes, "--workers", "2")
    (place / "set" / "cv" / "0").mkdir(parents=True)
    (place / "set" / "cv" / "0" / "mix.wav").touch()
    shutil.copytree(place / "set" / "cv", place / "set" / "tr")
    assert "holds tr and cv: name the split with --split" in refused(3, "set")
    assert "mix.wav cannot be read" in refused(3, "set", "--split", "cv", "--model", tiny_model)
    (scenes / "0" / "sfx.wav").unlink()
    (scenes / "0" / "music.wav").unlink()
    assert "has no music and sfx" in refused(3, scenes, "--model", tiny_model)


def test_scoring_without_its_packages(cfork: Command, scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "pyloudnorm":
            raise ModuleNotFoundError("No module named 'pyloudnorm'", name="pyloudnorm")
        return whole(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    ran = cfork("evaluate", scenes)
    assert ran.code == 2
    assert ran.err == "cfork: scoring needs the package 'pyloudnorm': pip install 'cfork[train]'\n"


@pytest.mark.usefixtures("echoes")
def test_models_that_do_not_keep_the_level_are_told(
    cfork: Command, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = echo_network((1.0, 1.0, 1.0))
    network.level_matched = False
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    ran = cfork("evaluate", scenes, "--model", "paper")
    assert ran.code == 0
    assert "note: the stems of 'paper' do not keep the level" in ran.err
