"""The free training audio: what there is, under which licence, and in which split.

What is imported is checked in beside this module: `packages.csv` (Debian package, version, sha256, bytes, split,
licence, place in the archive), `files.csv.gz` (package, class, path inside the package) and `speech.csv` (files of the
speech folder: group, sha256, origin, licence). Whole packages and whole speakers belong to one split, so that
validation and test never hear a source of the training.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .debian import Package, extract, fetch_package
from .decode import Source

HERE = Path(__file__).parent
SPLITS = ("train", "validation", "test")
CLASSES = ("speech", "music", "effects")

# Speakers of the speech folder that training never hears.
HELD_OUT_SPEAKERS = {
    "test": ("librispeech_librispeech_train-clean-100", "gcompris_en", "gcompris_fr", "gcompris_zh_TW"),
    "validation": ("gcompris_es", "gcompris_de", "gcompris_ro", "gcompris_ar"),
}
# In no split: recordings that the example film speaks with, and groups that share voices with groups in training.
LEFT_OUT_GROUPS = ("picovoice_s2i_en_2", "picovoice_s2i_en_3", "gcompris_hi", "gcompris_ru")
LEFT_OUT_FILES = ("kerstin_de_11.opus",)
LEFT_OUT_ORIGINALS = (
    "de_rhasspy-0268",
    "de_rhasspy-0563",
    "de_rhasspy-1317",
    "de_rhasspy-1986",
)  # of kerstin_de_11.opus
# Not in files.csv.gz on purpose: the speech of hedgewars-data, which is battle cries and no dialogue.

FORBIDDEN = re.compile(
    r"\bNC\b|\bND\b|non-?commercial|no-?deriv|non-?free|proprietary|unknown|keywords|\?", re.IGNORECASE
)
"""Words that no licence may have: all sounds allow training, changing and passing on, and their licences are clear."""


@dataclass(frozen=True)
class Origin:
    """A public repository of speech: what of it is taken, and how its files are grouped by speaker.

    `pattern` matches paths below the repository; its group, where it has one, is added to `group`.
    """

    repository: str
    licence: str
    pattern: re.Pattern[str]
    group: str


ORIGINS = (
    Origin("gcompris/GCompris-voices", "GPL or CC-BY-SA", re.compile(r"([a-z]+(?:_[A-Z]{2})?)/.+\.ogg"), "gcompris_"),
    Origin("rhasspy/dataset-voice-kerstin", "CC0-1.0", re.compile(r"verified/.*\.flac"), "kerstin_de"),
    Origin("hugolpz/audio-cmn", "CC-BY-SA", re.compile(r"96k/hsk/.*\.mp3"), "audio_cmn_zh"),
    Origin(
        "resemble-ai/Resemblyzer", "CC-BY-4.0", re.compile(r"audio_data/librispeech_train-clean-100/.*\.flac"),
        "librispeech_librispeech_train-clean-100",
    ),
)  # fmt: skip


class SourcesError(Exception):
    """A list or a folder of sources is not what it should be; the message says what to do."""


def list_packages() -> list[Package]:
    """The rows of packages.csv."""
    with (HERE / "packages.csv").open(newline="", encoding="utf-8") as file:
        return [
            Package(r["package"], r["version"], r["sha256"], int(r["bytes"]), r["split"], r["licence"], r["pool"])
            for r in csv.DictReader(file)
        ]


def list_files() -> dict[str, list[tuple[str, str]]]:
    """package -> [(class, path inside the package)], from files.csv.gz."""
    listed: dict[str, list[tuple[str, str]]] = {}
    with gzip.open(HERE / "files.csv.gz", "rt", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            listed.setdefault(row["package"], []).append((row["class"], row["path"]))
    return listed


def list_speech() -> dict[str, dict[str, str]]:
    """file -> row of speech.csv: group, seconds, sha256, origin, licence."""
    with (HERE / "speech.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def split_of(group: str) -> str | None:
    """The split of a speaker; None if he is in none."""
    if group in LEFT_OUT_GROUPS:
        return None
    return next((split for split, groups in HELD_OUT_SPEAKERS.items() if group in groups), "train")


def debian_sources(
    packages: Iterable[Package],
    debs: Path,
    *,
    mirror: str | None = None,
    note: Callable[[str], None] = lambda words: None,
) -> Iterator[list[Source]]:
    """Package after package: downloaded, verified and extracted below `debs` where needed; its listed sounds.

    Raises:
        PackageError, DownloadError: a package cannot be had, or is damaged.
    """
    debs.mkdir(parents=True, exist_ok=True)
    files = list_files()
    for package in packages:
        folder = debs / "extracted" / package.package
        listed = files.get(package.package, [])
        if not all((folder / path).exists() for _, path in listed):
            extract(fetch_package(package, debs, mirror=mirror, note=note), {path for _, path in listed}, folder)
        yield [
            Source(
                folder / path, package.split, kind, f"{package.package}/{PurePosixPath(path).parent}", path,
                package.package, package.version, package.sha256, package.licence,
            )
            for kind, path in listed if (folder / path).exists()
        ]  # fmt: skip


def speech_sources(folder: Path) -> Iterator[Source]:
    """The files of a speech folder, one group a speaker.

    The folder has an index.csv (file, group, and for files that are not in speech.csv also licence), or it holds
    clones of the repositories in ORIGINS.

    Raises:
        SourcesError: it is neither, a listed file has another checksum, or one is not allowed for training.
    """
    if not (folder / "index.csv").is_file():
        yield from original_sources(folder)
        return
    known = list_speech()
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name, group = row.get("file") or "", row.get("group") or ""
            if not name or not group:
                raise SourcesError(f"'{folder / 'index.csv'}' needs a file and a group in every row")
            if name in LEFT_OUT_FILES or (split := split_of(group)) is None:
                continue
            if not (folder / name).is_file():
                raise SourcesError(f"'{folder / name}' is missing, though index.csv names it")
            facts, digest = known.get(name), sha256_of(folder / name)
            if facts and facts["sha256"] != digest:
                raise SourcesError(f"'{folder / name}' has the sha256 {digest}, speech.csv says {facts['sha256']}")
            licence = facts["licence"] if facts else row.get("licence") or ""
            check_licence(licence, str(folder / name))
            origin = facts["origin"] if facts else row.get("origin") or folder.name
            yield Source(folder / name, split, "speech", group, name, origin, "", digest, licence)


def original_sources(folder: Path) -> Iterator[Source]:
    """Speech from clones of its public repositories, each in a folder of the repository's name.

    Raises:
        SourcesError: there are none.
    """
    found = False
    for origin in ORIGINS:
        root = folder / origin.repository.partition("/")[2]
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if (
                (match := origin.pattern.fullmatch(name)) is None
                or path.stem in LEFT_OUT_ORIGINALS
                or not path.is_file()
            ):
                continue
            found = True
            group = origin.group + (match[1] if match.groups() else "")
            if (split := split_of(group)) is not None:
                file = f"{root.name}/{name}"
                digest = sha256_of(path)
                yield Source(path, split, "speech", group, file, origin.repository, "", digest, origin.licence)
    if not found:
        names = ", ".join(origin.repository.partition("/")[2] for origin in ORIGINS)
        raise SourcesError(f"'{folder}' has no index.csv (file, group, licence) and no clone of {names}")


def check_licence(licence: str, what: str) -> None:
    """Raise SourcesError for a licence that is missing, unclear, or forbids training or passing on."""
    if not licence.strip() or FORBIDDEN.search(licence):
        raise SourcesError(
            f"{what} has the licence '{licence}': nothing may be imported that forbids use, change or redistribution, "
            "or does not say"
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
