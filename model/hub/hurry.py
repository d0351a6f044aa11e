"""A limit for servers that send a byte now and then: each of them is in time, and all of them never end."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

SLOWEST_BYTES_PER_SECOND = 1000
SLOW_SECONDS = 60.0
"""In so long, a connection must bring an answer, and then so many bytes a second, or it is broken off."""


class Hurry:
    """Watches one request from a thread of its own; a context manager.

    Args:
        size: how many bytes are here.

    Attributes:
        too_slow: whether the connection was broken off.
    """

    def __init__(self, size: Callable[[], int]) -> None:
        self.too_slow = False
        self._size, self._sockets, self._over = size, set[socket.socket](), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="cfork-hurry", daemon=True)

    def handlers(self) -> list[urllib.request.BaseHandler]:
        """Return handlers for urllib whose connections are watched."""
        hurry = self

        class Plain(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                hurry._sockets.add(self.sock)

        class Private(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                hurry._sockets.add(self.sock)

        class PlainHandler(urllib.request.HTTPHandler):
            def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Plain, req)

        class PrivateHandler(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                own: Any = self  # the context that it was made with, with the system's certificates
                return self.do_open(Private, req, context=own._context)

        return [PlainHandler(), PrivateHandler()]

    def _watch(self) -> None:
        before = self._size()
        while not self._over.wait(SLOW_SECONDS):
            now = self._size()
            if now - before < SLOWEST_BYTES_PER_SECOND * SLOW_SECONDS:
                self.too_slow = True
                for one in list(self._sockets):
                    with contextlib.suppress(OSError):  # closed already
                        one.shutdown(socket.SHUT_RDWR)
                return
            before = now

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
