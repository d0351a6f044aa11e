"""What effects cost, and what follows the voice does to scenes whose stems are known; prints Markdown.

    python benchmarks/effects.py speed [--seconds 60]
    python benchmarks/effects.py speech dnr/cv film/cv [--scenes 6] [--model cfork]

- speed: stereo noise at 48 kHz goes through each effect alone, in one thread; seconds of sound a second of CPU time.
- speech: how far the known voice stands over the known rest, in all spans of 400 ms that the gates of BS.1770 let into
  the voice's loudness. Gains over time are made twice: from the known stems, and from those that the network finds in
  the mixture; both are applied to the known stems. Speech-free is what is 2.5 s away from all speech.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

import cfork
from cfork_cli.filters.effect import FilterEffect
from cfork_cli.mix.convolver import Reverberation
from cfork_cli.mix.desk import Desk, needed_stems
from cfork_cli.mix.loudness import MOMENTARY_HOPS, RELATIVE_GATE_LU, integrated_lufs, over
from cfork_cli.mix.meter import Meter, level_lufs
from cfork_cli.mix.riding import Boost, Curve, Duck
from cfork_cli.mix.rooms import impulse_response
from cfork_cli.mix.settings import SPEECH_OVER_REST_LU, Processing
from cfork_cli.mix.speech import SpeechDetector

RATE = 48_000
ORDER = ("music", "dialogue", "effects")
CHAINS = (
    "highpass=f=90", "equalizer=f=3000:t=q:w=1:g=3", "acompressor", "agate", "alimiter", "deesser", "aecho", "haas",
    "firequalizer=gain='if(lt(f,300),-INF,0)'", "superequalizer", "dynaudnorm", "loudnorm", "afftdn", "afftfilt",
    "speechnorm", "adynamicequalizer", "adeclick", "anlmdn",
)  # fmt: skip


def speed(seconds: float) -> None:
    """Print what each effect costs."""
    sound = (np.random.default_rng(1).standard_normal((2, round(seconds * RATE))) * 0.1).astype(np.float32)
    print("| effect | times real time |\n|---|---:|")
    for chain in CHAINS:
        short = sound[:, : 10 * RATE] if chain in ("adeclick", "anlmdn", "loudnorm") else sound
        effect = FilterEffect(chain, RATE, 2, "stereo")
        _row(f"`{chain}`", short, lambda block, effect=effect: effect.push(block))
    for kind in ("room", "hall"):
        reverb = Reverberation(impulse_response(kind, RATE, 2), -12, 2)
        _row(f"reverb `{kind}`", sound, lambda block, reverb=reverb: reverb.push(block))
    for words, processing in (
        ("`--speech-boost auto`", Processing(speech_boost_lu=7)),
        ("`--duck music:6`", Processing(duck_db={"music": 6})),
        ("`--night`", Processing(night=True)),
        ("all three", Processing(speech_boost_lu=7, duck_db={"music": 6}, night=True)),
    ):
        stems = needed_stems({}, processing, ORDER)
        desk = Desk(stems, processing, {}, {}, sample_rate=RATE, weights=np.ones(2), film_lufs=-23)
        count = len(stems)
        _row(words, sound, lambda block, desk=desk, count=count: desk.push(block, np.stack([block] * count)))


def _row(words: str, sound: np.ndarray, push: Callable[[np.ndarray], np.ndarray]) -> None:
    began = time.process_time()
    for start in range(0, sound.shape[1], RATE):
        push(sound[:, start : start + RATE])
    print(f"| {words} | {sound.shape[1] / RATE / (time.process_time() - began):.0f} |", flush=True)


def speech(folders: list[Path], count: int, model: str) -> None:
    """Print what follows the voice does to scenes."""
    separator = cfork.Separator(model=model)
    print("| scenes | gains from | voice over the rest, median | worst tenth | under the goal by over 1 LU | "
          "speech-free: change | music down in speech | in pauses |")  # fmt: skip
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for folder in folders:
        rows: dict[str, list[tuple[np.ndarray, ...]]] = {"the known stems": [], f"`{model}`": []}
        for scene in sorted(path for path in folder.iterdir() if path.is_dir())[:count]:
            mixture, voice, rate = _scene(scene)
            found = separator.separate(mixture, rate, stems=["dialogue"]).stems["dialogue"]
            for name, heard in zip(rows, (voice, found), strict=True):
                rows[name].append(_levels(mixture, voice, heard, rate))
        name = f"{count} of {folder.parent.name}/{folder.name}"
        before = _joined(next(iter(rows.values())))
        print(_line(name, "none", before, before["clear"], None, None), flush=True)
        for who, levels in rows.items():
            all_levels = _joined(levels)
            print(
                _line(name, who, all_levels, all_levels["after"], all_levels["changed"], all_levels["ducked"]),
                flush=True,
            )


def _scene(path: Path) -> tuple[np.ndarray, np.ndarray, int]:
    parts = {}
    for name in ("mix", "speech"):
        sound, rate = soundfile.read(path / f"{name}.wav", dtype="float32", always_2d=True)
        parts[name] = np.ascontiguousarray(sound.T)
    return parts["mix"], parts["speech"], rate


def _powers(sound: np.ndarray, rate: int) -> np.ndarray:
    meter = Meter(rate, np.ones(len(sound)))
    return np.array([*meter.push(sound), *meter.finish()])


def _curve(curve: Curve, voice: np.ndarray, rest: np.ndarray) -> np.ndarray:
    silence = [0.0] * curve.AHEAD
    return np.array([*curve.push(voice.tolist(), rest.tolist()), *curve.push(silence, silence)])


def _levels(mixture: np.ndarray, voice: np.ndarray, heard: np.ndarray, rate: int) -> tuple[np.ndarray, ...]:
    """Return, step by step: whether somebody speaks, levels before and after, change in dB, ducking in dB."""
    known, rest = _powers(voice, rate), _powers(mixture - voice, rate)
    heard_voice, heard_rest = _powers(heard, rate), _powers(mixture - heard, rate)
    detector = SpeechDetector()
    silence = [0.0] * detector.AHEAD
    speaks = np.array([*detector.push(known.tolist(), rest.tolist()), *detector.push(silence, silence)])
    boost_db = _curve(Boost(SPEECH_OVER_REST_LU), heard_voice, heard_rest)
    duck_db = _curve(Duck(6), heard_voice, heard_rest)
    spoken = level_lufs(over(known, MOMENTARY_HOPS)) > integrated_lufs(known) + RELATIVE_GATE_LU
    clear, after = (_over_rest(powers, rest)[spoken] for powers in (known, known * 10 ** (boost_db / 10)))
    step = mixture.shape[1] // len(known) if mixture.shape[1] % len(known) == 0 else rate // 10
    whole = mixture.shape[1] // step
    gain = np.repeat(10 ** (boost_db / 20), step)[: mixture.shape[1]]
    gain = np.pad(gain, (0, mixture.shape[1] - len(gain)), mode="edge").astype(np.float32)
    raised = mixture + (gain - 1) * heard
    changed = np.zeros(len(known))
    for number in range(whole):
        part = slice(number * step, (number + 1) * step)
        powers = [float(np.square(one[:, part]).mean()) + 1e-9 for one in (mixture, raised)]
        changed[number] = abs(10 * np.log10(powers[1] / powers[0]))
    return speaks, clear, after, changed, duck_db


def _over_rest(voice: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """How far the voice stands over the rest in every span of 400 ms, in LU."""
    return level_lufs(over(voice, MOMENTARY_HOPS)) - level_lufs(over(rest, MOMENTARY_HOPS))


def _joined(levels: list[tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
    speaks, clear, after, changed, duck_db = (np.concatenate(one) for one in zip(*levels, strict=True))
    # nobody speaks, and nobody has within what ducking takes to come back
    free = ~np.concatenate([
        np.convolve(one[0], np.ones(51), mode="same") > 0 for one in levels
    ])  # fmt: skip
    return {"clear": clear, "after": after, "changed": changed[free],
            "ducked": np.array([duck_db[speaks].mean(), duck_db[free].mean() if free.any() else np.nan])}  # fmt: skip


def _line(
    name: str,
    who: str,
    levels: dict[str, np.ndarray],
    clear: np.ndarray,
    changed: np.ndarray | None,
    ducked: np.ndarray | None,
) -> str:
    change = "" if changed is None else f"{np.percentile(changed, 95):.2f} dB (95 %), {changed.max():.2f} dB (most)"
    down = ("", "") if ducked is None else (f"{ducked[0]:.1f} dB", f"{ducked[1]:.1f} dB")
    missing = float((clear < SPEECH_OVER_REST_LU - 1).mean())
    return (
        f"| {name} | {who} | {np.median(clear):+.1f} LU | {np.percentile(clear, 10):+.1f} LU | {missing:.0%} "
        f"| {change} | {down[0]} | {down[1]} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("speed")
    one.add_argument("--seconds", type=float, default=60)
    other = commands.add_parser("speech")
    other.add_argument("folders", type=Path, nargs="+")
    other.add_argument("--scenes", type=int, default=6)
    other.add_argument("--model", default="cfork")
    given = parser.parse_args()
    if given.command == "speed":
        speed(given.seconds)
    else:
        speech(given.folders, given.scenes, given.model)


if __name__ == "__main__":
    main()
