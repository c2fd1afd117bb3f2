"""Masks of one frame followed through a clip by SAM 2's memory.

Used by the tracker `sam2_video`, by the hybrid tracker's re-check and by the robot mask. Weights in
Meta's format run in Meta's package if it is installed, all others in transformers; the model stays
loaded for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.backends.backend import FrameAt, ModelBackend, Progress
from pipeline.backends.devices import loaded, memory_guard
from pipeline.backends.segmentation.sam2_clip import ClipFrames
from pipeline.backends.segmentation.sam2_pictures import picture_masks
from pipeline.backends.tracking.clip import BackwardFrames
from pipeline.model.arrays import I32, U8, Bool

if TYPE_CHECKING:
    import torch

MASKS_AT_ONCE = 8
"""Masks brought back to the picture's size together: 30 MB at 1280x720 *(our choice)*."""


class VideoModel(Protocol):
    """A loaded SAM 2 that carries masks through a clip.

    Attributes:
        size: Side of its square input, pixels.
        device: Where it runs.
    """

    size: int
    device: torch.device

    def follow(
        self, clip: ClipFrames, start: int, masks: Bool
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield index into the clip and mask logits (K, h, w), from `start` to the end, then back.

        Args:
            clip: The frames.
            start: Index of the frame of `masks`; it is not yielded.
            masks: (K, H, W) bool, none of them empty.
        """
        ...


def propagate_masks(
    backend: ModelBackend,
    frame_at: FrameAt,
    frames: I32,
    keyframe: int,
    masks: Bool,
    progress: Progress,
) -> U8:
    """Follow masks from the keyframe to both ends of a clip.

    Args:
        backend: Names weights, device and precision; the weights must be those of a SAM 2.
        frame_at: Gives frames of the episode.
        frames: (F,) int32 ascending, frames to report; SAM 2 needs no others between them.
        keyframe: Frame of `masks`; need not be among `frames`.
        masks: (K, H, W) bool. An empty one stays empty.
        progress: Called once per frame.

    Returns:
        (F, K, ceil(H*W/8)) uint8, rows as `unpack_masks` reads them; at the keyframe `masks`.

    Raises:
        DataError: `no_weights`, `bad_weights`, `no_device` or `out_of_memory`.
        Cancelled: By `progress`.
    """
    count, height, width = masks.shape
    packed = np.zeros((len(frames), count, -(-height * width // 8)), np.uint8)
    known = np.flatnonzero(masks.any(axis=(1, 2)))
    walk = np.union1d(frames, [keyframe]).astype(np.int32)
    row = {int(frame): i for i, frame in enumerate(frames)}
    if keyframe in row:
        packed[row[keyframe]] = np.packbits(masks.reshape(count, height * width), axis=1)
    if not len(known) or len(walk) == 1:
        return packed
    progress(0.0, "loading SAM 2")
    model = video_model(backend)
    what = f"following {len(known)} masks over {len(walk)} frames"
    with memory_guard(what, "the number of candidates"):
        start, done = int(np.searchsorted(walk, keyframe)), 0

        def reading(_: float, words: str) -> None:
            progress(done / len(walk), words)

        back = BackwardFrames(frame_at, walk[: start + 1].tolist(), reading)
        clip = ClipFrames(walk, (height, width), model.size, model.device, frame_at, back)
        for index, logits in model.follow(clip, start, masks[known]):
            done += 1
            progress(done / len(walk), f"masks of frame {walk[index]}, {done + 1} of {len(walk)}")
            if int(walk[index]) in row:
                packed[row[int(walk[index])], known] = _packed(logits, height, width)
    return packed


def _packed(logits: torch.Tensor, height: int, width: int) -> U8:
    """Bits of mask logits (n, h, w) in the picture's size, (n, ceil(height*width/8)) uint8."""
    parts = [picture_masks(part, height, width) for part in logits.split(MASKS_AT_ONCE)]
    return np.packbits(np.concatenate(parts).reshape(len(logits), height * width), axis=1)


def video_model(backend: ModelBackend) -> VideoModel:
    """Return the loaded video model of a backend's weights."""
    from pipeline.backends.segmentation import sam2_meta, sam2_transformers

    path = backend.weights_path()
    if sam2_meta.is_usable(path):
        return loaded(backend, sam2_meta.KIND, lambda place: sam2_meta.MetaModel(path, place))
    return loaded(
        backend,
        sam2_transformers.VIDEO_KIND,
        lambda place: sam2_transformers.TransformersVideo(path, place),
    )
