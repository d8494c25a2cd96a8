"""Where the capsule is and what each of its pixels hits: rays through a bent tube, in mean bowel radii."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from capsight.data.phantom.anatomy import AROUND, TEXELS
from capsight.data.phantom.stretch import Stretch, smoothstep

FAR = 5.5  # radii; what is further away lies in the dark
MOST_ROWS = 32_000  # OpenCV's remap takes images of fewer than 32,767 rows
BEND = np.array([[1.0, 2 * np.pi / 10.3], [0.8, 2 * np.pi / 7.7]], np.float32)  # amplitude, frequency in x and y
NEAR = 0.82  # the capsule itself keeps the wall at least this far apart around it


@dataclass
class Hits:
    """What the rays hit, each (n, n) or (n, n, 3)."""

    distance: np.ndarray
    rays: np.ndarray  # unit vectors
    normal: np.ndarray  # unit vectors towards the inside
    u: np.ndarray  # column in the maps
    v: np.ndarray  # row in the maps
    polyp: np.ndarray  # which polyp was hit; -1: none
    seam: np.ndarray  # distance from where polyp and wall meet


def middle(place: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the middle line at `place` along the bowel."""
    return tuple(a * np.sin(f * np.float32(place)) for a, f in BEND)


@lru_cache(maxsize=4)
def _fisheye(n: int, half_view: float) -> np.ndarray:
    grid = (np.arange(n) + 0.5) / n * 2 - 1
    x, y = np.meshgrid(grid, grid)
    angle = np.hypot(x, y) * half_view
    side = np.sinc(angle / np.pi) * half_view
    return np.stack([x * side, y * side, np.cos(angle)], -1).astype(np.float32)


