"""libavfilter, by PyAV: a chain built, sound through it in frames of one length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np

from cfork_cli.errors import UsageError
from cfork_cli.filters.chain import Filter
from cfork_cli.text import printable

FRAME = 4096
"""Samples of a frame. Some filters sound different with other frames, so all frames have this length but the last."""


class Graph:
    """A chain of filters that was built; one sound goes through it.

    Args:
        channels: of what goes in.
        layout: of them, None where it is unknown.
        keeps_channels: whether as many must come out.

    Raises:
        UsageError: libavfilter refuses the chain; the message has its own words.
    """

    def __init__(
        self,
        filters: Sequence[Filter],
        sample_rate: int,
        channels: int,
        layout: str | None,
        *,
        keeps_channels: bool = True,
    ) -> None:
        from av.filter import Graph as AvGraph

        self._keeps_channels = keeps_channels
        self._rate, self._channels = sample_rate, channels
        self._layout = _layout_name(layout, channels)
        self._place = 0
        self._ended = False
        self._graph: Any = AvGraph()
        self._graph.threads = 1  # with more of them the order of sums is nobody's
        with _own_words(filters):
            last = self._graph.add_abuffer(
                sample_rate=sample_rate, format="flt", layout=self._layout, time_base=Fraction(1, sample_rate)
            )
            # the last one brings the rate back, where a filter changed it
            for one in (*filters, Filter("aformat", f"sample_fmts=flt:sample_rates={sample_rate}")):
                node = self._graph.add(one.name, one.arguments or None)
                last.link_to(node)
                last = node
            last.link_to(self._graph.add("abuffersink"))
            self._graph.configure()

    def push(self, frame: np.ndarray) -> Iterator[np.ndarray]:
        """Send a frame `[channels, up to FRAME]` in, and yield what comes out."""
        from av import AudioFrame

        # interleaved: PyAV counts one plane too many where there are eight (7.1)
        interleaved = np.ascontiguousarray(frame.T, np.float32).reshape(1, -1)
        sent = AudioFrame.from_ndarray(interleaved, format="flt", layout=self._layout)
        sent.sample_rate, sent.time_base, sent.pts = self._rate, Fraction(1, self._rate), self._place
        self._place += frame.shape[1]
        self._graph.push(sent)
        return self._pull()

    def end(self) -> Iterator[np.ndarray]:
        """Say that nothing follows, and yield what comes out still; it may be longer than what went in."""
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> Iterator[np.ndarray]:
        from av.error import BlockingIOError as NothingYet
        from av.error import EOFError as AtEnd

        while not self._ended:
            try:
                frame = self._graph.pull()
            except NothingYet:
                return
            except AtEnd:
                self._ended = True
                return
            if self._keeps_channels and frame.layout.nb_channels != self._channels:
                raise UsageError(
                    f"the filters make {_channels(frame.layout.nb_channels)} of {self._channels}: "
                    f"bring them back at the end, for example with pan={self._layout}|..."
                )
            yield frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T


def check_options(filters: Sequence[Filter]) -> None:
    """Check the options of every filter, without a sound that they would have to fit.

    Raises:
        UsageError: a filter has no such option, or refuses its value.
    """
    from av.filter import Graph as AvGraph

    graph = AvGraph()
    with _own_words(filters):
        for one in filters:
            graph.add(one.name, one.arguments or None)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _layout_name(layout: str | None, channels: int) -> str:
    """Return a layout of so many channels that libavfilter knows."""
    from av import AudioLayout

    for name in (layout, {1: "mono", 2: "stereo"}.get(channels), f"{channels}c"):
        try:
            if name is not None and AudioLayout(name).nb_channels == channels:
                return name
        except ValueError:
            continue
    raise UsageError(f"filters know no layout of {channels} channels")


@contextmanager
def _own_words(filters: Sequence[Filter]) -> Iterator[None]:
    """Turn what libavfilter says about a chain into one error."""
    from av import FFmpegError, logging

    level = logging.get_level()
    logging.set_level(logging.ERROR)
    try:
        with logging.Capture(True) as said:
            yield
    except (FFmpegError, ValueError) as error:
        complaints = list(dict.fromkeys(printable(words).strip() for _, _, words in said))
        words = "; ".join(complaints[:2]) or getattr(error, "strerror", None) or str(error)
        chain = ",".join(f"{one.name}={one.arguments}" if one.arguments else one.name for one in filters)
        raise UsageError(f"the filters '{printable(chain)}' cannot be used: {words.rstrip('.')}") from error
    finally:
        logging.set_level(level)
