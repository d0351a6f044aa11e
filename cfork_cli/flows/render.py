"""The one loop: read, separate, mix, write, publish. Remixes, stems and pipes all go through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cfork_cli import signals
from cfork_cli.flows.report import Report, peak_notes
from cfork_cli.flows.separator import TrackSeparator
from cfork_cli.input.blocks import Blocks
from cfork_cli.media.samples import Cuts
from cfork_cli.mix.limiter import PeakGuard
from cfork_cli.mix.mixdown import mixdown
from cfork_cli.mix.mixer import Mixer
from cfork_cli.output.sink import Sink, publish_together
from cfork_cli.remux.interleave import in_step


@dataclass
class Lane:
    """One sound track of a film on its way: where it comes from, what is done to it, where it goes.

    Attributes:
        blocks: the open decoder; nothing is decoded before the sound is asked for.
        separator: None where the mixer needs no stems.
        targets: for each sound that the mixer gives, a sink and the number of the track in it.
        matrix: folds the channels; None keeps them.
        guarded: whether peaks of the result are held under full scale.
        ceiling_dbtp: where peaks are held instead, those between the samples too; None is full scale.
        counted: whether what integers cut off is counted on the way to the sink.
        live: whether the sound is waited for, see `TrackSeparator.run`.
        begin: place of the first sample on the time line, in samples.
    """

    blocks: Blocks
    mixer: Mixer
    targets: Sequence[tuple[Sink, int]]
    separator: TrackSeparator | None = None
    matrix: np.ndarray | None = None
    guarded: bool = False
    counted: bool = False
    live: bool = False
    begin: int = 0
    ceiling_dbtp: float | None = None
    seconds: float = 0.0
    _guard: PeakGuard | None = None
    _cuts: Cuts = field(default_factory=Cuts)

    def sounds(self) -> Iterator[np.ndarray]:
        """Yield what goes to the sinks, `[sounds, channels, samples]`."""
        blocks = iter(self.blocks)
        if self.separator is not None:
            pieces = self.separator.run(blocks, self.mixer.stems, weights=self.mixer.weights, live=self.live)
        else:
            pieces = ((block, np.zeros((0, *block.shape), np.float32)) for block in blocks)
        mixed = self.mixer.run(pieces)
        if self.matrix is not None and not self.guarded:
            matrix = self.matrix
            found = (np.matmul(matrix, sounds) for _, sounds in mixed)
        elif self.guarded:  # of a remix: one sound
            self._guard = self._new_guard()
            remixes = ((mixture, sounds[0]) for mixture, sounds in mixed)
            found = (block[None] for block in mixdown(remixes, self.matrix, self._guard))
        else:
            found = (sounds for _, sounds in mixed)
        return self._cuts.counted(found) if self.counted else found

    def _new_guard(self) -> PeakGuard:
        if self.ceiling_dbtp is None:
            return PeakGuard(self.blocks.sample_rate)
        return PeakGuard(self.blocks.sample_rate, ceiling=10 ** (self.ceiling_dbtp / 20), between=True)

    def write(self, sounds: np.ndarray) -> None:
        """Hand a piece of every sound to its sink."""
        for (sink, number), sound in zip(self.targets, sounds, strict=True):
            sink.write(sound, number)
        self.seconds += sounds.shape[-1] / self.blocks.sample_rate

    def notes(self) -> list[str]:
        """Return what the user should know after the end."""
        only_folded = self.separator is None
        peaks = peak_notes(
            self._guard, self.blocks.sample_rate, is_only_folded=only_folded, ceiling_dbtp=self.ceiling_dbtp
        )
        return [*self.blocks.notes, *peaks, *self.mixer.notes(), *self._cuts.notes()]


def render(
    lanes: Sequence[Lane],
    sinks: Sequence[Sink],
    report: Report,
    *,
    stage: str,
    total: float | None,
    publish: bool = True,
) -> tuple[str, ...]:
    """Carry all sounds to their sinks, keep them in step, then publish all that was written, or nothing of it.

    Args:
        lanes: open; the caller closes their decoders.
        sinks: open; the caller aborts them if this raises.
        stage: name of the work in the report.
        total: seconds of sound of the longest track; None if nobody knows.
        publish: whether what was written appears; else it is only finished.

    Returns:
        What the user should know afterwards.

    Raises:
        CforkError: whatever went wrong.
    """
    signals.begin()
    report.stage(stage, total)
    for place, sounds in in_step([(lane.sounds(), lane.blocks.sample_rate, lane.begin) for lane in lanes]):
        lanes[place].write(sounds)
        report.at(min(lane.seconds for lane in lanes))
    report.stage("finish")
    if publish:
        publish_together(sinks)
        report.end()
    else:
        for sink in sinks:
            sink.finish()
    found = [note for sink in sinks for note in sink.found]
    return tuple(dict.fromkeys([*found, *(note for lane in lanes for note in lane.notes())]))


def losses(lanes: Sequence[Lane]) -> tuple[dict[str, Any], ...]:
    """Return what was missing of each track that lost something, for machines; after the end."""
    found = ((lane.blocks.track.number + 1, lane.blocks.losses.facts()) for lane in lanes)
    return tuple({"track": number, **facts} for number, facts in found if facts)
