"""A pipe saved to a temporary file, because a film has to be read more than once: its sound here, its picture later."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import ffmpeg

from cfork_cli.errors import OutputError, nobody_reads
from cfork_cli.ffmpeg import process
from cfork_cli.ffmpeg.command import compile_graph, url
from cfork_cli.ffmpeg.complaints import write_failure
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.media.pipes import RawFormat, chunks


@contextlib.contextmanager
def spooled(
    descriptor: int,
    head: bytes,
    raw: RawFormat | None,
    name: Path,
    beside: Path | None,
    progress: Callable[[float], None],
) -> Iterator[Path]:
    """Save all that comes. The file is there until the context ends, however it ends.

    Args:
        head: what was read before.
        raw: bare samples become a WAV file, which has a header.
        name: what messages call the input.
        beside: a folder on the disk that has to hold the output anyway; None is the system's place (TMPDIR).
        progress: called with the megabytes so far.

    Raises:
        OutputError: there is no room for it.
    """
    try:
        folder = TemporaryFolder(beside)
    except OSError as error:
        raise OutputError(f"'{name}' cannot be saved to be read twice ({error.strerror}): set TMPDIR") from error
    with folder:
        saved = folder.path / name.name
        data = chain([head] if head else [], chunks(descriptor))
        if raw is None:
            _save(data, saved, progress)
        else:
            _save_raw(data, raw, saved, progress)
        yield saved


def _save(data: Iterable[bytes], saved: Path, progress: Callable[[float], None]) -> None:
    size = 0
    with _full_disk_told(saved), saved.open("xb") as file:
        for part in data:
            file.write(part)
            size += len(part)
            progress(size / 1e6)


def _save_raw(data: Iterable[bytes], raw: RawFormat, saved: Path, progress: Callable[[float], None]) -> None:
    kind = raw.name
    if kind not in ("u8", "alaw", "mulaw"):  # what WAV does not hold, it holds otherwise
        kind = "s16le" if kind == "s8" else kind.replace("u", "s").replace("be", "le")
    sound = ffmpeg.input("pipe:0", **raw.options())
    graph = ffmpeg.output(sound["a:0"], "TARGET", f="wav", rf64="auto", **{"c:a": f"pcm_{kind}"}).global_args("-y")
    size = 0
    with process.Child(compile_graph(graph, {"TARGET": url(saved)}), stdin=True) as child:
        try:
            for part in data:
                child.stdin.write(part)
                size += len(part)
                progress(size / 1e6)
            child.stdin.close()
        except OSError as error:
            if not nobody_reads(error):  # else its exit status says why
                raise
        status = child.wait()
        if status != 0:
            raise write_failure(saved, status, child.log())


@contextlib.contextmanager
def _full_disk_told(saved: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"'{saved.name}' must be saved to be read twice, and that failed ({error.strerror}) in "
            f"'{saved.parent.parent}': free some space, or choose another place with -o, or with TMPDIR"
        ) from error
