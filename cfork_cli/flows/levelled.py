"""A remix at a loudness: the network runs once, into a temporary file; what is heard is made of that.

Nobody knows a remix's loudness before its end. So the first pass separates, mixes, measures and keeps the sound; the
second moves it, holds its peaks, encodes it, and measures what the encoder made of it. Where that is off, the second
pass is done again from the same file: it needs no network, which is most of the work.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cfork_cli.errors import OutputError
from cfork_cli.flows.render import Lane, render
from cfork_cli.flows.report import Report
from cfork_cli.input.loudness import Loudness
from cfork_cli.input.spooled import SpooledBlocks
from cfork_cli.leftovers import TemporaryFolder
from cfork_cli.mix.loudness import LoudnessMeter, integrated_lufs
from cfork_cli.mix.normalize import TRUE_PEAK_DBTP, LevelMixer, LoudnessGoal, TappedMixer
from cfork_cli.output.meter_sink import SpoolSink
from cfork_cli.output.sink import Sink, publish_together
from cfork_cli.text import size
from model.stems import STEMS

CLOSE_LU, CLOSE_DB = 0.15, 0.05
"""How far the encoded sound may be off before it is encoded again; EBU R 128 asks for 0.5 LU, or 1 LU live."""

ATTEMPTS = 3
MARGIN_DB = 0.1
LARGE_BYTES = 100e6
"""A temporary file of this size is told before the work."""


@dataclass(frozen=True)
class LevelledTrack:
    """One sound track on its way to a loudness.

    Attributes:
        lane: from the film to the mixer; its targets are not used.
        weights: of the channels, as they are written; see `mix.loudness.channel_weights`.
        clips: whether what is over full scale would be cut off.
        before_lufs: of the film's own track, where the goal is to keep it.
        seconds: of its sound; None if nobody knows.
        dialogue_gain: of the dialogue in the remix, as a factor.
    """

    lane: Lane
    weights: np.ndarray
    clips: bool
    before_lufs: float = math.nan
    seconds: float | None = None
    dialogue_gain: float = 1.0

    @property
    def channels(self) -> int:
        """Channels as they are written."""
        return len(self.weights)


@dataclass
class _Kept:
    """A remix in its temporary file, and how it is to be moved."""

    path: Path
    lufs: float
    dialogue_lufs: float
    gain_db: float = 0.0
    wanted_lufs: float = -math.inf
    ceiling_dbtp: float | None = None
    after: Loudness | None = None

    def facts(self) -> dict[str, Any]:
        """Return the figures, for machines."""
        after = self.after
        return {
            "remix_lufs": _figure(self.lufs), "dialogue_lufs": _figure(self.dialogue_lufs),
            "gain_db": _figure(self.gain_db), "lufs": _figure(after.integrated_lufs if after else math.nan),
            "true_peak_dbtp": _figure(after.true_peak_dbtp if after and after.true_peak_dbtp is not None else math.nan),
        }  # fmt: skip


@dataclass(frozen=True)
class Levelled:
    """The result: notes for the user, and the figures of each track."""

    notes: tuple[str, ...]
    facts: tuple[dict[str, Any], ...]
    seconds: float

    @property
    def words(self) -> str:
        """The loudness that was reached, for people: ", -16.0 LUFS"; nothing where it cannot be measured again."""
        reached = [one["lufs"] for one in self.facts if one["lufs"] is not None]
        return "".join(f", {lufs:.1f} LUFS" for lufs in reached)


def render_levelled(
    voices: Sequence[LevelledTrack],
    goal: LoudnessGoal,
    open_sinks: Callable[[contextlib.ExitStack], tuple[list[Sink], list[tuple[Sink, int]]]],
    measure: Callable[[Sink, int, Callable[[float], None]], Loudness] | None,
    report: Report,
    *,
    raises: bool,
    beside: Path | None,
    total: float | None,
) -> Levelled:
    """Carry remixes to their sinks at a loudness, and publish all, or nothing.

    Args:
        open_sinks: opens fresh sinks, and returns them with the sink and track of each voice.
        measure: measures what a finished sink wrote; None where it cannot be read again, as from a pipe.
        raises: whether the mixer itself makes anything louder: then peaks are held, as they are where the goal raises.
        beside: a folder on the disk that holds the temporary file; None is the system's place (TMPDIR).
        total: seconds of sound of the longest track; None if nobody knows.

    Raises:
        CforkError: whatever went wrong.
    """
    needed = sum(4 * voice.channels * voice.lane.blocks.sample_rate * (voice.seconds or 0) for voice in voices)
    with spool_folder(needed, beside, report) as folder:
        kept, seconds, first_notes = _measured(voices, goal, folder, report, total)
        notes: tuple[str, ...] = ()
        for voice, one in zip(voices, kept, strict=True):
            notes += _aim(one, goal, voice)
        for attempt in range(1, (ATTEMPTS if measure else 1) + 1):
            with contextlib.ExitStack() as stack:
                sinks, targets = open_sinks(stack)
                lanes = [
                    _lane(voice, one, target, raises) for voice, one, target in zip(voices, kept, targets, strict=True)
                ]
                told = render(lanes, sinks, report, stage="encode", total=total, publish=False)
                close = measure is None or _checked(kept, targets, measure, report, total)
                if close or attempt == ATTEMPTS:
                    publish_together(sinks)
                    report.end()
                    break
                for sink in sinks:
                    sink.abort()
        for one in kept:
            notes += _missed(one)
        facts = tuple(one.facts() for one in kept)
        return Levelled(tuple(dict.fromkeys((*first_notes, *told, *notes))), facts, seconds)


def _measured(
    voices: Sequence[LevelledTrack], goal: LoudnessGoal, folder: Path, report: Report, total: float | None
) -> tuple[list[_Kept], float, tuple[str, ...]]:
    """Separate, mix and measure into temporary files: what is kept, seconds of sound, notes."""
    spools, meters, lanes = [], [], []
    with contextlib.ExitStack() as stack:
        for number, voice in enumerate(voices):
            rate = voice.lane.blocks.sample_rate
            spool = SpoolSink(folder / f"remix{number}.f32", LoudnessMeter(rate, voice.weights))
            spools.append(stack.enter_context(spool))
            meters.append(LoudnessMeter(rate, voice.weights))
            lane = replace(voice.lane, targets=[(spool, 0)], guarded=False, counted=False)
            lanes.append(_tapped(lane, voice.dialogue_gain, meters[-1]) if goal.of_dialogue else lane)
        notes = render(lanes, spools, report, stage="remix", total=total)
    kept = [
        _Kept(spool.path, integrated_lufs(spool.meter.powers()), integrated_lufs(meter.powers()))
        for spool, meter in zip(spools, meters, strict=True)
    ]
    return kept, sum(lane.seconds for lane in lanes), notes


def _tapped(lane: Lane, dialogue_gain: float, meter: LoudnessMeter) -> Lane:
    """Let a meter hear the dialogue of a lane's remix, folded as that is."""
    matrix = lane.matrix

    def listener(dialogue: np.ndarray) -> None:
        meter.push(dialogue if matrix is None else matrix @ dialogue)

    return replace(lane, mixer=TappedMixer(lane.mixer, dialogue_gain, STEMS, listener))


