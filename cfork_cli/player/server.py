"""The player's server: on this computer alone, for whoever knows the token, and gone with the page.

A page of another site, or a name that points here (DNS rebinding), can make the user's browser ask; so the `Host` must
be ours, `Origin` and `Sec-Fetch-Site` must not be foreign, and nothing answers without a cookie that only the address
with the token gives. No name of a file comes from outside: what can be asked for is in a table.
"""

from __future__ import annotations

import hmac
import json
import math
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cfork_cli.errors import CforkError, OutputError, of_any
from cfork_cli.player import desk, flac_track
from cfork_cli.player.life import Life
from cfork_cli.player.session import Busy, Session

ADDRESS = "127.0.0.1"
MOST_BODY_BYTES = 64 * 1024
MOST_WAIT_SECONDS = 10.0
IDLE_SECONDS = 60.0  # a connection that asks for nothing is closed

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".json": "application/json",
}  # fmt: skip

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; "
    "img-src 'self' data:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """A request that is not served: status and one line."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def assets() -> dict[str, tuple[bytes, str]]:
    """Return the page's files: name -> bytes and type."""
    folder = Path(__file__).with_name("static")
    files = [path for path in folder.iterdir() if path.suffix in TYPES] if folder.is_dir() else []
    return {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in files}


