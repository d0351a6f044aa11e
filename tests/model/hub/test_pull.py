"""Models from the web: whole and checked, or an error that says what to do. The server is in this process."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest
from support.file_server import FileServer, Handler, Step, body, dropped, hang_up, ignoring_ranges, slow, status, whole

from model.hub import cache, download, hurry, note, pull, released, weights
from model.hub.partial import DownloadError
from model.networks.mrx import MRX

FILE = released.file_name("default")
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 122317463\n".encode()


@pytest.fixture
def server(mirror: FileServer) -> FileServer:
    """The mirror of conftest, by a shorter name."""
    return mirror


@pytest.fixture(autouse=True)
def home(server: FileServer) -> Path:
    """The cache."""
    return cache.folder()


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits between attempts."""
    pauses: list[float] = []
    monkeypatch.setattr(download, "sleep", pauses.append)
    return pauses


def mrx(**options: object) -> pull.Pulled:
    wanted = pull.find("mrx")
    assert wanted is not None
    return pull.pull(wanted, **options)  # type: ignore[arg-type]


def address(url: str, **options: str) -> pull.Wanted:
    wanted = pull.find(url, **options)
    assert wanted is not None
    return wanted


def fails(words: str, act: Callable[[], object] = mrx) -> str:
    with pytest.raises(DownloadError, match=words) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def left(home: Path) -> set[str]:
    """What lies in the cache, but for locks."""
    return {path.name for path in home.iterdir() if path.suffix != ".lock"}


# ---- servers that would never end ----


def dribble(handler: Handler) -> None:
    """An answer that says nothing of its length, a byte at a time, each of them in time."""
    handler.head(200)
    while True:
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def dribble_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    dribble_bytes = iter(lambda: b"x", b"")
    for byte in dribble_bytes:
        handler.wfile.write(byte)
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("step", [dribble, dribble_headers])
def test_a_server_that_sends_a_byte_now_and_then(
    server: FileServer, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hurry, "SLOW_SECONDS", 0.4)
    cache.folder().mkdir(parents=True)
    server.steps = [step, step]
    fails("sends less than 1,000 bytes a second, 2 times in a row", lambda: download.download(
        f"{server.url}/a.pth", cache.folder() / "a.pth", attempts=2
    ))  # fmt: skip


@pytest.mark.parametrize("length", [10**12, "9" * 5000, "1" * 25])
def test_a_size_that_no_file_of_weights_has(server: FileServer, home: Path, length: object) -> None:
    server.steps = [body(b"x" * 100, Content_Length=length)]
    fails("no file of weights has more than|too many", lambda: pull.pull(address(f"{server.url}/a.pth")))
    assert left(home) == set()


def test_a_body_without_end(server: FileServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LARGEST_BYTES", 100_000)
    server.steps = [body(b"x" * 1_000_000)]
    fails("sends more than the 100,000 bytes", lambda: pull.pull(address(f"{server.url}/a.pth")))
    assert left(home) == set()


def test_numbers_without_end_in_other_headers(server: FileServer, slept: list[float]) -> None:
    server.steps = [status(503, Retry_After="9" * 5000)]
    fails("asks to wait", mrx)


# ---- it comes ----


def test_a_release_comes_and_is_used_by_any_of_its_names(home: Path, checkpoint: bytes, server: FileServer) -> None:
    told: list[tuple[int, int | None]] = []
    done = mrx(progress=lambda at, total: told.append((at, total)))
    assert done.fresh
    assert done.path == home / FILE
    assert done.path.read_bytes() == checkpoint
    assert left(home) == {FILE, f"{FILE}.json"}
    assert told[0] == (0, len(checkpoint))
    assert told[-1] == (len(checkpoint), len(checkpoint))
    for name in ("mrx", "default", FILE, FILE.removesuffix(".pth")):
        assert weights.resolve(name) == done.path
    assert isinstance(weights.load("mrx"), MRX)
    assert not mrx().fresh
    assert [path for path, _ in server.requests] == [f"/{FILE}"]
    assert cache.read_record(done.path) == cache.Record(f"{server.url}/{FILE}", done.sha256, len(checkpoint))


def test_the_authors_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pull.MIRROR)
    wanted = address("mrx-adapted-eq")
    assert wanted.url == (
        "https://media.githubusercontent.com/media/merlresearch/cocktail-fork-separation/"
        "19b3de827ebc4bfb014570cf92dd32b4ee3b6921/checkpoints/adapted_eq_mrx_pre_trained_weights.pth"
    )
    assert (wanted.sha256, wanted.bytes) == (released.RELEASES["adapted_eq"].sha256, 122_317_657)
    assert address("mrx", mirror="http://here/x/").url == f"http://here/x/{FILE}"
    assert pull.find("cfork") is None
    with pytest.raises(weights.WeightsError, match=r"no model to pull is called 'nope'; choose mrx, .*https://"):
        pull.find("nope")


