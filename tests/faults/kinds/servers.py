"""Servers that never come to an end, and those that lead elsewhere: each download is bounded in time and bytes."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import random
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator

from faults.bench import Bench
from faults.trial import DOCUMENTED, STOPPED, Trial

SLOW_SECONDS = 1.5
"""In place of a minute: see `model.hub.hurry`."""
MOST_BYTES = 3_000_000
"""In place of two gigabytes: see `model.hub.download`."""
LIMIT_SECONDS = 45.0
"""For five attempts, each as slow as is allowed, on a machine that does other things too."""
PAUSE_SECONDS = 0.1
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"

Answer = Callable[[socket.socket, bytes, random.Random, list[str]], None]


def _drip(connection: socket.socket, pieces: Iterator[bytes]) -> None:
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(PAUSE_SECONDS)


def _flood(connection: socket.socket, piece: bytes) -> None:
    while True:
        connection.sendall(piece)


def _slow_body(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(data))
    _drip(connection, (data[place : place + 1] for place in range(len(data))))


def _slow_chunks(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    _drip(connection, (b"1\r\n%c\r\n" % byte for byte in data))


def _slow_head(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    head = OK + b"X-Long: " + b"a" * 60_000
    _drip(connection, (head[place : place + 1] for place in range(len(head))))


def _slow_headers(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    connection.sendall(OK)
    _drip(connection, (b"X-%d: a\r\n" % number for number in itertools.count()))


def _slow_continue(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    _drip(connection, itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"))


def _fast_continue(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    _flood(connection, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def _endless_body(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    connection.sendall(OK + b"\r\n" + data)
    _flood(connection, bytes(65_536))


def _endless_chunks(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    _flood(connection, b"10000\r\n" + bytes(65_536) + b"\r\n")


def _endless_headers(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    connection.sendall(OK)
    _flood(connection, b"X-Same: " + b"a" * 1000 + b"\r\n")


def _endless_line(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    connection.sendall(draw.choice((b"HTTP/1.1 200 ", OK + b"X: ", OK + b"Transfer-Encoding: chunked\r\n\r\n1;")))
    _flood(connection, b"a" * 65_536)


def _endless_trailers(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(data), data))
    _flood(connection, b"X-Same: " + b"a" * 1000 + b"\r\n")


def _many_digits(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    digits = b"9" * 5000
    name = draw.choice(
        (b"Content-Length: %s", b"Content-Length: %s", b"Retry-After: %s", b"Content-Range: bytes 0-%s/%s")
    )
    status = {b"R": b"503 Busy", b"C": b"206 Partial"}[name[:1]] if b"Length" not in name else b"200 OK"
    connection.sendall(b"HTTP/1.1 " + status + b"\r\n" + name.replace(b"%s", digits) + b"\r\n\r\n" + data)


def _chunk_of_many_digits(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    size = draw.choice((b"f" * 5000, b"-1", b"0x10", b"", b"7fffffffffffffff"))
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + data)


def _two_lengths(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    lengths = [len(data), draw.choice((1, 10**9, len(data) + 1))]
    draw.shuffle(lengths)
    connection.sendall(OK + b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % tuple(lengths) + data)


def _another_part(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    first = draw.randrange(len(data))
    words = b"HTTP/1.1 206 Partial\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
    connection.sendall(words % (first, len(data) - 1, len(data)) + data[first:])


def _cut(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    tag = b'ETag: "%d"\r\n' % draw.randrange(10**6)
    connection.sendall(OK + tag + b"Content-Length: %d\r\n\r\n" % len(data) + data[: draw.randrange(len(data))])


def _reset(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    if draw.random() < 0.7:
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(data) + data[: draw.randrange(len(data))])
        time.sleep(PAUSE_SECONDS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _hang(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    connection.sendall(draw.choice((b"", b"HTTP/1.1 200", OK, OK + b"Content-Length: 99999\r\n\r\n" + data[:3000])))
    time.sleep(20)


def _bomb(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    packed = gzip.compress(bytes(64 << 20), 9)
    how = draw.choice((b"Content-Encoding: gzip", b"Transfer-Encoding: gzip", b"Content-Type: application/gzip"))
    connection.sendall(OK + how + b"\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)


def _other_file(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    place = draw.randrange(len(data))
    data = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(data) + data)


def _refusal_without_end(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    status = draw.choice((b"404 Gone", b"503 Busy", b"302 Found\r\nLocation: /endless-body/1/tiny.safetensors"))
    connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 99999999999\r\n\r\n")
    _flood(connection, bytes(65_536))


def _leads(connection: socket.socket, to: str) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to.encode() + b"\r\n\r\n")


def _circle(connection: socket.socket, data: bytes, _: random.Random, parts: list[str]) -> None:
    number = int(parts[2]) + 1
    _leads(connection, f"/{parts[1]}/{number % 3 if int(parts[2]) < 3 else number}/tiny.safetensors")


def _elsewhere(connection: socket.socket, data: bytes, draw: random.Random, parts: list[str]) -> None:
    ear = parts[-2]
    _leads(connection, draw.choice((
        "file:///etc/passwd", "FILE:///etc/passwd", "ftp://127.0.0.1:%s/x", "jar:file:///etc/passwd!/", "data:,x",
        "gopher://127.0.0.1:%s/x", "//127.0.0.2:%s/x", "http://127.0.0.2:%s/x", "http://127.0.0.2:%s/x",
        "http://[::ffff:127.0.0.2]:%s/x", "http://0x7f000002:%s/x", "http://a\r\nb", "http://\u202e", "http:///x",
        "http://127.0.0.2:99999999/x", "http://user:secret@127.0.0.2:%s/x", "http://2130706434:%s/x",
    )).replace("%s", ear))  # fmt: skip


ANSWERS: dict[str, Answer] = {
    "slow body": _slow_body, "slow chunks": _slow_chunks, "slow head": _slow_head, "slow headers": _slow_headers,
    "slow continue": _slow_continue, "fast continue": _fast_continue, "endless body": _endless_body,
    "endless chunks": _endless_chunks, "endless headers": _endless_headers, "endless line": _endless_line,
    "endless trailers": _endless_trailers, "many digits": _many_digits, "chunk sizes": _chunk_of_many_digits,
    "two lengths": _two_lengths, "another part": _another_part, "cut": _cut, "reset": _reset, "hang": _hang,
    "gzip bomb": _bomb, "other file": _other_file, "refusal without end": _refusal_without_end, "circle": _circle,
    "elsewhere": _elsewhere,
}  # fmt: skip


def servers(bench: Bench, draw: random.Random) -> Trial:
    """A model from such a server, into the cache or as the model of a remix."""
    told, seed = draw.choice(list(ANSWERS)), draw.randrange(10**9)
    folder = bench.fresh()
    base = f"{bench.server}/{told.replace(' ', '-')}/{1 if told == 'circle' else seed}/{bench.far_port}"
    url = f"{base}/tiny.safetensors"
    wait = ["--timeout", "1"]
    arguments = draw.choice((
        ["models", "pull", url, "--name", "tiny", *wait], ["models", "pull", url, "--name", "tiny", *wait],
        ["models", "pull", url, "--name", "tiny", "--sha256", "0" * 64, *wait],
        ["models", "pull", "mrx", "--from", base, *wait],
        ["remix", "film.mkv", "--dialog", "3", "--model", url, "-o", "new.mkv"],
    ))  # fmt: skip
    inputs = (bench.put("aac.mkv", folder, "film.mkv"),)
    outputs = (folder / "new.mkv",) if arguments[0] == "remix" else ()
    good = {0} if "--sha256" not in arguments and arguments[2] == url else set()
    return Trial(
        f"server {told} {seed}: {' '.join(arguments[:2])}{' --sha256' * ('--sha256' in arguments)}",
        [*arguments, *draw.choice(([], ["--json"]))], folder, inputs=inputs, outputs=outputs,
        codes=frozenset({7, *good}) if arguments[0] == "models" else DOCUMENTED - STOPPED - {0},
        patch=_smaller, limit_seconds=LIMIT_SECONDS,
    )  # fmt: skip


def _smaller() -> None:
    """Make limits of time and size small, and 127.0.0.1 an address out in the world."""
    from model.hub import download, hurry

    hurry.SLOW_SECONDS = SLOW_SECONDS
    download.LARGEST_BYTES, download.LONGEST_PAUSE = MOST_BYTES, 0.2
    known = hurry.is_near
    hurry.is_near = lambda address: address != "127.0.0.1" and known(address)


def answer(connection: socket.socket, path: str, data: bytes) -> bool:
    """Answer a request, if its path begins with one of these; return whether it did."""
    parts = path.split("/")
    told = parts[1].replace("-", " ") if len(parts) > 1 else ""
    if told not in ANSWERS:
        return False
    signal.alarm(60)  # whoever floods ends, whatever becomes of the reader
    with contextlib.suppress(OSError):
        ANSWERS[told](connection, data, random.Random(path), parts)
    connection.close()
    os._exit(0)