@dataclass
class Camera:
    """A pose: the eye (3,), the axes (3, 3; rows right, down, ahead), and half the view in radians."""

    eye: np.ndarray
    axes: np.ndarray
    half_view: float

    def rays(self, n: int) -> np.ndarray:
        """Directions (n, n, 3) of an equidistant fisheye; the view touches the border of the square."""
        return _fisheye(n, self.half_view) @ self.axes.astype(np.float32)

    def project(self, points: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixel positions (m, 2) of the points (m, 3) and their distances (m,)."""
        local = (points - self.eye) @ self.axes.T
        distance = np.linalg.norm(local, axis=-1)
        radius = np.arccos(np.clip(local[:, 2] / distance, -1, 1)) / self.half_view
        flat = local[:, :2] / np.maximum(np.linalg.norm(local[:, :2], axis=-1, keepdims=True), 1e-6)
        return (flat * radius[:, None] + 1) * n / 2, distance


def pose(patient_seed: int, place: float, view: float) -> Camera:
    """The capsule at `place`: it sways, looks around and rolls slowly; it sees `view` degrees."""
    rng = np.random.default_rng([patient_seed, 6])
    phase, wave = rng.uniform(0, 2 * np.pi, (5, 2)), rng.uniform([2.5, 6], [5, 14], (5, 2))
    sway = (np.sin(2 * np.pi * place / wave + phase) * [0.45, 0.55]).sum(1)  # five motions within -1 … 1
    eye = np.array([*middle(place), place]) + [0.3 * sway[0], 0.3 * sway[1], 0]
    slope = [a * f * np.cos(f * place) for a, f in BEND]
    ahead = np.array([slope[0] + 1.0 * sway[2], slope[1] + 1.0 * sway[3], 1.0])
    ahead /= np.linalg.norm(ahead)
    roll = 2.5 * sway[4] + phase[4, 0]
    right = np.cross([np.sin(roll), np.cos(roll), 0], ahead)
    right /= np.linalg.norm(right)
    return Camera(eye, np.stack([right, np.cross(ahead, right), ahead]), np.radians(view) / 2)


class Scene:
    """The stretch as it is around the capsule at one moment; a negative `depth` lies in the wall."""

    def __init__(self, stretch: Stretch, camera: Camera):
        self.eye = camera.eye
        first = max(0, int((camera.eye[2] - 1 - stretch.start) * TEXELS))
        self.first, self.start = first, stretch.start + first / TEXELS
        radius = stretch.radius[first : first + int((FAR + 1.5) * TEXELS)]
        away = np.abs(self.start + np.arange(len(radius), dtype=np.float32) / TEXELS - float(camera.eye[2]))
        open_wide = (NEAR * (1 - smoothstep(away, 0.25, 1.0)))[:, None]
        radius = np.maximum(radius, open_wide)
        self.radius = np.concatenate([radius, radius[:, :1]], 1)
        near = [p for p in stretch.polyps if -1.2 < p.balls[-1, 2] - camera.eye[2] < 4]
        self.polyps = [(p, self._balls(p.balls)) for p in near]

    def _balls(self, balls: np.ndarray) -> np.ndarray:
        """Balls (n, 4) as x, y, z, radius, pushed to the wall where the capsule itself is."""
        x, y = middle(balls[:, 2])
        placed = np.stack([x + balls[:, 0] * np.cos(balls[:, 1]), y + balls[:, 0] * np.sin(balls[:, 1]), balls[:, 2]])
        placed = np.concatenate([placed.T, balls[:, 3:]], 1)
        for _ in range(3):
            away = placed[:, :3] - self.eye
            gap = np.linalg.norm(away, axis=1) - placed[:, 3]
            nearest = away[gap.argmin()]
            placed[:, :3] += max(0.0, 0.3 - gap.min()) * nearest / np.linalg.norm(nearest)
        return placed.astype(np.float32)

    def wall(self, x, y, z) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How far the points are from the wall, and their columns and rows in the maps."""
        mx, my = middle(z)
        far, angle = cv2.cartToPolar(x - mx, y - my)
        u, v = angle * np.float32(AROUND / (2 * np.pi)), (z - np.float32(self.start)) * np.float32(TEXELS)
        return cv2.remap(self.radius, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) - far, u, v

    def blobs(self, x, y, z) -> list[np.ndarray]:
        """How far the points are from each polyp."""
        return [_union([_ball(x, y, z, ball) for ball in balls], 0.5 * balls[-1, 3]) for _, balls in self.polyps]

    def depth(self, x, y, z) -> np.ndarray:
        """How far the points are from whatever is nearest."""
        return _union([self.wall(x, y, z)[0], *self.blobs(x, y, z)], 0.12)


def _ball(x, y, z, ball) -> np.ndarray:
    dx, dy, dz = x - ball[0], y - ball[1], z - ball[2]
    return cv2.sqrt(dx * dx + dy * dy + dz * dz) - ball[3]


def _union(depths: list[np.ndarray], soft: float) -> np.ndarray:
    """Smooth minimum: seams are rounded over `soft` radii (Quilez, polynomial smooth minimum)."""
    nearest = depths[0]
    for depth in depths[1:]:
        overlap = np.maximum(soft - np.abs(nearest - depth), 0)
        nearest = np.minimum(nearest, depth) - overlap * overlap * np.float32(0.25 / soft)
    return nearest


def cast(scene: Scene, camera: Camera, n: int) -> Hits:
    """Follow one ray per pixel until it hits something: first few rays, then all from where those ended."""
    rays = camera.rays(n)
    few = _march(scene, camera.rays(-(-n // 2)), np.float32(0.05), 26)[0]
    few = cv2.resize(cv2.erode(few, np.ones((3, 3), np.uint8)), (n, n), interpolation=cv2.INTER_LINEAR)
    distance, missing = _march(scene, rays, np.maximum(few - 0.1, 0.05), 5)
    rows, columns = np.nonzero((missing > 0.006) & (distance < FAR))
    for first in range(0, len(rows), MOST_ROWS):  # the few rays that graze a fold take many more steps
        stray = rows[first : first + MOST_ROWS], columns[first : first + MOST_ROWS]
        distance[stray] = _march(scene, rays[stray][:, None], distance[stray][:, None], 30)[0][:, 0]
    at = [scene.eye[i].astype(np.float32) + distance * rays[..., i] for i in range(3)]
    wall, u, v = scene.wall(*at)
    blobs = scene.blobs(*at)
    polyp, seam = np.full((n, n), -1, np.int8), np.full((n, n), FAR, np.float32)
    for i, blob in enumerate(blobs):
        polyp[blob < wall] = i
        seam = np.minimum(seam, np.abs(blob - wall))
        wall = np.minimum(wall, blob)
    return Hits(distance, rays, _normal(scene, at), u, v + np.float32(scene.first), polyp, seam)


def _march(scene: Scene, rays: np.ndarray, distance: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances after `steps` steps from `distance`, and how far the last step still was from anything."""
    ex, ey, ez = scene.eye.astype(np.float32)
    dx, dy, dz = (np.ascontiguousarray(rays[..., i]) for i in range(3))
    distance = np.broadcast_to(distance, dx.shape)
    for _ in range(steps):
        missing = scene.depth(ex + distance * dx, ey + distance * dy, ez + distance * dz)
        distance = np.clip(distance + np.minimum(np.float32(0.6) * missing, 0.22), 0.02, FAR)
    return distance, missing


def _normal(scene: Scene, at: list[np.ndarray]) -> np.ndarray:
    """The gradient of the depth, from four points around each hit."""
    corners = np.float32([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    normal = np.zeros((*at[0].shape, 3), np.float32)
    for corner in corners:
        depth = scene.depth(*(a + np.float32(0.012) * c for a, c in zip(at, corner, strict=True)))
        normal += depth[..., None] * corner
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