def test_a_redirect_keeps_the_range(server: FileServer, checkpoint: bytes) -> None:
    server.steps = [dropped(1000), status(302, Location=f"{server.url}/{FILE}")]
    assert mrx().path.read_bytes() == checkpoint
    assert [headers.get("Range") for _, headers in server.requests] == [None, "bytes=1000-", "bytes=1000-"]


@pytest.mark.parametrize("length", ["99999999999", None])
def test_what_comes_with_a_redirect_is_not_read(server: FileServer, length: str | None) -> None:
    """Neither gigabytes at once, nor bytes without end."""
    hung = threading.Event()

    def leads(handler: Handler) -> None:
        told = {"Content-Length": length} if length else {}
        handler.head(302, Location=f"{server.url}/{FILE}", **told)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(bytes(1 << 16))
        hung.set()

    server.steps = [leads]
    assert mrx().fresh
    assert hung.wait(30)  # the connection was closed, so nobody writes for ever


@pytest.mark.parametrize("circle", [True, False])
def test_redirects_come_to_an_end(server: FileServer, circle: bool) -> None:
    """In a circle, or always further."""
    server.steps = [
        status(302, Location=f"{server.url}/{FILE}?{number % 2 if circle else number}") for number in range(30)
    ]
    fails("leads from one address to the next, too often")
    assert len(server.requests) < 30


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_redirects_leave_the_web_for_nothing(server: FileServer, place: str, home: Path) -> None:
    server.steps = [status(302, Location=place)]
    fails("not safe|does not give")
    assert left(home) == set()


def test_a_private_connection_is_not_led_to_an_open_one() -> None:
    import urllib.request

    request = urllib.request.Request("https://a.example/x")
    with open(os.devnull, "rb") as nothing:
        fails("not safe", lambda: download._Redirects().redirect_request(
            request, nothing, 302, "Found", {}, "http://a.example/x"))  # fmt: skip


def test_a_proxy_is_used(server: FileServer, checkpoint: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pull.MIRROR, "http://far.example")
    monkeypatch.setenv("http_proxy", server.url)
    assert mrx().path.read_bytes() == checkpoint
    assert server.requests[0][0] == f"http://far.example/{FILE}"
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    message = fails(r"far\.example \(through the proxy http://127\.0\.0\.1:9\) refuses", lambda: mrx(force=True))
    assert "secret" not in message
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(pull.MIRROR, server.url)
    assert mrx(force=True).fresh


# ---- it breaks off ----


def test_a_dropped_connection_goes_on_where_it_stopped(
    server: FileServer, checkpoint: bytes, slept: list[float], home: Path
) -> None:
    server.steps = [dropped(1000), status(500), dropped(500), hang_up]
    notes: list[str] = []
    assert mrx(note=notes.append).path.read_bytes() == checkpoint
    assert [headers.get("Range") for _, headers in server.requests] == [
        None, "bytes=1000-", "bytes=1000-", "bytes=1500-", "bytes=1500-",
    ]  # fmt: skip
    assert all(headers["If-Range"].startswith('"') for _, headers in server.requests[1:])
    assert slept == [1, 2, 4, 8]
    assert "broke off at 1,000 of" in notes[0]
    assert "127.0.0.1 is in trouble (500" in notes[1]
    assert left(home) == {FILE, f"{FILE}.json"}


def test_after_giving_up_the_next_pull_goes_on(server: FileServer, checkpoint: bytes, home: Path) -> None:
    server.steps = [dropped(1000)] * 5
    fails(r"broke off at 5,000 of .*, 5 times in a row; the downloaded part is kept, pull again")
    assert left(home) == {f"{FILE}.part", f"{FILE}.part.json"}
    with pytest.raises(weights.WeightsError, match="run: cfork models pull mrx"):
        weights.resolve("mrx")
    assert mrx().path.read_bytes() == checkpoint
    assert server.requests[-1][1]["Range"] == "bytes=5000-"


