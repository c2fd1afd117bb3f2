"""SAM 2.1 through transformers, without its processors: they need torchvision."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.backends.devices import Placement, loaded
from pipeline.backends.segmentation import sam2_checkpoint
from pipeline.backends.segmentation.sam2_clip import ClipFrames, Memory
from pipeline.backends.segmentation.sam2_pictures import model_mask
from pipeline.backends.segmentation.sam2_segmenter import (
    EncodedPictures,
    PictureModel,
    Sam2Segmenter,
    half_precision,
)
from pipeline.backends.transformers_log import quiet_transformers
from pipeline.backends.weights import Weights
from pipeline.model.arrays import Bool
from pipeline.model.problem import DataError

if TYPE_CHECKING:
    import torch

PICTURE_KIND = "sam2_pictures"
VIDEO_KIND = "sam2_video"

_MEGABYTES = {"tiny": 156, "small": 184, "base-plus": 324, "large": 898}


def hub_weights(size: str) -> Weights:
    """Folder of a published size on the Hub."""
    files = ("config.json", "model.safetensors")
    return Weights(sam2_checkpoint.HUB + size, files, "Apache-2.0", _MEGABYTES[size])


SMALL = hub_weights("small")
"""The default: by Meta's own table 8 % slower than `tiny` and 1.7 points better on MOSE (video);
`large` gains 1.1 points more there (2.9 on SA-V) at 5 times the size and half the speed."""


class Sam2Transformers(Sam2Segmenter):
    """SAM 2.1 by transformers; takes its folders and Meta's `.pt` alike."""

    name = "sam2"
    title = "SAM 2.1 (transformers)"
    licence = "Apache-2.0"
    packages = ("torch", "transformers")
    weights: ClassVar[Weights | None] = SMALL

    @staticmethod
    def published(size: str) -> Weights:
        """Folder of a published size on the Hub."""
        return hub_weights(size)

    def model(self) -> PictureModel:
        """The loaded model."""
        path = self.weights_path()
        return loaded(self, PICTURE_KIND, lambda place: TransformersPictures(path, place))


class TransformersPictures:
    """A `Sam2Model` behind the protocol `PictureModel`."""

    def __init__(self, path: Path, place: Placement) -> None:
        self.place = place
        self.encoded = EncodedPictures()
        self._model = _read("Sam2Model", path).to(place.device)
        self.size = int(self._model.config.prompt_encoder_config.image_size)

    def encode(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features of a picture."""
        return tuple(self._model.get_image_embeddings(pixels))

    def decode(
        self,
        features: tuple[torch.Tensor, ...],
        points: torch.Tensor,
        labels: torch.Tensor,
        several: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits (n, m, s, s) and rated IoU (n, m)."""
        found = self._model(
            image_embeddings=list(features),
            input_points=points[None],
            input_labels=labels[None],
            multimask_output=several,
        )
        return found.pred_masks[0], found.iou_scores[0]


class TransformersVideo:
    """A `Sam2VideoModel` behind the protocol `VideoModel`."""

    def __init__(self, path: Path, place: Placement) -> None:
        self.place, self.device = place, place.device
        self._model = _read("Sam2VideoModel", path).to(place.device)
        self.size = int(self._model.config.image_size)
        # Where a mask is the prompt, transformers takes the object's pointer from the best of three
        # masks and Meta from the only one, which it was trained with. Calls that say how many they
        # want are as before.
        self._model._single_frame_forward = partial(
            self._model._single_frame_forward, multimask_output=False
        )

    def follow(
        self, clip: ClipFrames, start: int, masks: Bool
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield index and mask logits (K, s, s) of every frame but the first one."""
        import torch
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        session = Sam2VideoInferenceSession(
            video_height=clip.height,
            video_width=clip.width,
            inference_device=self.device,
            inference_state_device=self.device,
            video_storage_device=self.device,
            dtype=torch.float32,
        )
        session.processed_frames = clip
        for number, mask in enumerate(masks):
            index = session.obj_id_to_idx(number)
            session.add_mask_inputs(index, start, model_mask(mask, self.size, self.device))
            session.obj_with_new_inputs.append(number)
        memory = Memory(session.output_dict_per_obj, start)

        def step(index: int, backward: bool) -> torch.Tensor:
            with torch.inference_mode(), half_precision(self.place):
                found = self._model(session, frame_idx=index, reverse=backward)
            memory.tidy(index)
            return found.pred_masks[:, 0]

        step(start, False)
        for index in range(start + 1, len(clip)):
            yield index, step(index, False)
        clip.backward = True
        for index in range(start - 1, -1, -1):
            yield index, step(index, True)


def _read(name: str, path: Path) -> Any:
    """Load a model of transformers by the name of its class, in evaluation mode.

    Raises:
        DataError: `bad_weights` if tensors are missing; anything else that transformers raises.
    """
    import transformers

    kind = getattr(transformers, name)
    meta = sam2_checkpoint.meta_file(path)
    if meta is not None:
        return _converted(kind, meta)
    folder = path.parent if path.is_file() else path
    with quiet_transformers():
        model, report = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers would go on with random numbers in their place.
        raise DataError(
            "bad_weights",
            f"the weights in {folder.name} lack {len(missing)} tensors of SAM 2 "
            f"(the first is {missing[0]}).",
        )
    return model.eval()


def _converted(kind: Any, meta: Path) -> Any:
    """Make a model of transformers from a checkpoint in Meta's layout."""
    from transformers import Sam2Config, Sam2VideoConfig, Sam2VideoModel

    state = sam2_checkpoint.read_meta(meta)
    sizes = sam2_checkpoint.transformers_config(sam2_checkpoint.architecture_of(state, meta))
    state = sam2_checkpoint.transformers_state(state)
    if kind is Sam2VideoModel:
        model = kind(Sam2VideoConfig(**sizes))
    else:
        parts = ("vision_config", "prompt_encoder_config")
        model = kind(Sam2Config(**{part: sizes[part] for part in parts}))
        wanted = set(model.state_dict())
        state = {key: value for key, value in state.items() if key in wanted}
    model.load_state_dict(state, strict=True)
    return model.eval()
