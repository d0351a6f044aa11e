"""The way into a Ray cluster and out of it: enter the one that is named, or begin one for a run, or tell why not.

A cluster that happens to run on this machine may be somebody else's, so it is entered only where it is asked for.

Ray itself waits for many minutes for an address where nobody listens, cannot be interrupted meanwhile, and writes to
standard error. So a cluster is first looked at by a process of its own, `ray status`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import Any

from cfork_cli.errors import CforkError, UsageError

KNOCK_SECONDS = 5.0
"""For a connection to the head, where an address is named."""

LOOK_SECONDS = 30.0
"""For the answer of the head; a machine that is busy needs some seconds to start the program that asks."""

SHORT = "/tmp"
"""Sockets have names of 107 bytes at most, and Ray makes 64 of them."""


class _Found(Enum):
    """What a look at a cluster found."""

    cluster = auto()
    nothing = auto()
    locked = auto()  # it asks for a token


class Cluster:
    """A cluster that a process is in, from `enter` until `leave`.

    Args:
        address: of its head, "machine:6379"; "auto" is one that runs on this machine, "local" a new one on this machine
            alone, which ends with `leave`; None is what RAY_ADDRESS says, or else "local".
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS") or "local"
        self._leaving = contextlib.ExitStack()

    def enter(self) -> None:
        """Enter the cluster, once.

        Raises:
            UsageError: ray is not installed, or the cluster is not there or cannot be used.
            CforkError: none could be begun.
        """
        ray = ray_itself()
        if self._address not in ("auto", "local"):
            _parts(self._address)
        if ray.is_initialized():
            return
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "cfork"}
        if self._address == "local":
            self._begin(ray, quiet)
            return
        named = None if self._address == "auto" else self._address
        _check(named)
        with _usual_handlers(), _without_address():
            try:
                ray.init(address=self._address, **quiet)
            except ConnectionError as error:  # it ended just now
                raise _missing(named) from error
            except (RuntimeError, ValueError) as error:  # such as another version of Ray or of Python
                why = str(error).strip().splitlines()[0]
                raise UsageError(f"the Ray cluster cannot be used ({why}): see 'ray status' there") from error
        self._leaving.callback(ray.shutdown)

    def leave(self) -> None:
        """Leave it; end it, if it was begun here, and remove what it left."""
        with _usual_handlers():
            self._leaving.close()

    def _begin(self, ray: Any, quiet: dict[str, Any]) -> None:
        """Begin a cluster on this machine, with a token of its own, in a folder that goes with it."""
        self._leaving.enter_context(_token_of_this_run())
        folder = tempfile.mkdtemp(prefix="cfork-ray-", dir=SHORT if Path(SHORT).is_dir() else None)
        self._leaving.callback(shutil.rmtree, folder, ignore_errors=True)
        with _usual_handlers():
            try:
                ray.init(address="local", include_dashboard=False, _temp_dir=folder, **quiet)
            except BaseException as error:
                with contextlib.suppress(Exception):
                    ray.shutdown()
                self._leaving.close()
                if not isinstance(error, Exception):
                    raise
                why = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise CforkError(
                    f"Ray could not begin a cluster on this machine ({why}): is it very busy? try without --engine"
                ) from error
        self._leaving.callback(ray.shutdown)


def ray_itself() -> Any:
    """Return ray, which tells nobody anything about its use.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray needs the package 'ray': pip install 'cfork[cluster]'") from error
    return ray


@cache
def remote(function: Any) -> Any:
    """Return a function that Ray runs on some worker; of a class, one that makes an actor."""
    return ray_itself().remote(function)


def _check(named: str | None) -> None:
    """Look whether a cluster is there and can be entered.

    Args:
        named: its address; None is one on this machine, whose token Ray finds by itself.

    Raises:
        UsageError: it is not, or it cannot.
    """
    if named is not None:
        _knock(named)
    found = _look(named)
    if found is _Found.locked and named is not None:
        raise UsageError(
            f"the Ray cluster at {named} asks for a token: bring ~/.ray/auth_token from its head, and set "
            "RAY_AUTH_MODE=token here"
        )
    if found is _Found.nothing:
        raise _missing(named)


def _missing(named: str | None) -> UsageError:
    where = "on this machine" if named is None else f"at {named}"
    return UsageError(f"there is no Ray cluster {where}: begin one with 'ray start --head', or see 'ray status'")


def _parts(address: str) -> tuple[str, int]:
    """Return host and port of an address.

    Raises:
        UsageError: it is none.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16 or "/" in host:
        raise UsageError(
            f"'{address}' is not the address of a Ray cluster: give HOST:PORT, such as head:6379, auto or local"
        )
    return host, int(port)


def _knock(address: str) -> None:
    """Try whether anybody listens at an address.

    Raises:
        UsageError: nobody does, or it is no address.
    """
    try:
        socket.create_connection(_parts(address), timeout=KNOCK_SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            f"there is no Ray cluster at {address} ({why}): begin one with 'ray start --head', or see 'ray status'"
        ) from error


def _look(named: str | None) -> _Found:
    """Ask the head of a cluster whether it is one; None asks for one on this machine."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", *(["--address", named] if named else [])]
    try:
        with _without_address():
            ran = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=LOOK_SECONDS,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _Found.nothing
    if ran.returncode == 0:
        return _Found.cluster
    return _Found.locked if "Authentication" in ran.stderr + ran.stdout else _Found.nothing


@contextlib.contextmanager
def _without_address() -> Iterator[None]:
    """Hide RAY_ADDRESS, which Ray would take for "auto" too, from what has been decided."""
    before = os.environ.pop("RAY_ADDRESS", None)
    try:
        yield
    finally:
        if before is not None:
            os.environ["RAY_ADDRESS"] = before


@contextlib.contextmanager
def _token_of_this_run() -> Iterator[None]:
    """Let a cluster that is begun here ask for a token that nobody else has, where the user has made no choice.

    Ray would write one into the user's home, and from then on ask for it in all of the user's clusters.
    """
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    before = {name: os.environ.get(name) for name in names}
    if not any(before.values()) and not Path("~/.ray/auth_token").expanduser().exists():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def _usual_handlers() -> Iterator[None]:
    """Keep the handlers of signals, which Ray would take for itself."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, handler)