class Server:
    """Serves one session. A context manager: on leaving, the port is free and no connection is left.

    Args:
        port: 0 takes any that is free.

    Attributes:
        url: the address to open, with the token.

    Raises:
        OutputError: the port is taken, or may not be used.
    """

    def __init__(self, session: Session, port: int = 0, life: Life | None = None) -> None:
        self.session = session
        self.life = life or Life(lambda: session.busy)
        self.token, self.cookie = secrets.token_urlsafe(24), secrets.token_urlsafe(32)
        self.assets = assets()
        self.connections: set[socket.socket] = set()
        server = self

        class Bound(Handler):
            owner = server

        try:
            self._http = _Http((ADDRESS, port), Bound)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise OutputError(f"port {port} cannot be used ({why}): take another --port, or none") from error
        self._http.owner = self
        self.port = int(self._http.server_address[1])
        self.url = f"http://{ADDRESS}:{self.port}/?token={self.token}"
        self.cookie_name = f"cfork-{self.port}"  # browsers share cookies between ports
        self.hosts = {f"{ADDRESS}:{self.port}", f"localhost:{self.port}"}
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.1,), name="cfork-play-server", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Wait until the last page is gone."""
        self.life.wait()

    def close(self) -> None:
        """Free the port, and end all connections."""
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name == "posix"  # on Windows it would let two players listen on one port
    request_queue_size = 64
    owner: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that went away in the middle is nobody's business."""


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "cfork", ""
    timeout = IDLE_SECONDS
    owner: Server

    def setup(self) -> None:
        super().setup()
        self.owner.connections.add(self.connection)

    def finish(self) -> None:
        self.owner.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *_: Any) -> None:
        """Say nothing: the terminal is for the user."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    # ---- who may ask ----

    def _serve(self, method: str) -> None:
        try:
            body = self._body(method)
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self._check_sender()
            if method == "GET" and parts.path == "/" and "token" in asked:
                self._welcome(asked["token"])
                return
            self._check_cookie()
            for expected, pattern, answer in ROUTES:
                found = re.fullmatch(pattern, parts.path, re.ASCII)
                if found and expected == method:
                    answer(self, found, asked, body)
                    return
            raise Refused(404, "there is nothing here")
        except Refused as refused:
            self._send_json({"error": refused.why}, refused.status)
        except Busy as error:
            self._send_json({"error": str(error)}, 409)
        except CforkError as error:
            self._send_json({"error": str(error)}, 400)
        except OSError:
            self.close_connection = True
        except Exception as error:
            self._send_json({"error": str(of_any(error))}, 500)

    def _check_sender(self) -> None:
        if self.headers.get("Host", "").lower() not in self.owner.hosts:
            raise Refused(403, "this is not the address of this player")
        origin = self.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self.owner.hosts}:
            raise Refused(403, "another site asks")
        site = self.headers.get("Sec-Fetch-Site")
        if site is not None and site not in ("same-origin", "none"):
            raise Refused(403, "another site asks")

    def _check_cookie(self) -> None:
        for part in self.headers.get("Cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self.owner.cookie_name and _equal(value, self.owner.cookie):
                return
        raise Refused(403, "open the address that `cfork play` printed: it has the token")

    def _welcome(self, token: str) -> None:
        """The token becomes a cookie, and leaves the address bar."""
        if not _equal(token, self.owner.token):
            raise Refused(403, "this is not the token that `cfork play` printed")
        cookie = f"{self.owner.cookie_name}={self.owner.cookie}; Path=/; HttpOnly; SameSite=Strict"
        self._send(b"", "text/plain", 303, {"Location": "/", "Set-Cookie": cookie})

    def _body(self, method: str) -> dict[str, Any]:
        """Return the JSON object that was sent; whatever was sent is read, or the connection ends."""
        try:
            size = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            size = -1
        if size < 0 or size > MOST_BODY_BYTES or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Refused(413, "too much, or of unknown length")
        data = self.rfile.read(size)
        if method == "GET":
            return {}
        if self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "JSON is wanted")
        try:
            found = json.loads(data or b"{}")
        except (ValueError, RecursionError) as error:
            raise Refused(400, "this is not JSON") from error
        if not isinstance(found, dict):
            raise Refused(400, "a JSON object is wanted")
        return found

    # ---- answers ----

    def _send(self, data: bytes, kind: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **(headers or {})}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    def _send_json(self, value: Any, status: int = 200) -> None:
        with suppress(OSError):  # nobody is there to read it
            self._send(json.dumps(value, allow_nan=False).encode(), "application/json", status)

    def _nothing(self) -> None:
        self._send(b"", "", 204)

    def page(self, *_: Any) -> None:
        """The page itself."""
        data, kind = self.owner.assets.get("index.html", (b"", TYPES[".html"]))
        self.owner.life.heard()
        self._send(data, kind)

    def asset(self, found: re.Match[str], *_: Any) -> None:
        """One of the page's files."""
        if found[1] not in self.owner.assets:
            raise Refused(404, "there is nothing here")
        self._send(*self.owner.assets[found[1]])

    def film(self, *_: Any) -> None:
        """The facts of the film."""
        self.owner.life.heard()
        self._send_json(self.owner.session.film())

    def can(self, _: Any, __: Any, body: dict[str, Any]) -> None:
        """What the browser can play."""
        self._send_json({"copy": self.owner.session.can(body)})

    def at(self, _: Any, __: Any, body: dict[str, Any]) -> None:
        """Where a page is."""
        seconds = _number(body.get("t"))
        self.owner.life.heard()
        self.owner.session.at(str(body.get("page", ""))[:64], seconds, bool(body.get("playing", False)))
        self._nothing()

    def state(self, _: Any, asked: dict[str, str], __: Any) -> None:
        """What is there."""
        self.owner.life.heard()
        self._send_json(self.owner.session.state(int(_number(asked.get("since", 0)))))

    def video_head(self, *_: Any) -> None:
        """The head of the picture's track."""
        self._send(self.owner.session.video_head(), "video/mp4")

    def video(self, _: Any, asked: dict[str, str], __: Any) -> None:
        """A group of pictures."""
        found = self.owner.session.video(max(0.0, _number(asked.get("t"))), fresh=asked.get("fresh") == "1")
        if found is None:
            self._nothing()
        else:
            data, begin, end = found
            self._send(data, "video/mp4", 200, {"X-Start": f"{begin:.6f}", "X-End": f"{end:.6f}"})

    def sound_head(self, *_: Any) -> None:
        """The head of the sound's track."""
        self._send(flac_track.init(), "audio/mp4")

    def sound(self, found: re.Match[str], asked: dict[str, str], _: Any) -> None:
        """A fragment of sound; with the mixture alone, if that is wanted."""
        index, work = int(found[1]), self.owner.session.work
        data = None
        if index < work.count:
            if asked.get("plain") == "1":
                data = work.plain(index)
            else:
                data = work.fragment(index, min(max(0.0, _number(asked.get("wait", 0))), MOST_WAIT_SECONDS))
        if data is None:
            self._nothing()
            return
        begin = index * flac_track.FRAGMENT_SECONDS
        times = {"X-Start": f"{begin:.6f}", "X-End": f"{begin + flac_track.FRAGMENT_SECONDS:.6f}"}
        self._send(data, "audio/mp4", 200, times)

    def subtitle(self, found: re.Match[str], *_: Any) -> None:
        """A subtitle track."""
        data = self.owner.session.subtitle(int(found[1]))
        if data is None:
            raise Refused(404, "there is no such subtitle track")
        self._send(data, "text/vtt; charset=utf-8")

    def room(self, found: re.Match[str], *_: Any) -> None:
        """The impulse response of a room."""
        self._send(desk.room(found[1]), "application/octet-stream")

    def track(self, _: Any, __: Any, body: dict[str, Any]) -> None:
        """Another sound track."""
        self.owner.session.choose(int(_number(body.get("audio"))))
        self._send_json({"epoch": self.owner.session.epoch})

    def export(self, _: Any, __: Any, body: dict[str, Any]) -> None:
        """Begin to write the film."""
        self._send_json({"id": self.owner.session.export(body)})

    def exported(self, found: re.Match[str], *_: Any) -> None:
        """How far the film is."""
        self._send_json(self._export(found).facts())

    def cancel(self, found: re.Match[str], *_: Any) -> None:
        """Write no film after all."""
        export = self._export(found)
        export.cancel()
        self._send_json(export.facts())

    def _export(self, found: re.Match[str]) -> Any:
        export = self.owner.session.exported(found[1])
        if export is None:
            raise Refused(404, "there is no such export")
        return export

    def quit(self, _: Any, __: Any, body: dict[str, Any]) -> None:
        """A page was closed, or all shall end."""
        if body.get("closing") and self.owner.session.left(str(body.get("page", ""))[:64]):
            self.owner.life.closed()
        self._nothing()
        if not body.get("closing"):
            self.owner.life.end()


