"""The scene outdoors: a rainy platform at night, a small café, the train coming in and leaving."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image, ImageFilter, ImageFont

from examples.night_train.drawing import HEIGHT, WARM, WIDTH, Frame, Light, Pen, finish, glow, gradient, rain
from examples.night_train.script import BRAKES_AT, DEPARTURE, TRAIN_IN

STOP_X = 292  # where the engine's front stands when the train has stopped


@cache
def platform() -> Image.Image:
    """What stands still behind the train: sky, stars, moon, hills and pines."""
    image = gradient(
        [
            (0, (10, 14, 42)),
            (0.45, (35, 40, 92)),
            (0.72, (88, 66, 112)),
            (0.8, (30, 30, 56)),
            (1, (12, 14, 30)),
        ]
    )
    pen, random = Pen(image), np.random.default_rng(3)
    for x, y, s in zip(
        random.uniform(0, WIDTH, 130), random.uniform(0, 230, 130), random.uniform(0.3, 1, 130), strict=True
    ):
        pen.oval(x, y, 0.9 * s, 0.9 * s, (int(120 + 120 * s),) * 2 + (240,))
    pen.oval(690, 92, 34, 34, (244, 236, 205))
    for x, y, r in ((680, 84, 8), (702, 100, 6), (694, 74, 4)):
        pen.oval(x, y, r, r, (228, 218, 186))
    for height, step, phase, colour in (
        (270, 0.011, 0.3, (52, 46, 92)),
        (312, 0.017, 1.9, (34, 34, 70)),
        (342, 0.026, 4.0, (20, 24, 48)),
    ):
        ridge = [
            (x, height - 32 * math.sin(step * x + phase) - 12 * math.sin(2.7 * step * x)) for x in range(-4, 860, 4)
        ]
        pen.shape([(-4, HEIGHT), *ridge, (858, HEIGHT)], colour)
        if height == 312:
            for x, y in ridge[::5]:
                tall = random.uniform(14, 34)
                pen.shape([(x - tall / 4, y + 5), (x, y - tall), (x + tall / 4, y + 5)], colour)
    pen.box(0, 392, WIDTH, 8, (54, 50, 66))
    return image


@cache
def station() -> Image.Image:
    """What stands before the train, RGBA: the café, lamps and the wet platform."""
    image = Image.new("RGBA", (2 * WIDTH, 2 * HEIGHT), (0, 0, 0, 0))
    pen = Pen(image)
    pen.draw.rectangle([0, 2 * 404, 2 * WIDTH, 2 * HEIGHT], (30, 30, 50, 255))
    pen.draw.rectangle([0, 2 * 404, 2 * WIDTH, 2 * 408], (86, 80, 100, 255))
    for x in range(-400, 1300, 62):
        pen.line([(x, HEIGHT), (427 + (x - 427) * 0.62, 408)], (23, 23, 40), 1)
    pen.box(28, 220, 226, 186, (48, 34, 48))
    pen.shape([(10, 226), (60, 168), (226, 168), (272, 226)], (30, 24, 40))
    pen.box(84, 130, 20, 46, (40, 28, 40))
    for x in (46, 122):
        pen.box(x, 252, 62, 84, (96, 60, 44))
        pen.box(x + 4, 256, 54, 76, (255, 204, 122))
        pen.box(x + 4, 316, 54, 16, (226, 150, 80))
        pen.line([(x + 31, 254), (x + 31, 334)], (96, 60, 44), 3)
        pen.oval(x + 18, 306, 8, 10, (130, 74, 50))
        pen.box(x + 8, 316, 20, 16, (130, 74, 50))
    pen.box(200, 262, 40, 144, (84, 50, 42))
    pen.box(206, 270, 28, 56, (255, 214, 140))
    for k in range(8):
        pen.shape(
            [(36 + k * 26, 232), (62 + k * 26, 232), (62 + k * 26 - 4, 250), (36 + k * 26 - 4, 250)],
            (196, 70, 66) if k % 2 else (238, 222, 196),
        )
    pen.box(96, 190, 92, 30, (18, 18, 34), 6)
    pen.draw.text((2 * 142, 2 * 207), "CAFE", (255, 150, 130), ImageFont.load_default(40), "mm")
    pen.line([(160, 197), (164, 193)], (255, 150, 130), 2)  # Pillow's own font has no É
    for x in (318, 560, 790):
        pen.box(x - 2, 250, 4, 156, (16, 16, 28))
        pen.shape([(x - 15, 256), (x, 240), (x + 15, 256)], (16, 16, 28))
        pen.oval(x, 258, 7, 5, (255, 228, 170))
    pen.box(640, 380, 76, 5, (74, 52, 48))
    for x in (648, 704):
        pen.box(x, 385, 5, 20, (22, 20, 32))
    shine = np.zeros((2 * HEIGHT, 2 * WIDTH), np.float32)
    below = np.maximum(np.arange(2 * HEIGHT) - 2 * 408, 0)
    for x, w in ((46, 62), (122, 62), (204, 32), (310, 16), (552, 16), (782, 16)):  # reflections in the wet
        shine[816:, 2 * x : 2 * (x + w)] = 150 * np.exp(-below[816:, None] / 70)
    blurred = Image.fromarray(shine.astype(np.uint8)).filter(ImageFilter.GaussianBlur(14))
    wet = np.asarray(image).copy()
    wet[816:, :, :3] += (np.asarray(blurred, np.float32)[816:, :, None] * np.asarray(WARM) / 255 * 0.6).astype(np.uint8)
    return Image.fromarray(wet)


@cache
def train() -> Image.Image:
    """Engine, tender and four carriages, RGBA, 1100 pixels long, standing on the picture's lower edge."""
    image = Image.new("RGBA", (2 * 1100, 2 * 140), (0, 0, 0, 0))
    pen, iron, dark = Pen(image), (28, 30, 44), (16, 17, 28)
    pen.box(18, 52, 104, 44, iron, 14)
    pen.box(26, 22, 18, 34, dark, 2)
    pen.shape([(20, 24), (50, 24), (44, 12), (26, 12)], dark)
    pen.oval(78, 52, 13, 11, dark)
    pen.box(114, 26, 52, 76, iron, 4)
    pen.box(106, 20, 68, 8, dark, 3)
    pen.box(124, 38, 30, 24, (255, 190, 110), 3)
    pen.box(10, 96, 160, 10, (120, 38, 42))
    pen.shape([(10, 104), (-4, 128), (26, 128), (30, 104)], (120, 38, 42))
    pen.oval(20, 62, 8, 8, (255, 240, 200))
    for x in (44, 82):
        pen.box(x, 52, 3, 44, (190, 150, 84))
    pen.box(178, 62, 78, 44, dark, 3)
    pen.shape([(184, 62), (200, 50), (236, 48), (250, 62)], (10, 10, 18))
    for start in range(266, 1090, 206):
        pen.box(start, 34, 196, 74, (66, 34, 50), 6)
        pen.box(start - 3, 28, 202, 12, (34, 26, 42), 6)
        pen.box(start, 84, 196, 4, (196, 156, 92))
        for x in range(start + 14, start + 180, 30):
            pen.box(x, 48, 20, 28, (255, 208, 128), 3)
            if (x * 7) % 4:
                pen.oval(x + 10, 66, 5, 6, (120, 70, 56))
                pen.box(x + 4, 71, 12, 5, (120, 70, 56))
    for x in [186, 206, 240, *(s + d for s in range(266, 1090, 206) for d in (26, 50, 146, 170))]:
        pen.oval(x, 122, 11, 11, (12, 12, 20))
        pen.oval(x, 122, 5, 5, (60, 56, 66))
    return image


