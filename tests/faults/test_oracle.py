"""The judge sees every promise that is broken, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from faults.kinds.watching import _kill_worker, _watched
from faults.oracle import MOST_BYTES, violations
from faults.running import Running
from faults.trial import Seen, Trial

from cfork_cli.batch.run import UNTOLD

FOLDER = Path("/films")
FILM, NEW = FOLDER / "film.mkv", FOLDER / "new.mkv"
TRIAL = Trial("whole", ["remix", "film.mkv", "-o", "new.mkv"], FOLDER, inputs=(FILM,), outputs=(NEW,), film_seconds=1.0)
BEFORE = {"film.mkv": "a"}
HEARD = {"new.mkv seconds": 1.0, "new.mkv errors": 0, "input seconds": 1.0, "input tracks": 1}
DONE = Seen((0,), b"", b"wrote new.mkv\n", 1.0, 1.0, 10**8, BEFORE, {**BEFORE, "new.mkv": "b"}, facts=HEARD)
REFUSED = replace(DONE, codes=(5,), err=b"cfork: 'film.mkv' is damaged\n", after=BEFORE, facts={})


@pytest.mark.parametrize("seen", [DONE, REFUSED])
def test_what_is_kept_is_no_violation(seen: Seen) -> None:
    assert violations(TRIAL, seen) == []


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (replace(REFUSED, codes=(9,)), "exit code 9"),
        (replace(REFUSED, codes=(-6,)), "exit code -6"),
        (replace(DONE, ended=False), "did not end"),
        (replace(DONE, left=("ffmpeg -i film.mkv",)), "outlived"),
        (replace(DONE, peak_bytes=MOST_BYTES + 1), "memory"),
        (replace(DONE, cpu_seconds=1000.0), "processor time"),
        (replace(DONE, heard=1), "connections"),
        (replace(REFUSED, err=b"Traceback (most recent call last):\ncfork: no\n"), "Traceback"),
        (replace(REFUSED, err=b"cfork: cfork itself failed (KeyError: 1)\n"), "cfork itself failed"),
        (replace(REFUSED, err=b"cfork: a\x1b[31mb\n"), "control character"),
        (replace(REFUSED, err="cfork: a\u202eb\n".encode()), "control character"),
        (replace(REFUSED, err=b""), "0 lines of error"),
        (replace(REFUSED, err=b"cfork: a\ncfork: b\n"), "2 lines of error"),
        (replace(DONE, err=b"cfork: a\n"), "exit code 0"),
        (replace(DONE, after={"film.mkv": "c", "new.mkv": "b"}), "was changed"),
        (replace(DONE, after={"new.mkv": "b"}), "was changed"),
        (replace(REFUSED, after={**BEFORE, "new.mkv": "b"}), "is there with exit code 5"),
        (replace(REFUSED, after={**BEFORE, ".cfork-1.mkv": "b"}), "left behind"),
        (replace(DONE, after={**DONE.after, "TMP/cfork-1": "b"}), "left behind"),
        (replace(DONE, after=BEFORE), "is not there"),
        (replace(DONE, facts={"new.mkv error": "no film"}), "cannot be read"),
        (replace(DONE, facts={**HEARD, "new.mkv errors": 2}), "cannot be decoded"),
        (replace(DONE, facts={**HEARD, "new.mkv seconds": 0.5}), "nothing was told"),
    ],
)
def test_what_is_broken_is_seen(seen: Seen, why: str) -> None:
    assert any(why in one for one in violations(TRIAL, seen))


def test_lost_sound_that_is_told_is_no_violation() -> None:
    seen = replace(DONE, err=b"note: gaps\nwrote new.mkv\n", facts={**HEARD, "new.mkv seconds": 0.5})
    assert violations(TRIAL, seen) == []


def test_machines_get_one_object_with_the_code() -> None:
    trial = replace(TRIAL, arguments=[*TRIAL.arguments, "--json"])
    told = replace(REFUSED, out=b'{"error": "damaged", "exit_code": 5}\n', err=b"")
    assert violations(trial, told) == []
    assert violations(trial, replace(told, out=b"")) == ["no JSON object with the exit code 5"]
    assert violations(trial, replace(told, out=told.out + told.out)) == [
        "more than one line on standard output with --json"
    ]


def test_what_a_kill_may_leave_and_what_not() -> None:
    killed = replace(DONE, codes=(-9,), err=b"", after={**BEFORE, ".cfork-1.mkv": "b"}, facts={})
    trial = replace(TRIAL, codes=frozenset({0, -9}), may_leave=True)
    assert violations(trial, killed) == []
    assert violations(trial, replace(killed, after={**BEFORE, "half.mkv": "b"})) == ["'half.mkv' is left behind"]


def test_of_two_one_has_to_do_it() -> None:
    trial = replace(TRIAL, second_after=0.1)
    assert violations(trial, replace(DONE, codes=(0, 4))) == []
    assert violations(trial, replace(REFUSED, codes=(4, 4)))


def test_an_act_that_found_no_moment_is_told_where_a_run_does_not_end() -> None:
    trial, seen = replace(TRIAL, acts=[(0.0, lambda _: True)] * 2), replace(DONE, ended=False, acts=1)
    assert "it did not end within 150 s (1 of 2 things to be done to it found no moment)" in violations(trial, seen)


def test_no_worker_is_waited_for_when_the_film_is_done(tmp_path: Path) -> None:
    """Or the signal that ends the trial would wait for it too."""
    run = Running(0, replace(TRIAL, real=True), 0.0)  # without any process
    assert not _kill_worker(tmp_path, 0.5, run)
    (tmp_path / "film.cfork.mkv").touch()
    assert _kill_worker(tmp_path, 0.5, run)


@pytest.mark.parametrize(
    ("said", "found"), [(b"", 1), (b"it was cut off: its end is missing", 0), (UNTOLD.encode(), 0)]
)
def test_half_a_film_makes_a_shorter_one_where_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, found: int
) -> None:
    (tmp_path / "film.cfork.ts").touch()
    monkeypatch.setattr("faults.reader.heard", lambda _: {"seconds": 0.6, "errors": 0})
    assert len(list(_watched(tmp_path, False, True, replace(DONE, err=said)))) == found
