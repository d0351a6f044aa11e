"""What happens in the example film, and when: scenes, lines, cups, the train; and the exact sound files.

Every recording is named with the sha256 of the very file, so that a rebuild starts from the same samples or
stops. Who made it and its licence: CREDITS.md. Times are seconds from the start of the film, but `begin` and `end`
of a line are seconds of its recording in the speech folder.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS = 36.0
CAFE, DEPARTURE = 8.75, 31.8  # where the scenes change; the music's full orchestra enters with the café
MUSIC = "widelands-data/usr/share/games/widelands/data/music/ingame_26.ogg"
SFX = "openttd-opensfx/usr/share/games/openttd/baseset/opensfx/opensfx.cat"
CAVE = "caveexpress-data/usr/share/games/caveexpress/sounds/"
ORDERS = ("picovoice_s2i_en_3_00.opus", "picovoice_s2i_en_3_01.opus")  # one recording, cut after 600 s: within a line
KERSTIN = ("kerstin_de_11.opus",)

PACKAGE_FILES = {
    MUSIC: "17cc9e55a99016da030264d565841cee67f6ba52dda4b6873e2657f9b723f6d4",
    SFX: "cd348625bd82cca10620977bdf11ca5ff4fd4477bf2a87bf4463b095d12310ec",
    CAVE + "tile-waterfall.ogg": "87924323ddfbee54409cce58b3159757bbdd80cb4f9455d604f2f6eb624722ad",
    CAVE + "tile-geyser-active.ogg": "229c13f11d94d730394be1bae6f07dd9275f2040981ff32cc7c3097edb9d9a9e",
    CAVE + "water-rising.ogg": "7b21be20541fe9e1d7e99ac3f09d081fcd38e237d546b9b909217fcf0a8c1691",
    CAVE + "crate-hit1.ogg": "1f60b59a119ba68788c93622cc5cfd683508703f1216438578bfa833e741f4bb",
    CAVE + "crate-hit2.ogg": "e2c54302a99d9be981972715be976bf7c86c515b35c93d644dccb0dca966ea02",
}
SPEECH_FILES = {
    ORDERS[0]: "c351e827987d33fef62672eb4d20c147dde31788bbabac80cbf81854c0836336",
    ORDERS[1]: "873d9a1c6879ca3bcd4eda32f0d38e2f11f61bac46c592a095f6cd4a4f031a62",
    KERSTIN[0]: "6fec54909e89cb5fd1023bd04f684c9c129acbdaffb93463ea8588f66c974276",
}

OPENSFX = {  # numbers in the OpenSFX catalogue
    "whistle": 4,
    "departure": 5,
    "steam": 13,
    "bell": 14,
    "till": 20,
    "bubbles": 46,
    "slurp": 49,
    "wind": 52,
    "wheels": 71,
}


@dataclass(frozen=True)
class Line:
    """One spoken line: who says it, the files of the speech folder that make up the recording when played in a row,
    which seconds of that recording, and when the line starts in the film."""

    who: str
    files: tuple[str, ...]
    begin: float
    end: float
    at: float
    text: str

    @property
    def until(self) -> float:
        """The second of the film at which the line has been said."""
        return self.at + self.end - self.begin


DIALOGUE = (
    Line("man", ORDERS, 422.14, 423.80, 9.9, "Can I get a double-shot espresso?"),
    Line("woman", ORDERS, 598.66, 601.38, 12.2, "I want a triple-shot sixteen-ounce americano."),
    Line("man", ORDERS, 291.50, 293.81, 15.8, "Can I get light roast iced mocha with some sugar?"),
    Line("woman", ORDERS, 49.60, 52.30, 18.9, "Get me a dark roast latte with a lot of sugar and cream."),
    Line("man", ORDERS, 238.74, 241.10, 22.3, "Make me an iced coffee with a lot of sugar!"),
    Line("woman", ORDERS, 29.82, 32.96, 25.1, "Get me a dark roast house coffee with sweetener and almond milk!"),
    Line("man", ORDERS, 255.18, 256.64, 28.6, "Get me an eight-ounce latte."),
)
COMMENTARY = (
    Line(
        "Kerstin",
        KERSTIN,
        267.88,
        275.00,
        1.1,
        "Als der verlangte Stab fertig war, verließ er seines Vaters Haus,\n"
        "zog fort und kam in einen tiefen und finstern Wald.",
    ),
    Line(
        "Kerstin",
        KERSTIN,
        249.20,
        253.11,
        10.2,
        "Die Schlachtengemälde wurden restauriert\nund sind im Restaurant zu sehen.",
    ),
    Line(
        "Kerstin",
        KERSTIN,
        289.10,
        296.07,
        18.0,
        "Neben tschechischen Künstlern und namhaften tschechischen Bands\n"
        "jeglicher Musikrichtungen treten auch internationale Künstler auf.",
    ),
    Line(
        "Kerstin",
        KERSTIN,
        307.64,
        312.19,
        31.2,
        "Im Kopfhörerkabel muss unbedingt\nein Lautstärkeregler integriert sein.",
    ),
)
CUPS_AT = (12.0, 15.25, 18.45, 21.95, 24.95, 28.4, 30.0)  # after every order a cup lands on the counter
SIPS_AT = (30.5, 31.05)  # he drinks, she drinks
TRAIN_IN = (3.4, 8.0)  # the train comes in and stops
STEAM_AT = ((11.1, 0.9), (17.6, 1.0), (23.9, 1.1), (27.3, 1.2))  # the espresso machine: (begin, seconds)
BRAKES_AT = 7.6
