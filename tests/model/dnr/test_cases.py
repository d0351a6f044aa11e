"""Special cases from tiny packs: what is in which stem, and what two cases share."""

import json

import numpy as np
import pytest
import soundfile as sf
from support.tiny_packs import SOUNDS, chord, hiss, voice, write_pack

from model import SAMPLE_RATE, STEMS
from model.dnr.cases import ABOUT, CaseMixer, build_cases
from model.dnr.passages import language_of, load_sources, looped
from model.dnr.trees import find_scenes, read_scene
from model.loudness import integrated_lufs

SECONDS = 1.5
MUSIC, DIALOGUE, EFFECTS = (STEMS.index(stem) for stem in ("music", "dialogue", "effects"))


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    """Two speakers in two languages, one of them narrow-band, and one who does not say."""
    root = tmp_path_factory.mktemp("packs")
    words = [voice(seed, 0.9) for seed in range(6)]
    write_pack(root / "test", "speech", words, ["gcompris_fr", "gcompris_fr", "x", "x", "audio_cmn_zh", "audio_cmn_zh"])
    write_pack(root / "test", "music", [chord(seed, 2.5) for seed in range(2)], ["a", "b"])
    write_pack(root / "test", "effects", [hiss(seed, 0.4 + 4 * seed) for seed in range(2)], ["a", "b"])
    return root


@pytest.fixture(scope="module")
def mixer(packs):
    return CaseMixer(packs, "test", SECONDS, seed=0)


@pytest.fixture(scope="module")
def drawn(mixer):
    """Scene 0 of every case: case -> (stems, facts)."""
    return {case: mixer.draw(case, 0) for case in mixer.cases}


def test_the_cases_that_these_packs_allow(mixer):
    assert list(mixer.cases) == [
        "plain", "telephone", "language-fr", "language-zh",
        *[name for name in ABOUT if name not in ("plain", "telephone")],
    ]  # fmt: skip
    for simulated in ("whispered", "over-singing"):
        assert "SIMULATED" in mixer.cases[simulated]


def test_every_scene_is_as_loud_as_films_are_made(drawn):
    for stems, _ in drawn.values():
        assert stems.shape == (3, round(SECONDS * SAMPLE_RATE))
        assert stems.dtype == np.float32
        assert np.isfinite(stems).all()
        mixed = stems.sum(axis=0)
        assert np.abs(mixed).max() < 1
        assert integrated_lufs(mixed, SAMPLE_RATE) <= -26.9
    assert integrated_lufs(drawn["plain"][0].sum(axis=0), SAMPLE_RATE) == pytest.approx(-27, abs=0.1)


@pytest.mark.parametrize(
    ("case", "silent"),
    [
        ("plain", ()), ("over-singing", ()), ("over-ambience", (MUSIC,)), ("dialogue-only", (MUSIC, EFFECTS)),
        ("music-only", (DIALOGUE, EFFECTS)), ("effects-only", (MUSIC, DIALOGUE)),
    ],
)  # fmt: skip
def test_what_is_silent(drawn, case, silent):
    stems, _ = drawn[case]
    assert tuple(number for number in range(3) if not stems[number].any()) == silent


def proportional(one, other):
    """The correlation of two signals."""
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


@pytest.mark.parametrize("case", ["telephone", "distant", "whispered", "language-fr"])
def test_cases_about_voices_share_all_but_the_voice(drawn, case):
    plain, other = drawn["plain"][0], drawn[case][0]
    for number in (MUSIC, EFFECTS):
        assert proportional(plain[number], other[number]) == pytest.approx(1, abs=1e-4)
    assert abs(proportional(plain[DIALOGUE], other[DIALOGUE])) < 0.99


def test_a_song_is_in_the_music_and_is_another_speaker_s(drawn):
    plain, other = drawn["plain"][0], drawn["over-singing"][0]
    for number in (DIALOGUE, EFFECTS):
        assert proportional(plain[number], other[number]) == pytest.approx(1, abs=1e-4)
    assert proportional(plain[MUSIC], other[MUSIC]) < 0.9
    facts = drawn["over-singing"][1]
    assert facts["singer"] != facts["speaker"]


def test_distance_and_whispers_are_quieter(drawn):
    def over_music(case):
        stems = drawn[case][0]
        return integrated_lufs(stems[DIALOGUE], SAMPLE_RATE) - integrated_lufs(stems[MUSIC], SAMPLE_RATE)

    assert over_music("distant") == pytest.approx(over_music("plain") - 6, abs=0.1)
    assert over_music("whispered") == pytest.approx(over_music("plain") - 4, abs=0.1)


def test_ambience_is_as_loud_as_the_speech_or_louder(drawn):
    stems, facts = drawn["over-ambience"]
    above = integrated_lufs(stems[EFFECTS], SAMPLE_RATE) - integrated_lufs(stems[DIALOGUE], SAMPLE_RATE)
    assert above == pytest.approx(facts["ambience_over_speech_lu"], abs=0.1)
    assert 0 <= facts["ambience_over_speech_lu"] <= 3


