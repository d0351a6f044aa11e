"""A stretch of a film by itself is the same as within a run over the whole."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from support.networks import Fake, alive, noise

from model.streaming.batches import Cancelled
from model.streaming.excerpts import EndsBefore, Excerpts
from model.streaming.separator import separate


def uneven(x: torch.Tensor) -> torch.Tensor:
    """A law that knows where in its window it is: another window gives something else."""
    return torch.tanh(3 * x) * torch.linspace(0.2, 1.0, x.shape[-1])


def likeness_db(one: np.ndarray, other: np.ndarray) -> float:
    difference = np.mean(np.square(one - other, dtype=np.float64))
    return float(10 * np.log10(np.mean(np.square(one, dtype=np.float64)) / max(difference, 1e-30)))


@pytest.mark.parametrize("rate", [44_100, 48_000, 32_000, 96_000, 22_050])
def test_a_window_alone_is_that_of_the_whole(rate: int) -> None:
    network = Fake(window=44_096, context=2048, crossfade=1024, law=uneven)
    sound = noise(2, rate * 4 + 77)
    whole = np.concatenate([stems for _, stems in separate([sound], network, sample_rate=rate, channels=2)], axis=-1)
    with Excerpts(network, sample_rate=rate, channels=2) as excerpts:
        fade = round(excerpts.grid.crossfade * rate / 44_100) + 1
        number, end = 0, 0
        while True:
            stretch = excerpts.window(number)
            begin, after = excerpts.needs(stretch)
            found = excerpts.separate(stretch, sound[:, begin:after])
            assert (found.begin, found.end) == excerpts.kept(stretch) or found.last
            assert found.begin <= max(0, end - fade) + 2, "it must reach into the one before"
            assert np.array_equal(found.mixture, sound[:, found.begin : found.end])
            first = found.begin + (fade if number else 0)
            last = found.end - (0 if found.last else fade)
            alone = found.stems[..., first - found.begin : last - found.begin]
            assert likeness_db(whole[..., first:last], alone) > 80
            number, end = number + 1, found.end
            if found.last:
                break
        assert end == sound.shape[1]
        assert number > 3


@pytest.mark.parametrize(("rate", "output"), [(48_000, 48_000), (44_100, 48_000), (96_000, 48_000)])
def test_a_free_stretch_gives_what_was_asked_for_at_its_place(rate: int, output: int) -> None:
    seconds = np.arange(rate * 3) / rate
    sound = np.stack([np.sin(2 * np.pi * 440 * seconds), np.cos(2 * np.pi * 300 * seconds)]).astype(np.float32)
    with Excerpts(Fake(window=44_096), sample_rate=rate, channels=2, output_rate=output) as excerpts:
        for begin in (0, 1234, output + 77):
            stretch = excerpts.free(begin, begin + output // 2, context_seconds=0.1)
            first, after = excerpts.needs(stretch)
            found = excerpts.separate(stretch, sound[:, first:after])
            assert found.begin <= begin
            assert found.end >= begin + output // 2
            assert not found.last
            times = (found.begin + np.arange(found.end - found.begin)) / output
            true = np.stack([np.sin(2 * np.pi * 440 * times), np.cos(2 * np.pi * 300 * times)])
            inner = slice(200, -200)
            assert np.abs(found.mixture - true)[:, inner].max() < 2e-3
            assert np.abs(found.stems[0] - true)[:, inner].max() < 2e-3


def test_the_films_end_is_found_wherever_it_lies() -> None:
    with Excerpts(Fake(window=8192, context=512, crossfade=256), sample_rate=48_000, channels=1) as excerpts:
        stretch = excerpts.window(2)
        begin, after = excerpts.needs(stretch)
        kept_begin, kept_end = excerpts.kept(stretch)
        sound = noise(1, after)
        for end in range(kept_begin + 10, after, 611):
            found = excerpts.separate(stretch, sound[:, begin:end])
            heard = stretch.hears[1] * 48_000 / 44_100
            assert found.last == (end <= heard)
            assert found.end == (end if found.last else kept_end)
            assert found.stems.shape[-1] == found.mixture.shape[-1]
        with pytest.raises(EndsBefore, match="ends before"):
            excerpts.separate(stretch, np.zeros((1, 0), np.float32))


def test_another_thread_can_give_it_up() -> None:
    class Slow(Fake):
        def forward(self, x: torch.Tensor, stems: object = None) -> torch.Tensor:
            for _ in range(600):
                time.sleep(0.05)
            return super().forward(x, stems)

    before = alive()
    excerpts = Excerpts(Slow(), sample_rate=44_100, channels=2, workers=2)
    stretch = excerpts.free(0, 4000)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            excerpts.separate(stretch, noise(2, 9000))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    excerpts.cancel()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(errors[0], Cancelled | SystemExit)
    with pytest.raises(Cancelled):
        excerpts.separate(stretch, noise(2, 9000))
    excerpts.close()
    assert alive() == before
