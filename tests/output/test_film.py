"""Output is complete or not there at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.films import Sound, make, noise
from support.processes import gone, script, wait_until
from support.readings import digest

from cfork_cli.errors import CforkError, FfmpegError, OutputError, UsageError
from cfork_cli.ffmpeg.find import find_ffmpeg
from cfork_cli.media.probe import probe
from cfork_cli.media.types import Media
from cfork_cli.media.wav import RIFF_BYTES
from cfork_cli.output import film as encode
from cfork_cli.output.destination import check_destination
from cfork_cli.output.film import FilmSink
from cfork_cli.output.sound_file import SoundFileSink

SECOND = noise(2, 48_000, bits=16)


def fill(sink: encode.Sink, seconds: int) -> None:
    """Write different noise every second, so that nothing compresses it away."""
    with sink:
        for seed in range(seconds):
            sink.write(noise(2, 48_000, level=0.3, seed=seed))


@pytest.fixture
def film(tmp_path: Path) -> Media:
    folder = tmp_path / "in"
    folder.mkdir()
    return probe(make(folder / "film.mkv", Sound("flac", samples=noise(2, 96_000, bits=16)), cover=True))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "new.mkv"


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of our own for temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_finished_film_appears_under_its_name_with_ordinary_permissions(
    route: str, film: Media, out: Path, scratch: Path
) -> None:
    before = digest(film.path)
    old = os.umask(0o027)
    try:
        with FilmSink(film, film.audio[0], out) as sink:
            sink.write(SECOND)
            assert [path.name for path in out.parent.iterdir() if not path.name.startswith(".")] == []
            sink.write(SECOND)
    finally:
        os.umask(old)
    assert os.listdir(out.parent) == [out.name]
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    assert digest(film.path) == before
    assert os.listdir(scratch) == []
    assert sink.samples == 96_000
    with pytest.raises(ValueError, match="closed"):
        sink.write(SECOND)
    sink.close()
    sink.abort()
    assert out.exists()


def test_abort_leaves_nothing(film: Media, out: Path, scratch: Path) -> None:
    sink = FilmSink(film, film.audio[0], out)
    sink.write(SECOND)
    sink.abort()
    sink.abort()
    assert os.listdir(out.parent) == []
    assert os.listdir(scratch) == []
    with pytest.raises(KeyboardInterrupt), FilmSink(film, film.audio[0], out) as sink:
        raise KeyboardInterrupt
    assert os.listdir(out.parent) == []
    assert not sink._child.running()


@pytest.mark.parametrize("sink_of", ["film", "wav"])
def test_finished_files_wait_for_their_names(film: Media, out: Path, sink_of: str) -> None:
    """Several files that belong together: all are completed and checked before the first one appears."""

    def filled() -> encode.Sink:
        if sink_of == "film":
            sink: encode.Sink = FilmSink(film, film.audio[0], out)
        else:
            sink = SoundFileSink(out.with_name("new.wav"), sample_rate=48_000, channels=2)
        sink.write(np.tile(SECOND, 2))
        return sink

    sink = filled()
    with pytest.raises(ValueError, match="finished before"):
        sink.publish()
    sink.finish()
    sink.finish()
    with pytest.raises(ValueError, match="closed"):
        sink.write(SECOND)
    assert not sink.output.exists()
    sink.abort()
    sink.publish()
    sink.close()
    assert os.listdir(out.parent) == []
    sink = filled()
    sink.finish()
    assert not sink.output.exists()
    sink.publish()
    sink.abort()
    assert os.listdir(out.parent) == [sink.output.name]
    assert probe(sink.output).audio[0].duration_seconds == pytest.approx(2, abs=0.01)


def test_what_was_there_stays_until_the_new_is_complete(film: Media, out: Path) -> None:
    out.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        FilmSink(film, film.audio[0], out)
    sink = FilmSink(film, film.audio[0], out, force=True)
    sink.write(np.tile(SECOND, 2))
    assert out.read_text() == "precious"
    sink.abort()
    assert out.read_text() == "precious"
    with FilmSink(film, film.audio[0], out, force=True) as sink:
        sink.write(np.tile(SECOND, 2))
    assert probe(out).audio


def test_a_file_that_appears_meanwhile_is_not_overwritten(film: Media, out: Path) -> None:
    sink = FilmSink(film, film.audio[0], out)
    sink.write(np.tile(SECOND, 2))
    out.write_text("precious")
    with pytest.raises(OutputError, match="appeared while we worked"):
        sink.close()
    assert out.read_text() == "precious"
    assert os.listdir(out.parent) == [out.name]


@pytest.mark.parametrize("sink_of", ["film", "wav"])
def test_destinations_that_cannot_be(film: Media, tmp_path: Path, sink_of: str) -> None:
    def opened(output: Path, force: bool) -> encode.Sink:
        if sink_of == "film":
            return FilmSink(film, film.audio[0], output, force=force)
        return SoundFileSink(output, sample_rate=48_000, channels=2, source=film.path, force=force)

    def said(output: Path, force: bool = False) -> str:
        with pytest.raises(OutputError) as caught:
            opened(output, force)
        return str(caught.value)

    suffix = ".mkv" if sink_of == "film" else ".wav"
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    assert "is a directory" in said(folder)
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)
    assert "is not an ordinary file" in said(pipe, force=True)
    assert pipe.is_fifo()
    assert "does not exist" in said(tmp_path / "no" / f"a{suffix}")
    file = tmp_path / "file.mp4"
    file.touch()
    for inside in (file / f"a{suffix}", file / "no" / f"a{suffix}"):
        assert said(inside) == f"'{file}' is a file, not a directory: choose another place with -o"
    if sink_of == "film":
        assert "is the input itself" in said(film.path, force=True)
        link = tmp_path / "link.mkv"
        link.symlink_to(film.path)
        assert "is the input itself" in said(link, force=True)
    assert "possible file name" in said(tmp_path / f"a\0{suffix}")
    assert "cannot be written" in said(tmp_path / (("x" * 300) + suffix))
    assert film.path.exists()


def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    """Through the system call's own refusal, since root may write anywhere."""
    if sys.platform == "linux":
        with pytest.raises(OutputError, match="cannot be written"):
            check_destination(Path("/proc/new.mkv"))
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(OutputError, match="cannot be written"):
            check_destination(tmp_path / "new.mkv")
        tmp_path.chmod(0o700)


