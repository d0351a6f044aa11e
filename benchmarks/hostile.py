"""What inputs cost that ask for much: processor time and memory of each command, beside those of a harmless input.

    python benchmarks/hostile.py               makes the inputs, measures, and writes the table of docs/promises.md
    python benchmarks/hostile.py --only tags   measures inputs with this in their name, and keeps other figures
    python benchmarks/hostile.py --write       writes the table again

Files of gigabytes are sparse. Processor time is that of the command and of all that it starts, user and system
together, so that other work on the machine counts little; memory is the largest resident set of one of these processes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT))

from support.films import Sound, make  # noqa: E402
from support.mkv import CHAPTERS, CLUSTER, INFO, TAGS, TRACKS, chapter, element, split  # noqa: E402
from support.mp4 import IN_FRAGMENTS, promising, promising_in_a_fragment  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "hostile.json"
PAGE = ROOT / "docs" / "promises.md"
MARK, END = "<!-- hostile -->", "<!-- /hostile -->"
PATIENCE_SECONDS = 300.0
ADDRESS_SPACE = 16 << 30
"""So that a fault does not take the machine's memory."""

GB, MIB = 10**9, 1 << 20
FILMS = ("info", "info --no-loudness", "remix --dry-run", "remix")
MODELS = ("models info", "models verify", "remix --model")
ATTACHMENTS, ATTACHED_FILE, FILE_NAME, FILE_TYPE, FILE_UID, FILE_DATA = (
    "1941a469", "61a7", "466e", "4660", "46ae", "465c",
)  # fmt: skip


# ---- films ----


def plain(folder: Path, suffix: str = ".mkv") -> Path:
    """A film that asks for nothing."""
    codec = {".wav": "pcm_s16le", ".mp4": "aac"}.get(suffix, "flac")
    picture = None if suffix == ".wav" else "mpeg4"
    return make(folder / f"plain{suffix}", Sound(codec), seconds=1.0, picture=picture, subtitles=None)


def longer(path: Path, size: int) -> Path:
    """Append a hole."""
    os.truncate(path, size)
    return path


def sparse(suffix: str) -> Callable[[Path], Path]:
    """A whole film, then nothing up to 12 GB."""

    def made(folder: Path) -> Path:
        return longer(plain(folder, suffix), 12 * GB)

    return made


def zeros(suffix: str, size: int) -> Callable[[Path], Path]:
    """A file of zeros, sparse."""

    def made(folder: Path) -> Path:
        path = folder / f"zeros{suffix}"
        path.touch()
        return longer(path, size)

    return made


def many_channels(folder: Path) -> Path:
    """A WAV with 20,170 channels."""
    channels, path = 20_170, folder / "channels.wav"
    frame = channels * 2
    form = struct.pack("<HHIIHH", 1, channels, 48_000, (frame * 48_000) % 2**32, frame % 2**16, 16)
    data = bytes(frame * 100)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    return path


def matroska(folder: Path, *more: bytes) -> tuple[bytes, bytes]:
    """A small Matroska film with more elements before its first cluster, in two parts: before them, and after."""
    head, segment = split(plain(folder).read_bytes())
    inside = [element(name.hex(), content) for name, content in split(segment[1]) if name in (INFO, TRACKS, CLUSTER)]
    first = next(at for at, one in enumerate(inside) if one.startswith(CLUSTER))
    before = element("1a45dfa3", head[1]) + bytes.fromhex("18538067") + b"\x01" + b"\xff" * 7
    return before + b"".join(inside[:first]) + b"".join(more), b"".join(inside[first:])


