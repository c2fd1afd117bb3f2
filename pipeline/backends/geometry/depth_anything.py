"""Depth Anything V2, the metric models, through transformers: light, depth only.

It knows no camera: the dataset gives the intrinsics, or a field of view is assumed and the result
says so. Only the Small weights are Apache-2.0; Base and Large are CC-BY-NC-4.0.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from pipeline.backends.backend import ModelBackend, Progress
from pipeline.backends.devices import Placement, loaded, memory_guard
from pipeline.backends.geometry.protocol import (
    DepthPicture,
    GeometryRequest,
    PinholeCamera,
    camera_of_fov,
    depth_picture,
    given_camera,
)
from pipeline.backends.transformers_log import quiet_transformers
from pipeline.backends.weights import Weights
from pipeline.model.geometry import CameraOrigin
from pipeline.model.problem import DataError


class DepthAnything(ModelBackend):
    """Geometry by Depth Anything V2 metric; see the module's text."""

    name: ClassVar[str] = "depth_anything"
    title: ClassVar[str] = "Depth Anything V2 metric (indoor, Small)"
    licence: ClassVar[str] = "Apache-2.0 (Small; Base and Large are CC-BY-NC-4.0)"
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers", "safetensors", "PIL")
    weights: ClassVar[Weights | None] = Weights(
        "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
        ("config.json", "model.safetensors", "preprocessor_config.json"),
        "Apache-2.0",
        99,
    )
    scale_drifts: ClassVar[bool] = True

    def load(self) -> None:
        """Load the model as for use."""
        loaded(self, "depth_anything", self._build)

    def camera(self, request: GeometryRequest, progress: Progress) -> PinholeCamera | None:
        """Return the dataset's camera, else one of the assumed field of view, else None."""
        given = given_camera(request)
        if given is not None or request.assumed_fov <= 0:
            return given
        return camera_of_fov(request, request.assumed_fov, CameraOrigin.ASSUMED)

    def depth(
        self, frame: int, request: GeometryRequest, camera: PinholeCamera, progress: Progress
    ) -> DepthPicture | None:
        """Return estimated depth. It masks nothing: only values that are no depth are dropped."""
        import torch

        model, processor = loaded(self, "depth_anything", self._build)
        image = request.frame_at(frame)
        height, width = image.shape[:2]
        with (
            memory_guard(f"estimating depth of a {width}x{height} picture"),
            torch.inference_mode(),
        ):
            first = next(model.parameters())
            pixels = processor(images=image, return_tensors="pt")["pixel_values"]
            estimated = model(pixel_values=pixels.to(first.device, first.dtype)).predicted_depth
            full = torch.nn.functional.interpolate(
                estimated[:, None].float(), (height, width), mode="bilinear", align_corners=False
            )
            metres = full[0, 0].cpu().numpy()
        return depth_picture(np.asarray(metres, np.float32))

    def _build(self, placement: Placement) -> tuple[Any, Any]:
        from transformers import AutoImageProcessor, DepthAnythingForDepthEstimation

        folder = self.weights_path()
        if not folder.is_dir():
            raise DataError(
                "no_weights", f"{folder.name} is a file; give the folder that holds config.json."
            )
        with quiet_transformers():
            model, report = DepthAnythingForDepthEstimation.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        missing = sorted(report["missing_keys"])
        if missing:
            raise ValueError(f"{len(missing)} weights are missing, the first is {missing[0]}")
        if model.config.depth_estimation_type != "metric":
            raise ValueError("it estimates relative depth; only the Metric models give metres")
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
        return model.to(placement.device, placement.dtype).eval(), processor
