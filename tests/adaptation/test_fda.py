import numpy as np
import pytest
import torch

from capsight.adaptation.fda import Fda


def published(frame, look, beta):
    """The authors' way for one frame (3, H, W): the middle of the shifted spectrum is swapped."""
    source, target = (np.fft.fftshift(np.fft.fft2(image), axes=(1, 2)) for image in (frame, look))
    amplitude = np.abs(source)
    height, width = frame.shape[1:]
    reach = int(np.floor(min(height, width) * beta))
    rows = slice(height // 2 - reach, height // 2 + reach + 1)
    columns = slice(width // 2 - reach, width // 2 + reach + 1)
    amplitude[:, rows, columns] = np.abs(target)[:, rows, columns]
    mixed = np.fft.ifftshift(amplitude * np.exp(1j * np.angle(source)), axes=(1, 2))
    return np.real(np.fft.ifft2(mixed))


@pytest.mark.parametrize("beta", [0.0, 0.01, 0.1, 0.3])
@pytest.mark.parametrize("size", [(16, 16), (15, 20), (21, 13)])
def test_equals_the_published_code(beta, size):
    images = 0.4 + 0.2 * torch.rand(2, 3, *size)
    new = Fda(beta=beta).images(images, torch.tensor([False, True]))
    expected = published(*images.double().numpy(), beta).clip(0, 1)
    np.testing.assert_allclose(new[0].numpy(), expected, atol=1e-5)


def test_beta_0_takes_the_mean_colour_alone():
    images = 0.4 + 0.2 * torch.rand(2, 3, 16, 16)
    images[1] += torch.tensor([0.1, 0.0, -0.1]).view(3, 1, 1)
    source, target = Fda(beta=0).images(images, torch.tensor([False, True]))
    torch.testing.assert_close(source.mean(dim=(1, 2)), target.mean(dim=(1, 2)))
    torch.testing.assert_close(source - source.mean(dim=(1, 2), keepdim=True), images[0] - images[0].mean((1, 2), True))


@pytest.mark.parametrize("beta", [-0.1, 0.5])
def test_bad_beta(beta):
    with pytest.raises(ValueError, match=f"beta={beta}"):
        Fda(beta=beta)
