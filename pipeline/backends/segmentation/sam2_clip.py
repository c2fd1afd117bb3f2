"""Frames of a clip as SAM 2's video models ask for them, read from the episode when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.backends.backend import FrameAt
from pipeline.backends.segmentation.sam2_pictures import model_pixels
from pipeline.model.arrays import I32

if TYPE_CHECKING:
    import torch


class ClipFrames:
    """Looks like a list of model inputs, one per frame, but holds none of them.

    A clip of 300 frames would fill 3.8 GB as one tensor.

    Attributes:
        frames: (F,) int32, frames of the episode, ascending.
        height: Of the pictures, pixels.
        width: Of the pictures, pixels.
        backward: Whether the clip is being walked towards its start.
    """

    def __init__(
        self,
        frames: I32,
        shape: tuple[int, int],
        size: int,
        device: torch.device,
        forward: FrameAt,
        backward: FrameAt,
    ) -> None:
        """Describe a clip.

        Args:
            frames: (F,) int32, frames of the episode, ascending.
            shape: Height and width of the pictures.
            size: Side of the model's square, pixels.
            device: Where the inputs are wanted.
            forward: Gives frames in rising order.
            backward: Gives frames in falling order.
        """
        self.frames = frames
        self.height, self.width = shape
        self.backward = False
        self._size, self._device = size, device
        self._readers = (forward, backward)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> torch.Tensor:
        """(3, size, size) float32 on the model's device."""
        image = self._readers[self.backward](int(self.frames[index]))
        return model_pixels(image, self._size, self._device)[0]


class Memory:
    """Keeps what SAM 2 remembers of a clip small, whatever the clip's length.

    Both packages keep all outputs of all frames, 6 MB per object and frame in transformers. The
    model itself only looks at the features of the last 6 frames and at the pointers of the last 15.
    Those next to the keyframe stay as well: on the way back they are the ones just passed.

    Attributes:
        features: Frames whose memory features are looked at.
        pointers: Frames whose object pointers are looked at.
    """

    features = 6
    pointers = 15
    _HEAVY = ("high_res_masks", "pred_masks")
    _ALL = (*_HEAVY, "maskmem_features", "maskmem_pos_enc")

    def __init__(self, outputs: dict[int, dict[str, dict[int, Any]]], start: int) -> None:
        self._outputs, self._start = outputs, start

    def tidy(self, current: int) -> None:
        """Forget what no later frame looks at. Call it after every frame."""
        for kept in self._outputs.values():
            prompt = kept["cond_frame_outputs"].get(current)
            if prompt is not None:
                prompt.pop("high_res_masks", None)
            others = kept["non_cond_frame_outputs"]
            for index in list(others):
                distance = min(abs(index - current), abs(index - self._start))
                names = self._HEAVY if distance <= self.features else self._ALL
                if distance > self.pointers:
                    del others[index]
                else:
                    for name in names:
                        others[index].pop(name, None)