def _aim(kept: _Kept, goal: LoudnessGoal, voice: LevelledTrack) -> tuple[str, ...]:
    """Set the gain that brings a remix to the goal, as far as gain alone can; return notes."""
    now = kept.dialogue_lufs if goal.of_dialogue else kept.lufs
    wanted = voice.before_lufs if goal.lufs is None else goal.lufs
    if not (math.isfinite(now) and math.isfinite(wanted)):
        what = "no dialogue was found" if goal.of_dialogue else "there is only silence"
        return (f"{what}, so its loudness was left as it is",)
    kept.gain_db = wanted - now
    kept.wanted_lufs = kept.lufs + kept.gain_db
    return ()


def _lane(voice: LevelledTrack, kept: _Kept, target: tuple[Sink, int], raises: bool) -> Lane:
    """Make the way from a temporary file to a sink."""
    if kept.ceiling_dbtp is None:
        kept.ceiling_dbtp = TRUE_PEAK_DBTP if raises or kept.gain_db > 0 else 0.0
    holds = voice.clips or kept.ceiling_dbtp < 0
    blocks = SpooledBlocks(kept.path, voice.channels, voice.lane.blocks.sample_rate)
    return Lane(
        blocks, LevelMixer(kept.gain_db), [target], guarded=holds, counted=voice.lane.counted,
        begin=voice.lane.begin, ceiling_dbtp=kept.ceiling_dbtp,
    )  # fmt: skip


