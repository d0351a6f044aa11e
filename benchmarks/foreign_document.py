"""What `foreign.py` found, in Markdown: counts, and an explanation of every difference."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

OPENING = """# Films of others

Files that others made, with other programs, remixed by `cfork remix` and looked at before and after: streams, packets
by their checksums, times, tags, flags, chapters, picture, attachments, the new track, its sound, and decode errors.
They are test files of the public projects whose folders are named below; none is kept here. Written by

    python benchmarks/foreign.py FOLDER ...

which tries any collection (`--help`; it goes on where it was stopped, one film at a time, and changes none), from
`benchmarks/results/foreign.jsonl`. Each film is remixed with all gains 0 dB; short ones once more with the dialogue
3 dB louder.
"""

DIFFERENCES: Sequence[tuple[str, str, str, str, str]] = (
    # what, why, notes: patterns; how it is to be judged; in words
    ("^tags$", "", "tags that this ffmpeg does not write", "told",
     "Tags that this ffmpeg does not write into such a file"),
    ("tags", "replaygain|r128|itunnorm|mp3gain", "told how loud", "told", "Tags about the loudness of the old sound"),
    ("tags", "", "keep no (title|language)", "told", "Titles or languages of streams that such a file does not keep"),
    ("chapters", "", "chapters are", "told", "Chapters that this ffmpeg does not write into such a file"),
    ("streams|files|packets|times", "", "cannot come along|: [a-z_0-9]+ becomes [a-z]", "told",
     "Streams, covers or attachments that such a file does not take, or takes in another codec"),
    ("track|sound", "", "sample rate becomes|layout is|carries|channels", "told", "Another layout or sample rate"),
    ("sound|times|decoding|reader|track", "",
     "defects|gaps of|on top of|damaged time stamps|cut off|earlier than the file", "told",
     "Damaged films: what was lost is told"),
    ("times", r"packet \d+ (pts \S+ dts \S+) \S+ -> \1 ", "", "reader",
     "Lengths of packets (of the last one, which the old file told wrong), or less than 0.1 ms"),
    ("chapters", r"^\(\((\S+), .*-> \(\(0\.0, ", "", "reader", "MP4's first chapter begins with the film"),
    ("picture", r"^stream \d+ \(\w+\): shape 1 -> None$", "", "reader",
     "A picture's shape of 1:1, which is as good as none"),
    ("reader", "", "", "reader", "The reader that compares, which is another than cfork's, cannot read the film"),
    ("decoding", "", "", "reader", "Packets that PyAV's decoder refuses and ffmpeg's takes"),
    ("sound", r"\+25\.06 ms \(likeness 1\.00\)", "", "reader",
     "MP3 without LAME's header: the new one has it, and the reader counts from it (from the start of each: 0 ms)"),
    ("sound", r"^channel 0 at 0\.1 s: -18\.00 ms \(likeness 0\.99\)$", "", "reader",
     "Vorbis in WebM, whose first packets have no length for the reader (as ffmpeg decodes: 0 ms)"),
    ("sound", r"likeness (0\.|-0)|: [+-]0\.\d\d ms|begins at|ends at|channels at", "new track is (?!flac|pcm)", "codec",
     "Another codec of speech or of few bits: too unlike to be found again, or with a start-up of its own"),
    ("sound", r": [+-]0\.\d\d ms \(likeness", "", "codec", "In time, but too unlike after another lossy pass"),
    ("sound", r"^begins at 0\.0000, not at 0\.1\d+ s$", "", "reader",
     "ADTS, which has no time stamps: the reader makes them up"),
    ("streams", "^data", "", "reader", "Streams of data without packets, or chapters that the muxer makes anew"),
    ("tags", "", "", "reader", "Tags that the comparing reader sees and this ffmpeg does not (such as ID3 in WAV)"),
)  # fmt: skip

MESSAGES: Sequence[tuple[int | None, str, str]] = (
    (2, "cannot write their sound|no kind of film", "A suffix that ffmpeg only reads"),
    (2, "can write no sound", "A container without an encoder that fits it"),
    (3, "is encrypted", "Encrypted"),
    (3, "is not a film or a sound", "No media, or too damaged for ffmpeg to see what it is"),
    (3, "neither picture nor sound", "Nothing in it"),
    (3, "playlist", "A playlist"),
    (3, "cannot be decoded by this ffmpeg|cannot decode", "Sound that this ffmpeg has no decoder for"),
    (4, "", "The picture or the sound does not go into such a file"),
    (5, "is damaged|cut off|earlier", "Shorter than it tells, or with much that cannot be decoded"),
    (5, "is empty", "A sound track without samples"),
    (5, "could not be decoded|could not be measured", "Sound that cannot be decoded to its end"),
    (6, "cannot be read back", "A picture that ffmpeg writes so that it cannot be read again (RealVideo 3)"),
)

KNOWN: Sequence[tuple[str, str, str, str]] = (
    # kind of film, what, why: patterns; in words
    (
        "^mpeg: ",
        "times|sound",
        "",
        "Program streams: the whole film moved, sound and picture together",
    ),
    ("^ogg: speex", "sound", "", "Speex: 5 to 16 ms late, the look-ahead of libspeex"),
    ("^dv: ", "times", r"packet 0 pts 0\.0000", "DV into Matroska: a second sound 20 ms late"),
    ("^asf: ", "times", r"pts 0\.0000 .*-> pts 0\.0010", "ASF: all time stamps 1 ms later"),
    (
        "cook|truespeech",
        "sound",
        "",
        "Cook and TrueSpeech: the new sound lies 18 and 65 ms beside the reader's (not looked into)",
    ),
    ("^asf: wmav", "sound", r": \+1\.0\d ms", "Windows Media Audio: 1.02 ms late"),
)
"""Faults of cfork that are known, and not mended yet."""

MARKS = {
    "told": "said to the user", "reader": "of the comparison", "codec": "of the codec", "known": "**of cfork**",
    "fault": "**unexplained**",
}  # fmt: skip


def judged(what: str, why: str, notes: Sequence[str], film: str = "") -> tuple[str, str]:
    """Return mark and explanation of a difference. film: its kind, "container: codecs"."""
    for kind, thing, pattern, words in KNOWN:
        if re.search(kind, film) and re.search(thing, what) and re.search(pattern, why):
            return "known", words
    said = " | ".join(notes)
    for kind, pattern, note, mark, words in DIFFERENCES:
        if re.search(kind, what) and re.search(pattern, why, re.IGNORECASE) and re.search(note, said):
            return mark, words
    return "fault", f"{what}: {why}"


def explained(code: int | None, message: str) -> str | None:
    """Return why a film was refused, in words; None if nothing explains it."""
    return next((words for one, how, words in MESSAGES if code == one and re.search(how, message)), None)


def listing(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each difference and each message."""
    for row in rows:
        if "left_out" in row:
            yield f"{row['name']} [{row.get('kind', '')}] -- {row['left_out']}"
        for run, one in row.get("runs", {}).items():
            if one["code"] != 0:
                how = explained(one["code"], one["message"]) or "UNEXPLAINED"
                yield f"{row['name']} [{row['kind']}] {run}: code {one['code']}: {one['message']} ({how})"
            for what, why in one.get("differences", {}).items():
                mark, words = judged(what, why, one["notes"], row["kind"])
                end = f"({mark}) {words}" if mark != "fault" else "UNEXPLAINED"
                yield f"{row['name']} [{row['kind']}] {run}: {what}: {why} | notes: {one['notes']} {end}"


