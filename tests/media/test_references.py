"""Nothing that comes in may make cfork open another file or address."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from support.films import Sound, make, noise

import cfork_cli
from cfork_cli.errors import InputError
from cfork_cli.ffmpeg.demuxers import ALLOWED, GUARD
from cfork_cli.media.probe import probe

REFERRING = (
    "hls",
    "concat",
    "dash",
    "imf",
    "image2",
    "sdp",
    "rtsp",
    "rtp",
    "sap",
    "lavfi",
    "vobsub",
    "webm_dash_manifest",
)


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", paths
    server.shutdown()
    thread.join()
    server.server_close()


def traps(folder: Path, address: str) -> dict[str, bytes]:
    """Files that name another film, and an address; each kind behind its own suffix and behind those of others."""
    film = make(folder / "film.ts", Sound("mp2", samples=noise(2, 48_000)), picture=None)
    playlist = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{film}\n#EXTINF:1,\n{address}/1.ts\n#EXT-X-ENDLIST\n".encode()
    )
    manifest = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S">'
        f'<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{address}/1.mp4'
        "</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ).encode()
    concat = f"ffconcat version 1.0\nfile '{film}'\n".encode()
    session = (
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {address[-5:].strip(':')} RTP/AVP 0\n"
    )
    return {
        "list.m3u8": playlist, "list.mkv": playlist, "behind.mp3": b"ID3\3\0\0\0\0\0\n0123456789" + playlist,
        "blank.ts": b"\n\n" + playlist, "manifest.mpd": manifest, "manifest.mp4": manifest, "join.ffconcat": concat,
        "join.mkv": b"# x\n" + concat, "session.sdp": session.encode(),
    }  # fmt: skip


@pytest.mark.parametrize("route", ["system", "wheels"], indirect=True)
def test_nothing_that_is_named_is_opened(route: str, tmp_path: Path, asked: tuple[str, list[str]]) -> None:
    address, paths = asked
    for name, data in traps(tmp_path, address).items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError) as raised:
            probe(tmp_path / name)
        assert len(str(raised.value)) < 300
    assert paths == []


def test_nothing_is_opened_through_a_pipe(tmp_path: Path, asked: tuple[str, list[str]]) -> None:
    address, paths = asked
    for name, data in [item for item in traps(tmp_path, address).items() if item[0] in ("list.m3u8", "behind.mp3")]:
        before = set(tmp_path.iterdir())
        command = [sys.executable, "-m", "cfork", "separate", "-", "--stem", "music", "-o", str(tmp_path / "out.wav")]
        finished = subprocess.run(command, input=data, capture_output=True, cwd=tmp_path, check=False)
        assert finished.returncode == 3, name
        assert b"Traceback" not in finished.stderr
        assert set(tmp_path.iterdir()) == before
    assert paths == []


def test_a_name_is_no_pattern(tmp_path: Path) -> None:
    """`%d` names a file of that name, and none of a series of pictures."""
    film = make(tmp_path / "1.mkv", Sound("flac", samples=noise(2, 48_000)), picture=None)
    shutil.copy(film, tmp_path / "%d.mkv")
    film.write_bytes(b"another")
    assert probe(tmp_path / "%d.mkv").audio


def test_the_list_has_none_that_opens_others() -> None:
    assert not set(REFERRING) & set(ALLOWED.split(","))
    assert {"matroska", "mov", "mpegts", "avi", "wav", "flac", "ogg", "mp3"} <= set(ALLOWED.split(","))
    assert GUARD["protocol_whitelist"] == "file,pipe"


def test_every_input_is_guarded() -> None:
    """Each call of `ffmpeg.input` has the guard, or a format of our own making."""
    for path in Path(cfork_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ffmpeg.input":
                said = ast.unparse(node)
                assert "GUARD" in said or "guarded" in said or "options" in said or "f=" in said, f"{path}: {said}"