def _checked(
    kept: Sequence[_Kept],
    targets: Sequence[tuple[Sink, int]],
    measure: Callable[[Sink, int, Callable[[float], None]], Loudness],
    report: Report,
    total: float | None,
) -> bool:
    """Measure what was written, and correct the aim where it is off; return whether all is well."""
    close = True
    for one, (sink, number) in zip(kept, targets, strict=True):
        report.stage("measure", total)
        one.after = after = measure(sink, number, report.at)
        off = one.wanted_lufs - after.integrated_lufs
        if math.isfinite(off) and abs(off) > CLOSE_LU:
            one.gain_db += off
            close = False
        peak, ceiling = after.true_peak_dbtp, one.ceiling_dbtp
        if peak is not None and ceiling is not None and ceiling < 0 and peak > TRUE_PEAK_DBTP + CLOSE_DB:
            one.ceiling_dbtp = ceiling - (peak - TRUE_PEAK_DBTP) - MARGIN_DB
            close = False
    return close


def _missed(kept: _Kept) -> tuple[str, ...]:
    """Return a note if the goal was not reached."""
    after = kept.after
    if after is None:
        return ()
    notes = []
    off = after.integrated_lufs - kept.wanted_lufs
    if math.isfinite(off) and abs(off) > 2 * CLOSE_LU:
        notes.append(
            f"the new sound has {after.integrated_lufs:.1f} LUFS, not {kept.wanted_lufs:.1f}: "
            "its peaks would not let it be louder"
        )
    held = kept.ceiling_dbtp is not None and kept.ceiling_dbtp < 0
    if held and after.true_peak_dbtp is not None and after.true_peak_dbtp > TRUE_PEAK_DBTP + 2 * CLOSE_DB:
        notes.append(
            f"the encoder made peaks of {after.true_peak_dbtp:+.1f} dBTP, over {TRUE_PEAK_DBTP:g}: "
            "a higher --bitrate or --codec flac avoids that"
        )
    return tuple(notes)


@contextlib.contextmanager
def spool_folder(needed: float, beside: Path | None, report: Report) -> Iterator[Path]:
    """Make a folder for temporary files, with room for them; it is gone when the context ends.

    Args:
        needed: bytes, as far as that is known.
        beside: a folder on the disk that holds them; None is the system's place (TMPDIR).

    Raises:
        OutputError: there is no room.
    """
    place = beside or Path(tempfile.gettempdir())
    try:
        free = shutil.disk_usage(place).free
        if free < needed:
            raise OutputError(
                f"the new sound has to be kept in '{place}' until its loudness is known, and of {size(needed)} only "
                f"{size(free)} are free: free some space, or choose another -o"
            )
        if needed > LARGE_BYTES:
            report.note(f"the new sound ({size(needed)}) is kept in '{place}' until its loudness is known")
        folder = TemporaryFolder(place)
    except OSError as error:
        raise OutputError(f"no temporary folder could be made ({error.strerror}): free some space") from error
    with folder:
        yield folder.path


def _figure(value: float) -> float | None:
    """Return a figure as JSON can hold it."""
    return round(value, 2) if math.isfinite(value) else None