def document(rows: Sequence[dict[str, Any]]) -> str:
    """Return the document."""
    tried = [row for row in rows if "left_out" not in row]
    return "\n".join([OPENING, *_counts(tried), *_differences(tried), *_refusals(tried), *_left_out(rows), ""])


def _counts(tried: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "## Counts\n"
    kinds = {row["kind"] for row in tried}
    yield f"{len(tried)} files of {len(kinds)} kinds of container and codecs.\n"
    yield "| remixed with | films | no difference | said, or of others | faults of cfork | unexplained | refused |"
    yield "|---|---|---|---|---|---|---|"
    for run in ("0 dB", "+3 dB"):
        ones = [(row["runs"][run], row["kind"]) for row in tried if run in row["runs"]]
        marks = [
            {judged(what, why, one["notes"], kind)[0] for what, why in one["differences"].items()}
            for one, kind in ones
            if one["code"] == 0
        ]
        worst = Counter(
            next((mark for mark in ("fault", "known") if mark in found), "other" if found else "none")
            for found in marks
        )
        yield (
            f"| {run} | {len(ones)} | {worst['none']} | {worst['other']} | {worst['known']} | {worst['fault']} "
            f"| {len(ones) - len(marks)} |"
        )
    folders = Counter(row["name"].split("/")[-2] for row in tried)
    yield "\nFrom " + ", ".join(f"{name} ({count})" for name, count in folders.most_common()) + ".\n"
    suffixes = Counter("." + row["name"].rsplit(".", 1)[-1].lower() for row in tried)
    yield "Suffixes: " + ", ".join(f"{name} ({count})" for name, count in suffixes.most_common()) + ".\n"


def _differences(tried: Sequence[dict[str, Any]]) -> Iterator[str]:
    found: dict[tuple[str, str], set[str]] = {}
    for row in tried:
        for one in row["runs"].values():
            for what, why in one.get("differences", {}).items():
                mark, words = judged(what, why, one["notes"], row["kind"])
                found.setdefault((mark, words if mark != "fault" else f"`{row['name']}`: {words}"), set()).add(
                    row["sha256"]
                )
    yield "## Differences\n"
    yield "| films | whose | what |\n|---|---|---|"
    for (mark, words), names in sorted(found.items(), key=lambda one: (one[0][0] == "fault", -len(one[1]))):
        yield f"| {len(names)} | {MARKS[mark]} | {words.replace('|', '/')} |"
    yield ""


def _refusals(tried: Sequence[dict[str, Any]]) -> Iterator[str]:
    found: Counter[tuple[int | None, str]] = Counter()
    left = 0
    for row in tried:
        one = row["runs"].get("0 dB", {"code": 0})
        if one["code"] != 0:
            words = explained(one["code"], one["message"]) or f"**unexplained**: `{row['name']}`: {one['message']}"
            found[one["code"], words] += 1
            left += one.get("left", 0)
    yield "## Refusals\n"
    yield "| films | exit code | why |\n|---|---|---|"
    for (code, words), count in found.most_common():
        yield f"| {count} | {code} | {words.replace('|', '/')} |"
    yield f"\nFiles left behind by a refusal: {left}.\n"


def _left_out(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    found = Counter(row["left_out"] for row in rows if "left_out" in row)
    yield "## Not counted\n"
    yield from (f"- {words}: {count}" for words, count in found.most_common())
