"""A copied Opus track stays where it was against the picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.films import Sound, make
from support.readings import times
from support.rewritten import rewritten

from cfork_cli.media.types import Stream
from cfork_cli.remux import opus_delay
from cfork_cli.remux.plan import Entry


@pytest.mark.parametrize("route", ["system", "wheels"], indirect=True)
@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_copied_opus_keeps_its_distance_to_the_picture(route: str, tmp_path: Path, delay: float) -> None:
    path = make(tmp_path / "a.mkv", Sound("libopus", delay=delay), Sound("flac"), seconds=1)
    new = rewritten(path, tmp_path / "b.mkv", track=1)[1]

    def distance(film: Path) -> float:
        return times(film, "a:0")[0] - times(film, "v:0")[0]

    assert distance(new.path) == pytest.approx(distance(path), abs=0.0011)


def test_only_opus_in_matroska_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opus_delay, "_is_lost", lambda: True)
    entries = [
        Entry(Stream(0, "audio", 0, "opus", start_seconds=-0.007), "copy"),
        Entry(Stream(1, "audio", 1, "aac"), "copy"),
    ]
    cured = opus_delay.cured(entries, "matroska")
    assert cured[0].options == (("bsf", "setts=ts=TS+round(0.007000/TB)"),)
    assert cured[1] == entries[1]
    assert opus_delay.cured(entries, "mp4") == entries
    late = [Entry(Stream(0, "audio", 0, "opus", start_seconds=5.0), "copy")]
    assert "0.006500" in opus_delay.cured(late, "webm")[0].options[0][1]
