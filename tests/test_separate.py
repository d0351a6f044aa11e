"""`cfork separate`: the stems as sound files, all or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import Ran, echo_network, listing
from films import Sound, make, noise, samples

from cfork_cli import pipeline
from cfork_cli.errors import OutputError, UsageError
from cfork_cli.separate import StemFiles, check_channels, check_folder, stem_name, subtype
from cfork_cli.sound_file import SoundFileSink

Command = Callable[..., Ran]
RATE = 44_100
STEM_NAMES = ("dialogue", "music", "effects")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that puts half of the film into the music, 0.3 into the dialogue and 0.2 into the effects."""
    network = echo_network((0.5, 0.3, 0.2))
    monkeypatch.setattr(pipeline, "load_network", lambda model, device: (network, "cpu"))


def read(path: Path) -> np.ndarray:
    """`[channels, samples]`"""
    return soundfile.read(path, dtype="float64", always_2d=True)[0].T


# ---- from end to end ----


def test_three_stems_as_long_as_the_film(cfork: Command, place: Path, films_here: Path, tiny_model: Path) -> None:
    ran = cfork("separate", films_here / "full.mkv", "--track", "2", "-o", "stems", "--model", tiny_model)
    assert (ran.code, ran.out, len(ran.lines)) == (0, "", 1)
    assert ran.err.startswith("wrote dialogue.wav, music.wav, effects.wav in stems (0:02 of sound in 0:")
    expected = samples(films_here / "full.mkv", 1, channels=6).shape[1]
    for name in STEM_NAMES:
        info = soundfile.info(place / "stems" / f"{name}.wav")
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "FLOAT", 48_000, 6)
        assert abs(info.frames - expected) <= 2048  # the track begins where the film does
        assert np.isfinite(read(place / "stems" / f"{name}.wav")).all()
    assert listing(place).keys() == {"stems", *(f"stems/{name}.wav" for name in STEM_NAMES)}
    assert listing(place.parent / "temporary") == {}


@pytest.mark.parametrize(
    ("options", "suffix", "subtype", "step"),
    [
        ([], "wav", "FLOAT", 2**-23),
        (["--bits", "24"], "wav", "PCM_24", 2**-23),
        (["--bits", "16"], "wav", "PCM_16", 2**-15),
        (["--format", "flac"], "flac", "PCM_24", 2**-23),
        (["--format", "flac", "--bits", "16"], "flac", "PCM_16", 2**-15),
    ],
)
def test_stems_are_shares_and_add_up(
    cfork: Command, place: Path, echo: None, options: list[str], suffix: str, subtype: str, step: float
) -> None:
    told = noise(2, 2 * RATE + 123, bits=16)
    film = make(place / "film.wav", Sound(sample_rate=RATE, samples=told), picture=None)
    assert cfork("separate", film, "-o", "stems", *options).code == 0
    found = {name: read(place / "stems" / f"{name}.{suffix}") for name in STEM_NAMES}
    assert soundfile.info(place / "stems" / f"music.{suffix}").subtype == subtype
    for name, share in {"music": 0.5, "dialogue": 0.3, "effects": 0.2}.items():
        np.testing.assert_allclose(found[name], share * told, atol=1e-6 + step / 2)
    np.testing.assert_allclose(sum(found.values()), told, atol=3e-6 + 1.5 * step)


def test_only_the_wanted_stems(cfork: Command, place: Path, films_here: Path, echo: None) -> None:
    ran = cfork("separate", films_here / "plain.mkv", "-o", "stems", "--stem", "sfx", "--stem", "Dialog", "--json")
    assert ran.code == 0
    assert ran.result["files"] == {"effects": "stems/effects.wav", "dialogue": "stems/dialogue.wav"}
    assert listing(place).keys() == {"stems", "stems/dialogue.wav", "stems/effects.wav"}
    np.testing.assert_allclose(read(place / "stems/dialogue.wav"), 0.3 * samples(films_here / "plain.mkv"), atol=1e-6)