def train_x(at: float) -> float:
    """Place of the engine's front: brakes evenly into the station, later leaves to the left."""
    begin, end = TRAIN_IN
    if at < end:
        return STOP_X + 640 * max(0.0, (end - at) / (end - begin)) ** 2
    return STOP_X - 62 * max(0.0, at - DEPARTURE) ** 2


def outdoors(at: float) -> Frame:
    image = platform().copy()
    pen, light = Pen(image), np.zeros((HEIGHT, WIDTH, 3), np.float32)
    x, y = train_x(at), 264
    image.paste(train(), (round(2 * x), 2 * y), train())
    for k in range(3):  # driving wheels and their rod
        cx, cy, turn = x + 50 + 40 * k, y + 118, -x / 16
        pen.oval(cx, cy, 17, 17, (110, 36, 42))
        pen.oval(cx, cy, 14, 14, (20, 20, 30))
        for spoke in range(4):
            dx, dy = 14 * math.cos(turn + spoke * math.pi / 4), 14 * math.sin(turn + spoke * math.pi / 4)
            pen.line([(cx - dx, cy - dy), (cx + dx, cy + dy)], (110, 36, 42), 1)
    dx, dy = 9 * math.cos(-x / 16), 9 * math.sin(-x / 16)
    pen.line([(x + 50 + dx, y + 118 + dy), (x + 130 + dx, y + 118 + dy)], (176, 170, 176), 3)
    image.paste(station(), (0, 0), station())
    rain(pen, at, 210, (0, 0, WIDTH + 40, HEIGHT), (104, 116, 158))
    from_train = np.zeros_like(light)
    glow(light, 690, 92, 170, (200, 190, 150), 0.35)
    for lamp in (318, 560, 790):
        glow(light, lamp, 262, 110, WARM, 0.55)
    glow(light, 142, 205, 95, (255, 90, 80), 0.5 + 0.06 * math.sin(40 * at) * (math.sin(3.1 * at) > 0.6))
    for window in (77, 153):
        glow(light, window, 300, 90, WARM, 0.4)
    for far in range(30):  # the engine's beam
        glow(
            from_train,
            x + 16 - 6 * far,
            y + 62 + 0.7 * far,
            12 + 1.7 * far,
            (255, 226, 160),
            0.4 / (1 + 0.35 * far),
        )
    for puff in range(110):  # smoke leaves the chimney where the engine was at that moment
        born = (math.floor(at * 30) - puff) / 30
        age = at - born
        if TRAIN_IN[0] - 1 < born < TRAIN_IN[1] + 0.4 or born > DEPARTURE:
            beat = 0.55 + 0.45 * math.sin(math.tau * born * 3.5)
            glow(
                from_train,
                train_x(born) + 36 + 22 * age + 5 * math.sin(23 * born),
                y + 6 - 50 * age + 6 * age**2,
                11 + 20 * age,
                (150, 146, 176),
                0.3 * beat * max(0.0, 1 - age / 3.4),
            )
    for begin in (BRAKES_AT, DEPARTURE + 0.2):  # brakes and cylinders let steam out along the rails
        for k in range(14):
            age = at - begin - 0.05 * k
            if 0 < age < 1.3:
                glow(
                    from_train,
                    x + 30 + 9 * k - 40 * age,
                    y + 126 - 14 * age,
                    10 + 34 * age,
                    (170, 170, 190),
                    0.3 * (1 - age / 1.3),
                )
    return finish(image, light + from_train * behind_station())


@cache
def behind_station() -> Light:
    """1 where the sky is seen past the station, 0 where the building is before it, `[HEIGHT, WIDTH, 1]`."""
    covered = np.asarray(station().getchannel("A").reduce(2), np.float32)[..., None] / 255
    return np.asarray(1 - covered, np.float32)
