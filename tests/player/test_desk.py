"""Effects and presets in the page's words: what is said comes back, what makes no sense is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cfork_cli.errors import UsageError
from cfork_cli.mix.settings import Band, Reverb, StemEffects
from cfork_cli.player import desk
from cfork_cli.presets import store
from cfork_cli.presets.preset import Preset

WORDS = {
    "bands": [
        {"kind": "highpass", "frequency": 80},
        {"kind": "peaking", "frequency": 3000, "gain": 2.5},
    ],
    "reverb": "hall:-9",
}


def test_what_the_page_says_is_what_export_does() -> None:
    effects = desk.processing_of({"dialogue": WORDS, "music": {}}).effects
    bands = (Band("highpass", 80), Band("peaking", 3000, 2.5))
    assert effects == {"dialogue": StemEffects(bands=bands, reverb=Reverb("hall", -9))}
    assert not desk.processing_of(None)


def test_presets_come_back_as_they_were() -> None:
    processing = desk.processing_of({"effects": WORDS})
    facts = desk.preset_facts(Preset("a", gains_db={"music": -float("inf"), "dialogue": 3.0}, processing=processing))
    assert facts is not None
    assert facts["gains"] == {"dialogue": 3.0, "music": None, "effects": 0.0}
    assert desk.processing_of(facts["effects"]) == processing


def test_presets_that_the_page_cannot_play_are_left_out() -> None:
    there = {preset.name: desk.preset_facts(preset) for preset in store.presets()}
    assert there["cinema"]["effects"]["music"] == {"bands": [], "reverb": "hall:-16"}
    assert there["dub"]["gains"]["dialogue"] is None
    assert there["night"] is there["clear-speech"] is there["voices"] is None


@pytest.mark.parametrize(
    "words",
    [
        [],
        {"voice": {}},
        {"music": {"fx": "aecho"}},
        {"music": {"reverb": "/etc/passwd"}},
        {"music": {"reverb": "church.wav:-3"}},
        {"music": {"reverb": 3}},
        {"music": {"bands": "highpass"}},
        {"music": {"bands": [{"kind": "volume", "frequency": 80}]}},
        {"music": {"bands": [{"kind": "highpass"}]}},
        {"music": {"bands": [{"kind": "peaking", "frequency": 80, "gain": 99}]}},
        {"music": {"bands": [{"kind": "peaking", "frequency": [80]}]}},
        {"music": {"bands": [{"kind": "peaking", "frequency": "80Hz"}]}},
        {"music": {"bands": [{"kind": "highpass", "frequency": 80}] * 9}},
    ],
)
def test_nonsense_is_refused(words: Any) -> None:
    with pytest.raises(UsageError):
        desk.processing_of(words)


def test_a_room_is_left_then_right() -> None:
    room = np.frombuffer(desk.room("room"), "<f4").reshape(2, -1)
    assert np.square(room).sum(axis=1) == pytest.approx([1, 1], abs=1e-3)
