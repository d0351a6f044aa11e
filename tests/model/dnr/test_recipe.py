"""What is drawn for a scene: over hundreds of plans, counts, gaps, lengths and levels are those of the recipe."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from model import SAMPLE_RATE
from model.dnr.recipe import (
    CLASS_SPREAD,
    EVENT_SPREAD,
    EVENTS,
    LAST_START_SECONDS,
    LUFS,
    MASTER_LUFS,
    MASTER_SPREAD,
    SECONDS,
    Clip,
    count_events,
    draw_plan,
    place_event,
)

PLANS = 200


class Lengths:
    """A library of nothing but lengths in seconds, by class."""

    def __init__(self, **seconds):
        self.seconds = seconds

    def draw(self, kind, rng):
        return Clip(kind, round(rng.uniform(*self.seconds[kind]) * SAMPLE_RATE))


@pytest.fixture(scope="module")
def roomy():
    """Plans of short clips: hardly any event fails to find a place."""
    library = Lengths(**dict.fromkeys(EVENTS, (0.2, 0.4)))
    return [draw_plan(library, np.random.default_rng((0, number))) for number in range(PLANS)]


@pytest.fixture(scope="module")
def usual():
    """Plans of clips as long as those that DnR is made of."""
    library = Lengths(speech=(2, 16), music=(30, 30), sfx=(0.5, 15), background=(4, 30))
    return [draw_plan(library, np.random.default_rng((1, number))) for number in range(PLANS)]


def of(plan, kind):
    return [event for event in plan.events if event.kind == kind]


# Numbers


@pytest.mark.parametrize("mean", [0.5, 6.0, 12.0])
def test_counts_are_poisson_without_zero(mean):
    rng = np.random.default_rng(0)
    counts = np.array([count_events(mean, rng) for _ in range(3000)])
    zero = math.exp(-mean)
    assert counts.min() >= 1
    assert counts.mean() == pytest.approx(mean / (1 - zero), abs=4 * math.sqrt(mean / 3000))
    for count in range(1, 4):
        wanted = zero * mean**count / math.factorial(count) / (1 - zero)
        assert np.mean(counts == count) == pytest.approx(wanted, abs=4 * math.sqrt(wanted / 3000) + 1e-3)


@pytest.mark.parametrize("kind", ["music", "speech", "background"])
def test_scenes_have_as_many_events_as_the_recipe_says(roomy, kind):
    mean = EVENTS[kind]
    counts = np.array([len(of(plan, kind)) for plan in roomy])
    assert counts.min() >= 1
    assert counts.mean() == pytest.approx(mean / (1 - math.exp(-mean)), abs=4 * math.sqrt(mean / PLANS))
    assert counts.var() == pytest.approx(mean, rel=0.4)


def test_what_finds_no_place_is_dropped(usual):
    for kind, mean in EVENTS.items():
        counts = np.array([len(of(plan, kind)) for plan in usual])
        assert counts.min() >= 1
        assert counts.mean() < mean + 4 * math.sqrt(mean / PLANS)
    assert np.mean([len(of(plan, "music")) for plan in usual]) < 5  # 15 s each, and gaps: never 7


# Times


def test_gaps_are_skew_normal(roomy):
    """From the next whole second on: location 1 s, scale 2 s, shape 5."""
    gaps = []
    for plan in roomy:
        for kind in EVENTS:
            for one, after in pairwise(of(plan, kind)):
                if after.start < 45:  # later ones are held back by the end
                    gaps.append(after.start - math.ceil(one.start + one.seconds))
    assert len(gaps) > 3000
    assert stats.kstest(gaps, stats.skewnorm(5, loc=1, scale=2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("kind", EVENTS)
def test_places_of_events(kind):
    rng = np.random.default_rng(1)
    for _ in range(1000):
        clip_seconds, after = rng.uniform(0.1, 30), float(rng.integers(0, 61))
        left = SECONDS - after
        placed = place_event(kind, clip_seconds, after, rng)
        if left <= 0.3 * clip_seconds or (kind == "speech" and left <= clip_seconds):
            assert placed is None
            continue
        start, length = placed
        assert start >= after
        assert start + length <= SECONDS + 1e-9
        if kind == "speech":
            assert length == pytest.approx(clip_seconds)  # an utterance is whole
        else:
            assert 0.1 <= length <= clip_seconds
            assert start <= max(LAST_START_SECONDS, after)


def test_events_last_half_of_what_they_could():
    rng = np.random.default_rng(2)
    lengths = np.array([place_event("music", 20.0, 0.0, rng)[1] for _ in range(800)])
    assert lengths.mean() == pytest.approx(10, abs=0.3)
    assert lengths.std() == pytest.approx(2, abs=0.3)


def test_events_of_a_class_do_not_overlap(usual, roomy):
    for plan in [*usual, *roomy]:
        for kind in EVENTS:
            for one, after in pairwise(of(plan, kind)):
                assert after.start >= math.ceil(one.start + one.seconds)
            assert all(event.start + event.seconds <= SECONDS + 1e-9 for event in of(plan, kind))


def test_classes_overlap_as_they_do_in_dnr(usual):
    """They are drawn independently, so what is heard at once is the product of how much of each is heard."""
    moments = np.arange(5, 55, 0.1)  # away from the ends, which are emptier for all classes
    active = {kind: [] for kind in EVENTS}
    for plan in usual:
        for kind in EVENTS:
            now = np.zeros(len(moments), bool)
            for event in of(plan, kind):
                now |= (moments >= event.start) & (moments < event.start + event.seconds)
            active[kind].append(now)
    share = {kind: np.array(found) for kind, found in active.items()}
    for one, other in [("speech", "music"), ("speech", "sfx"), ("music", "background")]:
        together = (share[one] & share[other]).mean()
        assert together == pytest.approx(share[one].mean() * share[other].mean(), abs=0.05)
    assert 0.6 < share["music"].mean() < 0.95
    assert 0.5 < share["speech"].mean() < 0.9


def test_passages_of_music_begin_anywhere_and_all_else_at_the_beginning(usual):
    firsts = [event.first / (event.clip.samples - event.samples) for plan in usual for event in of(plan, "music")]
    assert 0 <= min(firsts) < 0.1
    assert 0.9 < max(firsts) <= 1
    assert stats.kstest(firsts, "uniform").pvalue > 1e-3
    assert all(event.first == 0 for plan in usual for event in plan.events if event.kind != "music")


# Levels


@pytest.mark.parametrize("kind", EVENTS)
def test_levels_of_a_class_and_of_its_events(roomy, kind):
    """Uniform: a spread of +-2 has a standard deviation of 2 / sqrt(3)."""
    levels = np.array([plan.class_lufs[kind] - LUFS[kind] for plan in roomy])
    assert np.abs(levels).max() <= CLASS_SPREAD
    assert levels.mean() == pytest.approx(0, abs=4 * CLASS_SPREAD / math.sqrt(3 * PLANS))
    assert levels.std() == pytest.approx(CLASS_SPREAD / math.sqrt(3), rel=0.12)
    events = np.array([event.lufs - plan.class_lufs[kind] for plan in roomy for event in of(plan, kind)])
    assert np.abs(events).max() <= EVENT_SPREAD
    assert events.mean() == pytest.approx(0, abs=4 * EVENT_SPREAD / math.sqrt(3 * len(events)))
    assert events.std() == pytest.approx(EVENT_SPREAD / math.sqrt(3), rel=0.06)


def test_masters(roomy):
    masters = np.array([plan.master_lufs for plan in roomy])
    assert np.abs(masters - MASTER_LUFS).max() <= MASTER_SPREAD
    assert masters.std() == pytest.approx(MASTER_SPREAD / math.sqrt(3), rel=0.12)


def test_silent_clips_take_no_place():
    """An event that is measured to be silent is left out, and the next one comes where it would have been."""
    library = Lengths(**dict.fromkeys(EVENTS, (5, 5)))
    plan = draw_plan(library, np.random.default_rng(0), lambda clip, first, samples: -math.inf)
    assert plan.events == ()
    measured = draw_plan(library, np.random.default_rng(0), lambda clip, first, samples: -20.0)
    assert {event.measured_lufs for event in measured.events} == {-20.0}
    assert [event.start for event in measured.events] == [
        event.start for event in draw_plan(library, np.random.default_rng(0)).events
    ]
