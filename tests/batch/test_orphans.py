"""Workers whose parent is killed end without a word, whatever they were at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BEFORE = """
import os, signal, sys, time
from multiprocessing import util

from cfork_cli import children

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def work(*_):
    pass

started, pipe, pipes = util.spawnv_passfds, os.pipe, []

def piped():
    pipes.append(pipe())
    return pipes[-1]

def spawned(path, line, handed):
    pid = started(path, line, handed)
    if "--multiprocessing-fork" in line and WHAT in ("nothing", "half"):
        if WHAT == "half":
            os.write(pipes[1][1], b"\\x80\\x05\\x95")
        die()
    return pid
"""

ONE = """
if __name__ == "__main__":
    quiet = children.Quiet()
    lock = quiet.Lock()
    util.spawnv_passfds, os.pipe = spawned, piped
    quiet.Process(target=work, args=(lock,)).start()
    time.sleep(float(sys.argv[2]))
    die()
"""

POOL = """
def busy(_):
    time.sleep(600)

if __name__ == "__main__":
    from concurrent.futures import ProcessPoolExecutor
    from cfork_cli.training import scoring
    pool = ProcessPoolExecutor(1, mp_context=children.Quiet(), initializer=scoring._begin_worker)
    util.spawnv_passfds, os.pipe = spawned, piped
    pool.submit(abs, 1)
    time.sleep(float(sys.argv[2]))
    die()
"""

FILMS = """
from cfork_cli.batch.engine import Workers
from cfork_cli.batch.film import Film
from cfork_cli.flows.jobs import RemixJob
from pathlib import Path

def act(film, report):
    print("film", flush=True)
    time.sleep(600)

if __name__ == "__main__":
    util.spawnv_passfds, os.pipe = spawned, piped
    import threading
    seconds = float(sys.argv[2])
    if seconds:
        threading.Timer(seconds, die).start()
    films = [Film(RemixJob(Path(name), None, {"music": 0.0, "dialogue": 0.0, "effects": 0.0})) for name in "ab"]
    for event in Workers().run(films, act, 2):
        if not seconds and WHAT == "handed":
            die()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nobody is killed by a signal there")
@pytest.mark.parametrize(
    ("script", "what", "seconds"),
    [
        (ONE, "nothing", 0), (ONE, "half", 0), (ONE, "lock", 0), (POOL, "waits", 1.0), (FILMS, "handed", 0),
        (FILMS, "works", 0.5),
    ],
)  # fmt: skip
def test_nobody_hears_of_a_killed_parent(tmp_path: Path, script: str, what: str, seconds: float) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nWHAT = sys.argv[1]\n" + BEFORE + script)
    # all of them have the pipe: it ends when the last one has
    ran = subprocess.run(
        [sys.executable, str(program), what, str(seconds)], capture_output=True, text=True, timeout=100, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (-9, "")
