"""Sound and films through pipes: as they come, in bounded memory, and saved only where that must be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.commands import ROOT, SECONDS_EACH, Ran, echo_network, finish, listing, processes_about, start, wait_until
from support.films import Sound, ffmpeg, make, noise
from support.pipe_ends import piped
from support.readings import packets, samples

from cfork_cli.errors import InputError, UsageError
from cfork_cli.flows import network as networks
from cfork_cli.input import live
from cfork_cli.media import wav
from cfork_cli.media.pipes import RawFormat, raw_format, redirected_file, stdout_is_taken
from cfork_cli.media.probe import probe

Command = Callable[..., Ran]
RATE = 44_100
GAIN = 1 + 0.5 * (10**0.3 - 1)  # of the whole, where half of it is music and the music gets 6 dB
REMIX = ("remix", "-", "--music", "6")
F32 = ("--input-format", "f32le", "--rate", str(RATE), "--channels", "2", "--output-format", "f32le")


@pytest.fixture(autouse=True)
def echo(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """A network that puts half of the film into the music."""
    network = echo_network((0.5, 0.3, 0.2))
    monkeypatch.setattr(networks, "load_network", lambda model, *_: (network, "cpu"))


@pytest.fixture(scope="module")
def told() -> np.ndarray:
    return noise(2, 2 * RATE + 99, bits=16)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, told: np.ndarray) -> Path:
    return make(tmp_path_factory.mktemp("sound") / "a.wav", Sound(sample_rate=RATE, samples=told), picture=None)


# ---- sound ----


@pytest.mark.parametrize("kind", ["wav", "endless wav", "sox's wav", "flac", "matroska", "ogg"])
def test_anything_streamable_comes_in(sound: Path, told: np.ndarray, kind: str) -> None:
    """WAV with every size that is met, and containers, become WAV."""
    data = sound.read_bytes()
    if kind in ("flac", "matroska", "ogg"):
        data = ffmpeg("-i", sound, "-c:a", "flac", "-f", kind, "pipe:1")
    elif kind != "wav":
        size = wav.UNKNOWN if kind == "endless wav" else 0x7FFFF000
        place = data.index(b"data") + 4
        data = data[:place] + size.to_bytes(4, "little") + data[place + 4 :]
    left = piped([*REMIX, "-o", "-"], data)
    assert left.code == 0
    header = wav.Format(RATE, 2, 32).header(None)
    assert left.out.startswith(header)
    np.testing.assert_allclose(left.floats(2, len(header)), told * GAIN, atol=1e-6)


def test_bare_samples_in_and_out(told: np.ndarray) -> None:
    data = np.ascontiguousarray(told.T, ">f8").tobytes()
    shape = ["--input-format", "f64be", "--rate", RATE, "--layout", "stereo"]
    left = piped([*map(str, [*REMIX, *shape, "--output-format", "s16le"])], data)
    assert left.code == 0
    found = np.frombuffer(left.out, "<i2").reshape(-1, 2).T / 2**15
    np.testing.assert_allclose(found, told * GAIN, atol=2**-15)


def test_other_streams_out(sound: Path, told: np.ndarray, place: Path) -> None:
    for name, suffix in (("matroska", "mka"), ("flac", "flac")):
        left = piped([*REMIX, "-o", "-", "--output-format", suffix, "--codec", "flac"], sound.read_bytes())
        assert left.code == 0
        (place / f"out.{suffix}").write_bytes(left.out)
        made = probe(place / f"out.{suffix}")
        assert made.container.split(",")[0] == name
        assert made.audio[0].codec == "flac"
        np.testing.assert_allclose(samples(place / f"out.{suffix}"), told * GAIN, atol=2**-15)


def test_no_gain_is_bit_exact_and_needs_no_network(told: np.ndarray) -> None:
    left = piped(["remix", "-", *F32, "--model", "missing"], np.ascontiguousarray(told.T).tobytes())
    assert left.code == 0
    np.testing.assert_array_equal(left.floats(2), told)


def test_one_stem(sound: Path, told: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    left = piped(["separate", "-", "--stem", "dialogue", "-o", "-", "--format", "f32le", "--json"], sound.read_bytes())
    assert left.code == 0
    np.testing.assert_allclose(left.floats(2), 0.3 * told, atol=1e-6)
    result = [json.loads(line) for line in capfd.readouterr().err.splitlines()][-1]
    assert (result["stem"], result["output"], result["processed_seconds"]) == ("dialogue", "-", round(2 + 99 / RATE, 3))


@pytest.mark.parametrize(("bits", "stored"), [([], 24), (["--bits", "24"], 24), (["--bits", "16"], 16)])
def test_a_stem_gets_the_bits_that_a_file_would_have(
    sound: Path, told: np.ndarray, place: Path, capfd: pytest.CaptureFixture[str], bits: list[str], stored: int
) -> None:
    left = piped(["separate", "-", "--stem", "dialogue", "-o", "-", "--format", "flac", *bits], sound.read_bytes())
    assert left.code == 0
    (place / "stem.flac").write_bytes(left.out)
    assert probe(place / "stem.flac").audio[0].bits == stored
    np.testing.assert_allclose(samples(place / "stem.flac"), 0.3 * told, atol=1e-6 + 2.0**-stored)
    assert "note" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "flac", "--bits", "7"], "samples have 16, 24 or 32 bits here, not 7"),
        (["--format", "s16le", "--bits", "24"], "bare s16le samples have 16 bits, not 24"),
        (["--format", "mp3", "--bits", "16"], "mp3 is lossy"),
        (["--bits", "8"], "not 8 bits"),
        (["--template", "{name}"], "--template names the files in a folder"),
    ],
)
def test_a_stem_as_nobody_can_write_it(
    sound: Path, capfd: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    left = piped(["separate", "-", "--stem", "music", "-o", "-", *options], sound.read_bytes())
    assert (left.code, left.out) == (2, b"")
    assert words in capfd.readouterr().err


@pytest.mark.parametrize(
    ("command", "cut"),
    [
        (["separate", "-", "--stem", "music", "-o", "-", "--format", "s16le"], 2),
        (["separate", "-", "--stem", "music", "-o", "-", "--format", "f32le"], 0),
        (["separate", "-", "--stem", "music", "-o", "-", "--format", "flac"], 2),
        (["remix", "-", "--output-format", "s24le"], 4),
        (["remix", "-", "--codec", "pcm_s16le"], 4),
        (["remix", "-"], 0),
    ],
)
def test_samples_that_integers_cut_are_told(
    told: np.ndarray, capfd: pytest.CaptureFixture[str], command: list[str], cut: int
) -> None:
    loud = told.copy()
    loud[:, 50_000], loud[:, 50_001] = 1.5, -3.0  # of which half is music
    shape = ["--input-format", "f32le", "--rate", str(RATE), "--channels", "2"]
    left = piped([*command, *shape], np.ascontiguousarray(loud.T).tobytes())
    assert left.code == 0
    notes = [line for line in capfd.readouterr().err.splitlines() if "full scale" in line]
    due = [f"note: {cut} samples were over full scale and were cut: float samples (pcm_f32le) keep them"]
    assert notes == due * bool(cut)


def test_streams_in_bounded_memory_and_at_once() -> None:
    """Output comes while input is still to come, and an hour would need no more memory than a minute."""
    second = np.ascontiguousarray(noise(2, RATE, seed=1).T).tobytes()
    given, first = 0, 0

    def seconds() -> Iterator[bytes]:
        nonlocal given
        for _ in range(60):
            given += 1
            yield second

    def arrived(_: int) -> None:
        nonlocal first
        first = first or given

    tracemalloc.start()
    try:
        left = piped([*REMIX, *F32, "--input-lufs", "-20"], seconds(), stop_after=None, arrived=arrived)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert left.code == 0
    assert len(left.out) == 60 * len(second)
    assert first < 12, "windows of 2 s, and what the pipes hold"
    assert peak - 2 * len(left.out) < 30 * len(second), "what the test itself collects, twice, aside"


def test_loudness_of_the_beginning(monkeypatch: pytest.MonkeyPatch, told: np.ndarray) -> None:
    """30 s are heard before the first sample goes out; `--input-lufs` spares that."""
    heard: list[int] = []

    def lufs_of(blocks: list[np.ndarray], rate: int, channels: int, layout: str | None) -> float:
        heard.append(sum(block.shape[1] for block in blocks))
        return -20.0

    monkeypatch.setattr(live, "lufs_of", lufs_of)
    monkeypatch.setattr(live, "LISTEN_SECONDS", 1.0)
    data = np.ascontiguousarray(told.T).tobytes()
    left = piped([*REMIX, *F32], data)
    np.testing.assert_allclose(left.floats(2), told * GAIN, atol=1e-6)
    assert 1.0 <= heard[0] / RATE < 1.5
    assert piped([*REMIX, *F32, "--input-lufs", "-20"], data).out == left.out
    assert len(heard) == 1


def test_what_was_cut_off_is_told(sound: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = sound.read_bytes()
    left = piped([*REMIX, "-o", "-"], data[: len(data) // 2])
    assert left.code == 5
    assert "'standard input' was cut off: 1.0 seconds of sound did not come" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [(b"", 3, "'standard input' is empty"), (b"Dear reader,\n" * 1_000_000, 3, "is not a film or a sound")],
)
def test_what_is_no_sound(data: bytes, code: int, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    left = piped([*REMIX, "-o", "-"], data)
    assert (left.code, left.out) == (code, b"")
    err = capfd.readouterr().err
    assert words in err
    assert err.count("\n") == 1


# ---- films ----


@pytest.mark.parametrize("name", ["full.mp4", "full.mkv"])
def test_a_film_comes_in_and_a_film_goes_out(
    films_here: Path, place: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also an MP4 with its index at the end, which nothing can decode before all of it has come."""
    film = films_here / name
    left = piped([*REMIX, "-o", "new.mkv"], film.read_bytes())
    err = capfd.readouterr().err
    assert (left.code, left.out) == (0, b"")
    assert err.startswith("note: 'standard input' has to be read twice: it is saved in '.' first\n")
    assert packets(place / "new.mkv", "v:0") == packets(film, "v:0")
    assert packets(place / "new.mkv", "a:1") == packets(film, "a:1")
    assert listing(place).keys() == {"new.mkv"}

    left = piped([*REMIX, "-o", "-"], film.read_bytes())
    assert left.code == 0
    (place / "piped.mkv").write_bytes(left.out)
    old, new = probe(place / "new.mkv"), probe(place / "piped.mkv")
    assert [(one.kind, one.codec, one.language) for one in new.streams] == [
        (one.kind, one.codec, one.language) for one in old.streams
    ]
    assert new.chapters == old.chapters == 2
    assert packets(place / "piped.mkv", "v:0") == packets(film, "v:0")
    assert packets(place / "piped.mkv", "a:0") == packets(place / "new.mkv", "a:0")
    assert listing(place.parent / "temporary") == {}


