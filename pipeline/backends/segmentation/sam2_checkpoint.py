"""SAM 2's two layouts of weights: Meta's `.pt` and transformers' folder, and the way between them.

Both hold the same tensors under other names. The sizes of the network are known for the four
published models; for any other one a transformers `config.json` beside the `.pt` names them (the
Hub's folders hold both). Nothing is ever executed from a folder of weights.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.model.problem import DataError

SIZES = ("tiny", "small", "base-plus", "large")
HUB = "facebook/sam2.1-hiera-"
"""Hub ids of the published sizes begin so, and end in the size."""
_SUFFIXES = (".pt", ".pth")
_STEM = "image_encoder.trunk.pos_embed"
_QKV = re.compile(r"image_encoder\.trunk\.blocks\.(\d+)\.attn\.qkv\.weight")


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes in which SAM 2 models differ.

    Attributes:
        width: Channels of the encoder's first stage; every later stage has twice as many.
        heads: Attention heads of the first stage; doubled as well.
        stages: Blocks of the four stages.
        windows: Window sizes of the four stages.
        global_blocks: Blocks without windows.
        background: Size of the encoder's positional embedding.
        image_size: Side of the model's square input, pixels.
        version: `2.1`, or `2.0` for the first release.
    """

    width: int = 96
    heads: int = 1
    stages: tuple[int, ...] = (1, 2, 7, 2)
    windows: tuple[int, ...] = (8, 4, 14, 7)
    global_blocks: tuple[int, ...] = (5, 7, 9)
    background: tuple[int, ...] = (7, 7)
    image_size: int = 1024
    version: str = "2.1"

    @property
    def channels(self) -> list[int]:
        """Channels of the four stages, the last one first."""
        return [self.width * 2**stage for stage in reversed(range(4))]


PUBLISHED = {
    "tiny": Architecture(),
    "small": Architecture(stages=(1, 2, 11, 2), global_blocks=(7, 10, 13)),
    "base-plus": Architecture(112, 2, (2, 3, 16, 3), (8, 4, 14, 7), (12, 16, 20), (14, 14)),
    "large": Architecture(144, 2, (2, 6, 36, 4), (8, 4, 16, 8), (23, 33, 43)),
}


def meta_file(path: Path) -> Path | None:
    """The checkpoint in Meta's layout at a path, if that is what lies there.

    A folder with a `model.safetensors` counts as transformers', whatever else it holds.
    """
    if path.is_file():
        return path if path.suffix in _SUFFIXES else None
    if (path / "model.safetensors").exists():
        return None
    found = sorted(p for p in path.glob("*sam2*") if p.suffix in _SUFFIXES)
    return found[0] if len(found) == 1 else None


def read_meta(path: Path) -> dict[str, Any]:
    """Read tensors by name from a checkpoint in Meta's layout. Runs no code from the file.

    Raises:
        DataError: `bad_weights` if it is no checkpoint of a SAM 2.
    """
    import torch

    whole = torch.load(path, map_location="cpu", weights_only=True)
    state = whole.get("model") if isinstance(whole, dict) else None
    if not isinstance(state, dict) or _STEM not in state:
        raise DataError(
            "bad_weights",
            f"{path.name} is no SAM 2 checkpoint: it has no tensor “{_STEM}” under “model”.",
        )
    return state


