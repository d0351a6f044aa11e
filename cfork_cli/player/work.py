"""The work for one sound track: a thread that separates what is missing just ahead of the playheads, and keeps it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cfork_cli.errors import Interrupted, of_any
from cfork_cli.flows import excerpts as flow
from cfork_cli.flows.network import LoadedNetwork
from cfork_cli.input.excerpts import frames, nearly_integrated_lufs
from cfork_cli.input.reader import Reader
from cfork_cli.media import timeline
from cfork_cli.media.types import Media, Stream
from cfork_cli.player import flac_track
from cfork_cli.player.folding import folded, levels_db, matrix
from cfork_cli.player.schedule import Lattice, Playhead, Step, Target, ahead_seconds, step, target
from cfork_cli.player.stem_store import StemStore
from cfork_cli.player.take import FADE, Cut, Take, faded

if TYPE_CHECKING:
    from model.streaming.excerpts import Excerpts

RATE, LENGTH = flac_track.SAMPLE_RATE, flac_track.FRAGMENT
FIRST_SPEED = 6.0
"""Seconds of sound a second that the network is thought to do before anything is known."""

IDLE_SECONDS = 0.5
CLOSING_SECONDS = 30.0
"""A thread that does not end meanwhile hangs, and ends with the program."""
NEIGHBORS = 48  # fragments beyond the missing one, among which one that is there already is looked for


class Work:
    """Fragments of one sound track. A context manager: its thread and its processes end with it.

    Args:
        network: gives the network, when it is loaded. heads: the playheads, that which spoke last first.
        lufs: loudness of the track, if the user gave it.

    Attributes:
        waiting: what is waited for before anything can be separated, for people; None once it is there.
        error: why nothing will be separated any more.
        working_on: the fragment that is worked for.
        speed: seconds of sound that are separated in a second.
        loudness: of the track in LUFS, as the network is given it; None until it is known.
    """

    def __init__(
        self,
        media: Media,
        track: Stream,
        store: StemStore,
        network: Callable[[], LoadedNetwork],
        heads: Callable[[], Sequence[Playhead]],
        *,
        seconds: float,
        lufs: float | None = None,
    ) -> None:
        self.media, self.track, self.store = media, track, store
        self.count, self.seconds = store.count, seconds
        self.waiting: str | None = "loading the network"
        self.error: str | None = None
        self.notes: tuple[str, ...] = ()
        self.working_on: int | None = None
        self.speed: float | None = None
        self.loudness: float | None = lufs
        self.changed = threading.Condition()
        self._network, self._heads = network, heads
        self._matrix = matrix(track)
        self._frames: timeline.Frames | None = None
        self._ending = False
        self._take: Take | None = None
        self._origin = timeline.track_begin(media, track, "matroska")  # where a remix begins, too
        late = self._origin - timeline.film_begin(media, track.sample_rate or 0)
        self._offset = round(late * RATE / (track.sample_rate or 1))  # from the page's zero
        self._plain_lock = threading.Lock()
        self._plain: Reader | None = None
        self._excerpts: Excerpts | None = None
        self._step: Step | None = None
        self._sound_end: int | None = None  # place, once it was reached
        self._thread = threading.Thread(target=self._run, name=f"cfork-play-{track.number}", daemon=True)

    def __enter__(self) -> Work:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread, the decoders, and keep what is worth it."""
        self._ending = True
        with self.changed:
            self.changed.notify_all()
        self._interrupt()
        last = time.monotonic() + CLOSING_SECONDS
        while self._thread.is_alive() and time.monotonic() < last:
            self._thread.join(1.0)
        with self._plain_lock:
            if self._plain is not None:
                self._plain.close()
        self.store.close()

    # ---- for the server ----

    def fragment(self, index: int, wait_seconds: float = 0.0) -> bytes | None:
        """Return a fragment with its stems; None if it is not there after so long."""
        until = time.monotonic() + wait_seconds
        while True:
            data = self.store.get(index)
            left = until - time.monotonic()
            if data is not None or left <= 0 or self._ending or self.error is not None:
                return data
            with self.changed:
                if not self.store.has(index):
                    self.changed.wait(min(left, 1.0))

    def plain(self, index: int) -> bytes:
        """Return a fragment with the mixture alone, decoded now.

        Raises:
            CforkError: the track cannot be decoded.
        """
        with self._plain_lock:
            if self._plain is None:
                self._plain = Reader(self.media, replace(self.track, sample_rate=RATE), frames=self._frames)
            zero = timeline.film_begin(self.media, RATE)
            found = self._plain.read(zero + index * LENGTH, zero + (index + 1) * LENGTH)
        sound = np.zeros((flac_track.CHANNELS, LENGTH), np.float32)
        sound[:2, : found.shape[1]] = self._matrix @ found
        self.store.put_level(index, float(levels_db(sound[:2])[0]))
        return flac_track.fragment(index, sound)

    def moved(self) -> None:
        """A playhead is elsewhere: look what is missing there."""
        found = self._target()
        running = self._step
        if found is not None and found.soon < 1.0 and running is not None and self._is_far(running, found.index):
            self._interrupt()
        with self.changed:
            self.changed.notify_all()

    # ---- the thread ----

    def _run(self) -> None:
        try:
            with contextlib.ExitStack() as stack:
                loaded, lufs = self._ready(stack)
                reader = stack.enter_context(Reader(self.media, self.track, frames=self._frames))
                while not self._ending:
                    with flow.excerpts(loaded, self.track, lufs, output_rate=RATE) as found:
                        self._excerpts = found
                        lattice = self._lattice(found)
                        while self._once(found, lattice, reader, loaded.device):
                            self.notes = reader.notes
                        self._excerpts = None
        except Exception as error:
            self.error = str(of_any(error))
        finally:
            self.working_on = self._excerpts = None
            with self.changed:
                self.changed.notify_all()

    def _ready(self, stack: contextlib.ExitStack) -> tuple[LoadedNetwork, float]:
        """Return network and loudness; both take their time, so each has a thread."""
        pool = stack.enter_context(ThreadPoolExecutor(2, thread_name_prefix="cfork-play-look"))
        kept = self.store.facts().get("lufs")
        if self.loudness is None:
            self.loudness = kept
        measured = (
            pool.submit(nearly_integrated_lufs, self.media, self.track, self.seconds) if self.loudness is None else None
        )
        looked = pool.submit(frames, self.media, self.track)
        loaded = self._network()
        self.waiting = "measuring the loudness"
        if measured is not None:
            self.loudness = measured.result()
        self._frames = looked.result()
        if kept is None and self.loudness is not None and np.isfinite(self.loudness):
            self.store.keep_facts({"lufs": self.loudness})
        self.waiting = None
        return loaded, self.loudness if self.loudness is not None else -np.inf

    def _lattice(self, excerpts: Excerpts) -> Lattice:
        """Return the windows of the grid, as places on the page's time line."""
        windows: list[tuple[int, int]] = []
        while not windows or windows[-1][1] < self.count * LENGTH:
            begin, end = excerpts.kept(excerpts.window(len(windows)))
            windows.append((begin + self._offset if windows else self._floor, end + self._offset))
        return Lattice([begin for begin, _ in windows], [end for _, end in windows], RATE)

    @property
    def _floor(self) -> int:
        """Place from which on fragments are computed: the one in which the sound begins."""
        return self._offset // LENGTH * LENGTH

    def _target(self) -> Target | None:
        heads, seconds = self._heads(), flac_track.FRAGMENT_SECONDS
        return target(heads, self.store.has, self.count, seconds, ahead_seconds(self.store.holds * seconds, len(heads)))

    def _once(self, excerpts: Excerpts, lattice: Lattice, reader: Reader, device: str) -> bool:
        """Separate one stretch, or wait a little; return False where the network has to be opened again, or never."""
        found = self._target()
        if found is None:
            self.working_on = None
            with self.changed:
                if not self._ending:
                    self.changed.wait(IDLE_SECONDS)
            self.store.save()
            return not self._ending
        self.working_on = found.index
        place = found.index * LENGTH
        if place + LENGTH <= self._floor or (self._sound_end is not None and place >= self._sound_end):
            self._keep(Cut(found.index, np.zeros((flac_track.CHANNELS, LENGTH), np.float32)))
            return not self._ending
        take, fresh = self._take, False
        if take is None or take.next != found.index:
            take, fresh = Take(found.index, LENGTH, self.store.edge(found.index - 1, "after")), True
        there = next(
            (index for index in range(found.index + 1, min(self.count, found.index + NEIGHBORS))
             if self.store.has(index)), None,
        )  # fmt: skip
        chosen = step(
            take.end, found.soon, self.speed or FIRST_SPEED, lattice,
            until=None if there is None else there * LENGTH, fresh=fresh,
        )  # fmt: skip
        self._step = chosen
        try:
            self._separate(excerpts, chosen, take, reader, device)
        except Interrupted:  # something else is wanted at once
            self._take = None
            return False
        finally:
            self._step = None
        return not self._ending

    def _separate(self, excerpts: Excerpts, chosen: Step, take: Take, reader: Reader, device: str) -> None:
        began = time.monotonic()
        if chosen.number is not None:
            stretch = excerpts.window(chosen.number)
        else:
            stretch = excerpts.free(max(0, chosen.begin - self._offset), max(1, chosen.end - self._offset))
        first, after = excerpts.needs(stretch)
        sound = reader.read(self._origin + first, self._origin + after)
        excerpt = flow.separated(excerpts, stretch, sound, device) if sound.shape[1] else None
        if excerpt is None or excerpt.end + self._offset <= take.end:  # the sound has ended
            self._take, self._sound_end = None, take.end
            self._keep(Cut(take.next, np.zeros((flac_track.CHANNELS, LENGTH), np.float32)))
            return
        begin = excerpt.begin + self._offset
        eight = folded(self._matrix, excerpt.mixture, excerpt.stems)
        if excerpt.begin == 0:
            eight, begin = np.pad(eight, ((0, 0), (begin - self._floor, 0))), self._floor
        overlap = round(excerpts.grid.crossfade * RATE / excerpts.network_rate)
        cuts = take.add(begin, eight, excerpt.number, last=excerpt.last, overlap=overlap)
        self._note_speed((after - first) / excerpts.sample_rate, time.monotonic() - began)
        self._take = take
        if excerpt.last:
            self._take, self._sound_end = None, take.next * LENGTH
        for cut in cuts:
            if cut.index >= self.count or self.store.has(cut.index):
                self._take = None  # from here on it is there
                break
            self._keep(cut)

    def _keep(self, cut: Cut) -> None:
        sound = cut.sound
        neighbor = self.store.edge(cut.index + 1, "before") if self.store.has(cut.index + 1) else None
        if neighbor is not None:
            sound = sound.copy()
            sound[:, -FADE:] = faded(sound[:, -FADE:], neighbor)
        self.store.put(cut.index, flac_track.fragment(cut.index, sound), levels_db(sound))
        for side, edge in (("before", cut.before), ("after", cut.after)):
            if edge is not None:
                self.store.put_edge(cut.index, side, edge)
        with self.changed:
            self.changed.notify_all()

    def _note_speed(self, seconds: float, elapsed: float) -> None:
        now = seconds / max(elapsed, 1e-3)
        self.speed = now if self.speed is None else 0.6 * self.speed + 0.4 * now

    def _is_far(self, running: Step, index: int) -> bool:
        """Return whether what is computed now is long, and does not bring a fragment."""
        place = index * LENGTH
        excerpts = self._excerpts
        if excerpts is None:
            return False
        if running.number is not None:
            begin, end = (one + self._offset for one in excerpts.kept(excerpts.window(running.number)))
        else:
            begin, end = running.begin, running.end
        return (end - begin) > 8 * RATE and not begin <= place < end

    def _interrupt(self) -> None:
        excerpts = self._excerpts
        if excerpts is not None:
            excerpts.cancel()
