"""The promises of the corpus: two portraits of a film, before and after, and what is to be said of the difference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from corpus.films import PROMISES, Case
from support.portraits import Film, Packet, Portrait, sound

LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta")
SYNC_SECONDS = 0.001


@dataclass(frozen=True)
class Verdict:
    """mark: "kept"; "said": it cannot be kept and the user was told; "none": nothing of the kind is in the film;
    "broken". why: for the last, what is wrong."""

    mark: str
    why: str = ""


def judge(case: Case, old: Film, new: Film, chosen: int, notes: Sequence[str]) -> dict[str, Verdict]:
    """Every promise. chosen: number of the remixed track among the sounds, from 0."""
    pairs = list(_pairs(old, new))
    copied = [(a, b) for a, b in pairs if a.kind != "audio" or a.index != old.of("audio")[chosen].index]
    kept = [(a, b) for a, b in copied if a.kind != "subtitle" or a.codec == b.codec]  # "streams" tells of the others
    same_kind = old.container == new.container
    track = next((a, b) for a, b in pairs if a.kind == "audio" and a.index == old.of("audio")[chosen].index)
    number = next(place for place, stream in enumerate(new.of("audio")) if stream.index == track[1].index)
    shift = _shift(kept, same_kind)
    faults = {
        "streams": _streams(old, new, pairs),
        "packets": [
            f"{_name(a)}: packets differ"
            for a, b in kept if [p.digest for p in a.packets] != [p.digest for p in b.packets]
        ],
        "times": [*_times(kept, shift, same_kind), *_times(_lines(copied, kept), shift, False)],
        "tags": list(_tags(old, new, pairs)),
        "flags": list(_flags(old, new, pairs)),
        "chapters": [] if _near(old.chapters, new.chapters) else [f"{old.chapters} -> {new.chapters}"],
        "picture": [
            f"{_name(a)}: {key} {value} -> {b.picture.get(key)}"
            for a, b in pairs if a.kind == "video"
            for key, value in a.picture.items() if b.picture.get(key) != value
        ],
        "files": _files(old, new, same_kind),
        "track": list(_track(*track)),
        "sound": list(_sound(old, new, chosen, number, shift, track)),
    }  # fmt: skip
    there = {
        "packets": bool(kept),
        "times": bool(kept),
        "chapters": bool(old.chapters),
        "picture": any(a.kind == "video" for a, _ in pairs),
        "files": any(a.kind == "attachment" or a.cover for a in old.streams),
        "tags": bool(old.tags or any(a.tags or a.language or a.title for a in old.streams)),
    }
    verdicts = {}
    for promise in PROMISES:
        found = faults[promise]
        if promise in case.said and found:
            told = any(re.search(case.said[promise], note) for note in notes)
            verdicts[promise] = Verdict("said") if told else Verdict("broken", f"not said; notes: {list(notes)}")
        elif found:
            verdicts[promise] = Verdict("broken", "; ".join(found))
        else:
            verdicts[promise] = Verdict("kept" if there.get(promise, True) else "none")
    return verdicts


def _name(stream: Portrait) -> str:
    return f"stream {stream.index} ({stream.codec})"


def _main(film: Film) -> list[Portrait]:
    """Streams whose place counts; muxers place covers and attachments, and make data streams, as they like."""
    return [stream for stream in film.streams if stream.kind not in ("data", "attachment") and not stream.cover]


def _pairs(old: Film, new: Film) -> Iterator[tuple[Portrait, Portrait]]:
    """The streams before and after that belong together: the next one of the kind."""
    rest = _main(new)
    for stream in _main(old):
        found = next((one for one in rest if one.kind == stream.kind), None)
        if found is not None:
            rest.remove(found)
            yield stream, found


def _streams(old: Film, new: Film, pairs: Sequence[tuple[Portrait, Portrait]]) -> list[str]:
    before, after = ([stream.kind for stream in _main(film)] for film in (old, new))
    faults = [] if before == after else [f"{before} -> {after}"]
    data = [[s.codec for s in film.of("data") if s.packets] for film in (old, new)]
    if data[0] != data[1]:
        faults.append(f"data {data[0]} -> {data[1]}")
    return faults + [f"{_name(a)} became {b.codec}" for a, b in pairs if a.codec != b.codec and a.kind != "audio"]


def _shift(kept: Sequence[tuple[Portrait, Portrait]], same_kind: bool) -> Fraction:
    """By how much the whole film moved; another kind of file may count from another zero."""
    if same_kind:
        return Fraction(0)
    for a, b in kept:
        if a.start is not None and b.start is not None:
            return b.start - a.start
    return Fraction(0)


def _times(kept: Sequence[tuple[Portrait, Portrait]], shift: Fraction, same_kind: bool) -> Iterator[str]:
    """Same kind of file: the very same time stamps. Another: the same within half a tick of a millisecond or two."""
    near = Fraction(0) if same_kind else Fraction(15, 10_000)
    for a, b in kept:
        for number, (p, q) in enumerate(zip(a.packets, b.packets, strict=False)):
            if not _same_time(p, q, shift, near, same_kind):
                yield f"{_name(a)}: packet {number} {_clock(p)} -> {_clock(q)}"
                break


def _lines(
    copied: Sequence[tuple[Portrait, Portrait]], kept: Sequence[tuple[Portrait, Portrait]]
) -> list[tuple[Portrait, Portrait]]:
    """Subtitles that were converted, without the empty packets by which MP4 marks the time between them."""
    return [
        (a, replace(b, packets=tuple(packet for packet in b.packets if packet.size > 2)))
        for one in copied if one not in kept
        for a, b in [(replace(one[0], packets=tuple(p for p in one[0].packets if p.size > 2)), one[1])]
    ]  # fmt: skip


def _same_time(p: Packet, q: Packet, shift: Fraction, near: Fraction, same_kind: bool) -> bool:
    """Durations may differ by Matroska's millisecond, to which it rounds them."""
    if (p.pts is None) != (q.pts is None):
        return False
    if p.pts is not None and q.pts is not None and abs(q.pts - p.pts - shift) > near:
        return False
    return not same_kind or (p.dts == q.dts and abs(p.duration - q.duration) <= Fraction(1, 1000))


