"""Films of the web: fetched by yt-dlp from a server on this computer."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Ran, listing
from support.file_server import serving
from support.films import Sound, make
from support.readings import samples

from cfork_cli.flows import web


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)


def test_a_film_of_the_web_is_remixed_into_the_current_folder(
    cfork: Callable[..., Ran], place: Path, tmp_path: Path
) -> None:
    pytest.importorskip("yt_dlp")
    film = make(tmp_path / "a film.mkv", Sound("flac"), seconds=2)
    with serving() as server:
        server.files["/a%20film.mkv"] = server.files["/a film.mkv"] = film.read_bytes()
        (place / "out").mkdir()
        for output in ((), ("-o", "out/")):
            done = cfork("remix", f"{server.url}/a%20film.mkv", "--dialog", "0", *output)
            assert done.code == 0, done.err
    (written,) = place.glob("*.mkv")
    assert [one.name for one in (place / "out").iterdir()] == [written.name]
    assert written.name.startswith("a film")
    assert written.name.endswith(".cfork.mkv")
    assert (samples(written) == samples(film)).all()


def test_what_cannot_be_fetched_is_told_in_one_line(cfork: Callable[..., Ran], place: Path) -> None:
    pytest.importorskip("yt_dlp")
    with serving() as server:
        for command in (["remix", "--dialog", "3"], ["play", "--no-browser"]):
            done = cfork(*command, f"{server.url}/none.mkv")
            assert done.code == 3
            (line,) = done.lines
            assert "could not be fetched" in line
            assert "\x1b" not in line
    assert listing(place) == {}
    gc.collect()  # a connection that is left open is a warning, and so an error


def test_the_output_is_looked_at_before_the_film_is_fetched(cfork: Callable[..., Ran], place: Path) -> None:
    (place / "there.mkv").write_text("mine")
    done = cfork("remix", "http://127.0.0.1:9/film.mkv", "-o", "there.mkv")
    assert done.code == 4
    assert (place / "there.mkv").read_text() == "mine"


def test_without_yt_dlp_it_says_how_to_get_it(
    cfork: Callable[..., Ran], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    for command in (["remix", "--dialog", "3"], ["play", "--no-browser"]):
        done = cfork(*command, "https://example.org/film")
        assert done.code == 2
        assert "pip install 'cfork[url]'" in done.err
    assert listing(place) == {}


def test_what_an_address_is() -> None:
    assert web.is_address("HTTP://example.org/x")
    assert not web.is_address("file:///etc/passwd")
    assert not web.is_address("-")
