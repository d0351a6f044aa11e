"""Choose the device that a network runs on."""

from __future__ import annotations

import platform

import torch


def use_one_thread() -> None:
    """Let this process compute on one thread: others like it use the other cores."""
    torch.set_num_threads(1)


class DeviceError(Exception):
    """The device that was asked for is not there; the message says what to do."""


def choose_device(name: str) -> str:
    """Return "cpu" or "cuda": the device of that name, or with "auto" the fastest that is there.

    Raises:
        DeviceError: it is not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("there is no CUDA device that torch can use: leave --device away, or install torch with CUDA")
    return name


def kind(device: str) -> str:
    """Return what decides about the last bits of a result besides network and sound: torch, threads, instructions.

    Args:
        device: "cpu" or "cuda".
    """
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    if device.startswith("cuda") and torch.cuda.is_available():
        machine = torch.cuda.get_device_name()
    return f"torch {torch.__version__}, {torch.get_num_threads()} threads, {machine}"
