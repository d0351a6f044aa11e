"""Metrics of training as pictures: what is read, how it is smoothed, that runs can be compared."""

import json
import sys

import numpy as np
import pytest

from model import STEMS
from model.train import curves
from model.train.curves import draw_comparison, draw_run, read_run, smooth, write_picture


def line(step, **values):
    return json.dumps({"step": step, "minutes": step / 100, **values})


def report(step, loss=1.0):
    return line(step, loss=dict.fromkeys(STEMS, loss), lr=1e-3, norm=2.0, audio_hours=step / 1000)


def validation(step, gain=3.0, **more):
    return line(step, validation={**{f"si_sdri_{stem}": gain for stem in STEMS}, **more})


@pytest.fixture
def metrics(tmp_path):
    def write(*lines, name="run"):
        path = tmp_path / name / "metrics.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines))
        return path

    return write


def test_a_run_is_its_reports_and_validations(metrics):
    run = read_run(metrics(report(50, 2.0), validation(60), report(100, 1.0)))
    assert run.name == "run"
    at, loss = run.loss("music")
    assert at.tolist() == [0.5, 1.0]
    assert loss.tolist() == [2.0, 1.0]
    assert run.loss("music", "audio_hours")[0].tolist() == [0.05, 0.1]
    assert run.of_reports("lr", "step")[0].tolist() == [50, 100]
    assert [part.tolist() for part in run.validation("si_sdri_dialogue")] == [[0.6], [3.0]]
    assert len(run.validation("si_sdri_dialogue_mean")[0]) == 0  # older runs have none


def test_what_was_trained_again_replaces_what_was_lost(metrics):
    run = read_run(metrics(report(50), report(100, 9.0), validation(100), report(100, 1.0), report(150)))
    assert [one["step"] for one in run.reports] == [50, 100, 100, 150]
    run = read_run(metrics(report(50), report(100, 9.0), report(150, 9.0), report(100, 1.0), report(150)))
    assert run.loss("music", "step")[1].tolist() == [1.0, 9.0, 1.0, 1.0]


def test_a_line_that_is_being_written_is_left_out(metrics):
    assert len(read_run(metrics(report(50), '{"step": 100, "los')).reports) == 1
    with pytest.raises(ValueError, match="line 1 is not JSON"):
        read_run(metrics("what", report(50)))
    with pytest.raises(ValueError, match="no losses yet"):
        read_run(metrics(validation(3)))
    with pytest.raises(FileNotFoundError):
        read_run(metrics(report(50)).with_name("other"))


@pytest.mark.parametrize(
    "line",
    ['{"step": 75, "minutes": 0.5, "loss": 3.0}', '{"step": "75", "minutes": 0.5}',
     '{"step": 75, "loss": {"music": 1.0}}', '{"step": 75, "minutes": 0.5, "validation": []}',
     '{"step": 75, "minutes": 0.5, "loss": {"music": "low"}}'],
)  # fmt: skip
def test_a_line_that_is_not_one_of_training_is_told(metrics, line):
    with pytest.raises(ValueError, match="line 2 is none that training writes"):
        read_run(metrics(report(50), line, report(100)))


def test_a_figure_that_was_none_has_no_point(metrics):
    run = read_run(metrics(report(50), validation(50, None), validation(70, 2.0)))
    assert run.validation("si_sdri_music")[0].tolist() == [0.7]


def test_smoothing_keeps_lines_and_quiets_noise():
    straight = np.linspace(0, 10, 200)
    np.testing.assert_allclose(smooth(straight, 4)[20:-20], straight[20:-20], atol=1e-9)  # no lag
    noise = np.random.default_rng(0).standard_normal(2000)
    assert smooth(noise, 8).std() < 0.25
    for count in (0, 1, 2, 3):
        assert smooth(noise[:count], 5).shape == (count,)
    assert smooth(noise, 100).min() > noise.min()


def test_runs_are_drawn(metrics, tmp_path):
    one = read_run(metrics(*(report(50 * n, 5 / n) for n in range(1, 9)), validation(400, loss=2.0), name="one"))
    two = read_run(metrics(report(50), name="two"))
    for run in (one, two):
        figure = draw_run(run)
        assert len(figure.axes) == 4
    assert "two" in figure.get_suptitle()
    comparison = draw_comparison([one, two], "step", 2.0)
    assert len(comparison.axes) == 8
    assert [text.get_text() for text in comparison.legends[0].get_texts()] == ["one", "two"]
    write_picture(comparison, tmp_path / "deep" / "curves.svg")
    assert "<svg" in (tmp_path / "deep" / "curves.svg").read_text()
    with pytest.raises(ValueError, match="xyz"):
        write_picture(figure, tmp_path / "deep" / "curves.xyz")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["curves.svg"]


def test_the_command_names_runs_so_that_they_differ(metrics, tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(curves, "write_picture", lambda figure, path: seen.append((figure, path)))
    one, two = metrics(report(50), name="one"), metrics(report(50), name="two")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["curves", *map(str, arguments)])
        curves.main()
        return seen.pop()

    assert run(one)[1] == one.with_name("metrics.png")
    figure, path = run(one.parent, two, "-o", tmp_path / "x.png", "--axis", "step")
    assert path == tmp_path / "x.png"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
    for wrong in ([one, two], [one, "--names", "a", "b"], [tmp_path / "none"]):
        with pytest.raises(SystemExit):
            run(*wrong)
    assert "need -o" in capsys.readouterr().err


def test_names_take_as_many_folders_as_tell_them_apart(tmp_path):
    paths = [tmp_path / "a" / "run" / "metrics.jsonl", tmp_path / "b" / "run" / "metrics.jsonl"]
    assert curves._unlike(paths) == ["a/run", "b/run"]
    assert curves._unlike([paths[0].with_name("1"), paths[0].with_name("2")]) == ["run/1", "run/2"]
