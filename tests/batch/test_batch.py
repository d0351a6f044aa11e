"""Done work is not done again; what changed is; nothing of others is replaced."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import listing
from support.engines import Breaks
from support.films import Sound, make

from cfork_cli.batch import journal as journals
from cfork_cli.batch import one
from cfork_cli.batch.engine import Here
from cfork_cli.batch.film import Do, Event, Film, Finished, InPlace, Outcome, Started, Status
from cfork_cli.batch.journal import NAME, Journal
from cfork_cli.batch.one import do_film, failure
from cfork_cli.batch.prints import fingerprint, signature
from cfork_cli.batch.run import UNTOLD, Batch
from cfork_cli.errors import CforkError, OutputError
from cfork_cli.flows.jobs import RemixJob, SeparateJob
from cfork_cli.flows.report import Report, Result
from cfork_cli.media.probe import probe

LEVEL = RemixJob(Path(), None, {"music": 0.0, "dialogue": 0.0, "effects": 0.0}, title="New")
"""A remix that needs no network."""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make(tmp_path / "film.mkv", Sound(codec="flac"), seconds=1)


def run(*films: Film, do: Do = do_film) -> list[Outcome]:
    """What came of each."""
    found = {event.number: event.outcome for event in Batch(films).run(Here(), 1, do) if isinstance(event, Finished)}
    return [found[number] for number in range(len(films))]


def statuses(*films: Film) -> list[str]:
    return [str(outcome.status) for outcome in run(*films)]


def levelled(path: Path, **changes: object) -> Film:
    return Film(replace(LEVEL, input=path, **changes))  # type: ignore[arg-type]


def test_done_work_is_not_done_again(film: Path) -> None:
    output = film.with_name("film.cfork.mkv")
    assert statuses(levelled(film)) == ["done"]
    before = listing(film.parent)
    assert statuses(levelled(film)) == ["unchanged"]
    assert listing(film.parent) == before
    assert statuses(levelled(film, force=True)) == ["done"]  # asked for: done again
    assert statuses(levelled(film)) == ["unchanged"]
    assert statuses(levelled(film, title="Newer")) == ["done"]  # other settings
    assert probe(output).audio[0].title == "Newer"
    output.unlink()
    assert statuses(levelled(film, title="Newer")) == ["done"]  # an output that is gone
    os.utime(film, ns=(1, film.stat().st_mtime_ns + 1_000_000))
    assert statuses(levelled(film, title="Newer")) == ["done"]  # another film
    assert statuses(levelled(film, title="Newer")) == ["unchanged"]


def test_what_others_wrote_or_edited_is_not_replaced(film: Path) -> None:
    output = film.with_name("film.cfork.mkv")
    output.write_bytes(b"somebody's")
    [outcome] = run(levelled(film))
    assert (outcome.status, outcome.exit_code) == (Status.failed, 4)
    assert "exists already" in outcome.reason
    assert output.read_bytes() == b"somebody's"
    assert statuses(levelled(film, force=True)) == ["done"]
    with output.open("ab") as file:
        file.write(b"edited")
    [outcome] = run(levelled(film))
    assert (outcome.status, outcome.exit_code) == (Status.failed, 4)
    assert "was changed after it was written" in outcome.reason
    assert output.read_bytes().endswith(b"edited")
    assert statuses(levelled(film, force=True)) == ["done"]
    assert statuses(levelled(film)) == ["unchanged"]


def test_a_bad_film_stops_no_other_and_is_tried_again(film: Path) -> None:
    bad, gone = film.with_name("bad.mkv"), film.with_name("gone.mkv")
    bad.write_bytes(b"no film")
    first = run(levelled(bad), levelled(film), levelled(gone))
    assert [(one.status, one.exit_code) for one in first] == [
        (Status.failed, 3), (Status.done, 0), (Status.failed, 3),
    ]  # fmt: skip
    assert all("\n" not in one.reason for one in first)
    assert statuses(levelled(bad), levelled(film), levelled(gone)) == ["failed", "unchanged", "failed"]
    shutil.copy(film, bad)
    assert statuses(levelled(bad)) == ["done"]


def test_names_that_clash_are_told_before_the_work(film: Path) -> None:
    other = film.with_name("other.mkv")
    shutil.copy(film, other)
    out = film.with_name("out.mkv")
    outcomes = run(levelled(film, output=out), levelled(other, output=out))
    assert [one.exit_code for one in outcomes] == [2, 2]
    assert "'out.mkv' would be that of" in outcomes[0].reason.replace(f"{film.parent}/", "")
    [outcome, _] = run(levelled(film, output=other), levelled(other))
    assert "is one of the films that are read" in outcome.reason
    assert not out.exists()


def test_settings_and_files_that_they_name_make_the_signature(film: Path) -> None:
    jobs = [
        LEVEL, replace(LEVEL, title="x"), replace(LEVEL, codec="aac"), replace(LEVEL, start=1.0),
        replace(LEVEL, gains_db={**LEVEL.gains_db, "music": -3.0}), SeparateJob(Path(), Path()),
    ]  # fmt: skip
    assert len({signature(job) for job in jobs}) == len(jobs)
    assert signature(replace(LEVEL, input=film, output=film, force=True, preset="p")) == signature(LEVEL)


def test_the_weights_belong_to_the_signature(tiny_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    shutil.copy(tiny_model, model)
    job = SeparateJob(Path(), Path(), model=str(model))
    first = signature(job)
    with model.open("ab") as file:
        file.write(b"x")
    assert signature(job) != first


def test_a_fingerprint_sees_head_tail_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(300_000))
    seen = {fingerprint(path)}
    for place in (0, 299_999):
        data = bytearray(300_000)
        data[place] = 1
        path.write_bytes(data)
        os.utime(path, ns=(0, 0))
        seen.add(fingerprint(path))
    assert len(seen) == 3
    assert len({found.digest for found in seen if found is not None}) == 3
    assert fingerprint(tmp_path / "no") is None
    assert fingerprint(tmp_path) is None


# ---- crashes, by what they leave ----


def crashed(film: Film, *, after: bool) -> None:
    """Begin a film, and crash: after its output has its name, or before."""

    def do(film: Film, report: object) -> Outcome:
        if after:
            do_film(film)
        raise KeyboardInterrupt  # nothing after this is written, as by kill -9

    with contextlib.suppress(KeyboardInterrupt):
        run(film, do=do)


def test_a_crash_before_the_output(film: Path) -> None:
    crashed(levelled(film), after=False)
    assert statuses(levelled(film)) == ["done"]


def test_a_crash_between_output_and_journal_does_nothing_twice(film: Path) -> None:
    crashed(levelled(film), after=True)
    output = film.with_name("film.cfork.mkv")
    made = output.stat().st_mtime_ns
    assert statuses(levelled(film)) == ["unchanged"]
    assert output.stat().st_mtime_ns == made


def test_a_crash_of_a_second_run_keeps_what_the_first_made(film: Path) -> None:
    assert statuses(levelled(film)) == ["done"]
    crashed(levelled(film, title="Newer"), after=False)
    assert statuses(levelled(film)) == ["unchanged"]


def test_somebodys_file_is_not_taken_for_ours_after_a_crash(film: Path) -> None:
    output = film.with_name("film.cfork.mkv")
    output.write_bytes(b"somebody's")
    crashed(levelled(film), after=False)
    assert statuses(levelled(film)) == ["failed"]
    assert output.read_bytes() == b"somebody's"


@pytest.mark.parametrize("sidecar", [False, True])
def test_outputs_of_which_some_are_there_after_a_crash(film: Path, sidecar: bool) -> None:
    """A crash between the names of several files: the rest is made, and those are replaced."""
    if sidecar:
        one = levelled(film, sidecar=True)
        crashed(one, after=True)
        assert statuses(one) == ["done"]
        assert statuses(one) == ["unchanged"]
        return
    folder = film.with_name("film.stems")
    job = SeparateJob(film, folder)
    book = Journal(film.parent)
    source = fingerprint(film)
    assert source is not None
    book.begin(Film(job), signature(job), source)
    assert Batch([Film(job)]).decisions[0].film.job.force is False
    folder.mkdir()
    (folder / "dialogue.wav").write_bytes(b"x")
    assert Batch([Film(job)]).decisions[0].film.job.force is True


def test_torn_and_foreign_lines_cost_nothing_else(film: Path) -> None:
    assert statuses(levelled(film)) == ["done"]
    path = film.with_name(NAME)
    with path.open("ab") as file:
        line = path.read_bytes().splitlines(keepends=True)[-1]
        file.write(b"\x00\xff\n[]\n{}\nnull\n" + b"[" * 100_000 + b"\n")
        file.write(line.replace(b'"film.cfork.mkv"', b'"a\\u0000b"') + line.replace(b"null", b"[1e999, NaN, 0]"))
        file.write(line[:40])
    assert statuses(levelled(film)) == ["unchanged"]
    assert statuses(levelled(film, title="Newer")) == ["done"]
    assert statuses(levelled(film, title="Newer")) == ["unchanged"]


def test_a_journal_that_cannot_be_written_is_told_and_loses_nothing(
    film: Path,
) -> None:
    film.with_name(NAME).mkdir()
    [outcome] = run(levelled(film))
    assert (outcome.status, outcome.exit_code) == (Status.failed, 4)
    assert ".cfork.jsonl' cannot be read (Is a directory)" in outcome.reason


def test_folders_are_made_and_only_kept_for_outputs(film: Path) -> None:
    bad = film.with_name("bad.mkv")
    bad.write_bytes(b"no film")
    good = levelled(film, output=film.parent / "o" / "p" / "film.cfork.mkv")
    assert statuses(good, levelled(bad, output=film.parent / "q" / "r" / "bad.cfork.mkv")) == ["done", "failed"]
    assert (film.parent / "o" / "p" / "film.cfork.mkv").exists()
    assert not (film.parent / "q").exists()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells its open descriptors so")
def test_many_films_in_one_process_leave_nothing_open(film: Path) -> None:
    many = [levelled(film, output=film.parent / f"{number}.mkv") for number in range(6)]
    opened: list[int] = []
    for event in Batch(many).run(Here()):
        if isinstance(event, Finished):
            assert event.outcome.status is Status.done
            opened.append(len(os.listdir("/proc/self/fd")))
    assert opened[1:] == [opened[1]] * 5


def test_closing_the_events_ends_the_work(film: Path) -> None:
    events = Batch([levelled(film), levelled(film.with_name("x.mkv"))]).run(Here())
    assert isinstance(next(events), Started)
    events.close()  # type: ignore[attr-defined]
    assert not film.with_name("film.cfork.mkv").exists()


# ---- in place ----


def gone(outcome: Outcome) -> Outcome:
    """What is known of a film whose worker has gone before it told."""
    return replace(failure(outcome.film, CforkError("killed")), is_lost=True)


def untouched(outcome: Outcome) -> Outcome:
    return outcome


@pytest.mark.parametrize(
    ("lost", "interrupted", "is_in_place"), [(True, True, False), (True, False, True), (False, True, True)]
)
def test_a_film_that_is_complete_is_done_whoever_ends_before_telling(
    film: Path, lost: bool, interrupted: bool, is_in_place: bool
) -> None:
    one = in_place(film) if is_in_place else levelled(film)
    batch = Batch([one])
    found: list[Event] = []
    with pytest.raises(KeyboardInterrupt) if interrupted else contextlib.nullcontext():
        found.extend(batch.run(Breaks(gone if lost else untouched, interrupted=interrupted)))
    last = batch.late if interrupted else [event for event in found if isinstance(event, Finished)]
    assert [(event.outcome.status, event.outcome.outputs) for event in last] == [
        (Status.done, (film if is_in_place else film.with_name("film.cfork.mkv"),))
    ]
    assert (UNTOLD in last[0].outcome.notes) == lost
    assert statuses(one) == ["unchanged"]


def test_a_film_of_which_nothing_came_is_not_done(film: Path) -> None:
    """Also where an earlier run left an output, and where somebody writes one later."""
    assert statuses(levelled(film)) == ["done"]

    def nothing(film: Film, report: Report | None = None) -> Outcome:
        return Outcome(film, Status.done)

    again, engine = Batch([levelled(film, force=True)]), Breaks(gone, interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        list(again.run(engine, do=nothing))
    assert again.late == []
    film.with_name("film.cfork.mkv").unlink()
    [event] = [one for one in Batch([levelled(film)]).run(Breaks(gone, interrupted=False), do=nothing)
               if isinstance(one, Finished)]  # fmt: skip
    assert event.outcome.status is Status.failed
    film.with_name("film.cfork.mkv").write_bytes(b"somebody's")
    assert statuses(levelled(film)) == ["failed"]


def in_place(path: Path, *, backup: bool = True, **changes: object) -> Film:
    return Film(replace(LEVEL, input=path, **changes), InPlace(backup))  # type: ignore[arg-type]


def test_in_place(film: Path) -> None:
    old, mode = film.read_bytes(), 0o640
    film.chmod(mode)
    [outcome] = run(in_place(film))
    assert (outcome.status, outcome.outputs) == (Status.done, (film,))
    assert probe(film).audio[0].title == "New"
    assert film.stat().st_mode & 0o777 == mode
    backup = film.with_name("film.mkv.bak")
    assert backup.read_bytes() == old
    assert sorted(listing(film.parent)) == sorted([NAME, "film.mkv", "film.mkv.bak"])
    assert statuses(in_place(film)) == ["unchanged"]


def test_in_place_with_other_settings_begins_with_the_film_that_was(film: Path) -> None:
    old = film.read_bytes()
    run(in_place(film))
    assert statuses(in_place(film, title="Newer")) == ["done"]
    assert probe(film).audio[0].title == "Newer"
    assert film.with_name("film.mkv.bak").read_bytes() == old
    film.with_name("film.mkv.bak").unlink()
    [outcome] = run(in_place(film, title="Newest"))
    assert "was remixed in place with other settings" in outcome.reason
    assert probe(film).audio[0].title == "Newer"


def test_in_place_without_a_backup(film: Path) -> None:
    assert [one.status for one in run(in_place(film, backup=False))] == [Status.done]
    assert sorted(listing(film.parent)) == sorted([NAME, "film.mkv"])


def test_in_place_leaves_a_backup_of_others_and_read_only_films_alone(film: Path) -> None:
    backup = film.with_name("film.mkv.bak")
    backup.write_bytes(b"somebody's")
    before = film.read_bytes()
    [outcome] = run(in_place(film))
    assert "film.mkv.bak' exists already" in outcome.reason
    backup.unlink()
    film.chmod(0o444)
    [outcome] = run(in_place(film))
    assert "is read-only" in outcome.reason
    assert film.read_bytes() == before


def test_in_place_other_hard_links_keep_the_old_film(film: Path) -> None:
    seeded = film.with_name("seeded.mkv")
    os.link(film, seeded)
    old = seeded.read_bytes()
    assert [one.status for one in run(in_place(film))] == [Status.done]
    assert seeded.read_bytes() == old == film.with_name("film.mkv.bak").read_bytes()
    assert film.read_bytes() != old


def test_in_place_a_symbolic_link_stays(film: Path) -> None:
    folder = film.parent / "library"
    folder.mkdir()
    link = folder / "link.mkv"
    link.symlink_to(film)
    old = film.read_bytes()
    assert statuses(in_place(link)) == ["done"]
    assert link.is_symlink()
    assert probe(film).audio[0].title == "New"
    assert film.with_name("film.mkv.bak").read_bytes() == old
    assert statuses(in_place(link)) == ["unchanged"]


def test_in_place_without_hard_links(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("cfork_cli.batch.in_place.os.link", refused)
    old = film.read_bytes()
    assert statuses(in_place(film)) == ["done"]
    assert film.with_name("film.mkv.bak").read_bytes() == old


@pytest.mark.parametrize(("step", "links"), [("journal", True), ("link", True), ("replace", True), ("replace", False)])
def test_a_crash_in_place_loses_neither_film(
    film: Path, monkeypatch: pytest.MonkeyPatch, step: str, links: bool
) -> None:
    """The process ends before each step that changes a name; the run after it finds all it needs."""
    old = film.read_bytes()

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    target = {
        "journal": "cfork_cli.batch.in_place.Journal.ready",
        "link": "cfork_cli.batch.in_place._keep",
        "replace": "cfork_cli.batch.in_place.os.replace",
    }[step]
    with monkeypatch.context() as patch:
        if not links:
            patch.setattr("cfork_cli.batch.in_place._keep", lambda path, backup: shutil.copy2(path, backup))
        patch.setattr(target, killed)
        with pytest.raises(Killed):
            run(in_place(film))
    kept = [path.read_bytes() for path in (film, film.with_name("film.mkv.bak")) if path.exists()]
    assert kept[0] == old
    assert statuses(in_place(film)) == ["done"]
    assert probe(film).audio[0].title == "New"
    assert film.with_name("film.mkv.bak").read_bytes() == old
    assert statuses(in_place(film)) == ["unchanged"]


def test_a_crash_after_the_names_does_nothing_twice(film: Path) -> None:
    old = film.read_bytes()
    crashed(in_place(film), after=True)
    made = film.read_bytes()
    assert statuses(in_place(film)) == ["unchanged"]
    assert film.read_bytes() == made
    assert film.with_name("film.mkv.bak").read_bytes() == old


def test_a_film_that_changes_meanwhile_is_not_replaced(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cfork_cli.batch import in_place as places

    def touched(path: Path, new: Path, look: Callable[..., None] = places._look_alike) -> None:
        look(path, new)
        path.write_bytes(path.read_bytes() + b"more")

    monkeypatch.setattr(places, "_look_alike", touched)
    [outcome] = run(in_place(film))
    assert "was changed meanwhile" in outcome.reason
    assert film.read_bytes().endswith(b"more")
    assert sorted(listing(film.parent)) == sorted([NAME, "film.mkv"])


def test_streams_that_cannot_come_along_need_a_backup(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avi = make(film.with_name("film.avi"), Sound(codec="pcm_s16le"), seconds=1)
    mp4 = film.with_name("film.mp4")
    shutil.copy(avi, mp4)
    before = mp4.read_bytes()
    from cfork_cli.batch import in_place as places

    real = places.planned_remix

    @contextlib.contextmanager
    def poorer(*arguments: object, **options: object):  # type: ignore[no-untyped-def]
        with real(*arguments, **options) as plan:  # type: ignore[arg-type]
            path, one = plan.outputs[0]
            less = replace(one, entries=tuple(entry for entry in one.entries if entry.stream.kind == "audio"))
            yield replace(plan, outputs=((path, less),))

    monkeypatch.setattr(places, "planned_remix", poorer)
    [outcome] = run(in_place(mp4, backup=False))
    assert "leave --no-backup away" in outcome.reason
    assert mp4.read_bytes() == before


def test_the_journal_is_read_once_a_folder(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    real = journals.Journal.__init__

    def counted(self: Journal, folder: Path) -> None:
        made.append(folder)
        real(self, folder)

    monkeypatch.setattr(journals.Journal, "__init__", counted)
    Batch([levelled(film), levelled(film.with_name("b.mkv"))])
    assert made == [film.parent]


def test_notes_that_are_given_during_the_work_are_not_lost(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def talking(job: object, *, report: Report, **options: object) -> Result:
        report.note("room is short")
        report.note("room is short")
        if "bad" in str(job):
            raise OutputError("the disk is full")
        return run_flow(job, report=report, **options)  # type: ignore[arg-type]

    run_flow = one.run.remix
    monkeypatch.setattr(one.run, "remix", talking)
    done, failed = run(levelled(film), levelled(film, title="bad", output=film.with_name("other.mkv")))
    assert (done.status, failed.status) == (Status.done, Status.failed)
    for outcome in (done, failed):
        assert list(outcome.as_json()["notes"]).count("room is short") == 1
