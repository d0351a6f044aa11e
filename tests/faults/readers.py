"""cfork's own readers of containers, weights and presets, with damaged bytes, many in one process.

The command is what counts; but what its readers do with bytes can be tried a hundred times as often.
"""

from __future__ import annotations

import json
import os
import random
import resource
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import seeds
from faults.bench import Bench
from faults.mutants import MUTATORS, mutated

MUTANTS = 100
LIMIT_SECONDS = 60
"""Of processor time for all of them: usually it is less than one."""
MOST_BYTES = 6 << 30
"""Of address space, of which torch alone takes some."""

CONTAINERS = {
    ".mkv": "matroska,webm", ".mka": "matroska,webm", ".webm": "matroska,webm", ".wav": "wav", ".avi": "avi",
    ".mp3": "mp3", ".ts": "mpegts", ".m2ts": "mpegts", ".wmv": "asf", ".ogg": "ogg", ".opus": "ogg", ".ogv": "ogg",
}  # fmt: skip
"""ffmpeg's names, by which the readers choose what to look for."""


@dataclass(frozen=True)
class Reader:
    """A reader, the errors that it documents, and the suffixes of files that it is for."""

    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...]
    suffixes: tuple[str, ...]


def _readers() -> Mapping[str, Reader]:
    from cfork_cli.errors import CforkError
    from cfork_cli.media import encryption, matroska, mov_titles, truncation
    from cfork_cli.media.types import Media
    from cfork_cli.presets import store
    from model.hub import container, weights

    films = tuple({Path(name).suffix for name in seeds.FILMS})

    def lengths(path: Path) -> object:
        media = Media(path, CONTAINERS.get(path.suffix, "mov,mp4"), 1.0, 0.0, {}, 0, ())
        return truncation.missing_share(media), truncation.is_whole(media), truncation.cut_off(media)

    return {
        "encryption": Reader(encryption.encryption, (), films),
        "truncation": Reader(lengths, (), films),
        "matroska": Reader(matroska.read, (), (".mkv", ".mka", ".webm")),
        "mov titles": Reader(mov_titles.track_names, (), (".mp4", ".mov", ".m4a", ".m4v")),
        "weights": Reader(container.read_tensor_table, (container.WeightsError,), (".safetensors",)),
        "size of weights": Reader(container.check_size, (container.WeightsError,), (".safetensors",)),
        "card of weights": Reader(weights.describe, (container.WeightsError,), (".safetensors",)),
        "presets": Reader(lambda path: store.load(str(path)), (CforkError,), (".toml",)),
    }


def tried(bench: Bench, draw: random.Random, count: int = MUTANTS) -> dict[str, Any]:
    """Let the readers meet so many damaged files; returns a row of the results."""
    sources = {name: bench.film(name).read_bytes() for name in draw.sample(sorted(seeds.FILMS), 6)}
    sources |= {"tiny.safetensors": bench.model.read_bytes(), "mine.toml": seeds.PRESET.encode()}
    folder = bench.fresh()
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(readable)
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_SECONDS, LIMIT_SECONDS))
            resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
            os.write(writable, json.dumps(_read_all(sources, folder, draw, count)).encode())
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        data = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    found: dict[str, Any] = json.loads(data) if data else {
        "counts": {}, "violations": [f"a reader did not come back (status {status}, {LIMIT_SECONDS} s at most)"],
    }  # fmt: skip
    about = f"{count} damaged files, {', '.join(sources)}"
    return {"about": about, "real": False, "codes": [0], "said": "", "tried": count, **found}


def _read_all(sources: Mapping[str, bytes], folder: Path, draw: random.Random, count: int) -> dict[str, Any]:
    readers = _readers()
    counts: Counter[str] = Counter()
    violations = []
    for _ in range(count):
        name = draw.choice(sorted(sources))
        done, data = mutated(sources[name], draw, MUTATORS)
        path = folder / f"file{Path(name).suffix}"
        path.write_bytes(data)
        for word, reader in readers.items():
            if path.suffix not in reader.suffixes:
                continue
            try:
                reader.read(path)
                counts["read"] += 1
            except reader.errors:
                counts["refused"] += 1
            except Exception as error:
                violations.append(f"{word}, {name} {done}: {type(error).__name__}: {error}"[:300])
    return {"counts": dict(counts), "violations": violations}
