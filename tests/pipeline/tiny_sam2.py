"""A SAM 2 of random numbers, as small as its code allows, in the files that real ones come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.backends.segmentation.sam2_checkpoint import Architecture, transformers_config
from pipeline.model.arrays import U8, Bool

SIZE = 128
ARCHITECTURE = Architecture(
    width=16,
    heads=1,
    stages=(1, 2, 2, 1),
    windows=(8, 4, 8, 4),
    global_blocks=(4,),
    image_size=SIZE,
)
HEIGHT, WIDTH = 96, 160


def random_model(seed: int = 0, present: float = 50.0) -> Any:
    """A `Sam2VideoModel` whose numbers are large enough to make a difference.

    Args:
        seed: Of the numbers.
        present: How sure it is that an object is in the picture, as a logit.
    """
    import torch
    from transformers import Sam2VideoConfig, Sam2VideoModel

    torch.set_num_threads(1)  # several people, two cores
    torch.manual_seed(seed)
    model = Sam2VideoModel(Sam2VideoConfig(**transformers_config(ARCHITECTURE)))
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() > 1 or not value.any():
                value.normal_(0, 0.05)
        # One matrix, which transformers keeps twice.
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(
            model.shared_image_embedding.positional_embedding
        )
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(present)
        # Of three masks always the same one is best: ties decided by rounding would be chaos.
        model.mask_decoder.iou_prediction_head.proj_out.bias.copy_(torch.tensor([0.0, 0, 8, 0]))
    return model.eval()


def write_folder(folder: Path, model: Any | None = None) -> Path:
    """Write config.json and model.safetensors as on the Hub."""
    from safetensors.torch import save_file

    model = model or random_model()
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = ["Sam2VideoModel"]
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    return folder


def write_meta(folder: Path, model: Any | None = None) -> Path:
    """Write the same numbers as Meta does: a .pt, here with a config.json beside it."""
    import torch
    from sam2.build_sam import build_sam2

    from pipeline.backends.segmentation.sam2_checkpoint import package_config, transformers_name

    model = model or random_model()
    name, sizes = package_config(ARCHITECTURE)
    empty = build_sam2(name, None, device="cpu", hydra_overrides_extra=sizes).state_dict()
    known = model.state_dict()
    points = known["prompt_encoder.point_embed.weight"]
    state = {}
    for key in empty:
        if "point_embeddings." in key:
            state[key] = points[int(key.split(".")[-2])][None].clone()
        elif key.endswith("gaussian_matrix"):
            state[key] = known["shared_image_embedding.positional_embedding"].clone()
        else:
            state[key] = known[transformers_name(key)].clone()
        assert state[key].shape == empty[key].shape, key
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sam2.1_hiera_own.pt"
    torch.save({"model": state}, file)
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    return file


def quiet(share: float, what: str) -> None:
    """Progress that nobody is shown; what is told must make sense."""
    assert 0 <= share <= 1
    assert what


def picture(frame: int = 0) -> U8:
    """A red disc that moves over a ground of blotches, (96, 160, 3) uint8 RGB."""
    blotches = np.random.default_rng(1).integers(0, 255, (12, 20, 3), dtype=np.uint8)
    image = cv2.resize(blotches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    cv2.circle(image, (40 + 3 * frame, 50), 16, (255, 0, 0), -1)
    return np.asarray(image, np.uint8)


def disc(frame: int = 0) -> Bool:
    """Mask of the red disc, (96, 160) bool."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(canvas, (40 + 3 * frame, 50), 16, 1, -1)
    return np.asarray(canvas > 0)


def iou(one: Bool, other: Bool) -> float:
    """Intersection over union of two masks; 1 if both are empty."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0