def attachment(folder: Path) -> Path:
    """A Matroska film with an attachment of 2 GB, before its sound."""
    size, path = 2 * GB, folder / "attachment.mkv"
    facts = element(FILE_NAME, "a.bin") + element(FILE_TYPE, "application/x-binary") + element(FILE_UID, 7)
    data = bytes.fromhex(FILE_DATA) + b"\x01" + struct.pack(">Q", size)[1:]
    file = bytes.fromhex(ATTACHED_FILE) + b"\x01" + struct.pack(">Q", len(facts) + len(data) + size)[1:] + facts + data
    head, tail = matroska(folder)
    head += bytes.fromhex(ATTACHMENTS) + b"\x01" + struct.pack(">Q", len(file) + size)[1:] + file
    with path.open("wb") as out:
        out.write(head)
        out.seek(size, os.SEEK_CUR)
        out.write(tail)
    return path


def tags(same: bool, count: int) -> Callable[[Path], Path]:
    """A Matroska film with many tags, of one name or of as many."""

    def made(folder: Path) -> Path:
        simple = (
            element("67c8", element("45a3", "A" if same else f"N{at}"), element("4487", "b")) for at in range(count)
        )
        head, tail = matroska(folder, element(TAGS.hex(), element("7373", element("63c0"), *simple)))
        path = folder / "tags.mkv"
        path.write_bytes(head + tail)
        return path

    return made


def chapters(count: int) -> Callable[[Path], Path]:
    """A Matroska film with many chapters."""

    def made(folder: Path) -> Path:
        found = (chapter(at + 1, at / 1e6, (at + 1) / 1e6, {"und": "b"}) for at in range(count))
        head, tail = matroska(folder, element(CHAPTERS.hex(), element("45b9", *found)))
        path = folder / "chapters.mkv"
        path.write_bytes(head + tail)
        return path

    return made


def moov(inside: str) -> Callable[[Path], Path]:
    """An MP4 whose `moov` has 400 MB: a hole in a box that nobody knows, a table of samples, or a title."""

    def made(folder: Path) -> Path:
        size = 400 * MIB
        data = plain(folder, ".mp4").read_bytes()
        at = data.rfind(b"moov") - 4
        old = struct.unpack(">I", data[at : at + 4])[0]
        boxes = data[at + 8 : at + old]
        if inside == "table":  # the sizes of all samples, one by one, as the second track would have them
            place = boxes.rfind(b"stsz") - 4
            count = (size - 20) // 4
            table = struct.pack(">I4sIII", size, b"stsz", 0, 0, count)
            length = struct.unpack(">I", boxes[place : place + 4])[0]
            parts = [boxes[:place] + table, size - len(table), boxes[place + length :]]
            grown = size - length
            for name in (b"trak", b"mdia", b"minf", b"stbl"):  # the boxes around it grow too
                head = bytearray(parts[0])
                around = bytes(head).rfind(name) - 4
                head[around : around + 4] = struct.pack(">I", struct.unpack(">I", head[around : around + 4])[0] + grown)
                parts[0] = bytes(head)
        elif inside == "title":
            mean = struct.pack(">I4s", size, b"udta") + struct.pack(">I4s", size - 8, b"\xa9nam")
            parts, grown = [boxes + mean, size - len(mean), b""], size
        else:
            parts, grown = [boxes + struct.pack(">I4s", size, b"free"), size - 8, b""], size
        path = folder / "moov.mp4"
        with path.open("wb") as out:
            out.write(data[:at] + struct.pack(">I4s", old + grown, b"moov") + parts[0])
            out.seek(parts[1], os.SEEK_CUR)
            out.write(parts[2])
            out.truncate(out.tell())
        return path

    return made


def promised(folder: Path) -> Path:
    """An MP4 whose tables promise 80 million samples."""
    return promising(plain(folder, ".mp4"), 80_000_000, 1024)


def promised_in_a_fragment(folder: Path) -> Path:
    """An MP4 with a fragment that promises 80 million samples."""
    film = make(folder / "plain.mp4", Sound("aac"), seconds=1.0, subtitles=None, options=IN_FRAGMENTS)
    return promising_in_a_fragment(film, 80_000_000)


# ---- models ----


