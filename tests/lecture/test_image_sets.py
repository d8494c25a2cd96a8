import numpy as np
import torch
from sklearn.datasets import load_digits

from capsight.data.phantom import FINDINGS
from capsight.lecture.drawn_frames import drawn_frames
from capsight.lecture.image_sets import SIDE, digit_images, frame_images


def test_digits_keep_their_labels():
    data = digit_images(seed=3)
    pixels, labels = load_digits(return_X_y=True)
    known = {tuple(image): label for image, label in zip(pixels / 16, labels, strict=True)}
    assert [known[tuple(image)] for image in data.test.flatten(1).double().tolist()] == data.labels.tolist()
    assert len(data.training) + len(data.validation) + len(data.test) == 1797
    assert data.training.shape[1:] == (1, 8, 8)
    assert len(set(data.patients)) == len(data.test)  # whose a digit is, is not known
    assert not torch.equal(digit_images(seed=4).test, data.test)


def test_frames_have_the_class_of_their_first_finding(drawn):
    data = frame_images(**drawn)
    table = drawn_frames(**drawn)
    table = table[table[list(FINDINGS)].notna().all(axis=1)]
    parts = {side: table[table["split"] == side] for side in ("train", "val", "test")}
    assert [len(images) for images in data[:3]] == [len(rows) for rows in parts.values()]
    assert data.test.shape[1:] == (3, SIDE, SIDE)
    assert data.test.min() >= 0 and data.test.max() <= 1
    assert data.patients == parts["test"]["patient"].tolist()
    names = np.array(data.classes)[data.labels]
    for name, (_, row) in zip(names, parts["test"].iterrows(), strict=True):
        assert name == next((finding for finding in FINDINGS if row[finding] == 1), "none")
