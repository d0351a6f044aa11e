"""The server answers one browser, on this computer, and is gone with the page."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.films import Sound, make
from support.players import Client, fake, player_of, samples_of

from cfork_cli.errors import OutputError
from cfork_cli.player.life import GRACE_SECONDS, SILENCE_SECONDS, Life
from cfork_cli.player.server import MOST_BODY_BYTES, ROUTES, Server
from cfork_cli.player.session import Session

Player = tuple[Session, Server, Client]


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    folder = tmp_path_factory.mktemp("player")
    film = make(
        folder / "a film.mkv", Sound("flac", language="eng"), Sound("aac", language="fra", title="Français"),
        seconds=5, picture="libx264", subtitles="subrip",
    )  # fmt: skip
    with player_of(film, folder / "cache", network=fake(lambda x: 0.5 * x)) as found:
        yield found


def test_a_page_gets_all_that_it_needs(player: Player) -> None:
    _, _, client = player
    page = client.get("/")
    assert page.status == 200
    assert b"<html" in page.data
    film = client.get("/api/film").json
    assert film["name"] == "a film.mkv"
    assert film["fragments"] == 5
    assert [track["current"] for track in film["tracks"]] == [True, False]
    assert "Français" in film["tracks"][1]["label"]
    assert client.post("/api/can", {film["video"]["mime"]: True}).json == {"copy": True}
    video = client.get("/v?t=0.5&fresh=1")
    assert video.status == 200
    assert float(video.headers["X-Start"]) == 0 < float(video.headers["X-End"])
    assert client.get("/v?t=999").status == 204
    assert b"moov" in client.get("/v/init").data
    assert b"moov" in client.get("/a/init").data
    assert client.post("/api/at", {"t": 1.5, "playing": True, "page": "one"}).status == 204
    assert client.sound(1)[2].any()
    assert samples_of(client.get("/a/4?plain=1").data)[0].any()
    assert client.get("/a/5?wait=10").status == client.get("/a/9999999").status == 204
    assert b"WEBVTT" in client.get("/s/0").data
    state = client.get("/api/state?since=0").json
    assert state["done"]
    assert state["levels"]
    assert client.get(f"/api/state?since={state['version'] + 99}").json["levels"]


def test_every_answer_forbids_what_a_page_does_not_need(player: Player) -> None:
    _, _, client = player
    for path in ("/", "/api/film", "/a/init", "/nothing", "/assets/player.js"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not [name for name in headers if name.startswith("Access-Control")]


STRANGERS = {
    "no cookie": {"Cookie": ""},
    "wrong cookie": {"Cookie": "cfork-1=x"},
    "rebound name": {"Host": "evil.example"},
    "our name, another port": {"Host": "127.0.0.1:1"},
    "no host": {"Host": None},
    "foreign origin": {"Origin": "http://evil.example"},
    "no origin": {"Origin": "null"},
    "other port's origin": {"Origin": "http://127.0.0.1:1"},
    "cross site": {"Sec_Fetch_Site": "cross-site"},
    "same site, another port": {"Sec_Fetch_Site": "same-site"},
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_get_nothing(stranger: str, player: Player) -> None:
    session, _, client = player
    headers: dict[str, str | None] = dict(STRANGERS[stranger])
    for path in ("/", "/api/film", "/api/state", "/a/0", "/a/init", "/v?t=0", "/s/0", "/assets/player.js"):
        assert client.get(path, **headers).status == 403, path
    before = session.epoch
    for path, body in (("/api/track", {"audio": 1}), ("/api/export", {"gains": {}}), ("/api/quit", {})):
        assert client.post(path, body, **headers).status == 403, path
    assert session.epoch == before
    assert not session.busy
    assert client.ask("DELETE", "/api/export/0123456789abcdef", **headers).status == 403


def test_only_the_token_opens_the_door(player: Player) -> None:
    _, server, _ = player
    stranger = Client(server.port)
    for path in ("/?token=", "/?token=wrong", f"/?token={server.token[:-1]}", "/?token=%C3%A9", "/?nothing=1"):
        answer = stranger.get(path)
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers
    assert stranger.get(f"/?token={server.token}", Host="evil.example").status == 403
    answer = stranger.get(f"/?token={server.token}", Sec_Fetch_Site="none")
    assert answer.status == 303
    assert answer.headers["Location"] == "/"
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Strict" in answer.headers["Set-Cookie"]
    assert server.token not in answer.headers["Set-Cookie"]


PATHS = [
    "/../../etc/passwd", "/assets/../../session.py", "/assets/%2e%2e/session.py", "/assets/..", "/assets/",
    "/assets/session.py", "//etc/passwd", "/a/-1", "/a/99999999999", "/a/1/2", "/s/99", "/s/x", "/assets/index.html/",
    "/api/export/../film", "/api/export/zz", "/static/player.js", "/?x=../../etc/passwd/", "/a/%D9%A5",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_outside(path: str, player: Player) -> None:
    _, _, client = player
    answer = client.get(path)
    assert answer.status in (403, 404) or (path.startswith("/?") and answer.status == 200)
    assert b"root:" not in answer.data
    assert b"import" not in answer.data.partition(b"<")[0]


def test_what_makes_no_sense_is_refused_in_one_line(player: Player) -> None:
    session, _, client = player
    assert client.post("/api/at", b"{").status == 400
    assert client.post("/api/at", b"[1]").status == 400
    assert client.post("/api/at", b"[" * 30_000).status == 400
    assert client.post("/api/at", {"t": "x"}).status == 400
    assert client.post("/api/at", b'{"t": NaN}').status == 400
    assert client.post("/api/at", {"t": 1}, Content_Type="text/plain").status == 415
    assert client.post("/api/at", {"t": 1}, Content_Type=None).status == 415
    assert client.post("/api/at", b" " * (MOST_BODY_BYTES + 1)).status == 413
    assert client.get("/v?t=abc").status == 400
    assert client.get("/api/state?since=1e999").status == 400
    for gains in ({"dialogue": 99}, {"voices": 1}, {"music": True}, {"music": [1]}, "loud", None):
        answer = client.post("/api/export", {"gains": gains})
        assert answer.status == 400
        assert "\n" not in answer.json["error"]
    assert client.post("/api/track", {"audio": 7}).status == 400
    assert not session.busy
    assert client.ask("PUT", "/api/at").status == 501
    for method, _, _ in ROUTES:
        assert method in ("GET", "POST", "DELETE")


def test_two_pages_hear_the_same_film_at_two_places(player: Player) -> None:
    _, server, client = player
    other = Client(server.port)
    other.login(server.url)
    found: dict[int, bool] = {}

    def listen(who: Client, index: int) -> None:
        who.post("/api/at", {"t": index * 1.024, "playing": True, "page": str(index)})
        found[index] = bool(who.sound(index)[:2].any())

    threads = [threading.Thread(target=listen, args=(who, index)) for who, index in ((client, 0), (other, 3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(250)
    assert found == {0: True, 3: True}


def test_another_track_is_another_sound(player: Player) -> None:
    session, _, client = player
    first = client.sound(1)
    epoch = client.get("/api/state").json["epoch"]
    assert client.post("/api/track", {"audio": 1}).json["epoch"] == epoch + 1
    state = client.get("/api/state").json
    assert (state["epoch"], state["track"]) == (epoch + 1, 1)
    assert abs(client.sound(1)[:2] - first[:2]).max() > 0.05
    assert client.post("/api/track", {"audio": 0}).json["epoch"] == epoch + 2
    assert abs(client.sound(1) - first).max() == 0, "it was kept"
    assert client.get(f"/api/state?since={state['version']}").json["levels"], "all levels of it are news"
    found = client.get("/api/state?since=0").json
    assert client.get(f"/api/state?since={found['version'] + 99}").json["levels"] == found["levels"]
    assert threading.active_count() < 40
    assert session.work.error is None


def test_the_port_is_free_and_no_thread_is_left_when_it_has_ended(tmp_path: Path) -> None:
    film = make(tmp_path / "a.mka", Sound("flac"), seconds=2, picture=None)
    before = {thread.ident for thread in threading.enumerate()}
    with player_of(film, tmp_path / "cache", cache_bytes=0) as (session, server, client):
        idle = socket.create_connection(("127.0.0.1", server.port))
        assert client.post("/api/at", {"t": 0, "page": "a"}).status == 204
        with pytest.raises(OutputError, match=f"port {server.port} cannot be used"):
            Server(session, server.port)
        assert client.post("/api/quit", {"closing": True, "page": "a"}).status == 204
        assert not server.life.over()
        assert client.get("/api/state").status == 200  # a reload
        client.post("/api/quit", {})
        server.wait()
        port = server.port
    idle.settimeout(20)
    assert idle.recv(1) == b""
    idle.close()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
    for _ in range(200):
        left = [one for one in threading.enumerate() if one.ident not in before and "spawner" not in one.name]
        if not left:
            break
        time.sleep(0.1)
    assert not left
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mka"]


def test_it_does_not_end_with_one_of_two_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hidden page, paused, speaks once a minute: the others close meanwhile."""
    film = make(tmp_path / "a.mka", Sound("flac"), seconds=2, picture=None)
    with player_of(film, tmp_path / "cache", cache_bytes=0) as (_, server, client):
        now = [time.monotonic()]
        monkeypatch.setattr(server.life, "_clock", lambda: now[0])
        for page in ("hidden", "closed"):
            client.post("/api/at", {"t": 0, "page": page})
        client.post("/api/quit", {"closing": True, "page": "closed"})
        now[0] += 2 * GRACE_SECONDS
        assert not server.life.over()
        client.post("/api/quit", {"closing": True, "page": "hidden"})
        now[0] += 2 * GRACE_SECONDS
        assert server.life.over()


def test_it_lives_as_long_as_a_page_or_an_export() -> None:
    now, busy = [0.0], [False]
    life = Life(lambda: busy[0], lambda: now[0])
    now[0] = 1e6
    assert not life.over(), "nobody came yet: the browser is opened by hand"
    life.heard()
    life.closed()
    now[0] += GRACE_SECONDS - 1
    assert not life.over()
    life.heard()  # it was a reload
    now[0] += GRACE_SECONDS + 1
    assert not life.over()
    now[0] += SILENCE_SECONDS
    busy[0] = True
    assert not life.over(), "a film is written"
    busy[0] = False
    assert life.over()
    life.heard()
    assert not life.over()
    life.closed()
    now[0] += GRACE_SECONDS + 1
    assert life.over()
    life.heard()
    life.end()
    assert life.over()
