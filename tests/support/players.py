"""Players of small films with a network of one line, and clients that speak to their server."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from support.networks import Fake

from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.media.probe import probe
from cfork_cli.player import flac_track
from cfork_cli.player.server import Server
from cfork_cli.player.session import PlayOptions, Session


def uneven(x: torch.Tensor) -> torch.Tensor:
    """A law that knows where in its window it is: another window gives something else."""
    return 0.3 * torch.tanh(3 * x) * torch.linspace(0.9, 1.0, x.shape[-1])


def fake(law: Callable[[torch.Tensor], torch.Tensor] = uneven) -> Any:
    """A network with windows as long as the bundled one's, which costs nothing."""
    return Fake(window=24 * 44_100 // 64 * 64, context=33_088, crossfade=11_008, law=law)


@contextlib.contextmanager
def session_of(path: Path, cache: Path, *, network: Any = None, **options: Any) -> Iterator[Session]:
    """Play a film with a network of one line."""
    session = Session(probe(path), PlayOptions(**options), cache)
    loaded = LoadedNetwork(network or fake(), "cpu", "cfork")
    session.network = lambda: loaded  # type: ignore[method-assign]
    session.work._network = session.network
    with session:
        yield session


@contextlib.contextmanager
def player_of(path: Path, cache: Path, **options: Any) -> Iterator[tuple[Session, Server, Client]]:
    """Serve it, with a client that has the cookie."""
    with session_of(path, cache, **options) as session, Server(session) as server:
        client = Client(server.port)
        client.login(server.url)
        yield session, server, client


def samples_of(data: bytes) -> np.ndarray:
    """Return the samples of a fragment, `[8, FRAGMENT]`, full scale 1.0."""
    with av.open(io.BytesIO(flac_track.init() + data)) as container:
        blocks = [frame.to_ndarray().reshape(-1, 8).T for frame in container.decode(audio=0)]
    return np.concatenate(blocks, axis=1).astype(np.float64) / 2**31 * flac_track.HEADROOM


@dataclass
class Answer:
    """Answer to a request."""

    status: int
    data: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class Client:
    """A browser, as far as the server can see."""

    port: int
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Sec-Fetch-Site": "same-origin"})

    def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> Answer:
        """Send a request with these headers (`Content_Type` for `Content-Type`); None leaves one away."""
        sent = {"Host": f"127.0.0.1:{self.port}", **self.headers}
        if self.cookie:
            sent["Cookie"] = self.cookie
        if body is not None or method in ("POST", "DELETE"):
            sent["Content-Type"] = "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}  # type: ignore[misc]
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if data or method != "GET":
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.headers))
        finally:
            connection.close()

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str | None) -> Answer:
        return self.ask("POST", path, body, **headers)

    def login(self, url: str) -> None:
        """Turn the token into the cookie."""
        answer = self.ask("GET", url.partition(str(self.port))[2], Sec_Fetch_Site="none")
        assert answer.status == 303
        assert answer.headers["Location"] == "/"
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def sound(self, index: int) -> np.ndarray:
        """Wait for a fragment with its stems."""
        for _ in range(30):
            answer = self.get(f"/a/{index}?wait=10")
            if answer.status == 200:
                return samples_of(answer.data)
            assert answer.status == 204
        raise AssertionError(f"fragment {index} never came: {self.get('/api/state').json}")

    def finished(self, name: str) -> Any:
        """Wait for the end of an export."""
        for _ in range(3000):
            facts = self.get(f"/api/export/{name}").json
            if facts["state"] != "running":
                return facts
            time.sleep(0.05)
        raise AssertionError("the export never ended")
