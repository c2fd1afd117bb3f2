"""SAM 2.1 by Meta's own package `sam2`, for comparison and for its `.pt` checkpoints.

Its image predictor imports torchvision, so pictures go through the model's own methods, in the
same order; its video predictor reads files, so it is given frames of the episode instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.backends.backend import is_installed
from pipeline.backends.devices import Placement, loaded
from pipeline.backends.segmentation import sam2_checkpoint
from pipeline.backends.segmentation.sam2_clip import ClipFrames, Memory
from pipeline.backends.segmentation.sam2_segmenter import (
    EncodedPictures,
    PictureModel,
    Sam2Segmenter,
    half_precision,
)
from pipeline.backends.weights import Weights
from pipeline.model.arrays import Bool
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    import torch

KIND = "sam2_meta"
"""One model for pictures and clips."""
_LIKE_BUILD_SAM2 = [
    "++model._target_=sam2.sam2_video_predictor.SAM2VideoPredictor",
    # The package's own defaults; but it would also fill holes, with code it has to compile.
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=true",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.05",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=0.98",
    "++model.binarize_mask_from_pts_for_mem_enc=true",
]


def hub_weights(size: str) -> Weights:
    """Meta's checkpoint of a published size on the Hub."""
    megabytes = {"tiny": 156, "small": 184, "base-plus": 324, "large": 898}[size]
    file = f"sam2.1_hiera_{size.replace('-', '_')}.pt"
    return Weights(sam2_checkpoint.HUB + size, (file,), "Apache-2.0", megabytes)


class Sam2Meta(Sam2Segmenter):
    """SAM 2.1 by Meta's package; takes `.pt` checkpoints only."""

    name = "sam2_meta"
    title = "SAM 2.1 (Meta's package)"
    licence = "Apache-2.0"
    packages = ("torch", "sam2", "hydra")
    extra = "sam2"
    weights: ClassVar[Weights | None] = hub_weights("small")

    @staticmethod
    def published(size: str) -> Weights:
        """Checkpoint of a published size on the Hub."""
        return hub_weights(size)

    def model(self) -> PictureModel:
        """The loaded model."""
        path = self.weights_path()
        return loaded(self, KIND, lambda place: MetaModel(path, place))


def is_usable(path: Path) -> bool:
    """True if weights are in Meta's layout and its package is here to run them."""
    return sam2_checkpoint.meta_file(path) is not None and is_installed("sam2")


class MetaModel:
    """A `SAM2VideoPredictor` behind the protocols `PictureModel` and `VideoModel`."""

    def __init__(self, path: Path, place: Placement) -> None:
        import torch
        from sam2.build_sam import build_sam2

        file = sam2_checkpoint.meta_file(path)
        if file is None:
            raise DataError(
                "bad_weights",
                f"{path.name} holds no .pt checkpoint of SAM 2, and Meta's package reads no other; "
                "choose the backend “sam2” (transformers) for it.",
            )
        state = sam2_checkpoint.read_meta(file)
        name, sizes = sam2_checkpoint.package_config(sam2_checkpoint.architecture_of(state, file))
        self._model: Any = build_sam2(
            name,
            None,
            device="cpu",
            hydra_overrides_extra=[*_LIKE_BUILD_SAM2, *sizes],
            apply_postprocessing=False,
        )
        self._model.load_state_dict(state, strict=True)
        self._model.to(place.device).eval()
        self.place, self.device = place, place.device
        self.size = int(self._model.image_size)
        self.encoded = EncodedPictures()
        self._levels = [torch.Size((self.size // s, self.size // s)) for s in (4, 8, 16)]

    def encode(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of a picture, as `SAM2ImagePredictor.set_image` makes them."""
        model = self._model
        _, features, _, _ = model._prepare_backbone_features(model.forward_image(pixels))
        if model.directly_add_no_mem_embed:
            features[-1] = features[-1] + model.no_mem_embed
        return tuple(
            f.permute(1, 2, 0).reshape(1, -1, *level)
            for f, level in zip(features, self._levels, strict=True)
        )

    def decode(
        self,
        features: tuple[torch.Tensor, ...],
        points: torch.Tensor,
        labels: torch.Tensor,
        several: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits (n, m, s, s) and rated IoU (n, m), as `SAM2ImagePredictor._predict`."""
        sparse, dense = self._model.sam_prompt_encoder(
            points=(points, labels), boxes=None, masks=None
        )
        logits, rated, _, _ = self._model.sam_mask_decoder(
            image_embeddings=features[-1],
            image_pe=self._model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=several,
            repeat_image=len(points) > 1,
            high_res_features=list(features[:-1]),
        )
        return logits, rated

    def follow(
        self, clip: ClipFrames, start: int, masks: Bool
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield index and mask logits (K, H, W) of every frame but the first one."""
        import torch

        with _frames_instead_of_files(), torch.inference_mode(), half_precision(self.place):
            state = self._model.init_state(clip)
            for number, mask in enumerate(masks):
                self._model.add_new_mask(state, start, number, np.ascontiguousarray(mask))
            memory = Memory(state["output_dict_per_obj"], start)
            for backward in (False, True):
                clip.backward = backward
                walk = self._model.propagate_in_video(
                    state, start_frame_idx=start, reverse=backward
                )
                for index, _, logits in walk:
                    memory.tidy(index)
                    if index != start:
                        yield index, logits[:, 0]


@contextmanager
def _frames_instead_of_files() -> Iterator[None]:
    """Let the package's video predictor take `ClipFrames` for a video, and print no progress."""
    from sam2 import sam2_video_predictor as package

    def frames(video_path: ClipFrames, **_: Any) -> tuple[ClipFrames, int, int]:
        return video_path, video_path.height, video_path.width

    def quietly(steps: Any, **_: Any) -> Any:
        return steps

    before = package.load_video_frames, package.tqdm
    package.load_video_frames, package.tqdm = frames, quietly
    try:
        yield
    finally:
        package.load_video_frames, package.tqdm = before
