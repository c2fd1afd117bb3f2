"""SAM 2 asked with points: the mask of what a person clicked."""

from __future__ import annotations

import numpy as np

from pipeline.backends.devices import memory_guard
from pipeline.backends.robot.protocol import RobotClick
from pipeline.backends.segmentation.sam2_pictures import model_pixels, picture_masks
from pipeline.backends.segmentation.sam2_segmenter import half_precision
from pipeline.backends.segmentation.sam2_transformers import (
    PICTURE_KIND,
    Sam2Transformers,
    TransformersPictures,
)
from pipeline.model.arrays import U8, Bool


def mask_at_clicks(backend: Sam2Transformers, image: U8, clicks: list[RobotClick]) -> Bool:
    """Segment what is clicked in one picture.

    Args:
        backend: Names weights, device and precision.
        image: (H, W, 3) uint8 RGB.
        clicks: At least one of them inside. A single click is ambiguous: of three masks the one
            that the model rates best is taken, as SAM 2's authors do; more make one mask.

    Returns:
        (H, W) bool.
    """
    import torch

    model = backend.model()
    if not isinstance(model, TransformersPictures):
        raise TypeError(f"expected the model of {PICTURE_KIND}, got {type(model).__name__}")
    height, width = image.shape[:2]
    stretch = np.array([model.size / width, model.size / height], np.float32)
    places = np.array([(c.x, c.y) for c in clicks], np.float32) * stretch
    labels = np.array([int(c.inside) for c in clicks], np.int64)
    with (
        memory_guard("segmenting the robot at clicks"),
        torch.inference_mode(),
        half_precision(model.place),
    ):
        features = model.encode(model_pixels(image, model.size, model.place.device))
        device = model.place.device
        # Boxes are all that the segmenter itself decodes; the network is the same.
        found = model._model(
            image_embeddings=list(features),
            input_points=torch.from_numpy(places).to(device)[None, None],
            input_labels=torch.from_numpy(labels).to(device)[None, None],
            multimask_output=len(clicks) == 1,
        )
        logits, rating = found.pred_masks[0, 0], found.iou_scores[0, 0]
        best = int(rating.float().argmax())
        return np.asarray(picture_masks(logits[best][None], height, width)[0], np.bool_)
