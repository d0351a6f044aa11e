"""The folder of a training run: whether it takes what is to be kept, before the work and when it no longer does."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from cfork_cli.errors import OutputError
from cfork_cli.output.destination import check_destination
from cfork_cli.text import megabytes
from model.train.config import TrainConfig

KEPT = ("state.pt", "best.pt")
TOLD = ("metrics.jsonl", "metrics.png")
FOR_EACH_NUMBER = 16 + 4
"""Bytes in the first files of a run, for each number of the network: the state has it four times, the best one once."""

_NOTHING_TAKEN = {errno.ENOSPC, errno.EFBIG, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextlib.contextmanager
def run_folder(config: TrainConfig) -> Iterator[None]:
    """Have the folder of a run, and tell what is wrong with it. If nothing was kept, it is as it was before.

    Raises:
        OutputError: it cannot be made or written, has no room for the network's state, or is gone meanwhile.
    """
    from model.new_folder import made

    out = Path(config.out)
    try:
        with made(out):
            before = {path for path in out.iterdir() if path.name in TOLD}
            try:
                check_destination(out / KEPT[0], force=True, option="")
                _check_room(config, out)
                yield
            except BaseException:
                if not any((out / name).exists() for name in KEPT):
                    for path in {out / name for name in TOLD} - before:
                        path.unlink(missing_ok=True)
                raise
    except OSError as error:
        if error.errno is None or not (error.errno in _NOTHING_TAKEN or _is_in(error.filename, out)):
            raise
        kept = "what was saved last is there, and the same command goes on from it" if (out / KEPT[0]).exists() else (
            "nothing was saved yet")  # fmt: skip
        raise OutputError(f"'{out}' takes nothing ({error.strerror}): {kept}; is its disk there, with room?") from error


def _is_in(name: object, folder: Path) -> bool:
    """Return whether a file that the system could not do something with is the folder, in it, or around it."""
    if not isinstance(name, str):
        return False
    path = Path(name).absolute()
    return folder.absolute() in (path, *path.parents) or path in folder.absolute().parents


def _check_room(config: TrainConfig, out: Path) -> None:
    """Find out whether there is room for the first files of a run; those of one that goes on take the place of others.

    Raises:
        OutputError: there is not. ValueError: there is no such network.
    """
    if (out / KEPT[0]).exists():
        return
    from model.train.state import new_network

    needed = FOR_EACH_NUMBER * sum(one.numel() for one in new_network(config).parameters())
    if needed > (free := shutil.disk_usage(out).free):
        raise OutputError(
            f"the state of a run needs {megabytes(needed)}, and '{out}' has room for {megabytes(free)}: "
            "make room, or train into another folder"
        )
