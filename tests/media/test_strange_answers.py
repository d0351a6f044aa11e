"""What ffprobe answers may be anything: it may be broken, of another version, or a wrapper of somebody's own.

Whatever it is, a command ends with a documented code and one line, or with what is right all the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.commands import Ran, listing
from support.films import Sound, make
from support.processes import script

from cfork_cli.errors import FfmpegError
from cfork_cli.ffmpeg import process
from cfork_cli.media import answer
from cfork_cli.media.probe import parse

SOUND: dict[str, Any] = {
    "index": 0, "codec_type": "audio", "codec_name": "flac", "sample_fmt": "s16", "sample_rate": "48000",
    "channels": 2, "channel_layout": "stereo",
}  # fmt: skip
GOOD: dict[str, Any] = {
    "format": {"format_name": "matroska,webm", "duration": "2.000000"}, "streams": [SOUND], "chapters": [],
    "programs": [],
}  # fmt: skip


def sound(**changed: Any) -> str:
    """An answer about one sound track, of which some facts are others; None leaves one out."""
    stream = {name: value for name, value in {**SOUND, **changed}.items() if value is not None}
    return json.dumps({**GOOD, "streams": [stream]})


def whole(**changed: Any) -> str:
    return json.dumps({**GOOD, **changed})


NO_ANSWER = {
    "nothing": "",
    "a space": " ",
    "half of it": json.dumps(GOOD)[:60],
    "two of it": json.dumps(GOOD) * 2,
    "words": "Segmentation fault",
    "null": "null",
    "a list": "[]",
    "a number": "17",
    "brackets": "[" * 100_000,
    "a number of 5,000 digits": '{"format": {"duration": ' + "9" * 5000 + "}}",
    "no UTF-8": "\udcff\udcfe",
    "the format is a list": whole(format=[]),
    "the streams are an object": whole(streams={}),
    "the streams are numbers": whole(streams=[1, 2]),
    "the chapters are a number": whole(chapters=3),
    "programs of words": whole(programs=["one"]),
    "no index": sound(index=None),
    "an index of text": sound(index="zero"),
    "a negative index": sound(index=-1),
    "an index with a fraction": sound(index=0.5),
    "an endless index": '{"streams": [{"index": Infinity, "codec_type": "audio"}]}',
    "an index too large": sound(index=2**70),
    "indices that repeat": whole(streams=[SOUND, SOUND]),
    "indices in another order": whole(streams=[{**SOUND, "index": 1}, SOUND]),
    "too many streams": whole(streams=[{**SOUND, "index": place} for place in range(10_000)]),
}
"""Answers that say nothing that could be relied on: code 6."""

NO_SOUND = {
    "no object in it": "{}",
    "no streams": whole(streams=[]),
    "no kind": sound(codec_type=None),
    "a kind that is a number": sound(codec_type=5),
    "a kind of its own": sound(codec_type="smell"),
    "a kind that is a list": sound(codec_type=["audio"]),
}
"""Answers without sound: code 3."""

NO_RATE = {
    "no rate": sound(sample_rate=None),
    "a rate in words": sound(sample_rate="fast"),
    "a negative rate": sound(sample_rate=-48_000),
    "a rate without end": sound(sample_rate="inf"),
    "a rate that is no number": sound(sample_rate="nan"),
    "a huge rate": sound(sample_rate=10**30),
    "a rate of 400 digits": sound(sample_rate="9" * 400),
    "a rate that is a list": sound(sample_rate=[48_000]),
    "no channels": sound(channels=0),
    "channels in words": sound(channels="stereo"),
    "negative channels": sound(channels=-2),
    "a billion channels": sound(channels=10**9),
    "channels that are an object": sound(channels={}),
}
"""Answers with sound that has no rate, or no channels: code 3."""

NOT_KNOWN = {
    "a length that is no number": sound(duration="nan"),
    "a length that is no number, not as text": '{"format": {"duration": NaN}, "streams": ' + json.dumps([SOUND]) + "}",
    "a negative length": whole(format={"format_name": "wav", "duration": "-5"}),
    "an endless length": whole(format={"format_name": "wav", "duration": "1e999"}),
    "a length of a billion years": whole(format={"format_name": "wav", "duration": "3e16"}),
    "a length that is a list": whole(format={"format_name": "wav", "duration": ["2"]}),
    "a start that is no number": sound(start_time="nan"),
    "an endless start": sound(start_time="-inf"),
    "a start long before the world": whole(format={"format_name": "wav", "start_time": -1e300}),
    "a start that is true": sound(start_time=True),
    "a container that is a number": whole(format={"format_name": 7}),
    "no container": whole(format={}),
    "a codec that is a list": sound(codec_name=["flac"]),
    "a layout that is a number": sound(channel_layout=5),
    "a huge bit rate": sound(bit_rate="1e300"),
    "a negative bit rate": sound(bit_rate=-1),
    "bits without end": sound(bits_per_raw_sample=10**40),
    "tags that are a list": sound(tags=["title"]),
    "tags that are numbers": sound(tags={"title": 5, "language": 6.5, "DURATION": 7}),
    "tags in tags": sound(tags={"title": {"a": "b"}}),
    "flags that are a list": sound(disposition=["default"]),
    "flags in words": sound(disposition={"default": "yes"}),
    "a profile that is a list": sound(profile=[1]),
    "side data that is a word": sound(side_data_list="rotation"),
    "side data that are words": sound(side_data_list=["rotation", {"rotation": "nan"}, {"rotation": [90]}]),
    "an id that is an object": sound(id={}),
    "keys that are no UTF-8": sound(tags={"title\udcff": "\udcfe"}),
    "more than was asked for": whole(frames=[1, 2], error=None),
    "programs without streams": whole(
        format={"format_name": "mpegts"},
        programs=[{"program_id": "x"}, {"program_id": 1, "streams": [{"index": "0"}, {"index": 99}, 5], "tags": 3}],
    ),
}
"""Answers of which one fact is none: it is not known then."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("asked") / "film.mkv", Sound("flac"), picture=None, subtitles=None)


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set what ffprobe answers about any file."""

    def answering(text: str) -> None:
        told = tmp_path / "answer.json"
        told.write_text(text, encoding="utf-8", errors="surrogateescape")
        program = tmp_path / "ffprobe"
        program.write_text(f'#!/bin/sh\nexec cat "{told}"\n')
        program.chmod(0o755)
        monkeypatch.setenv("CFORK_FFPROBE", str(program))
        monkeypatch.setenv("CFORK_DEBUG", "1")  # what nobody thought of is a traceback

    return answering


@pytest.mark.skipif(os.name != "posix", reason="the program is a script of the shell")
@pytest.mark.parametrize(
    ("answers", "code"),
    [(NO_ANSWER, 6), (NO_SOUND, 3), ({"no rate": NO_RATE["no rate"]}, 3)],
    ids=["none", "no sound", "no rate"],
)
def test_what_nobody_can_work_with_is_one_line(
    cfork: Callable[..., Ran], film: Path, answering: Callable[[str], None], answers: dict[str, str], code: int
) -> None:
    before, told = listing(film.parent), {}
    for what, text in answers.items():
        answering(text)
        ran = cfork("remix", film, "--dialog", "+3", "--dry-run")
        told[what] = (ran.code, len(ran.lines), ran.out)
        assert len(ran.err) < 500
    assert told == dict.fromkeys(answers, (code, 1, ""))
    assert listing(film.parent) == before


@pytest.mark.parametrize("what", NO_RATE)
def test_a_track_without_a_rate_or_channels_cannot_be_decoded(what: str) -> None:
    (track,) = parse(answer.read(NO_RATE[what].encode()), Path("film")).audio
    assert not track.is_decodable
    assert None in (track.sample_rate, track.channels)


@pytest.mark.parametrize("what", NOT_KNOWN)
def test_a_fact_that_is_none_is_not_known(what: str) -> None:
    media = parse(answer.read(NOT_KNOWN[what].encode("utf-8", "surrogateescape")), Path("film"))
    (track,) = media.audio
    assert (track.sample_rate, track.channels, track.is_decodable) == (48_000, 2, True)
    assert media.duration_seconds in (None, 2.0)
    assert track.duration_seconds is None
    assert (media.start_seconds, track.start_seconds, track.rotation) == (0, 0, 0)
    assert (track.bit_rate, track.bits) == (None, None)
    assert all(isinstance(text, str) for text in (track.codec, media.container, str(track), track.title or ""))
    assert [program.streams for program in media.programs] in ([], [()])
    hash(media)


@pytest.mark.skipif(os.name != "posix", reason="the program is a script of the shell")
def test_a_film_is_remixed_whatever_else_is_not_known(
    cfork: Callable[..., Ran], film: Path, answering: Callable[[str], None]
) -> None:
    strange = {
        **SOUND, "duration": "nan", "start_time": "-inf", "bit_rate": 10**40, "tags": ["title"], "disposition": 7,
        "side_data_list": 9, "profile": {}, "id": [], "bits_per_raw_sample": "many",
    }  # fmt: skip
    answering(whole(format={"format_name": "matroska,webm", "duration": -3, "tags": 5}, streams=[strange]))
    for words in (["info", film], ["remix", film, "--dialog", "+3", "--dry-run"]):
        ran = cfork(*words)
        assert ran.code == 0, ran.err


ENDLESS = """
import sys
while True:
    sys.stdout.write("[" * 65536)
"""


def test_an_answer_without_end_is_cut_short(
    cfork: Callable[..., Ran], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFORK_FFPROBE", str(script(tmp_path / "endless", ENDLESS)))
    ran = cfork("info", film)
    assert (ran.code, len(ran.lines), ran.out) == (3, 1, "")
    assert "has more than 16 MiB of tags" in ran.err


def test_a_program_that_says_nothing_has_its_time(tmp_path: Path) -> None:
    silent = script(tmp_path / "silent", "import time\ntime.sleep(600)")
    with pytest.raises(FfmpegError, match=r"silent did not answer within 0 s"):
        process.run([str(silent)], timeout=0.2)


def test_a_long_question_and_a_long_answer_do_not_wait_for_each_other(tmp_path: Path) -> None:
    echo = script(
        tmp_path / "echo", "import shutil, sys\nshutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer, 4096)"
    )
    data = os.urandom(1 << 20) * 5
    assert process.run([str(echo)], stdin=data).output == data
    with pytest.raises(process.TooMuch, match=r"echo answered more than 4 MiB"):
        process.run([str(echo)], stdin=data, most=4 << 20)
