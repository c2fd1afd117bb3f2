"""Meshes and textures made from numbers, so that no third-party art is needed."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SEGMENTS = 40
"""Facets of a surface of revolution."""


def lathe(profile: list[tuple[float, float]]) -> tuple[FloatArray, IntArray]:
    """Revolves a closed profile about the z axis.

    Args:
        profile: Points (radius, z) in metres, counter-clockwise with the radius to the right;
            the first and last points are joined unless both lie on the axis.

    Returns:
        Vertices (n, 3) in metres and triangles (m, 3), normals pointing outwards.
    """
    angles = np.linspace(0.0, 2.0 * np.pi, SEGMENTS, endpoint=False)
    vertices: list[tuple[float, float, float]] = []
    rings: list[list[int]] = []
    for radius, height in profile:
        if radius < 1e-9:
            vertices.append((0.0, 0.0, height))
            rings.append([len(vertices) - 1] * SEGMENTS)
            continue
        start = len(vertices)
        vertices.extend((radius * np.cos(a), radius * np.sin(a), height) for a in angles)
        rings.append(list(range(start, start + SEGMENTS)))
    faces: list[tuple[int, int, int]] = []
    pairs = list(zip(rings, rings[1:] + rings[:1], strict=True))
    for lower, upper in pairs:
        for i in range(SEGMENTS):
            j = (i + 1) % SEGMENTS
            for triangle in ((lower[i], lower[j], upper[j]), (lower[i], upper[j], upper[i])):
                if len(set(triangle)) == 3:
                    faces.append(triangle)
    return np.array(vertices, dtype=np.float64), np.array(faces, dtype=np.int64)


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """Encodes an RGB image.

    Args:
        image: Pixels, shape (h, w, 3).

    Returns:
        The bytes of a PNG file.
    """
    height, width, _ = image.shape

    def chunk(kind: bytes, payload: bytes) -> bytes:
        body = kind + payload
        return struct.pack(">I", len(payload)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\x00" + image[y].tobytes() for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 6))
        + chunk(b"IEND", b"")
    )


def smooth_noise(rng: np.random.Generator, size: int, cells: tuple[int, int]) -> FloatArray:
    """Bilinear value noise.

    Args:
        rng: Source of randomness.
        size: Side of the square result in pixels.
        cells: Grid cells along y and x.

    Returns:
        Values 0 to 1, shape (size, size), periodic.
    """
    grid = rng.random(cells)
    ys = np.arange(size) * cells[0] / size
    xs = np.arange(size) * cells[1] / size
    y0, x0 = ys.astype(int), xs.astype(int)
    fy, fx = (ys - y0)[:, None], (xs - x0)[None, :]
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    y1, x1 = (y0 + 1) % cells[0], (x0 + 1) % cells[1]
    top = grid[np.ix_(y0, x0)] * (1 - fx) + grid[np.ix_(y0, x1)] * fx
    bottom = grid[np.ix_(y1, x0)] * (1 - fx) + grid[np.ix_(y1, x1)] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, dtype=np.float64)


def wood(rng: np.random.Generator, tint: tuple[float, float, float], planks: int = 5) -> bytes:
    """Draws wooden planks.

    Args:
        rng: Source of randomness.
        tint: Mean colour, 0 to 1.
        planks: Planks across the texture.

    Returns:
        A PNG of 512 x 512 pixels.
    """
    size = 512
    row = np.arange(size)
    plank = row * planks // size
    grain = smooth_noise(rng, size, (64, 4)) * 0.6 + smooth_noise(rng, size, (160, 8)) * 0.4
    bend = smooth_noise(rng, size, (8, 4))
    rings = 0.5 + 0.5 * np.sin((row[:, None] / 9.0) + bend * 14.0 + plank[:, None] * 2.1)
    shade = 0.86 + 0.18 * (grain - 0.5) + 0.08 * (rings - 0.5)
    shade = shade * (1.0 + (rng.random(planks)[plank] - 0.5)[:, None] * 0.16)
    seam = (row % (size / planks)) < 2.0
    shade[seam] *= 0.62
    image = shade[:, :, None] * np.array(tint)[None, None, :] * 255.0
    return png(np.clip(image, 0, 255).astype(np.uint8))


def plaster(rng: np.random.Generator, tint: tuple[float, float, float]) -> bytes:
    """Draws a lightly mottled wall.

    Args:
        rng: Source of randomness.
        tint: Mean colour, 0 to 1.

    Returns:
        A PNG of 256 x 256 pixels.
    """
    shade = 0.94 + 0.08 * (smooth_noise(rng, 256, (24, 24)) - 0.5)
    image = shade[:, :, None] * np.array(tint)[None, None, :] * 255.0
    return png(np.clip(image, 0, 255).astype(np.uint8))