def test_much_progress_renews_the_patience(
    server: FileServer, checkpoint: bytes, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setattr(download, "_PROGRESS_WORTH_A_RETRY", 1000)
    server.steps = [dropped(1000)] * 9
    assert mrx().path.read_bytes() == checkpoint
    assert slept == [1] * 9


def test_a_file_that_changed_meanwhile_is_begun_anew(server: FileServer, checkpoint: bytes) -> None:
    server.files[f"/{FILE}"] = bytes(len(checkpoint))
    server.steps = [dropped(1000)] * 5
    fails("broke off")
    server.files[f"/{FILE}"] = checkpoint
    assert mrx().path.read_bytes() == checkpoint
    assert server.requests[-1][1]["Range"] == "bytes=5000-"  # the ETag says no


def test_a_server_without_ranges_or_tags(server: FileServer, checkpoint: bytes) -> None:
    server.steps = [dropped(1000), ignoring_ranges]
    assert mrx().path.read_bytes() == checkpoint
    server.tags = False
    server.steps = [dropped(1000)]
    assert mrx(force=True).path.read_bytes() == checkpoint
    assert "If-Range" not in server.requests[-1][1]
    assert server.requests[-1][1]["Range"] == "bytes=1000-"  # the checksum will tell


def test_a_bad_part_is_thrown_away_once(server: FileServer, checkpoint: bytes, home: Path) -> None:
    server.steps = [dropped(1000)] * 5
    fails("broke off")
    part = home / f"{FILE}.part"
    for bad in (bytes(5000), bytes(len(checkpoint)), bytes(len(checkpoint) + 1)):
        part.write_bytes(bad)
        state = {"url_sha256": hashlib.sha256(f"{server.url}/{FILE}".encode()).hexdigest(), "validator": None}
        part.with_name(f"{part.name}.json").write_text(json.dumps(state))
        notes: list[str] = []
        assert mrx(note=notes.append, force=True).path.read_bytes() == checkpoint
        assert len(notes) == 1


def test_a_part_of_another_address_or_of_nobody_is_not_used(server: FileServer, checkpoint: bytes, home: Path) -> None:
    home.mkdir(parents=True)
    for said in (None, "{}", "[]", '{"url_sha256": "0", "validator": null}'):
        (home / f"{FILE}.part").write_bytes(bytes(1000))
        if said is not None:
            (home / f"{FILE}.part.json").write_text(said)
        assert mrx(force=True).path.read_bytes() == checkpoint
        assert "Range" not in server.requests[-1][1]


def test_notes_are_read_to_a_limit_and_believed_no_further(
    server: FileServer, checkpoint: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record beside a model, and that beside a part of one: neither takes memory, nor what it may not say."""
    done, key = mrx(), hashlib.sha256(f"{server.url}/{FILE}".encode()).hexdigest()
    said = {"url_sha256": key, "validator": None}
    beside = {home / f"{FILE}.json": done.path, home / f"{FILE}.part.json": home / f"{FILE}.part"}
    monkeypatch.setattr(note, "MOST_BYTES", 4096)
    for path, whose in beside.items():
        good = path.read_text() if path.exists() else json.dumps(said)
        for bad in (good + " " * 4096, good.strip()[:-1], "[" * 4000, f"[{good}]"):
            path.write_text(bad)
            with pytest.raises(ValueError, match=re.escape(path.name)):
                note.read(path)
        path.unlink()
        path.mkdir()
        with pytest.raises(ValueError, match="no regular file"):
            note.read(path)
        path.rmdir()
        path.write_text(good + " " * 5000)
        assert cache.read_record(whose) is None
    for validator in (None, "7", "1\r\nX: 2", "\u20ac", 7, ["a"]):
        (home / f"{FILE}.part").write_bytes(checkpoint[:1000])
        (home / f"{FILE}.part.json").write_text(json.dumps(said | {"validator": validator}))
        assert mrx(force=True).path.read_bytes() == checkpoint
        assert server.requests[-1][1].get("Range") == ("bytes=1000-" if validator in (None, "7") else None)


def test_a_whole_part_needs_no_byte_more(server: FileServer, checkpoint: bytes, home: Path) -> None:
    server.steps = [dropped(1000)] * 5
    fails("broke off")
    (home / f"{FILE}.part").write_bytes(checkpoint)
    assert mrx().path.read_bytes() == checkpoint
    assert server.requests[-1][1]["Range"] == f"bytes={len(checkpoint)}-"


def test_a_stalled_connection_is_tried_again(server: FileServer, checkpoint: bytes) -> None:
    server.steps = [slow(60)]
    notes: list[str] = []
    assert mrx(timeout=2, note=notes.append).path.read_bytes() == checkpoint
    assert notes == ["127.0.0.1 did not answer for 2 s; trying again in 1 s"]
    assert server.requests[1][1]["Range"] == f"bytes={len(checkpoint) // 2}-"


def test_a_server_that_never_answers(server: FileServer, home: Path) -> None:
    server.steps = [slow(60)] * 5
    server.files[f"/{FILE}"] = b"x"  # half of it is nothing
    fails(r"did not answer for 0\.05 s, 5 times in a row; try again later", lambda: mrx(timeout=0.05))
    assert not (home / FILE).exists()


def test_busy_servers_are_given_the_time_they_ask_for(server: FileServer, slept: list[float]) -> None:
    server.steps = [status(503, Retry_After=7), status(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")]
    assert mrx().fresh
    assert slept == [7, 2]
    server.steps = [status(429, Retry_After=3600)]
    fails(r"busy \(429 Too Many Requests\) and asks to wait 3600 s", lambda: mrx(force=True))


@pytest.mark.parametrize("span", ["bytes 5-9/100", "bytes */100", "rubbish", ""])
def test_another_range_than_asked_for(server: FileServer, checkpoint: bytes, span: str) -> None:
    server.steps = [dropped(1000), status(206, Content_Range=span)]
    assert mrx().path.read_bytes() == checkpoint
    assert "Range" not in server.requests[-1][1]


# ---- it is not what it should be ----


def test_a_git_lfs_pointer(server: FileServer, home: Path) -> None:
    server.files[f"/{FILE}"] = POINTER
    fails(r"gives a Git LFS pointer.*media\.githubusercontent\.com/media/OWNER")
    assert left(home) == set()
    server.files["/mine.pth"] = POINTER
    fails("Git LFS pointer", lambda: pull.pull(address(f"{server.url}/mine.pth")))
    assert left(home) == set()


def test_a_wrong_checksum(server: FileServer, checkpoint: bytes, home: Path) -> None:
    damaged = bytearray(checkpoint)
    damaged[1000] ^= 1
    server.files[f"/{FILE}"] = bytes(damaged)
    fails(rf"another file than was due \(its sha256 is {hashlib.sha256(damaged).hexdigest()}, not .*; it was removed")
    assert left(home) == set()
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", ["too short", "too long"])
def test_a_wrong_size(
    server: FileServer, checkpoint: bytes, home: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    server.files[f"/{FILE}"] = checkpoint[:-9] if size == "too short" else checkpoint + b"x"
    monkeypatch.setattr(download, "_SMALL", 1000)
    fails("bytes where .* were due, so it is another file")
    assert left(home) == set()


def test_a_stream_without_end_is_cut(server: FileServer, checkpoint: bytes, home: Path) -> None:
    server.steps = [body(checkpoint * 2)]
    fails(f"sends more than the {len(checkpoint):,} bytes")
    server.steps = [body(checkpoint[:-1])] * 5
    fails("broke off")
    assert FILE not in left(home)
    server.steps = [body(checkpoint)]
    assert mrx().path.read_bytes() == checkpoint


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><title>Log in</title>", "a web page"),
        (b"nothing of the kind", "no file of weights"),
        (b"", "no file of weights"),
    ],
)
def test_what_is_no_file_of_weights(server: FileServer, home: Path, data: bytes, words: str) -> None:
    server.files["/mine.safetensors"] = data
    fails(words, lambda: pull.pull(address(f"{server.url}/mine.safetensors")))
    assert left(home) == set()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (404, r"there is no file at http://127.*\(404 Not Found\): check the address"),
        (410, "there is no file"),
        (403, r"does not give .* \(403 Forbidden\): try later, or another mirror"),
        (401, "does not give"),
    ],
)
def test_refusals_are_final(server: FileServer, home: Path, code: int, words: str) -> None:
    server.steps = [status(code)]
    fails(words)
    assert len(server.requests) == 1
    assert left(home) == set()


# ---- there is no network ----


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_offline(monkeypatch: pytest.MonkeyPatch, slept: list[float], home: Path) -> None:
    monkeypatch.setenv(pull.MIRROR, f"http://127.0.0.1:{closed_port()}")
    fails(r"127\.0\.0\.1 refuses the connection: .* this machine online\?")
    assert slept == []  # nobody waits for a machine to go online
    assert left(home) == set()


def test_a_server_that_goes_away_is_waited_for(
    server: FileServer, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.steps = [dropped(1000)]
    answers = [None, ConnectionRefusedError(111, "refused"), TimeoutError("timed out")]
    real = download._receive

    def receive(*arguments: object) -> None:
        answer = answers.pop(0) if answers else None
        if answer is not None:
            raise download._failed(URLError(answer), server.url, 30.0)
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(download, "_receive", receive)
    assert mrx().fresh
    assert slept == [1, 2, 4]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the name of example.org cannot be found: is this"),
        (TimeoutError("timed out"), "example.org did not answer for 30 s"),
        (OSError(101, "Network is unreachable"), r"the connection to example.org failed \(Network is unreachable\)"),
        (OSError("Tunnel connection failed: 407 Proxy"), r"failed \(Tunnel connection failed: 407 Proxy\)"),
        (ssl.SSLCertVerificationError(1, "verify failed"), "certificate of .* is not accepted .*SSL_CERT_FILE"),
    ],
)  # fmt: skip
def test_what_goes_wrong_before_there_is_a_connection(
    monkeypatch: pytest.MonkeyPatch, reason: OSError, words: str, slept: list[float]
) -> None:
    class Opener:
        def open(self, *_: object, **__: object) -> None:
            if isinstance(reason, ssl.SSLCertVerificationError):
                reason.verify_message = "self-signed certificate"
            raise URLError(reason)

    monkeypatch.setattr(download.urllib.request, "build_opener", lambda *_: Opener())
    monkeypatch.setenv(pull.MIRROR, "https://example.org")
    fails(words)
    assert slept == []


def test_a_plain_server_behind_a_private_address(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pull.MIRROR, server.url.replace("http:", "https:"))
    fails(r"the connection to 127\.0\.0\.1 failed \(.*SSL")


@pytest.mark.parametrize("url", ["ftp://example.org/a.pth", "https:///a.pth", "file:///a.pth"])
def test_what_is_no_web_address(url: str) -> None:
    fails("is no web address", lambda: pull.pull(address(url)))


# ---- addresses ----


def test_an_address_of_ones_own(server: FileServer, tmp_path: Path, home: Path) -> None:
    weights.save(MRX(windows=(64,), hop=32, hidden=8, layers=1), tmp_path / "x.safetensors", {"license": "MIT"})
    server.files["/models/mine-2.safetensors"] = (tmp_path / "x.safetensors").read_bytes()
    url = f"{server.url}/models/mine-2.safetensors?token=secret"
    done = pull.pull(address(url))
    assert done.path.name == "mine-2.safetensors"
    assert weights.load("mine-2").hop == 32
    assert not pull.pull(address(url)).fresh
    assert "secret" not in (home / "mine-2.safetensors.json").read_text()
    with pytest.raises(weights.WeightsError, match="there is a model 'mine-2' already, from http://127"):
        pull.pull(address(f"{server.url}/other/mine-2.safetensors"))
    other = address(f"{server.url}/models/mine-2.safetensors", name="other")
    assert pull.pull(other).path.name == "other.safetensors"
    done.path.write_bytes(b"damaged")
    notes: list[str] = []
    assert pull.pull(address(url), note=notes.append).fresh
    assert "is damaged or another version" in notes[0]


def test_a_damaged_file_without_a_known_checksum_tells_itself(server: FileServer, tmp_path: Path, home: Path) -> None:
    weights.save(MRX(windows=(64,), hop=32, hidden=8, layers=1), tmp_path / "x.safetensors", {})
    data = (tmp_path / "x.safetensors").read_bytes()
    server.files["/a.safetensors"] = data[:-1] + bytes([data[-1] ^ 1])
    fails("no file of weights", lambda: pull.pull(address(f"{server.url}/a.safetensors")))
    assert left(home) == set()


def test_an_interrupted_address_without_tag_or_checksum_begins_anew(server: FileServer, checkpoint: bytes) -> None:
    server.files["/mine.pth"] = checkpoint
    server.tags = False
    server.steps = [dropped(1000)]
    assert pull.pull(address(f"{server.url}/mine.pth")).fresh
    assert [headers.get("Range") for _, headers in server.requests] == [None, None]
    digest = hashlib.sha256(checkpoint).hexdigest().upper()
    assert not pull.pull(address(f"{server.url}/mine.pth", sha256=digest)).fresh
    fails("another file than was due", lambda: pull.pull(address(f"{server.url}/mine.pth", sha256="0" * 64)))


def test_a_release_by_its_address_has_its_checksum(server: FileServer) -> None:
    assert address(f"{server.url}/{FILE}").sha256 == released.RELEASES["default"].sha256
    assert address(f"{server.url}/{FILE}", name="tuned").sha256 is None


@pytest.mark.parametrize(
    ("url", "name", "words"),
    [
        ("https://x.org/download?id=3", None, "does not say what kind of file it is"),
        ("https://x.org/a.zip", None, "does not say what kind"),
        ("https://x.org/cfork.safetensors", None, "the name 'cfork' is taken"),
        ("https://x.org/a.pth", "mrx", "the name 'mrx' is taken"),
        ("https://x.org/a.pth", "../a", "is no name for a model"),
        ("https://x.org/%2e%2e%2fa.pth", ".b", "is no name for a model"),
    ],
)
def test_names_that_cannot_be_given(url: str, name: str | None, words: str) -> None:
    with pytest.raises(weights.WeightsError, match=words):
        pull.find(url, name=name)


def test_a_name_brings_its_own_suffix() -> None:
    assert address("https://x.org/download?id=3", name="mine.safetensors").path.name == "mine.safetensors"


# ---- disks and neighbors ----


def test_a_full_disk_keeps_nothing(monkeypatch: pytest.MonkeyPatch, home: Path, server: FileServer) -> None:
    class Full:
        free = 1000

    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: Full)
    with pytest.raises(OSError, match="No space left") as caught:
        mrx()
    assert caught.value.errno == errno.ENOSPC
    assert left(home) == set()


def test_a_disk_that_fills_up_keeps_nothing(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        mrx()
    assert left(home) == set()


def test_two_pulls_at_a_time_download_once(server: FileServer, checkpoint: bytes) -> None:
    found: list[pull.Pulled] = []
    notes: list[str] = []
    waiting = threading.Event()
    server.steps = [lambda handler: (waiting.wait(25), whole(handler))]

    def note(words: str) -> None:
        notes.append(words)
        waiting.set()

    both = [threading.Thread(target=lambda: found.append(mrx(note=note))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(done.fresh for done in found) == [False, True]
    assert {done.path.read_bytes() for done in found} == {checkpoint}
    assert len(server.requests) == 1
    assert notes == [f"another cfork is pulling {FILE} already: waiting for it"]


def test_an_interrupted_pull_goes_on(server: FileServer, checkpoint: bytes, home: Path) -> None:
    server.steps = [lambda handler: whole(handler, most=1000)]

    def stop(at: int, _: int | None) -> None:
        if at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mrx(progress=stop)
    assert left(home) == {f"{FILE}.part", f"{FILE}.part.json"}
    assert mrx().path.read_bytes() == checkpoint
    assert server.requests[-1][1]["Range"].startswith("bytes=")


def test_the_platforms_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CFORK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder().parts[-2:] == ("cfork", "models")
    assert cache.pulled() == []


@pytest.mark.parametrize("known", [True, False])
def test_a_server_of_the_world_does_not_lead_to_this_network(
    server: FileServer, home: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Neither by an address that is known before, nor by a name whose address changes meanwhile."""
    server.steps = [status(302, Location=f"{server.url}/{FILE}")]
    with monkeypatch.context() as patch:
        far = iter([False, False])  # the first connection alone
        patch.setattr(hurry, "is_near", lambda address: next(far, True))
        if not known:
            patch.setattr(hurry.Hurry, "_check", lambda *_: None)
        fails("leads to 127.0.0.1, which is this machine or its own network")
    assert (len(server.requests), left(home)) == (1, set())
    server.steps = [status(302, Location=f"{server.url}/{FILE}")]
    assert mrx().fresh  # whoever begins in this network may be led there
