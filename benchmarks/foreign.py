"""Films that others made, before and after: try your own collection.

    python benchmarks/foreign.py FOLDER ...      # try every film in there, then write docs/foreign.md
    python benchmarks/foreign.py --list          # print every difference that was seen
    python benchmarks/foreign.py --write         # try nothing, write the document again

Each film is remixed twice by `cfork remix`, with all gains 0 dB and with the dialogue 3 dB louder, into a temporary
folder. What is in it is compared before and after, read by another reader than cfork uses: streams, packets (by their
checksums), times, tags, flags, chapters, picture, attachments, the new track, its sound, and how much a decoder
complains. Films are taken in turns by suffix, equal ones once. Every film is kept as a line of JSON, so that an
interrupted run goes on where it was. No film is changed, and none is copied anywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from foreign_document import document, listing

from cfork_cli.media.containers import muxer_named
from cfork_cli.media.pyav import open_film

ROOT = Path(__file__).parents[1]
RESULTS, DOCUMENT = ROOT / "benchmarks" / "results" / "foreign.jsonl", ROOT / "docs" / "foreign.md"
RUNS = {"0 dB": (), "+3 dB": ("--dialog", "+3")}
MORE_SUFFIXES = {
    ".ape", ".mpc", ".dsf", ".dff", ".tak", ".shn", ".amr", ".spx", ".dts", ".ra", ".rm", ".rmvb", ".mk3d", ".f4v",
    ".dv", ".gxf", ".thd", ".oma", ".mod", ".tod", ".divx", ".snd", ".voc", ".ac4", ".m2v", ".bwf", ".aifc", ".mj2",
}  # fmt: skip
"""Of films and sounds that ffmpeg may read and cfork does not write."""
LIMIT_SECONDS = 300
NO_SOUND = "has no sound track"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", help="folders of films, or films")
    parser.add_argument("--seconds", type=float, default=60, help="leave out longer films")
    parser.add_argument("--changed-seconds", type=float, default=15, help="no second remix for longer films")
    parser.add_argument("--megabytes", type=float, default=50, help="leave out larger files")
    parser.add_argument("--alike", type=int, default=12, help="films with the same suffix from one folder, at most")
    parser.add_argument("--most", type=int, default=1000, help="films in all")
    parser.add_argument("--again", metavar="TEXT", help="try those again whose line in the results has this text in it")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the lines of JSON")
    parser.add_argument("-o", "--output", type=Path, default=DOCUMENT, help="the document")
    parser.add_argument("--write", action="store_true", help="try nothing")
    parser.add_argument("--list", action="store_true", help="print every difference, and leave")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.seconds, asked.changed_seconds)
        return 0
    rows = load(asked.results)
    if asked.again:
        rows = {name: row for name, row in rows.items() if asked.again not in json.dumps(row)}
    if not asked.write and not asked.list:
        for row in run(asked, rows):
            rows[row["sha256"]] = row
            save(asked.results, rows)
    if asked.list:
        print("\n".join(listing(rows.values())))
        return 0
    asked.output.write_text(document(list(rows.values())), encoding="utf-8")
    return 0


def run(asked: argparse.Namespace, known: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Try the films that are not known yet; yields a row for each."""
    count = sum(1 for row in known.values() if "left_out" not in row)
    with contextlib.closing(Worker(asked.seconds, asked.changed_seconds)) as worker:
        for path, name in films(asked.folders, asked.megabytes, asked.alike):
            if count >= asked.most:
                return
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            if digest in known:
                continue
            row = {"sha256": digest, "name": name, **worker.tried(path)}
            known[digest] = row
            count += "left_out" not in row
            ends = row.get("left_out") or [one["code"] for one in row["runs"].values()]
            print(f"{count:5d} {name}: {ends}", flush=True)
            yield row


def films(folders: Sequence[Path], megabytes: float, alike: int) -> Iterator[tuple[Path, str]]:
    """Yield films with their names, one of each suffix at a time, then the next of each."""
    groups: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for folder in folders:
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            suffix = path.suffix.lower()
            if not path.is_file() or not (muxer_named(suffix) or suffix in MORE_SUFFIXES):
                continue
            name = path.resolve().relative_to((folder if folder.is_dir() else path.parent).resolve().parent).as_posix()
            kind = name.split("/")[-2], suffix
            counts[kind] += 1
            if counts[kind] <= alike and 0 < path.stat().st_size <= megabytes * 1e6:
                groups[suffix].append((path, name))
    for round_ in zip_longest(*groups.values()):
        yield from filter(None, round_)


