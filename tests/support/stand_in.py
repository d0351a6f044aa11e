"""A stand-in for the server of `cfork play`: the real page, picture and sound track, with stems that are known."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from support.numbered_film import stems

from cfork_cli.media.probe import probe
from cfork_cli.player import flac_track, subtitles
from cfork_cli.player.picture import Picture

STATIC = Path(flac_track.__file__).parent / "static"
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; "
    "img-src 'self' data:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class StandIn:
    """The film and what is known of it; a test changes this while the page plays."""

    def __init__(self, path: Path, *, separated: int | None = None, facts: dict[str, Any] | None = None) -> None:
        """separated: so many fragments have stems, the first ones; None is all of them. A test may raise it later."""
        self.media = probe(path)
        self.seconds = float(self.media.duration_seconds or 0)
        self.count = int(np.ceil(self.seconds / flac_track.FRAGMENT_SECONDS))
        self.picture = Picture(self.media, self.seconds)
        self.can: dict[str, bool] = {}
        self.posts: list[tuple[str, Any]] = []
        self.asked: list[str] = []
        self.separated = self.count if separated is None else separated
        self.exports: dict[str, dict[str, Any]] = {}
        self.extra = facts or {}
        self.rooms: dict[str, np.ndarray] = {}

    def done(self) -> int:
        return self.separated

    def film(self) -> dict[str, Any]:
        picture = self.media.picture
        words = subtitles.text_tracks(self.media)
        return {
            "name": self.media.path.name,
            "title": self.media.path.stem,
            "duration": self.seconds,
            "fragment_seconds": flac_track.FRAGMENT_SECONDS,
            "fragments": self.count,
            "video": picture and {"mime": self.picture.mime, "transcode_mime": self.picture.transcode_mime},
            "audio_mimes": list(flac_track.MIMES),
            "tracks": [{"index": one.number, "label": str(one), "current": not one.number} for one in self.media.audio],
            "subtitles": [{"index": n, "label": str(one), "language": one.language} for n, one in enumerate(words)],
            "presets": [{"name": "clear", "label": "Clear speech", "gains": {"dialogue": 6, "music": -6}}],
            "model": "cfork",
            "full_scale_headroom": flac_track.HEADROOM,
        } | self.extra

    def state(self, since: int) -> dict[str, Any]:
        done = self.done()
        rows = {
            "first": since,
            **{name: [-22.0 - 3 * n + 6 * np.sin(i / 5 + n) for i in range(since, done)] for n, name in enumerate(
                ("dialogue", "music", "effects", "mixture"))},
        }  # fmt: skip
        return {
            "version": done, "done": [[0, done]] if done else [], "levels": [rows] if done > since else [],
            "working_on": None if done == self.count else done, "rate": None, "waiting": None,
            "error": None, "epoch": 0, "track": 0,
        }  # fmt: skip

    def sound(self, index: int, plain: bool) -> bytes:
        separate = stems(index * flac_track.FRAGMENT, flac_track.FRAGMENT)
        rows = np.concatenate((separate.sum(axis=0)[None], separate * (not plain))).reshape(8, -1)
        return flac_track.fragment(index, rows.astype(np.float32))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, data: bytes, kind: str = "application/octet-stream", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    def json(self, value: Any, status: int = 200) -> None:
        self.answer(json.dumps(value).encode(), "application/json", status)

    def do_GET(self) -> None:
        world = self.server.world
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        world.asked.append(self.path)
        first, *rest = url.path.strip("/").split("/")
        if url.path == "/" or (first == "assets" and (STATIC / rest[0]).is_file()):
            path = STATIC / (rest[0] if rest else "index.html")
            self.answer(path.read_bytes(), KINDS[path.suffix])
        elif url.path == "/api/film":
            self.json(world.film())
        elif url.path == "/api/state":
            self.json(world.state(int(query.get("since", 0))))
        elif first == "api" and rest[:1] == ["export"]:
            self.json(world.exports[rest[1]])
        elif url.path == "/a/init":
            self.answer(flac_track.init())
        elif first == "a":
            index, plain = int(rest[0]), "plain" in query
            if plain or index < world.done():
                self.answer(world.sound(index, plain))
            else:
                time.sleep(0.1)
                self.answer(b"", status=204)
        elif first == "v":
            copy = world.picture.copies(world.can)
            found = world.picture.fragment(float(query["t"]), copy, fresh="fresh" in query)
            if found is None:
                self.answer(b"", status=204)
            else:
                self.answer(found[0], X_Start=f"{found[1]:.6f}", X_End=f"{found[2]:.6f}")
        elif first == "s":
            words = subtitles.text_tracks(world.media)[int(rest[0])]
            self.answer(subtitles.webvtt(world.media, words), "text/vtt")
        elif first == "r" and rest[0] in world.rooms:
            self.answer(world.rooms[rest[0]].astype("<f4").tobytes())
        else:
            self.json({"error": "there is no such thing"}, 404)

    def do_POST(self) -> None:
        world = self.server.world
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        world.posts.append((self.path, body))
        if self.path == "/api/can":
            world.can = body
        if self.path == "/api/export":
            job = {"state": "running", "share": 0.25, "seconds_left": 90, "path": None, "error": None}
            world.exports["1"] = job
        self.json({"id": "1"} if self.path == "/api/export" else {})

    def do_DELETE(self) -> None:
        self.server.world.posts.append((f"DELETE {self.path}", None))
        self.server.world.exports["1"]["state"] = "cancelled"
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.json({})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    world: StandIn

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.connections: set[socket.socket] = set()

    def handle_error(self, *_: object) -> None:
        pass  # a page that went away


@contextlib.contextmanager
def serving(world: StandIn) -> Iterator[str]:
    """Serve it on a free port; yields the address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.world = world
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in server.connections:  # what is open would be answered on, as by a server that is there
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        world.picture.close()
