"""Films on a real Ray cluster of three nodes on this machine: the first has no cores, two do the work."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.commands import Ran, wait_until
from support.films import Sound, make
from support.readings import samples

from cfork_cli.batch import ray_cluster, ray_mailbox
from cfork_cli.batch.film import Film, Finished, Moved, Outcome, Started, Status, Waiting
from cfork_cli.batch.one import do_film
from cfork_cli.batch.ray_engine import RayEngine
from cfork_cli.batch.ray_mailbox import Has, Waits, Wants
from cfork_cli.batch.ray_pieces import RayPieces
from cfork_cli.batch.ray_slots import Slots, on, slots_of
from cfork_cli.batch.ray_worker import Caller, Seen, _settled, lacking, missing_here, of_the_worker, without_gpu
from cfork_cli.errors import CforkError, UsageError
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.flows.report import Report

ROOT = Path(__file__).parents[2]
STORE_BYTES = 80 << 20  # hardly more than the least that Ray takes

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1200)]  # warnings are Ray's own


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'cfork[cluster]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # it kills workers for what others on the machine take
        folder = tempfile.mkdtemp(prefix="cfork-", dir="/tmp")  # sockets have short names
        patch.setenv("RAY_TMPDIR", folder)
        import ray
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        found = patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
        try:
            for _ in range(2):
                patiently(lambda: found.add_node(num_cpus=1, object_store_memory=STORE_BYTES))
            ray.init(address=found.address, log_to_driver=False, logging_level="ERROR", namespace="cfork")
            yield found
        finally:
            ray.shutdown()
            found.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def patiently(begin: Callable[[], Any]) -> Any:
    """Begin a node, again where Ray's 30 seconds for it were not enough on a machine that is busy."""
    for left in (2, 1, 0):
        try:
            return begin()
        except Exception as error:
            if not left or "timed out" not in str(error):
                raise
    raise AssertionError


def job(place: Path, name: str, model: Path, output: str) -> RemixJob:
    gains_db = {"dialogue": 6.0, "music": -12.0, "effects": 0.0}
    return RemixJob(place / name, place / output, gains_db, model=str(model), device="cpu")


def outcomes(events: list[Any]) -> dict[int, Outcome]:
    """What came of each film; each began once, and has one outcome."""
    ends = [event for event in events if isinstance(event, Finished)]
    assert sorted(event.number for event in ends) == sorted(e.number for e in events if isinstance(e, Started))
    return {event.number: event.outcome for event in ends}


def test_films_and_their_pieces(cluster: Any, tmp_path: Path, tiny_model: Path) -> None:
    """One after the other on one cluster, as it takes long to begin."""
    _pieces_are_those_of_one_machine(tmp_path, tiny_model)
    _many_films_a_poison_and_a_lost_node(cluster, tmp_path, tiny_model)
    _a_full_cluster_and_a_worker_without_ffmpeg(cluster, tmp_path, tiny_model)


def _pieces_are_those_of_one_machine(place: Path, model: Path) -> None:
    """A film of several windows, by two workers: bit for bit what this process makes of it."""
    make(place / "long.mkv", Sound("flac", "stereo", sample_rate=44_100), seconds=50, picture=None)
    here = do_film(Film(job(place, "long.mkv", model, "here.mkv")))
    assert here.status is Status.done, here.reason
    there = Film(replace(job(place, "long.mkv", model, "there.mkv"), resume=True))
    events = list(RayEngine().run([there], do_film))
    outcome = outcomes(events)[0]
    assert outcome.status is Status.done, outcome.reason
    assert outcome.film == there
    assert any(isinstance(event, Moved) and event.stage == "remix" for event in events)
    np.testing.assert_array_equal(samples(place / "there.mkv"), samples(place / "here.mkv"))
    assert sorted(os.listdir(place)) == ["here.mkv", "long.mkv", "there.mkv"]


def _many_films_a_poison_and_a_lost_node(cluster: Any, place: Path, model: Path) -> None:
    names = [f"film{number}.mkv" for number in range(4)]
    for name in names:
        make(place / name, Sound("flac", "mono"), seconds=2, picture=None)
    (place / "bad.mkv").write_text("no film")
    films = [Film(job(place, name, model, f"new.{name}")) for name in (*names, "bad.mkv", "poison.mkv")]

    def do(film: Film, report: Report | None) -> Outcome:
        if film.input.name == "poison.mkv":
            os._exit(1)
        return do_film(film, report)

    node, events = next(iter(cluster.worker_nodes)), []
    for event in RayEngine().run(films, do):
        events.append(event)
        if node is not None and isinstance(event, Moved):  # somebody works
            cluster.remove_node(node, allow_graceful=False)
            node = None
    assert node is None
    found = outcomes(events)
    assert [found[number].status for number in range(4)] == [Status.done] * 4, [one.reason for one in found.values()]
    assert found[4].status is Status.failed
    assert found[4].exit_code == 3
    assert "3 workers were lost" in found[5].reason
    assert all(samples(place / f"new.{name}", channels=1).shape[1] == 2 * 48_000 for name in names)


