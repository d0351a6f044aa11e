"""`cfork separate`: the stems as sound files, all or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.commands import Ran, echo_network, listing
from support.films import Sound, make, noise
from support.readings import packets, samples

from cfork_cli.codecs.stem_format import check_words, stem_format, subtype
from cfork_cli.errors import OutputError, UsageError
from cfork_cli.flows import network as networks
from cfork_cli.flows.stem_names import file_names, residual_takers, stem_name
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Stream
from cfork_cli.output.sink import Sink
from cfork_cli.output.sound_file import SoundFileSink
from cfork_cli.output.stem_folder import check_folder, made_folder

Command = Callable[..., Ran]
RATE = 44_100
STEM_NAMES = ("dialogue", "music", "effects")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that puts half of the film into the music, 0.3 into the dialogue and 0.2 into the effects."""
    network = echo_network((0.5, 0.3, 0.2))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that loses two fifths of the film."""
    network = echo_network((0.3, 0.2, 0.1))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))


def read(path: Path) -> np.ndarray:
    """`[channels, samples]`"""
    return soundfile.read(path, dtype="float64", always_2d=True)[0].T


# ---- from end to end ----


def test_three_stems_as_long_as_the_film(cfork: Command, place: Path, films_here: Path, tiny_model: Path) -> None:
    ran = cfork("separate", films_here / "full.mkv", "--track", "2", "-o", "stems", "--model", tiny_model)
    assert (ran.code, ran.out, len(ran.lines)) == (0, "", 2)
    assert ran.lines[0] == "note: the low-frequency channel is in no stem: --residual effects puts it into the effects"
    assert ran.lines[1].startswith("wrote dialogue.wav, music.wav, effects.wav in stems (0:02 of sound in 0:")
    expected = samples(films_here / "full.mkv", 1, channels=6).shape[1]
    for name in STEM_NAMES:
        info = soundfile.info(place / "stems" / f"{name}.wav")
        # more than two channels need the newer kind of header, which tells their places
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAVEX", "FLOAT", 48_000, 6)
        assert probe(place / "stems" / f"{name}.wav").audio[0].layout == "5.1(side)"
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
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))
    film = make(place / "film.wav", Sound(sample_rate=RATE), picture=None)
    ran = cfork("separate", film, "-o", "stems", "--stem", "music", "--bits", "16")
    assert ran.code == 0
    assert "were over full scale and were cut" in ran.lines[0]
    assert cfork("separate", film, "-o", "stems", "--stem", "music", "--force", "--quiet").err == ""
    np.testing.assert_allclose(read(place / "stems/music.wav"), 20 * samples(film), atol=1e-4)


@pytest.mark.parametrize("options", [["--bits", "16"], ["--bits", "24", "--format", "flac"], ["--codec", "pcm_s16le"]])
def test_what_the_film_has_over_full_scale_is_told_where_stems_add_up(
    cfork: Command, place: Path, echo: None, options: list[str]
) -> None:
    told = noise(2, RATE, level=0.1)
    told[:, 100:103] = 1.5
    film = make(place / "film.wav", Sound("pcm_f32le", sample_rate=RATE, samples=told), picture=None)
    ran = cfork("separate", film, "-o", "stems", "--residual", "file", *options)
    assert ran.code == 0
    assert [line for line in ran.lines if "full scale" in line] == [
        "note: 6 samples were over full scale and were cut: use float32 WAV"
    ]


def test_laws_of_g711_are_not_lossless(cfork: Command, place: Path, films_here: Path, echo: None) -> None:
    ran = cfork("separate", films_here / "plain.mkv", "-o", "stems", "--codec", "pcm_alaw", "--residual", "all")
    assert ran.code == 0
    assert "add up to the film only nearly" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "stems.mka", "--template", "{name}"], "--template names the files in a folder"),
        (["-o", "stems", "--format", "mp3", "--bits", "24"], "mp3 is lossy and has no bits of its own"),
        (["-o", "stems", "--format", "mka", "--bits", "7"], "16, 24 or 32 bits"),
    ],
)
def test_options_without_effect_are_refused(
    cfork: Command, place: Path, films_here: Path, arguments: list[str], words: str
) -> None:
    ran = cfork("separate", films_here / "plain.mkv", *arguments)
    assert (ran.code, len(ran.lines)) == (2, 1)
    assert words in ran.err
    assert listing(place) == {}


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


def sound_file(_: str, path: Path) -> Sink:
    return SoundFileSink(path, sample_rate=RATE, channels=1, subtype="pcm16")


def test_a_full_disk_while_opening(place: Path) -> None:
    folder = place / "stems"

    def fail_second() -> None:
        with made_folder(folder), sound_file("music", folder / "music.wav"):
            assert listing(place).keys() > {"stems"}
            raise OutputError("no room")

    with pytest.raises(OutputError, match="no room"):
        fail_second()
    assert listing(place) == {}


def test_files_of_others_stay_in_a_folder_that_we_made(place: Path) -> None:
    path = place / "stems" / "music.wav"

    def write() -> None:
        with made_folder(path.parent), sound_file("music", path) as sink:
            sink.write(np.zeros((1, 100), np.float32))
            path.write_text("somebody else's")
            sink.write(np.zeros((1, 100), np.float32))

    with pytest.raises(OutputError, match="appeared while we worked"):
        write()
    assert path.read_text() == "somebody else's"


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
    for format, bits, codec in (("doc", None, None), ("mka", 20, None), ("flac", 32, None), ("wav", 8, None)):
        with pytest.raises(UsageError):
            check_words(format, bits, codec)
    many = Stream(0, "audio", 0, "pcm_s16le", channels=9, sample_rate=RATE)
    with pytest.raises(UsageError, match="at most 8 channels"):
        stem_format(many, "flac")
    assert stem_format(many, "wav").subtype == "float32"


def test_file_names() -> None:
    told = {"name": "a{stem}b", "track": "2", "language": "fra"}
    names = file_names("{name}.{track}.{language}.{stem}", ["music", "effects"], "flac", told)
    assert names == {"music": "a{stem}b.2.fra.music.flac", "effects": "a{stem}b.2.fra.effects.flac"}
    assert file_names("voices", ["dialogue"], "wav", told) == {"dialogue": "voices.wav"}
    for template, words in {
        "{name}": "the same for all stems",
        "{stem}{date}": "unknown field {date}",
        "a/{stem}": "is not a file name",
        "../{stem}": "is not a file name",
        ".{stem}": "is not a file name",
        "{name.__class__}{stem}": "unknown field",
    }.items():
        with pytest.raises(UsageError, match=words):
            file_names(template, ["music", "effects"], "wav", told)


def test_who_takes_the_residual() -> None:
    assert residual_takers("none", STEM_NAMES) == ()
    assert residual_takers("All", STEM_NAMES) == STEM_NAMES
    assert residual_takers("file", ["music"]) == ("residual",)
    with pytest.raises(UsageError, match="add --stem effects"):
        residual_takers("music,effects", ["music"])
    with pytest.raises(UsageError, match="cannot take the residual: give none"):
        residual_takers("drums", STEM_NAMES)


# ---- the stems add up ----


@pytest.mark.parametrize("residual", ["effects", "music,effects", "all", "file"])
@pytest.mark.parametrize(("options", "bits"), [([], None), (["--bits", "16"], 16), (["--format", "flac"], 24)])
def test_the_stems_sum_to_the_film_exactly(
    cfork: Command, place: Path, leaky: None, residual: str, options: list[str], bits: int | None
) -> None:
    film = make(place / "film.wav", Sound("pcm_f32le", sample_rate=RATE, samples=noise(2, RATE + 7)), picture=None)
    ran = cfork("separate", film, "-o", "stems", "--residual", residual, "--mixture", *options, "--json")
    assert ran.code == 0, ran.out
    written = {name: read(Path(path)) for name, path in ran.result["files"].items()}
    assert written.keys() == {"mixture", *STEM_NAMES, *(["residual"] if residual == "file" else [])}
    mixture = written.pop("mixture")
    total = sum(written.values())
    if bits is None:  # half a unit in the last place of the largest stem
        np.testing.assert_array_equal(mixture, samples(film))
        assert np.abs(total - mixture).max() <= 2.0**-24 * max(np.abs(stem).max() for stem in written.values())
    else:
        np.testing.assert_array_equal(total, mixture)
        np.testing.assert_array_equal(mixture, np.rint(samples(film) * 2.0 ** (bits - 1)) / 2.0 ** (bits - 1))
    if residual == "file":
        np.testing.assert_allclose(written["residual"], 0.4 * mixture, atol=2e-4)
    elif residual == "music,effects":
        np.testing.assert_allclose(written["dialogue"], 0.2 * mixture, atol=2e-4)


def test_one_stem_and_all_the_rest(cfork: Command, place: Path, films_here: Path, leaky: None) -> None:
    ran = cfork(
        "separate", films_here / "plain.mkv", "-o", "x", "--stem", "dialogue", "--residual", "file", "--bits=16"
    )
    assert ran.code == 0
    assert listing(place).keys() == {"x", "x/dialogue.wav", "x/residual.wav"}
    total = read(place / "x/dialogue.wav") + read(place / "x/residual.wav")
    np.testing.assert_array_equal(total, samples(films_here / "plain.mkv"))


# ---- other files ----


@pytest.mark.parametrize(
    ("format", "suffix", "codec"),
    [("opus", "opus", "opus"), ("mp3", "mp3", "mp3"), ("alac", "m4a", "alac"), ("m4a", "m4a", "aac")],
)
def test_formats_that_ffmpeg_writes(
    cfork: Command, place: Path, films_here: Path, echo: None, format: str, suffix: str, codec: str
) -> None:
    ran = cfork("separate", films_here / "plain.mkv", "-o", "x", "--format", format, "--template", "{name}.{stem}")
    assert ran.code == 0, ran.err
    assert listing(place).keys() == {"x", *(f"x/plain.{name}.{suffix}" for name in STEM_NAMES)}
    music = probe(place / f"x/plain.music.{suffix}")
    assert (music.audio[0].codec, music.audio[0].channels) == (codec, 2)
    assert abs((music.duration_seconds or 0) - 2) < 0.1


@pytest.mark.parametrize("name", ["stems.mka", "stems.mkv", "stems.mov"])
def test_one_file_of_tracks(cfork: Command, place: Path, films_here: Path, leaky: None, name: str) -> None:
    film = films_here / "full.mkv"
    ran = cfork("separate", film, "-o", name, "--mixture", "--residual", "file", "--json")
    assert ran.code == 0, ran.out
    made = probe(place / name)
    assert listing(place).keys() == {name}
    pictures = [stream for stream in made.streams if stream.kind == "video"]
    assert len(pictures) == (name != "stems.mka")
    titles = ["Mixture", "Dialogue", "Music", "Effects", "Residual"]
    told = [track.title or track.tags.get("handler_name") for track in made.audio]
    assert told == titles
    assert [track.language for track in made.audio] == ["eng"] * 5
    assert ["default" in track.disposition for track in made.audio] == [True, False, False, False, False]
    assert {track.codec for track in made.audio} == {"pcm_s24le" if name == "stems.mov" else "flac"}
    mixture, *stems = (samples(place / name, number) for number in range(5))
    np.testing.assert_array_equal(sum(stem.astype(np.float64) for stem in stems), mixture)
    if pictures:
        assert packets(place / name, "v:0") == packets(film, "v:0")
        assert made.chapters == 2


def test_one_stem_in_one_file(cfork: Command, place: Path, films_here: Path, echo: None) -> None:
    film = films_here / "plain.mkv"
    assert cfork("separate", film, "-o", "voices.flac", "--stem", "dialogue").code == 0
    np.testing.assert_allclose(read(place / "voices.flac"), 0.3 * samples(film), atol=1e-6)
    ran = cfork("separate", film, "-o", "all.wav")
    assert (ran.code, len(ran.lines)) == (2, 1)
    assert "a '.wav' file holds one sound, not dialogue, music, effects" in ran.err
    assert cfork("separate", film, "-o", "voices.flac", "--format", "mp3").code == 2
    assert listing(place).keys() == {"voices.flac"}


def test_lossy_stems_add_up_only_nearly_and_that_is_told(cfork: Command, place: Path, films_here: Path) -> None:
    ran = cfork("separate", films_here / "plain.mkv", "-o", "x", "--format", "mp3", "--residual", "all", "--dry-run")
    assert "note: mp3 files are lossy, so the stems add up to the film only nearly" in ran.lines
    assert listing(place) == {}


@pytest.mark.parametrize(("layout", "rate"), [("stereo", 48_000), ("5.1", 44_100)])
def test_for_speech_recognisers(cfork: Command, place: Path, echo: None, layout: str, rate: int) -> None:
    """Mono, 16 kHz, 16 bits; a click stays at its time, and what is in the middle keeps its level."""
    channels = 2 if layout == "stereo" else 6
    sound = np.zeros((channels, 2 * rate), np.float32)
    tone = 0.2 * np.sin(2 * np.pi * 500 * np.arange(rate // 2) / rate)
    sound[[0, 1] if layout == "stereo" else [2], rate : rate + rate // 2] = tone
    make(place / "film.mkv", Sound("flac", layout, rate, samples=sound), seconds=2)
    ran = cfork("separate", "film.mkv", "--for", "asr", "-o", "voice.wav", "--json")
    assert ran.code == 0, ran.out
    assert (ran.result["sample_rate"], ran.result["channels"]) == (16_000, 1)
    heard, found_rate = soundfile.read(place / "voice.wav")
    assert (found_rate, len(heard), soundfile.info(place / "voice.wav").subtype) == (16_000, 32_000, "PCM_16")
    loud = np.flatnonzero(np.abs(heard) > 0.006)
    assert loud[0] / 16_000 == pytest.approx(1.0, abs=0.001)
    assert loud[-1] / 16_000 == pytest.approx(1.5, abs=0.001)
    assert np.abs(heard).max() == pytest.approx(0.06, rel=0.05)
    for words, told in ((["--for", "tts"], "give --for asr"), (["--for", "asr", "--bits", "24"], "leave --format")):
        assert told in cfork("separate", "film.mkv", *words, "-o", "b").err
