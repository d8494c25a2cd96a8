"""Autoencoders at work: what they rebuild, the noise they take away, and what their codes are good for."""

from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from capsight.errors import UserError
from capsight.evaluation.bootstrap import Patients, draw_patients, interval
from capsight.lecture.clusters import cluster_score
from capsight.lecture.code_pictures import draw_compression, draw_map, draw_rebuilt
from capsight.lecture.image_sets import ImageSet, digit_images, frame_images
from capsight.lecture.reconstruction import fit_reconstruction
from capsight.nn.autoencoders import Autoencoder, ConvAutoencoder, DenoisingAutoencoder, SparseAutoencoder

RESAMPLES = 1000


def autoencoders(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    images: str = "digits",
    root: str = "phantom/lecture",
    phantom: dict | None = None,
    narrow: int = 16,
    wide: int = 4,
    noise: float = 0.3,
    sparsity: float = 0.0003,
    widths: tuple[int, ...] = (2, 4, 8, 16, 32),
    batch_size: int = 64,
    optimiser: dict | None = None,
) -> dict:
    """Train plain, denoising, sparse and convolutional autoencoders on small images; errors are mean squares.

    images: "digits" (scikit-learn's, 8 × 8, so their writers are not known) or "phantom" (frames of the phantom in
    `root`, shrunk to 16 × 16; see `drawn_frames`). narrow: numbers in a narrow code. wide: how many times more numbers
    than in an image a wide code has. noise: standard deviation of the noise that the denoising one learns from, for
    pixels in [0, 1]. sparsity: weight of the penalty. widths: of the codes that are set against the error.
    """
    if images not in ("digits", "phantom"):
        raise UserError(f"lesson.images={images!r} is not known; choose digits or phantom.")
    data = digit_images(seed) if images == "digits" else frame_images(root, phantom)
    optimiser = {"lr": 2e-3, "weight_decay": 0.0} | (optimiser or {})
    pixels, channels = data.test[0].numel(), data.test.shape[1]
    if not widths or not all(isinstance(width, int) and 2 <= width <= pixels for width in widths):
        raise UserError(f"lesson.widths={list(widths)} is not possible; give whole numbers from 2 to {pixels}.")
    if narrow < 1 or wide < 1:
        raise UserError(f"lesson.narrow={narrow}, lesson.wide={wide}: a code holds one number or more.")
    torch.manual_seed(seed)
    networks = {
        "narrow": Autoencoder((pixels, 2 * pixels, narrow)),
        "wide": Autoencoder((pixels, wide * pixels)),
        "denoising": DenoisingAutoencoder((pixels, wide * pixels), strength=noise),
        "sparse": SparseAutoencoder((pixels, wide * pixels)),
        "convolutional": ConvAutoencoder((channels, 16, 32, 16)),
        **{f"width {width}": Autoencoder((pixels, 4 * pixels, 2 * pixels, width)) for width in widths},
    }
    for name, network in networks.items():
        networks[name] = fit_reconstruction(
            network,
            data.training,
            data.validation,
            out=out / name.replace(" ", "_"),
            trainer=trainer,
            batch_size=batch_size,
            optimiser=optimiser,
            seed=seed,
            sparsity=sparsity if name == "sparse" else 0.0,
        )
    kinds = {name: network for name, network in networks.items() if not name.startswith("width")}
    patients = draw_patients(data.patients, RESAMPLES, seed)
    spoilt = spoil(data.test, seed)
    draw_rebuilt(out / "rebuilt.png", kinds, spoilt)
    draw_map(out / "map.png", networks[f"width {min(widths)}"], data)
    compression = {str(width): _compress(networks[f"width {width}"], data, width, patients) for width in widths}
    draw_compression(out / "compression.png", compression)
    return {
        "images": images,
        "n_train": len(data.training),
        "n_test": len(data.test),
        "code_numbers": {name: network.encode(data.test[:1]).numel() for name, network in kinds.items()},
        "error": {name: _errors(network, data.test, spoilt, patients) for name, network in kinds.items()},
        "plain_minus_denoising": _gain(kinds, data.test, spoilt, patients),
        "sparse_activity": _activity(kinds["sparse"], data.test, patients),
        "clustering": _cluster(networks, data, patients, seed),
        "compression": compression,
    }


