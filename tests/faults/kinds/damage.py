"""Damaged films, models and presets, through every command that reads them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from faults import seeds
from faults.bench import Bench
from faults.mutants import MUTATORS, mutated
from faults.trial import DOCUMENTED, STOPPED, Trial

QUIETLY = ("--dialog", "0")
REAL_SHARE = 0.04
"""Of mutants that meet a process of their own from the start."""


@dataclass(frozen=True)
class Way:
    """How a damaged film is met. weight: how often; the dearer ones are rarer."""

    name: str
    weight: int
    takes: str = "file"


WAYS = (
    Way("info", 34),
    Way("headers", 8),
    Way("plan", 8),
    Way("remix", 22),
    Way("levels", 4),
    Way("sidecar", 4),
    Way("other", 4),
    Way("into", 4, "pipe"),
    Way("through", 4, "pipe"),
    Way("separate", 3),
    Way("listen", 2),
    Way("dub", 2),
    Way("plot", 1),
)


def films(bench: Bench, draw: random.Random) -> Trial:
    """A damaged film of any kind, through any command."""
    name = draw.choice(tuple(seeds.FILMS))
    done, data = mutated(bench.film(name).read_bytes(), draw)
    way = draw.choices(WAYS, [one.weight for one in WAYS])[0]
    real = draw.random() < REAL_SHARE
    folder = bench.fresh()
    path = folder / f"film{Path(name).suffix}"
    path.write_bytes(data)
    arguments, outputs = _line(bench, way.name, path)
    if way.name not in ("plot", "headers", "info", "listen") and draw.random() < 0.35:
        arguments.append("--accept-damaged" if way.name not in ("dub", "separate") else "-q")
    as_json = way.name != "through" and draw.random() < 0.2
    told = seeds.SECONDS if done == "cut" and seeds.FILMS[name].tells_length else None
    return Trial(
        f"{name} {done}: {way.name}", [*arguments, *(["--json"] if as_json else [])], folder, real,
        inputs=(path,), outputs=outputs, environment=bench.programs(draw), film_seconds=told,
        stdin=data if way.takes == "pipe" else None,
        codes=DOCUMENTED - STOPPED - {2} | ({2} if way.name in ("other", "sidecar") else set()),
    )  # fmt: skip


def _line(bench: Bench, way: str, film: Path) -> tuple[list[str], tuple[Path, ...]]:
    """Return a command line, and what it may write."""
    model = ("--model", str(bench.model))
    new = film.with_name(f"new{film.suffix}")
    folder, name = film.parent, film.name
    lines: dict[str, tuple[list[str], tuple[Path, ...]]] = {
        "info": (["info", name], ()),
        "headers": (["info", "--no-loudness", name], ()),
        "plan": (["remix", name, *QUIETLY, "--dry-run"], ()),
        "remix": (["remix", name, *QUIETLY, "-o", new.name], (new,)),
        "levels": (["remix", name, "--dialog", "3", *model, "-o", new.name], (new,)),
        "sidecar": (["remix", name, *QUIETLY, "--sidecar", "-o", "new.mka"], (folder / "new.mka",)),
        "other": (["remix", name, *QUIETLY, "-o", "new.mkv"], (folder / "new.mkv",)),
        "into": (["remix", "-", *QUIETLY, "-o", new.name], (new,)),
        "through": (["remix", "-", *QUIETLY, "-o", "-"], ()),
        "separate": (["separate", name, *model, "-o", "stems"], (folder / "stems",)),
        "listen": (["info", "--separate", *model, name], ()),
        "dub": (["dub", name, "--me", *model, "-o", new.name], (new,)),
        "plot": (["plot", name, *model, "-o", "new.png"], (folder / "new.png",)),
    }
    return lines[way]


def weights(bench: Bench, draw: random.Random) -> Trial:
    """A damaged file of weights."""
    path = draw.choice((bench.model, bench.model, seeds.checkpoint(bench.store)))
    folder = bench.fresh()
    if path.suffix == ".safetensors" and draw.random() < 0.5:
        done, data = _other_header(path.read_bytes(), draw)
    else:
        done, data = mutated(path.read_bytes(), draw, MUTATORS)
    target = folder / f"model{path.suffix}"
    target.write_bytes(data)
    film = bench.put("pcm16.wav", folder, "film.wav")
    new = folder / "new.wav"
    arguments, outputs = draw.choice((
        (["models", "info", target.name], ()), (["models", "verify", target.name], ()),
        (["remix", film.name, "--dialog", "3", "--model", target.name, "--force-model", "-o", new.name], (new,)),
    ))  # fmt: skip
    return Trial(
        f"{path.name} {done}: {arguments[0]} {arguments[1]}", arguments, folder, draw.random() < REAL_SHARE,
        inputs=(target, film), outputs=outputs, codes=frozenset({0, 7}),
    )  # fmt: skip


def _other_header(data: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Change the JSON at the start of safetensors, and keep its length right."""
    length = int.from_bytes(data[:8], "little")
    text = data[8 : 8 + length]
    for _ in range(draw.randint(1, 3)):
        done, text = mutated(text, draw, MUTATORS)
    if draw.random() < 0.2:
        done, text = "deep", b'{"a":' + b"[" * draw.choice((50, 5_000, 200_000))
    claimed = len(text) if draw.random() < 0.8 else draw.choice((0, 1, 2**31, 2**63, 2**64 - 1, len(data)))
    return f"header {done}", claimed.to_bytes(8, "little") + text + data[8 + length :]


def presets(bench: Bench, draw: random.Random) -> Trial:
    """A damaged preset."""
    done, data = mutated(seeds.PRESET.encode(), draw, MUTATORS)
    folder = bench.fresh()
    preset = folder / "mine.toml"
    preset.write_bytes(data)
    film = bench.put("pcm16.wav", folder, "film.wav")
    arguments = draw.choice((
        ["presets", "show", "./mine.toml"], ["remix", film.name, "--preset", "./mine.toml", "--dry-run"],
    ))  # fmt: skip
    return Trial(
        f"preset {done}: {arguments[0]}", arguments, folder, draw.random() < REAL_SHARE, inputs=(preset, film),
        codes=frozenset({0, 2, 3}),
    )  # fmt: skip
