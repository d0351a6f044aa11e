"""The transform in chunks is that of torch, forth and back."""

import random

import pytest
import torch

from model.inference.transform import CHUNK_BYTES, Transform, power


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def drawn(count):
    """Windows of all kinds: hops that divide them and hops that do not, long and short sounds, one row and several."""
    chance = random.Random(0)
    for number in range(count):
        hop = chance.randint(1, 150)
        window = 2 * hop * chance.randint(1, 8) if number % 2 else 2 * chance.randint(hop, 4 * hop)
        pad_mode = chance.choice(["reflect", "constant"])
        least = window // 2 + 1 if pad_mode == "reflect" else 1
        kind = chance.choice([torch.hann_window, lambda n: torch.hann_window(n).sqrt(), torch.hamming_window])
        yield kind(window), hop, pad_mode, chance.randint(1, 4), chance.randint(least, least + 40 * hop), number


def theirs(x, window, hop, pad_mode):
    spectrum = torch.stft(
        x, len(window), hop, window=window, center=True, pad_mode=pad_mode, normalized=True, return_complex=True
    )
    return spectrum.permute(2, 0, 1)


def test_forth_and_back_as_torch_does_it():
    for window, hop, pad_mode, batch, samples, seed in drawn(80):
        transform, x = Transform(window, hop, pad_mode), noise(batch, samples, seed=seed)
        expected = theirs(x, window, hop, pad_mode)
        found = transform.forward(x)
        assert found.shape == (transform.frames(samples), batch, transform.bins)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)

        changed = expected * torch.rand(expected.shape, generator=torch.Generator().manual_seed(seed))
        back = torch.istft(
            changed.permute(1, 2, 0), len(window), hop, window=window, center=True, normalized=True, length=samples
        )
        torch.testing.assert_close(transform.inverse(changed, samples), back, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(transform.inverse(found, samples), x, atol=1e-4, rtol=1e-4)


def test_power_is_the_square_of_the_magnitude():
    spectrum = torch.complex(noise(3, 5, 7), noise(3, 5, 7, seed=1))
    for seen in (spectrum, spectrum[:, ::2, 1:], spectrum.transpose(0, 2)):
        torch.testing.assert_close(power(seen), seen.abs().square())
    assert (power(torch.zeros(4, dtype=torch.complex64)) == 0).all()


@pytest.mark.parametrize(("window", "hop"), [(1024, 256), (2048, 1024), (8192, 256), (8192, 1024)])
def test_more_frames_than_a_chunk_has(window, hop):
    transform, x = Transform(torch.hann_window(window), hop, "constant"), noise(2, 292 * 1024)
    found = transform.forward(x)
    assert len(found) > 2 * transform.chunk(2)
    torch.testing.assert_close(found, theirs(x, torch.hann_window(window), hop, "constant"), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(transform.inverse(found, 292 * 1024), x, atol=1e-5, rtol=1e-5)


def test_frames_can_be_taken_and_added_in_any_pieces():
    transform, x = Transform(torch.hann_window(256), 64, "reflect"), noise(3, 5000)
    whole, padded = transform.forward(x), transform.pad(x)
    total = transform.silence(3, len(whole))
    for first, last in ((0, 1), (40, 79), (1, 3), (3, 40)):
        piece = transform.spectra(padded, first, last)
        torch.testing.assert_close(piece, whole[first:last])
        transform.add(total, piece, first)
    torch.testing.assert_close(transform.finish(total, 5000), x, atol=1e-5, rtol=1e-5)


def test_upper_bins_that_are_missing_are_zero():
    transform = Transform(torch.hann_window(256), 64, "constant")
    spectrum = transform.forward(noise(1, 3000))
    low = spectrum.clone()
    low[..., 50:] = 0
    torch.testing.assert_close(transform.inverse(spectrum[..., :50], 3000), transform.inverse(low, 3000))


def test_lengths_in_turn():
    """What is kept from one length does not spoil the next."""
    transform = Transform(torch.hann_window(64), 16, "constant")
    for samples in (1000, 20, 1, 1000, 999, 5000, 20):
        x = noise(1, samples, seed=samples)
        torch.testing.assert_close(transform.inverse(transform.forward(x), samples), x, atol=1e-5, rtol=1e-5)


def test_the_input_is_left_alone_however_it_lies_in_memory():
    transform = Transform(torch.hann_window(64), 16, "constant")
    x = noise(500, 4).t()[1:3]
    before = x.clone()
    torch.testing.assert_close(transform.forward(x), transform.forward(before))
    assert torch.equal(x, before)


def test_a_chunk_fits_its_size_and_has_a_frame_at_least():
    transform = Transform(torch.hann_window(8192), 256, "reflect")
    assert 4 * 8192 * 4 * transform.chunk(4) <= CHUNK_BYTES
    assert transform.chunk(1000) == 1


@pytest.mark.parametrize(("window", "hop"), [(63, 16), (64, 33), (64, 0)])
def test_windows_and_hops_that_cannot_be_inverted_are_refused(window, hop):
    with pytest.raises(ValueError, match="even"):
        Transform(torch.hann_window(window), hop, "constant")
