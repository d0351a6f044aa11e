"""Which filters are taken: none that opens a file or the network, changes the length, or branches."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import av.filter
import pytest
from support.films import ffmpeg_program

from cfork_cli.errors import UsageError
from cfork_cli.filters.chain import _FILE_OPTION, _OPENS_BY_PLACE, _TAKEN, ALLOWED, parse_chain
from cfork_cli.filters.effect import check_filters


def check(text: str) -> None:
    check_filters(text, 48_000, 2, "stereo")


def test_the_list_has_each_once_and_all_are_there() -> None:
    assert len(_TAKEN.split()) == len(ALLOWED)
    assert not ALLOWED - set(av.filter.filters_available)


@pytest.mark.parametrize("maker", ["system", "wheels"])
def test_no_option_of_a_filter_that_is_taken_names_a_file_unseen(maker: str) -> None:
    """Read from ffmpeg itself: what its help says of every option, so that a new version cannot open a door."""
    program = ffmpeg_program(maker)
    full = subprocess.run([program, "-hide_banner", "-h", "full"], capture_output=True, text=True, timeout=120).stdout
    suspects = set()
    seen = 0
    for section in re.split(r"\n(?=\S.* AVOptions:)", full):
        name = section.partition(" ")[0]
        if name not in ALLOWED or "..F.A" not in section:
            continue
        seen += 1
        for option, kind, words in re.findall(r"^ {2,4}-?(\w+)\s+<(\w+)>\s+\S+\s?(.*)$", section, re.MULTILINE):
            says = re.search(r"\b(file|filename|path|url|socket|address|plugin|library)s?\b", words, re.IGNORECASE)
            if kind in ("string", "binary") and (says or _FILE_OPTION.search(option)):
                suspects.add((name, option))
    assert seen > 60
    assert suspects <= {("firequalizer", "dumpfile"), ("loudnorm", "stats_file")}
    assert ("firequalizer", "dumpfile") in suspects
    assert {name for name, _ in suspects} <= _OPENS_BY_PLACE


@pytest.mark.parametrize("name", sorted(set(av.filter.filters_available) - ALLOWED))
def test_no_other_filter_gets_through(name: str) -> None:
    for text in (name, f"{name}=x", f"anull,{name}", f"{name}@a=x", f"'{name}'", f"\\{name}", f" {name} "):
        with pytest.raises(UsageError, match=r"docs/effects\.md"):
            parse_chain(text)


@pytest.mark.parametrize(
    "text",
    [
        "amovie=FILE", "anull,amovie=FILE,anull", "amovie=filename=FILE", "arnndn=m=FILE", "ladspa=f=FILE",
        "sofalizer=FILE",
        "firequalizer=dumpfile=FILE", "firequalizer=gain=0:dumpfile=FILE", "firequalizer=gain=0\\:dumpfile=FILE",
        "firequalizer=gain=0\\:d\\umpfile=FILE", "firequalizer='gain=0:dumpfile=FILE'",
        "firequalizer=gain=0: dumpfile =FILE",
        "firequalizer=gain=0:dump'file'=FILE", "firequalizer@a=dumpfile=FILE", "firequalizer='dumpfile=FILE",
        "firequalizer=0:0:0.01:5:hann:0:0:0:linlog:FILE", "firequalizer=gain=0:0:0.01:5:hann:0:0:0:linlog:FILE",
        "loudnorm=stats_file=FILE", "volume=/volume=FILE", "volume=/FILE", "aeval=/exprs=FILE",
        "anull[a];[a]anull", "[in]anull", "anull;amovie=FILE", "anull[a]", "sws_flags=bilinear;anull",
    ],
)  # fmt: skip
def test_nothing_is_opened(text: str, tmp_path: Path) -> None:
    """Neither read nor written: refused before libavfilter sees it."""
    path = tmp_path / "x"
    with pytest.raises(UsageError):
        check(text.replace("FILE", str(path)))
    assert not path.exists()
    path.write_text("1")
    with pytest.raises(UsageError):
        check(text.replace("FILE", str(path)))
    assert path.read_text() == "1"


@pytest.mark.parametrize("text", ["", " ", ",", "anull,", ",anull", "anull,,anull", "=3", "anull\0"])
def test_what_is_no_chain(text: str) -> None:
    with pytest.raises(UsageError, match="chain"):
        parse_chain(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("highpass=f=x90", "Undefined constant"),
        ("highpass=slope=3", "No such option: slope"),
        ("acompressor=ratio=1000", "out of range"),
        ("highpass=f=90,aecho=1:2", "aecho"),
        ("pan=mono|c0=FL", "1 channel of 2"),
        ("dialoguenhance", "3 channels of 2"),
        ("vibrato", "none of the audio filters"),
        ("atempo=2", "how long the sound is"),
        ("amix", "several sounds"),
        ("amovie=x.wav", "opens files"),
    ],
)
def test_a_bad_chain_is_one_line_in_ffmpegs_own_words(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as refused:
        check(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["highpass=f=90,acompressor", " highpass = f=90 , volume=2dB", "volume=volume='if(lt(t,1),0,1)':eval=frame",
     "firequalizer=gain='if(lt(f,1000), 0, -INF)'", "aecho=0.8:0.9:60|90:0.3|0.2", "volume=2:enable='between(t,1,2)'",
     "pan=stereo|c0=c1|c1=c0", "dialoguenhance,pan=stereo|FL=FL+FC|FR=FR+FC", "aresample=8000", "loudnorm",
     "aformat=channel_layouts=mono,aformat=channel_layouts=stereo", "afftfilt=real='re * (1-clip(b/nb*4,0,1))':imag=im",
     "compand=attacks=0:points=-70/-90|-24/-12|0/-6|20/-6", "highpass@low=f=90", "mcompand"],
)  # fmt: skip
def test_what_people_write_works(text: str) -> None:
    check(text)