def plain_model(folder: Path) -> Path:
    """The bundled model."""
    return ROOT / "model" / "weights" / "cfork.safetensors"


def bomb(folder: Path) -> Path:
    """A checkpoint of 4 MB that unpacks to 1 GB."""
    import torch

    torch.save({"a": torch.zeros(4)}, folder / "small.pth")
    path, block = folder / "bomb.pth", bytes(16 * MIB)
    with (
        zipfile.ZipFile(folder / "small.pth") as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out,
    ):
        for entry in source.infolist():
            if not entry.filename.endswith("/data/0"):
                out.writestr(entry.filename, source.read(entry))
        with out.open(f"{source.infolist()[0].filename.split('/')[0]}/data/0", "w") as more:
            for _ in range(60):
                more.write(block)
    return path


def safetensors(folder: Path, header: bytes, name: str) -> Path:
    """A file with this header and no tensors."""
    path = folder / name
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def long_header(folder: Path) -> Path:
    """99 MB of header, which are good JSON."""
    entry = '"%07d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    count = 99 * 10**6 // (len(entry % 0) + 1)
    return safetensors(folder, ("{" + ",".join(entry % at for at in range(count)) + "}").encode(), "header.safetensors")


def huge_network(folder: Path) -> Path:
    """A few hundred bytes, with a right checksum, that ask for a network of terabytes."""
    from model.hub.container import _digest

    config = json.dumps({"windows": [1 << 17] * 3, "hidden": 65_536, "layers": 100})
    strings = {"architecture": "mrx", "config": config, "card": "{}"}
    strings["sha256"] = _digest(strings, {}, b"")
    return safetensors(folder, json.dumps({"__metadata__": strings}).encode(), "network.safetensors")


# ---- small files of others ----


def journal(folder: Path) -> Path:
    """A folder with a journal of 5 GB."""
    (folder / "out").mkdir()
    longer(zeros("", 1)(folder / "out").rename(folder / "out" / ".cfork.jsonl"), 5 * GB)
    return plain(folder)


def text_of_5_gb(start: bytes, name: str) -> Callable[[Path], Path]:
    """A file that begins as a text, with a hole of 5 GB."""

    def made(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(start)
        return longer(path, 5 * GB)

    return made


INPUTS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "a film of a second": (plain, FILMS),
    "Matroska, 12 GB, sparse after the film": (sparse(".mkv"), FILMS),
    "WAV, 12 GB, sparse after the film": (sparse(".wav"), FILMS),
    "MP4, 12 GB, sparse after the film": (sparse(".mp4"), FILMS),
    ".mkv of 12 GB of zeros": (zeros(".mkv", 12 * GB), FILMS),
    ".wav of 12 GB of zeros": (zeros(".wav", 12 * GB), FILMS),
    ".mp4 of 12 GB of zeros": (zeros(".mp4", 12 * GB), FILMS),
    "WAV with 20,170 channels": (many_channels, FILMS),
    "Matroska with an attachment of 2 GB": (attachment, FILMS),
    "Matroska with 300,000 tags of one name": (tags(True, 300_000), FILMS),
    "Matroska with 300,000 tags of as many names": (tags(False, 300_000), FILMS),
    "Matroska with 300,000 chapters": (chapters(300_000), FILMS),
    "MP4, `moov` with an unknown box of 400 MB": (moov("unknown"), FILMS),
    "MP4, `moov` with a table of samples of 400 MB": (moov("table"), FILMS),
    "MP4, `moov` with a title of 400 MB": (moov("title"), FILMS),
    "MP4 that promises 80 million samples in a few bytes": (promised, FILMS),
    "MP4 with a fragment that promises 80 million samples": (promised_in_a_fragment, FILMS),
    "a playlist of 5 GB": (text_of_5_gb(b"#EXTM3U\n", "list.m3u8"), FILMS),
    "a text of 5 GB called .mkv": (text_of_5_gb(b"hello\n", "text.mkv"), FILMS),
    "the bundled model": (plain_model, MODELS),
    "checkpoint of 4 MB that unpacks to 1 GB": (bomb, MODELS),
    "safetensors with a header of 99 MB": (long_header, MODELS),
    "a few hundred bytes of safetensors for a huge network": (huge_network, MODELS),
    ".safetensors of 12 GB of zeros": (zeros(".safetensors", 12 * GB), MODELS),
    ".pth of 12 GB of zeros": (zeros(".pth", 12 * GB), MODELS),
    "a preset of 5 GB": (text_of_5_gb(b"night = true\n", "a.toml"), ("presets show", "remix --preset")),
    "a list of films of 5 GB": (text_of_5_gb(b"a.mkv\n", "films.txt"), ("info @",)),
    "a journal of 5 GB": (journal, ("remix -o out/",)),
}
"""Name -> what makes it, and the commands that it is given to. The first of each kind asks for nothing."""

