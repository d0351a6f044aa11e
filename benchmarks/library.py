"""What a library of films costs on paper: `python benchmarks/library.py`, with `--write` into docs/scale.md.

Every figure follows from the measurements in benchmarks/results and from the assumptions here: change one, by its
option (`--core-hour 0.03`), and all that follows changes. Nothing of it was measured on a cluster.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "scale.md"
MARKS = "<!-- library -->\n", "<!-- /library -->\n"


@dataclass(frozen=True)
class Assumed:
    """What is assumed; prices in dollars."""

    films: int = 100_000
    minutes: float = 105.0  # of a film
    film_mbit: float = 5.0  # megabits a second of a film
    sound_kbit: float = 160.0  # kilobits a second of a new sound
    core_hour: float = 0.0425
    spot_core_hour: float = 0.0225
    tb_month: float = 23.0  # storing a terabyte for a month
    tb_out: float = 90.0  # a terabyte that leaves the region
    losses_an_hour: float = 0.05  # share of the machines that are taken back in an hour
    cores: int = 1000


@dataclass(frozen=True)
class Measured:
    """CPU seconds a second of film, and speeds in times real time; see `measured`."""

    stereo: float
    surround: float
    around: float  # of stereo: all but the network
    aac_speed: float
    flac_speed: float
    loudness_speed: float
    speed: float  # of the whole command
    cores: int  # that it had


def measured() -> Measured:
    """Return what was measured: two hours of stereo, a minute of 5.1, and ten minutes without the network."""
    growth, models, around = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("growth", "models", "without_network")
    )
    film, five = growth["cfork 7200 cpu"], models["cfork 5.1 cpu"]
    command, aac = film["cases"][0]["command"], around["stereo, AAC to AAC"]
    stereo = models["cfork stereo cpu"]["cases"][0]
    stages = {stage["stage"]: stage for stage in stereo["stages"]}
    return Measured(
        stereo=_median(command["cpu_seconds_per_second"]),
        surround=_median(five["cases"][0]["command"]["cpu_seconds_per_second"]),
        around=_median(aac["own_cpu_seconds_per_second"]) + _median(aac["ffmpeg_cpu_seconds_per_second"])
        + _median(stages["loudness"]["cpu_seconds"]) / stereo["seconds"],
        aac_speed=_median(aac["remix_times_real_time"]),
        flac_speed=_median(around["stereo, AAC to FLAC"]["remix_times_real_time"]),
        loudness_speed=_median(aac["loudness_times_real_time"]),
        speed=_median(command["times_real_time"]),
        cores=film["machine"]["cores"],
    )  # fmt: skip


def _median(found: Any) -> float:
    return float(found["median"] if isinstance(found, dict) else found)


def page(a: Assumed, m: Measured) -> str:
    """Return the figures and how they follow, as Markdown."""
    hours = a.films * a.minutes / 60
    per_film = a.minutes * 60
    read_twice = 3 * a.film_mbit / 8  # MB a second of film: read twice, written once
    side_car = 2 * a.film_mbit / 8 + a.sound_kbit / 8000
    cores, few = a.cores, a.cores // 10
    days = hours * m.stereo / few / 24
    rate = read_twice / m.stereo / 1000  # GB a second that a core reads and writes
    limit = 1 / (1 / m.aac_speed + 1 / m.loudness_speed)
    minutes = per_film * m.stereo / 60  # of a core, for a film
    lost = a.losses_an_hour * minutes / 60

    def work(name: str, each: float) -> str:
        return f"| {name} | {each:.3f} CPU s | {1000 * each:.0f} core hours | {_round(hours * each)} core hours |"

    def bytes_of(name: str, each: float) -> str:
        return f"| {name} | {each:.2f} MB | {each * 3.6:.1f} TB | {hours * each * 3.6 / 1e6:.2f} PB |"

    def price(name: str, each: float, mbit: float) -> str:
        written, leaving = mbit / 8 * 3.6, a.film_mbit / 8 * 3.6
        return (
            f"| {name} | {1000 * each * a.core_hour:.2f} | {1000 * each * a.spot_core_hour:.2f} | "
            f"{written * a.tb_month:.2f} | {leaving * a.tb_out:.0f} |"
        )

    return "\n".join([
        f"Written by `python benchmarks/library.py --write`. Assumed: {a.films:,} films of {a.minutes:g} minutes "
        f"({per_film:,.0f} s; "
        f"{hours:,.0f} hours together) at {a.film_mbit:g} Mbit/s, a new sound of {a.sound_kbit:g} kbit/s. Measured, "
        f"for {m.cores} cores of "
        "one machine: the rest ([speed.md](speed.md)).", "",
        f"| what | a second of film | 1,000 hours | {a.films:,} films |", "|---|---:|---:|---:|",
        work("all of cfork and ffmpeg, stereo AAC to AAC, a film of two hours", m.stereo),
        work("of that without the network: the loudness, and the remix without it", m.around),
        work("5.1, AC-3 to AC-3, a minute of film, so with the start of the program", m.surround),
        bytes_of("read twice, written once", read_twice),
        bytes_of("the same with `--sidecar`: the sound alone is written", side_car), "",
        f"- **Storage.** {cores:,} cores do the stereo library in {hours * m.stereo / cores:.1f} hours of "
        f"computing. A core reads and writes "
        f"{read_twice:.2f} MB / {m.stereo:.3f} s = {1000 * rate:.0f} MB a second, {cores:,} cores "
        f"{rate * cores:.0f} GB a second: the storage is the "
        f"bottleneck, not the network. {few} cores take {days:.1f} days and want {rate * few:.1f} GB a second, "
        f"which is {8 * rate * few:.0f} Gbit/s.",
        f"- **`--sidecar`** leaves {100 * (1 - side_car / read_twice):.0f} % of the traffic away. What remains is "
        f"reading the film twice: once for its "
        "loudness, once for the sound. `--input-lufs` leaves out the first, where the loudness is in a database.",
        f"- **One long film in pieces** cannot be faster than its reader: without the network a remix goes at "
        f"{m.aac_speed:.0f} times real time in "
        f"stereo with AAC (with FLAC at {m.flac_speed:.0f}), after a pass for the loudness at "
        f"{m.loudness_speed:.0f}: together "
        f"{limit:.0f} times. The network takes {m.stereo - m.around:.3f} CPU s a second, so {limit:.0f} x "
        f"{m.stereo - m.around:.3f} = "
        f"{limit * (m.stereo - m.around):.1f} cores beside the reader's are as many as one film can use; two hours "
        f"then take {7200 / limit / 60:.1f} minutes. "
        "More films at a time scale on; pieces are for the one that is needed now.",
        f"- **GPUs** take over {100 * (1 - m.around / m.stereo):.0f} % of the work; {100 * m.around / m.stereo:.0f} "
        f"% (decode, loudness, mix, encode, mux) "
        "stays with the processor.",
        f"- **Spot machines** suit this work. A film takes a core {minutes:.1f} minutes; if "
        f"{100 * a.losses_an_hour:g} % of the machines are taken back in an "
        f"hour, {100 * lost:.1f} % of the films are interrupted, half done on average: {50 * lost:.1f} % of the "
        f"work is done twice.", "",
        f"Cost of 1,000 hours in dollars. Assumed prices: a core hour {a.core_hour:g}, on spot machines "
        f"{a.spot_core_hour:g}; a terabyte stored for a month "
        f"{a.tb_month:g}, out of the region {a.tb_out:g}, within it nothing.", "",
        "| | computing | with spot machines | storing outputs for a month | if all inputs leave the region once |",
        "|---|---:|---:|---:|---:|",
        price(f"stereo, AAC to AAC, {a.film_mbit:g} Mbit/s", m.stereo, a.film_mbit),
        price(f"5.1, AC-3 to AC-3, {a.film_mbit:g} Mbit/s", m.surround, a.film_mbit),
        price(f"stereo, `--sidecar` ({a.sound_kbit:g} kbit/s)", m.stereo, a.sound_kbit / 1000), "",
    ])  # fmt: skip


def _round(number: float) -> str:
    """Return a number of three digits that count.

    >>> _round(12538.75), _round(72.0)
    ('12,500', '72')
    """
    return f"{float(f'{number:.3g}'):,.0f}"


def written(before: str, text: str) -> str:
    """Return a page with other text between the marks."""
    head, rest = before.split(MARKS[0])
    return head + MARKS[0] + text + MARKS[1] + rest.split(MARKS[1])[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write it into docs/scale.md")
    for one in dataclasses.fields(Assumed):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=type(one.default), default=one.default)
    values = vars(parser.parse_args())
    write = values.pop("write")
    text = page(Assumed(**values), measured())
    if write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
