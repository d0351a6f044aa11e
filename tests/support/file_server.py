"""A web server on this machine that has files, and may be told to misbehave."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        step = self.server.steps.pop(0) if self.server.steps else whole
        with contextlib.suppress(OSError):  # the client has gone
            step(self)

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def data(self) -> bytes | None:
        # a proxy is asked for the whole address
        return self.server.files.get(re.sub(r"^http://[^/]+", "", self.path).partition("?")[0])

    def log_message(self, *_: object) -> None:
        pass


Step = Callable[[Handler], None]


class FileServer(ThreadingHTTPServer):
    """Serves `files` (path -> bytes) with ranges and ETags, but first does `steps`, one for each request.

    Attributes:
        requests: path and headers of each request so far.
        tags: whether files have an ETag.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.steps: list[Step] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.tags = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[FileServer]:
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def whole(handler: Handler, *, most: int | None = None, pause: float = 0.0) -> None:
    """The file, or the range of it that was asked for; at most so many bytes, after a pause in the middle."""
    data = handler.data()
    if data is None:
        handler.head(404, Content_Length=0)
        return
    tag = f'"{hashlib.md5(data).hexdigest()}"'
    tags = {"ETag": tag} if handler.server.tags else {}
    span = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    same = handler.headers.get("If-Range") in (None, tag)
    start = int(span[1]) if span and same else 0
    if start >= len(data) and span:
        handler.head(416, Content_Range=f"bytes */{len(data)}", Content_Length=0)
        return
    where = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if span and same else {}
    handler.head(206 if where else 200, Content_Length=len(data) - start, **tags, **where)
    body = data[start:] if most is None else data[start : start + most]
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    time.sleep(pause)
    handler.wfile.write(body[len(body) // 2 :])


def dropped(after: int) -> Step:
    """The connection breaks off after so many bytes."""
    return lambda handler: whole(handler, most=after)


def slow(pause: float) -> Step:
    """A pause in the middle of the file."""
    return lambda handler: whole(handler, pause=pause)


def status(code: int, **headers: object) -> Step:
    """Nothing but a status."""
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def body(data: bytes, **headers: object) -> Step:
    """Other bytes than asked for, and without their length."""

    def step(handler: Handler) -> None:
        handler.head(200, **headers)
        handler.wfile.write(data)

    return step


def hang_up(handler: Handler) -> None:
    """Not even an answer."""
    handler.connection.close()


def ignoring_ranges(handler: Handler) -> None:
    """The whole file, whatever part was asked for."""
    del handler.headers["Range"]
    whole(handler)
