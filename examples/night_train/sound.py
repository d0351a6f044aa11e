"""The sound of the example film: three stems (dialogue, music, effects) and a German commentary.

Arrays are float64 `[2, N]` at 48 kHz, full scale 1.0; the film's first audio track is exactly the sum of the
stems, rounded to 16 bits. Noise is seeded: the same sources give the same samples.
"""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.night_train.script import (
    BRAKES_AT,
    CAFE,
    CAVE,
    COMMENTARY,
    CUPS_AT,
    DEPARTURE,
    DIALOGUE,
    MUSIC,
    OPENSFX,
    PACKAGE_FILES,
    SECONDS,
    SFX,
    SIPS_AT,
    SPEECH_FILES,
    STEAM_AT,
    TRAIN_IN,
    Line,
)

Sound = NDArray[np.float64]

RATE = 48_000
STEM_LUFS = {"dialogue": -25.5, "music": -23.0, "effects": -27.0}  # the music on purpose over the voices
MIX_LUFS = -24.0  # EBU R 128 asks for -23 +-1 for broadcast; films are quieter
PEAK_DBTP = -1.5


def read_checked(root: Path, name: str, sha256: str) -> bytes:
    """The bytes of `root/name`; SystemExit when it is missing or another version."""
    path = root / name
    if not path.is_file():
        raise SystemExit(f"{path} is missing: see 'Making the film again' in examples/README.md")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SystemExit(f"{path} is another version of the file: sha256 {sha256} was expected")
    return data


def decode(data: bytes) -> Sound:
    """Any sound of the packages -> `[2, N]` at 48 kHz (mono on both sides)."""
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-ac", "2", "-ar", str(RATE), "-f", "f32le", "-"]
    raw = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    return np.frombuffer(raw, "<f4").reshape(-1, 2).T.astype(np.float64)


def opensfx(catalogue: bytes, number: int) -> Sound:
    """Sound `number` of an OpenTTD catalogue: a table of (offset, length), then names and RIFF files."""
    offset, length = struct.unpack_from("<II", catalogue, 8 * number)
    offset &= 0x7FFF_FFFF  # the highest bit only says "new format"
    start = offset + 1 + catalogue[offset]
    return decode(catalogue[start : start + length])


def loudness(sound: Sound) -> tuple[float, float]:
    """(integrated LUFS, true peak in dBTP) of `[2, N]`, by ffmpeg's ebur128."""
    raw = np.ascontiguousarray(sound.T, dtype="<f4").tobytes()
    command = [
        "ffmpeg",
        "-v",
        "info",
        "-f",
        "f32le",
        "-ar",
        str(RATE),
        "-ac",
        "2",
        "-i",
        "pipe:0",
        "-af",
        "ebur128=peak=true:framelog=verbose",
        "-f",
        "null",
        "-",
    ]
    summary = subprocess.run(command, input=raw, capture_output=True, check=True).stderr.decode().split("Summary:")[1]
    found = [re.search(pattern, summary) for pattern in (r"I:\s+(\S+) LUFS", r"Peak:\s+(\S+) dBFS")]
    lufs, peak = (float(match[1]) if match else float("-inf") for match in found)
    return lufs, peak


def gain(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def band(sound: Sound, low_hz: float = 0.0, high_hz: float = 0.0) -> Sound:
    """Gentle (12 dB per octave) high pass at `low_hz` and low pass at `high_hz`, zero phase, in one FFT."""
    frequency = np.fft.rfftfreq(sound.shape[1], 1 / RATE)
    response = np.ones_like(frequency)
    if low_hz:
        response *= frequency**2 / (frequency**2 + low_hz**2)
    if high_hz:
        response *= high_hz**2 / (frequency**2 + high_hz**2)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound) * response, sound.shape[1]))


def fade(sound: Sound, fade_in: float = 0.01, fade_out: float = 0.01) -> Sound:
    out = sound.copy()
    first, last = int(fade_in * RATE), int(fade_out * RATE)
    out[:, :first] *= np.sin(np.linspace(0, np.pi / 2, first))
    out[:, out.shape[1] - last :] *= np.cos(np.linspace(0, np.pi / 2, last))
    return out


def cut(sound: Sound, begin: float, end: float) -> Sound:
    return sound[:, int(begin * RATE) : int(end * RATE)]


def loop(sound: Sound, seconds: float, cross: float = 0.5) -> Sound:
    """`sound` repeated with equal-power cross-fades of `cross` seconds until it lasts `seconds`."""
    piece, step = fade(sound, cross, cross), sound.shape[1] - int(cross * RATE)
    out = np.zeros((2, int(seconds * RATE) + 2 * sound.shape[1]))
    for start in range(0, int(seconds * RATE) + step, step):
        out[:, start : start + piece.shape[1]] += piece
    return cut(out, cross, seconds + cross)


