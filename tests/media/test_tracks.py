"""Which tracks `--track` means."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfork_cli.errors import InputError, UsageError
from cfork_cli.media.languages import canonical
from cfork_cli.media.tracks import one, select
from cfork_cli.media.types import Media, Stream


def film(*tracks: Stream) -> Media:
    picture = Stream(0, "video", 0, "h264")
    return Media(Path("film.mkv"), "matroska,webm", 60.0, 0.0, {}, 0, (picture, *tracks))


def sound(number: int, language: str | None = None, *flags: str, rate: int | None = 48_000) -> Stream:
    return Stream(
        number, "audio", number - 1, "aac", language=language, disposition=frozenset(flags), channels=2,
        sample_rate=rate, sample_format="fltp",
    )  # fmt: skip


FILM = film(
    sound(1, "eng", "comment"), sound(2, "eng"), sound(3, "fre", "default"), sound(4, "fre", "visual_impaired"),
    sound(5, "por"), sound(6, "pt-BR"), sound(7), sound(8, "deu", rate=None),
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], [3]),
        (["2"], [2]),
        (["3,1"], [1, 3]),
        (["2", "1", "2"], [1, 2]),
        (["1; 5"], [1, 5]),
        (["eng"], [2]),  # not the commentary
        (["en"], [2]),
        (["EN-us"], [2]),
        (["fra"], [3]),  # the file says "fre"
        (["fr"], [3]),
        (["pt"], [5]),
        (["pt-BR"], [6]),
        (["default"], [3]),
        (["all"], [1, 2, 3, 4, 5, 6, 7]),  # nothing can be decoded of the eighth
        (["fra,7", "en"], [2, 3, 7]),
    ],
)
def test_words_for_tracks(asked: list[str], expected: list[int]) -> None:
    assert [track.number + 1 for track in select(FILM, asked)] == expected


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ("0", UsageError, "counted from 1"),
        ("-1", UsageError, "counted from 1"),
        ("9", InputError, "no sound track 9: choose one of 1 "),
        ("ita", InputError, "no sound track in 'ita': choose one of 1 "),
        ("main one", UsageError, "'main' is not a track"),
        (" , ", UsageError, "names no track"),
        ("1.5", UsageError, "'1.5' is not a track"),
    ],
)
def test_words_that_name_none(asked: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        select(FILM, [asked])


@pytest.mark.parametrize("asked", [[], ["1"], ["eng"], ["all"]])
def test_a_film_without_sound(asked: list[str]) -> None:
    with pytest.raises(InputError, match="no sound track"):
        select(film(), asked)


def test_a_single_track() -> None:
    assert one(FILM, None).number == 2
    assert one(FILM, "por").number == 4
    with pytest.raises(UsageError, match="means 7 tracks"):
        one(FILM, "all")


@pytest.mark.parametrize(
    ("two", "three", "old"),
    [("de", "deu", "ger"), ("zh", "zho", "chi"), ("nl", "nld", "dut"), ("cs", "ces", "cze"), ("el", "ell", "gre")],
)
def test_three_ways_to_write_a_language(two: str, three: str, old: str) -> None:
    assert canonical(two) == canonical(three) == canonical(old) == three


def test_every_language_code_has_its_length() -> None:
    from cfork_cli.media.languages import _THREE

    assert {len(code) for code in _THREE} == {2, 3}
    assert {len(code) for code in _THREE.values()} == {3}
    assert sum(len(code) == 2 for code in _THREE) == 184
    assert sum(len(code) == 3 for code in _THREE) == 20


def test_a_track_that_never_comes_is_not_the_default() -> None:
    announced = film(sound(1, "eng", "default", rate=None), sound(2, "deu"))
    assert select(announced, [])[0].number == 1
    assert select(film(sound(1, rate=None)), [])[0].number == 0
