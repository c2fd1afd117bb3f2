"""Cameras, woods and the resting position that the episodes share."""

from __future__ import annotations

from tools.sample.scene import Camera

OAK, WALNUT, BIRCH = (0.72, 0.52, 0.34), (0.50, 0.34, 0.22), (0.80, 0.67, 0.50)
HOME = (0.36, 0.0, 0.40)


def front(x: float = 1.16, y: float = 0.06, z: float = 0.62, fovy: float = 40.0) -> Camera:
    """Looks at the robot from across the table."""
    return Camera("front", (x, y, z), (0.52, 0.0, 0.05), fovy)


def left(fovy: float = 40.0) -> Camera:
    """Looks from the robot's left."""
    return Camera("front", (0.78, 0.74, 0.56), (0.47, 0.02, 0.08), fovy)


def side(fovy: float = 42.0) -> Camera:
    """The second camera, on the robot's right."""
    return Camera("side", (0.62, -0.82, 0.50), (0.48, 0.0, 0.07), fovy)
