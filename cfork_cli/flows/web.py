"""Films of video pages: fetched by yt-dlp, where it is installed, and gone again afterwards."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfork_cli.errors import InputError, OutputError, UsageError
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.flows.report import Report, cancellable
from cfork_cli.leftovers import TemporaryFolder


def is_address(word: str) -> bool:
    """Return whether a word is an address of the web rather than a file.

    >>> is_address("https://example.org/watch?v=1"), is_address("movie.mkv"), is_address("http.mkv")
    (True, False, False)
    """
    return re.match(r"https?://", word, re.IGNORECASE) is not None


@contextlib.contextmanager
def local(word: str, folder: Path, report: Report) -> Iterator[Path]:
    """Give the file that a word names. A film of the web is fetched first; it is gone when the context ends.

    Args:
        folder: its disk holds the film meanwhile.

    Raises:
        UsageError: yt-dlp is not installed. InputError: there is no film there. OutputError: it cannot be saved.
    """
    if not is_address(word):
        yield Path(word)
        return
    try:
        temporary = TemporaryFolder(folder)
    except OSError as error:
        raise OutputError(f"nothing can be saved in '{folder}' ({error.strerror}): choose another folder") from error
    with temporary:
        yield _fetched(word, temporary.path, report)


def _fetched(address: str, folder: Path, report: Report) -> Path:
    try:
        import yt_dlp
    except ImportError as error:
        raise UsageError(
            f"'{address}' is fetched by yt-dlp, which is not installed: pip install 'cfork[url]'"
        ) from error
    listener = cancellable(report)
    began: set[str] = set()

    def progress(told: dict[str, Any]) -> None:
        total = told.get("total_bytes") or told.get("total_bytes_estimate")
        if told["filename"] not in began:  # picture and sound may be two files
            began.add(told["filename"])
            listener.stage("fetch", total, is_sound=False, is_bytes=True)
        listener.at(told.get("downloaded_bytes") or 0)

    options = {
        # the bytes of a name, not its characters, are what file systems count
        "outtmpl": {"default": str(folder).replace("%", "%%") + "/%(title).120B [%(id).40B].%(ext)s"},
        "format": "bestvideo*+bestaudio/best", "merge_output_format": "mkv", "noplaylist": True, "playlist_items": "1",
        "quiet": True, "no_warnings": True, "noprogress": True, "logger": _Silent(), "progress_hooks": [progress],
        "ffmpeg_location": find_ffmpeg(), "cachedir": False, "updatetime": False,
        "match_filter": yt_dlp.utils.match_filter_func("!is_live"),
    }  # fmt: skip
    try:
        with yt_dlp.YoutubeDL(options) as fetcher:
            fetcher.extract_info(address, download=True)
    except yt_dlp.utils.YoutubeDLError as error:
        _close(error)
        why = re.sub(r"\x1b\[[0-9;]*m|^ERROR: ", "", str(error)).split("; please report")[0].strip()
        raise InputError(f"'{address}' could not be fetched ({why[:200]}): does it play in a browser?") from error
    listener.end()
    found = [path for path in sorted(folder.iterdir()) if path.suffix not in (".part", ".ytdl")]
    if not found:
        raise InputError(f"there is no film at '{address}' that could be fetched: live ones cannot be")
    return max(found, key=lambda path: path.stat().st_size)


def _close(error: BaseException) -> None:
    """Close the answers that led to an error: yt-dlp leaves that of a server which says no open."""
    reason: BaseException | None = error
    seen: list[BaseException] = []
    while reason is not None and reason not in seen:
        seen.append(reason)
        response = getattr(reason, "response", None)
        if response is not None:
            response.close()
        _, inner, _ = getattr(reason, "exc_info", None) or (None, None, None)
        reason = getattr(reason, "cause", None) or inner or reason.__cause__


class _Silent:
    """Takes what yt-dlp would print; its errors come as exceptions."""

    def debug(self, message: str) -> None: ...
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def error(self, message: str) -> None: ...