Answer = Callable[[Handler, "re.Match[str]", dict[str, str], dict[str, Any]], None]

ROUTES: tuple[tuple[str, str, Answer], ...] = (
    ("GET", r"/", Handler.page),
    ("GET", r"/assets/([a-z0-9_.-]{1,64})", Handler.asset),
    ("GET", r"/api/film", Handler.film),
    ("POST", r"/api/can", Handler.can),
    ("POST", r"/api/at", Handler.at),
    ("GET", r"/api/state", Handler.state),
    ("GET", r"/v/init", Handler.video_head),
    ("GET", r"/v", Handler.video),
    ("GET", r"/a/init", Handler.sound_head),
    ("GET", r"/a/(\d{1,7})", Handler.sound),
    ("GET", r"/s/(\d{1,4})", Handler.subtitle),
    ("GET", r"/r/(room|hall)", Handler.room),
    ("POST", r"/api/track", Handler.track),
    ("POST", r"/api/export", Handler.export),
    ("GET", r"/api/export/([0-9a-f]{16})", Handler.exported),
    ("DELETE", r"/api/export/([0-9a-f]{16})", Handler.cancel),
    ("POST", r"/api/quit", Handler.quit),
)


def _number(value: Any) -> float:
    """Return a finite number from a page.

    Raises:
        Refused: it is none.
    """
    with suppress(TypeError, ValueError):
        number = float(value)
        if math.isfinite(number) and not isinstance(value, bool):
            return number
    raise Refused(400, "a number is wanted")


def _equal(one: str, other: str) -> bool:
    """Return whether two secrets are the same, in a time that does not tell."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
