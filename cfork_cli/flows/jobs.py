"""Jobs: what was asked for, as plain values that every interface shares, and that can be pickled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cfork_cli.media.pipes import RawFormat


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