def test_only_the_sound_of_a_film_is_not_saved(films_here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    left = piped([*REMIX, "-o", "-", "--output-format", "f32le"], (films_here / "plain.mkv").read_bytes())
    assert left.code == 0
    np.testing.assert_allclose(left.floats(2), samples(films_here / "plain.mkv") * GAIN, atol=1e-6)
    assert "read twice" not in capfd.readouterr().err


def test_a_file_goes_into_a_pipe(films_here: Path, place: Path) -> None:
    film = films_here / "full.mp4"
    left = piped(["remix", film, "-o", "-", "--track", "fra"], b"")
    (place / "new.mkv").write_bytes(left.out)
    assert (left.code, [one.language for one in probe(place / "new.mkv").audio]) == (0, ["eng", "fra"])
    assert packets(place / "new.mkv", "a:0") == packets(film, "a:0")


def test_stems_of_what_comes(sound: Path, told: np.ndarray, place: Path) -> None:
    assert piped(["separate", "-", "-o", "stems", "--residual", "all"], sound.read_bytes()).code == 0
    assert listing(place).keys() == {"stems", *(f"stems/{name}.wav" for name in ("dialogue", "music", "effects"))}
    total = sum(soundfile.read(place / path)[0] for path in listing(place) if path.endswith(".wav"))
    np.testing.assert_allclose(total.T, told, atol=1e-7)


def test_bare_samples_into_a_file(told: np.ndarray, place: Path) -> None:
    data = np.ascontiguousarray((told.T * 2**15).astype(">i2")).tobytes()
    shape = ["--input-format", "s16be", "--rate", str(RATE), "--channels", "2"]
    assert piped(["remix", "-", *shape, "-o", "new.flac"], data).code == 0
    np.testing.assert_array_equal(samples(place / "new.flac"), told)
    (place / "sound.raw").write_bytes(data)
    assert piped(["remix", "sound.raw", *shape, "-o", "two.flac"], b"").code == 0
    assert (place / "two.flac").read_bytes() == (place / "new.flac").read_bytes()


def test_bare_samples_of_a_file_stay_beside_it(told: np.ndarray, place: Path) -> None:
    """They are saved elsewhere to be read twice: what comes of them must not be lost there."""
    (place / "tape.raw").write_bytes(np.ascontiguousarray((told.T * 2**15).astype("<i2")).tobytes())
    shape = ["--input-format", "s16le", "--rate", str(RATE), "--channels", "2"]
    assert piped(["remix", "tape.raw", *shape], b"").code == 0
    assert listing(place).keys() == {"tape.raw", "tape.cfork.wav"}
    np.testing.assert_array_equal(samples(place / "tape.cfork.wav"), told)
    assert piped(["remix", "tape.raw", *shape, "--sidecar"], b"").code == 0
    np.testing.assert_array_equal(samples(place / "tape.cfork.mka"), told)


@pytest.mark.parametrize("codec", ["pcm_s32le", "pcm_f64le"])
def test_sound_that_no_float32_holds_passes_within_a_film(place: Path, codec: str) -> None:
    film = make(place / "a.mkv", Sound(codec, sample_rate=RATE, samples=noise(2, RATE)))
    left = piped(["remix", film, "-o", "-"], b"")
    (place / "b.mkv").write_bytes(left.out)
    assert left.code == 0
    assert packets(place / "b.mkv", "a:0") == packets(film, "a:0")
    left = piped(["remix", film, "-o", "-", "--music", "6"], b"")
    (place / "c.mkv").write_bytes(left.out)
    np.testing.assert_allclose(samples(place / "c.mkv"), samples(film) * GAIN, atol=1e-6)


@pytest.mark.parametrize("size", [0x7FFFF000, 0x80000000], ids=["sox", "arecord"])
def test_files_whose_programs_did_not_know_their_size(sound: Path, told: np.ndarray, place: Path, size: int) -> None:
    data = bytearray(sound.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    data[4:8] = (size + at - 4).to_bytes(4, "little")
    (place / "a.wav").write_bytes(data)
    assert piped(["remix", "a.wav", "-o", "b.wav"], b"").code == 0
    np.testing.assert_array_equal(samples(place / "b.wav"), told)
    assert piped(["remix", "-", "-o", "c.wav"], bytes(data)).code == 0
    np.testing.assert_array_equal(samples(place / "c.wav"), told)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["remix", "-", "-o", "there.mkv"], 4),
        (["remix", "-", "--music", "6", "-o", "nowhere/new.mkv"], 4),
        (["remix", "-", "--music", "6", "--model", "none-of-this-name", "-o", "new.mkv"], 7),
        (["remix", "-", "--music", "6", "--input-lufs", "60", "-o", "new.mkv"], 2),
        (["separate", "-", "-o", "there.mkv"], 4),
        (["separate", "-", "-o", "there.mkv/stems"], 4),
        (["separate", "-", "-o", "new", "--residual", "drums"], 2),
        (["separate", "-", "-o", "new", "--model", "none-of-this-name"], 7),
        (["separate", "-", "-o", "new", "--bits", "17"], 2),
    ],
)
def test_what_can_be_refused_at_once_is_not_received_first(place: Path, arguments: list[str], code: int) -> None:
    (place / "there.mkv").write_text("here")

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1 << 16)

    left = piped(arguments, endless())
    assert left.code == code
    assert not left.fed
    assert listing(place).keys() == {"there.mkv"}