def _a_full_cluster_and_a_worker_without_ffmpeg(cluster: Any, place: Path, model: Path) -> None:
    """A film in pieces, and two films, wait for others' work and say so; who has no ffmpeg is passed over."""
    import ray

    class Holder:
        def here(self) -> None:
            pass

    def held(node: str) -> Any:
        actor = ray.remote(Holder).options(num_cpus=1, scheduling_strategy=on(node)).remote()
        ray.get(actor.here.remote())
        return actor

    def alive() -> set[str]:
        return {node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}

    worker = next(iter(cluster.worker_nodes))
    good = worker.node_id
    assert wait_until(lambda: alive() == {good})
    odd = patiently(lambda: cluster.add_node(num_cpus=1, env_vars={"CFORK_FFMPEG": "/no/ffmpeg"})).node_id
    names = [f"waits{number}.mkv" for number in range(2)]
    for name in names:
        make(place / name, Sound("flac", "mono"), seconds=2, picture=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_mailbox, "WAIT_SECONDS", 0.1)
        holders, waits, events = [held(good), held(odd)], [], []
        for event in RayEngine().run([Film(job(place, names[0], model, "piecewise.mkv"))], do_film):
            events.append(event)
            if isinstance(event, Waiting):
                waits.append(event)
                while holders:
                    ray.kill(holders.pop())
        assert [(one.asked, one.free, one.whole) for one in waits[:1]] == [({"CPU": 1.0}, {"CPU": 0.0}, {"CPU": 2.0})]
        assert outcomes(events)[0].status is Status.done, outcomes(events)[0].reason

        holder, waits, events = held(good), [], []
        for event in RayEngine().run([Film(job(place, name, model, f"late.{name}")) for name in names], do_film):
            events.append(event)
            if isinstance(event, Waiting):
                waits.append(event)
            if isinstance(event, Waiting) and event.only:  # all that is left for them is the one that is held
                ray.kill(holder)
        found = outcomes(events)
        assert any(one.only for one in waits)
        assert [one.status for one in found.values()] == [Status.done] * 2, [one.reason for one in found.values()]
        notes = [note for one in found.values() for note in one.notes if "has no ffmpeg" in note]
        assert len(notes) == 1  # of the worker, not of each film
        assert "CFORK_FFMPEG is set to '/no/ffmpeg'" in notes[0]
        assert notes[0].endswith("another one did this film")

        cluster.remove_node(worker, allow_graceful=False)
        assert wait_until(lambda: alive() == {odd})
        events = list(RayEngine().run([Film(job(place, names[0], model, "never.mkv"))], do_film, 2))
    failed = outcomes(events)[0]
    assert (failed.status, failed.exit_code) == (Status.failed, 6)
    assert "has no ffmpeg" in failed.reason
    assert not (place / "never.mkv").exists()


