"""What happens on a worker of a Ray cluster: it looks whether it can do the work, does it, and tells what it lacks."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cfork_cli import __version__, signals
from cfork_cli.batch.film import Do, Film, Outcome, Status
from cfork_cli.batch.ray_cluster import ray_itself
from cfork_cli.batch.ray_mailbox import Has
from cfork_cli.batch.worker import Moving
from cfork_cli.errors import CforkError, FfmpegError, InputError, ModelError, OutputError, UsageError
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.flows import network, one_batch
from cfork_cli.flows.separator import Asked, Pieces, elsewhere


@dataclass(frozen=True)
class Caller:
    """Who gives work out. version: of cfork. folder: in which the command was given."""

    version: str = __version__
    folder: str = field(default_factory=os.getcwd)


@dataclass(frozen=True)
class Seen:
    """What of a film is seen by whoever gives it out: its file, the folder to write, a model that is a file."""

    input: bool = False
    folder: bool = False
    model: bool = False

    @classmethod
    def of(cls, film: Film) -> Seen:
        """Look."""
        return cls(film.input.exists(), film.folder.is_dir(), os.path.isfile(film.job.model or ""))


@dataclass(frozen=True)
class Answer:
    """What a worker brings back.

    Attributes:
        node, name: of the machine, for Ray and for people.
        found: the outcome of a film, or the stems of a batch; None where the worker cannot do it.
        lacks: what it lacks then.
    """

    node: str
    name: str
    found: Any = None
    lacks: CforkError | None = None


def do_there(
    number: int, film: Film, do: Do, caller: Caller, seen: Seen, mailbox: Any, key: str, pieces: Pieces | None,
    on_gpu: bool,
) -> Answer:  # fmt: skip
    """Do a film, on the worker; the answer has an outcome."""
    mailbox.put.remote(Has(number, key))
    answer, lacks = _here(), _settled(caller) or lacking(film, seen)
    if lacks is not None:
        return replace(answer, lacks=type(lacks)(f"the worker {answer.name} {lacks}"))
    token = elsewhere.set(pieces)
    try:
        with signals.interruptible(signal.SIGINT):  # by which Ray cancels: not while files get their names
            outcome = do(film, Moving(number, mailbox.put.remote))
    finally:
        elsewhere.reset(token)
    if outcome.exit_code in (FfmpegError.exit_code, ModelError.exit_code):
        outcome = replace(outcome, reason=f"on the worker {answer.name}: {outcome.reason}")
    return replace(answer, found=without_gpu(outcome) if on_gpu and network.where() == "cpu" else outcome)


def compute_there(
    asked: Asked, caller: Caller, number: int, mailbox: Any, key: str, sequences: Sequence[np.ndarray]
) -> Answer:
    """Compute a batch, on the worker; the answer has stems `[B, S, N]`."""
    mailbox.put.remote(Has(number, key))
    answer, lacks = _here(), _settled(caller)
    if lacks is not None:
        return replace(answer, lacks=type(lacks)(f"the worker {answer.name} {lacks}"))
    return replace(answer, found=one_batch.compute(asked, sequences))


def lacking(film: Film, seen: Seen) -> CforkError | None:
    """Return what keeps this machine from doing a film that another may do, in words that follow its name."""
    try:
        find_ffmpeg()
    except FfmpegError as error:
        return FfmpegError(f"has no ffmpeg ({error})")
    share = "let it have that folder under the same name"
    if seen.input and not film.input.exists():
        return InputError(f"does not see '{film.input.absolute()}': {share}")
    if seen.folder and not film.folder.is_dir():
        return OutputError(f"does not see the folder '{film.folder.absolute()}': {share}")
    if seen.folder and not os.access(film.folder, os.W_OK | os.X_OK):
        return OutputError(f"may not write into '{film.folder.absolute()}': let its user write there")
    if seen.model and not os.path.isfile(film.job.model or ""):
        return ModelError(f"does not see the model '{os.path.abspath(film.job.model or '')}': {share}")
    return None


def _here() -> Answer:
    ray = ray_itself()
    address = ray.util.get_node_ip_address()
    return Answer(ray.get_runtime_context().get_node_id(), f"'{platform.node()}' ({address})")


def _settled(caller: Caller) -> UsageError | None:
    """Let names of files mean what they mean where the command was given, if that folder is shared.

    Returns what this worker lacks: the same version of cfork.
    """
    if caller.version != __version__:
        return UsageError(f"has cfork {__version__}, and the command is of {caller.version}: install the same there")
    signals.begin()
    with contextlib.suppress(OSError):
        os.chdir(caller.folder)
    return None


def without_gpu(outcome: Outcome) -> Outcome:
    """Return what came of a film that was given a GPU where torch has none, with a word about it."""
    word = (
        f"Ray counts a GPU on the worker '{platform.node()}', and torch finds none there: its processor did the film; "
        "install torch with CUDA there, or take all cores with --device cpu"
    )
    return replace(outcome, notes=(*outcome.notes, word)) if outcome.status is Status.done else outcome


def of_the_worker(error: Any) -> CforkError:
    """Return what went wrong on a worker before or beside the film, in one line that names the machine.

    Args:
        error: a RayTaskError.
    """
    cause = getattr(error, "cause", None) or error
    where = f"the worker {getattr(error, 'ip', '')}".rstrip()
    if isinstance(cause, CforkError):
        return type(cause)(f"on {where}: {cause}")
    told = (str(cause).strip().splitlines() or [""])[-1]
    return CforkError(
        f"{where} cannot do this ({type(cause).__name__}: {told}): are the same cfork and Python installed there?"
    )


def missing_here(outcome: Outcome, name: str) -> CforkError | None:
    """Return what is wrong where a worker wrote files that are not seen here; None if all are.

    Args:
        name: of the worker.
    """
    gone = next((path for path in outcome.outputs if not Path(path).exists()), None)
    if outcome.status is not Status.done or gone is None:
        return None
    return OutputError(
        f"the worker {name} wrote '{gone}', which is not seen here: let all machines have that folder "
        "under the same name"
    )
