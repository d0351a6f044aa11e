"""How often ffmpeg is started: what was learned for one film is not asked again for the next one of its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.commands import Ran
from support.films import Sound, make

from cfork_cli.ffmpeg import spawn
from cfork_cli.ffmpeg.find import find_ffmpeg


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Command lines of all children from now on; ffmpeg goes by a name under which nothing is remembered yet."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.symlink_to(find_ffmpeg())
    monkeypatch.setenv("CFORK_FFMPEG", str(program))
    found: list[Sequence[str]] = []
    start = spawn.start

    def counted(arguments: Sequence[str], **options: Any) -> Any:
        found.append(arguments)
        return start(arguments, **options)

    monkeypatch.setattr(spawn, "start", counted)
    return found


@pytest.mark.parametrize(
    ("suffix", "codec", "layout", "first", "second"),
    [
        # probe, -encoders, encode and look, headers
        ("mkv", "flac", "stereo", 5, 2),
        # probe, bit rate, -encoders, encode and look, encode and decode, headers
        ("mkv", "aac", "5.1", 8, 3),
        # probe, -encoders, encode and look, headers
        ("mp4", "aac", "stereo", 5, 2),
    ],
)
def test_a_second_film_of_the_same_kind(
    cfork: Callable[..., Ran], place: Path, starts: list[Sequence[str]], suffix: str, codec: str, layout: str,
    first: int, second: int,
) -> None:  # fmt: skip
    films = [make(place / f"{name}.{suffix}", Sound(codec, layout), seconds=0.5) for name in ("one", "two")]
    counts = []
    for film in (*films, films[0]):
        starts.clear()
        assert cfork("remix", film, "--music", "-6", "--dry-run", "--json").code == 0
        counts.append(len(starts))
    assert counts[:2] == [first, second]
    assert counts[2] == 1  # a look whether it is still the same