def test_messages_name_what_the_user_named(films_here: Path, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    film = (films_here / "full.mkv").read_bytes()
    assert piped(["remix", "-", "--track", "7", "-o", "new.mkv"], film).code == 3
    assert "cfork: 'standard input' has no sound track 7" in capfd.readouterr().err
    assert not listing(place)


def test_a_full_disk_while_saving(
    sound: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...

        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

    data = sound.read_bytes()
    true_open: Callable[..., object] = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", **options: Full() if mode == "xb" else true_open(self, mode, **options)
    )
    left = piped([*REMIX, "-o", "new.wav"], data)
    monkeypatch.undo()
    assert left.code == 4
    message = capfd.readouterr().err.splitlines()[-1]
    assert message == (
        "cfork: 'standard input' must be saved to be read twice, and that failed (No space left on device) in '.': "
        "free some space, or choose another place with -o, or with TMPDIR"
    )
    assert listing(place.parent).keys() == {"films", "temporary"}


def test_named_pipes(sound: Path, told: np.ndarray, place: Path) -> None:
    for name in ("in", "out"):
        os.mkfifo(place / name)
    left: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: (place / "in").write_bytes(sound.read_bytes())),
        threading.Thread(target=lambda: left.append((place / "out").read_bytes())),
    ]
    for thread in threads:
        thread.start()
    ran = piped(["remix", "in", "--music", "6", "-o", "out", "--output-format", "f32le"], b"")
    for thread in threads:
        thread.join(250)
    assert (ran.code, ran.out) == (0, b"")
    np.testing.assert_allclose(np.frombuffer(left[0], "<f4").reshape(-1, 2).T, told * GAIN, atol=1e-6)
    assert listing(place).keys() == {"in", "out"}


