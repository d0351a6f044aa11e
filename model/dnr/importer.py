"""Write packs: all clips of a class and split end to end, their index, and one manifest of every file used.

A pack is `OUT/<split>/<class>.i16` (raw mono int16 at 44.1 kHz) with `<class>.csv`, a row per clip: group (package and
folder, or speaker), file, start and length in samples, source_rate in Hz. `OUT/manifest.csv` has a row per file: class,
split, group, file, package (or origin), version, sha256 of the package (or file), licence, seconds used, source_rate.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from .. import SAMPLE_RATE
from ..new_folder import made
from .decode import Decoded, Source, decode
from .sounds import writing
from .sources import CLASSES, SPLITS, check_licence
from .workers import parallel

MANIFEST = "manifest.csv"
COLUMNS = (
    "class", "split", "group", "file", "package", "version", "sha256", "licence", "seconds", "source_rate",
)  # fmt: skip


@dataclass
class Imported:
    """The outcome of an import: seconds by (split, class), files used, files that gave nothing, errors by file."""

    seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    files: int = 0
    silent: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, decoded: Decoded) -> None:
        """Count one file."""
        source = decoded.source
        if decoded.error:
            self.errors[str(source.path)] = decoded.error
        elif not decoded.clips:
            self.silent += 1
        else:
            self.files += 1
            key = source.split, source.kind
            self.seconds[key] = self.seconds.get(key, 0.0) + sum(map(len, decoded.clips)) / SAMPLE_RATE


def pack_files(out: Path) -> list[Path]:
    """The files that an import writes."""
    packs = [out / split / f"{kind}.{suffix}" for split in SPLITS for kind in CLASSES for suffix in ("i16", "csv")]
    return [*packs, out / MANIFEST]


def write_packs(
    sources: list[Source], out: Path, imported: Imported, *, workers: int, ffmpeg: str = "ffmpeg"
) -> Iterator[Source]:
    """Decode the sources and write the packs; all of them get their names at the end, or none.

    Args:
        imported: counts what comes.

    Yields:
        every source that is done. The packs are complete when all are.

    Raises:
        SourcesError: a source has no clear licence. WriteError: the packs cannot be written.
    """
    for source in sources:
        check_licence(source.licence, source.name)
    with writing(out), ExitStack() as folders:
        for split in SPLITS:
            folders.enter_context(made(out / split))
        yield from _write(sources, out, imported, workers, ffmpeg)


def _write(sources: list[Source], out: Path, imported: Imported, workers: int, ffmpeg: str) -> Iterator[Source]:
    """`write_packs`, into folders that are there."""
    final = pack_files(out)
    parts = {path: path.with_name(f"{path.name}.part") for path in final}
    try:
        with ExitStack() as stack:
            raw = {
                (path.parent.name, path.stem): stack.enter_context(parts[path].open("wb"))
                for path in final if path.suffix == ".i16"
            }  # fmt: skip
            tables = {}
            for path in final:
                if path.suffix == ".csv":
                    file = stack.enter_context(parts[path].open("w", newline="", encoding="utf-8"))
                    tables[path] = csv.writer(file, lineterminator="\n")
                    tables[path].writerow(
                        COLUMNS if path.name == MANIFEST else ["group", "file", "start", "length", "source_rate"]
                    )
            for decoded in parallel(decode, ffmpeg, sources, workers):
                source = decoded.source
                key, index = (source.split, source.kind), tables[out / source.split / f"{source.kind}.csv"]
                for clip in decoded.clips:
                    index.writerow([source.group, source.name, raw[key].tell() // 2, len(clip), decoded.rate])
                    raw[key].write(clip.astype("<i2").tobytes())
                if decoded.clips:
                    seconds = sum(map(len, decoded.clips)) / SAMPLE_RATE
                    tables[out / MANIFEST].writerow([
                        source.kind, source.split, source.group, source.name, source.package, source.version,
                        source.sha256, source.licence, f"{seconds:.2f}", decoded.rate,
                    ])  # fmt: skip
                imported.add(decoded)
                yield source
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
