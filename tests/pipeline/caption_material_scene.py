"""Material for caption requests from frames that show their own number."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.backends.captioning.material import CaptionMaterial, Outline, Spans
from pipeline.model.arrays import F32, F64
from pipeline.model.candidate import Box
from pipeline.model.demonstration import Camera
from pipeline.model.picture import ArrayPicture, Picture, PictureTimes
from pipeline.model.problem import DataError
from pipeline.model.subtask import ActionType, Subtask
from tests.video_files import numbered

SIZE = (320, 240)
FPS = 10.0
LENGTH = 200

Draw = Callable[[int], np.ndarray]


class NumberedReader:
    """A frame reader whose frames are drawn when they are asked for.

    Attributes:
        asked: Frames that were asked for.
        damaged: Frames that cannot be read.
        noted: Frames that come with a note.
    """

    def __init__(self, draw: Draw | None = None, damaged: frozenset[int] = frozenset()) -> None:
        self.draw = draw or (lambda index: numbered(index, SIZE))
        self.damaged = damaged
        self.noted: dict[int, str] = {}
        self.asked: list[int] = []

    def picture(self, camera: str, index: int) -> Picture:
        assert camera == "front"
        self.asked.append(index)
        if index in self.damaged:
            raise DataError("frame_not_decoded", f"frame {index} is damaged")
        return ArrayPicture(self.draw(index), self.noted.get(index, ""))

    def cached(self, camera: str, index: int) -> Picture | None:
        return None

    def frame(self, camera: str, index: int) -> np.ndarray:
        return self.picture(camera, index).rgb()

    def depth(self, camera: str, index: int) -> F32 | None:
        return None

    def times(self, camera: str) -> PictureTimes | None:
        return None

    def close(self) -> None:
        """Nothing to close."""


def subtask(start: int, end: int, *, index: int = 0, arm: str = "arm") -> Subtask:
    """A record of stage 1b."""
    return Subtask(
        index=index,
        arm=arm,
        instruction="Put the red cup on the plate.",
        verb="put",
        object_name="red cup",
        colors=("red",),
        target_name="plate",
        relation="on",
        source_name="",
        action=ActionType.PICK_AND_PLACE,
        phases=(),
        start=start,
        end=end,
    )


def material(
    reader: NumberedReader | None = None,
    *,
    spans: Spans | None = None,
    reference: F64 | None = None,
    scale: float = 4.0,
    mask_box: Box | None = None,
    start_box: Box | None = None,
    outlines: tuple[Outline, ...] = (),
    instruction: str = "Tidy the table.",
    previous_caption: str = "",
    tags: tuple[tuple[str, str], ...] = (),
    arm: str = "arm",
    fps: float = FPS,
) -> CaptionMaterial:
    """Material of a subtask of frames 60..119; every second frame is tracked."""
    frames = np.arange(50, 130, 2, dtype=np.int32)
    where = np.full((len(frames), 2), np.nan) if reference is None else reference
    boxes = None
    if mask_box is not None:
        boxes = np.tile(np.array(mask_box, np.float32), (len(frames), 1))
    return CaptionMaterial(
        reader=reader or NumberedReader(),
        camera=Camera("front", *SIZE),
        fps=fps,
        length=LENGTH,
        spans=spans or Spans((60, 120), (20, 60), (120, 150), "subtask", "subtask"),
        frames=frames,
        reference=where.astype(np.float32),
        scale=np.full(len(frames), scale, np.float32),
        mask_box=boxes,
        start_box=start_box,
        outlines=outlines,
        instruction=instruction,
        previous_caption=previous_caption,
        tags=tags,
        subtask=subtask(60, 120, arm=arm),
    )


def decoded(data: np.ndarray) -> np.ndarray:
    """RGB of an encoded picture."""
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