def _clock(packet: Packet) -> str:
    pts, dts = ("-" if t is None else f"{float(t):.4f}" for t in (packet.pts, packet.dts))
    return f"pts {pts} dts {dts} +{float(packet.duration):.4f}"


def _tags(old: Film, new: Film, pairs: Sequence[tuple[Portrait, Portrait]]) -> Iterator[str]:
    for key, value in old.tags.items():
        if new.tags.get(key) != value:
            yield f"{key} '{value}' -> '{new.tags.get(key)}'"
    for a, b in pairs:
        for key in {*a.tags, "language", "title"}:
            before, after = ({**s.tags, "language": s.language, "title": s.title}.get(key) for s in (a, b))
            if before != after:
                yield f"{_name(a)}: {key} '{before}' -> '{after}'"


def _flags(old: Film, new: Film, pairs: Sequence[tuple[Portrait, Portrait]]) -> Iterator[str]:
    """In QuickTime's files one stream of each kind is the default, said or not."""
    for a, b in pairs:
        before, after = a.flags, b.flags
        if "mov" in new.container and not any("default" in stream.flags for stream in old.of(a.kind)):
            before, after = before - {"default"}, after - {"default"}
        if before != after:
            yield f"{_name(a)}: {sorted(before)} -> {sorted(after)}"


def _near(a: Sequence[tuple[float, float, str | None]], b: Sequence[tuple[float, float, str | None]]) -> bool:
    return [one[2] for one in a] == [one[2] for one in b] and all(
        abs(x - y) < 0.002 for one, other in zip(a, b, strict=True) for x, y in zip(one[:2], other[:2], strict=True)
    )


def _files(old: Film, new: Film, same_kind: bool) -> list[str]:
    """Another kind of file has no names for them."""
    faults = []
    for kind in ("attachments", "covers"):
        before, after = (
            [
                (s.codec, s.content, dict(s.tags) if same_kind else {}, [p.digest for p in s.packets])
                for s in film.streams
                if (s.cover if kind == "covers" else s.kind == "attachment")
            ]
            for film in (old, new)
        )
        if before != after:
            faults.append(f"{kind} {before} -> {after}")
    return faults


