"""Presets: read, written, found by name, and what the user says wins."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cfork_cli.errors import OutputError, UsageError
from cfork_cli.mix.settings import Band, Processing, Reverb, StemEffects, parse_duck, parse_reverb, parse_speech_boost
from cfork_cli.presets import store
from cfork_cli.presets.preset import Preset, read, write


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of presets that is empty."""
    monkeypatch.setenv("CFORK_CONFIG", str(tmp_path))
    return tmp_path / "presets"


FULL = Preset(
    "mine", "Mine", "All of it: \"quotes\", \\ and ü.", {"dialogue": 3.0, "music": -math.inf, "effects": 0.0},
    Processing(
        {
            "dialogue": StemEffects((Band("highpass", 80), Band("peaking", 3000, 2.5)), "acompressor=ratio=3", None),
            "effects": StemEffects((), "", Reverb("halls/ä b.wav", -9.5)),
        },
        speech_boost_lu=6.5, duck_db={"music": 6.0}, night=True,
    ),
    "-23", "flac", "320k", "here",
)  # fmt: skip


@pytest.mark.parametrize("name", store._BUILT_IN)
def test_ours_are_whole_and_come_back_from_toml(name: str) -> None:
    preset = store.load(name)
    assert preset.home == "built in"
    assert preset.label
    assert preset.about.endswith(".")
    assert preset.gains_db or preset.processing
    assert read(write(preset), name, "built in") == preset


def test_every_file_of_ours_is_listed() -> None:
    folder = Path(store.__file__).parent / "built_in"
    assert {path.stem for path in folder.glob("*.toml")} == set(store._BUILT_IN)


def test_every_setting_comes_back_from_toml() -> None:
    assert read(write(FULL), "mine", "here") == FULL


def test_ones_own_are_saved_listed_and_win(home: Path) -> None:
    assert store.presets() == [store.load(name) for name in store.names()]
    path = store.save(FULL)
    assert path == home / "mine.toml"
    assert list(home.iterdir()) == [path]
    assert store.names()[-1] == "mine"
    assert store.load("mine").processing == FULL.processing
    assert store.load(str(path)).gains_db == FULL.gains_db
    with pytest.raises(OutputError, match="--force"):
        store.save(FULL)
    store.save(Preset("mine", "Other"), force=True)
    assert store.load("mine").label == "Other"
    store.save(Preset("night", "My night"))
    assert store.load("night").label == "My night"
    assert store.names().count("night") == 1


def test_a_broken_file_is_told_by_name_and_hides_nothing_else(home: Path) -> None:
    home.mkdir()
    (home / "broken.toml").write_text("gains = [")
    assert "broken" not in [preset.name for preset in store.presets()]
    assert "night" in [preset.name for preset in store.presets()]
    with pytest.raises(UsageError, match=r"broken\.toml.*TOML"):
        store.load("broken")
    with pytest.raises(UsageError, match="did you mean night"):
        store.load("nigth")
    with pytest.raises(UsageError, match="cannot be read"):
        store.load("missing.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gain = 3", "'gain' is no setting"),
        ("[gains]\nvoice = 3", r"'gains\.voice' is no setting"),
        ("[gains]\nmusic = true", "number of dB"),
        ("[gains]\nmusic = 99", "not a gain"),
        ("gains = 3", "is a table"),
        ("[music]\nbands = 3", "is a list"),
        ('[music]\nbands = [{ kind = "bell", frequency = 3 }]', "not an equalizer"),
        ('[music]\nbands = [{ kind = "peaking" }]', "a frequency"),
        ('[music]\nbands = [{ kind = "peaking", frequency = 0 }]', "no frequency"),
        ('[music]\nbands = [{ kind = "peaking", frequency = 9, gain = nan }]', "no gain"),
        ('[music]\nreverb = "hall:99"', "level of a reverb"),
        ("[music]\nfx = [1]", "text in quotes"),
        ('duck = ["dialogue:3"]', "cannot step back"),
        ("duck = 3", "is a list"),
        ('speech-boost = "loud"', "no speech boost"),
        ("speech-boost = [1]", "text such as"),
        ('night = "yes"', "true or false"),
    ],
)
def test_what_no_preset_says_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        read(text, "mine", "mine.toml")
    assert "mine.toml" in str(refused.value)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "x" * 65, "a\n"])
def test_names_that_no_file_should_have(name: str, home: Path) -> None:
    with pytest.raises(UsageError, match="no name for a preset"):
        store.save(Preset(name))
    assert not home.exists()


def test_what_the_user_says_wins_and_the_rest_stays() -> None:
    found = FULL.changed(
        gains_db={"dialogue": 0.0, "music": None},
        filters={"dialogue": "lowpass=f=8000", "music": None},
        reverbs={"effects": "none", "music": "room"},
        duck=["effects:3"],
        codec="aac",
    )
    assert found.gains_db == {"dialogue": 0.0, "music": -math.inf, "effects": 0.0}
    assert dict(found.processing.effects) == {
        "dialogue": StemEffects((), "lowpass=f=8000"),
        "music": StemEffects(reverb=Reverb("room")),
    }
    assert (found.processing.duck_db, found.processing.night) == ({"effects": 3.0}, True)
    assert (found.codec, found.bitrate, found.loudness) == ("aac", "320k", "-23")
    assert FULL.changed() == FULL
    off = FULL.changed(speech_boost="off", duck=["none"], night=False, filters={"dialogue": "none"},
                       reverbs={"effects": "none"})  # fmt: skip
    assert not off.processing


@pytest.mark.parametrize(
    ("text", "reverb"),
    [("room", Reverb("room", -12)), ("HALL:-6dB", Reverb("hall", -6)), ("a:b.wav", Reverb("a:b.wav")),
     ("C:\\x.wav:-3", Reverb("C:\\x.wav", -3)), ("none", None)],
)  # fmt: skip
def test_reverbs(text: str, reverb: Reverb | None) -> None:
    assert parse_reverb(text) == reverb


def test_words_of_the_command_line() -> None:
    assert parse_duck(["music", "sfx:-3 dB"]) == {"music": 6.0, "effects": 3.0}
    assert parse_duck(["music:6", "none"]) == {}
    assert parse_speech_boost("9 LU") == parse_speech_boost(9) == 9.0
    for wrong in ("music:x", "music:nan", "music:99", "voice:3"):
        with pytest.raises(UsageError):
            parse_duck([wrong])
    for strange in ("auto:", "nan", "99", "auto:-99"):
        with pytest.raises(UsageError):
            parse_speech_boost(strange)
