"""Downloads of models from a server that misbehaves, and a player whose visitors do."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import time
from collections.abc import Sequence

from faults.bench import Bench
from faults.kinds import servers
from faults.mutants import MUTATORS, mutated
from faults.running import Running
from faults.trial import Act, Trial

BEHAVIOURS = (
    "good", "mutated", "short", "long", "no length", "odd length", "status", "redirect", "loop", "hang up", "garbage",
    "slow", "pause", "chunks", "headers", "nothing",
)  # fmt: skip
"""What the server does, by the first part of the path; the second part is a seed."""


def downloads(bench: Bench, draw: random.Random) -> Trial:
    """A model from such a server."""
    told, seed = draw.choice(BEHAVIOURS), draw.randrange(10**9)
    url = f"{bench.server}/{told.replace(' ', '-')}/{seed}/tiny.safetensors"
    folder = bench.fresh()
    arguments = draw.choice((
        ["models", "pull", url, "--name", "tiny", "--timeout", "1"],
        ["models", "pull", "mrx", "--from", f"{bench.server}/{told.replace(' ', '-')}/{seed}", "--timeout", "1"],
    ))  # fmt: skip
    return Trial(
        f"download {told} {seed}: {arguments[2][:4]}", [*arguments, *draw.choice(([], ["--json"]))], folder,
        draw.random() < 0.15, codes=frozenset({0, 7}) if told == "good" else frozenset({0, 3, 7}),
    )  # fmt: skip


def serve(data: bytes) -> tuple[int, int]:
    """Serve a file from a process of its own; returns its number, and the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = int(listener.getsockname()[1])
    pid = os.fork()
    if pid:
        listener.close()
        return pid, port
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                connection.settimeout(20)
                with contextlib.suppress(OSError):
                    _answer(connection, data)
                os._exit(0)
            connection.close()
    finally:
        os._exit(0)


def _answer(connection: socket.socket, data: bytes) -> None:
    asked = b""
    while b"\r\n\r\n" not in asked and len(asked) < 65_536:
        asked += connection.recv(4096) or b"\r\n\r\n"
    path = asked.split(b" ")[1].decode("latin-1") if asked.count(b" ") > 1 else "/"
    if servers.answer(connection, path, data):
        return
    parts = path.split("/")
    told = parts[1].replace("-", " ") if len(parts) > 1 else ""
    draw = random.Random(path)
    length: object = len(data)
    if told == "mutated":
        _, data = mutated(data, draw, MUTATORS)
        length = len(data)
    elif told == "short":
        data = data[: draw.randrange(len(data))]
    elif told == "long":
        data += draw.randbytes(draw.randint(1, 9000))
    elif told == "odd length":
        length = draw.choice(("9" * 400, "-1", "abc", "", "0x10", "1e9", 2**63, 2**40, "9" * 5000))
    elif told == "status":
        code = draw.choice((100, 204, 206, 301, 304, 400, 401, 403, 404, 416, 429, 500, 503, 599, 999))
        connection.sendall(b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % code)
        return
    elif told in ("redirect", "loop"):
        to = (
            path
            if told == "loop"
            else draw.choice(("file:///etc/passwd", "ftp://127.0.0.1/x", "//", "http://[", "data:,x"))
        )
        connection.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % to.encode())
        return
    elif told == "hang up":
        return
    elif told == "garbage":
        connection.sendall(draw.randbytes(draw.randint(1, 3000)))
        return
    elif told == "nothing":
        time.sleep(3)
        return
    elif told == "headers":
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 500) for n in range(400)))
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    if told not in ("no length", "chunks"):
        head += f"Content-Length: {length}\r\n".encode()
    if told == "chunks":
        head += b"Transfer-Encoding: chunked\r\n"
        data = b"%x\r\n%s\r\n" % (draw.choice((100, len(data), 2**40)), data[: draw.randrange(len(data))])
    connection.sendall(head + b"\r\n")
    half = len(data) // 2
    connection.sendall(data[:half])
    if told in ("slow", "pause"):
        time.sleep(3 if told == "pause" else 0.5)
    connection.sendall(data[half:])


REQUESTS: Sequence[bytes] = (
    b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n", b"GET /%s HTTP/1.1\r\n\r\n", b"POST /export HTTP/1.1\r\nHost: %s\r\n"
    b"Content-Length: 99999999999\r\n\r\n", b"GET /../../etc/passwd HTTP/1.1\r\nHost: %s\r\n\r\n", b"\r\n\r\n%s",
    b"GET /?token=wrong HTTP/1.1\r\nHost: %s\r\n\r\n", b"DELETE /export/1 HTTP/1.1\r\nHost: %s\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: %s\r\nContent-Length: -1\r\n\r\n", b"%s" + b"A" * 70_000,
    b"GET /picture?t=nan HTTP/1.1\r\nHost: %s\r\nRange: bytes=9-1\r\n\r\n",
)  # fmt: skip