def pan(sound: Sound, start: float, end: float | None = None) -> Sound:
    """Equal-power place of the mono sum, -1 left to +1 right, moving from `start` to `end` if given."""
    angle = (np.linspace(start, start if end is None else end, sound.shape[1]) + 1) * np.pi / 4
    return np.asarray(np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)]) * sound.mean(axis=0))


def put(track: Sound, sound: Sound, at: float, level_db: float = 0.0) -> None:
    """Add `sound` to `track` from second `at`, cut where the track ends. Changes `track`."""
    start = int(at * RATE)
    length = min(sound.shape[1], track.shape[1] - start)
    track[:, start : start + length] += gain(level_db) * sound[:, :length]


def envelope(points: list[tuple[float, float]]) -> Sound:
    """Gain curve over the film through (second, decibels) points."""
    times, levels = zip(*points, strict=True)
    return np.asarray(10 ** (np.interp(np.arange(int(SECONDS * RATE)) / RATE, times, levels) / 20))


def silence() -> Sound:
    return np.zeros((2, int(SECONDS * RATE)))


def room(sound: Sound, seed: int, seconds: float, wet_db: float) -> Sound:
    """`sound` with the decorrelated tail of a small room: noise that dies by 60 dB in `seconds`."""
    length = int(seconds * RATE)
    tail = np.random.default_rng(seed).standard_normal((2, length)) * 10 ** (-3 * np.arange(length) / length)
    tail = band(tail, 200, 5000)
    tail /= np.sqrt((tail**2).sum(axis=1, keepdims=True))
    size = sound.shape[1] + length
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[:, : sound.shape[1]]
    return sound + gain(wet_db) * wet


