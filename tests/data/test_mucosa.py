import cv2
import numpy as np
import pandas as pd
import pytest

from capsight.data.mucosa import Mucosa, covered, judge_mucosa
from capsight.data.phantom import video
from capsight.data.view import field_of_view, on_grid


def judge(frame):
    return judge_mucosa(on_grid(frame), field_of_view(frame))


@pytest.fixture(scope="module")
def frames():
    """Frames of three capsules with the share of the view that content fills, known exactly."""
    rows = []
    for patient in range(12):
        device = f"phantom_{1 + patient % 3}"
        for frame, masks in video(patient_seed=20 + patient // 3, device=device, n_frames=12, size=128):
            share = masks["content"].sum() / field_of_view(frame).sum() if "content" in masks else 0.0
            rows.append({"frame": frame, "mask": masks.get("content"), "content": share, **judge(frame)._asdict()})
    return pd.DataFrame(rows)


def test_content_takes_mucosa_away_and_clean_frames_keep_it(frames):
    clean, filled = frames[frames["content"] == 0], frames[frames["content"] > 0.15]
    assert len(clean) >= 5
    assert len(filled) >= 5
    assert clean["visible"].min() > 0.8
    assert filled["visible"].mean() < clean["visible"].mean() - 0.1
    assert filled["bile"].mean() > 5 * clean["bile"].mean() + 0.05


def test_bile_and_bubbles_lie_where_the_content_is(frames):
    inside, outside = [], []
    for frame, mask in frames.loc[frames["content"] > 0.15, ["frame", "mask"]].itertuples(index=False):
        small = on_grid(frame)
        content = cv2.resize(mask.view(np.uint8), (112, 112), interpolation=cv2.INTER_AREA) > 0
        where = covered(small)
        view = field_of_view(small)
        inside.append((where["bile"] | where["bubbles"])[content & view].mean())
        outside.append((where["bile"] | where["bubbles"])[~content & view].mean())
    assert np.mean(inside) > 0.3
    assert np.mean(outside) < 0.1


def test_all_measures_are_shares(frames):
    assert frames[list(Mucosa._fields)].apply(lambda column: column.between(0, 1)).all(axis=None)
    # what is visible and what is not fill the view; a pixel may be hidden for two reasons
    assert (frames[list(Mucosa._fields)].sum(axis=1) >= 1 - 1e-6).all()


def test_each_cause_is_seen_where_it_is(frames):
    clean = frames.loc[frames["content"] == 0, "frame"].iloc[0]
    before = judge(clean)
    foam, rng = clean.copy(), np.random.default_rng(0)
    for x, y, radius in zip(*rng.integers(20, 108, (2, 250)), rng.integers(3, 7, 250), strict=True):
        cv2.circle(foam, (int(x), int(y)), int(radius), (235, 230, 200), 1, cv2.LINE_AA)
    assert judge(foam).bubbles > before.bubbles + 0.2
    shadow = clean.copy()
    shadow[:, :64] = shadow[:, :64] // 8
    assert judge_mucosa(on_grid(shadow), field_of_view(clean)).dark > before.dark + 0.3
    blurred = cv2.GaussianBlur(clean, (0, 0), 6)
    assert judge_mucosa(on_grid(blurred), field_of_view(clean)).blur > before.blur + 0.3
    green = clean.copy()
    green[60:] = (150, 140, 30)
    assert judge_mucosa(on_grid(green), field_of_view(clean)).bile > before.bile + 0.3


def test_a_black_or_tiny_frame_is_all_dark():
    assert judge(np.zeros((64, 64, 3), np.uint8)) == Mucosa(visible=0.0, bile=0.0, bubbles=0.0, dark=1.0, blur=0.0)
    assert judge(np.zeros((1, 3, 3), np.uint8)).visible == 0


def test_the_size_of_a_frame_matters_little(frames):
    frame = frames.loc[frames["content"] > 0.15, "frame"].iloc[0]
    large = cv2.resize(frame, (512, 512), interpolation=cv2.INTER_CUBIC)
    assert judge(large).visible == pytest.approx(judge(frame).visible, abs=0.1)
