"""The whole suite on all cores, with pytest-xdist where it is installed; hooks that conftest.py hands to pytest.

What is asked for by name, and every run with `-n` or `--pdb`, goes as pytest would have it.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from model.cpus import available_cpus, quota

MOST_WORKERS = 4
"""A worker with torch may take more than a gigabyte."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose the number of workers before pytest-xdist reads it."""
    option = config.option
    if not config.pluginmanager.hasplugin("xdist") or hasattr(config, "workerinput"):
        return
    unasked = option.numprocesses is None and option.dist == "no" and not option.tx
    whole = config.args_source is config.ArgsSource.TESTPATHS
    watched = option.usepdb or option.capture == "no" or option.collectonly
    if unasked and whole and not watched:
        cores = int(min(available_cpus(), quota(), MOST_WORKERS))
        option.numprocesses = cores if cores > 1 else 0
    if option.numprocesses or option.tx:
        # threads of several workers would only wait for one another; workers inherit what is set here
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker whole files, but the corpus film by film; a file makes its fixtures once then."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return Scheduling(config, log)


def scope(nodeid: str) -> str:
    """Return what tests have in common that must run one after another in one process."""
    file, _, name = nodeid.partition("::")
    film = name.partition("[")[2].partition(" ")[0]
    return f"{file} {film}" if name.startswith("test_the_promises[") else file
