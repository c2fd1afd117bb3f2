"""Checkpoints of the models' default sizes with random numbers, in the files of the real ones.

They cost what the real ones cost and know nothing. MoGe's decoder is that of its published
training configuration at the width of the small encoder: the small model's own is not public as
text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SPECIAL = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
_SEPARATORS = {1012: ".", 1029: "?"}
_WORDS = 30_522
_MEAN_AND_STD = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def write_llmdet(folder: Path) -> Path:
    """LLMDet with a Swin-T backbone, 900 queries, pictures of 800 x 1333."""
    from transformers import MMGroundingDinoConfig, MMGroundingDinoForObjectDetection

    MMGroundingDinoForObjectDetection(MMGroundingDinoConfig()).save_pretrained(folder)
    words = [(_SPECIAL | _SEPARATORS).get(i, f"word{i}") for i in range(_WORDS)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = {"tokenizer_class": "BertTokenizer", "processor_class": "GroundingDinoProcessor"}
    _write(folder / "tokenizer_config.json", {**tokenizer, "do_lower_case": True})
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "GroundingDinoImageProcessor",
            "processor_class": "GroundingDinoProcessor",
            "do_resize": True,
            "do_rescale": True,
            "do_normalize": True,
            "do_pad": True,
            "format": "coco_detection",
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"shortest_edge": 800, "longest_edge": 1333},
            **_MEAN_AND_STD,
        },
    )
    return folder


def write_sam2(folder: Path, size: str = "small") -> Path:
    """SAM 2.1, pictures of 1024 x 1024."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    from pipeline.backends.segmentation.sam2_checkpoint import PUBLISHED, transformers_config

    config = Sam2VideoConfig(**transformers_config(PUBLISHED[size]))
    Sam2VideoModel(config).save_pretrained(folder)
    return folder


def write_depth_anything(folder: Path) -> Path:
    """Depth Anything V2 Small, metric, pictures of 518 px."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        image_size=518,
        patch_size=14,
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        out_features=["stage3", "stage6", "stage9", "stage12"],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=384,
        neck_hidden_sizes=[48, 96, 192, 384],
        fusion_hidden_size=64,
        head_hidden_size=32,
        depth_estimation_type="metric",
        max_depth=20,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "DPTImageProcessor",
            "do_resize": True,
            "do_rescale": True,
            "do_normalize": True,
            "keep_aspect_ratio": True,
            "ensure_multiple_of": 14,
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": 518, "width": 518},
            **_MEAN_AND_STD,
        },
    )
    return folder


def write_moge(folder: Path) -> Path:
    """MoGe-2 with a ViT-S encoder."""
    import torch
    from moge.model.v2 import MoGeModel

    widths = [384, 256, 128, 64, 32]
    common = {
        "dim_res_blocks": widths,
        "res_block_in_norm": "none",
        "res_block_hidden_norm": "none",
        "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose", "bilinear"],
    }

    def head(channels: int) -> dict[str, Any]:
        out = [None, None, None, None, channels]
        return {"dim_in": widths, "dim_out": out, "num_res_blocks": [0, 1, 1, 1, 0], **common}

    config = {
        "encoder": {
            "backbone": "dinov2_vits14",
            "intermediate_layers": [2, 5, 8, 11],
            "dim_out": 384,
        },
        "neck": {
            "dim_in": [386, 2, 2, 2, 2],
            "dim_out": None,
            "num_res_blocks": [0, 2, 2, 2, 0],
            **common,
        },
        "points_head": head(3),
        "normal_head": head(3),
        "mask_head": head(1),
        "scale_head": {"dims": [384, 384, 384, 1]},
        "remap_output": "exp",
        "num_tokens_range": [1200, 3600],
    }
    folder.mkdir(parents=True, exist_ok=True)
    model = MoGeModel(**config)
    path = folder / "model.pt"
    torch.save({"model_config": config, "model": model.state_dict()}, path)
    return path


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values), encoding="utf-8")
