"""The connections of one request: neither slower than a limit, nor led from the world into this network.

A server that sends a byte now and then is in time with each of them, and never ends. One that leads to an address of
this machine, or of the network that it is in, makes us ask what only we can ask.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import threading
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from .partial import DownloadError

SLOWEST_BYTES_PER_SECOND = 1000
SLOW_SECONDS = 60.0
"""In so long, a connection must bring an answer, and then so many bytes a second, or it is broken off."""


def is_near(address: str) -> bool:
    """Return whether an IP address is of this machine or of a network of somebody's own, and not of the world.

    >>> is_near("192.168.0.1"), is_near("::1"), is_near("::ffff:10.0.0.1"), is_near("1.1.1.1")
    (True, True, True, False)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return not (mapped or found).is_global


class Hurry:
    """Watches one request, its speed from a thread of its own; a context manager.

    Args:
        size: how many bytes are here.

    Attributes:
        too_slow: whether the connection was broken off.
    """

    def __init__(self, size: Callable[[], int]) -> None:
        self.too_slow = False
        self._size, self._sockets, self._over = size, set[socket.socket](), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="cfork-hurry", daemon=True)
        self._from_afar: bool | None = None

    def handlers(self) -> list[urllib.request.BaseHandler]:
        """Return handlers for urllib whose connections are watched."""
        hurry = self

        class Plain(http.client.HTTPConnection):
            def connect(self) -> None:
                hurry._check(self.host, self.port)
                super().connect()
                hurry._connected(self.sock)

        class Private(http.client.HTTPSConnection):
            def connect(self) -> None:
                hurry._check(self.host, self.port)
                super().connect()
                hurry._connected(self.sock)

        class PlainHandler(urllib.request.HTTPHandler):
            def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Plain, req)

        class PrivateHandler(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                own: Any = self  # the context that it was made with, with the system's certificates
                return self.do_open(Private, req, context=own._context)

        return [PlainHandler(), PrivateHandler()]

    def _check(self, host: str, port: int) -> None:
        """Refuse to go from a server of the world to one that is near. Only the first may be where it likes.

        Raises:
            DownloadError: it would.
        """
        if self._from_afar:
            with contextlib.suppress(socket.gaierror):  # whoever connects says it better
                for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                    self._refuse_near(str(place[0]))

    def _connected(self, one: socket.socket) -> None:
        """Note a connection; a name may have another address now than when it was asked for."""
        address = str(one.getpeername()[0])
        if self._from_afar is None:
            self._from_afar = not is_near(address)
        try:
            self._refuse_near(address)
        except DownloadError:
            one.close()
            raise
        self._sockets.add(one)

    def _refuse_near(self, address: str) -> None:
        if self._from_afar and is_near(address):
            raise DownloadError(
                f"the server leads to {address}, which is this machine or its own network: nothing was taken; if that "
                "is meant, give that address itself"
            )

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
