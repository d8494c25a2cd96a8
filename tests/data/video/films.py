"""Small videos of grey frames whose shade tells their number."""

from pathlib import Path

import av
import numpy as np

N = 60


def shade(number: int) -> int:
    return 4 * number


def film(file: Path, codec: str, *, n: int = N, b_frames: int | None = None, rate: int = 2) -> Path:
    """Write `n` frames with noise in them, so that every packet has something in it."""
    rng = np.random.default_rng(0)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        for number in range(n):
            picture = np.full((64, 64, 3), shade(number), np.uint8)
            picture[:, :20] = rng.integers(0, 255, (64, 20, 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file


def damage(file: Path, packets: range, skip: int = 20) -> None:
    """Overwrite the inside of some packets with noise."""
    rng = np.random.default_rng(1)
    with av.open(str(file)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(file.read_bytes())
    if any(
        position is None for position, _ in places
    ):  # the packets of a program stream lie about where they would if all had one size
        places = [(number * len(data) // len(places), len(data) // len(places)) for number in range(len(places))]
    for position, size in places[packets.start : packets.stop]:
        inside = max(0, size - skip - 10)
        data[position + skip : position + skip + inside] = rng.integers(0, 256, inside, np.uint8).tobytes()
    file.write_bytes(data)


def number_of(image: np.ndarray) -> int:
    return round(float(image[20:44, 40:60].mean()) / 4)
