"""What SAM 2 does with boxes, whichever package runs it: encode once, decode every box."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pipeline.backends.backend import ModelBackend, ModelSettings, Progress
from pipeline.backends.devices import Placement, memory_guard
from pipeline.backends.segmentation.protocol import Segmentation, inscribed_ellipse
from pipeline.backends.segmentation.sam2_checkpoint import HUB, SIZES
from pipeline.backends.segmentation.sam2_pictures import (
    model_pixels,
    model_points,
    picture_masks,
)
from pipeline.backends.weights import Weights
from pipeline.model.arrays import F32, U8, Bool
from pipeline.model.candidate import Box

if TYPE_CHECKING:
    import torch

BOXES_AT_ONCE = 16
"""Boxes decoded in one pass; each takes some 30 MB while it is decoded *(our choice)*."""
CACHE_BYTES = 256 << 20
"""Encoded pictures kept per loaded model: 15 of 17 MB each *(our choice)*."""
OUTSIDE, INSIDE, CORNERS = 0, 1, (2, 3)
"""Labels of points, as SAM 2 was trained with."""
SMALLEST_SHARE = 0.01
"""A mask that covers less of its box than this has collapsed *(our choice)*."""


class EncodedPictures:
    """The encoder's output for the pictures seen last; it lives and dies with its model.

    A person who moves a box asks for the same picture again; for one box the encoder is nine tenths
    of the work, for 20 boxes half of it.
    """

    def __init__(self, capacity: int = CACHE_BYTES) -> None:
        self.capacity = capacity
        self._kept: OrderedDict[bytes, tuple[torch.Tensor, ...]] = OrderedDict()

    @staticmethod
    def key(image: U8) -> bytes:
        """Identity of a picture's content."""
        digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
        digest.update(image.tobytes())
        return digest.digest()

    def get(self, key: bytes) -> tuple[torch.Tensor, ...] | None:
        """What was kept, if it still is."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: bytes, features: tuple[torch.Tensor, ...]) -> None:
        """Keep features, and forget the oldest ones beyond the capacity."""
        self._kept[key] = features
        while self._kept and self.size > self.capacity:
            self._kept.popitem(last=False)

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(t.numel() * t.element_size() for f in self._kept.values() for t in f)


class PictureModel(Protocol):
    """A loaded SAM 2 that segments pictures.

    Attributes:
        size: Side of its square input, pixels.
        place: Where and in what precision it runs.
        encoded: Pictures encoded before.
    """

    size: int
    place: Placement
    encoded: EncodedPictures

    def encode(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of a picture (1, 3, size, size), the finest level first."""
        ...

    def decode(
        self,
        features: tuple[torch.Tensor, ...],
        points: torch.Tensor,
        labels: torch.Tensor,
        several: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits and rated IoU for objects shown by points.

        Args:
            features: Of `encode`.
            points: (n, p, 2) float32 pixels of the model's square, p points for each object.
            labels: (n, p) int32: OUTSIDE, INSIDE, or CORNERS of a box.
            several: Three masks per object instead of one.

        Returns:
            (n, m, size/4, size/4) and (n, m), m is 3 or 1.
        """
        ...


def half_precision(place: Placement) -> Any:
    """Compute in the placement's precision; weights stay float32, as Meta runs its model."""
    import torch

    lower = place.dtype != torch.float32
    return torch.autocast(place.device.type, place.dtype if lower else None, enabled=lower)


class Sam2Segmenter(ModelBackend):
    """Segments boxes with SAM 2.1 (Ravi et al. 2024).

    Attributes:
        placement: Device and precision, e.g. `cuda:0, bfloat16`; empty before the first use.
        best_of_three: Let the model propose three masks per box and take the one it rates best,
            instead of one mask. SAM 2's authors advise one mask for boxes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.placement = ""
        self.best_of_three = False

    @staticmethod
    @abstractmethod
    def published(size: str) -> Weights:
        """Meta's weights of a published size on the Hub, in the form that this backend reads."""

    def configure(self, settings: ModelSettings) -> None:
        """Take the user's settings; which file is meant by a Hub id follows from the size in it."""
        super().configure(settings)
        size = settings.weights.partition("@")[0].removeprefix(HUB)
        if size in SIZES and settings.weights.startswith(HUB):
            # The class names the default; this object wants another size.
            vars(self)["weights"] = self.published(size)

    @abstractmethod
    def model(self) -> PictureModel:
        """The loaded model. Raises DataError `no_weights`, `bad_weights` or `no_device`."""

    def load(self) -> None:
        """Load the weights as for use."""
        self.model()

    def segment(self, image: U8, boxes: tuple[Box, ...], progress: Progress) -> Segmentation:
        """Segment each box of `image` (H, W, 3) uint8 RGB; masks may reach beyond their boxes.

        Boxes without a pixel inside the picture get an empty mask, boxes in which the model sees
        next to nothing the ellipse in the box; both count as collapsed.

        Raises:
            DataError: `no_weights`, `bad_weights`, `no_device` or `out_of_memory`.
            Cancelled: By `progress`.
        """
        height, width = image.shape[:2]
        masks = np.zeros((len(boxes), height, width), np.bool_)
        quality = np.full(len(boxes), np.nan, np.float32)
        clipped = [clip_box(box, height, width) for box in boxes]
        usable = [k for k, box in enumerate(clipped) if box is not None]
        inside = tuple(box for box in clipped if box is not None)
        if usable:
            progress(0.0, "loading SAM 2")
            masks[usable], quality[usable] = self._decoded(image, inside, progress)
        collapsed = []
        for k, box in enumerate(clipped):
            if box is None:
                collapsed.append(k)
            elif _covered(masks[k], box) < SMALLEST_SHARE:
                collapsed.append(k)
                masks[k] = inscribed_ellipse(box, height, width)
        return Segmentation(masks, tuple(collapsed), quality, self.placement)

    def segment_points(self, image: U8, points: F32, inside: Bool) -> Bool:
        """Segment the one thing that a person clicked.

        Args:
            image: (H, W, 3) uint8 RGB.
            points: (n, 2) float32 pixels, x and y.
            inside: (n,) bool, whether a point is on the thing or beside it; at least one is on it.

        Returns:
            (H, W) bool. A single click is ambiguous: the mask is the best rated of three then.
        """
        import torch

        model = self.model()
        self.placement = model.place.text
        height, width = image.shape[:2]
        with self._computing(model, f"segmenting at {len(points)} clicks"):
            labels = torch.from_numpy(np.where(inside, INSIDE, OUTSIDE).astype(np.int32))
            logits, _ = _best(
                *model.decode(
                    self._features(model, image),
                    model_points(points, height, width, model.size, model.place.device)[None],
                    labels.to(model.place.device)[None],
                    len(points) == 1,
                )
            )
            return np.asarray(picture_masks(logits, height, width)[0], np.bool_)

    def _decoded(self, image: U8, boxes: tuple[Box, ...], progress: Progress) -> tuple[Bool, F32]:
        """Masks (n, H, W) and ratings (n,) of boxes inside the picture."""
        import torch

        model = self.model()
        self.placement = model.place.text
        height, width = image.shape[:2]
        device = model.place.device
        corners = np.array(boxes, np.float32).reshape(-1, 2)
        masks, ratings = [], []
        advice = "max_candidates of the proposals"
        with self._computing(model, f"segmenting {len(boxes)} boxes", advice):
            progress(0.1, "encoding the picture")
            features = self._features(model, image)
            points = model_points(corners, height, width, model.size, device).reshape(-1, 2, 2)
            labels = torch.tensor([CORNERS], dtype=torch.int32, device=device)
            for first in range(0, len(boxes), BOXES_AT_ONCE):
                share = 0.7 + 0.3 * first / len(boxes)
                progress(share, f"mask {first + 1} of {len(boxes)}")
                part = points[first : first + BOXES_AT_ONCE]
                logits, rating = _best(
                    *model.decode(features, part, labels.expand(len(part), 2), self.best_of_three)
                )
                masks.append(picture_masks(logits, height, width))
                ratings.append(rating.cpu().numpy())
        return np.concatenate(masks), np.concatenate(ratings)

    @staticmethod
    def _features(model: PictureModel, image: U8) -> tuple[torch.Tensor, ...]:
        """The encoder's output for a picture, computed or remembered."""
        key = model.encoded.key(image)
        features = model.encoded.get(key)
        if features is None:
            features = model.encode(model_pixels(image, model.size, model.place.device))
            model.encoded.put(key, features)
        return features

    @staticmethod
    @contextmanager
    def _computing(model: PictureModel, what: str, advice: str = "") -> Iterator[None]:
        import torch

        with (
            memory_guard(what, advice),
            torch.inference_mode(),
            half_precision(model.place),
        ):
            yield


def _best(logits: torch.Tensor, rated: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the masks (n, m, h, w) of each object the best rated one, (n, h, w) and (n,) float32."""
    import torch

    rating, best = rated.float().max(dim=1)
    return logits[torch.arange(len(logits), device=logits.device), best], rating


def clip_box(box: Box, height: int, width: int) -> Box | None:
    """The part of a box inside the picture, or None if it is not a pixel wide or high."""
    if not all(np.isfinite(box)):
        return None
    x0, y0 = max(0.0, box[0]), max(0.0, box[1])
    x1, y1 = min(float(width), box[2]), min(float(height), box[3])
    return (x0, y0, x1, y1) if x1 - x0 >= 1 and y1 - y0 >= 1 else None


def _covered(mask: Bool, box: Box) -> float:
    """Share of a box that its mask covers."""
    x0, y0, x1, y1 = (int(v) for v in (box[0], box[1], np.ceil(box[2]), np.ceil(box[3])))
    return float(mask[y0:y1, x0:x1].mean())
