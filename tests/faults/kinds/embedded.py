"""Films that name other files and addresses inside: none is opened, and nothing is written where they say."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from faults import boxes
from faults.bench import Bench
from faults.trial import Law, Seen, Trial
from support.films import ffmpeg

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9"
UID = bytes(range(16))
ESCAPED = "cfork-escaped"
"""In every name that a film would like to have written somewhere."""

Embed = Callable[[bytes, Sequence[str], random.Random], bytes]


def _dref(data: bytes, names: Sequence[str], draw: random.Random) -> bytes:
    kind = draw.choice((boxes.address, boxes.alias, lambda url: boxes.name("urn:x", url)))
    made = boxes.entries(*(kind(one) for one in names[:1]))
    return boxes.with_boxes(data, lambda name, _: made if name == b"dref" else None)


def _more_drefs(data: bytes, names: Sequence[str], draw: random.Random) -> bytes:
    """The references beside that to the film itself, and no track uses them."""
    made = boxes.entries(boxes.box(b"url ", b"\0\0\0\1"), *(boxes.address(one) for one in names), boxes.alias(names[0]))
    return boxes.with_boxes(data, lambda name, _: made if name == b"dref" else None)


def _rmra(data: bytes, names: Sequence[str], draw: random.Random) -> bytes:
    more = b"".join(boxes.reference_movie(one, draw.choice((b"url ", b"alis"))) for one in names)
    alone = draw.random() < 0.5
    return boxes.with_boxes(data, lambda name, old: (more if alone else old + more) if name == b"moov" else None)


def _attachments(data: bytes, names: Sequence[str], draw: random.Random) -> bytes:
    paths = (
        f"../{ESCAPED}.jpg", f"../../{ESCAPED}.jpg", f"/tmp/{ESCAPED}.ttf", f"a/../../{ESCAPED}.txt", f"..\\{ESCAPED}",
        f"{ESCAPED}\0.jpg", f"cover.jpg/../../../{ESCAPED}", f"%d/../{ESCAPED}.png", f"~/{ESCAPED}", f"{ESCAPED}|cat",
    )  # fmt: skip
    kinds = ("image/jpeg", "image/png", "application/x-truetype-font", "text/plain", "x/../../y")
    more = b"".join(
        boxes.attachment(draw.choice(paths), draw.choice(kinds), draw.choice((JPEG, b"text", b""))) for _ in range(3)
    )
    return boxes.before_clusters(data, more)


def _links(data: bytes, names: Sequence[str], draw: random.Random) -> bytes:
    return boxes.before_clusters(data, boxes.links(UID, draw.choice(("linked.mkv", *names))))


def _chapters(data: bytes, names: Sequence[str], draw: random.Random) -> bytes:
    return boxes.before_clusters(
        data, boxes.links(UID, "linked.mkv") * draw.randint(0, 1) + boxes.ordered_chapters(UID)
    )


def _script(data: bytes, names: Sequence[str], draw: random.Random) -> bytes:
    kinds = ("URL", "FILENAME", "URLANDEXIT", "TEXT", "EVENT", "OPENEVENT", "SMI")
    return boxes.in_asf_header(data, boxes.script([(draw.choice(kinds), one) for one in names]))


def _id3(data: bytes, names: Sequence[str], draw: random.Random) -> bytes:
    link = b"\0-->\0\3\0" + names[0].encode()
    frames = draw.sample((
        (b"APIC", link), (b"WXXX", b"\0x\0" + names[0].encode()), (b"WOAF", names[0].encode()),
        (b"GEOB", b"\0text/plain\0../" + ESCAPED.encode() + b"\0x\0data"), (b"LINK", b"APIC" + names[0].encode()),
    ), 3)  # fmt: skip
    return boxes.id3(*frames) + data


EMBEDS: Mapping[str, tuple[Embed, Sequence[str]]] = {
    "data references": (_dref, ("film.mov", "film.mp4", "film.m4v", "sound.m4a")),
    "unused data references": (_more_drefs, ("film.mov", "film.mp4", "fragments.mp4")),
    "reference movie": (_rmra, ("film.mov", "film.mp4")),
    "attachments": (_attachments, ("aac.mkv", "flac.mkv", "film.webm")),
    "linked segments": (_links, ("aac.mkv", "flac.mkv")),
    "ordered chapters": (_chapters, ("aac.mkv", "film.webm")),
    "script commands": (_script, ("film.wmv",)),
    "ID3 links": (_id3, ("sound.mp3", "sound.aac", "sound.flac")),
}
"""What is put into which films."""


def embedded(bench: Bench, draw: random.Random) -> Trial:
    """One of these, through one of the commands."""
    folder = bench.fresh()
    secret, linked = folder.parent / "secret.wav", folder / "linked.mkv"
    shutil.copyfile(bench.film("pcm16.wav"), secret)
    linked.write_bytes(_piped(bench, "aac.mkv") + boxes.links(UID, "film.mkv"))
    there = f"127.0.0.1:{bench.port}/x.mov"
    targets = (
        "../secret.wav", str(secret), f"file://{secret}", f"file:{secret}", f"http://{there}", f"https://{there}",
        f"rtsp://{there}", f"tcp://{there}", f"concat:{secret}", f"\\\\127.0.0.1@{bench.port}\\x",
    )  # fmt: skip
    names = [draw.choice(targets) for _ in range(draw.randint(1, 3))]
    told, way = draw.choice(list(EMBEDS)), draw.choice(("info", "remix", "remix", "sound", "into", "separate"))
    embed, films = EMBEDS[told]
    name = draw.choice(films)
    data = embed(
        _piped(bench, name) if name.endswith((".mkv", ".webm")) else bench.film(name).read_bytes(), names, draw
    )
    film = folder / f"film{name[name.index('.') :]}"
    film.write_bytes(data)
    model = ["--model", str(bench.model)]
    new = folder / f"new{draw.choice((film.suffix, film.suffix, '.mkv', '.wav'))}"
    arguments, outputs = {
        "info": (["info", film.name], ()),
        "remix": (["remix", film.name, "--dialog", "0", "-o", new.name], (new,)),
        "sound": (["remix", film.name, "--dialog", "3", *model, "-o", new.name], (new,)),
        "into": (["remix", "-", "--dialog", "0", "-o", new.name], (new,)),
        "separate": (["separate", film.name, *model, "-o", "stems"], (folder / "stems",)),
    }[way]
    secrets = (secret,) if way == "info" else (secret, linked)
    return Trial(
        f"{told} in {name} to {names}: {way} {new.suffix}", arguments, folder, draw.random() < 0.08,
        inputs=(film, linked), outputs=outputs, codes=frozenset({0, 2, 3, 4, 5}), environment=bench.programs(draw),
        stdin=data if way == "into" else None, secrets=secrets, laws=(_nowhere(folder),),
    )  # fmt: skip


def _piped(bench: Bench, name: str) -> bytes:
    """Return a film as it comes through a pipe, so that nothing in it says where other things in it are."""
    path = bench.store / f"piped-{name}"
    if not path.exists():
        form = "webm" if name.endswith(".webm") else "matroska"
        part = path.with_name(f"{os.getpid()}-{path.name}")
        part.write_bytes(ffmpeg("-i", bench.film(name), "-map", "0", "-c", "copy", "-f", form, "pipe:1"))
        part.replace(path)
    return path.read_bytes()


def _nowhere(folder: Path) -> Law:
    return partial(_escaped, folder)


def _escaped(folder: Path, _: Seen) -> Iterator[str]:
    """Yield files that a film wanted to have written, wherever they are."""
    root = folder.parent.parent
    places = [*root.rglob(f"*{ESCAPED}*"), *root.parent.glob(f"*{ESCAPED}*"), *Path("/tmp").glob(f"*{ESCAPED}*")]
    for path in places:
        yield f"'{path}' was written"
        path.unlink(missing_ok=True)