OTHERS = ("presets show", "remix --preset", "info @", "remix -o out/")


def arguments(command: str, path: Path, folder: Path) -> list[str]:
    """The command line, without the name of the program."""
    where, film = str(path), folder / "plain.mkv"
    out = ["--dialog", "+6", "-o"]
    if "--model" in command or "--preset" in command:
        option = command.split()[1]
        return [
            "remix",
            str(film if film.exists() else plain(folder)),
            option,
            where,
            *out,
            str(folder / "new.mkv"),
            "-f",
        ]
    return {
        "remix --dry-run": ["remix", where, "--dry-run", *out, str(folder / f"new{path.suffix}"), "-f"],
        "remix": ["remix", where, *out, str(folder / f"new{path.suffix}"), "-f"],
        "remix -o out/": ["remix", str(path.parent), *out, str(folder / "out")],
        "info @": ["info", f"@{where}"],
    }.get(command) or [*command.split(), where]


def measured(words: list[str]) -> dict[str, Any]:
    """Code, last line, seconds of the processor and of the clock, and memory in MB of a run."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "cfork", *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
            env=environment, preexec_fn=limited, start_new_session=True,
        )  # fmt: skip
        timer = threading.Timer(PATIENCE_SECONDS, lambda: os.killpg(child.pid, signal.SIGKILL))
        timer.start()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    return {
        "code": child.returncode,
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "memory_mb": round(used.ru_maxrss * 1024 / 1e6),
        "said": lines[-1][:200] if lines else "",
    }


def tables(found: dict[str, Any]) -> str:
    """The figures as tables, one for each kind of commands."""
    out = []
    for commands in (FILMS, MODELS, OTHERS):
        out += ["", f"| input | {' | '.join(f'`{one}`' for one in commands)} |", "|---" * (1 + len(commands)) + "|"]
        for name, (_, used) in INPUTS.items():
            if runs := {one: found[name][one] for one in used if one in commands and name in found}:
                out.append(f"| {name} | {' | '.join(_cell(runs.get(one)) for one in commands)} |")
    return "\n".join(out)


def _cell(run: dict[str, Any] | None) -> str:
    return "" if run is None else f"{run['code']}, {run['cpu_seconds']:.1f} s, {run['memory_mb']} MB"


def written(page: str) -> str:
    """Return a page with the tables in it."""
    head, _, rest = page.partition(MARK)
    return f"{head}{MARK}\n{tables(json.loads(RESULTS.read_text()))}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="measure inputs with this in their name")
    parser.add_argument("--write", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, (make_it, commands) in INPUTS.items():
        if asked.write or asked.only.lower() not in name.lower():
            continue
        found[name] = {}
        for command in commands:
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                run = measured(arguments(command, make_it(folder), folder))
            found[name][command] = run | {"said": run["said"].replace(made, "")}
            print(f"{name:45} {command:20} {_cell(run)}  {found[name][command]['said'][:90]}", flush=True)
    found = {name: found[name] for name in INPUTS if name in found}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