@cache
def recording(speech: Path, files: tuple[str, ...]) -> NDArray[np.float32]:
    """Mono Opus files of the speech folder, one after the other, `[N]` at 48 kHz.

    libopus decodes them: ffmpeg's own Opus decoder is off by a sample or two."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-c:a",
        "libopus",
        "-i",
        "pipe:0",
        "-ac",
        "1",
        "-ar",
        str(RATE),
        "-f",
        "f32le",
        "-",
    ]
    data = [read_checked(speech, name, SPEECH_FILES[name]) for name in files]
    raw = [subprocess.run(command, input=opus, capture_output=True, check=True).stdout for opus in data]
    return np.frombuffer(b"".join(raw), "<f4")


def speak(line: Line, speech: Path) -> Sound:
    """The line cut out of its recording, rumble removed, at one level for all (RMS without pauses)."""
    first, last = round(line.begin * RATE), round(line.end * RATE)
    sound = np.tile(recording(speech, line.files)[first:last].astype(np.float64), (2, 1))
    sound = band(fade(sound, 0.03, 0.06), 90)
    loud = np.abs(sound) > 0.05 * np.abs(sound).max()
    return np.asarray(sound * gain(-20) / np.sqrt((sound[loud] ** 2).mean()))


def dialogue(speech: Path) -> Sound:
    """He sits a little to the right, she a little to the left, in a small room."""
    track = silence()
    for line in DIALOGUE:
        put(track, pan(speak(line, speech), 0.14 if line.who == "man" else -0.14), line.at)
    return room(track, seed=1, seconds=0.35, wet_db=-17)


def music(packages: Path) -> Sound:
    """The start of the piece, bass 4 dB down, its sides 4 dB up so that it lies wide around the voices."""
    sound = cut(decode(read_checked(packages, MUSIC, PACKAGE_FILES[MUSIC])), 0, SECONDS)
    sound = sound - 0.4 * band(sound, 0, 160)  # its bass would only eat the level that the middle needs
    middle, side = sound.mean(axis=0), gain(4) * (sound[0] - sound[1]) / 2
    # The intro is 8 dB quieter than the rest of the piece: lifted so that the film does not start in silence.
    curve = envelope([(0, 5), (8.2, 5), (8.7, 0), (33.0, 0), (SECONDS - 0.4, -14), (SECONDS, -60)])
    return fade(np.stack([middle + side, middle - side]) * curve, 0.3, 0.3)


def chuffs(steam: Sound, begin: float, end: float, rates: tuple[float, float]) -> list[tuple[float, Sound]]:
    """(second, puff) of a steam engine whose pace goes from `rates[0]` to `rates[1]` puffs a second."""
    puff = fade(band(cut(steam, 0.05, 0.27), 60, 2600), 0.02, 0.16)
    out, at, count = [], begin, 0
    while at < end:
        out.append((at, puff * (1.5 if count % 4 == 0 else 1.0)))
        at += 1 / (rates[0] + (rates[1] - rates[0]) * (at - begin) / (end - begin))
        count += 1
    return out


def effects(packages: Path) -> Sound:
    """Rain and wind throughout (muffled indoors), the train's coming and going, the sounds of the bar."""
    files = {name: read_checked(packages, name, sha256) for name, sha256 in PACKAGE_FILES.items()}
    cave = {name.rsplit("/", 1)[1][:-4]: decode(data) for name, data in files.items() if name.startswith(CAVE)}
    sfx = {name: opensfx(files[SFX], number) for name, number in OPENSFX.items()}
    track = silence()

    sides = [loop(cave["tile-waterfall"][:, shift:], SECONDS) for shift in (0, 40_000)]
    rain = band(np.stack([sides[0][0], sides[1][1]]), 0, 6000)
    at_second = np.arange(rain.shape[1]) / RATE
    inside = np.interp(at_second, [CAFE - 0.15, CAFE + 0.15, DEPARTURE - 0.15, DEPARTURE + 0.15], [0, 1, 1, 0])
    outside = 1 - inside
    put(track, rain * outside + gain(6) * band(rain, 0, 1200) * inside, 0, 8)
    wind = loop(sfx["wind"], SECONDS, cross=1.0)
    put(track, np.stack([wind[0], np.roll(wind[1], 60_000)]) * outside, 0, -20)

    put(track, fade(pan(sfx["bell"], -0.7)), 0.5, -2)  # level crossing, left of the station
    put(track, fade(pan(sfx["bell"], -0.7), 0.01, 0.8), 3.3, -5)
    put(track, pan(sfx["whistle"], 0.9, 0.4), 2.2, -9)  # whistle, far right, then the engine comes in
    for at, puff in chuffs(sfx["steam"], *TRAIN_IN, (6.0, 1.8)):
        put(track, pan(puff, 1 - 1.5 * (at - 3.4) / 4.6), at, -9 + 2 * (at - 3.4))
    put(
        track,
        pan(loop(band(sfx["wheels"], 0, 1500), 4.6), 1, -0.4) * np.sin(np.linspace(0, np.pi, int(4.6 * RATE))),
        3.4,
        -12,
    )
    put(track, pan(fade(sfx["steam"], 0.02, 0.5), -0.4), BRAKES_AT, -5)  # the brakes let go

    steam = band(cave["tile-geyser-active"], 300)
    for at, seconds in STEAM_AT:  # the espresso machine, right
        put(track, fade(pan(cut(steam, at % 5, at % 5 + seconds), 0.65, 0.45), 0.15, 0.3), at, 4)
    for at in (14.2, 21.2):
        put(track, fade(pan(cut(cave["water-rising"], 1, 2.2), 0.6, 0.3), 0.3, 0.4), at, 8)
        put(track, pan(sfx["bubbles"], 0.5), at + 0.3, -7)
    for number, at in enumerate(CUPS_AT):
        cup = cave["crate-hit2" if number % 3 else "crate-hit1"]
        put(track, pan(band(cup, 350), -0.5 if number % 2 else 0.5), at, 4)
    put(track, pan(sfx["till"], 0.75), 28.1, -8)  # the till
    for side, at in zip((0.45, -0.45), SIPS_AT, strict=True):
        put(track, pan(sfx["slurp"], side), at, -4)
    put(track, pan(sfx["departure"], -0.3, -0.9), DEPARTURE + 0.2, -10)
    for at, puff in chuffs(sfx["steam"], DEPARTURE + 0.1, 35.4, (2.0, 6.5)):
        put(track, pan(puff, -0.3 - 0.7 * (at - DEPARTURE) / 4), at, -3 - 3 * (at - DEPARTURE))
    return fade(track, 0.3, 0.8)


def stems(packages: Path, speech: Path) -> dict[str, Sound]:
    """The three true stems at the film's level: their sum has `MIX_LUFS` and a true peak under `PEAK_DBTP`.

    One gain for all at the end, so the balance of `STEM_LUFS` stays."""
    made = {"dialogue": dialogue(speech), "music": music(packages), "effects": effects(packages)}
    for name, sound in made.items():
        made[name] = sound * gain(STEM_LUFS[name] - loudness(sound)[0])
    lufs, peak = loudness(np.sum(list(made.values()), axis=0))
    change = gain(min(MIX_LUFS - lufs, PEAK_DBTP - peak))
    return {name: sound * change for name, sound in made.items()}


def commentary(mix: Sound, speech: Path) -> Sound:
    """The German commentary `[2, N]` (both sides equal): the mix in mono, 13 dB down while she speaks."""
    voice, points = silence(), [(0.0, 0.0)]
    for line in COMMENTARY:
        put(voice, speak(line, speech), line.at)
        points += [(line.at - 0.4, 0), (line.at, -13), (line.until, -13), (line.until + 0.6, 0)]
    track = np.tile(mix.mean(axis=0), (2, 1)) * envelope(points) + gain(-1) * voice
    lufs, peak = loudness(track)
    return track * gain(min(MIX_LUFS - lufs, PEAK_DBTP - peak))