def player(bench: Bench, draw: random.Random) -> Trial:
    """The player with a film, whole or damaged; visitors that talk nonsense; then Ctrl-C, or SIGTERM."""
    name = draw.choice(("aac.mkv", "film.mp4", "film.webm", "film.ts", "pcm16.wav", "film.avi"))
    data = bench.film(name).read_bytes()
    done = "whole"
    if draw.random() < 0.5:
        done, data = mutated(data, draw)
    folder = bench.fresh()
    film = folder / f"film{name[name.index('.') :]}"
    film.write_bytes(data)
    number = draw.choice((signal.SIGINT, signal.SIGTERM))
    visits = [draw.choice(REQUESTS) for _ in range(draw.randint(0, 4))]
    acts: list[tuple[float, Act]] = [(0.0, lambda run: _visit(run, visits))]
    acts.append((draw.uniform(0, 1), lambda run: run.send(number)))
    return Trial(
        f"player {name} {done}, {len(visits)} visits", ["play", film.name, "--no-browser", "--model", str(bench.model)],
        folder, draw.random() < 0.15, inputs=(film,), codes=frozenset({0, 3, 5, 128 + number}), acts=acts,
    )  # fmt: skip


def _visit(run: Running, visits: Sequence[bytes], then: bytes = b"") -> bool:
    """Once the address is told, send requests and read a little of the answers; then one more with the cookie."""
    found = re.search(rb"http://(127\.0\.0\.1):(\d+)/\?token=\S+", run.out)
    if found is None:
        return False
    host = b"127.0.0.1:" + found[2]
    answer = b""
    for words in (b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (found[0].split(found[2])[1], host), *visits):
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", int(found[2])), 5) as visitor:
                visitor.settimeout(1)
                visitor.sendall(words.replace(b"%s", host))
                answer = visitor.recv(4000)
        cookie = re.search(rb"Set-Cookie: ([^;\r]+)", answer) if then else None
        if cookie is not None:
            _say(int(found[2]), then.replace(b"%s", host).replace(b"\r\n", b"\r\nCookie: " + cookie[1] + b"\r\n", 1))
            then = b""
    return True


def _say(port: int, words: bytes) -> None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as visitor:
        visitor.settimeout(2)
        visitor.sendall(words)
        visitor.recv(200)


def endings(bench: Bench, draw: random.Random) -> Trial:
    """The player is killed, finds its port taken, has no browser, or its page is closed."""
    folder = bench.fresh()
    film = bench.put(draw.choice(("aac.mkv", "film.mp4")), folder, "film.mkv")
    told = draw.choice(
        ("killed", "port taken", "no browser", "browser dies", "page closed", "page closed", "page gone")
    )
    arguments = ["play", film.name, "--model", str(bench.model)]
    acts: list[tuple[float, Act]] = []
    environment: dict[str, str] = {}
    codes = {0}
    if told == "port taken":
        arguments += ["--no-browser", "--port", str(bench.port)]
        codes = {4}
    elif told == "killed":
        arguments += ["--no-browser"]
        acts.append((draw.uniform(0, 2), lambda run: run.send(signal.SIGKILL)))
        codes = {-9}
    elif told in ("no browser", "browser dies"):
        environment["BROWSER"] = {"no browser": "/no/such/browser", "browser dies": "false"}[told]
        acts.append((0.0, lambda run: _visit(run, ())))
        acts.append((0.5, lambda run: run.send(signal.SIGINT)))
    else:
        arguments += ["--no-browser"]
        closing = b'{"closing": true, "page": "p"}'
        words = b"POST /api/quit HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nContent-Type: application/json\r\n"
        words += f"Content-Length: {len(closing)}\r\n\r\n".encode() + closing
        acts.append((0.0, lambda run: _visit(run, (), then=words if told == "page closed" else b"GET /api/film HTT")))
        if told == "page gone":  # nothing was said: a page may come again for minutes
            acts.append((draw.uniform(1, 3), lambda run: run.send(signal.SIGTERM)))
    return Trial(
        f"{told}: player", arguments, folder, draw.random() < 0.2, inputs=(film,), codes=frozenset(codes), acts=acts,
        environment=environment, may_leave=told == "killed", limit_seconds=60,
    )  # fmt: skip