def _track(a: Portrait, b: Portrait) -> Iterator[str]:
    if a.rate != b.rate:
        yield f"rate {a.rate} -> {b.rate}"
    if a.layout != b.layout and not (a.layout or "").endswith("channels"):
        yield f"layout {a.layout} -> {b.layout}"


def _sound(
    old: Film, new: Film, chosen: int, number: int, shift: Fraction, track: tuple[Portrait, Portrait]
) -> Iterator[str]:
    (x, at, rate), (y, new_at, new_rate) = sound(old.path, chosen), sound(new.path, number)
    if (rate, len(x)) != (new_rate, len(y)):
        yield f"{len(x)} channels at {rate} Hz -> {len(y)} at {new_rate}"
        return
    late = round((new_at - at - float(shift)) * rate)
    lossless = all(stream.codec.startswith(LOSSLESS) for stream in track)
    frame = 0 if lossless else 0.1 * rate
    # the same codec begins where it did: its packets, or what is heard of them (files differ in what they tell)
    a, b = track
    delayed = a.codec == b.codec and a.start is not None and a.start > _start(old) + Fraction(1, 10)
    packets = abs(float(b.start - a.start - shift)) if delayed else 0.0
    if abs(late) > frame + 0.0006 * rate or min(packets, abs(late) / rate) > 0.0015:
        yield f"begins at {new_at:.4f}, not at {at + float(shift):.4f} s"
    if abs(late + y.shape[1] - x.shape[1]) > frame + 0.0006 * rate:
        yield f"ends at {new_at + y.shape[1] / rate:.4f}, not at {at + float(shift) + x.shape[1] / rate:.4f} s"
    if lossless:
        # milliseconds are all that Matroska knows of where it begins
        yield from [] if np.array_equal(x, y) else [_difference(x, y)]
        return
    yield from _out_of_step(x, y, late, rate)


def _start(film: Film) -> Fraction:
    return min(stream.start for stream in film.streams if stream.start is not None)


def _difference(x: np.ndarray, y: np.ndarray) -> str:
    if x.shape != y.shape:
        return f"{x.shape[1]} samples -> {y.shape[1]}"
    return f"{np.count_nonzero(x != y)} samples of {x.size} differ, by up to {np.abs(x - y).max():.2e}"


def _out_of_step(x: np.ndarray, y: np.ndarray, late: int, rate: int) -> Iterator[str]:
    """Compare each channel in pieces of 0.4 s: where is the old sound found in the new one?"""
    size, reach = round(0.4 * rate), round(0.08 * rate)
    for channel in range(len(x)):
        for start in range(reach, x.shape[1] - size, size):
            piece = x[channel, start : start + size]
            first = start - late - reach
            window = y[channel, max(first, 0) : first + size + 2 * reach]
            if not np.any(piece) or len(window) < size:
                continue
            match = _likeness(window, piece)
            best = int(match.argmax())
            zero = start - late - max(first, 0)
            in_step = round(SYNC_SECONDS * rate)
            # a steady tone is as much like itself a few periods later
            near = float(match[max(0, zero - in_step) : zero + in_step + 1].max(initial=-1.0))
            if near < max(0.5, match[best] - 0.02):
                lag = 1000 * (best - zero) / rate
                yield f"channel {channel} at {start / rate:.1f} s: {lag:+.2f} ms (likeness {match[best]:.2f})"
                return


def _likeness(window: np.ndarray, piece: np.ndarray) -> np.ndarray:
    """How much each place of the window is like the piece, -1 to 1."""
    size = 1 << (len(window) + len(piece) - 1).bit_length()
    match = np.fft.irfft(np.fft.rfft(window, size) * np.conj(np.fft.rfft(piece, size)), size)
    match = match[: len(window) - len(piece) + 1]
    energy = np.concatenate(([0.0], np.cumsum(window**2)))
    energy = np.maximum(energy[len(piece) :] - energy[: -len(piece)], 1e-12 * energy[-1])
    return match / (np.sqrt(energy) * np.linalg.norm(piece) + 1e-30)