class Worker:
    """A process that tries one film after the other; a crash of a reader, or a film without end, harms no other."""

    def __init__(self, seconds: float, changed_seconds: float) -> None:
        self._command = [
            sys.executable, __file__, "--work", "--seconds", str(seconds), "--changed-seconds", str(changed_seconds),
        ]  # fmt: skip
        self._running: subprocess.Popen[str] | None = None

    def tried(self, path: Path) -> dict[str, Any]:
        """Return what became of one film."""
        if self._running is None:
            self._running = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        worker = self._running
        if worker.stdin is None or worker.stdout is None:
            raise ValueError("the process has no pipes")
        worker.stdin.write(f"{path}\n")
        worker.stdin.flush()
        clock = threading.Timer(LIMIT_SECONDS, worker.kill)
        clock.start()
        line = worker.stdout.readline()
        clock.cancel()
        if not line:
            status = worker.wait()
            self._running = None
            return {"left_out": f"no answer: the process ended with status {status}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()


def work(seconds: float, changed_seconds: float) -> None:
    """Answer each path on standard input with a line of JSON."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(tried(Path(line.rstrip("\n")), seconds, changed_seconds)), file=answers, flush=True)


def tried(path: Path, seconds: float, changed_seconds: float) -> dict[str, Any]:
    """Remix one film with and without new levels, and compare."""
    from cfork_cli.errors import CforkError
    from cfork_cli.media.probe import probe

    length, has_picture = 0.0, False
    kind = path.suffix.lower()
    with contextlib.suppress(CforkError):
        media = probe(path)
        length, has_picture = media.duration_seconds or 0.0, media.picture is not None
        kind = f"{media.container.split(',')[0]}: {'+'.join(dict.fromkeys(one.codec for one in media.streams))}"
        if not media.audio:
            return {"kind": kind, "left_out": NO_SOUND}
    if length > seconds:
        return {"kind": kind, "left_out": f"longer than {seconds:g} s"}
    before = hashlib.sha256(path.read_bytes()).digest()
    runs = {
        name: remixed(path, options, name, has_picture)
        for name, options in RUNS.items() if not options or length <= changed_seconds
    }  # fmt: skip
    if hashlib.sha256(path.read_bytes()).digest() != before:
        runs["0 dB"]["differences"] = {"input": "the film itself was changed"}
    return {"kind": kind, "seconds": round(length, 2), "runs": runs}


def remixed(path: Path, options: Sequence[str], name: str, has_picture: bool) -> dict[str, Any]:
    """Remix a film, and return exit code, message or notes, and differences."""
    from cfork_cli.app import run as cfork

    suffix = path.suffix.lower()
    if muxer_named(suffix) is None:  # ffmpeg reads such files only
        suffix = ".mkv" if has_picture else ".mka"
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / f"new{suffix}"
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = cfork(["remix", str(path), "-o", str(output), "--json", *options])
        answer = json.loads(out.getvalue() or '{"error": "no answer"}')

        def short(text: object) -> str:
            return str(text).replace(str(output), output.name).replace(str(path), path.name)

        if code != 0:
            return {"code": code, "message": short(answer["error"]), "left": len(list(Path(folder).iterdir()))}
        notes = [short(note) for note in answer["notes"]]
        found = differences(path, output, answer["track"] - 1, notes, same_sound=name == "0 dB")
        return {"code": 0, "suffix": suffix, "notes": notes, "codec": answer.get("codec"), "differences": found}


def differences(old: Path, new: Path, track: int, notes: Sequence[str], *, same_sound: bool) -> dict[str, str]:
    """Return what is not as it was: what kind of thing -> what about it."""
    import av
    from corpus.films import Case
    from support.portraits import look
    from support.promises import judge

    try:
        before = look(old)
    except (av.error.FFmpegError, ValueError, AttributeError, LookupError) as error:
        return {"reader": f"cannot read the film: {error}"}
    try:
        verdicts = judge(Case(old.name, "", ()), before, look(new), track, notes)
        found = {promise: one.why[:300] for promise, one in verdicts.items() if one.mark == "broken"}
    except (av.error.FFmpegError, ValueError, AttributeError, LookupError, StopIteration, TypeError) as error:
        found = {"reader": f"cannot compare: {type(error).__name__}: {error}"}
    if not same_sound:
        found.pop("sound", None)
    errors = [decode_errors(path) for path in (old, new)]
    if errors[1] > errors[0]:
        found["decoding"] = f"{errors[0]} packets that cannot be decoded -> {errors[1]}"
    return found


def decode_errors(path: Path) -> int:
    """Return how many packets of picture and sound a decoder refuses."""
    import av

    count = 0
    with (
        contextlib.suppress(av.error.FFmpegError, ValueError),
        open_film(f"file:{path}", {}) as file,
    ):
        streams = [one for one in file.streams if one.type in ("audio", "video") and one.codec_context is not None]
        for packet in file.demux(streams):
            try:
                packet.decode()
            except (av.error.FFmpegError, ValueError):
                count += 1
    return count


def load(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows by checksum."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {row["sha256"]: row for row in map(json.loads, lines)}


def save(path: Path, rows: dict[str, dict[str, Any]]) -> None:
    """Write all rows; whoever interrupts us finds the old ones or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows.values()), encoding="utf-8")
    os.replace(part, path)


if __name__ == "__main__":
    sys.exit(main())
