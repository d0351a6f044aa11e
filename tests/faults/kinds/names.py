"""Films under names that programs stumble over."""

from __future__ import annotations

import os
import random

from faults.bench import Bench
from faults.trial import Trial

PARTS: tuple[bytes, ...] = (
    b"\n", b"\r", b"\t", b"'", b'"', b"\\", b"-", b"--", b"%d", b"%03d", b"%s", b"%", b"concat:", b"file:", b"pipe:0",
    b"http:", b"data:", b"|", b";", b"$(touch x)", b"`touch x`", b"*", b"?", b"[a]", b"{}", b"{stem}", b"~", b" ", b".",
    b"..", b"\xc3\xa9", b"e\xcc\x81", "日本".encode(), "\u202egnp".encode(), b"\x1b[31m", b"\x7f", b"\x01", b"\xff\xfe",
    b"\xed\xa0\x80", b"#", b"&", b",", b"=", b":", b"@1:02", b"@", b"subfile,,start,0,end,0,,:", b"!", b"x" * 60,
    b"crypto:", b"async:", b"cache:", b"\xf0\x9f\x8e\xac", b"[bold red]", b"\\n", b"(1)", b"NUL", b"movie",
)  # fmt: skip
LONGEST_BYTES = 255


def name(draw: random.Random, suffix: str = ".mkv") -> str:
    """Return a name of some such parts."""
    stem = b"".join(draw.choice(PARTS) for _ in range(draw.randint(1, 5)))
    if draw.random() < 0.1:
        stem += b"y" * LONGEST_BYTES
    stem = stem[: LONGEST_BYTES - len(suffix)]
    return os.fsdecode(stem + suffix.encode())


def names(bench: Bench, draw: random.Random) -> Trial:
    """A whole film under such a name, or for an output of such a name: all of it must go well."""
    folder = bench.fresh()
    old, new = name(draw), draw.choice((name(draw), "new.mkv"))
    if new == old:
        new = "new.mkv"
    film = bench.put("aac.mkv", folder, old)
    separator = ["--"] if old.startswith("-") else []
    real = draw.random() < 0.2
    outputs = (folder / new,)
    arguments, outputs = draw.choice((
        (["info", *separator, old], ()), (["info", "--json", *separator, old], ()),
        (["remix", "--dialog", "0", f"--output={new}", *separator, old], outputs),
        (["remix", "--dialog", "0", "--json", f"--output={new}", *separator, old], outputs),
    ))  # fmt: skip
    return Trial(
        f"name {os.fsencode(old)!r}: {' '.join(arguments[:1])} to {os.fsencode(new)!r}", arguments, folder, real,
        inputs=(film,), outputs=outputs, codes=frozenset({0}), environment=bench.programs(draw),
    )  # fmt: skip