def spoil(images: Tensor, seed: int) -> dict[str, Tensor]:
    """Return the images (n, C, H, W) as no network has seen them while it learnt.

    In "shuffled" every pixel comes from another image: each has the values that it always has, but nothing is drawn.
    """
    random = torch.Generator().manual_seed(seed)
    draws = torch.rand(images.shape, generator=random)
    order = torch.rand(images.shape, generator=random).argsort(0)
    lines = torch.zeros_like(images)
    lines[..., 1::3, :] = 0.5
    return {
        "clean": images,
        "stronger noise": images + 0.5 * torch.randn(images.shape, generator=random),
        "salt and pepper": torch.where(draws < 0.1, 0.0, torch.where(draws > 0.9, 1.0, images)),
        "missing pixels": images * (draws > 0.3),
        "bright lines": images + lines,
        "shuffled": images.gather(0, order),
    }


@torch.no_grad()
def _error_of_each(network: nn.Module, inputs: Tensor, wanted: Tensor) -> np.ndarray:
    """Mean squared error of each image, (n,)."""
    return (network(inputs) - wanted).square().flatten(1).mean(1).numpy()


def _mean(values: np.ndarray, patients: Patients) -> dict:
    """The mean over images with its interval from drawing patients."""
    sums = np.bincount(patients.group, values, minlength=patients.weights.shape[1])
    counts = np.bincount(patients.group, minlength=patients.weights.shape[1])
    return interval((patients.weights @ sums) / (patients.weights @ counts))


def _errors(network: nn.Module, clean: Tensor, spoilt: dict[str, Tensor], patients: Patients) -> dict[str, dict]:
    """Against the clean image, and for shuffled ones against themselves: who knows the identity rebuilds these too."""
    return {
        name: _mean(_error_of_each(network, inputs, inputs if name == "shuffled" else clean), patients)
        for name, inputs in spoilt.items()
    }


def _gain(kinds: dict, clean: Tensor, spoilt: dict[str, Tensor], patients: Patients) -> dict[str, dict]:
    """How much more of noise that nobody has seen the plain networks leave; above 0: the denoising one is better."""
    unseen = {name: inputs for name, inputs in spoilt.items() if name not in ("clean", "shuffled")}
    best = {name: _error_of_each(kinds["denoising"], inputs, clean) for name, inputs in unseen.items()}
    return {
        kind: {
            name: _mean(_error_of_each(kinds[kind], inputs, clean) - best[name], patients)
            for name, inputs in unseen.items()
        }
        for kind in ("wide", "narrow")
    }


@torch.no_grad()
def _activity(network: nn.Module, images: Tensor, patients: Patients) -> dict:
    """Mean of a code's numbers."""
    return _mean(network.encode(images).mean(1).numpy(), patients)


def _compress(network: nn.Module, data: ImageSet, width: int, patients: Patients) -> dict[str, dict]:
    pca = PCA(width, random_state=0).fit(data.training.flatten(1).numpy())
    flat = data.test.flatten(1).numpy()
    linear = np.square(pca.inverse_transform(pca.transform(flat)) - flat).mean(1)
    return {
        "autoencoder": _mean(_error_of_each(network, data.test, data.test), patients),
        "pca": _mean(linear, patients),
    }


@torch.no_grad()
def _cluster(networks: dict[str, nn.Module], data: ImageSet, patients: Patients, seed: int) -> dict[str, dict]:
    """Clusters of the pixels and of every network's codes."""
    codes = {"pixels": lambda images: images} | {name: network.encode for name, network in networks.items()}
    scores = {}
    for name, encode in codes.items():
        training, test = (encode(images).flatten(1).numpy() for images in (data.training, data.test))
        scores[name] = cluster_score(training, test, data.labels, patients, classes=len(data.classes), seed=seed)
    return scores
