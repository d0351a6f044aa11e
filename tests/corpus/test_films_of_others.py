"""Films that others made, with other programs than ours. They are fetched, so only where that is asked for:
`CFORK_TEST_NETWORK=1 pytest tests/test_films_of_others.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from corpus.films import Case, Maker
from corpus.runs import tried_on

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not os.environ.get("CFORK_TEST_NETWORK"), reason="CFORK_TEST_NETWORK is not set"),
]


@pytest.fixture(scope="session")
def trailer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trailer of Big Buck Bunny (Blender Foundation, CC BY 3.0), which the sources of moviepy 2.2.1 contain."""
    folder = tmp_path_factory.mktemp("moviepy")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "moviepy==2.2.1", "--no-binary", ":all:", "--no-deps", "-d", folder],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        member = next(one for one in file if one.name.endswith("/trailer_bbb.mp4"))
        data = file.extractfile(member)
        assert data is not None
        path = folder / "trailer_bbb.mp4"
        path.write_bytes(data.read())
    return path


@pytest.mark.timeout(400)
@pytest.mark.parametrize("runner", ["system", "wheels"])
@pytest.mark.parametrize(("output", "ask"), [("", ()), ("new.mkv", ("--codec", "flac")), ("new.mkv", ())])
def test_big_buck_bunny(trailer: Path, runner: Maker, output: str, ask: tuple[str, ...]) -> None:
    case = Case("trailer_bbb.mp4", "the trailer of Big Buck Bunny", (), output=output, ask=ask)
    outcome = tried_on(trailer, case, runner)
    assert not outcome.broken, outcome.notes