def test_a_film_waits_where_nothing_of_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two words comes first: they come from two machines."""
    now = 100.0
    monkeypatch.setattr(ray_mailbox, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now)}))
    waits = Waits()
    waits.note(Wants(0, "a"))
    assert not waits.all_of([0])
    now += ray_mailbox.WAIT_SECONDS
    assert waits.all_of([0])
    assert not waits.all_of([])
    waits.note(Has(0, "a"))
    waits.note(Has(0, "b"))
    waits.note(Wants(0, "b"))
    now += ray_mailbox.WAIT_SECONDS
    assert not waits.all_of([0])
    waits.note(Wants(0, "c"))
    waits.note(Wants(1, "a"))
    waits.note(Moved(0, "remix", 1.0, None))
    now += ray_mailbox.WAIT_SECONDS
    assert waits.all_of([0, 1])
    waits.note(Moved(1, "remix", 1.0, None))
    assert waits.all_of([0])
    assert not waits.all_of([0, 1])  # one of them is in work
    waits.forget(0)
    assert not waits.all_of([0])


def test_what_a_worker_does_not_see_is_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what whoever gave the film out sees: what is missing everywhere is the film's own fault."""
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    make(tmp_path / "in" / "a.mkv", Sound("flac", "mono"), seconds=1, picture=None)
    (tmp_path / "model").write_bytes(b"weights")
    film = Film(replace(job(tmp_path, "in/a.mkv", tmp_path / "model", "out/a.mkv")))
    seen = Seen.of(film)
    assert seen == Seen(True, True, True)
    assert lacking(film, seen) is None
    done = Outcome(film, Status.done, outputs=(tmp_path / "out" / "a.mkv",))
    assert "'a' wrote" in str(missing_here(done, "'a'"))
    assert missing_here(replace(done, outputs=(film.input,)), "'a'") is None
    assert missing_here(replace(done, status=Status.failed), "'a'") is None

    def told(word: str, code: int) -> None:
        error = lacking(film, seen)
        assert error is not None
        assert word in str(error)
        assert error.exit_code == code
        assert lacking(film, Seen()) is None

    (tmp_path / "model").unlink()
    told("does not see the model", 7)
    (tmp_path / "out").rmdir()
    told("does not see the folder", 4)
    film.input.unlink()
    told("does not see '", 3)
    monkeypatch.setenv("CFORK_FFMPEG", str(tmp_path / "none"))
    error = lacking(film, Seen())
    assert error is not None
    assert error.exit_code == 6


def test_what_a_machine_can_take_depends_on_what_it_has() -> None:
    gpus = {"CPU": 16.0, "GPU": 2.0, "memory": 1e9}
    assert slots_of(gpus, "auto") == slots_of(gpus, "cuda") == Slots(2, 0)
    assert slots_of(gpus, "cpu") == Slots(0, 16)
    assert slots_of({"CPU": 4.0}, "auto") + slots_of(gpus, "auto") == Slots(2, 4)
    assert slots_of({"CPU": 4.0}, "cuda") == slots_of({}, "auto") == Slots(0, 0)
    on_gpu, on_cores = RayPieces("auto", True, 2), RayPieces("auto", False, 3)
    assert (on_gpu.workers, on_gpu.each) == (4, 32)
    assert (on_cores.workers, on_cores.each) == (3, 1)


def test_what_a_worker_lacks_is_told_in_one_line() -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'cfork[cluster]'")
    from ray.exceptions import RayTaskError

    def told(cause: Exception) -> CforkError:
        error = of_the_worker(RayTaskError("do", "Traceback\n  File ...\nlast", cause, ip="10.0.0.7"))
        assert "\n" not in str(error)
        return error

    assert isinstance(told(UsageError("there is no GPU")), UsageError)
    assert str(told(UsageError("there is no GPU"))) == "on the worker 10.0.0.7: there is no GPU"
    assert "10.0.0.7" in str(told(ModuleNotFoundError("No module named 'cfork_cli'")))
    assert "are the same cfork" in str(told(TypeError("_do_there() takes 6\npositional arguments")))
    assert "install the same" in str(_settled(Caller("9.9")))
    assert _settled(Caller()) is None


def test_a_gpu_that_only_ray_sees_is_told() -> None:
    film = Film(RemixJob(Path("a.mkv"), None, {"dialogue": 1.0, "music": 0.0, "effects": 0.0}))
    notes = without_gpu(Outcome(film, Status.done, notes=("first",))).notes
    assert notes[0] == "first"
    assert "torch finds none there" in notes[1]
    failed = Outcome(film, Status.failed, "why")
    assert without_gpu(failed) == failed


def test_addresses_that_cannot_be_entered_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'cfork[cluster]'")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray would wait for minutes"))
    film = Film(RemixJob(Path("a.mkv"), None, {"dialogue": 1.0, "music": 0.0, "effects": 0.0}))

    def told(address: str) -> str:
        with pytest.raises(UsageError) as error:
            list(RayEngine(address).run([film], do_film))
        return str(error.value)

    for word in ("head", "ray://head:10001", "head:port", "head:0", ":6379", "head:123456"):
        assert "give HOST:PORT" in told(word)
    with socket.socket() as taken:  # bound, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"no Ray cluster at {address} (" in told(address)
        taken.listen()  # somebody does, who never answers
        monkeypatch.setattr(ray_cluster, "LOOK_SECONDS", 0.1)
        assert f"no Ray cluster at {address}:" in told(address)
        monkeypatch.setattr(ray_cluster, "_look", lambda _: ray_cluster._Found.locked)
        assert "RAY_AUTH_MODE=token" in told(address)
    monkeypatch.setattr(ray_cluster, "_look", lambda _: ray_cluster._Found.nothing)
    assert "no Ray cluster on this machine" in told("auto")


