"""Drawing tools of the example film's picture.

Frames are RGB uint8 `[HEIGHT, WIDTH, 3]`. Shapes are drawn with Pillow at twice the size and reduced, which
smooths every edge; light (lamps, smoke, steam) is added afterwards in numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Frame = NDArray[np.uint8]
Light = NDArray[np.float32]
Colour = tuple[int, int, int]

WIDTH, HEIGHT, FPS = 854, 480, 24
WARM: Colour = (255, 190, 105)


class Pen:
    """Pillow's draw with coordinates in output pixels on a picture of twice the size."""

    def __init__(self, image: Image.Image) -> None:
        self.image, self.draw = image, ImageDraw.Draw(image)

    def box(self, x: float, y: float, w: float, h: float, fill: Colour, radius: float = 0) -> None:
        self.draw.rounded_rectangle([2 * x, 2 * y, 2 * (x + w), 2 * (y + h)], 2 * radius, fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        self.draw.ellipse([2 * (x - rx), 2 * (y - ry), 2 * (x + rx), 2 * (y + ry)], fill)

    def shape(self, points: Sequence[tuple[float, float]], fill: Colour) -> None:
        self.draw.polygon([(2 * x, 2 * y) for x, y in points], fill)

    def line(self, points: Sequence[tuple[float, float]], fill: Colour, width: float = 1) -> None:
        self.draw.line([(2 * x, 2 * y) for x, y in points], fill, max(1, round(2 * width)), joint="curve")

    def arc(self, x: float, y: float, rx: float, ry: float, turn: tuple[int, int], fill: Colour, width: float) -> None:
        self.draw.arc([2 * (x - rx), 2 * (y - ry), 2 * (x + rx), 2 * (y + ry)], *turn, fill, round(2 * width))


def gradient(stops: Sequence[tuple[float, Colour]]) -> Image.Image:
    """A vertical gradient of the double size through (height 0..1, colour) stops."""
    at = np.linspace(0, 1, 2 * HEIGHT)
    rows = np.stack([np.interp(at, [s for s, _ in stops], [c[k] for _, c in stops]) for k in range(3)], axis=1)
    return Image.fromarray(np.repeat(rows[:, None].round().astype(np.uint8), 2 * WIDTH, axis=1))


@cache
def disc(radius: int) -> NDArray[np.float32]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1] / radius
    return np.asarray(np.clip(1 - np.hypot(x, y), 0, 1) ** 2, np.float32)


def glow(light: Light, x: float, y: float, radius: float, colour: Colour, strength: float) -> None:
    """Add a soft disc of light around (x, y) to `light`, in place."""
    r = max(2, int(radius))
    x0, y0 = int(x) - r, int(y) - r
    left, top, right, bottom = max(0, x0), max(0, y0), min(WIDTH, x0 + 2 * r + 1), min(HEIGHT, y0 + 2 * r + 1)
    if left < right and top < bottom and strength > 0:
        piece = disc(r)[top - y0 : bottom - y0, left - x0 : right - x0, None]
        light[top:bottom, left:right] += piece * (np.asarray(colour, np.float32) * strength)


def finish(image: Image.Image, light: Light) -> Frame:
    small = np.asarray(image.reduce(2), np.float32)
    return (small + light * (1 - small / 300)).clip(0, 255).astype(np.uint8)


def rain(pen: Pen, at: float, count: int, area: tuple[float, float, float, float], colour: Colour) -> None:
    """Streaks that fall for ever through `area` = (x, y, width, height)."""
    left, top, wide, high = area
    random = np.random.default_rng(11)
    for x0, y0, speed in zip(
        random.uniform(0, wide, count),
        random.uniform(0, high, count),
        random.uniform(420, 760, count),
        strict=True,
    ):
        y = (y0 + speed * at) % high
        x, length = left + (x0 - 0.14 * y) % wide, speed / 34
        pen.line([(x, top + y), (x - 0.14 * length, top + min(high, y + length))], colour, speed / 1000)


@cache
def words(text: str, size: int, y: int) -> NDArray[np.float32]:
    """Widely set white words in the middle as light `[HEIGHT, WIDTH, 3]`."""
    image = Image.new("L", (2 * WIDTH, 2 * HEIGHT))
    font = ImageFont.load_default(2 * size)
    widths = [font.getlength(letter) + 0.32 * size for letter in text]
    x = WIDTH - sum(widths) / 2
    for letter, width in zip(text, widths, strict=True):
        ImageDraw.Draw(image).text((x, 2 * y), letter, 255, font, "lm")
        x += width
    return np.repeat(np.asarray(image.reduce(2), np.float32)[..., None], 3, axis=2)