def architecture_of(state: dict[str, Any], path: Path) -> Architecture:
    """Sizes of the network whose tensors are in `state`, read from `path`.

    Raises:
        DataError: `bad_weights` if it is none of the published ones and nothing beside it says
            what it is.
    """
    version = "2.1" if "no_obj_embed_spatial" in state else "2.0"
    width = int(state[_STEM].shape[1])
    outputs = [int(value.shape[0]) // 3 for name, value in state.items() if _QKV.fullmatch(name)]
    stages = tuple(outputs.count(width * 2**stage) for stage in range(4))
    for known in PUBLISHED.values():
        if (known.width, known.stages) == (width, stages):
            return _of_version(known, version)
    config = path.with_name("config.json")
    if config.is_file():
        found = _configured(config)
        if (found.width, found.stages) == (width, stages):
            return _of_version(found, version)
    raise DataError(
        "bad_weights",
        f"{path.name} is a SAM 2 of {width} channels and {stages} blocks, none of the published "
        f"sizes ({', '.join(SIZES)}); put its transformers config.json beside it.",
    )


def _of_version(known: Architecture, version: str) -> Architecture:
    import dataclasses

    return dataclasses.replace(known, version=version)


def _configured(path: Path) -> Architecture:
    """Sizes in a transformers `config.json`."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        backbone = whole["vision_config"]["backbone_config"]
        defaults = Architecture()
        background = backbone.get("window_positional_embedding_background_size")
        return Architecture(
            width=int(backbone["hidden_size"]),
            heads=int(backbone["num_attention_heads"]),
            stages=_whole(backbone["blocks_per_stage"]),
            windows=_whole(backbone["window_size_per_stage"]),
            global_blocks=_whole(backbone["global_attention_blocks"]),
            background=_whole(background or defaults.background),
            image_size=int(whole.get("image_size", defaults.image_size)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "bad_weights",
            f"{path.name} does not say how large the SAM 2 is ({type(error).__name__}: {error}).",
        ) from error


def _whole(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def package_config(architecture: Architecture) -> tuple[str, list[str]]:
    """Name of a configuration in Meta's package, and what to override in it."""
    name = "configs/sam2.1/sam2.1_hiera_t.yaml"
    if architecture.version == "2.0":
        name = "configs/sam2/sam2_hiera_t.yaml"
    trunk = "++model.image_encoder.trunk."
    return name, [
        f"++model.image_size={architecture.image_size}",
        f"++model.image_encoder.neck.backbone_channel_list={architecture.channels}",
        f"{trunk}embed_dim={architecture.width}",
        f"{trunk}num_heads={architecture.heads}",
        f"{trunk}stages={list(architecture.stages)}",
        f"{trunk}window_spec={list(architecture.windows)}",
        f"{trunk}global_att_blocks={list(architecture.global_blocks)}",
        f"{trunk}window_pos_embed_bkg_spatial_size={list(architecture.background)}",
    ]


def transformers_config(architecture: Architecture) -> dict[str, Any]:
    """Arguments of transformers' `Sam2VideoConfig`."""
    size = architecture.image_size
    is_first = architecture.version == "2.0"
    return {
        "image_size": size,
        "prompt_encoder_config": {"image_size": size},
        "memory_attention_rope_feat_sizes": [size // 16, size // 16],
        "enable_occlusion_spatial_embedding": not is_first,
        "enable_temporal_pos_encoding_for_object_pointers": not is_first,
        "vision_config": {
            "backbone_channel_list": architecture.channels,
            "backbone_feature_sizes": [[size // s, size // s] for s in (4, 8, 16)],
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "image_size": [size, size],
                "hidden_size": architecture.width,
                "num_attention_heads": architecture.heads,
                "blocks_per_stage": list(architecture.stages),
                "embed_dim_per_stage": [architecture.width * 2**s for s in range(4)],
                "num_attention_heads_per_stage": [architecture.heads * 2**s for s in range(4)],
                "window_size_per_stage": list(architecture.windows),
                "global_attention_blocks": list(architecture.global_blocks),
                "window_positional_embedding_background_size": list(architecture.background),
            },
        },
    }


_THREE_LAYERS = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}
_TWO_LAYERS = {"0": "proj_in", "1": "proj_out"}

_WHOLE_NAMES = {
    "maskmem_tpos_enc": "memory_temporal_positional_encoding",
    "no_mem_embed": "no_memory_embedding",
    "no_mem_pos_enc": "no_memory_positional_encoding",
    "no_obj_ptr": "no_object_pointer",
    "no_obj_embed_spatial": "occlusion_spatial_embedding_parameter",
}
_PREFIXES = (
    ("image_encoder.trunk.patch_embed.proj.", "vision_encoder.backbone.patch_embed.projection."),
    ("image_encoder.trunk.", "vision_encoder.backbone."),
    ("image_encoder.neck.", "vision_encoder.neck."),
    ("sam_prompt_encoder.", "prompt_encoder."),
    ("sam_mask_decoder.", "mask_decoder."),
    ("memory_encoder.pix_feat_proj.", "memory_encoder.feature_projection."),
    ("memory_encoder.out_proj.", "memory_encoder.projection."),
    ("memory_encoder.fuser.", "memory_encoder.memory_fuser."),
    ("obj_ptr_tpos_proj.", "temporal_positional_encoding_projection_layer."),
)
_PARTS = (
    (".output_upscaling.0.", ".upscale_conv1."),
    (".output_upscaling.1.", ".upscale_layer_norm."),
    (".output_upscaling.3.", ".upscale_conv2."),
    (".mask_downscaling.0.", ".mask_embed.conv1."),
    (".mask_downscaling.1.", ".mask_embed.layer_norm1."),
    (".mask_downscaling.3.", ".mask_embed.conv2."),
    (".mask_downscaling.4.", ".mask_embed.layer_norm2."),
    (".mask_downscaling.6.", ".mask_embed.conv3."),
    (".dwconv.", ".depthwise_conv."),
    (".pwconv", ".pointwise_conv"),
    (".out_proj.", ".o_proj."),
    (".conv.", "."),
    (".norm", ".layer_norm"),
)
_DOWNSAMPLER = re.compile(r"memory_encoder\.mask_downsampler\.encoder\.(\d+)\.(\w+)")
_LAYERS = re.compile(r"(.*?)\.layers\.(\d+)\.(weight|bias)")


def transformers_name(name: str) -> str:
    """Name in transformers' layout of a tensor in Meta's; the inverse is not needed."""
    if name in _WHOLE_NAMES:
        return _WHOLE_NAMES[name]
    found = _DOWNSAMPLER.fullmatch(name)
    if found:
        step, tensor = int(found[1]), found[2]
        layer = f"layers.{step // 3}.{('conv', 'layer_norm')[step % 3]}"
        return f"memory_encoder.mask_downsampler.{'final_conv' if step == 12 else layer}.{tensor}"
    for old, new in _PREFIXES:
        if name.startswith(old):
            name = new + name.removeprefix(old)
            break
    for old, new in _PARTS:
        name = name.replace(old, new)
    if name.endswith(".gamma"):
        name = name.removesuffix("gamma") + "scale"
    found = _LAYERS.fullmatch(name)
    if found is None:
        return name
    head, number, tensor = found[1], found[2], found[3]
    if head == "obj_ptr_proj":
        return f"object_pointer_proj.{_THREE_LAYERS[number]}.{tensor}"
    layers = _TWO_LAYERS if head.endswith(".mlp") else _THREE_LAYERS
    return f"{head}.{layers[number]}.{tensor}"


def transformers_state(state: dict[str, Any]) -> dict[str, Any]:
    """Tensors of Meta's layout under the names of transformers' `Sam2VideoModel`."""
    import torch

    renamed: dict[str, Any] = {}
    points = "sam_prompt_encoder.point_embeddings."
    matrix = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    for name, value in state.items():
        if name == matrix:
            renamed["prompt_encoder.shared_embedding.positional_embedding"] = value
            renamed["shared_image_embedding.positional_embedding"] = value
        elif not name.startswith(points):
            renamed[transformers_name(name)] = value
    embeddings = [state[f"{points}{i}.weight"] for i in range(4)]
    renamed["prompt_encoder.point_embed.weight"] = torch.cat(embeddings)
    return renamed
