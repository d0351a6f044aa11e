"""Figures of a set of scenes, against closed forms; and the picture of them."""

import json
import math

import numpy as np
import pytest
import soundfile as sf
import torch
from support.tiny_packs import chord, hiss, voice

from cfork_cli.app import run
from model import SAMPLE_RATE
from model.dnr import statistics
from model.dnr.annotations import Event, write_events
from model.dnr.statistics import COMBINATIONS, mixture_si_sdr, overlap, summarize, truncated_mean
from model.loudness import integrated_lufs
from model.metrics.losses import si_sdr


def event(kind, start, end):
    return Event("x", kind, start, end, 0, end - start, 1.0)


def test_shares_of_time_are_exact_and_complete():
    events = [event("speech", 0, 20), event("music", 10, 40), event("sfx", 15, 25), event("background", 24, 30)]
    shares = overlap(events, 60)
    assert set(shares) == set(COMBINATIONS)
    assert sum(shares.values()) == pytest.approx(1)
    wanted = {
        ("speech",): 10,
        ("music", "speech"): 5,
        ("music", "speech", "sfx"): 5,
        ("music", "sfx"): 10,
        ("music",): 10,
        (): 20,
    }
    assert {names: round(60 * share) for names, share in shares.items() if share} == wanted
    assert overlap([], 60)[()] == 1


def test_si_sdr_is_the_scores_own():
    rng = np.random.default_rng(0)
    stem = rng.standard_normal(5000).astype(np.float32)
    other = rng.standard_normal(5000).astype(np.float32)
    for gain in (0.1, 1.0, 3.0):
        mix = stem + np.float32(gain) * other
        own = float(si_sdr(torch.from_numpy(mix).double(), torch.from_numpy(stem).double()))
        assert mixture_si_sdr(mix, stem) == pytest.approx(own, abs=1e-3)
        assert mixture_si_sdr(5 * mix, stem) == pytest.approx(own, abs=1e-3)
    assert math.isnan(mixture_si_sdr(mix, np.zeros(5000)))
    sine, cosine = (wave(np.arange(4410) * 2 * np.pi / 441) for wave in (np.sin, np.cos))
    assert mixture_si_sdr(sine + 0.1 * cosine, sine) == pytest.approx(20, abs=1e-6)
    assert mixture_si_sdr(sine, sine) > 200


def test_means_of_the_recipe():
    assert truncated_mean("background") == pytest.approx(6 / (1 - math.exp(-6)))


@pytest.fixture
def tree(tmp_path):
    """Three scenes of four seconds; the last has no music."""
    for number in range(3):
        folder = tmp_path / "set/tt" / str(1000 + number)
        folder.mkdir(parents=True)
        parts = {"speech": voice(number, 4), "music": chord(number, 4) * (number < 2), "sfx": 0.3 * hiss(number, 4)}
        for name, sound in {**parts, "mix": sum(parts.values())}.items():
            sf.write(folder / f"{name}.wav", sound, SAMPLE_RATE, subtype="FLOAT")
        write_events(
            [event("speech", 0, 3), event("sfx", 1, 2), event("sfx", 3, 3.5)][: 3 - number], folder / "annots.csv"
        )
    return tmp_path / "set"


def test_facts_are_those_of_the_files(tree):
    facts = list(statistics.measure(statistics.folders_of(tree)))
    assert [one.scene for one in facts] == ["tt/1000", "tt/1001", "tt/1002"]
    assert [one.counts["sfx"] for one in facts] == [2, 1, 0]
    assert facts[0].lengths["sfx"] == [1, 0.5]
    assert facts[0].lufs["speech"] == pytest.approx(integrated_lufs(voice(0, 4), SAMPLE_RATE), abs=0.01)
    assert facts[2].lufs["music"] == -math.inf
    told = summarize(facts)
    assert told["scenes"] == 3
    assert told["events"]["sfx"]["mean"] == 1
    assert told["mixture_si_sdr_db"]["music"]["count"] == 2  # a silent stem has none
    assert told["mixture_si_sdr_db"]["speech"]["published"] == 1.0


def test_nothing_is_made_up_about_scenes_without_annotations(tree, tmp_path, capsys):
    (tree / "tt/1000/annots.csv").unlink()
    told = summarize(list(statistics.measure(statistics.folders_of(tree))))
    assert (told["scenes"], told["annotated"], told["events"]["sfx"]["count"]) == (3, 2, 2)
    assert told["events"]["sfx"]["mean"] == 0.5
    assert told["lufs"]["speech"]["count"] == 3
    for number in (1001, 1002):
        (tree / f"tt/{number}/annots.csv").unlink()
    picture = tmp_path / "stats.png"
    assert run(["dnr", "stats", str(tree), "-o", str(picture), "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert "music" in out  # the stems' loudness
    assert "events in a scene" not in out
    assert "3 of 3 scenes have no annots.csv" in err
    assert picture.exists()


def test_the_command_shows_a_table_and_draws_a_picture(tree, tmp_path, capsys):
    picture = tmp_path / "stats.png"
    assert run(["dnr", "stats", str(tree), "-o", str(picture), "--workers", "1"]) == 0
    out, _ = capsys.readouterr()
    assert "background" in out
    assert "published" in out
    before = picture.read_bytes()
    assert before.startswith(b"\x89PNG")
    assert run(["dnr", "stats", str(tree / "tt"), "-o", str(picture), "--workers", "1"]) == 4
    assert picture.read_bytes() == before
    capsys.readouterr()
    svg = tmp_path / "stats.svg"
    assert run(["dnr", "stats", str(tree / "tt"), "-o", str(svg), "--workers", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["scenes"] == 3
    assert told["lufs"]["music"]["count"] == 2
    assert "<svg" in svg.read_text()[:1000]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("tree_name", "picture", "code"), [("nowhere", "x.png", 3), ("nowhere", "x.txt", 2)])
def test_what_cannot_be_shown_is_told(tmp_path, capsys, tree_name, picture, code):
    assert run(["dnr", "stats", str(tmp_path / tree_name), "-o", str(tmp_path / picture)]) == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
