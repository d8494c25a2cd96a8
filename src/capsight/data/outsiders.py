"""Images that are no capsule frames, drawn without a download: does a model notice that it knows nothing of them?"""

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from capsight.data.phantom.anatomy import draw_anatomy, draw_patient, fractal, noise
from capsight.data.phantom.camera import Camera, Scene, cast, middle
from capsight.data.phantom.devices import Device, record
from capsight.data.phantom.findings import draw_stretch
from capsight.data.phantom.light import shade
from capsight.data.phantom.stretch import WET, smoothstep
from capsight.errors import UserError

SHOWN_PER_COLON = 6  # drawing a colon takes much longer than looking at it
ENDOSCOPE = Device(  # bright, sharp, orange-pink; much less of a fisheye than a capsule
    colour=((1.0, 0.03, 0.0), (0.06, 1.0, 0.02), (0.0, 0.08, 1.0)),
    white=(1.35, 1.2, 1.25),
    gamma=2.2,
    view=112,
    resolution=1.0,
    blur=0.15,
    sharpen=0.7,
    noise=0.004,
    vignette=0.2,
    shape="cut",
    jpeg=95,
    text="",
)


def outsiders(kind: str, n: int, size: int, seed: int) -> np.ndarray:
    """Draw `n` images of one of KINDS: RGB uint8 (n, size, size, 3), the same for the same seed.

    black: a covered or dead camera. colonoscopy: a made-up view of a flexible endoscope. non_medical: parts of two
    photographs, digits and drawn patterns. The first images do not depend on `n`. Raises UserError for bad arguments.
    """
    if kind not in KINDS:
        raise UserError(f"no kind of outsiders named {kind!r}; choose from {', '.join(KINDS)}.")
    for name, number, least in (("n", n, 1), ("size", size, 32), ("seed", seed, 0)):
        if number < least:
            raise UserError(f"{name} of the outsiders is {number}; choose {least} or more.")
    rngs = (np.random.default_rng([seed, list(KINDS).index(kind), i]) for i in range(n))
    return np.stack([KINDS[kind](i, size, seed, rng) for i, rng in enumerate(rngs)])


