"""Several processes that train one network, and the ways to stop them between two steps."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch
from torch import distributed
from torch.multiprocessing.spawn import ProcessException, start_processes

from ..hub.container import first_line
from .config import TrainConfig

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
PATIENCE_SECONDS = 2.0  # between the signal that asks to stop after this step and one that will not wait

Say = Callable[[dict[str, Any]], None]
Stop = Callable[[], bool]
Starting = Callable[[], contextlib.AbstractContextManager[None]]
Work = Callable[..., dict[str, Any]]
"""(config, say=Say, stop=Stop, meeting_point=str) -> result; a function that another process can import."""


@dataclass(frozen=True)
class Place:
    """Which of how many processes this is, and the device it trains on."""

    rank: int
    world: int
    device: torch.device

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in all of them."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value)
        return found

    def agree(self, minutes: float, stop: bool) -> tuple[float, bool]:
        """The first process's minutes, and whether any wants to stop: all must step, save and stop alike."""
        if self.world == 1:
            return minutes, stop
        shared = torch.tensor(
            [minutes if self.rank == 0 else 0.0, float(stop)], dtype=torch.float64, device=self.device
        )
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        return float(shared[0]), bool(shared[1])


@contextlib.contextmanager
def joined(meeting_point: str | None = None) -> Iterator[Place]:
    """Join the other processes, as torchrun or `launch` have set the environment; alone without them."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    cuda = torch.cuda.is_available()
    if cuda:
        local, there = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if local >= there:
            raise ValueError(f"process {local + 1} finds no GPU of its own: take {there} processes, one for each")
        torch.cuda.set_device(local)
    elif "OMP_NUM_THREADS" not in os.environ:  # who says it knows what else the machine does
        torch.set_num_threads(max((os.cpu_count() or 1) // world, 1))
    device = torch.device("cuda") if cuda else torch.device("cpu")
    if world == 1:
        yield Place(rank, world, device)
        return
    backend = "nccl" if cuda else "gloo"
    distributed.init_process_group(backend, init_method=meeting_point, rank=rank, world_size=world)
    try:
        yield Place(rank, world, device)
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Tells whether a signal asked to stop; a second one, later, raises KeyboardInterrupt at once."""
    asked: list[float] = []

    def handle(_number: int, _frame: FrameType | None) -> None:
        if asked and time.monotonic() - asked[0] > PATIENCE_SECONDS:
            raise KeyboardInterrupt
        asked.append(time.monotonic())

    with contextlib.ExitStack() as stack:
        for name in SIGNALS:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                with contextlib.suppress(ValueError):  # not in the main thread: the host program's handlers stay
                    stack.callback(signal.signal, number, signal.signal(number, handle))
        yield lambda: bool(asked)


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Signals that come meanwhile are heard afterwards. Processes that are started begin so."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in SIGNALS])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals(_number: int = 0) -> None:
    """For processes that others stop: a terminal tells all of them at once."""
    for name in SIGNALS:
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_IGN)


def leave(code: int = 0) -> NoReturn:
    """End this process, which has worked with others, as it is: without the end of the interpreter.

    Threads of gloo outlive their group once DistributedDataParallel has used it. One that lets go of a tensor while the
    interpreter ends aborts the process, although all work is done (pytorch/pytorch#179291).
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody listens, or nobody ever did
            stream.flush()
    os._exit(code)


def launch(
    work: Work, config: TrainConfig, processes: int, say: Say, *, starting: Starting = contextlib.nullcontext
) -> dict[str, Any]:
    """Do the work in so many processes of this machine; `say` and the result are the first one's.

    A signal lets all of them finish their step and save. They end when this process does: before their first step at
    once, later after the step that they are in.

    Args:
        starting: a context in which all processes are started.

    Raises:
        ValueError, OSError: what the work raises of these.
        RuntimeError: one of them failed otherwise; the others were ended. Its traceback is in the cause.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="cfork-") as folder, stop_on_signals() as asked:
        point = (Path(folder) / "meeting").as_uri()
        with starting():
            words: Any = context.SimpleQueue()
            stop = context.Event()
            with _signals_wait():  # for the children for ever: they inherit it, and never see one
                group = start_processes(  # type: ignore[no-untyped-call]
                    _child, (work, config, processes, point, words, stop), processes, join=False, start_method="spawn"
                )
        result: dict[str, Any] = {}
        failure: Exception | None = None
        done = False
        try:
            while not done:
                done = group.join(timeout=0.2)
                if asked():
                    stop.set()
                while not words.empty():
                    kind, content = words.get()
                    if kind == "result":
                        result = content
                    elif kind == "error":
                        failure = failure or content  # the others fail because it did
                    else:
                        say(content)
        except ProcessException as e:
            while failure is None and not words.empty():
                kind, content = words.get()
                failure = content if kind == "error" else None
            raise failure or RuntimeError(str(e).strip().splitlines()[-1]) from e
        finally:
            for process in group.processes:
                if process.is_alive():  # interrupted a second time, or an error here
                    process.kill()
    return result


def _child(rank: int, work: Work, config: TrainConfig, world: int, point: str, words: Any, stop: Any) -> None:
    """One of the processes of `launch`."""
    ignore_signals()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [getattr(signal, name) for name in SIGNALS])
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world))
    parent = multiprocessing.parent_process()
    begun = threading.Event()
    if parent is not None:
        threading.Thread(target=_end_before_work, args=(parent.sentinel, begun), daemon=True).start()

    def ended() -> bool:
        begun.set()
        return stop.is_set() or (parent is not None and not parent.is_alive())

    def say(line: dict[str, Any]) -> None:
        words.put(("line", line))

    try:
        result = work(config, say=say, stop=ended, meeting_point=point)
    except (ValueError, OSError) as e:
        words.put(("error", e))
        raise
    except RuntimeError as e:  # torch's may end in a page of advice
        words.put(("error", RuntimeError(first_line(e))))
        raise
    if rank == 0:
        words.put(("result", result))  # in the pipe when this returns
    leave()


def _end_before_work(parent: int, begun: threading.Event) -> None:
    """End this process when its parent does, if its work has not begun by then: others may never come to meet it."""
    wait([parent])
    if not begun.is_set():
        os._exit(1)
