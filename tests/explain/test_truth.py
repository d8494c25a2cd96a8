"""The true region: it must lie where the finding is in what the network sees, and every trap must be named."""

import cv2
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from PIL import Image

from capsight.data.dataset import FrameDataset
from capsight.data.phantom import make_phantom
from capsight.data.public import build
from capsight.data.transforms import evaluation_transform
from capsight.explain.truth import NO_TRUTH, true_region

SHAPES = [(96, 96), (60, 96), (101, 70), (600, 600)]


def ellipse(shape: tuple[int, int]) -> np.ndarray:
    """A finding, off the middle."""
    height, width = shape
    centre, axes = (width * 5 // 8, height * 3 // 8), (width // 6, height // 8)
    return cv2.ellipse(np.zeros(shape, np.uint8), centre, axes, 20, 0, 360, 1, -1).astype(bool)


def frame_with(finding: np.ndarray) -> np.ndarray:
    """Red tissue everywhere, green where the finding is."""
    frame = np.full((*finding.shape, 3), (170, 60, 60), np.uint8)
    frame[finding] = (20, 220, 20)
    return frame


def row(**cells) -> pd.Series:
    missing = dict.fromkeys(("mask", "x1", "y1", "x2", "y2"), pd.NA)
    known = {"path": "frame.png", "patient": "p", "video": "v", "frame": 3, "device": "d", "polyp": 1, "erosion": 0}
    return pd.Series(known | missing | cells)


def seen_as_green(folder, path: str, size: int) -> np.ndarray:
    table = pd.DataFrame([row(path=path)]).astype({"polyp": "Int8"})
    image = FrameDataset(table, folder, ["polyp"], evaluation_transform(size))[0]["image"].numpy().astype(int)
    return (image[1] > image[0]) & (image[1] > 60)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("size", [48, 96, 130])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", ["frame.png", "frame.jpg"])
def test_mask_lies_where_the_network_sees_the_finding(tmp_path, shape, size, path):
    finding = ellipse(shape)
    Image.fromarray(frame_with(finding)).save(tmp_path / path, quality=95)
    Image.fromarray(finding.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    region, problem = true_region(row(path=path, mask="mask.png"), tmp_path, "polyp", size)
    assert problem is None and region.shape == (size, size) and region.dtype == bool
    assert iou(region, seen_as_green(tmp_path, path, size)) > (0.9 if size > 48 else 0.8)


@pytest.mark.parametrize("size", [48, 96])
@pytest.mark.parametrize("shape", SHAPES)
def test_box_lies_where_the_network_sees_it(tmp_path, shape, size):
    height, width = shape
    x1, y1, x2, y2 = width // 2, height // 8, width * 7 // 8, height // 2
    finding = np.zeros(shape, bool)
    finding[y1:y2, x1:x2] = True
    Image.fromarray(frame_with(finding)).save(tmp_path / "frame.png")
    region, _ = true_region(row(x1=x1, y1=y1, x2=x2, y2=y2), tmp_path, "polyp", size)
    assert iou(region, seen_as_green(tmp_path, "frame.png", size)) > 0.9


FINDING = ellipse((96, 96))


def grey(low: int, high: int) -> Image.Image:
    return Image.fromarray(np.where(FINDING, high, low).astype(np.uint8))


def palette(colours: list[int]) -> Image.Image:
    image = Image.fromarray(FINDING.astype(np.uint8)).convert("P")
    image.putdata(FINDING.astype(int).ravel().tolist())
    image.putpalette(colours)
    return image


def transparent() -> Image.Image:
    pixels = np.full((96, 96, 4), 255, np.uint8)
    pixels[..., 3] = FINDING * 255
    return Image.fromarray(pixels)


MASKS = {
    "one bit": grey(0, 255).convert("1"),
    "0 and 255": grey(0, 255),
    "0 and 1": grey(0, 1),
    "16 bits": Image.fromarray(FINDING.astype(np.uint16) * 65535),
    "RGB": grey(0, 255).convert("RGB"),
    "RGBA": grey(0, 255).convert("RGBA"),
    "white, told by transparency": transparent(),
    "palette of black and white": palette([0, 0, 0, 255, 255, 255]),
    "palette of nearly black": palette([0, 0, 0, 1, 1, 1]),
    "palette of a colour": palette([0, 0, 0, 128, 0, 0]),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_kind_are_one_region(tmp_path, kind):
    Image.fromarray(frame_with(FINDING)).save(tmp_path / "frame.png")
    MASKS[kind].save(tmp_path / "mask.png")
    region, problem = true_region(row(mask="mask.png"), tmp_path, "polyp", 96)
    assert problem is None
    np.testing.assert_array_equal(region, FINDING)


def test_jpeg_noise_is_no_region(tmp_path):
    Image.fromarray(frame_with(FINDING)).save(tmp_path / "frame.png")
    grey(0, 255).save(tmp_path / "mask.jpg", quality=40)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "mask.jpg")))) > 10
    region, _ = true_region(row(mask="mask.jpg"), tmp_path, "polyp", 96)
    assert iou(region, FINDING) > 0.97
    noise = np.random.default_rng(0).integers(0, 9, (96, 96)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.jpg")
    assert "noise.jpg is empty" in true_region(row(mask="noise.jpg"), tmp_path, "polyp", 96)[1]


def test_mask_of_another_size_is_scaled_where_the_shape_is_the_same(tmp_path):
    Image.fromarray(frame_with(FINDING)).save(tmp_path / "frame.png")
    for size in (48, 224):
        small = Image.fromarray(FINDING.astype(np.uint8) * 255).resize((size, size))
        small.save(tmp_path / "mask.png")
        assert iou(true_region(row(mask="mask.png"), tmp_path, "polyp", 96)[0], FINDING) > 0.9


def test_problems_are_named(tmp_path):
    Image.fromarray(frame_with(FINDING)).save(tmp_path / "frame.png")
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(tmp_path / "empty.png")
    Image.fromarray(np.full((96, 90), 255, np.uint8)).save(tmp_path / "narrow.png")
    (tmp_path / "broken.png").write_bytes(b"not an image")
    whole = {"x1": 2, "y1": 2, "x2": 9, "y2": 9}
    problems = {
        NO_TRUTH: row(),
        "empty.png is empty": row(mask="empty.png"),
        "narrow.png is 90 x 96, the frame 96 x 96": row(mask="narrow.png"),
        "broken.png: it is not an image": row(mask="broken.png"),
        "none.png: No such file": row(mask="none.png"),
        "polyp.png: No such file": row(mask="{finding}.png"),
        "../up.png' leaves the root": row(mask="../up.png"),
        "gone.png: No such file": row(path="gone.png", **whole),
        "lacks a side": row(**whole | {"y2": np.nan}),
        "(9, 9, 2, 2) has no area": row(x1=9, y1=9, x2=2, y2=2),
        "has no area in the frame": row(x1=200, y1=9, x2=220, y2=20),
        "smaller than a pixel": row(x1=10, y1=10, x2=11, y2=11),
        "does not say that polyp is": row(polyp=0, **whole),
        "does not say that polyp": row(polyp=pd.NA, **whole),
    }
    for words, frame in problems.items():
        region, problem = true_region(frame, tmp_path, "polyp", 24)
        assert region is None and words in problem, problem


def test_finding_that_the_manifest_lacks(tmp_path):
    assert "does not say that worms" in true_region(row(), tmp_path, "worms", 24)[1]


def test_each_finding_has_its_own_mask(tmp_path):
    Image.fromarray(frame_with(FINDING)).save(tmp_path / "frame.png")
    for name, mask in (("polyp", FINDING), ("erosion", FINDING[:, ::-1])):
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / f"{name}.png")
    both = row(mask="{finding}.png", erosion=1)
    np.testing.assert_array_equal(true_region(both, tmp_path, "polyp", 96)[0], FINDING)
    np.testing.assert_array_equal(true_region(both, tmp_path, "erosion", 96)[0], FINDING[:, ::-1])


