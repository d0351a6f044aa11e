"""What is exported is what `cfork remix` writes, and what was heard."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from support.commands import listing, processes_about
from support.films import Sound, make
from support.players import fake, player_of, samples_of
from support.readings import samples

from cfork_cli.flows import run as flow
from cfork_cli.flows.jobs import RemixJob
from cfork_cli.player.export import free_name


def test_it_is_the_remix_and_what_was_heard(tmp_path: Path) -> None:
    film = make(tmp_path / "a.mkv", Sound("flac", language="eng"), seconds=6, subtitles="subrip")
    with player_of(film, tmp_path / "cache", network=fake(lambda x: 0.3 * torch.tanh(3 * x))) as (session, _, client):
        gains = {"dialogue": 6.0, "music": None, "effects": -3.0}
        heard = np.concatenate([client.sound(index) for index in range(5)], axis=1)
        facts = client.finished(client.post("/api/export", {"gains": gains}).json["id"])
        assert (facts["state"], facts["share"], facts["error"]) == ("done", 1.0, None)
        written = Path(facts["path"])
        assert written == tmp_path / "a.cfork.mkv"
        job = RemixJob(
            film, tmp_path / "b.mkv", {"dialogue": 6.0, "music": -np.inf, "effects": -3.0},
            input_lufs=session.work.loudness,
        )  # fmt: skip
        flow.remix(job, loaded=session.network())
        one, other = samples(written), samples(tmp_path / "b.mkv")
        assert np.array_equal(one, other)
        factors = np.array([10**0.3 - 1, -1, 10**-0.15 - 1])
        mixed = heard[:2] + sum(factor * heard[2 + 2 * stem : 4 + 2 * stem] for stem, factor in enumerate(factors))
        inner = slice(0, 3 * 48_000)  # of one window, the first one
        error = mixed[:, inner] - one[:, inner]
        assert 10 * np.log10(np.mean(mixed[:, inner] ** 2) / np.mean(error**2)) > 40


def test_it_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    film = make(tmp_path / "a.mka", Sound("flac"), seconds=2, picture=None)
    (tmp_path / "a.cfork.mka").write_text("mine")
    assert free_name(film, tmp_path) == tmp_path / "a.cfork-2.mka"
    with player_of(film, tmp_path / "cache", cache_bytes=0) as (_, _, client):
        for name in ("a.cfork-2.mka", "a.cfork-3.mka"):
            facts = client.finished(client.post("/api/export", {"gains": {"dialogue": -6}}).json["id"])
            assert Path(facts["path"]).name == name
    assert (tmp_path / "a.cfork.mka").read_text() == "mine"


@pytest.mark.parametrize("how", ["delete", "end"])
def test_a_cancelled_one_leaves_nothing(how: str, tmp_path: Path) -> None:
    film = make(tmp_path / "a.mkv", Sound("flac"), seconds=8)
    before = listing(tmp_path)

    def slow(x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.5)
        return x

    with player_of(film, tmp_path / "cache", cache_bytes=0, network=fake(slow)) as (session, _, client):
        name = client.post("/api/export", {"gains": {"music": -6}}).json["id"]
        assert client.post("/api/export", {"gains": {"music": -6}}).status == 409
        assert session.busy
        if how == "delete":
            assert client.ask("DELETE", f"/api/export/{name}").status == 200
            assert client.finished(name)["state"] == "cancelled"
            assert not session.busy
    assert listing(tmp_path) == before
    assert not processes_about(film)


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    film = make(tmp_path / "a.mka", Sound("flac"), seconds=2, picture=None)
    with player_of(film, tmp_path / "cache", export_folder=tmp_path / "none", cache_bytes=0) as (_, _, client):
        facts = client.finished(client.post("/api/export", {"gains": {"music": -6}}).json["id"])
        assert facts["state"] == "failed"
        assert "none" in facts["error"]
        assert facts["path"] is None
        assert samples_of(client.get("/a/0?plain=1").data)[0].any()
