"""Which findings a patient has, and the stretch of bowel that holds them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capsight.data.phantom.anatomy import LOOP, TEXELS, Patient
from capsight.data.phantom.fluids import bleed, fill, lone_bubbles
from capsight.data.phantom.lesions import grow_polyps, inflame
from capsight.data.phantom.stretch import Stretch

FINDINGS = ("polyp", "bleeding", "inflammation", "content")
BLOCK = 14  # radii of bowel in which a patient has each of its findings once or twice
BEHIND, AHEAD = 1, 7  # radii which are in view behind and before the camera
REACH = 3  # radii around its place that a finding may touch
PAINT = {"content": fill, "inflammation": inflame, "bleeding": bleed, "polyp": grow_polyps}  # what lies below first


@dataclass(frozen=True)
class Lesion:
    """One finding at one place along the bowel (radii); its number, from 1, tells it from others of its patient."""

    number: int
    finding: str
    place: float


def plan(patient_seed: int) -> dict[str, float]:
    """How likely each finding is in a block; of patients 5n to 5n + 4 three have polyps and three bleed."""
    group, own = (np.random.default_rng(key) for key in ([patient_seed // 5, 3], [patient_seed, 4]))
    polyp, bleeding = (patient_seed % 5 in group.permutation(5)[:3] for _ in range(2))
    likely = (polyp, bleeding, own.choice([0.6, 1.0]), own.choice([0.6, 1.0]))
    return dict(zip(FINDINGS, map(float, likely), strict=True))


def draw_stretch(
    patient: Patient,
    anatomy: tuple[np.ndarray, np.ndarray],
    block: int,
    lesions: Sequence[Lesion] | None = None,
) -> Stretch:
    """Block `block` (0, 1, …) of the bowel with all that is in view from it, so parts of its neighbours too.

    Where `lesions` are given, they and content are all that the patient has.
    """
    start = block * BLOCK - BEHIND
    rows = (start * TEXELS + np.arange((BEHIND + BLOCK + AHEAD) * TEXELS)) % (LOOP * TEXELS)
    radius, colour = (part[rows] for part in anatomy)
    stretch = Stretch(start, radius, colour, np.zeros((*radius.shape, 4), np.float32))
    for neighbour in (block - 1, block, block + 1):
        rng = np.random.default_rng([patient.seed, 5, neighbour + 1])
        draws = rng.random(len(FINDINGS))
        counts = rng.integers(1, 3, len(FINDINGS))
        places = neighbour * BLOCK + rng.uniform(1.5, BLOCK, (len(FINDINGS), 2))
        streams = rng.spawn(len(FINDINGS) + 1)
        lone_bubbles(stretch, streams[-1], neighbour * BLOCK, BLOCK)
        for finding, paint in PAINT.items():
            index = FINDINGS.index(finding)
            if draws[index] < plan(patient.seed)[finding] and (lesions is None or finding == "content"):
                for place in places[index, : counts[index]]:
                    paint(stretch, streams[index], place)
    for lesion in lesions or ():
        if -REACH < lesion.place - start < BEHIND + BLOCK + AHEAD + REACH:
            PAINT[lesion.finding](stretch, np.random.default_rng([patient.seed, 8, lesion.number]), lesion.place)
    return stretch