def test_a_killed_encoder_leaves_nothing(film: Media, out: Path) -> None:
    sink = FilmSink(film, film.audio[0], out)
    sink.write(SECOND)
    os.kill(sink._child.pid, signal.SIGKILL)
    with pytest.raises(FfmpegError, match="killed by signal 9"):
        fill(sink, 100)
    assert os.listdir(out.parent) == []

    sink = FilmSink(film, film.audio[0], out)
    sink.write(SECOND)
    os.kill(sink._child.pid, signal.SIGTERM)
    with pytest.raises(CforkError):
        sink.close()
    assert os.listdir(out.parent) == []


FULL = """
import subprocess, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import resource
import numpy as np
from cfork_cli.codecs.choose import choose_codec
from cfork_cli.output.film import FilmSink
from cfork_cli.output.sound_file import SoundFileSink
from cfork_cli.errors import CforkError
from cfork_cli.media.probe import probe
media = probe(Path({film!r}))
out = Path({out!r})
track = media.audio[0]
block = np.random.default_rng(0).standard_normal((2, 48000)).astype(np.float32) * 0.3
if out.suffix == ".mkv":
    codec = choose_codec(track, "matroska")
    sink = FilmSink(media, track, out, codec=codec)
    resource.prlimit(sink._child.pid, resource.RLIMIT_FSIZE, ({limit}, {limit}))
else:
    sink = SoundFileSink(out, sample_rate=48000, channels=2)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    for _ in range(30):
        sink.write(block)
    sink.close()
except CforkError as error:
    print(type(error).__name__, error)
else:
    print("written")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sets limits on another process")
@pytest.mark.parametrize(("route", "name"), [("system", "new.mkv"), ("wheels", "new.wav")], indirect=["route"])
def test_a_file_that_cannot_grow_leaves_nothing(route: str, film: Media, out: Path, name: str) -> None:
    """A limit on the size of files is the full disk that needs no rights: writing fails in the middle, for real."""
    out = out.with_name(name)
    code = FULL.format(tests=str(Path(__file__).parent), film=str(film.path), out=str(out), limit=1_000_000)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250)
    assert done.stdout.startswith("OutputError"), done.stderr
    assert str(out) in done.stdout
    assert os.listdir(out.parent) == []


@pytest.mark.parametrize("late", [False, True])
def test_a_full_disk_is_called_by_its_name(
    film: Media, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """A ffmpeg that does everything but, in writing the film, finds the disk full: at once, or at the very end."""
    fake = script(
        tmp_path / "ffmpeg",
        f"import os, sys\nreal = {find_ffmpeg()!r}\n"
        f"if not any('/out/.cfork-' in a and '.mkv' in a for a in sys.argv): os.execv(real, [real, *sys.argv[1:]])\n"
        f"if {late}: sys.stdin.buffer.read()\n"
        "print('[matroska @ 0x55] Error writing trailer of x: No space left on device', file=sys.stderr)\n"
        "sys.exit(0 if " + str(late) + " else 228)\n",
    )
    monkeypatch.setenv("CFORK_FFMPEG", str(fake))
    with pytest.raises(OutputError, match="the disk is full"):
        fill(FilmSink(film, film.audio[0], out), 50)
    assert os.listdir(out.parent) == []


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_really_full(film: Media, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", small], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(OutputError, match="the disk is full"):
            fill(FilmSink(film, film.audio[0], small / "new.mkv"), 50)
        assert os.listdir(small) == []
        with pytest.raises(OutputError, match="full"):
            fill(SoundFileSink(small / "new.wav", sample_rate=48_000, channels=2), 50)
        assert os.listdir(small) == []
    finally:
        subprocess.run(["/bin/umount", small], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_no_encoder_survives_a_parent_that_is_killed(film: Media, out: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nimport numpy as np\n"
        "from cfork_cli.output.film import FilmSink\n"
        "from cfork_cli.input.decode import decode\nfrom cfork_cli.media.probe import probe\n"
        f"media = probe(Path({str(film.path)!r}))\n"
        f"sink = FilmSink(media, media.audio[0], Path({str(out)!r}))\n"
        "sink.write(np.zeros((2, 48000), np.float32))\n"
        "decoder = decode(media, media.audio[0], block_seconds=0.01)\nnext(iter(decoder))\n"
        "print(sink._child.pid, decoder._child.pid, flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
        parent.wait()
    assert wait_until(lambda: all(gone(pid) for pid in pids))
    assert not out.exists()


def test_a_film_that_came_out_short_is_not_published(film: Media, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FilmSink(film, film.audio[0], out)
    sink.write(SECOND)
    sink._written[0] = 48_000 * 60  # as if the encoder had lost 59 seconds
    with pytest.raises(FfmpegError, match=r"the new sound is 1\.0 s long, not 60\.0 s"):
        sink.close()
    assert os.listdir(out.parent) == []
    monkeypatch.setattr(encode, "probe", lambda path: film)
    sink = FilmSink(film, film.audio[0], out)
    sink.plan = sink.plan.__class__(**{**vars(sink.plan), "entries": sink.plan.entries[:2]})
    sink.write(SECOND)
    with pytest.raises(FfmpegError, match="other streams than planned"):
        sink.close()
    assert os.listdir(out.parent) == []


def test_sound_shorter_than_the_picture_keeps_the_picture(film: Media, out: Path) -> None:
    with FilmSink(film, film.audio[0], out) as sink:
        sink.write(SECOND[:, :4800])
    assert probe(out).duration_seconds == pytest.approx(2, abs=0.1)


def test_a_new_title(film: Media, out: Path) -> None:
    with FilmSink(film, film.audio[0], out, title="Louder = clearer") as sink:
        sink.write(np.tile(SECOND, 2))
    assert probe(out).audio[0].title == "Louder = clearer"


@pytest.mark.parametrize("route", ["wheels"], indirect=True)  # ffmpeg 7 and later did it wrong
def test_a_slow_writer_does_not_spoil_the_interleaving(route: str, tmp_path: Path, out: Path) -> None:
    """While ffmpeg waits for sound, it must not write the picture ahead: players would have to seek."""
    media = probe(make(tmp_path / "long.mkv", Sound("flac"), seconds=30, subtitles="srt"))
    with FilmSink(media, media.audio[0], out) as sink:
        time.sleep(0.3)
        for _ in range(30):
            sink.write(SECOND)
            time.sleep(0.02)
    positions = packet_positions(out)
    assert worst_distance(positions) < 1.0


def packet_positions(path: Path) -> list[tuple[int, float, str]]:
    """(byte position, seconds, kind) of every picture and sound packet, through PyAV."""
    import av

    with av.open(str(path)) as container:
        found = []
        for packet in container.demux(video=0, audio=0):
            if packet.pos is not None and packet.pts is not None and packet.time_base is not None:
                found.append((packet.pos, float(packet.pts * packet.time_base), packet.stream.type))
    return sorted(found)


def worst_distance(packets: list[tuple[int, float, str]]) -> float:
    last = {"video": 0.0, "audio": 0.0}
    worst = 0.0
    for _, seconds, kind in packets:
        last[kind] = seconds
        worst = max(worst, abs(last["video"] - last["audio"]))
    return worst


def test_wrong_blocks_are_refused(film: Media, out: Path) -> None:
    with FilmSink(film, film.audio[0], out) as sink:
        with pytest.raises(ValueError, match="must be"):
            sink.write(SECOND[0])
        with pytest.raises(ValueError, match="must be"):
            sink.write(SECOND.T)
        sink.write(SECOND[:, :0])
        sink.write(np.asfortranarray(np.tile(SECOND, 2)).astype(np.float64)[:, ::1])


# ---------------------------------------------------------------- sound files


@pytest.mark.parametrize(
    ("name", "subtype", "bits"),
    [
        ("a.wav", "float32", None),
        ("a.wav", "pcm24", 24),
        ("a.wav", "pcm16", 16),
        ("a.flac", "pcm24", 24),
        ("a.FLAC", "pcm16", 16),
    ],
)
@pytest.mark.parametrize("channels", [1, 6])
def test_sound_files_are_bit_exact(
    out: Path, name: str, subtype: encode.Subtype, bits: int | None, channels: int
) -> None:
    samples = noise(channels, 10_000, level=0.4, bits=bits)
    if bits is not None:
        samples[:, :2] = [-1, 1 - 2.0 ** (1 - bits)]
    path = out.with_name(name)
    with SoundFileSink(path, sample_rate=44_100, channels=channels, subtype=subtype) as sink:
        for start in range(0, 10_000, 777):
            sink.write(samples[:, start : start + 777])
    found, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 44_100
    np.testing.assert_array_equal(found.T, samples)
    assert sink.notes == ()
    assert os.listdir(out.parent) == [name]


@pytest.mark.parametrize("subtype", ["pcm16", "pcm24"])
def test_clipping_is_counted_and_told_and_does_not_wrap(out: Path, subtype: encode.Subtype) -> None:
    path = out.with_name("a.wav")
    with SoundFileSink(path, sample_rate=48_000, channels=1, subtype=subtype) as sink:
        sink.write(np.float32([[0.5, 1.0, 1.5, -1.0, -2.0, 1e9]]))
    assert sink.clipped == 3
    assert "3 samples were over full scale" in sink.notes[0]
    found = soundfile.read(path)[0]
    np.testing.assert_allclose(found, [0.5, 1, 1, -1, -1, 1], atol=1e-4)


def test_float_files_keep_what_is_over_full_scale(out: Path) -> None:
    path = out.with_name("a.wav")
    loud = np.float32([[2.5, -3.5]])
    with SoundFileSink(path, sample_rate=48_000, channels=1) as sink:
        sink.write(loud)
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], loud[0])
    assert (sink.clipped, sink.notes) == (0, ())


@pytest.mark.parametrize(("riff_bytes", "form"), [(RIFF_BYTES, "WAV"), (400_000, "WAV"), (384_000, "RF64")])
def test_large_files_are_rf64(out: Path, riff_bytes: int, form: str) -> None:
    path = out.with_name("a.wav")
    with SoundFileSink(path, sample_rate=48_000, channels=2, riff_bytes=riff_bytes) as sink:
        sink.write(SECOND)
    assert soundfile.info(path).format == form
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0].T, SECOND)
    assert probe(path).audio[0].duration_seconds == 1


def test_sound_files_that_cannot_be(out: Path) -> None:
    for name, subtype, channels in (("a.mp3", "pcm16", 2), ("a.flac", "float32", 2), ("a.flac", "pcm16", 9)):
        with pytest.raises(UsageError):
            SoundFileSink(out.with_name(name), sample_rate=48_000, channels=channels, subtype=subtype)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is not a sample format"):
        SoundFileSink(out.with_name("a.wav"), sample_rate=48_000, channels=2, subtype="pcm8")  # type: ignore[arg-type]
    assert os.listdir(out.parent) == []


def test_an_aborted_sound_file_leaves_nothing(out: Path) -> None:
    sink = SoundFileSink(out.with_name("a.wav"), sample_rate=48_000, channels=2)
    sink.write(SECOND)
    assert os.listdir(out.parent)
    sink.abort()
    sink.abort()
    assert os.listdir(out.parent) == []


@pytest.mark.parametrize("kind", ["sound", "film"])
def test_a_sink_that_cannot_be_opened_leaves_its_folder_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Whatever fails on the way: its folder can be removed at once, with nothing hidden in it."""
    film = make(tmp_path / "film.mkv", Sound(layout="stereo"), seconds=1)
    media = probe(film)

    def fails(*_: object, **__: object) -> None:
        raise FfmpegError("ffmpeg does not run")

    monkeypatch.setattr("cfork_cli.media.wav.channel_mask", fails)
    monkeypatch.setattr("cfork_cli.output.film.fit.plan_film", fails)
    (tmp_path / "new").mkdir()
    opens = {
        "sound": lambda: SoundFileSink(tmp_path / "new" / "a.wav", sample_rate=48_000, channels=2, layout="stereo"),
        "film": lambda: FilmSink(media, media.audio[0], tmp_path / "new" / "film.mkv"),
    }[kind]
    with pytest.raises(FfmpegError) as caught:
        opens()
    assert os.listdir(tmp_path / "new") == []  # while the error and all that it holds are still here
    assert caught.value is not None
