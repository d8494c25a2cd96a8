"""How a capsule sees: colour, sharpness, noise, the shape of its view and what it burns into the picture."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Device:
    """One make of capsule; what it sees keeps the lesions visible, but not their colours."""

    colour: tuple[tuple[float, float, float], ...]  # 3x3, linear RGB of the scene to the sensor's
    white: tuple[float, float, float]  # gains of red, green and blue
    gamma: float
    view: float  # degrees across the picture
    resolution: float  # pixels that the sensor has, as a part of those in the picture
    blur: float  # pixels at 128 pixels across
    sharpen: float
    noise: float  # standard deviation where the picture is grey, of a range of 1
    vignette: float  # loss of light in the corners, 0 to 1
    shape: str  # round, octagon, cut or full
    jpeg: int  # quality
    text: str  # which corner holds the date, the time and a number; empty: none


DEVICES = {
    "phantom_1": Device(  # sharp and warm
        colour=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        white=(1.1, 1.0, 0.9),
        gamma=2.2,
        view=146,
        resolution=0.9,
        blur=0.35,
        sharpen=0.4,
        noise=0.008,
        vignette=0.25,
        shape="octagon",
        jpeg=92,
        text="",
    ),
    "phantom_2": Device(  # sharp, brownish, dark at the border
        colour=((1.0, 0.0, 0.0), (0.1, 1.0, 0.0), (0.06, 0.06, 1.0)),
        white=(0.9, 1, 1.1),
        gamma=2.3,
        view=156,
        resolution=0.92,
        blur=0.3,
        sharpen=0.8,
        noise=0.012,
        vignette=0.5,
        shape="round",
        jpeg=88,
        text="nw",
    ),
    "phantom_3": Device(  # few pixels, much noise
        colour=((1.0, 0.06, 0.0), (0.0, 1.0, 0.0), (0.0, 0.12, 1.0)),
        white=(0.95, 0.95, 1.2),
        gamma=1.9,
        view=140,
        resolution=0.62,
        blur=0.6,
        sharpen=0,
        noise=0.03,
        vignette=0.45,
        shape="round",
        jpeg=75,
        text="se",
    ),
    "phantom_4": Device(  # pinkish
        colour=((1.0, 0.02, 0.0), (0.0, 1.0, 0.0), (0.08, 0.06, 1.0)),
        white=(1.1, 0.92, 1.1),
        gamma=2.1,
        view=150,
        resolution=0.8,
        blur=0.7,
        sharpen=0.2,
        noise=0.015,
        vignette=0.3,
        shape="cut",
        jpeg=85,
        text="",
    ),
    "phantom_5": Device(  # yellow-green, soft, no border
        colour=((0.88, 0.06, 0.0), (0.18, 1.0, 0.0), (0.0, 0.0, 1.0)),
        white=(0.85, 1.1, 1.0),
        gamma=2.4,
        view=140,
        resolution=0.75,
        blur=0.9,
        sharpen=0,
        noise=0.02,
        vignette=0.35,
        shape="full",
        jpeg=70,
        text="",
    ),
    "phantom_6": Device(  # far away in colour: violet
        colour=((0.35, 0.4, 0.1), (0.1, 0.6, 0.35), (0.3, 0.35, 0.9)),
        white=(0.9, 1.0, 1.2),
        gamma=2.0,
        view=156,
        resolution=0.9,
        blur=0.4,
        sharpen=0.5,
        noise=0.015,
        vignette=0.4,
        shape="round",
        jpeg=85,
        text="ne",
    ),
    "phantom_7": Device(  # far away in colour: green, soft, strongly compressed
        colour=((0.6, 0.2, 0.0), (0.32, 0.75, 0.1), (0.0, 0.3, 0.5)),
        white=(0.8, 1.05, 0.8),
        gamma=1.8,
        view=146,
        resolution=0.55,
        blur=0.7,
        sharpen=0,
        noise=0.025,
        vignette=0.5,
        shape="octagon",
        jpeg=55,
        text="sw",
    ),
}


def view_mask(shape: str, size: int) -> np.ndarray:
    """Where the picture shows the bowel: (size, size) bool."""
    grid = np.abs((np.arange(size) + 0.5) / size * 2 - 1)
    x, y = np.meshgrid(grid, grid)
    if shape == "round":
        return np.hypot(x, y) < 0.99
    return {"octagon": x + y < 1.46, "cut": x + y < 1.78, "full": x < 2}[shape]


def record(picture: np.ndarray, device: Device, size: int, rng: np.random.Generator, text: list[str]) -> np.ndarray:
    """The frame (size, size, 3) uint8 RGB that the device makes of linear RGB (n, n, 3)."""
    n = len(picture)
    seen = picture @ (np.float32(device.colour) * np.float32(device.white)[:, None]).T
    grid = (np.arange(n, dtype=np.float32) + 0.5) / n * 2 - 1
    seen *= (1 - device.vignette * 0.5 * (grid[:, None] ** 2 + grid**2))[..., None]
    seen = np.clip(seen, 0, 1) ** np.float32(1 / device.gamma)
    sigma = device.blur * n / 128
    if sigma > 0.25:
        seen = cv2.GaussianBlur(seen, (0, 0), sigma)
    if device.sharpen:
        seen = seen + device.sharpen * (seen - cv2.GaussianBlur(seen, (0, 0), 1.5 * n / 128))
    grain = rng.standard_normal((n, n, 3), np.float32)
    seen += device.noise * (0.4 + seen) * grain
    frame = (np.clip(seen, 0, 1) * 255 + 0.5).astype(np.uint8)
    if n != size:
        frame = cv2.resize(frame, (size, size), interpolation=cv2.INTER_CUBIC)
    return on_screen(frame, device, text)


def on_screen(frame: np.ndarray, device: Device, text: list[str]) -> np.ndarray:
    """The frame (n, n, 3) uint8 cut to the device's view, with the lines that it burns in."""
    size = len(frame)
    return np.where(view_mask(device.shape, size)[..., None], frame, _screen(device.text, size, text))


def _screen(corner: str, size: int, lines: list[str]) -> np.ndarray:
    """The black screen behind the view, with the lines in their corner."""
    screen = np.zeros((size, size, 3), np.uint8)
    scale = size / 128 * 0.26
    for i, line in enumerate(lines if corner else []):
        (width, height), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        step = round(height * 1.5)
        x = 1 if corner[1] == "w" else size - width - 1
        y = height + 1 + i * step if corner[0] == "n" else size - 2 - (len(lines) - 1 - i) * step
        cv2.putText(screen, line, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (210, 210, 210), 1, cv2.LINE_AA)
    return screen
