"""Debian packages as sources of sound: downloaded from any archive, verified, unpacked; no Debian needed.

Where `apt-get` knows the listed version it is asked; else, or if a mirror is named, the package is fetched over HTTP
from the archive's pool, resumed after a break. snapshot.debian.org keeps every version that ever was.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ..hub.download import download

ARCHIVE_MAGIC = b"!<arch>\n"
HEADER_BYTES = 60
COMPRESSED = ("", ".gz", ".bz2", ".xz")  # data.tar.* that Python reads by itself


class PackageError(Exception):
    """A package cannot be had or used; the message says why and what to do."""


@dataclass(frozen=True)
class Package:
    """A row of packages.csv; `pool` is its place in Debian's archive."""

    package: str
    version: str
    sha256: str
    bytes: int
    split: str
    licence: str
    pool: str

    @property
    def file(self) -> str:
        """The name of its file, as apt writes it: an epoch's colon is escaped."""
        architecture = self.pool.rpartition("_")[2]
        return f"{self.package}_{self.version.replace(':', '%3a')}_{architecture}"


def fetch_package(
    package: Package,
    folder: Path,
    *,
    mirror: str | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    note: Callable[[str], None] = lambda words: None,
) -> Path:
    """The package's .deb in `folder`, its checksum verified; downloaded if it is not there.

    Args:
        mirror: the address of an archive, the folder that holds `pool`; None asks apt-get.
        progress, note: see `download`.

    Raises:
        PackageError: the file is not the listed version, or cannot be had. DownloadError: the mirror cannot provide it.
    """
    path = folder / package.file
    if not path.is_file():
        if mirror:
            url = f"{mirror.rstrip('/')}/{package.pool}"
            download(url, path, sha256=package.sha256, size=package.bytes, progress=progress, note=note)
        else:
            _apt(package, folder, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != package.sha256:
        raise PackageError(f"'{path}' has the sha256 {digest}, the list says {package.sha256}: delete it and try again")
    return path


def _apt(package: Package, folder: Path, path: Path) -> None:
    wanted = f"{package.package}={package.version}"
    how = "name an archive with --mirror, such as one of snapshot.debian.org, which keeps every version"
    try:
        done = subprocess.run(
            ["apt-get", "download", "-q", wanted], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise PackageError(f"'{package.file}' is missing and there is no apt-get here: {how}") from error
    if done.returncode != 0 or not path.is_file():
        words = " ".join(done.stderr.split())[-200:]
        raise PackageError(f"apt-get cannot download {wanted} ({words or 'it gave another file'}): {how}")


def extract(deb: Path, wanted: set[str], folder: Path) -> None:
    """Extract the wanted paths of a .deb, and of zip files inside it (`_unpacked/<zip name>/<member>`).

    Raises:
        PackageError: it is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    zips = {path.split("/")[1] for path in wanted if path.startswith("_unpacked/")}
    try:
        with _data(deb) as archive:
            for member in archive:
                name = member.name.removeprefix("./").lstrip("/")
                if not member.isfile() or (name not in wanted and PurePosixPath(name).name not in zips):
                    continue
                # not `extract(filter=...)`, which Debian 12's Python 3.11.2 does not know yet
                if ".." not in PurePosixPath(name).parts and (source := archive.extractfile(member)) is not None:
                    with source:
                        _write(source, folder / name)
        for name in zips:
            for found in [path for path in folder.rglob(name) if path.is_file()]:
                with zipfile.ZipFile(found) as inside:
                    for info in inside.infolist():
                        target = f"_unpacked/{name}/{info.filename}"
                        if target in wanted and ".." not in PurePosixPath(target).parts:
                            with inside.open(info) as source:
                                _write(source, folder / target)
                found.unlink()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise PackageError(f"'{deb}' is damaged ({error}): delete it and try again") from error


def _write(source: IO[bytes], target: Path) -> None:
    """A file that appears when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with part.open("wb") as file:
        shutil.copyfileobj(source, file)
    part.replace(target)


@contextmanager
def _data(deb: Path) -> Iterator[tarfile.TarFile]:
    """The files of a .deb: it is an `ar` archive of two compressed tarballs, the second of which is wanted."""
    with deb.open("rb") as file:
        if file.read(len(ARCHIVE_MAGIC)) != ARCHIVE_MAGIC:
            raise PackageError(f"'{deb}' is no Debian package: delete it and try again")
        while len(header := file.read(HEADER_BYTES)) == HEADER_BYTES:
            name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), header[48:58].strip()
            if not size.isdigit():
                break
            if name.startswith("data.tar"):
                if name.removeprefix("data.tar") not in COMPRESSED:
                    raise PackageError(f"'{deb}' is compressed as {name}, which cannot be read here")
                with tarfile.open(fileobj=file, mode="r|*") as archive:
                    yield archive
                return
            file.seek(int(size) + int(size) % 2, 1)
    raise PackageError(f"'{deb}' is damaged (it has no data): delete it and try again")