def test_a_box_of_nobody_knows_which_finding_is_a_problem(tmp_path):
    Image.fromarray(frame_with(FINDING)).save(tmp_path / "frame.png")
    box = {"x1": 10, "y1": 10, "x2": 40, "y2": 50}
    assert "several findings (polyp, erosion)" in true_region(row(erosion=1, **box), tmp_path, "polyp", 96)[1]
    # Erosion is a kind of inflammation: one finding under two names.
    one = row(polyp=0, erosion=1, inflammation=1, **box)
    for name in ("erosion", "inflammation"):
        assert true_region(one, tmp_path, name, 96)[0].sum() == 30 * 40
    # Unknown is not "there", and a mask says more than a box.
    assert true_region(row(erosion=pd.NA, **box), tmp_path, "polyp", 96)[0].sum() == 30 * 40
    Image.fromarray(FINDING).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(true_region(row(mask="mask.png", **box), tmp_path, "polyp", 96)[0], FINDING)


def test_region_ends_where_the_view_ends(tmp_path):
    view = cv2.circle(np.zeros((96, 96), np.uint8), (48, 48), 40, 1, -1)
    Image.fromarray(cv2.copyTo(frame_with(FINDING), view)).save(tmp_path / "frame.png")
    region, _ = true_region(row(x1=0, y1=0, x2=48, y2=48), tmp_path, "polyp", 96)
    assert not region[:10, :10].any() and region[20:48, 20:48].all() and not region[50:].any()
    assert "outside the view" in true_region(row(x1=0, y1=0, x2=6, y2=6), tmp_path, "polyp", 96)[1]