def _black(i: int, size: int, seed: int, rng: np.random.Generator) -> np.ndarray:
    """Black with the sensor's noise, almost black with a rest of light, or one colour."""
    image = np.zeros((size, size, 3), np.float32)
    if i % 3 == 1:
        grid = np.linspace(-1, 1, size)
        away = np.hypot(grid[:, None] - rng.uniform(-0.7, 0.7), grid - rng.uniform(-0.7, 0.7))
        light = rng.uniform(8, 28) * np.exp(-((away / rng.uniform(0.4, 1.2)) ** 2))
        image += light[..., None] * rng.uniform([0.9, 0.4, 0.2], [1, 0.7, 0.5])
    if i % 3 == 2:
        image += rng.uniform(0, 1, 3) * rng.choice([30, 90])
    image += rng.choice([0.5, 2, 6]) * rng.standard_normal((size, size, 3), np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _colon(seed: int):
    """A colon, blown up with air, and the stretch of it that is looked at."""
    while not draw_patient(seed).colon:
        seed += 1
    patient = replace(draw_patient(seed), murk=0.0, vessels=140)
    stretch = draw_stretch(patient, draw_anatomy(patient), 0)
    stretch.bubbles.clear()
    stretch.radius = np.maximum(1.1 * stretch.radius, 0.62)
    stretch.layers[..., WET] = np.maximum(stretch.layers[..., WET], 0.3)
    return patient, stretch


def _colonoscopy(i: int, size: int, seed: int, rng: np.random.Generator) -> np.ndarray:
    patient, stretch = _colon(10**9 + 10**5 * seed + 100 * (i // SHOWN_PER_COLON))  # nobody of a phantom
    place = rng.uniform(1, 12)
    ahead = np.array([*(np.array(middle(place + 2)) - middle(place)), 2]) + rng.normal(0, 0.35, 3)
    ahead /= np.linalg.norm(ahead)
    roll = rng.uniform(0, 2 * np.pi)
    right = np.cross([np.sin(roll), np.cos(roll), 0], ahead)
    right /= np.linalg.norm(right)
    eye = np.array([*middle(place), place]) + [*rng.uniform(-0.25, 0.25, 2), 0]
    camera = Camera(eye, np.stack([right, np.cross(ahead, right), ahead]), np.radians(ENDOSCOPE.view) / 2)
    scene = Scene(stretch, camera)
    picture, _ = shade(patient, stretch, scene, cast(scene, camera, size))
    _glare(picture, rng)
    return _on_screen(record(picture, ENDOSCOPE, size, rng, []), rng)


def _glare(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Add the endoscope's strong lamp, mirrored in flecks where the wall is bright."""
    n = len(picture)
    bright = cv2.blur(picture.sum(axis=2), (5, 5))
    flecks = fractal(rng, (n, n), max(4, 0.05 * n), 2) + noise(rng, (n, n), 0.2 * n)
    flecks += 1.5 * (bright - bright.mean()) / bright.std()
    most, all_of = np.quantile(flecks, [1 - rng.uniform(0.01, 0.05), 0.999])
    picture += smoothstep(flecks, most, all_of)[..., None] * np.float32(4)


def _on_screen(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the monitor shows: the view over all of it or beside a panel, with the date, the time and a box."""
    size = len(view)
    panel = rng.choice([0, round(0.22 * size)])
    screen = np.zeros_like(view)
    screen[:, panel:] = cv2.resize(view, (size - panel, size), interpolation=cv2.INTER_AREA)
    day, hour, minute = rng.integers([1, 7, 0], [29, 18, 60])
    for i, line in enumerate((f"{day:02d}/{minute % 12 + 1:02d}", f"{hour:02d}:{minute:02d}", "Ht:2 Ce:0")):
        place = (round(0.01 * size), round((0.05 + 0.05 * i) * size))
        cv2.putText(screen, line, place, cv2.FONT_HERSHEY_SIMPLEX, size / 600, (225, 225, 225), 1, cv2.LINE_AA)
    if panel:
        corners = [(round(x * size), round(y * size)) for x, y in ((0.01, 0.78), (0.2, 0.98))]
        cv2.rectangle(screen, *corners, rng.choice([[20, 110, 50], [60, 60, 70]]).tolist(), -1)
    return screen


def _non_medical(i: int, size: int, seed: int, rng: np.random.Generator) -> np.ndarray:
    return (_temple, _digit, _pattern, _flower)[i % 4](size, rng)


def _temple(size: int, rng: np.random.Generator) -> np.ndarray:
    return _part(_photographs()[0], size, rng)


def _flower(size: int, rng: np.random.Generator) -> np.ndarray:
    return _part(_photographs()[1], size, rng)


def _part(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A square part of a photograph, as it is or mirrored."""
    side = int(rng.uniform(0.35, 1) * min(image.shape[:2]))
    top, left = (rng.integers(0, length - side + 1) for length in image.shape[:2])
    part = image[top : top + side, left : left + side][:, :: rng.choice([-1, 1])]
    return cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=cv2.INTER_AREA)


def _digit(size: int, rng: np.random.Generator) -> np.ndarray:
    """A written digit in one colour on another."""
    ink = cv2.resize(_digits()[rng.integers(len(_digits()))], (size, size), interpolation=cv2.INTER_CUBIC)
    paper, pen = rng.uniform(0, 255, (2, 3))
    return np.rint(paper + np.clip(ink, 0, 16)[..., None] / 16 * (pen - paper)).astype(np.uint8)


def _pattern(size: int, rng: np.random.Generator) -> np.ndarray:
    """Stripes, a checkerboard, rings or scattered shapes."""
    x, y = np.meshgrid(*[np.arange(size) / size] * 2)
    turn, period = rng.uniform(0, np.pi), rng.uniform(0.05, 0.3)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kind = rng.choice(["stripes", "checks", "rings", "shapes"])
    colours = rng.uniform(0, 255, (2, 3))
    if kind == "shapes":
        return _shapes(size, rng)
    where = {"stripes": u // period, "checks": u // period + v // period, "rings": np.hypot(x - 0.5, y - 0.5) // period}
    return np.rint(colours[where[kind].astype(int) % 2]).astype(np.uint8)


def _shapes(size: int, rng: np.random.Generator) -> np.ndarray:
    image = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(rng.integers(4, 12)):
        colour, (x, y), half = rng.integers(0, 256, 3).tolist(), rng.integers(0, size, 2), rng.integers(2, size // 3)
        if rng.random() < 0.5:
            cv2.circle(image, (int(x), int(y)), int(half), colour, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(image, (int(x - half), int(y - half)), (int(x + half), int(y + half)), colour, -1)
    return image


@lru_cache
def _photographs() -> list[np.ndarray]:
    return load_sample_images().images


@lru_cache
def _digits() -> np.ndarray:
    return load_digits().images


KINDS = {"black": _black, "colonoscopy": _colonoscopy, "non_medical": _non_medical}
