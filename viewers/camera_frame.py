"""A camera's picture at a frame, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.picture import Picture


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """What a camera shows at a frame.

    Attributes:
        camera: Camera key.
        frame: Episode frame.
        picture: The picture as decoded, or None if it could not be.
        message: Why not, one sentence.
    """

    camera: str
    frame: int
    picture: Picture | None
    message: str = ""
