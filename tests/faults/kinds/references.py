"""Inputs that name other files and addresses: none of them may be opened, whatever they are called."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence

from faults.bench import Bench
from faults.trial import DOCUMENTED, STOPPED, Trial

Maker = Callable[[Sequence[str]], str]

SUFFIXES = (".mkv", ".mp4", ".wav", ".m3u8", ".mpd", ".ts", ".txt", ".sdp", ".ffconcat", ".mp3", "")
BEFORE = (
    b"", b"", b"", b"\xef\xbb\xbf", b"\n", b" ", b"\0", b"#\n", b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10),
    b"ID3\x03\x00\x00\x00\x00\x02\x00" + bytes(256), b"\r\n", b"G" * 188, b"RIFF\xff\xff\xff\xffWAVE",
)  # fmt: skip


def _hls(names: Sequence[str]) -> str:
    lines = "".join(f"#EXTINF:1.0,\n{name}\n" for name in names)
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n{lines}#EXT-X-ENDLIST\n"


def _hls_key(names: Sequence[str]) -> str:
    return _hls(names).replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{names[0]}"\n#EXTINF', 1)


def _hls_master(names: Sequence[str]) -> str:
    return "#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=64000\n{name}\n" for name in names)


def _hls_map(names: Sequence[str]) -> str:
    return _hls(names).replace("#EXTINF", f'#EXT-X-MAP:URI="{names[0]}"\n#EXTINF', 1)


def _concat(names: Sequence[str]) -> str:
    return "ffconcat version 1.0\n" + "".join(f"file '{name}'\n" for name in names)


def _dash(names: Sequence[str]) -> str:
    segments = "".join(f'<SegmentURL media="{name}"/>' for name in names)
    return (
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period><AdaptationSet '
        f'mimeType="audio/wav"><Representation id="1" bandwidth="64000"><BaseURL>{names[0]}</BaseURL><SegmentList '
        f'duration="1">{segments}</SegmentList></Representation></AdaptationSet></Period></MPD>\n'
    )


def _sdp(names: Sequence[str]) -> str:
    port = next((name.split(":")[2].split("/")[0] for name in names if name.count(":") == 2), "5004")
    return f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} TCP/RTP/AVP 97\n"


def _plain(names: Sequence[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _asx(names: Sequence[str]) -> str:
    return '<asx version="3.0">' + "".join(f'<entry><ref href="{name}"/></entry>' for name in names) + "</asx>\n"


def _avisynth(names: Sequence[str]) -> str:
    return f'WavSource("{names[0]}")\n'


def _imf(names: Sequence[str]) -> str:
    return (
        '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:'
        f"0</Id><EditRate>25 1</EditRate><ContentTitle>{names[0]}</ContentTitle></CompositionPlaylist>\n"
    )


MAKERS: tuple[Maker, ...] = (
    _hls, _hls, _hls_key, _hls_master, _hls_map, _concat, _concat, _dash, _sdp, _plain, _asx, _avisynth, _imf,
)  # fmt: skip


def references(bench: Bench, draw: random.Random) -> Trial:
    """A playlist of any kind in place of a film, a voice, an echo, or a stream."""
    folder = bench.fresh()
    secret = folder.parent / "secret.wav"
    shutil.copyfile(bench.film("pcm16.wav"), secret)
    shutil.copyfile(bench.film("film.ts"), folder.parent / "secret.ts")
    address = f"127.0.0.1:{bench.port}/x.wav"
    targets = (
        "../secret.wav", str(secret), f"file:{secret}", "../secret.ts", f"http://{address}", f"https://{address}",
        f"tcp://{address}", f"crypto+http://{address}", f"concat:{secret}", f"subfile,,start,0,end,0,,:{secret}",
        f"async:http://{address}", f"data:audio/wav;base64,{'A' * 60}", f"rtmp://{address}", f"ftp://{address}",
    )  # fmt: skip
    maker = draw.choice(MAKERS)
    names = [draw.choice(targets) for _ in range(draw.randint(1, 3))]
    before = draw.choice(BEFORE)
    data = before + maker(names).encode()
    evil = folder / f"evil{draw.choice(SUFFIXES)}"
    evil.write_bytes(data)
    film = bench.put("pcm16.wav", folder, "film.wav")
    new, model = folder / "new.mkv", ["--model", str(bench.model)]
    sound = folder / "new.wav"
    way = draw.choice(("info", "remix", "into", "into", "through", "through", "echo", "dub", "preset", "plot"))
    arguments, outputs = {
        "info": (["info", evil.name], ()),
        "remix": (["remix", evil.name, "--dialog", "0", "-o", "new.mkv"], (new,)),
        "into": (["remix", "-", "--dialog", "0", "-o", "new.mkv"], (new,)),
        "through": (["remix", "-", "--dialog", "0", "-o", "-"], ()),
        "echo": (["remix", film.name, "--music-reverb", f"./{evil.name}", *model, "-o", "new.wav"], (sound,)),
        "dub": (["dub", film.name, f"./{evil.name}", *model, "--language", "spa", "-o", "new.mkv"], (new,)),
        "preset": (["remix", film.name, "--preset", f"./{evil.name}", "--dry-run"], ()),
        "plot": (["plot", evil.name, *model, "-o", "new.png"], (folder / "new.png",)),
    }[way]
    return Trial(
        f"{maker.__name__[1:]} behind {before[:4]!r} as {evil.name} to {names}: {way}", arguments, folder,
        draw.random() < 0.1, inputs=(evil, film), outputs=outputs, codes=DOCUMENTED - STOPPED - {0},
        environment=bench.programs(draw), stdin=data if way in ("into", "through") else None,
    )  # fmt: skip
