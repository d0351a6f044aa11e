"""The corpus: a table of films, each made on the spot by ffmpeg, that together hold what real films hold.

A `Case` says what is in the film and what is done to it; `test_corpus` probes before and after, and `table`
writes the outcome down. Sound is noise, a different one in every channel: whatever is late, swapped or missing shows.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

from support.films import CHAPTERS, SRT, ffmpeg_of, ffmpeg_program
from support.store import program_key, remembered

Kind = Literal["video", "audio", "subtitle", "data", "font", "cover"]
Maker = Literal["system", "wheels"]

PROMISES = ("streams", "packets", "times", "tags", "flags", "chapters", "picture", "files", "track", "sound")
"""What is looked at, in the order of the table's columns.

streams: kinds, codecs and order. packets: every copied packet, byte for byte. times: pts, dts and duration of each.
tags: language, title and others, of streams and film. flags: dispositions. chapters: times and titles. picture: size,
shape, rotation, colours, HDR data. files: attachments and covers. track: layout, rate, start and duration of the new
track. sound: bit for bit with a lossless codec, else within 1 ms of where it was.
"""


@dataclass(frozen=True)
class Part:
    """One stream. source: a graph for lavfi, or the name of a prepared file; copied if there is no codec."""

    kind: Kind
    source: str
    codec: str = "copy"
    options: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    title: str = ""
    flags: str = "0"
    delay: float = 0.0
    filters: str = ""


@dataclass(frozen=True)
class Case:
    """A film, and what cfork is asked to do with it.

    Attributes:
        name: of the film's file. about: what is special, for the table.
        parts: its streams, in order. options: for the whole film. tags: of the whole film.
        then: more passes of ffmpeg over it, options between input and output; a pass that begins with "-i" options
            has them before a lone "--".
        turned: by how many degrees players turn the picture, against the clock; one more pass of ffmpeg.
        track: which track is remixed, from 1; 0 leaves the choice to cfork.
        ask: more arguments for `cfork remix`. output: the new film's name, if not the same kind of file.
        said: promise -> what cfork says about it, a pattern: this kind of file cannot hold it.
        gap: seconds in which the packets' times are not compared; "" compares all.
        makers: which ffmpegs make it. runners: with which ffmpegs cfork runs.
    """

    name: str
    about: str
    parts: tuple[Part, ...]
    options: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    chapters: bool = False
    seconds: float = 1.5
    then: tuple[tuple[str, ...], ...] = ()
    turned: int = 0
    track: int = 0
    ask: tuple[str, ...] = ()
    output: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    makers: tuple[Maker, ...] = ("system",)
    runners: tuple[Maker, ...] = ("system",)

    @property
    def id(self) -> str:
        """A short name for tests and the table."""
        return self.name if not self.output else f"{self.name} > {self.output}"


# ---- parts ----

HLG = "setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc"
H264 = {"preset": "ultrafast", "bf": "2", "g": "12", "x264-params": "b-adapt=0:scenecut=0"}
HDR10 = (
    "log-level=error:bframes=2:repeat-headers=1:hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
)
BOTH: tuple[Maker, ...] = ("system", "wheels")


def video(codec: str = "mpeg4", rate: str = "25", size: str = "64x48", **changes: object) -> Part:
    """A test picture."""
    options = dict(H264) if codec == "libx264" else {}
    if codec == "libx265":
        options = {"preset": "ultrafast", "x265-params": HDR10, "pix_fmt": "yuv420p10le"}
    options = {"pix_fmt": "yuv420p", **options, **changes.pop("options", {})}  # type: ignore[dict-item]
    return Part("video", f"testsrc=size={size}:rate={rate}", codec, options, **changes)  # type: ignore[arg-type]


CHANNELS = {
    "mono": 1, "stereo": 2, "2.1": 3, "3.0": 3, "4.0": 4, "quad": 4, "5.0": 5, "5.1": 6, "5.1(side)": 6, "6.1": 7,
    "7.1": 8,
}  # fmt: skip


def sound(codec: str, layout: str = "stereo", rate: int = 48_000, *, seed: int = 0, **changes: object) -> Part:
    """Noise, another one in each channel, in bursts: loud at the start of every half second."""
    envelope = "0.3*(0.1+lt(mod(t,0.5),0.1))"
    one = [f"{envelope}*(2*random({10 * seed + channel})-1)" for channel in range(CHANNELS[layout])]
    graph = f"aevalsrc={'|'.join(one)}:c={layout}:s={rate}".replace(",", "\\,")
    return Part("audio", graph, codec, **changes)  # type: ignore[arg-type]


def text(codec: str = "srt", **changes: object) -> Part:
    """Subtitles."""
    return Part("subtitle", "lines.srt", codec, **changes)  # type: ignore[arg-type]


def bitmaps(codec: str = "copy", **changes: object) -> Part:
    """Subtitles that are pictures (Blu-ray's), or made from them."""
    return Part("subtitle", **{"source": "lines.sup", "codec": codec, **changes})  # type: ignore[arg-type]


FONT = Part("font", "letters.ttf")
COVER = Part("cover", "cover.png")
TITLED = {"title": "The Film", "comment": "made for a test", "date": "2021", "artist": "Nobody"}
ENGLISH = {"language": "eng", "title": "Main"}
GERMAN = {"language": "deu", "title": "Deutsch, 5.1"}
LATE = ("-bsf:v", "setts=ts=TS+0.7/TB", "-bsf:a", "setts=ts=TS+0.7/TB", "-bsf:s", "setts=ts=TS+0.7/TB")
FLAC24 = {"sample_fmt": "s32", "bits_per_raw_sample": "24"}

# ---- the films ----

CASES: tuple[Case, ...] = (
    Case(
        "everything.mkv", "pictures, sounds, subtitles in mixed order, fonts, cover, chapters, tags",
        (
            sound("ac3", "5.1(side)", seed=1, **GERMAN), video("libx264", "24000/1001", language="eng", title="Film"),
            text(language="fra", title="Forcés", flags="forced"), sound("aac", flags="default+original", **ENGLISH),
            bitmaps(language="deu", flags="hearing_impaired"), video("mpeg4", title="Other angle"),
            text("ass", language="eng", flags="default"), sound("flac", "mono", seed=2, title="Talk", flags="comment"),
            FONT, COVER,
        ),
        tags=TITLED, chapters=True, track=2, makers=BOTH, runners=BOTH,
    ),
    Case(
        "surround.mkv", "the 5.1(side) track among others, 23.976 pictures a second, B-frames",
        (video("libx264", "24000/1001"), sound("aac", **ENGLISH), sound("ac3", "5.1(side)", seed=1, **GERMAN)), track=2,
    ),
    Case(
        "hdr.mkv", "HDR10: bt2020, PQ, mastering display, light levels; 24-bit FLAC 7.1",
        (video("libx265"), sound("flac", "7.1", options=FLAC24)), makers=BOTH, runners=BOTH,
    ),
    Case(
        "hdr.mp4", "HDR10 in MP4", (video("libx265", options={"tag": "hvc1"}), sound("aac")), makers=("wheels",),
    ),
    Case("turned.mkv", "Matroska's own colours and rotation, made by a newer ffmpeg",
         (video("libx264", filters=HLG), sound("flac", options={"sample_fmt": "s16"})),
         turned=90, makers=("wheels",), runners=BOTH,
         said={"picture": "turned by 90 degrees"}),
    Case(
        "vfr.mkv", "variable frame rate; 16-bit PCM at 44.1 kHz",
        (video(filters="setpts=(N*N/40+N)/25/TB", options={"fps_mode": "vfr"}), sound("pcm_s16le", rate=44_100)),
    ),
    Case("vfr.mp4", "variable frame rate in MP4",
         (video("libx264", filters="setpts=(N*N/40+N)/25/TB"), sound("aac")), options=("-fps_mode", "vfr")),
    Case("late_sound.mkv", "the sound begins 0.5 s later", (video(), sound("flac", delay=0.5)), runners=BOTH),
    Case("late_aac.mkv", "the AAC sound begins 0.5 s later",
         (video(), sound("aac", delay=0.5), sound("aac", seed=1)), track=1, runners=BOTH),
    Case("late_picture.mkv", "the picture begins 0.4 s later", (video(delay=0.4), sound("flac")), runners=BOTH),
    Case("late_film.mkv", "nothing before 0.7 s", (video(), sound("flac"), text()), then=(LATE,), runners=BOTH),
    Case("gap.mkv", "half a second of sound is missing in the middle",
         (video(), sound("flac")), then=(("-bsf:a", "setts=ts=TS+gte(TS*TB\\,0.7)*0.5/TB"),), runners=BOTH),
    Case("gap_aac.mkv", "the same with AAC",
         (video(), sound("aac")), then=(("-bsf:a", "setts=ts=TS+gte(TS*TB\\,0.7)*0.5/TB"),)),
    Case("late_opus.mkv", "the Opus sound begins 0.5 s later", (video(), sound("libopus", delay=0.5)), runners=BOTH),
    Case("opus.mkv", "Opus, with its start-up delay", (video(), sound("libopus")), makers=BOTH, runners=BOTH),
    Case("aac.mkv", "AAC, made with Matroska's codec delay", (video(), sound("aac")), makers=BOTH, runners=BOTH),
    Case("mp3.mkv", "MP3", (video(), sound("libmp3lame")), makers=BOTH, runners=BOTH),
    Case("vorbis.mkv", "Vorbis 5.1", (video(), sound("libvorbis", "5.1"))),
    Case("eac3.mkv", "E-AC-3 5.1", (video(), sound("eac3", "5.1(side)"))),
    Case("quad.mkv", "four channels, 24 bits, 96 kHz", (video(), sound("flac", "quad", 96_000, options=FLAC24))),
    Case("six_one.mkv", "6.1, floats", (video(), sound("pcm_f32le", "6.1"))),
    Case("three.mkv", "3.0, 16 bits, 22.05 kHz", (video(), sound("flac", "3.0", 22_050))),
    Case("eight_khz.mka", "mono at 8 kHz, no picture", (sound("pcm_s16le", "mono", 8_000, title="Old"),), tags=TITLED),
    Case("deep.mka", "32-bit integers at 192 kHz", (sound("pcm_s32le", rate=192_000),)),
    Case("opus_beside.mkv", "an Opus track that is copied beside the chosen one",
         (video(), sound("libopus"), sound("flac", seed=1)), track=2, makers=BOTH, runners=BOTH),
    Case("flac32.mkv", "32-bit FLAC, by a newer ffmpeg", (video(), sound("flac", options={"sample_fmt": "s32"})),
         makers=("wheels",), runners=("wheels",)),
    Case("alac.mkv", "ALAC", (video(), sound("alac"))),
    Case(
        "everything.mp4", "two pictures, sounds, subtitles, chapters, cover, tags; 29.97 pictures a second",
        (
            video("libx264", "30000/1001", flags="default"), sound("aac", "5.1", seed=1, flags="0", **GERMAN),
            sound("aac", flags="default", **ENGLISH), text("mov_text", language="fra", flags="forced"), COVER,
        ),
        tags=TITLED, chapters=True, makers=BOTH, runners=BOTH,
    ),
    Case("late_sound.mp4", "the sound begins 0.5 s later", (video("libx264"), sound("aac", delay=0.5)), runners=BOTH),
    Case("late_picture.mp4", "the picture begins 0.4 s later", (video("libx264", delay=0.4), sound("aac"))),
    Case("edit_list.mp4", "cut in the middle of a group of pictures, by an edit list",
         (video("libx264"), sound("aac"), sound("ac3", seed=1)), seconds=2, then=(("-ss", "0.7", "--"),),
         runners=BOTH),
    Case("fragments.mp4", "fragmented, as streams are", (video("libx264"), sound("aac")),
         options=("-movflags", "frag_keyframe+empty_moov")),
    Case("rotated.mp4", "rotated by 90 degrees", (video("libx264"), sound("aac")), turned=90),
    Case("phone.mov", "QuickTime: rotated, time code, 24-bit PCM", (video("libx264"), sound("pcm_s24le")),
         options=("-timecode", "01:00:00:00"), turned=-90),
    Case("alac.m4a", "ALAC 24 bits with cover, chapters and tags",
         (sound("alac", options={"sample_fmt": "s32p", "bits_per_raw_sample": "24"}), COVER), tags=TITLED,
         chapters=True),
    Case("aac.m4v", "MP4 under another suffix, mono at 32 kHz", (video("libx264"), sound("aac", "mono", 32_000))),
    Case("film.webm", "VP9, Opus and WebVTT", (video("libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
         sound("libopus", **ENGLISH), text("webvtt", language="fra")), tags=TITLED, chapters=True, runners=BOTH),
    Case("vorbis.webm", "VP8 and Vorbis 5.1", (video("libvpx"), sound("libvorbis", "5.1"))),
    Case("film.ts", "a broadcast: two sounds, bitmap subtitles, time starts at 20 s",
         (video("mpeg2video"), sound("mp2", language="eng"), sound("ac3", "5.1(side)", seed=1, language="deu"),
          bitmaps("dvbsub", source="line.sup", language="fra")),
         options=("-output_ts_offset", "20"), track=2, runners=BOTH),
    Case("bluray.m2ts", "PCM as on Blu-ray, 24 bits",
         (video("libx264"), sound("pcm_bluray", options={"sample_fmt": "s32"})),
         options=("-mpegts_m2ts_mode", "1")),
    Case("bframes.avi", "pictures without times of their own, to Matroska",
         (video("mpeg4", options={"bf": "2"}), sound("libmp3lame")), output="new.mkv"),
    Case("data.ts", "a stream of data", (video("mpeg2video"), sound("mp2"), Part("data", "notes.klv"))),
    Case("late_sound.ts", "the sound begins 0.5 s later", (video("mpeg2video"), sound("mp2", delay=0.5)), runners=BOTH),
    Case("aac.m2ts", "H.264 with B-frames and AAC, Blu-ray's packets", (video("libx264"), sound("aac"))),
    Case("film.avi", "two MP3 sounds", (video(), sound("libmp3lame"), sound("libmp3lame", seed=1)), runners=BOTH),
    Case("pcm.avi", "PCM at 11.025 kHz", (video(), sound("pcm_s16le", rate=11_025))),
    Case("film.mxf", "MPEG-2 with two mono sounds",
         (video("mpeg2video"), sound("pcm_s16le", "mono"), sound("pcm_s16le", "mono", seed=1)), track=2),
    Case("film.mpg", "a program stream, as on DVD",
         (video("mpeg2video"), sound("mp2"), sound("ac3", "5.1(side)", seed=1))),
    Case("film.flv", "Flash video", (video("flv"), sound("libmp3lame", rate=44_100))),
    Case("film.wmv", "Windows Media", (video("wmv2"), sound("wmav2", **ENGLISH)), tags={"title": "The Film"}),
    Case("film.ogv", "Theora and Vorbis", (video("libtheora"), sound("libvorbis"))),
    Case("flac.ogg", "FLAC in Ogg with tags", (sound("flac"),), tags=TITLED),
    Case("pcm16.wav", "16 bits with tags", (sound("pcm_s16le"),), tags={"title": "A", "artist": "B"}),
    Case("pcm24.wav", "24 bits, 5.1", (sound("pcm_s24le", "5.1"),)),
    Case("pcm32.wav", "32-bit integers", (sound("pcm_s32le"),)),
    Case("float.wav", "floats at 96 kHz", (sound("pcm_f32le", rate=96_000),)),
    Case("rf64.wav", "RF64", (sound("pcm_s16le"),), options=("-rf64", "always")),
    Case("sound.w64", "Sony Wave64", (sound("pcm_s24le"),)),
    Case("sound.aiff", "AIFF with tags", (sound("pcm_s16be"),), tags={"title": "A"}),
    Case("sound.flac", "24 bits with cover and tags", (sound("flac", options=FLAC24), COVER), tags=TITLED,
         runners=BOTH),
    Case("sound.mp3", "MP3 with cover and tags", (sound("libmp3lame"), COVER), tags=TITLED, runners=BOTH),
    Case("sound.opus", "Opus 5.1 with tags", (sound("libopus", "5.1"),), tags=TITLED),
    Case("sound.ac3", "bare AC-3", (sound("ac3", "5.1(side)"),)),
    Case("sound.aac", "bare AAC", (sound("aac"),)),
    Case("surround.mkv", "to MP4", (video("libx264"), sound("aac"), sound("ac3", "5.1(side)", seed=1)),
         output="new.mp4"),
    Case("late_sound.mkv", "to MP4, another codec", (video("libx264"), sound("flac", delay=0.5)), output="new.mp4"),
    Case("edit_list.mp4", "to Matroska, another codec", (video("libx264"), sound("aac")), seconds=2,
         then=(("-ss", "0.7", "--"),), output="new.mkv", ask=("--codec", "flac"), runners=BOTH),
    Case("film.ts", "to Matroska", (video("mpeg2video"), sound("mp2", delay=0.3), sound("ac3", seed=1)),
         output="new.mkv", options=("-output_ts_offset", "20")),
    Case("gap.mkv", "another codec", (video(), sound("flac")),
         then=(("-bsf:a", "setts=ts=TS+gte(TS*TB\\,0.7)*0.5/TB"),), output="opus.mkv", ask=("--codec", "opus")),
    Case("pcm.mkv", "to AAC in MP4", (video("libx264", "24000/1001"), sound("pcm_s16le")), output="new.mp4",
         ask=("--codec", "aac")),
    Case("pcm.mkv", "to AAC in Matroska", (video("libx264", "24000/1001"), sound("pcm_s16le")),
         output="aac.mkv", ask=("--codec", "aac"), runners=BOTH),
    Case("film.avi", "to Matroska", (video(), sound("libmp3lame")), output="new.mkv"),
    Case("film.mkv", "to MPEG-TS", (video("mpeg2video"), sound("ac3", "5.1(side)"), sound("mp2", seed=1)),
         output="new.ts"),
    Case("everything.mkv", "to MP4: subtitles converted, fonts and bitmaps stay behind",
         (video("libx264"), sound("aac", **ENGLISH), text(language="fra"), bitmaps(language="deu"), FONT, COVER),
         tags=TITLED, chapters=True, output="new.mp4",
         said={"streams": "subrip becomes mov_text", "files": "ttf.*cannot come along"}),
    Case("everything.mp4", "to Matroska",
         (video("libx264", "30000/1001"), sound("aac", **ENGLISH), text("mov_text", language="fra"), COVER),
         tags=TITLED, chapters=True, output="new.mkv", said={"streams": "mov_text becomes subrip"}),
    Case("rotated.mp4", "to Matroska", (video("libx264"), sound("aac")), turned=90, output="new.mkv", runners=BOTH,
         said={"picture": "turned by 90 degrees"}),
    Case("hdr.mp4", "to Matroska", (video("libx265", options={"tag": "hvc1"}), sound("aac")), makers=("wheels",),
         output="new.mkv"),
    Case("film.wav", "to FLAC", (sound("pcm_s24le", "5.1"),), tags={"title": "A"}, output="new.flac"),
)  # fmt: skip


# ---- making them ----


def make(case: Case, folder: Path, maker: Maker) -> Path:
    """Make the film, with one of the ffmpegs."""
    folder.mkdir(parents=True, exist_ok=True)
    # what is done to the film afterwards, and what is said of it, is nothing to its making
    key = replace(case, about="", track=0, ask=(), output="", said={}, makers=(), runners=())

    def fresh(target: Path) -> None:
        with tempfile.TemporaryDirectory() as parts:
            shutil.move(_make(case, Path(parts), maker), target)

    return remembered(folder / case.name, (key, program_key(ffmpeg_program(maker))), fresh)


def _make(case: Case, folder: Path, maker: Maker) -> Path:
    prepare(folder)
    path = folder / case.name
    inputs: list[str] = []
    maps: list[str] = []
    outs: list[str] = []
    attached: list[str] = []
    place = 0
    matroska = path.suffix in (".mkv", ".mka", ".webm")
    for part in case.parts:
        file = folder / part.source
        if part.kind == "font" or (part.kind == "cover" and matroska):
            mime = "image/png" if part.kind == "cover" else "application/x-truetype-font"
            attached += ["-attach", str(file), f"-metadata:s:t:{attached.count('-attach')}", f"mimetype={mime}"]
            continue
        lavfi = part.kind in ("video", "audio")
        length = f"{case.seconds - part.delay}"
        form = ["-f", "data"] if part.kind == "data" else []
        inputs += ["-f", "lavfi", "-t", length, "-i", part.source] if lavfi else [*form, "-i", str(file)]
        maps += ["-map", str(place)]
        outs += [f"-c:{place}", part.codec]
        filters = [part.filters] if part.filters else []
        if part.delay:
            filters.append(f"{'a' if part.kind == 'audio' else ''}setpts=PTS+{part.delay}/TB")
        if filters:
            outs += [f"-filter:{place}", ",".join(filters)]
        for name, value in part.options.items():
            outs += [f"-{name}:{place}", value]
        for name in ("language", "title"):
            if value := getattr(part, name):
                outs += [f"-metadata:s:{place}", f"{name}={value}"]
        outs += [f"-disposition:{place}", "attached_pic" if part.kind == "cover" else part.flags]
        place += 1
    if case.chapters:
        inputs += ["-f", "ffmetadata", "-i", str(folder / "chapters.txt")]
        maps += ["-map_chapters", str(place)]
    for name, value in case.tags.items():
        outs += ["-metadata", f"{name}={value}"]
    ffmpeg_of(maker, *inputs, *maps, *outs, "-strict", "-2", *attached, *case.options, path)
    turns = (_turn(maker, case.turned),) if case.turned else ()
    for number, options in enumerate((*case.then, *turns)):
        earlier = path.rename(folder / f"pass{number}{path.suffix}")
        before, after = options[: options.index("--")] if "--" in options else (), options
        if before:
            after = options[len(before) + 1 :]
        ffmpeg_of(maker, *before, "-i", earlier, "-map", "0", "-c", "copy", *after, path)
        os.unlink(earlier)
    return path


def _turn(maker: Maker, degrees: int) -> tuple[str, ...]:
    """Return the pass that turns the picture: up to version 5 by a tag, which 7 no longer obeys; by an option since."""
    if b"display_rotation" in ffmpeg_of(maker, "-h", "long"):
        return ("-display_rotation:v:0", str(degrees), "--")
    return ("-metadata:s:v:0", f"rotate={degrees % 360}")


def prepare(folder: Path) -> None:
    """The files that films are made from."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lines.srt").write_text(SRT)
    (folder / "lines.sup").write_bytes(blu_ray_subtitles((0.2, 0.9)))
    (folder / "line.sup").write_bytes(blu_ray_subtitles((0.2,)))
    (folder / "chapters.txt").write_text(CHAPTERS)
    (folder / "notes.klv").write_bytes(bytes(range(200)))
    (folder / "letters.ttf").write_bytes(b"\x00\x01\x00\x00" + bytes(range(256)))
    (folder / "cover.png").write_bytes(_cover())


@cache
def _cover() -> bytes:
    picture = ("-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1")
    return ffmpeg_of("system", *picture, "-c:v", "png", "-f", "image2pipe", "pipe:1")


def blu_ray_subtitles(times: Sequence[float]) -> bytes:
    """Presentation graphics: a white bar of 16x4 points, shown for 0.3 s at each of the times."""

    def segment(kind: int, seconds: float, payload: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", round(seconds * 90_000), 0, kind, len(payload)) + payload

    def composition(number: int, seconds: float, shown: bool) -> bytes:
        head = struct.pack(">HHBHBBBB", 64, 48, 0x10, number, 0x80 if shown else 0, 0, 0, int(shown))
        return segment(0x16, seconds, head + (struct.pack(">HBBHH", 0, 0, 0, 24, 40) if shown else b""))

    window = struct.pack(">BBHHHH", 1, 0, 24, 40, 16, 4)
    palette = bytes([0, 0, 1, 235, 128, 128, 255])
    row = bytes([0, 0x80 | 16, 1, 0, 0])  # 16 points of colour 1, end of the line
    data = struct.pack(">HH", 16, 4) + row * 4
    drawing = struct.pack(">HBB", 0, 0, 0xC0) + len(data).to_bytes(3, "big") + data
    out = b""
    for number, start in enumerate(times):
        out += composition(2 * number, start, True) + segment(0x17, start, window) + segment(0x14, start, palette)
        out += segment(0x15, start, drawing) + segment(0x80, start, b"")
        end = start + 0.3
        out += composition(2 * number + 1, end, False) + segment(0x17, end, window) + segment(0x80, end, b"")
    return out


def variants() -> tuple[tuple[Case, Maker, Maker], ...]:
    """(case, who makes the film, who runs cfork) of all that is to be done."""
    return tuple(
        (case, maker, runner)
        for case in CASES
        for maker in case.makers
        for runner in case.runners
        if maker == runner or len(case.makers) == 1 or len(case.runners) == 1
    )


__all__ = ["CASES", "PROMISES", "Case", "Maker", "Part", "make", "replace", "variants"]
