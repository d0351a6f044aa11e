"""The scene indoors: two guests at the bar who outbid each other in coffees."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image

from examples.night_train.drawing import HEIGHT, WARM, WIDTH, Colour, Frame, Pen, finish, glow, gradient, rain
from examples.night_train.script import CUPS_AT, DIALOGUE, SIPS_AT, STEAM_AT


@cache
def cafe() -> Image.Image:
    """What stands still in the café: wall, window, painting, shelf, machine and bar."""
    image = gradient([(0, (38, 24, 38)), (0.5, (104, 58, 54)), (0.72, (92, 50, 46)), (1, (40, 24, 28))])
    pen, random = Pen(image), np.random.default_rng(5)
    for x in range(0, WIDTH, 44):
        pen.box(x, 0, 1, 360, (70, 42, 48))
    pen.box(312, 58, 232, 192, (60, 34, 30), 6)
    pen.box(322, 68, 212, 172, (24, 28, 62))
    pen.box(322, 132, 212, 92, (72, 36, 50))  # the train waits outside
    pen.box(322, 124, 212, 12, (34, 26, 42))
    pen.box(322, 206, 212, 5, (190, 150, 90))
    for x in (338, 390, 446, 498):
        pen.box(x, 148, 32, 44, (226, 172, 100), 5)
    pen.box(322, 224, 212, 16, (18, 18, 32))
    pen.box(46, 62, 196, 124, (176, 130, 62), 4)  # the battle painting of which the commentary speaks
    pen.box(56, 72, 176, 104, (150, 132, 104))
    pen.box(56, 136, 176, 40, (52, 84, 88))
    for x, s in ((104, 1.0), (186, 0.8)):
        pen.shape([(x - 30 * s, 138), (x + 32 * s, 138), (x + 24 * s, 152), (x - 22 * s, 152)], (70, 42, 30))
        for mast in (-14, 4, 20):
            pen.line([(x + mast * s, 138), (x + mast * s, 138 - 52 * s)], (58, 38, 30), 1.5)
            pen.shape(
                [
                    (x + mast * s - 8 * s, 130),
                    (x + mast * s + 9 * s, 130),
                    (x + mast * s + 6 * s, 92),
                    (x + mast * s - 6 * s, 94),
                ],
                (232, 220, 192),
            )
    for x, y, r in zip(
        random.uniform(126, 168, 14), random.uniform(112, 140, 14), random.uniform(4, 11, 14), strict=True
    ):
        pen.oval(x, y, r, r * 0.8, (206, 190, 164))
    pen.oval(132, 138, 5, 4, (240, 150, 70))
    pen.box(620, 150, 196, 7, (70, 40, 30))
    for k, x in enumerate(range(634, 806, 22)):
        pen.box(
            x,
            122 + 6 * (k % 3),
            14,
            28 - 6 * (k % 3),
            ((120, 150, 128), (196, 120, 84), (214, 198, 168))[k % 3],
            4,
        )
    pen.box(664, 236, 148, 120, (120, 122, 134), 10)
    pen.box(664, 236, 148, 34, (168, 60, 56), 10)
    pen.box(676, 276, 124, 44, (58, 58, 70), 4)
    pen.box(676, 322, 124, 8, (190, 192, 200))
    for x in (700, 744, 788):
        pen.oval(x, 254, 7, 7, (236, 226, 204))
        pen.line([(x, 254), (x + 4, 249)], (40, 30, 30), 1)
        pen.box(x - 8, 290, 16, 9, (30, 30, 38), 2)
    for x in (150, 427, 704):
        pen.line([(x, 0), (x, 28)], (24, 16, 22), 1.5)
        pen.shape([(x - 26, 46), (x - 9, 26), (x + 9, 26), (x + 26, 46)], (36, 74, 72))
        pen.oval(x, 47, 10, 6, (255, 238, 190))
    return image


def bar(pen: Pen) -> None:
    """The bar, drawn after the guests who sit behind it."""
    pen.box(0, 372, WIDTH, 108, (70, 38, 30))
    for x in range(6, WIDTH, 106):
        pen.box(x, 402, 94, 66, (84, 48, 36), 4)
    pen.box(0, 356, WIDTH, 20, (150, 92, 58))
    pen.box(0, 356, WIDTH, 4, (206, 146, 96))


def cup(pen: Pen, x: float, y: float, size: float, colour: Colour) -> None:
    pen.arc(x + 11 * size, y - 10 * size, 6 * size, 6 * size, (-90, 90), colour, 2.5 * size)
    pen.shape(
        [
            (x - 11 * size, y - 19 * size),
            (x + 11 * size, y - 19 * size),
            (x + 7 * size, y),
            (x - 7 * size, y),
        ],
        colour,
    )
    pen.oval(x, y - 19 * size, 11 * size, 3 * size, (92, 54, 36))


def guest(pen: Pen, who: str, at: float, mouth: float, speaking: bool) -> None:
    """A guest to the bar's edge; `mouth` 0..1 opens the mouth, who listens looks at who speaks."""
    man = who == "man"
    x, look = (556, -1) if man else (284, 1)
    y = 232 + 2.2 * math.sin(2.1 * at + man) - (5 * mouth if speaking else 0)
    skin, hair, coat = (
        ((232, 184, 150), (58, 44, 44), (52, 78, 104)) if man else ((240, 196, 166), (150, 62, 42), (180, 64, 62))
    )
    if not man:
        pen.oval(x, y + 6, 43, 54, hair)
    pen.shape(
        [
            (x - 78, 372),
            (x - 62, y + 84),
            (x - 22, y + 64),
            (x + 22, y + 64),
            (x + 62, y + 84),
            (x + 78, 372),
        ],
        coat,
    )
    pen.box(x - 13, y + 34, 26, 36, (214, 164, 132), 8)
    pen.shape(
        [(x - 26, y + 64), (x, y + 92), (x + 26, y + 64), (x + 12, y + 58), (x - 12, y + 58)],
        (236, 226, 208) if man else (238, 196, 92),
    )
    pen.oval(x, y, 33, 42, skin)
    if man:
        pen.shape([(x - 35, y - 16), (x + 35, y - 16), (x + 31, y - 48), (x - 31, y - 48)], (44, 52, 66))
        pen.box(x - 46, y - 22, 92, 9, (34, 40, 52), 4)
        pen.box(x - 35, y - 14, 7, 20, hair, 3)
        pen.box(x + 28, y - 14, 7, 20, hair, 3)
    else:
        pen.shape(
            [
                (x - 36, y + 2),
                (x - 30, y - 36),
                (x, y - 50),
                (x + 30, y - 36),
                (x + 36, y + 2),
                (x + 22, y - 20),
                (x - 6, y - 26),
            ],
            hair,
        )
    blink = (at * 0.37 + man * 0.4) % 1 > 0.965
    for side in (-13, 13):
        if blink:
            pen.line([(x + side - 5, y - 2), (x + side + 5, y - 2)], (60, 40, 40), 1.5)
        else:
            pen.oval(x + side, y - 2, 6, 5, (250, 246, 238))
            pen.oval(x + side + 2.4 * look, y - 2, 3, 3.6, (44, 40, 56))
        lift = 4 * mouth if speaking else 0
        pen.line([(x + side - 7, y - 11 - lift), (x + side + 7, y - 12 - lift)], hair, 2)
    pen.line([(x + 2 * look, y + 2), (x + 6 * look, y + 11), (x + 1 * look, y + 13)], (196, 140, 112), 1.6)
    pen.oval(x + 2 * look, y + 24, 9 - 2 * mouth, 1.6 + 8 * mouth, (120, 40, 48))
    if man:
        pen.shape(
            [
                (x - 18, y + 20),
                (x - 9, y + 14),
                (x - 2, y + 16),
                (x + 6, y + 14),
                (x + 16, y + 20),
                (x + 6, y + 19),
                (x - 2, y + 20),
                (x - 9, y + 19),
            ],
            hair,
        )
    sip = at - SIPS_AT[0 if man else 1]
    if -0.5 < sip < 0.9:  # the cup goes up to the mouth and down again
        lift = math.sin(math.pi * (sip + 0.5) / 1.4)
        cup(pen, x + 4 * look, 352 - (352 - y - 36) * lift, 1.1, (240, 232, 214))
        pen.oval(x + 4 * look - 14 * look, 352 - (352 - y - 30) * lift, 10, 9, skin)


