"""MoGe-2: metric depth and the camera from one picture (microsoft/MoGe, MIT).

The camera is estimated once, at the keyframe; all frames of the clip are then solved with its
field of view, so that their points share one camera. The metric scale still drifts from frame to
frame.
"""

from __future__ import annotations

import warnings
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
from pipeline.backends.weights import Weights
from pipeline.model.geometry import CameraOrigin
from pipeline.model.problem import DataError

NARROWEST, WIDEST = 5.0, 160.0
"""Degrees. A field of view outside of these is no camera that was seen in practice."""
ENOUGH_SEEN = 0.05
"""Share of pixels that the model must place for its camera to count."""
ADVICE = "depth_detail"


class MoGe(ModelBackend):
    """Geometry by MoGe-2; see the module's text.

    Half precision is MoGe's own: float16 where it does no harm, on CUDA only.
    """

    name: ClassVar[str] = "moge"
    title: ClassVar[str] = "MoGe-2 (ViT-S)"
    licence: ClassVar[str] = "MIT (code and weights)"
    packages: ClassVar[tuple[str, ...]] = ("torch", "scipy", "utils3d", "moge")
    # Its declared dependencies bring a package called `pipeline`, which would overwrite ours.
    extra: ClassVar[str] = "run “pip install --no-deps dlr-moge dlr-utils3d”"
    weights: ClassVar[Weights | None] = Weights(
        "Ruicheng/moge-2-vits-normal", ("model.pt",), "MIT", 140
    )
    scale_drifts: ClassVar[bool] = True

    def load(self) -> None:
        """Load the model as for use."""
        loaded(self, "moge", self._build)

    def camera(self, request: GeometryRequest, progress: Progress) -> PinholeCamera | None:
        """Return the dataset's camera, or estimate one at the keyframe.

        A field of view that no camera has (a blank picture) is replaced by the assumed one.
        """
        given = given_camera(request)
        if given is not None:
            return given
        progress(0.0, "estimating the camera")
        result = self._infer(request, request.keyframe, None)
        focal = float(result["intrinsics"][0, 0].float().cpu())
        fov = float(np.degrees(2.0 * np.arctan2(0.5, focal)))
        mask = result.get("mask")
        seen = 1.0 if mask is None else float(mask.float().mean())
        if np.isfinite(fov) and NARROWEST <= fov <= WIDEST and seen >= ENOUGH_SEEN:
            return camera_of_fov(request, fov, CameraOrigin.ESTIMATED)
        if request.assumed_fov <= 0:
            return None
        return camera_of_fov(request, request.assumed_fov, CameraOrigin.ASSUMED)

    def depth(
        self, frame: int, request: GeometryRequest, camera: PinholeCamera, progress: Progress
    ) -> DepthPicture | None:
        """Return estimated depth; what the model masks (sky, what it cannot place) is dropped."""
        result = self._infer(request, frame, camera.fov_x)
        metres = result["depth"].float().cpu().numpy()
        mask = result.get("mask")
        return depth_picture(metres, None if mask is None else mask.cpu().numpy())

    def _infer(self, request: GeometryRequest, frame: int, fov_x: float | None) -> dict[str, Any]:
        import torch

        model, half = loaded(self, "moge", self._build)
        image = request.frame_at(frame)
        height, width = image.shape[:2]
        device = next(model.parameters()).device
        with (
            memory_guard(f"estimating depth of a {width}x{height} picture", ADVICE),
            warnings.catch_warnings(),
        ):
            # MoGe switches half precision off by asking for float32, which a CPU warns about.
            warnings.filterwarnings("ignore", "In CPU autocast", UserWarning)
            tensor = torch.from_numpy(np.ascontiguousarray(image)).to(device)
            tensor = tensor.permute(2, 0, 1).float() / 255.0
            level = request.detail
            return dict(model.infer(tensor, fov_x=fov_x, resolution_level=level, use_fp16=half))

    def _build(self, placement: Placement) -> tuple[Any, bool]:
        import torch
        from moge.model.v2 import MoGeModel

        path = self.weights_path()
        if path.is_dir():
            path = path / "model.pt"
        if not path.is_file():
            raise DataError("no_weights", f"there is no {path.name} in {path.parent.name}.")
        model = MoGeModel.from_pretrained(path)
        # It loads with strict=False: a file without the right names would run on random numbers.
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["model"]
        missing = sorted(set(model.state_dict()) - set(held))
        if missing:
            raise ValueError(f"{len(missing)} weights are missing, the first is {missing[0]}")
        half = placement.device.type == "cuda" and placement.dtype != torch.float32
        return model.to(placement.device).eval(), half
