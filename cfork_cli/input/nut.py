"""Sound with its time stamps, as ffmpeg writes it into a pipe: one stream of NUT, read packet by packet.

Bare samples would lose the time stamps, and ffmpeg's own filling of gaps begins again from zero whenever a track
changes its channels or its rate. NUT counts in samples, so that nothing is rounded. Format: the NUT specification,
version 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

OFFSET_SECONDS = 100_000
"""NUT has no time before zero, and films do: their start-up lies there. So ffmpeg is told to add this much."""

_FILE_ID = b"nut/multimedia container\0"
_MAIN, _STREAM, _SYNC = b"NM\x7aV\x1f_\x04\xad", b"NS\x11@[\xf2\xf9\xdb", b"NK\xe4\xad\xee\xcaEi"
_CODED_PTS, _STREAM_ID, _SIZE_MSB, _CHECKSUM, _RESERVED = 8, 16, 32, 64, 128
_SIDE_DATA, _HEADER, _MATCH_TIME, _CODED, _INVALID = 256, 1024, 2048, 4096, 8192
_CHECKED_PACKET_BYTES = 4096  # longer ones have a checksum of their own header


@dataclass(frozen=True)
class _Code:
    """What one first byte of a frame stands for."""

    flags: int = _INVALID
    stream: int = 0
    factor: int = 1
    size: int = 0
    pts_delta: int = 0
    reserved: int = 0
    header: int = 0


@dataclass
class _State:
    codes: list[_Code] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    time_bases: int = 1
    shift: int = 7
    last: int = 0


def options(bits: int = 32) -> dict[str, Any]:
    """Return ffmpeg's options of an output that `packets` reads: floats of so many bits."""
    return {"c:a": f"pcm_f{bits}le", "f": "nut", "output_ts_offset": OFFSET_SECONDS}


def packets(pipe: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield time stamp, in samples, and content of every packet; the time stamps have `OFFSET_SECONDS` on them.

    What was cut off in the middle of a packet, by the end of a ffmpeg that was killed, is left out.

    Raises:
        ValueError: this is no such stream.
    """
    start = pipe.read(len(_FILE_ID))
    if not start:
        return
    if start != _FILE_ID:
        raise ValueError("no NUT stream")
    state = _State()
    try:
        while first := pipe.read(1):
            if first == b"N":
                _packet(pipe, first + _exactly(pipe, 7), state)
            else:
                yield _frame(pipe, state.codes[first[0]], state)
    except EOFError:
        return


def _packet(pipe: IO[bytes], name: bytes, state: _State) -> None:
    """Read a header; most are of no interest."""
    size = _number(pipe)
    if size > _CHECKED_PACKET_BYTES:
        _exactly(pipe, 4)
    body = _Bytes(_exactly(pipe, size))
    if name == _MAIN:
        _main(body, state)
    elif name == _STREAM:
        for _ in range(2):  # number, class
            body.number()
        body.data()  # codec
        body.number()  # time base
        state.shift = body.number()
    elif name == _SYNC:
        key = body.number()
        state.last = key // state.time_bases  # there is one stream, and one time base


def _main(body: _Bytes, state: _State) -> None:
    version = body.number()
    if version > 3:
        body.number()
    body.number()  # streams
    body.number()  # longest distance of sync points
    state.time_bases = body.number()
    for _ in range(2 * state.time_bases):
        body.number()
    codes: list[_Code] = []
    pts = stream = header = 0
    factor = 1
    while len(codes) < 256:
        flags, fields = body.number(), body.number()
        pts = body.signed() if fields > 0 else pts
        factor = body.number() if fields > 1 else factor
        stream = body.number() if fields > 2 else stream
        size = body.number() if fields > 3 else 0
        reserved = body.number() if fields > 4 else 0
        count = body.number() if fields > 5 else factor - size
        if fields > 6:
            body.signed()
        header = body.number() if fields > 7 else header
        for _ in range(8, fields):
            body.number()
        for place in range(count):
            if len(codes) == ord("N"):
                codes.append(_Code())
            codes.append(_Code(flags, stream, factor, size + place, pts, reserved, header))
    state.codes = codes
    state.headers = [b"", *(body.data() for _ in range(body.number()))]


def _frame(pipe: IO[bytes], code: _Code, state: _State) -> tuple[int, bytes]:
    flags, reserved, header, extra = code.flags, code.reserved, code.header, 0
    if flags & _INVALID:
        raise ValueError("a damaged NUT stream")
    if flags & _CODED:
        flags ^= _number(pipe)
    if flags & _STREAM_ID:
        _number(pipe)
    if flags & _CODED_PTS:
        coded, span = _number(pipe), 1 << state.shift
        if coded < span:  # the last bits alone: nearest to the packet before
            least = state.last - (span - 1) // 2
            pts = ((coded - least) & (span - 1)) + least
        else:
            pts = coded - span
    else:
        pts = state.last + code.pts_delta
    if flags & _SIZE_MSB:
        extra = code.factor * _number(pipe)
    if flags & _MATCH_TIME:
        _number(pipe)
    if flags & _HEADER:
        header = _number(pipe)
    if flags & _RESERVED:
        reserved = _number(pipe)
    for _ in range(reserved):
        _number(pipe)
    if flags & _CHECKSUM:
        _exactly(pipe, 4)
    if flags & _SIDE_DATA:
        raise ValueError("side data in a NUT stream")
    state.last = pts
    begin = state.headers[header]
    return pts, begin + _exactly(pipe, code.size + extra - len(begin))


class _Bytes:
    """A header, read from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self) -> int:
        value = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value

    def signed(self) -> int:
        value = self.number() + 1
        return -(value >> 1) if value & 1 else value >> 1

    def data(self) -> bytes:
        length = self.number()
        self._at += length
        return self._data[self._at - length : self._at]


def _number(pipe: IO[bytes]) -> int:
    value = 0
    while True:
        byte = _exactly(pipe, 1)[0]
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data