def indoors(at: float, mouths: dict[str, float]) -> Frame:
    image = cafe().copy()
    pen, light = Pen(image), np.zeros((HEIGHT, WIDTH, 3), np.float32)
    rain(pen, 0.45 * at, 60, (322, 68, 212, 172), (96, 108, 150))
    pen.box(425, 66, 5, 176, (60, 34, 30))
    pen.box(320, 152, 216, 5, (60, 34, 30))
    for who in ("woman", "man"):
        speaking = any(line.who == who and line.at <= at < line.until for line in DIALOGUE)
        guest(pen, who, at, mouths[who], speaking)
    bar(pen)
    for number, landed in enumerate(CUPS_AT):
        if at > landed - 0.25:
            drop = max(0.0, (landed - at) / 0.25)
            place, row = number // 2, number % 2
            x = (344 + 36 * place) if row else (490 - 36 * place)
            cup(
                pen,
                x - 180 * row + (150 if not row else 0),
                374 - 46 * drop**2,
                1.15,
                ((240, 232, 214), (206, 96, 84), (120, 164, 156), (236, 190, 96))[number % 4],
            )
    sway = 0.05 * math.sin(1.3 * at)
    for x in (150, 427, 704):
        glow(light, x, 52, 150, WARM, 0.5 + sway)
        glow(light, x, 190, 220, WARM, 0.14)
    for begin, seconds in STEAM_AT:
        for k in range(24):
            age = at - begin - k * seconds / 24
            if 0 < age < 1.4:
                glow(
                    light,
                    722 + 10 * math.sin(5 * k) + 14 * age,
                    318 - 96 * age,
                    8 + 30 * age,
                    (200, 200, 210),
                    0.5 * (1 - age / 1.4),
                )
    for number, landed in enumerate(CUPS_AT):
        if at > landed:
            x = (164 + 36 * (number // 2)) if number % 2 else (640 - 36 * (number // 2))
            for k in range(3):
                rise = (at * 0.5 + k / 3 + number * 0.21) % 1
                glow(
                    light,
                    x + 4 * math.sin(7 * rise + number),
                    352 - 34 * rise,
                    6 + 8 * rise,
                    (190, 180, 180),
                    0.3 * math.sin(math.pi * rise),
                )
    return finish(image, light)
