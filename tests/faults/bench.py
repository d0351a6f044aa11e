"""What trials are made with: a place for each, what is damaged, how long a run takes, and who listens."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import imageio_ffmpeg
from faults import mounts, running, seeds
from faults.trial import Seen, Trial

Kind = Callable[["Bench", random.Random], Trial]


class Bench:
    """A workplace of one process. A context manager: all of it is gone afterwards.

    Args:
        store: a folder for films and models that several of them share.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self._root = Path(tempfile.mkdtemp(prefix="cfork-faults-"))
        self._mounted: list[Path] = []
        self._typical: dict[tuple[str, bool], float] = {}
        self._ears: dict[str, socket.socket] = {}
        self._server: tuple[int, int] | None = None
        self._heard = 0
        self.may_mount: bool | None = None

    # ---- places ----

    def fresh(self) -> Path:
        """Return an empty folder for the next trial; what the last one left is removed."""
        self._clear()
        place = self._root / "trial"
        if place.exists():
            shutil.rmtree(place, ignore_errors=True)
        films = place / "films"
        films.mkdir(parents=True, exist_ok=True)
        return films

    def disk(self, folder: Path, *options: str) -> bool:
        """Make a folder a small disk of its own; False where nobody may."""
        folder.mkdir(exist_ok=True)
        done = mounts.mount(folder, *options)
        self.may_mount = done
        if done:
            self._mounted.append(folder)
        return done

    def _clear(self) -> None:
        while self._mounted:
            mounts.unmount(self._mounted.pop())

    # ---- what is damaged ----

    def film(self, name: str) -> Path:
        """Return a film of `seeds.FILMS`, to be copied."""
        return seeds.film(self.store, name)

    def put(self, name: str, folder: Path, new: str | None = None) -> Path:
        """Copy a film into a trial's folder."""
        target = folder / (new or name)
        shutil.copyfile(self.film(name), target)
        return target

    @property
    def model(self) -> Path:
        """A small network."""
        return seeds.model(self.store)

    def programs(self, draw: random.Random) -> dict[str, str]:
        """Return the environment that chooses among the system's ffmpeg, the bundled one, and the bundled one alone."""
        bundled = {"CFORK_FFMPEG": imageio_ffmpeg.get_ffmpeg_exe()}
        return draw.choice(({}, {}, bundled, bundled, {"PATH": str(self._root / "no-programs")}))

    # ---- time ----

    def moment(self, draw: random.Random, name: str, arguments: Sequence[str], *, real: bool) -> float:
        """Return a moment, in seconds, of a run of such a command, from its first to a little after its last."""
        key = name, real
        if key not in self._typical:
            folder = self.fresh()
            self.put("aac.mkv", folder, "film.mkv")
            self._typical[key] = running.tried(Trial("how long", arguments, folder, real)).seconds
        return draw.random() * 1.1 * self._typical[key]

    def note(self, name: str, seen: Seen, *, real: bool) -> None:
        """Learn how long such a command takes now."""
        if seen.code == 0 and (name, real) in self._typical:
            self._typical[name, real] += 0.2 * (seen.seconds - self._typical[name, real])

    # ---- who listens ----

    @property
    def port(self) -> int:
        """Of the listening counter: nothing may ever connect there."""
        return self._listens("127.0.0.1")

    @property
    def far_port(self) -> int:
        """The same at 127.0.0.2: a place of this machine that a server of the world may not lead to."""
        return self._listens("127.0.0.2")

    def _listens(self, address: str) -> int:
        if address not in self._ears:
            self._ears[address] = socket.create_server((address, 0), backlog=64)
            self._ears[address].setblocking(False)
        return int(self._ears[address].getsockname()[1])

    def heard(self) -> int:
        """Return how many connections have come there so far."""
        for ear in self._ears.values():
            with contextlib.suppress(BlockingIOError):
                while True:
                    ear.accept()[0].close()
                    self._heard += 1
        return self._heard

    @property
    def server(self) -> str:
        """The address of a server that misbehaves as its path says, see `kinds.downloads`."""
        from faults.kinds import downloads

        if self._server is None:
            self._server = downloads.serve(self.model.read_bytes())
            running.helpers.add(self._server[0])
        return f"http://127.0.0.1:{self._server[1]}"

    def __enter__(self) -> Bench:
        (self._root / "no-programs").mkdir(exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()
        for ear in self._ears.values():
            ear.close()
        if self._server is not None:
            running.end(self._server[0])
        with contextlib.suppress(OSError):
            shutil.rmtree(self._root)
