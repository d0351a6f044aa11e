"""Scenes that are hard in one known way, from the packs of a held-out split.

    python -m model.dnr.cases PACKS OUT

Writes `OUT/<case>/<id>/{mix,music,speech,sfx}.wav` and `OUT/cases.json` with what was drawn. Scenes of the same number
share voice, music and effects in all cases, unless the case is about them: the scores of a case differ from those of
`plain` by what the case adds, and not by its sources. Every draw comes from the seed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .. import SAMPLE_RATE
from ..loudness import at_lufs, integrated_lufs
from ..new_folder import made
from ..stems import DNR_NAMES, STEMS
from . import voices
from .passages import clean, faded, language_of, load_sources, looped
from .sounds import write_wav, writing
from .trees import CASES_FILE

SECONDS = 12.0
SCENES = 6
LUFS = {"speech": -17.0, "music": -24.0, "effects": -21.0, "background": -29.0}
SPREAD = 1.0  # uniform, +- LU, of each class in each scene
MIX_LUFS = -27.0
PEAK = 10 ** (-0.5 / 20)
EVENTS = 3
AMBIENCE_SECONDS = 4.0  # shorter effects are events
DISTANT_LU, WHISPERED_LU = -6.0, -4.0  # quieter than speech that is near and loud
SINGER_LU = 2.0  # over the accompaniment

ABOUT = {
    "plain": "wide-band speech, music, effects and a quiet ambience: what the other cases are measured against",
    "telephone": "plain, but the speech is band-limited to 300-3400 Hz and sampled at 8 kHz",
    "distant": "plain, but the speech is 6 LU quieter and in a hard room (synthetic response, 0 to 6 dB less direct "
    "than reverberant sound)",
    "whispered": "plain, but the speech is whispered (SIMULATED: its LPC resonances driven by noise) and 4 LU quieter",
    "over-singing": "plain, but a voice sings with the music (SIMULATED: the LPC resonances of another speaker driven "
    "by a melody, 2 LU over the accompaniment); the song belongs to the music",
    "over-ambience": "speech over an ambience as loud or up to 3 LU louder; no music",
    "dialogue-only": "the speech of plain alone",
    "music-only": "the music of plain alone",
    "effects-only": "the effects and the ambience of plain alone",
}
LANGUAGE = "plain, but the speech is {} ({})"

Parts = dict[str, np.ndarray]
"""Stem -> audio [T]; a stem that is not there is silent."""


class CaseMixer:
    """Draws the scenes of all cases from one split's packs: `draw(case, number)` gives stems and what was drawn.

    Args:
        packs: folder of the packs.
        split: whose sources; those of the training prove nothing.
        seconds: length of a scene.
    """

    def __init__(self, packs: Path, split: str, seconds: float, seed: int) -> None:
        self.sources = {kind: load_sources(packs / split, kind) for kind in ("speech", "music", "effects")}
        self.length, self.seed = round(seconds * SAMPLE_RATE), seed
        speech = self.sources["speech"]
        self.speakers = speech.wide_enough(sorted(speech.groups), seconds)
        self.languages: dict[str, list[str]] = {}
        for group in sorted(speech.groups):
            if (code := language_of(group)) is not None:
                self.languages.setdefault(code, []).append(group)
        self.languages = {code: speech.wide_enough(groups, seconds) for code, groups in sorted(self.languages.items())}

    @property
    def cases(self) -> dict[str, str]:
        """The cases that these packs allow, and what each is about."""
        speech = self.sources["speech"]
        spoken = {
            f"language-{code}": LANGUAGE.format(code, "wide band" if groups[0] in speech.wide else "narrow band")
            for code, groups in self.languages.items()
        }  # fmt: skip
        names = list(ABOUT)
        return {name: ABOUT[name] for name in names[:2]} | spoken | {name: ABOUT[name] for name in names[2:]}

    def draw(self, case: str, number: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Stems float32 [3, T] in model.STEMS order, their sum at -27 LUFS, and the facts.

        Raises:
            ValueError: there is no such case.
        """
        if case not in self.cases:
            raise ValueError(f"there is no case {case!r}; there are {', '.join(self.cases)}")
        facts: dict[str, Any] = {}
        parts: Parts = {}
        if case not in ("music-only", "effects-only"):
            parts["dialogue"] = self._dialogue(case, number, facts)
        if case not in ("dialogue-only", "effects-only", "over-ambience"):
            parts["music"] = self._music(case, number, facts)
        if case == "over-ambience":
            above = float(self._rng(number, 5).uniform(0.0, 3.0))
            facts["ambience_over_speech_lu"] = round(above, 2)
            parts["effects"] = at_lufs(self._ambience(number, facts), facts["speech_lufs"] + above, SAMPLE_RATE)
        elif case not in ("dialogue-only", "music-only"):
            parts["effects"] = self._effects(number, facts)
        stems = np.stack([parts.get(stem, np.zeros(self.length)) for stem in STEMS])
        mixed = stems.sum(axis=0)
        if not mixed.any():
            raise ValueError(f"scene {number} of {case!r} is silent: the packs hold no sound")
        loudness = integrated_lufs(mixed, SAMPLE_RATE)
        wanted = 10 ** ((MIX_LUFS - loudness) / 20) if np.isfinite(loudness) else 1.0
        gain = min(wanted, PEAK / float(np.abs(mixed).max()))
        return (stems * gain).astype(np.float32), facts

    def _rng(self, number: int, stream: int) -> np.random.Generator:
        """One stream for each class, so that a case that draws more of one leaves the others as they are."""
        return np.random.default_rng((self.seed, number, stream))

    def _dialogue(self, case: str, number: int, facts: dict[str, Any]) -> np.ndarray:
        """The speech of a scene, as the case wants it."""
        rng = self._rng(number, 0)
        groups = self.languages[case.removeprefix("language-")] if case.startswith("language-") else self.speakers
        group = str(rng.choice(groups))
        audio, files = self.sources["speech"].speech(group, self.length, rng)
        lufs = LUFS["speech"] + float(rng.uniform(-SPREAD, SPREAD))
        treatment = self._rng(number, 1)
        if case == "telephone":
            audio = voices.telephone(audio)
        elif case == "distant":
            audio, facts["room"] = voices.distant(audio, treatment)
            lufs += DISTANT_LU
        elif case == "whispered":
            audio = voices.whispered(audio, treatment)
            lufs += WHISPERED_LU
        facts |= {"speaker": group, "speech": files, "speech_lufs": round(lufs, 2)}
        return at_lufs(audio, lufs, SAMPLE_RATE)

    def _music(self, case: str, number: int, facts: dict[str, Any]) -> np.ndarray:
        """The music of a scene, with a singer where the case wants one."""
        rng = self._rng(number, 2)
        music = self.sources["music"]
        long = np.flatnonzero(music.pack.lengths >= self.length)
        clip = music.choose(long, rng)
        start = int(rng.integers(max(int(music.pack.lengths[clip]) - self.length, 0) + 1))
        audio = looped(clean(music.pack.clip(clip, start, self.length)), self.length)
        facts |= {"music": music.files[clip], "music_start_seconds": round(start / SAMPLE_RATE, 2)}
        lufs = LUFS["music"] + float(rng.uniform(-SPREAD, SPREAD))
        if case == "over-singing":
            singing = self._rng(number, 6)
            others = [group for group in self.speakers if group != facts["speaker"]] or self.speakers
            facts["singer"] = str(singing.choice(others))
            words, facts["song"] = self.sources["speech"].speech(
                facts["singer"], round(self.length / voices.STRETCH), singing
            )
            voice = np.resize(voices.sung(words, singing), self.length)
            audio = at_lufs(audio, 0.0, SAMPLE_RATE) + at_lufs(voice, SINGER_LU, SAMPLE_RATE)
        return at_lufs(audio, lufs, SAMPLE_RATE)

    def _effects(self, number: int, facts: dict[str, Any]) -> np.ndarray:
        """A few events, one after the other, over a quiet ambience."""
        rng = self._rng(number, 3)
        effects = self.sources["effects"]
        space = self.length // EVENTS
        out = np.zeros(self.length)
        names = []
        for event in range(EVENTS):
            clip = effects.choose(np.arange(len(effects.files)), rng)
            first = event * space + int(rng.integers(space // 2))
            sound = faded(clean(effects.pack.clip(clip))[: (event + 1) * space - first], 0.005)
            lufs = LUFS["effects"] + float(rng.uniform(-SPREAD, SPREAD))
            out[first : first + len(sound)] += at_lufs(sound, lufs, SAMPLE_RATE)
            names.append(effects.files[clip])
        facts["effects"] = names
        lufs = LUFS["background"] + float(rng.uniform(-SPREAD, SPREAD))
        out += at_lufs(self._ambience(number, facts), lufs, SAMPLE_RATE)
        return out

    def _ambience(self, number: int, facts: dict[str, Any]) -> np.ndarray:
        """Two long effects, looped and layered."""
        rng = self._rng(number, 4)
        effects = self.sources["effects"]
        long = np.flatnonzero(effects.pack.lengths >= AMBIENCE_SECONDS * SAMPLE_RATE)
        clips = [effects.choose(long, rng) for _ in range(2)]
        facts["ambience"] = [effects.files[clip] for clip in clips]
        out = np.zeros(self.length)
        for clip in clips:
            layer = looped(clean(effects.pack.clip(clip)), self.length)
            out += at_lufs(layer, LUFS["background"], SAMPLE_RATE)
        return out


def build_cases(
    packs: Path,
    out: Path,
    *,
    split: str = "test",
    scenes: int = SCENES,
    seconds: float = SECONDS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, str]:
    """Write all cases; the folder appears when it is complete. Returns what each case is about.

    Raises:
        FileNotFoundError: the packs are not there. FileExistsError: `out` exists and is not empty.
        ValueError: the packs hold no sound. WriteError: `out` cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists already; choose another folder, or delete it")
    mixer = CaseMixer(packs, split, seconds, seed)
    temporary = out.with_name(f".{out.name}-{secrets.token_hex(4)}")
    with writing(out), made(out.parent):
        temporary.mkdir()
        try:
            drawn: dict[str, dict[str, Any]] = {}
            order = [(case, number) for case in mixer.cases for number in range(scenes)]
            for done, (case, number) in enumerate(order, 1):
                stems, facts = mixer.draw(case, number)
                drawn.setdefault(case, {})[f"{number:02}"] = facts
                (temporary / case).mkdir(exist_ok=True)
                write_stems(stems, temporary / case / f"{number:02}")
                progress(done, len(order))
            cases = {case: {"about": about, "scenes": drawn[case]} for case, about in mixer.cases.items()}
            whole = {"split": split, "seed": seed, "seconds": seconds, "cases": cases}
            (temporary / CASES_FILE).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
            if out.exists():
                out.rmdir()
            os.replace(temporary, out)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return mixer.cases


BAR = "{desc:<8} {bar:30} {n_fmt} / {total_fmt} {remaining} left"


def write_stems(stems: np.ndarray, folder: Path) -> None:
    """Write stems [3, T] and the mix, their exact sum, as float WAV."""
    folder.mkdir()
    names = ("mix", *(DNR_NAMES[stem] for stem in STEMS))
    for name, audio in zip(names, (stems.sum(axis=0), *stems), strict=True):
        write_wav(folder / f"{name}.wav", audio)


def main() -> None:
    """Command line: python -m model.dnr.cases PACKS OUT."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("packs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--scenes", type=int, default=SCENES, help="of each case")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tqdm(desc="draw", leave=False, bar_format=BAR) as bar:  # as the bars of the command look

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        build_cases(
            args.packs, args.out, split=args.split, scenes=args.scenes, seconds=args.seconds, seed=args.seed,
            progress=progress,
        )  # fmt: skip


if __name__ == "__main__":
    main()