def test_languages_speak_with_their_own_groups(drawn):
    assert drawn["language-fr"][1]["speaker"] == "gcompris_fr"
    assert drawn["language-zh"][1]["speaker"] == "audio_cmn_zh"


def test_the_seed_and_the_number_decide(packs, mixer, drawn):
    again, _ = CaseMixer(packs, "test", SECONDS, seed=0).draw("plain", 0)
    np.testing.assert_array_equal(again, drawn["plain"][0])
    for other in (mixer.draw("plain", 1)[0], CaseMixer(packs, "test", SECONDS, seed=1).draw("plain", 0)[0]):
        assert not np.array_equal(other, again)


def test_the_command(cfork, packs, place):
    ran = cfork("dnr", "cases", packs, "cases", "--scenes", "1", "--seconds", "1")
    assert ran.code == 0, ran.err
    assert "of 1 x 1 s to cases; score them with 'cfork evaluate cases'" in ran.lines[-1]
    assert {group.name for group in find_scenes(place / "cases")} >= {"plain", "whispered", "language-fr"}

    def refused(code, *arguments):
        ran = cfork("dnr", "cases", *arguments)
        assert (ran.code, ran.out, len(ran.lines)) == (code, "", 1), ran.err
        return ran.err

    assert "exists already" in refused(4, packs, "cases")
    assert "no packs of the split 'train'" in refused(3, packs, "other", "--split", "tr")
    assert "make them with 'cfork dnr sources'" in refused(3, place / "missing", "other")
    assert "give --seconds from 1 to 600" in refused(2, packs, "other", "--seconds", "0")
    assert not (place / "other").exists()


def test_cases_that_there_are_not(mixer, tmp_path):
    with pytest.raises(ValueError, match="there are plain, telephone"):
        mixer.draw("karaoke", 0)
    with pytest.raises(FileNotFoundError):
        CaseMixer(tmp_path, "test", SECONDS, 0)


@pytest.mark.parametrize(
    ("group", "language"),
    [
        ("asterisk-core-sounds-fr-g722/usr/share/asterisk/sounds/fr_CA_f_June/digits", "fr"),
        ("fillets-ng-data-nl/usr/share/games/fillets-ng/sound/cave/nl", "nl"),
        ("nexuiz-data/_unpacked/data.pk3/sound/tutorial", "en"), ("kerstin_de_11", "de"), ("picovoice_s2i_en_1", "en"),
        ("widelands-data/sound/nothing", None),
    ],
)  # fmt: skip
def test_languages_by_the_names_of_groups(group, language):
    assert language_of(group) == language


def test_narrow_speakers_are_taken_where_no_others_are(tmp_path):
    write_pack(tmp_path, "speech", [voice(0, 2.0), voice(1, 0.3)], ["long", "short"], rate=16_000)
    sources = load_sources(tmp_path, "speech")
    assert sources.wide_enough(["long", "short"], 1.0) == ["long"]
    assert sources.wide_enough(["short"], 1.0) == ["short"]
    (tmp_path / "speech.csv").write_text("group,file,start,length,source_rate\n")
    with pytest.raises(ValueError, match="empty"):
        load_sources(tmp_path, "speech")


def test_loops_have_no_gaps():
    looping = looped(np.ones(SAMPLE_RATE), 3 * SAMPLE_RATE)
    assert len(looping) == 3 * SAMPLE_RATE
    # fades in and out by turns add up to one
    np.testing.assert_allclose(looping[SAMPLE_RATE // 2 : -SAMPLE_RATE], 1.0, atol=1e-3)


def test_a_tree_that_can_be_scored(packs, tmp_path):
    seen = []
    cases = build_cases(packs, tmp_path / "out", scenes=1, seconds=0.8, progress=lambda *at: seen.append(at))
    groups = find_scenes(tmp_path / "out")
    assert [group.name for group in groups] == list(cases)
    assert seen == [(done, len(cases)) for done in range(1, len(cases) + 1)]
    for group in groups:
        (folder,) = group.folders
        assert sorted(path.name for path in folder.iterdir()) == ["mix.wav", "music.wav", "sfx.wav", "speech.wav"]
        scene = read_scene(folder)
        np.testing.assert_array_equal(scene.mixture, scene.stems.sum(axis=0))
        assert sf.info(folder / "mix.wav").subtype == "FLOAT"
    written = json.loads((tmp_path / "out" / "cases.json").read_text())
    assert written["cases"]["plain"]["scenes"]["00"]["speaker"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(FileExistsError, match="exists already"):
        build_cases(packs, tmp_path / "out", scenes=1)


def test_a_failure_leaves_nothing(packs, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cases(packs, tmp_path / "out", scenes=1, seconds=0.8, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_packs_of_other_tests_do_too(tmp_path):
    """Groups without a language, and clips longer than the scene."""
    for kind, sound in SOUNDS.items():
        write_pack(tmp_path / "test", kind, [sound(0, 1.0)], ["a"])
    mixer = CaseMixer(tmp_path, "test", 0.8, 0)
    assert not [case for case in mixer.cases if case.startswith("language-")]
    assert mixer.draw("over-ambience", 0)[0][EFFECTS].any()
    assert mixer.draw("over-singing", 0)[0][MUSIC].any()