def test_a_cluster_that_is_begun_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its folder is gone, the user's home has no token of Ray's, and the environment is what it was; so if it fails."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'cfork[cluster]'")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    seen: list[tuple[Path, str]] = []

    def begin(**options: Any) -> None:
        assert options["address"] == "local"
        seen.append((Path(options["_temp_dir"]), os.environ["RAY_AUTH_TOKEN"]))
        if len(seen) == 2:
            raise KeyboardInterrupt
        if len(seen) == 3:
            raise Exception("it timed out\nand more")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", begin)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray_cluster, "_look", lambda _: ray_cluster._Found.nothing)
    cluster = ray_cluster.Cluster()
    cluster.enter()
    assert seen[0][0].is_dir()
    cluster.leave()
    with pytest.raises(KeyboardInterrupt):
        ray_cluster.Cluster().enter()
    with pytest.raises(CforkError, match=r"could not begin a cluster on this machine \(it timed out\)"):
        ray_cluster.Cluster().enter()
    assert seen[0][1] != seen[1][1]
    assert not any(folder.exists() for folder, _ in seen)
    assert "RAY_AUTH_TOKEN" not in os.environ
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [("remix", ["--address", "head:6379"], "give --engine ray too"),
     ("separate", ["--address", "head:6379"], "give --engine ray too"),
     ("separate", ["other.mkv", "--address", "head:6379"], "give --engine ray too"),
     ("remix", ["--engine", "ray", "-o", "-"], "reads and writes files"),
     ("separate", ["--engine", "ray", "-o", "-"], "reads and writes files"),
     ("remix", ["--engine", "ray", "--jobs", "0"], "--jobs"),
     ("remix", ["--engine", "ray", "--address", "head"], "HOST:PORT, such as head:6379, auto or local")],
)  # fmt: skip
def test_what_a_cluster_cannot_do_is_refused(
    cfork: Callable[..., Ran], place: Path, command: str, options: list[str], words: str
) -> None:
    levels = ["--dialog", "+6"] if command == "remix" else []
    if "head" in options:
        pytest.importorskip("ray", reason="ray is not installed: pip install 'cfork[cluster]'")
        make(place / "movie.mkv", Sound("flac", "mono"), seconds=1, picture=None)
    ran = cfork(command, "movie.mkv", *levels, *options)
    assert ran.code == 2
    assert words in ran.err


@pytest.mark.parametrize(("command", "word"), [("remix", "-"), ("separate", "-"), ("remix", "https://example.org/a")])
def test_a_cluster_takes_files_alone(cfork: Callable[..., Ran], place: Path, command: str, word: str) -> None:
    """They were done on this machine, without a word."""
    levels = ["--dialog", "+6"] if command == "remix" else []
    ran = cfork(command, word, *levels, "--engine", "ray", "-o", "out.mkv" if levels else "out.stems")
    assert ran.code == 2
    assert f"bring '{word}' into a file first" in ran.err
    assert os.listdir(place) == []


@pytest.mark.parametrize(
    ("address", "said", "entered"),
    [(None, None, "local"), ("local", "10.0.0.7:6379", "local"), (None, "local", "local"), (None, "auto", "auto"),
     ("auto", "10.0.0.7:6379", "auto"), (None, "10.0.0.7:6379", "10.0.0.7:6379"),
     ("10.0.0.8:6379", "auto", "10.0.0.8:6379")],
)  # fmt: skip
def test_a_cluster_is_entered_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, address: str | None, said: str | None, entered: str
) -> None:
    """One that runs on this machine may be somebody else's: without a word a new one is begun."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'cfork[cluster]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if said is not None:
        monkeypatch.setenv("RAY_ADDRESS", said)
    seen: list[tuple[str, str | None]] = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda address, **_: seen.append((address, os.environ.get("RAY_ADDRESS"))))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray_cluster, "_knock", lambda _: None)
    monkeypatch.setattr(ray_cluster, "_look", lambda _: ray_cluster._Found.cluster)
    cluster = ray_cluster.Cluster(address)
    cluster.enter()
    cluster.leave()
    assert [one for one, _ in seen] == [entered]
    if entered != "local":  # Ray would take RAY_ADDRESS for "auto" too
        assert seen[0][1] is None
    assert os.environ.get("RAY_ADDRESS") == said
