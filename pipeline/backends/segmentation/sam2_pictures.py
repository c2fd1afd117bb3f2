"""Pictures in the form SAM 2 wants, and its masks back in the original picture.

SAM 2 sees every picture stretched to a square of `size` pixels, whatever its shape; boxes and
points are stretched with it. Nothing here needs a processor class or torchvision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.model.arrays import F32, U8, Bool

if TYPE_CHECKING:
    import torch

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet, as in both packages' own preprocessing."""


def model_pixels(image: U8, size: int, device: torch.device) -> torch.Tensor:
    """Stretch a picture (H, W, 3) uint8 RGB to (1, 3, size, size) float32, normalised."""
    import torch
    import torch.nn.functional as functional

    # A copy, because torch does not take arrays that are read-only or run backwards.
    pixels = torch.from_numpy(np.array(image, np.uint8)).to(device)
    pixels = pixels.permute(2, 0, 1)[None].float() / 255.0
    pixels = functional.interpolate(
        pixels, (size, size), mode="bilinear", align_corners=False, antialias=True
    )
    mean = torch.tensor(MEAN, device=device)[:, None, None]
    return (pixels - mean) / torch.tensor(DEVIATION, device=device)[:, None, None]


def model_points(
    points: F32, height: int, width: int, size: int, device: torch.device
) -> torch.Tensor:
    """Stretch points (n, 2) of a picture with it: float32 pixels of the model's square."""
    import torch

    stretch = np.array([size / width, size / height], np.float32)
    return torch.from_numpy(np.asarray(points, np.float32) * stretch).to(device)


def picture_masks(logits: torch.Tensor, height: int, width: int) -> Bool:
    """Bring mask logits (n, h, w) back to the picture: (n, height, width) bool on the CPU."""
    import torch.nn.functional as functional

    full = functional.interpolate(
        logits[:, None].float(), (height, width), mode="bilinear", align_corners=False
    )
    return np.asarray((full[:, 0] > 0).cpu().numpy())


def model_mask(mask: Bool, size: int, device: torch.device) -> torch.Tensor:
    """Stretch a mask (H, W) bool to (1, 1, size, size) float32 of zeros and ones."""
    import torch
    import torch.nn.functional as functional

    full = torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None].to(device)
    full = functional.interpolate(
        full, (size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return (full >= 0.5).float()
