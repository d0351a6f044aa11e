"""The three stems of a film's sound, in the order in which every network of this package puts them out."""

from collections.abc import Sequence

STEMS: tuple[str, ...] = ("music", "dialogue", "effects")

# What the Divide and Remaster data set (arXiv 2110.09958) calls them; its weights use the same order.
DNR_NAMES: dict[str, str] = {"music": "music", "dialogue": "speech", "effects": "sfx"}
PRESENCE = {"music": 0.66, "speech": 0.7, "effects": 0.62, "background": 0.45}  # chance to be in a training scene

# Every network hears this rate, in Hz; it is that of Divide and Remaster.
SAMPLE_RATE = 44_100


def positions(wanted: Sequence[str] | None, available: Sequence[str] = STEMS) -> tuple[int, ...]:
    """Return the places of the wanted stems among the available ones.

    Args:
        wanted: names, each at most once, in any order; None means all of them.
        available: the names that there are, in their order.

    Raises:
        ValueError: a name is unknown or given twice.

    >>> positions(("effects", "music"))
    (2, 0)
    >>> positions(None)
    (0, 1, 2)
    """
    if wanted is None:
        return tuple(range(len(available)))
    unknown = [name for name in wanted if name not in available]
    if unknown:
        raise ValueError(f"unknown stem {unknown[0]!r}; choose from {', '.join(available)}")
    if len(set(wanted)) != len(wanted):
        raise ValueError(f"a stem is asked for twice: {', '.join(wanted)}")
    return tuple(available.index(name) for name in wanted)
