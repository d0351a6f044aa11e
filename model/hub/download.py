"""One file over HTTP, whole and checked or not at all, on networks that drop, stall and lie.

What came so far waits in `<name>.part` and the next attempt, of this run or a later one, asks for the rest (`Range`),
but only of the same file (`If-Range` with a strong ETag or a date; without either, only where there is a checksum).
The final name appears when size and SHA-256 are right.

urllib of the standard library does what one GET needs: system certificates, proxies (`https_proxy`, `no_proxy`, the
settings of macOS and Windows), redirects that keep the range, timeouts. pooch and requests have no resume; httpx would
be a dependency with its own certificates for forty lines less.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import re
import shutil
import socket
import ssl
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from time import sleep
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit

from . import container
from .hurry import SLOWEST_BYTES_PER_SECOND, Hurry
from .partial import DownloadError, Dropped, Partial, shown

TIMEOUT_SECONDS = 30.0  # to connect, and between any two pieces
ATTEMPTS = 5  # in a row that bring nothing
LONGEST_PAUSE = 30.0  # seconds
LONGEST_RETRY_AFTER = 60.0  # seconds that a server may ask for before we give up on it

LARGEST_BYTES = container.LARGEST_BYTES
"""The most that is taken of a file whose size nobody knows before."""

_CHUNK = 1 << 18
_PROGRESS_WORTH_A_RETRY = 1 << 20  # bytes; a connection that brings this much between two drops may go on for ever
_SMALL = 1 << 16  # what is so much smaller than due is read all the same: it may say what it is
_BUSY = {408, 425, 429, 500, 502, 503, 504}


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    is_it: Callable[[Path], None] = lambda path: None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    note: Callable[[str], None] = lambda words: None,
    timeout: float = TIMEOUT_SECONDS,
    attempts: int = ATTEMPTS,
) -> str:
    """Bring a file here; whatever was at `path` is replaced when the new one is complete and checked.

    Only one at a time may work on a path: see `pull`.

    Args:
        url: http or https.
        path: where to, in a folder that exists.
        sha256: what the file must have, in hexadecimal; None if nobody knows.
        size: what the file must have, in bytes; None if nobody knows.
        is_it: raises WeightsError for a file that cannot be what was wanted; asked only if `sha256` is not given.
        progress: called with the bytes that are here and the bytes in all (None if the server does not say).
        note: called with words on why an attempt failed and when the next begins.
        timeout: seconds without a byte after which an attempt has failed.
        attempts: failed ones in a row before giving up.

    Returns:
        The SHA-256 of the file, in hexadecimal.

    Raises:
        DownloadError: no network, no such file, not the file that was due, or too many broken connections (what came
            is kept for the next time then).
        OSError: the file cannot be written. Of a full disk, nothing is kept.
    """
    url = quote(url, safe="!#$%&'()*+,/:;=?@[]~")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise DownloadError(f"{shown(url)} is no web address: it must begin with https:// or http://")
    part = Partial(path, url)
    failures, farthest, reached = 0, part.size, False
    while True:
        try:
            if part.size and part.validator is None and sha256 is None:
                part.discard()  # nothing would show whether the rest belongs to it
            with Hurry(lambda: part.size) as hurry:
                opener = urllib.request.build_opener(_Redirects, *hurry.handlers())
                try:
                    _receive(opener, url, part, size, timeout, progress)
                except Dropped as failed:
                    if not hurry.too_slow:
                        raise
                    raise Dropped(
                        f"{_where(url)} sends less than {SLOWEST_BYTES_PER_SECOND:,} bytes a second"
                    ) from failed
            if hurry.too_slow and size is None and sha256 is None:
                raise Dropped(f"{_where(url)} sends less than {SLOWEST_BYTES_PER_SECOND:,} bytes a second")
            digest = part.check(url, sha256, size, is_it)
        except Dropped as failed:
            reached = reached or failed.reached
            if not reached:
                raise DownloadError(f"{failed}") from failed
            failures = 1 if part.size - farthest >= _PROGRESS_WORTH_A_RETRY else failures + 1
            farthest = max(farthest, part.size)
            if failures >= attempts:
                kept = "; the downloaded part is kept, pull again to resume" if part.size else "; try again later"
                raise DownloadError(f"{failed}, {failures} times in a row{kept}") from failed
            seconds = min(2.0 ** (failures - 1), LONGEST_PAUSE) if failed.pause is None else failed.pause
            note(f"{failed}; trying again in {seconds:g} s")
            sleep(seconds)
        except OSError as failed:
            if failed.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                part.discard()  # a full disk, or a limit of the size of files, helps nobody
            raise
        else:
            part.publish()
            return digest


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow only to the web, and never from a private connection to an open one."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        fp.close()  # urllib would read what comes with a redirect to its end, into memory
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise DownloadError(f"{shown(req.full_url)} leads to {shown(newurl)}, which is not safe: nothing was taken")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _receive(
    opener: urllib.request.OpenerDirector,
    url: str,
    part: Partial,
    size: int | None,
    timeout: float,
    progress: Callable[[int, int | None], None],
) -> None:
    """One request, its answer appended to the part. Returns when all has come.

    Raises:
        Dropped, DownloadError: see there. OSError: the part cannot be written.
    """
    headers = {"User-Agent": "cfork", "Accept": "application/octet-stream, */*;q=0.5"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.validator is not None:
            headers["If-Range"] = part.validator
    try:
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except HTTPError as error:
        with contextlib.closing(error):  # a redirect's answer is closed already, and cannot be entered
            if error.code == 416 and part.size and _whole(error.headers) == part.size:
                part.resumed = True
                return  # the part was complete already
            raise _refused(error, url, part) from error
    except DownloadError:  # a ValueError too
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(error, url, timeout) from error
    with response:
        total = _begin(response, url, part)
        if size is not None and total is not None and total != size and total > _SMALL:
            part.discard()
            raise DownloadError(
                f"{shown(url)} has {total:,} bytes where {size:,} were due, so it is another file: try another mirror"
            )
        due = size if total is None else total
        if due is not None and due > max(LARGEST_BYTES, size or 0):
            part.discard()
            raise DownloadError(
                f"{shown(url)} has {_shortly(due)} bytes, and no file of weights has more than {LARGEST_BYTES:,}: "
                "is the address right?"
            )
        if due is not None and due - part.size > shutil.disk_usage(part.path.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part.path))
        with part.path.open("ab") as file:
            progress(part.size, due)
            while True:
                try:
                    data = response.read1(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _failed(error, url, timeout, receiving=True) from error
                if not data:
                    break
                file.write(data)
                part.size += len(data)
                if due is not None and part.size > due:
                    part.discard()
                    raise DownloadError(f"{shown(url)} sends more than the {due:,} bytes that were due: try a mirror")
                if part.size > max(LARGEST_BYTES, size or 0):
                    part.discard()
                    raise DownloadError(
                        f"{shown(url)} sends more than the {LARGEST_BYTES:,} bytes that a file of weights can have: "
                        "is the address right?"
                    )
                progress(part.size, due)
            file.flush()
            os.fsync(file.fileno())
    if due is not None and part.size < due:
        raise Dropped(f"the connection to {_where(url)} broke off at {part.size:,} of {due:,} bytes")


def _begin(response: Any, url: str, part: Partial) -> int | None:
    """Make the part ready for what the answer brings; return the size of the whole file, None if unknown."""
    length = response.headers.get("Content-Length")
    if response.status != 206:
        part.restart(_validator(response.headers))
        return _number(length)
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if span is None or _number(span[1]) != part.size:
        part.discard()
        raise Dropped(f"{_where(url)} sent another part of the file than it was asked for")
    part.resumed = True
    if span[2] != "*":
        return _number(span[2])
    rest = _number(length)
    return None if rest is None else part.size + rest


def _number(text: str | None) -> int | None:
    """A size that a server tells; of one with more digits than any file could need, the largest that there is.

    >>> _number("12"), _number(None), _number("twelve"), _number("9" * 5000) == _MOST
    (12, None, None, True)
    """
    if text is None or not (text.isascii() and text.isdecimal()):
        return None
    digits = text.lstrip("0")
    return _MOST if len(digits) > len(str(_MOST)) else int(digits or "0")


_MOST = (1 << 63) - 1


def _shortly(size: int) -> str:
    return "far too many" if size >= _MOST else f"{size:,}"


def _validator(headers: Message) -> str | None:
    """Return what identifies this version of the file: a strong ETag, else its date; None if neither is there."""
    tag = headers.get("ETag")
    return tag if tag is not None and tag.startswith('"') else headers.get("Last-Modified")


def _whole(headers: Message) -> int | None:
    """Return the size of the file, from the answer to a range beyond it."""
    found = re.fullmatch(r"bytes \*/(\d+)", headers.get("Content-Range", "").strip())
    return _number(found[1]) if found else None


def _refused(error: HTTPError, url: str, part: Partial) -> Exception:
    """Return the exception that an error status means."""
    said = " ".join(f"{error.code} {error.reason}".split())[:120]
    if 300 <= error.code < 400 and "infinite loop" in said:  # urllib's words, in three lines
        return DownloadError(
            f"{shown(url)} leads from one address to the next, too often ({error.code}): take another mirror"
        )
    if error.code == 416:
        part.discard()
        return Dropped(f"the file at {_where(url)} is another one now")
    if error.code in (404, 410):
        return DownloadError(f"there is no file at {shown(url)} ({said}): check the address, or take another mirror")
    if error.code in _BUSY:
        asked = error.headers.get("Retry-After", "")
        asked_seconds = _number(asked)
        wait = None if asked_seconds is None else float(asked_seconds)
        if wait is not None and wait > LONGEST_RETRY_AFTER:
            return DownloadError(f"{_where(url)} is busy ({said}) and asks to wait {wait:.0f} s: try later")
        return Dropped(f"{_where(url)} is in trouble ({said})", pause=wait)
    return DownloadError(f"{_where(url)} does not give {shown(url)} ({said}): try later, or another mirror")


def _failed(error: Exception, url: str, timeout: float, *, receiving: bool = False) -> Exception:
    """Return the exception that a broken connection means."""
    reason = error.reason if isinstance(error, URLError) else error
    # urllib wraps what happens before the request is out, and nothing later
    reached = receiving or not isinstance(error, URLError)
    where = _where(url)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f"the certificate of {where} is not accepted ({reason.verify_message}): are the clock and the system's "
            "certificates right? SSL_CERT_FILE names others"
        )
    if isinstance(error, (http.client.InvalidURL, UnicodeError)):
        return DownloadError(f"{shown(url)!r} is no web address: check it")
    if isinstance(reason, socket.gaierror):
        return Dropped(f"the name of {where} cannot be found: is this machine online?", reached=False)
    if isinstance(reason, TimeoutError):
        return Dropped(f"{where} did not answer for {timeout:g} s", reached=reached)
    if isinstance(reason, ConnectionRefusedError):
        return Dropped(f"{where} refuses the connection: is the address right, and this machine online?", reached=False)
    words = (isinstance(reason, OSError) and reason.strerror) or " ".join(str(reason).split()) or type(reason).__name__
    return Dropped(f"the connection to {where} failed ({words[:120]})", reached=reached)


def _where(url: str) -> str:
    """The server of an address, and the proxy on the way to it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        return f"{host} (through the proxy {shown(proxy if '//' in proxy else f'//{proxy}').removeprefix('//')})"
    return host
