"""The one judge of every run: what `cfork` promises whatever happens to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from faults.trial import Seen, Trial

MOST_BYTES = 1_500_000_000
"""Of resident memory, for films of a second and the smallest network."""
MOST_CPU_SECONDS = 60.0
LOST_SECONDS = 0.3
"""Less sound than this is not looked for: codecs and containers round, and damage may move an edge."""

_KILL = -9
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_NEVER = ("Traceback", "cfork itself failed", "Warning:", "Exception ignored", "Fatal Python error", "core dumped")


def violations(trial: Trial, seen: Seen) -> list[str]:
    """Return what was promised and not kept."""
    own = (why for law in trial.laws for why in law(seen))
    return [*_ends(trial, seen), *_words(trial, seen), *_files(trial, seen), *_sound(trial, seen), *own]


def _ends(trial: Trial, seen: Seen) -> Iterator[str]:
    if not seen.ended:
        missed = len(trial.acts) - seen.acts
        found_none = f" ({missed} of {len(trial.acts)} things to be done to it found no moment)" if missed else ""
        yield f"it did not end within {trial.limit_seconds:.0f} s{found_none}"
        return
    for code in seen.codes:
        if code not in trial.codes:
            yield f"exit code {code}, where {sorted(trial.codes)} are right"
    if trial.second_after is not None and 0 not in seen.codes:
        yield f"two that could both do it ended with {seen.codes}"
    if seen.left:
        yield f"processes outlived it: {seen.left[0][:200]}"
    if seen.peak_bytes > MOST_BYTES:
        yield f"{seen.peak_bytes / 1e6:.0f} MB of memory"
    if seen.cpu_seconds > MOST_CPU_SECONDS:
        yield f"{seen.cpu_seconds:.0f} s of processor time"
    if seen.heard:
        yield f"{seen.heard} connections to an address that the input names"
    if seen.opened:
        yield f"it opened {', '.join(seen.opened)}"


def _words(trial: Trial, seen: Seen) -> Iterator[str]:
    text = seen.err.decode("utf-8", "replace")
    printed = text + seen.out.decode("utf-8", "replace") if trial.command not in ("remix", "separate") else text
    for word in _NEVER:
        if word in text:
            yield f"it says {word!r}"
    if (found := _UNPRINTABLE.search(printed)) and not _is_sound(seen.out):
        yield f"it prints the control character {found[0]!r}"
    if (
        seen.code < 0
        or seen.code == 141
        or not seen.ended
        or 1 in trial.closed
        or 2 in trial.closed
        or len(seen.codes) > 1
    ):
        return
    as_json = "--json" in trial.arguments
    complaints = [line for line in text.splitlines() if line.startswith("cfork: ")]
    if not as_json:
        if seen.code and len(complaints) != 1 and not trial.several:
            yield f"{len(complaints)} lines of error with exit code {seen.code}"
        if not seen.code and complaints:
            yield "a line of error, and exit code 0"
        return
    if trial.stdout is not None or trial.command == "watch":  # which prints a line for each film
        return
    objects = [line for line in seen.out.splitlines() if line.startswith(b"{")]
    if trial.command == "info" and not seen.code:
        return
    taken = not objects and (objects := [line for line in seen.err.splitlines() if b'"exit_code"' in line])
    if seen.code and not (objects and json.loads(objects[-1]).get("exit_code") == seen.code):
        yield f"no JSON object with the exit code {seen.code}"
    if not taken and seen.out.count(b"\n") > 1:
        yield "more than one line on standard output with --json"


def _is_sound(out: bytes) -> bool:
    return out[:4] in (b"RIFF", b"\x1aE\xdf\xa3", b"fLaC", b"OggS")


def _files(trial: Trial, seen: Seen) -> Iterator[str]:
    for path in trial.inputs:
        name = str(path.relative_to(trial.folder))
        if seen.before.get(name) != seen.after.get(name):
            yield f"the input '{name}' was changed"
    done = 0 in seen.codes
    allowed = {str(path.relative_to(trial.folder)) for path in trial.outputs}
    inputs = {str(path.relative_to(trial.folder)) for path in trial.inputs}
    free = [str(path.relative_to(trial.folder)) for path in trial.free]

    def is_free(name: str) -> bool:
        return name in inputs or any(name == one or name.startswith(f"{one}/") for one in free)

    for name, what in seen.after.items():
        if seen.before.get(name) == what or is_free(name):
            continue
        if name in allowed or any(name.startswith(f"{one}/") for one in allowed):
            if not done and _KILL not in seen.codes:
                yield f"'{name}' is there with exit code {seen.code}"
        elif not (trial.may_leave and (name.startswith(("TMP/", ".")) or "/." in name)):
            yield f"'{name}' is left behind"
    for name in set(seen.before) - set(seen.after):
        if not is_free(name):
            yield f"'{name}' has gone"
    for name in allowed - set(seen.after) if done else ():
        if not is_free(name):
            yield f"exit code 0, and '{name}' is not there"


def _sound(trial: Trial, seen: Seen) -> Iterator[str]:
    """What the outputs hold: they can be read without a complaint, and lost sound was told."""
    told = b"note: " in seen.err or b'"note"' in seen.err or b'"notes": ["' in seen.out
    for path in trial.outputs:
        name = str(path.relative_to(trial.folder))
        if f"{name} error" in seen.facts:
            yield f"'{name}' cannot be read: {seen.facts[f'{name} error']}"
        if seen.facts.get(f"{name} errors"):
            yield f"'{name}' has {seen.facts[f'{name} errors']} packets that cannot be decoded"
        seconds = seen.facts.get(f"{name} seconds")
        if not isinstance(seconds, float) or seen.code or trial.command != "remix" or told:
            continue
        there = seen.facts.get("input seconds")
        if isinstance(there, float) and seconds < there - LOST_SECONDS and seen.facts.get("input tracks") == 1:
            yield f"'{name}' has {seconds:.2f} s of sound of {there:.2f} s, and nothing was told"
        if trial.film_seconds is not None and seconds < trial.film_seconds - LOST_SECONDS:
            yield f"'{name}' has {seconds:.2f} s of a film of {trial.film_seconds:.2f} s, and nothing was told"