# ---- the ends ----


def test_a_reader_that_goes_away_is_no_error(
    told: np.ndarray, sound: Path, films_here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As of `cat`, ended by SIGPIPE: not a word, and its exit code."""
    data = np.ascontiguousarray(np.tile(told, 4).T).tobytes()
    assert piped([*REMIX, *F32, "--input-lufs", "-20"], data, stop_after=1000).code == 141
    # through ffmpeg, and of a film; these are so short that a pipe may hold all of them, so nobody reads at all
    assert piped([*REMIX, "-o", "-", "--output-format", "nut"], sound.read_bytes(), stop_after=0).code == 141
    assert piped(["remix", films_here / "full.mkv", "-o", "-"], b"", stop_after=0).code == 141
    assert "cfork: " not in capfd.readouterr().err


def test_nothing_for_terminals(monkeypatch: pytest.MonkeyPatch, cfork: Command, films_here: Path, place: Path) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: True)
    ran = cfork("remix", films_here / "plain.mkv", "-o", "-")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("cfork: a terminal cannot play sound: pipe it into a player, or name a file with -o")
    machine = cfork("separate", films_here / "plain.mkv", "--stem", "music", "-o", "-", "--json")
    assert (machine.code, machine.out) == (2, "")
    assert json.loads(machine.err)["exit_code"] == 2
    ran = cfork("remix", "-", "-o", "new.mkv")
    assert ran.err == "cfork: standard input is the terminal: pipe a film into cfork, or name a file\n"
    assert listing(place) == {}


def test_a_plan_for_a_pipe(sound: Path, capfd: pytest.CaptureFixture[str]) -> None:
    left = piped([*REMIX, "--dry-run"], sound.read_bytes())
    assert (left.code, left.out) == (0, b"")
    assert capfd.readouterr().err.splitlines() == [
        "input:  standard input",
        "track:  1 of 1 (pcm_s16le 2 channels)",
        "levels: dialogue unchanged, music +6 dB, effects unchanged",
        "output: - (wav)",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output-format", "mp4"], "'mp4' goes back in what it wrote, so it cannot be piped"),
        (["--output-format", "nonsense"], "'nonsense' is unknown"),
        (["--codec", "flac"], "WAV in a pipe holds pcm_f32le, pcm_s24le, pcm_s16le, not flac"),
        (["--keep-original"], "a pipe carries the new sound alone"),
        (["--no-default"], "a pipe carries the new sound alone"),
        (["--track", "2"], "has no sound track 2"),
        (["--track", "0"], "there is no track 0"),
        (["--input-format", "s16le"], "add --rate 48000, and --channels 2 or --layout 5.1"),
    ],
)
def test_wrong_usage(sound: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    left = piped([*REMIX, *arguments], sound.read_bytes())
    assert left.code in (2, 3)
    assert left.out == b""
    err = capfd.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_what_is_known_of_bare_samples() -> None:
    assert raw_format(None, None, None, None) is None
    assert raw_format("s16le", 8000, 1, None) == RawFormat("s16le", 8000, 1)
    assert raw_format("f32le", 48_000, None, "5.1(side)") == RawFormat("f32le", 48_000, 6, "5.1(side)")
    for words in (
        (None, 8000, None, None),
        ("s16le", None, 2, None),
        ("s16le", 8000, None, None),
        ("mp3", 8000, 2, None),
        ("s16le", 8000, 3, "stereo"),
        ("s16le", 8000, None, "nonsense"),
        ("s16le", 0, 2, None),
    ):
        with pytest.raises(UsageError):
            raw_format(*words)  # type: ignore[arg-type]


def test_where_sound_goes_is_known_before_the_words_are_parsed() -> None:
    for line, taken in {
        "remix a.mkv -o - --music nonsense": True, "remix a.mkv --output=/dev/stdout": True, "remix a.mkv -o-": True,
        "separate - -o x": False, "remix - -o x.mkv": False, "remix -": True, "remix a.mkv": False, "": False,
        "info -": False,
    }.items():  # fmt: skip
        assert stdout_is_taken(line.split()) == taken, line


def test_listening(films_here: Path, place: Path) -> None:
    """MP4: only one with its index first can be decoded as it comes."""
    fast = ffmpeg("-i", films_here / "full.mp4", "-map", "0:a", "-c", "copy", "-f", "mp4",
                  "-movflags", "frag_keyframe+empty_moov", "pipe:1")  # fmt: skip
    for data, streamable in ((fast, True), ((films_here / "full.mp4").read_bytes(), False)):
        (place / "data").write_bytes(data)
        with (place / "data").open("rb") as file:
            head = live.listen(file.fileno(), Path("x"), None)
        assert (head.media is not None) == streamable
        if head.media is not None:
            assert [track.codec for track in head.media.audio] == ["aac", "aac"]
    with open(os.devnull, "rb") as file, pytest.raises(InputError, match="is empty"):
        live.listen(file.fileno(), Path("x"), None)


def test_redirected_input_is_no_pipe(films_here: Path) -> None:
    kept = os.dup(0)
    try:
        with (films_here / "plain.mkv").open("rb") as file:
            os.dup2(file.fileno(), 0)
            assert redirected_file(Path("-")) == (films_here / "plain.mkv").resolve()
            assert redirected_file(films_here) is None
            os.lseek(0, 1, os.SEEK_SET)
            assert redirected_file(Path("-")) is None, "some of it was read before"
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_without_ffprobe(route: str, sound: Path, told: np.ndarray) -> None:
    left = piped([*REMIX, "-o", "-", "--output-format", "f32le"], sound.read_bytes())
    assert left.code == 0
    np.testing.assert_allclose(left.floats(2), told * GAIN, atol=1e-6)


# ---- as installed ----


def test_in_a_shell(sound: Path, told: np.ndarray) -> None:
    """Real pipes on both sides, and nothing but sound in them."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), SECONDS_EACH: "0"}
    program = [sys.executable, str(ROOT / "tests" / "support" / "commands.py"), "remix", "-", "--music", "6", "--json"]
    done = subprocess.run(program, input=sound.read_bytes(), capture_output=True, env=environment, timeout=250)
    assert done.returncode == 0, done.stderr
    assert done.stdout[:4] == b"RIFF"
    assert len(done.stdout) == len(wav.Format(RATE, 2, 32).header(None)) + 4 * told.size
    assert json.loads(done.stderr.splitlines()[-1])["processed_seconds"] == round(2 + 99 / RATE, 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_removes_what_was_saved(films_here: Path, place: Path, number: int) -> None:
    child = start("remix", "-", "-o", "new.mkv", stdin=subprocess.PIPE)
    child.stdin.buffer.write((films_here / "full.mp4").read_bytes())
    child.stdin.buffer.flush()
    assert wait_until(lambda: any("standard input" in name for name in listing(place)))
    child.send_signal(number)
    ran = finish(child)
    assert (ran.code, ran.lines[-1]) == (128 + number, "cfork: interrupted: nothing was written")
    assert listing(place.parent).keys() == {"films", "temporary"}
    assert processes_about(place) == {}