def test_what_is_over_full_scale_is_told(cfork: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = echo_network((20.0, 0.0, 0.0))
    monkeypatch.setattr(pipeline, "load_network", lambda model, device: (network, "cpu"))
    film = make(place / "film.wav", Sound(sample_rate=RATE), picture=None)
    ran = cfork("separate", film, "-o", "stems", "--stem", "music", "--bits", "16")
    assert ran.code == 0
    assert "were over full scale and were cut" in ran.lines[0]
    assert cfork("separate", film, "-o", "stems", "--stem", "music", "--force", "--quiet").err == ""
    np.testing.assert_allclose(read(place / "stems/music.wav"), 20 * samples(film), atol=1e-4)


# ---- all or none ----


def test_nothing_is_overwritten_unless_asked(cfork: Command, place: Path, films_here: Path, echo: None) -> None:
    (place / "stems").mkdir()
    (place / "stems" / "effects.wav").write_text("precious")
    before = listing(place)
    ran = cfork("separate", films_here / "plain.mkv", "-o", "stems")
    assert (ran.code, len(ran.lines)) == (4, 1)
    assert "'stems/effects.wav' exists already" in ran.err
    assert listing(place) == before
    assert cfork("separate", films_here / "plain.mkv", "-o", "stems", "--stem", "music").code == 0
    assert (place / "stems" / "effects.wav").read_text() == "precious"
    assert cfork("separate", films_here / "plain.mkv", "-o", "stems", "-f").code == 0
    assert soundfile.info(place / "stems" / "effects.wav").frames == 2 * RATE


@pytest.mark.parametrize("existing", [False, True])
def test_a_truncated_film_leaves_nothing(cfork: Command, place: Path, echo: None, existing: bool) -> None:
    whole = make(place / "film.mkv", Sound("aac"), seconds=5)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    if existing:
        (place / "stems").mkdir()
        (place / "stems" / "music.wav").write_text("precious")
    before = listing(place)
    ran = cfork("separate", whole, "-o", "stems", "--force")
    assert (ran.code, len(ran.lines)) == (5, 1)
    assert listing(place) == before


@pytest.mark.parametrize("step", ["_complete", "publish"])
def test_the_last_file_failing_takes_the_others_with_it(
    cfork: Command, place: Path, films_here: Path, echo: None, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    work = getattr(SoundFileSink, step)

    def fail(self: SoundFileSink) -> None:
        if self.output.stem == "effects":
            self.abort()
            raise OutputError("the disk is full")
        work(self)

    monkeypatch.setattr(SoundFileSink, step, fail)
    assert cfork("separate", films_here / "plain.mkv", "-o", "stems").code == 4
    assert listing(place) == {}
    (place / "stems").mkdir()
    for name in STEM_NAMES if step == "_complete" else ["effects"]:
        (place / "stems" / f"{name}.wav").write_text("precious")
    before = listing(place)
    assert cfork("separate", films_here / "plain.mkv", "-o", "stems", "--force").code == 4
    assert listing(place) == before


def test_a_full_disk_while_opening(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    init = SoundFileSink.__init__

    def fail_second(self: SoundFileSink, output: Path, **options: object) -> None:
        if opened:
            raise OutputError("no room")
        opened.append(output)
        init(self, output, **options)

    monkeypatch.setattr(SoundFileSink, "__init__", fail_second)
    files = {name: place / "stems" / f"{name}.wav" for name in STEM_NAMES}
    with pytest.raises(OutputError, match="no room"):
        StemFiles(
            files, sample_rate=RATE, channels=2, subtype="float32", source=place / "film", force=False,
            expected_seconds=None,
        )  # fmt: skip
    assert listing(place) == {}


def test_files_of_others_stay_in_a_folder_that_we_made(place: Path) -> None:
    files = {"music": place / "stems" / "music.wav"}
    sinks = StemFiles(
        files, sample_rate=RATE, channels=1, subtype="pcm16", source=place / "film", force=False, expected_seconds=1
    )
    sinks.write(np.zeros((1, 1, 100), np.float32))
    (place / "stems" / "music.wav").write_text("somebody else's")
    with pytest.raises(OutputError, match="appeared while we worked"), sinks:
        sinks.write(np.zeros((1, 1, 100), np.float32))
    assert (place / "stems" / "music.wav").read_text() == "somebody else's"


def test_a_folder_that_cannot_be_made(place: Path) -> None:
    (place / "file").write_text("x")
    for folder, words in {
        place / "file": "is a file: give a folder",
        place / "missing" / "stems": "does not exist: make it first",
        Path("/proc/stems"): "cannot be written",
        place / ("x" * 300): "File name too long",
    }.items():
        with pytest.raises(OutputError, match=words):
            check_folder(folder)
    check_folder(place)
    check_folder(place / "new")
    assert listing(place).keys() == {"file"}


# ---- words ----


def test_formats_and_names() -> None:
    assert subtype("wav", None) == subtype("wav", 32) == "float32"
    assert subtype("flac", None) == "pcm24"
    for format, bits in (("flac", 32), ("wav", 8)):
        with pytest.raises(UsageError, match=f"not {bits}"):
            subtype(format, bits)
    assert [stem_name(word) for word in ("speech", "MUSIC", " sfx ")] == ["dialogue", "music", "effects"]
    with pytest.raises(UsageError, match="choose dialogue, music or effects"):
        stem_name("drums")
    check_channels("wav", 16)
    check_channels("flac", 8)
    with pytest.raises(UsageError, match="at most 8 channels"):
        check_channels("flac", 9)