def test_phantom_has_a_region_for_every_finding_that_can_be_told(tmp_path):
    with parallel_config("threading"):  # processes take seconds to start
        table = make_phantom(tmp_path, devices=("phantom_1",), patients_per_device=3, frames_per_patient=12, size=64)
    shares = []
    for name in ("polyp", "bleeding", "inflammation", "content"):
        for _, frame in table[table[name] == 1].iterrows():
            region, problem = true_region(frame, tmp_path, name, 56)
            assert problem is None
            shares.append(region.mean())
    assert len(shares) > 10 and min(shares) > 0.01 and max(shares) < 0.9


@pytest.mark.parametrize("name, finding", [("kvasir_capsule_seg", "polyp"), ("wcebleedgen", "bleeding")])
def test_real_masks(shared_data, name, finding):
    root = shared_data / name
    table = build(name, root, merge_copies=False).table
    positive = table[table[finding] == 1].head(40)
    found = [true_region(frame, root, finding, 224) for _, frame in positive.iterrows()]
    assert [problem for _, problem in found if problem] == []
    # Where a box is given too, it is drawn around the mask (but for a few pixels).
    for (region, _), (_, frame) in zip(found, positive.iterrows(), strict=True):
        assert 0 < region.mean() < 0.95
        if name == "wcebleedgen":
            box, _ = true_region(frame.drop("mask"), root, finding, 224)
            assert (region & ~box).sum() < 0.1 * region.sum() + 20


def test_real_boxes(shared_data):
    """Polyps of video 131368cc17e44240 have boxes, in Capsule Vision at 224 pixels, and masks, at 336."""
    root = shared_data / "kvasir_capsule_seg"
    table = build("kvasir_capsule_seg", root, merge_copies=False).table.head(15)
    metadata = pd.read_csv(shared_data / "labels" / "kvasir_capsule_metadata.csv", sep=";").set_index("filename")
    agreement = []
    for _, frame in table.iterrows():
        points = metadata.loc[frame["path"].removeprefix("images/")]
        xs, ys = ([float(points[f"{axis}{number}"]) for number in range(1, 5)] for axis in "xy")
        box = pd.Series({"mask": pd.NA, "x1": min(xs), "y1": min(ys), "x2": max(xs), "y2": max(ys)})
        boxed = pd.concat([frame.drop("mask"), box])
        regions = [true_region(either, root, "polyp", 112)[0] for either in (boxed, frame)]
        agreement.append(iou(*regions))
    assert np.median(agreement) > 0.7
