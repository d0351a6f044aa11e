"""Jobs: what was asked for, as plain values that every interface shares, and that can be pickled."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cfork_cli.media.pipes import RawFormat
from cfork_cli.mix.normalize import LoudnessGoal
from cfork_cli.mix.settings import Processing


class NetworkOptions(Protocol):
    """Options of a job for the network."""

    @property
    def model(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def input_lufs(self) -> float | None: ...
    @property
    def accept_damaged(self) -> bool: ...


@dataclass(frozen=True)
class PipeOptions:
    """Options for pipes. raw: None where the input has headers of its own. output_format: None chooses."""

    raw: RawFormat | None = None
    output_format: str | None = None


@dataclass(frozen=True)
class RemixJob:
    """A remix.

    Attributes:
        output: None for the usual name beside the input; "-" is standard output.
        gains_db: one per stem.
        tracks: words that name sound tracks, see `tracks.select`; none for the one that a player would play.
        bit_rate: of the new tracks, bits a second.
        downmix: whether surround sound becomes stereo.
        keep_original: whether the new tracks come beside the old ones, not in their place.
        sidecar: whether the new tracks go into files of their own beside the film.
        title: of the new tracks; None keeps the old one, or names the levels where both are there.
        default: whether the new track takes the default flag, where the old one stays.
        force_model: whether a model is taken whose stems do not have the film's level.
        accept_damaged: whether what is there is taken, however much of the sound is missing.
        start, end: the piece of the film that is written, in seconds from its start; None is its start and its end.
        loudness: how loud the new sound is to become; None leaves it as the levels make it.
        language: of the new tracks; None keeps that of the old ones.
        processing: what is done to the stems besides gains.
        preset: name of the preset that gains, processing, loudness and codec began with; None for none.
        resume: whether finished pieces are kept beside the output while it is made, and found again.
    """

    input: Path
    output: Path | None
    gains_db: dict[str, float]
    tracks: tuple[str, ...] = ()
    codec: str | None = None
    bit_rate: int | None = None
    downmix: bool = False
    keep_original: bool = False
    sidecar: bool = False
    title: str | None = None
    default: bool = True
    model: str = "cfork"
    device: str = "auto"
    precision: str = "auto"
    input_lufs: float | None = None
    force: bool = False
    accept_damaged: bool = False
    force_model: bool = False
    start: float | None = None
    end: float | None = None
    loudness: LoudnessGoal | None = None
    language: str | None = None
    processing: Processing = field(default_factory=Processing)
    preset: str | None = None
    resume: bool = False

    @property
    def changes(self) -> bool:
        """True if anything is to be changed by the network."""
        by_dialogue = self.loudness is not None and self.loudness.of_dialogue
        return any(self.gains_db.values()) or bool(self.processing) or by_dialogue

    @property
    def changes_loudness(self) -> bool:
        """True if tags about the loudness of the old sound may be wrong of the new one."""
        return self.changes or self.loudness is not None


@dataclass(frozen=True)
class SeparateJob:
    """A separation into stems.

    Attributes:
        output: a folder; a file whose suffix says what it is (all stems as its tracks, or one stem); or "-".
        stems: none means all.
        format: kind of the files in a folder, or of the stream; None is WAV.
        bits: of a sample; None is the best.
        codec: instead of the one that we choose for the format.
        template: name of the files in a folder.
        mixture: whether the film's own sound is written too.
        residual: who gets what is missing from the stems; see `stem_names.residual_takers`.
        track: a word that names one sound track, see `tracks.one`; None for the one that a player would play.
        accept_damaged: whether what is there is taken, however much of the sound is missing.
        start, end: the piece of the film that is separated, in seconds from its start; None is its start and its end.
        purpose: "asr" writes what speech recognisers take: the dialogue, unless other stems are named, mono, 16 kHz,
            16 bits; None writes the film's own rate and channels.
        processing: what is done to the stems before they are written.
        preset: name of the preset that the processing began with; None for none.
        resume: see `RemixJob`.
    """

    input: Path
    output: Path
    stems: tuple[str, ...] = ()
    format: str | None = None
    bits: int | None = None
    codec: str | None = None
    template: str = "{stem}"
    mixture: bool = False
    residual: str = "none"
    track: str | None = None
    model: str = "cfork"
    device: str = "auto"
    precision: str = "auto"
    input_lufs: float | None = None
    force: bool = False
    accept_damaged: bool = False
    start: float | None = None
    end: float | None = None
    purpose: str | None = None
    processing: Processing = field(default_factory=Processing)
    preset: str | None = None
    resume: bool = False
